package peers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// webPhones are the libraries of web phones and what people call them.
var webPhones = []struct{ library, name string }{
	{lab.SIPjs15, "SIP.js"}, {lab.SIPjs21, "SIP.js"}, {lab.JsSIP, "JsSIP"},
}

// pageScene is a scene with a web phone at the other end.
type pageScene struct {
	*scene
	page  *lab.WebPhone
	other *lab.WebPhone // whom the page may pass the door on to; answers at once
}

// passedOn waits until the door talks with the other page, and its record of the
// first call says so.
func (s *pageScene) passedOn() {
	s.Helper()
	_, err := s.other.Hears(within(s.T, 20*time.Second), doorTone, steady)
	s.must(err)
	s.hears(pageTone)
	s.sees("passed on", func(st lab.Status) bool { return len(st.Calls) > 0 && st.Calls[0].Ending.Cause == "passed-on" })
}

func (s *pageScene) do(js string) {
	s.Helper()
	s.must(s.page.Do(within(s.T, 10*time.Second), js, nil))
}

func (s *pageScene) saw(event string) {
	s.Helper()
	s.must(s.page.Saw(within(s.T, 20*time.Second), event))
}

// hear waits until the page hears a tone.
func (s *pageScene) hear(freq float64) {
	s.Helper()
	_, err := s.page.Hears(within(s.T, 20*time.Second), freq, steady)
	s.must(err)
}

// talk waits until both hear each other.
func (s *pageScene) talk() {
	s.Helper()
	s.inState("talking")
	s.hears(pageTone)
	s.hear(doorTone)
}

// incoming says what the page does with the next call.
func (s *pageScene) incoming(what string) {
	s.Helper()
	s.must(s.page.Incoming(within(s.T, 5*time.Second), what))
}

// call calls the page, which answers.
func (s *pageScene) call() {
	s.Helper()
	s.incoming("answer")
	s.press("1001")
	s.talk()
}

// pageRow is a row with a web phone.
type pageRow struct {
	name      string
	play      func(s *pageScene)
	cause, by string
}

// play plays rows with a web phone.
func (s *pageScene) play(peer string, table []pageRow) {
	var plain []row
	for _, r := range table {
		plain = append(plain, row{name: r.name, cause: r.cause, by: r.by, play: func(sc *scene) {
			sc.Helper()
			s := &pageScene{scene: sc, page: s.page, other: s.other}
			// Whoever transferred a call may have been left with his own; one that is ending
			// cannot be hung up.
			s.must(s.page.Do(within(s.T, 5*time.Second), "(() => { try { phone.hangup(); } catch { } })()", nil))
			s.must(s.page.Until(within(s.T, 10*time.Second), "phone.session === null"))
			s.incoming("ring")
			r.play(s)
		}})
	}
	s.scene.play(peer, plain)
}

var pageCalls = []pageRow{
	{name: "the door calls, the page hangs up", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
		s.press("1001")
		s.saw("incoming")
		s.do("phone.answer()")
		s.talk()
		s.do("phone.hangup()")
	}},
	{name: "the door calls, the door hangs up", cause: "hung-up", by: "door", play: func(s *pageScene) {
		s.call()
		s.press("1001")
		s.saw("bye")
	}},
	{name: "the page calls, the page hangs up", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
		s.do(`phone.call("1000")`)
		s.saw("progress")
		s.inState("ringing")
		s.press("1001")
		s.talk()
		s.do("phone.hangup()")
	}},
	{name: "the page calls, the door hangs up", cause: "hung-up", by: "door", play: func(s *pageScene) {
		s.do(`phone.call("1000")`)
		s.inState("ringing")
		s.press("1001")
		s.talk()
		s.press("1001")
		s.saw("bye")
	}},
	{name: "the page is busy", cause: "busy", by: "far-end", play: func(s *pageScene) {
		s.incoming("busy")
		s.press("1001")
	}},
	{name: "the page rejects", cause: "refused", by: "far-end", play: func(s *pageScene) {
		s.incoming("reject")
		s.press("1001")
	}},
	{name: "the door cancels", cause: "cancelled", by: "door", play: func(s *pageScene) {
		s.press("1001")
		s.saw("incoming")
		s.inState("calling")
		s.press("1001")
		s.saw("cancel")
	}},
	{name: "the page cancels", cause: "cancelled", by: "far-end", play: func(s *pageScene) {
		s.do(`phone.call("1000")`)
		s.saw("progress")
		s.inState("ringing")
		s.do("phone.hangup()")
	}},
	{name: "the door refuses", cause: "refused", by: "command", play: func(s *pageScene) {
		s.do(`phone.call("1000")`)
		s.inState("ringing")
		s.must(s.door.Hangup(within(s.T, 5*time.Second)))
		s.saw("rejected")
	}},
	{name: "key in RTP opens the door", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
		s.call()
		s.must(s.page.Until(within(s.T, 10*time.Second), "phone.canDial()"))
		s.do(`phone.dtmf("5")`)
		s.opens()
		s.do("phone.hangup()")
	}},
	{name: "key by INFO opens the door", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
		s.call()
		s.do(`phone.info("5")`)
		s.opens()
		s.do("phone.hangup()")
	}},
	{name: "the page holds, and back", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
		s.call()
		s.do("phone.hold()")
		// Whoever holds may still send, such as music; the other side must not.
		s.must(lab.Poll(within(s.T, 20*time.Second), func() error {
			level, err := s.page.Tone(within(s.T, 5*time.Second), doorTone)
			if err == nil && level > audible {
				err = fmt.Errorf("the page still hears the door at %.1f dBFS", level)
			}
			return err
		}))
		s.do("phone.unhold()")
		s.talk()
		s.do("phone.hangup()")
	}},
	{name: "the page passes the door on (blind transfer)", cause: "hung-up", by: "door", play: func(s *pageScene) {
		s.call()
		s.do(`phone.transfer("1002")`)
		s.passedOn()
		s.press("1001")
	}},
	{name: "the page passes the door on after a talk (attended transfer)", cause: "hung-up", by: "door", play: func(s *pageScene) {
		s.call()
		s.do("phone.hold()")
		s.do(`phone.consult("1002")`)
		s.hear(pageTone) // the other page, which does not hear the door yet
		s.do("phone.join()")
		s.passedOn()
		s.press("1001")
	}},
	{name: "the page connects somebody with the door (INVITE with Replaces)", cause: "hung-up", by: "door", play: func(s *pageScene) {
		s.do(`phone.call("1002")`)
		s.hear(pageTone)
		s.do("phone.hold()")
		s.do(`phone.consult("1000")`)
		s.inState("ringing")
		s.press("1001")
		s.inState("talking")
		s.hear(doorTone)
		s.do("phone.join()")
		s.passedOn()
		s.press("1001")
	}},
}

func TestWebPhones(t *testing.T) {
	s := need(t)
	d := startDoor(t, atKamailio(t, s, nil, "1001"))
	sc := scene{T: t, door: d, ear: sounds(t, d.Config.Card), ladder: func(t time.Time) string { return lab.Ladder(s.site.Kamailio.Since(t)) }}
	other, err := s.browser.OpenLibrary(within(t, 30*time.Second), s.phones.URL, lab.SIPjs21, s.site.WSS(), "1002", "answer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	for _, w := range webPhones {
		t.Run(w.library, func(t *testing.T) {
			sc := sc
			sc.T = t
			page, err := s.browser.OpenLibrary(within(t, 30*time.Second), s.phones.URL, w.library, s.site.WSS(), "1001", "ring")
			if err != nil {
				t.Fatal(err)
			}
			defer page.Close()
			version := versionOf(t, page, w.library, w.name) + " behind Kamailio " + s.site.Kamailio.Version
			(&pageScene{scene: &sc, page: page, other: other}).play(version, pageCalls)
			if w.library == lab.SIPjs15 {
				throughCable(t, s, &pageScene{scene: &sc, page: page}, version)
			}
		})
	}
}

// throughCable plays with a door whose connection is cut while all others live on.
func throughCable(t *testing.T, s *shared, ps *pageScene, version string) {
	cable, err := lab.LayCable(lab.Address, fmt.Sprintf("%s:%d", lab.Address, s.site.Kamailio.Config.WSSPort))
	if err != nil {
		t.Fatal(err)
	}
	defer cable.Remove()
	c := atKamailio(t, s, nil, "1001")
	c.User, c.Server = "1003", "wss://"+cable.Addr
	sc := *ps.scene
	sc.door = startDoor(t, c)
	(&pageScene{scene: &sc, page: ps.page}).play(version, []pageRow{
		{name: "the connection is cut in a call: the sound goes on, the page hangs up later", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.call()
			at := time.Now()
			cable.Cut()
			_, err := place.site.Kamailio.Wait(within(s.T, 20*time.Second), at, func(m lab.Message) bool {
				return m.Method == "INVITE" && m.From == "1003" && m.Status == 200
			})
			s.must(err)
			s.talk()
			s.do("phone.hangup()")
		}},
	})
}

// versionOf is the version of a web phone as it says itself, and of its browser.
func versionOf(t *testing.T, page *lab.WebPhone, library, name string) string {
	t.Helper()
	var version, browser string
	err := page.Do(within(t, 5*time.Second), "phone.version", &version)
	if err == nil {
		err = page.Do(within(t, 5*time.Second), `(/Chrome\/(\d+)/.exec(navigator.userAgent) || ["", "?"])[1]`, &browser)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The npm package of SIP.js 0.21.2 has an older number inside.
	if _, packed, _ := strings.Cut(library, "-"); packed != version {
		version = packed + " (calls itself " + version + ")"
	}
	return name + " " + version + " in Chromium " + browser
}

// atKamailio is the configuration of door 1000 at the shared Kamailio.
func atKamailio(t *testing.T, s *shared, keys map[string]string, targets ...string) lab.DoorConfig {
	if keys == nil {
		keys = map[string]string{}
	}
	keys["call.target"] = `"` + targets[0] + `"`
	return lab.DoorConfig{
		Binary: s.site.Binary, Dir: t.TempDir(), User: "1000", Server: s.site.WSS(), CAFile: s.site.CA.CertFile,
		Port: s.port(), Card: s.site.Pulse.Card("door"), Keys: keys, Tables: buttons(targets...),
	}
}
