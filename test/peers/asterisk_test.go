package peers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// on is what the table calls an Asterisk.
func on(a *lab.Asterisk) string { return "Asterisk " + a.Version }

// codecs are the users that Asterisk talks one codec with, and how the door names it.
var codecs = []struct{ user, asterisk, door, row string }{
	{"1010", "opus", "opus", "Opus as the only codec"},
	{"1011", "ulaw", "pcmu", "PCMU as the only codec"},
	{"1012", "alaw", "pcma", "PCMA as the only codec"},
}

// startAsterisk starts an Asterisk that ends with the test.
func startAsterisk(t *testing.T, s *shared) *lab.Asterisk {
	t.Helper()
	cert, key, err := s.site.CA.Issue(s.site.Dir, "asterisk", lab.Address)
	if err != nil {
		t.Fatal(err)
	}
	c := lab.AsteriskConfig{
		Root: os.Getenv("INTERCOMD_ASTERISK"), Dir: filepath.Join(s.site.Dir, "asterisk"), Address: lab.Address,
		WSSPort: 8089, HTTPPort: 8088, ManagerPort: 5038, CertFile: cert, KeyFile: key,
	}
	user := func(name, codecs string, options ...string) {
		c.Users = append(c.Users, lab.AsteriskUser{Name: name, Password: lab.Password(name), Codecs: codecs, Options: options})
	}
	for _, name := range []string{"1000", "1001", "1003", "1004", "1005", "1006"} {
		user(name, "opus,ulaw,alaw")
	}
	user("1002", "opus", "moh_passthrough=yes")
	for _, c := range codecs {
		user(c.user, c.asterisk)
	}
	user("1013", "g722")
	a, err := lab.StartAsterisk(within(t, 60*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// onAsterisk is the configuration of a door at Asterisk.
func onAsterisk(t *testing.T, s *shared, user string, keys map[string]string, targets ...string) lab.DoorConfig {
	if keys == nil {
		keys = map[string]string{}
	}
	keys["call.target"] = `"echo"`
	return lab.DoorConfig{
		Binary: s.site.Binary, Dir: t.TempDir(), User: user, Server: "wss://" + lab.Address + ":8089/ws", CAFile: s.site.CA.CertFile,
		Port: s.port(), Card: s.site.Pulse.Card("door"), Keys: keys, Tables: buttons(append([]string{"echo"}, targets...)...),
	}
}

func TestAsterisk(t *testing.T) {
	s := need(t)
	t.Parallel()
	a := startAsterisk(t, s)
	t.Cleanup(func() { _ = a.Stop(5 * time.Second) })
	m, err := a.Manager(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	long := longCalls(t, s, a, m)
	d := startDoor(t, onAsterisk(t, s, "1000", map[string]string{"incoming.auto_answer": `["2222"]`, "incoming.answer_on_request": `["2223"]`},
		"tone", "busy", "reject", "rings", "gone", "open", "read", "refer", "nobody", "1001"))
	sc := &scene{T: t, door: d, ear: sounds(t, d.Config.Card), ladder: a.Ladder}
	sc.play(on(a), []row{
		{name: "the door calls and hears itself in Echo()", cause: "hung-up", by: "door", play: func(s *scene) {
			s.press("echo")
			s.inState("talking")
			s.hears(doorTone)
			s.press("echo")
		}},
		{name: "Asterisk hangs up", cause: "hung-up", by: "far-end", play: func(s *scene) {
			s.press("gone")
			s.inState("talking")
		}},
		{name: "busy", cause: "busy", by: "far-end", play: func(s *scene) { s.press("busy") }},
		{name: "rejected", cause: "refused", by: "far-end", play: func(s *scene) { s.press("reject") }},
		{name: "the target does not exist", cause: "not-found", by: "far-end", play: func(s *scene) { s.press("nobody") }},
		{name: "the door cancels", cause: "cancelled", by: "door", play: func(s *scene) {
			s.press("rings")
			s.inState("calling")
			s.press("rings")
		}},
		{name: "nobody answers", cause: "no-answer", by: "door", play: func(s *scene) { s.press("rings") }},
		{name: "SendDTMF() opens the door", cause: "hung-up", by: "door", play: func(s *scene) {
			s.press("open")
			s.opens()
			s.press("open")
		}},
		{name: "Read() gets the keys of a button", cause: "hung-up", by: "door", play: func(s *scene) {
			s.press("read")
			s.inState("talking")
			s.media()
			s.press("keys")
			_, err := m.Event(within(s.T, 20*time.Second), func(e lab.Packet) bool { return e["UserEvent"] == "Digits" && e["Digits"] == "472" })
			s.must(err)
			s.press("read")
		}},
		{name: "Asterisk calls, a press answers", cause: "hung-up", by: "door", play: func(s *scene) {
			s.must(m.Originate(within(s.T, 5*time.Second), "1000", "tone", "3333"))
			s.inState("ringing")
			s.press("echo")
			s.inState("talking")
			s.hears(serverTone)
			s.press("echo")
		}},
		{name: "Asterisk calls, the door answers by itself", cause: "hung-up", by: "door", play: func(s *scene) {
			s.must(m.Originate(within(s.T, 5*time.Second), "1000", "tone", "2222"))
			s.inState("talking")
			s.hears(serverTone)
			s.press("echo")
		}},
		{name: "Asterisk pages (Call-Info with answer-after), the door answers", cause: "hung-up", by: "door", play: func(s *scene) {
			_, err := m.Do(within(s.T, 5*time.Second), lab.Packet{
				"Action": "Originate", "Channel": "Local/page@lab/n", "Context": "lab", "Exten": "tone", "Priority": "1", "Async": "true",
			})
			s.must(err)
			s.inState("talking")
			s.hears(serverTone)
			s.press("echo")
		}},
		{name: "Asterisk calls, the door refuses", cause: "refused", by: "command", play: func(s *scene) {
			s.must(m.Originate(within(s.T, 5*time.Second), "1000", "tone", "3333"))
			s.inState("ringing")
			s.must(s.door.Hangup(within(s.T, 5*time.Second)))
		}},
		{name: "Asterisk calls and gives up", cause: "cancelled", by: "far-end", play: func(s *scene) {
			_, err := m.Do(within(s.T, 5*time.Second), lab.Packet{
				"Action": "Originate", "Channel": "PJSIP/1000", "Context": "lab", "Exten": "tone", "Priority": "1",
				"CallerID": "3333", "Async": "true", "Timeout": "1500",
			})
			s.must(err)
			s.inState("ringing")
		}},
		{name: "a second caller hears that the door is busy", cause: "hung-up", by: "door", play: func(s *scene) {
			s.press("tone")
			s.inState("talking")
			s.hears(serverTone)
			s.must(m.Originate(within(s.T, 5*time.Second), "1000", "tone", "3333"))
			_, err := a.Wait(within(s.T, 10*time.Second), s.begin, func(w lab.Wire) bool { return !w.Sent && strings.HasPrefix(w.First(), "SIP/2.0 486 ") })
			s.must(err)
			s.hears(serverTone)
			s.press("tone")
		}},
		{name: "Transfer() passes the door on by REFER", cause: "hung-up", by: "door", play: func(s *scene) {
			s.press("refer")
			s.hears(serverTone)
			_, err := m.Event(within(s.T, 20*time.Second), func(e lab.Packet) bool { return e["UserEvent"] == "Transfer" && e["Result"] == "SUCCESS" })
			s.must(err)
			s.sees("passed on", func(st lab.Status) bool { return len(st.Calls) > 0 && st.Calls[0].Ending.Cause == "passed-on" })
			s.press("refer")
		}},
	})
	t.Run("partner", func(t *testing.T) { withPartner(t, s, a, sc) })
	t.Run("cuts", func(t *testing.T) { cuts(t, s, a, m) })
	t.Run("doors", func(t *testing.T) { otherDoors(t, s, a, m) })
	for _, l := range long {
		t.Run(l.name, func(t *testing.T) { l.refreshed(t, a) })
	}
	t.Run("restart", func(t *testing.T) { restarts(t, a, sc) })
}

// media waits until media runs in both directions.
func (s *scene) media() {
	s.Helper()
	s.sees("with media up", func(st lab.Status) bool { return st.Call != nil && !st.Call.MediaUp.IsZero() })
}
