package peers

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// phoneScene is a scene with a baresip at the other end.
type phoneScene struct {
	*scene
	phone *lab.Baresip
}

func (s *phoneScene) do(command, params string) {
	s.Helper()
	s.must(s.phone.Command(within(s.T, 10*time.Second), command, params))
}

// talk waits until both hear each other.
func (s *phoneScene) talk() {
	s.Helper()
	s.inState("talking")
	s.hears(indoorTone)
	s.indoors().hears(doorTone)
}

// indoors is the scene heard from the telephone.
func (s *phoneScene) indoors() *scene {
	return &scene{T: s.T, door: s.door, ear: s.phone.Heard, ladder: s.ladder, begin: s.begin}
}

// play plays rows with baresip.
func (s *phoneScene) play(peer string, table []phoneRow) {
	var plain []row
	for _, r := range table {
		plain = append(plain, row{name: r.name, cause: r.cause, by: r.by, play: func(sc *scene) {
			sc.Helper()
			r.play(&phoneScene{scene: sc, phone: s.phone})
		}})
	}
	s.scene.play(peer, plain)
}

type phoneRow struct {
	name      string
	play      func(s *phoneScene)
	cause, by string
}

var phoneCalls = []phoneRow{
	{name: "the door calls, the telephone hangs up", cause: "hung-up", by: "far-end", play: func(s *phoneScene) {
		s.press("1001")
		s.talk()
		s.do("hangup", "")
	}},
	{name: "the door calls, the door hangs up", cause: "hung-up", by: "door", play: func(s *phoneScene) {
		s.press("1001")
		s.talk()
		s.press("1001")
	}},
	{name: "the telephone calls, the door hangs up", cause: "hung-up", by: "door", play: func(s *phoneScene) {
		s.do("dial", "sip:1000@"+lab.Domain)
		s.inState("ringing")
		s.press("1001")
		s.talk()
		s.press("1001")
	}},
	{name: "the telephone calls and hangs up", cause: "hung-up", by: "far-end", play: func(s *phoneScene) {
		s.do("dial", "sip:1000@"+lab.Domain)
		s.inState("ringing")
		s.press("1001")
		s.talk()
		s.do("hangup", "")
	}},
	{name: "the telephone calls and gives up", cause: "cancelled", by: "far-end", play: func(s *phoneScene) {
		s.do("dial", "sip:1000@"+lab.Domain)
		s.inState("ringing")
		s.do("hangup", "")
	}},
	{name: "key of the telephone opens the door", cause: "hung-up", by: "far-end", play: func(s *phoneScene) {
		s.press("1001")
		s.talk()
		s.do("sndcode", "5")
		s.opens()
		s.do("hangup", "")
	}},
	// It cannot come back: baresip 1.1.0 says "Invalid argument" to its own resume.
	{name: "the telephone holds", cause: "hung-up", by: "far-end", play: func(s *phoneScene) {
		s.press("1001")
		s.talk()
		s.do("hold", "")
		s.deaf(indoorTone)
		s.indoors().deaf(doorTone)
		s.do("hangup", "")
	}},
}

// baresipCodecs are the ways in which baresip is started.
var baresipCodecs = []struct{ codecs, door, row string }{
	{"pcmu/8000/1", "pcmu", "PCMU as the only codec"},
	{"pcma/8000/1", "pcma", "PCMA as the only codec"},
}

func TestBaresip(t *testing.T) {
	s := need(t)
	d := startDoor(t, atKamailio(t, s, nil, "1001"))
	sc := withBaresip(t, d, s.site.Kamailio)
	sc.phone = startBaresip(t, s, lab.BaresipConfig{Codecs: "opus/48000/2", Kamailio: s.site.Kamailio})
	sc.play("baresip "+sc.phone.Version+" behind Kamailio "+s.site.Kamailio.Version, phoneCalls)
	for _, c := range baresipCodecs {
		_ = sc.phone.Stop(3 * time.Second)
		sc.phone = startBaresip(t, s, lab.BaresipConfig{Codecs: c.codecs, Kamailio: s.site.Kamailio})
		sc.play("baresip "+sc.phone.Version+" behind Kamailio "+s.site.Kamailio.Version, []phoneRow{{name: c.row, cause: "hung-up", by: "far-end", play: func(s *phoneScene) {
			s.press("1001")
			s.talk()
			s.sees("with codec "+c.door, func(st lab.Status) bool { return strings.Contains(strings.ToLower(st.Sound.Codec), c.door) })
			s.do("hangup", "")
		}}})
	}
}

// withBaresip is the stage of a door and a telephone.
func withBaresip(t *testing.T, d *lab.Door, k *lab.Kamailio) *phoneScene {
	t.Helper()
	ladder := func(t time.Time) string { return lab.Ladder(k.Since(t)) }
	return &phoneScene{scene: &scene{T: t, door: d, ear: sounds(t, d.Config.Card), ladder: ladder}}
}

func startBaresip(t *testing.T, s *shared, c lab.BaresipConfig) *lab.Baresip {
	t.Helper()
	c.User, c.Tone = "1001", indoorTone
	b, err := s.site.StartBaresipWith(within(t, 30*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop(3 * time.Second) })
	return b
}

func TestRTPEngine(t *testing.T) {
	s := need(t)
	r, err := lab.StartRTPEngine(within(t, 20*time.Second), s.site.Dir, lab.Address, 22222)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(3 * time.Second) })
	c := s.site.Kamailio.Config
	c.Dir, c.RTPEngine = filepath.Join(s.site.Dir, "kamailio-rtpengine"), r.Socket
	c.SIPPort, c.WSPort, c.WSSPort = c.SIPPort+100, c.WSPort+100, c.WSSPort+100
	k, err := lab.StartKamailio(within(t, 20*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Stop(3 * time.Second) })
	site := *s.site // the same place with another server
	site.Kamailio = k

	door := atKamailio(t, s, nil, "1001")
	door.Server = site.WSS()
	d := startDoor(t, door)
	sc := withBaresip(t, d, k)
	page, err := s.browser.OpenLibrary(within(t, 30*time.Second), s.phones.URL, lab.SIPjs21, site.WSS(), "1001", "ring")
	if err != nil {
		t.Fatal(err)
	}
	(&pageScene{scene: sc.scene, page: page}).play("Kamailio "+k.Version+" with rtpengine "+r.Version, []pageRow{
		{name: "the door calls a web phone through the anchor", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.call()
			s.do("phone.hangup()")
		}},
		{name: "a web phone calls through the anchor, its key opens the door", cause: "hung-up", by: "door", play: func(s *pageScene) {
			s.do(`phone.call("1000")`)
			s.inState("ringing")
			s.press("1001")
			s.talk()
			s.must(s.page.Until(within(s.T, 10*time.Second), "phone.canDial()"))
			s.do(`phone.dtmf("5")`)
			s.opens()
			s.press("1001")
		}},
		{name: "a web phone holds through the anchor, and back", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.call()
			s.do("phone.hold()")
			s.do("phone.unhold()")
			s.talk()
			s.do("phone.hangup()")
		}},
	})
	page.Close()
	sc.phone = startBaresip(t, s, lab.BaresipConfig{Codecs: "pcma/8000/1,pcmu/8000/1", Kamailio: k, Plain: true})
	sc.play("Kamailio "+k.Version+" with rtpengine "+r.Version, []phoneRow{
		{name: "the door calls a telephone of plain RTP", cause: "hung-up", by: "far-end", play: func(s *phoneScene) {
			s.press("1001")
			s.talk()
			s.do("hangup", "")
		}},
		{name: "a telephone of plain RTP calls, its key opens the door", cause: "hung-up", by: "door", play: func(s *phoneScene) {
			s.do("dial", "sip:1000@"+lab.Domain)
			s.inState("ringing")
			s.press("1001")
			s.talk()
			s.do("sndcode", "5")
			s.opens()
			s.press("1001")
		}},
		{name: "a telephone of plain RTP holds", cause: "hung-up", by: "far-end", play: func(s *phoneScene) {
			s.press("1001")
			s.talk()
			s.do("hold", "")
			s.indoors().deaf(doorTone)
			s.do("hangup", "")
		}},
	})
}
