package phone

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

func allowTransfers(c *Config) { c.Transfers = TransfersByPartner }

// sipfrag takes the next NOTIFY of a transfer.
func (s *stage) sipfrag(leg *siptest.Leg, line, state string) {
	s.t.Helper()
	m := s.conn.Expect("NOTIFY")
	if siptest.Tag(m.Get("To")) != leg.Tag || m.Get("Event") != "refer" || !strings.HasPrefix(m.Get("Content-Type"), "message/sipfrag") ||
		strings.TrimSpace(m.Body) != line || !strings.HasPrefix(m.Get("Subscription-State"), state) {
		s.t.Errorf("want %q %s:\n%s", line, state, m)
	}
	s.conn.Respond(m, 200, "OK")
}

func TestTransfer(t *testing.T) {
	for name, tc := range map[string]struct{ to, uri, replaces string }{
		"blind":    {"<sip:9664@127.0.0.1>", "sip:9664@127.0.0.1", ""},
		"attended": {"<sip:9197@127.0.0.1?Replaces=88b5%3Bto-tag%3DXH%3Bfrom-tag%3D9d&Evil=%0d%0aX%3A%20y>", "sip:9197@127.0.0.1", "88b5;to-tag=XH;from-tag=9d"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, leg := s.talk()
				leg.Request("REFER", "Refer-To: "+tc.to, "Referred-By: <sip:1001@pbx.test>")
				s.conn.ExpectStatus("REFER", 202)
				next := s.event(c, Transferred).Call
				var second *siptest.Leg
				for range 2 { // NOTIFY and INVITE, in any order
					switch m := s.conn.Next(); m.Method() {
					case "INVITE":
						second = s.conn.Leg(m)
						if m.URI() != tc.uri || m.Get("Replaces") != tc.replaces || m.Get("Referred-By") != "<sip:1001@pbx.test>" || m.Get("Evil") != "" || m.Get("X") != "" {
							t.Errorf("INVITE:\n%s", m)
						}
					case "NOTIFY":
						if strings.TrimSpace(m.Body) != "SIP/2.0 100 Trying" {
							t.Errorf("NOTIFY:\n%s", m)
						}
						s.conn.Respond(m, 200, "OK")
					}
				}
				second.Respond(180, "Ringing")
				s.sipfrag(leg, "SIP/2.0 180 Ringing", "active")
				second.Respond(200, "OK", sdp)
				s.conn.Expect("ACK")
				s.sipfrag(leg, "SIP/2.0 200 OK", "terminated")
				s.events(next, Sent, Ringing, Answered)
				leg.Request("BYE")
				s.conn.ExpectStatus("BYE", 200)
				s.ended(c, HungUp, 0)
				<-c.gone
				s.hangUp(next)
			}, allowTransfers)
		})
	}
}

// Whoever passed the door on hears how it went before the door hangs up, and has time to
// hang up first: one that gets our BYE with the news may take the transfer for failed.
func TestTransferredHangsUpLast(t *testing.T) {
	for name, finish := range map[string]func(s *stage, leg *siptest.Leg){
		"the far end hangs up": func(s *stage, leg *siptest.Leg) {
			leg.Request("BYE")
			s.conn.ExpectStatus("BYE", 200) // and no BYE of ours before
		},
		"the far end does not": func(s *stage, _ *siptest.Leg) { s.conn.Respond(s.conn.Expect("BYE"), 200, "OK") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, leg := s.talk()
				leg.Request("REFER", "Refer-To: <sip:1003@pbx.test>", "Refer-Sub: false")
				s.conn.ExpectStatus("REFER", 202)
				next := s.event(c, Transferred).Call
				second := s.conn.Leg(s.conn.Expect("INVITE"))
				second.Respond(200, "OK", sdp)
				s.conn.Expect("ACK")
				s.events(next, Sent, Answered)
				c.End(HungUp)
				s.ended(c, HungUp, 0)
				finish(s, leg)
				<-c.gone
				s.hangUp(next)
			}, allowTransfers)
		})
	}
}

// Where a transfer may lead to.
func TestReferTo(t *testing.T) {
	for in, want := range map[string][2]string{
		"<sip:1002@pbx.test>": {"sip:1002@pbx.test", ""},
		"sip:1002@pbx.test":   {"sip:1002@pbx.test", ""},
		`"A, <b>; c" <sip:*21%231002@pbx.test;method=INVITE>;x="<y>"`:                                {"sip:*21%231002@pbx.test", ""},
		"<tel:+49-30-555;phone-context=x>":                                                           {"sip:+4930555@pbx.test;user=phone", ""},
		"<sip:1002@[2001:db8::1]:5070;a=[::2]?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=x>": {"sip:1002@[2001:db8::1]:5070;a=[::2]", "a@b;to-tag=1;from-tag=2"},
		"<SIPS:Bob@tür.example>":                                                                     {"sips:Bob@xn--tr-xka.example", ""},
	} {
		uri, replaces, err := referTo(in, "pbx.test")
		if err != nil || uri.String() != want[0] || replaces != want[1] {
			t.Errorf("%s: %q, %q, %v; want %q", in, uri.String(), replaces, err, want)
		}
	}
	for _, in := range []string{"", "<sip:a@b>, <sip:c@d>", "<mailto:a@b>", "<sip:a@b;METHOD=BYE>", "<tel:>", "<sip:a b@c>", "<sip:a@b?replaces=%0d%0a>", "*"} {
		if uri, _, err := referTo(in, "pbx.test"); err == nil {
			t.Errorf("%s leads to %q", in, uri.String())
		}
	}
}

func TestTransferFails(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		for _, bad := range [][]string{{}, {"Refer-To: <mailto:a@b>"}, {"Refer-To: <sip:a@b>", "Refer-To: <sip:c@d>"}, {"Refer-To: <sip:a@b?Replaces=%zz>"}} {
			leg.Request("REFER", bad...)
			s.conn.ExpectStatus("REFER", 400)
		}
		leg.Request("REFER", "r: <sip:1009@pbx.test>")
		s.conn.ExpectStatus("REFER", 202)
		leg.Request("REFER", "Refer-To: <sip:1008@pbx.test>") // one at a time
		var second *siptest.Leg
		for range 3 {
			m := s.conn.Next()
			switch {
			case m.Method() == "INVITE":
				second = s.conn.Leg(m)
			case m.Method() == "NOTIFY":
				s.conn.Respond(m, 200, "OK")
			case m.Status() != 603:
				t.Errorf("unexpected:\n%s", m)
			}
		}
		second.Respond(486, "Busy Here")
		s.conn.Expect("ACK")
		s.sipfrag(leg, "SIP/2.0 486 Busy Here", "terminated")
		next := s.event(c, Transferred).Call
		s.event(next, Sent)
		s.ended(next, Busy, 486)
		<-next.gone
		s.hangUp(c) // the first call still stands
	}, allowTransfers)
}

func TestTexts(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		c, leg := s.talk()
		leg.Request("MESSAGE", "Content-Type: text/plain", "\r\nhello")
		s.conn.ExpectStatus("MESSAGE", 200)
		if m := <-s.media.texts; m.Body != "hello" || m.Call != c.ID() {
			t.Errorf("%+v", m)
		}
		m := leg.Make("MESSAGE", "Content-Type: text/plain;charset=utf-8", "\r\nGrüße")
		s.conn.Send(m.Set("To", "<sip:1000@pbx.test>").String())
		s.conn.ExpectStatus("MESSAGE", 200)
		if m := <-s.media.texts; m.Body != "Grüße" || m.Call != "" || m.From.User != "1001" {
			t.Errorf("%+v", m)
		}
		for i := range cap(s.media.texts) + 1 {
			leg.Request("MESSAGE", "Content-Type: text/plain", "\r\nflood")
			if got := s.conn.Next(); got.Status() != 200 && i < cap(s.media.texts) || i == cap(s.media.texts) && got.Status() != 480 {
				t.Errorf("%d:\n%s", i, got)
			}
		}
		leg.Request("MESSAGE", "Content-Type: text/plain", "\r\n"+strings.Repeat("x", textSize+1))
		s.conn.ExpectStatus("MESSAGE", 513)

		sent := make(chan error, 1)
		go func() { sent <- s.ua.SendText(s.t.Context(), "1002", "the door is open") }()
		first := s.conn.Expect("MESSAGE")
		s.conn.Challenge(first, 407)
		second := s.conn.Expect("MESSAGE")
		if second.Body != "the door is open" || second.URI() != "sip:1002@pbx.test" || second.Get("Proxy-Authorization") == "" || second.Seq() != 2 {
			t.Errorf("MESSAGE:\n%s", second)
		}
		s.conn.Respond(second, 202, "Accepted")
		if err := <-sent; err != nil {
			t.Error(err)
		}
		go func() { sent <- s.ua.SendText(s.t.Context(), "1002", "x") }()
		s.conn.Respond(s.conn.Expect("MESSAGE"), 404, "Not Found")
		if err := <-sent; err == nil || !strings.Contains(err.Error(), "404") {
			t.Error(err)
		}
		if err := s.ua.SendText(s.t.Context(), "a b", "x"); err == nil {
			t.Error("sent to nowhere")
		}
		s.hangUp(c)
	})
}

// Two servers: the second stands in within seconds, and the first one is taken
// again when it is back and no call is up.
func TestFailover(t *testing.T) {
	twoServers(t, func(s *stage, down, up func(i int), conn func() *siptest.Conn) {
		s.conn = conn()
		s.state(Registered)
		down(0)
		s.conn.Kill()
		start := time.Now()
		s.conn = conn()
		r := s.state(Registered)
		if d := time.Since(start); d > 5*time.Second || !strings.Contains(r.Server, "second") {
			t.Errorf("%s after %v", r.Server, d)
		}
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(200, "OK", sdp)
		s.conn.Expect("ACK")
		s.events(c, Sent, Answered)
		up(0)
		time.Sleep(5 * time.Minute) // not while a call is up
		if r := s.ua.Registration(); !strings.Contains(r.Server, "second") {
			t.Errorf("left the server in a call: %s", r.Server)
		}
		s.hangUp(c)
		r = s.state(Registered)
		for !strings.Contains(r.Server, "first") {
			r = s.state(Registered)
		}
	})
}

// A second transfer has a name of its own; one that wants no notices gets none; and a
// user of another domain does not pass for one of ours.
func TestTransferAgain(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		refer := func(event string, headers ...string) Party {
			t.Helper()
			m := leg.Request("REFER", headers...)
			res := s.conn.ExpectStatus("REFER", 202)
			if event == "" != (res.Get("Refer-Sub") == "false") {
				t.Errorf("202:\n%s", res)
			}
			if event == "id" {
				event = fmt.Sprintf("refer;id=%d", m.Seq())
			}
			next := s.event(c, Transferred).Call
			notices := 0
			for over := false; !over || event != "" && notices < 2; {
				switch m := s.conn.Next(); m.Method() {
				case "INVITE":
					s.conn.Leg(m).Respond(486, "Busy Here")
				case "ACK":
					over = true
				case "NOTIFY":
					notices++
					if m.Get("Event") != event {
						t.Errorf("want %q:\n%s", event, m)
					}
					s.conn.Respond(m, 200, "OK")
				}
			}
			<-next.gone
			if event == "" && notices > 0 {
				t.Error("notices that nobody wants")
			}
			return next.Remote()
		}
		if p := refer("refer", "Refer-To: <sip:1002@PBX.test;method=INVITE>"); p.User != "1002" {
			t.Errorf("%+v", p)
		}
		if p := refer("id", "Refer-To: sip:1002@evil.test"); p.User != "1002@evil.test" {
			t.Errorf("a foreign 1002 passes for ours: %+v", p)
		}
		if p := refer("", "Refer-To: <sip:1003@pbx.test>", "Refer-Sub: false"); p.User != "1003" {
			t.Errorf("%+v", p)
		}
		leg.Request("REFER", "Refer-To: <sip:1003@pbx.test;method=BYE>")
		s.conn.ExpectStatus("REFER", 400)
		s.hangUp(c)
	}, allowTransfers)
}

// Whoever answers a notice with 481 gets no more of them; the transfer goes on.
func TestTransferUnwatched(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		leg.Request("REFER", "Refer-To: <sip:1002@pbx.test>")
		s.conn.ExpectStatus("REFER", 202)
		next := s.event(c, Transferred).Call
		var second *siptest.Leg
		for range 2 {
			if m := s.conn.Next(); m.Method() == "INVITE" {
				second = s.conn.Leg(m)
			} else {
				s.conn.Respond(m, 481, "Subscription Does Not Exist")
			}
		}
		synctest.Wait()
		second.Respond(180, "Ringing")
		second.Respond(200, "OK", sdp)
		s.conn.Expect("ACK")
		s.events(next, Sent, Ringing, Answered)
		s.conn.Quiet(time.Second)
		leg.Request("BYE")
		s.conn.ExpectStatus("BYE", 200)
		<-c.gone
		s.hangUp(next)
	}, allowTransfers)
}
