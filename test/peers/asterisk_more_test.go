package peers

import (
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// withPartner plays what a telephone on the other side of Asterisk does to the call.
func withPartner(t *testing.T, s *shared, a *lab.Asterisk, sc *scene) {
	sc = &scene{T: t, door: sc.door, ear: sc.ear, ladder: sc.ladder}
	page, err := s.browser.OpenLibrary(within(t, 30*time.Second), s.phones.URL, lab.JsSIP, "wss://"+lab.Address+":8089/ws", "1001", "answer")
	if err != nil {
		t.Fatalf("%v\n%s", err, a.Tail(60))
	}
	t.Cleanup(page.Close)
	ps := &pageScene{scene: sc, page: page}
	ps.play(on(a), []pageRow{
		{name: "call through Asterisk to a web phone", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.call()
			s.do("phone.hangup()")
		}},
		{name: "call through Asterisk from a web phone", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.do(`phone.call("1000")`)
			s.inState("ringing")
			s.press("1001")
			s.talk()
			s.do("phone.hangup()")
		}},
		{name: "key of a web phone opens the door", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.call()
			s.must(page.Until(within(s.T, 10*time.Second), "phone.canDial()"))
			s.do(`phone.dtmf("5")`)
			s.opens()
			s.do("phone.hangup()")
		}},
		{name: "hold with music, and back", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.call()
			s.do("phone.hold()")
			s.hears(lab.HoldTone)
			s.deaf(pageTone)
			s.do("phone.unhold()")
			s.talk()
			s.do("phone.hangup()")
		}},
		{name: "blind transfer by the partner", cause: "hung-up", by: "door", play: func(s *pageScene) {
			s.call()
			s.do(`phone.transfer("tone")`)
			s.hears(serverTone)
			s.deaf(pageTone)
			s.press("1001")
		}},
		{name: "attended transfer by the partner", cause: "hung-up", by: "door", play: func(s *pageScene) {
			s.call()
			s.do("phone.hold()")
			s.hears(lab.HoldTone)
			s.do(`phone.consult("desk")`)
			s.hear(serverTone)
			s.do("phone.join()")
			s.hears(serverTone)
			s.press("1001")
		}},
	})

	// The same, but Asterisk passes the hold on to the door as a re-INVITE.
	d := startDoor(t, onAsterisk(t, s, "1002", nil, "1001"))
	held := &scene{T: t, door: d, ear: sc.ear, ladder: a.Ladder}
	(&pageScene{scene: held, page: page}).play(on(a), []pageRow{
		{name: "hold by re-INVITE without music, and back", cause: "hung-up", by: "far-end", play: func(s *pageScene) {
			s.call()
			s.do("phone.hold()")
			_, err := a.Wait(within(s.T, 10*time.Second), s.begin, func(w lab.Wire) bool {
				return w.Sent && strings.HasPrefix(w.First(), "INVITE ") && (strings.Contains(w.Text, "a=sendonly") || strings.Contains(w.Text, "a=inactive"))
			})
			s.must(err)
			s.deaf(pageTone)
			s.do("phone.unhold()")
			s.talk()
			s.do("phone.hangup()")
		}},
	})
}

// otherDoors plays with doors of other users: one codec alone, none in common, a
// wrong password.
func otherDoors(t *testing.T, s *shared, a *lab.Asterisk, m *lab.Manager) {
	ear := sounds(t, s.site.Pulse.Card("door"))
	for _, c := range codecs {
		d := startDoor(t, onAsterisk(t, s, c.user, nil))
		(&scene{T: t, door: d, ear: ear, ladder: a.Ladder}).play(on(a), []row{
			{name: c.row, cause: "hung-up", by: "door", play: func(s *scene) {
				s.press("echo")
				s.hears(doorTone)
				s.sees("with codec "+c.door, func(st lab.Status) bool { return strings.Contains(strings.ToLower(st.Sound.Codec), c.door) })
				s.press("echo")
			}},
		})
	}
	d := startDoor(t, onAsterisk(t, s, "1013", nil))
	(&scene{T: t, door: d, ear: ear, ladder: a.Ladder}).play(on(a), []row{
		{name: "no codec in common", cause: "no-codec", by: "far-end", play: func(s *scene) { s.press("echo") }},
	})
	d = startDoor(t, onAsterisk(t, s, "1001", map[string]string{"call.transfers": `"never"`, "incoming.second": `"queue"`}, "refer"))
	(&scene{T: t, door: d, ear: ear, ladder: a.Ladder}).play(on(a), []row{
		{name: "Transfer() is declined where transfers are not allowed", cause: "hung-up", by: "door", play: func(s *scene) {
			s.press("refer")
			_, err := m.Event(within(s.T, 20*time.Second), func(e lab.Packet) bool { return e["UserEvent"] == "Transfer" && e["SIP"] == "603" })
			s.must(err)
			s.inState("talking")
			s.press("refer")
		}},
	})
	(&scene{T: t, door: d, ear: ear, ladder: a.Ladder}).play(on(a), []row{
		{name: "a second caller waits where there is a queue", cause: "hung-up", by: "door", play: func(s *scene) {
			s.press("echo")
			s.hears(doorTone)
			s.must(m.Originate(within(s.T, 5*time.Second), "1001", "tone", "3333"))
			_, err := a.Wait(within(s.T, 10*time.Second), s.begin, func(w lab.Wire) bool { return !w.Sent && strings.HasPrefix(w.First(), "SIP/2.0 182 ") })
			s.must(err)
			s.press("echo")
			s.inState("ringing")
			s.press("echo")
			s.hears(serverTone)
			s.press("echo")
		}},
	})
	t.Run("wrong password", func(t *testing.T) {
		feature(t, on(a), "wrong password is shown and not tried again")
		begin := time.Now()
		d := startDoor(t, onAsterisk(t, s, "1005", map[string]string{"sip.password": `"wrong"`}))
		if _, err := d.Wait(within(t, 20*time.Second), "refused", func(st lab.Status) bool { return st.Registration.State == "refused" }); err != nil {
			t.Fatal(err)
		}
		// One try is two requests, without and with credentials. Nothing more may come.
		time.Sleep(3 * time.Second)
		n := 0
		for _, w := range a.Since(begin) {
			if !w.Sent && strings.HasPrefix(w.First(), "REGISTER ") && strings.Contains(w.Header("From"), "1005") {
				n++
			}
		}
		if n > 2 {
			t.Errorf("%d REGISTER requests for one wrong password, want at most 2\n%s", n, a.Ladder(begin))
		}
	})
}

// cuts plays with a connection that is cut while door and Asterisk live on.
func cuts(t *testing.T, s *shared, a *lab.Asterisk, m *lab.Manager) {
	cable, err := lab.LayCable(lab.Address, lab.Address+":8089")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cable.Remove)
	c := onAsterisk(t, s, "1006", nil, "tone")
	c.Server = "wss://" + cable.Addr + "/ws"
	d := startDoor(t, c)
	(&scene{T: t, door: d, ear: sounds(t, d.Config.Card), ladder: a.Ladder}).play(on(a), []row{
		{name: "the connection is cut in a call: the sound goes on, Asterisk hangs up later", cause: "hung-up", by: "far-end", play: func(s *scene) {
			s.press("tone")
			s.hears(serverTone)
			channel, err := m.Channel(within(s.T, 10*time.Second), "1006")
			s.must(err)
			at := time.Now()
			cable.Cut()
			_, err = a.Wait(within(s.T, 20*time.Second), at, func(w lab.Wire) bool {
				return !w.Sent && strings.HasPrefix(w.First(), "INVITE ") && strings.Contains(w.Header("To"), "tag=") && strings.Contains(w.Header("From"), "1006")
			})
			s.must(err)
			s.inState("talking")
			s.hears(serverTone)
			_, err = m.Do(within(s.T, 10*time.Second), lab.Packet{"Action": "Hangup", "Channel": channel})
			s.must(err)
		}},
	})
}

// restarts plays with an Asterisk that goes away and returns.
func restarts(t *testing.T, a *lab.Asterisk, sc *scene) {
	(&scene{T: t, door: sc.door, ear: sc.ear, ladder: sc.ladder}).play(on(a), []row{
		{name: "Asterisk restarts at rest, and the door calls again", cause: "hung-up", by: "door", play: func(s *scene) {
			s.must(a.Restart(within(s.T, 60*time.Second), 0))
			s.must(s.door.Registered(within(s.T, 45*time.Second)))
			s.press("tone")
			s.hears(serverTone)
			s.press("tone")
		}},
		{name: "Asterisk restarts in a call: the call ends, the door registers again", cause: "network-lost", by: "network", play: func(s *scene) {
			s.press("tone")
			s.hears(serverTone)
			s.must(a.Restart(within(s.T, 60*time.Second), 3*time.Second))
			s.inState("idle")
			s.must(s.door.Registered(within(s.T, 45*time.Second)))
		}},
	})
}
