package phone

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// Requests that carry our tag but come from another far end than the one that answered
// are none of this call's.
func TestOtherForksAreOthers(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		a := s.conn.ExpectInvite()
		b := a.Fork()
		a.Respond(180, "Ringing")
		b.Respond(180, "Ringing")
		b.Respond(200, "OK", sdp)
		s.conn.Expect("ACK")
		s.events(c, Sent, Ringing, Answered)
		for _, method := range []string{"BYE", "INFO", "UPDATE", "REFER", "INVITE"} {
			a.Request(method, "Contact: "+a.Contact)
			s.conn.ExpectStatus(method, 481)
		}
		b.Request("OPTIONS")
		s.conn.ExpectStatus("OPTIONS", 200)
		s.hangUp(c)
	})
}

// Each far end of a call that is not answered yet counts its own requests, and the
// count of the one that answers goes on.
func TestForksCountForThemselves(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		a := s.conn.ExpectInvite()
		b := a.Fork()
		a.Respond(180, "Ringing")
		b.Respond(180, "Ringing")
		s.events(c, Sent, Ringing)
		for range 3 {
			a.Request("INFO")
			s.conn.ExpectStatus("INFO", 200)
		}
		old := b.Make("INFO")
		b.Request("INFO") // with a smaller number than the other's
		s.conn.ExpectStatus("INFO", 200)
		b.Respond(200, "OK", sdp)
		s.conn.Expect("ACK")
		s.event(c, Answered)
		s.conn.Send(old.String())
		s.conn.ExpectStatus("INFO", 500)
		s.hangUp(c)
	})
}

func TestByeBeforeTheAnswer(t *testing.T) {
	t.Run("of one of two: the other may answer", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			a := s.conn.ExpectInvite()
			b := a.Fork()
			a.Respond(180, "Ringing")
			b.Respond(180, "Ringing")
			s.events(c, Sent, Ringing)
			a.Request("BYE")
			s.conn.ExpectStatus("BYE", 200)
			b.Respond(200, "OK", sdp)
			s.conn.Expect("ACK")
			s.event(c, Answered)
			s.hangUp(c)
		})
	})
	t.Run("of the only one", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			a := s.conn.ExpectInvite()
			a.Respond(183, "Session Progress", sdp)
			s.events(c, Sent, Ringing, EarlyMedia)
			a.Request("BYE", `Reason: Q.850;cause=17;text="USER_BUSY"`)
			s.conn.ExpectStatus("BYE", 200)
			s.ended(c, Busy, 0)
			s.conn.Respond(s.conn.Expect("CANCEL"), 200, "OK")
			a.Respond(487, "Request Terminated")
			s.conn.Expect("ACK")
			s.over(c)
		})
	})
	t.Run("of nobody that we know", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			a := s.conn.ExpectInvite()
			a.Respond(180, "Ringing")
			a.Fork().Request("BYE")
			s.conn.ExpectStatus("BYE", 481)
			a.Respond(486, "Busy Here")
			s.conn.Expect("ACK")
			s.events(c, Sent, Ringing)
			s.ended(c, Busy, 486)
			s.over(c)
		})
	})
}

// The far end changes the session before it has answered (RFC 3311).
func TestUpdateBeforeTheAnswer(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(180, "Ringing")
		s.events(c, Sent, Ringing)
		leg.Request("UPDATE") // nothing but a new target
		s.conn.ExpectStatus("UPDATE", 200)
		leg.Request("UPDATE", sdp) // our offer is not answered yet
		s.conn.ExpectStatus("UPDATE", 491)
		leg.Respond(183, "Session Progress", "Require: 100rel", "RSeq: 1", sdp)
		s.conn.Respond(s.conn.Expect("PRACK"), 200, "OK")
		s.event(c, EarlyMedia)
		leg.Request("UPDATE", "\r\nv=0 a=sendonly\r\n")
		if m := s.conn.ExpectStatus("UPDATE", 200); m.Body != "v=0 answer 1\r\n" {
			t.Errorf("200:\n%s", m)
		}
		s.event(c, Held)
		other := leg.Fork()
		other.Respond(180, "Ringing")
		other.Request("UPDATE", sdp) // the offer has the answer of another
		s.conn.ExpectStatus("UPDATE", 491)
		leg.Request("UPDATE", "Content-Type: text/plain", "\r\nhello")
		s.conn.ExpectStatus("UPDATE", 415)
		leg.Request("UPDATE", "\r\nv=0 a=sendrecv\r\n")
		s.conn.ExpectStatus("UPDATE", 200)
		s.event(c, Resumed)
		leg.Respond(200, "OK")
		s.conn.Expect("ACK")
		s.event(c, Answered)
		s.hangUp(c)
	})
}

// A proxy that asks for the password again for a PRACK.
func TestPRACKChallenged(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(183, "Session Progress", "Require: 100rel", "RSeq: 5", sdp)
		first := s.conn.Expect("PRACK")
		s.conn.Challenge(first, 407)
		second := s.conn.Expect("PRACK")
		if second.Get("RAck") != first.Get("RAck") || second.Get("Proxy-Authorization") == "" || second.Seq() != first.Seq()+1 || siptest.Tag(second.Get("To")) != leg.Tag {
			t.Errorf("PRACK:\n%s", second)
		}
		s.conn.Respond(second, 200, "OK")
		leg.Respond(200, "OK", sdp)
		s.conn.Expect("ACK")
		s.events(c, Sent, Ringing, EarlyMedia, Answered)
		s.hangUp(c)
	})
}

// Why the far end hung up, in its own words, is what the ending says.
func TestReasonsOfBYE(t *testing.T) {
	for header, want := range map[string]Ending{
		``:                                      {Cause: HungUp},
		`Q.850;cause=16;text="NORMAL_CLEARING"`: {Cause: HungUp, Reason: "NORMAL_CLEARING"},
		`SIP;cause=200;text="Call completed elsewhere"`: {Cause: HungUp, Status: 200, Reason: "Call completed elsewhere"},
		`SIP;cause=408;text="Session timeout"`:          {Cause: Unavailable, Status: 408, Reason: "Session timeout"}, // FreeSWITCH, no refresh came
		`Q.850;cause=604;text="MEDIA_TIMEOUT"`:          {Cause: MediaFault, Reason: "MEDIA_TIMEOUT"},                 // FreeSWITCH, no audio came
		`Q.850;cause=17;text="USER_BUSY"`:               {Cause: Busy, Reason: "USER_BUSY"},                           // answered before it called on
		`Q.850;cause=19`:                                {Cause: NoAnswer},
		`Q.850;cause=18`:                                {Cause: NoAnswer},
		`Q.850;cause=21`:                                {Cause: Refused},
		`Q.850;cause=1`:                                 {Cause: NotFound},
		`Q.850;cause=20`:                                {Cause: Unavailable},
		`Q.850;cause=606;text="USER_NOT_REGISTERED"`:    {Cause: Unavailable, Reason: "USER_NOT_REGISTERED"},
		`Q.850;cause=88`:                                {Cause: NoCodec},
		`Q.850;cause=102`:                               {Cause: Unavailable},
		`FreeSWITCH;cause=804;text="MEDIA_TIMEOUT"`:     {Cause: MediaFault, Reason: "MEDIA_TIMEOUT"}, `FreeSWITCH;cause=806;text="USER_NOT_REGISTERED"`: {Cause: Unavailable, Reason: "USER_NOT_REGISTERED"}, `preemption;cause=17;text="x"`: {Cause: HungUp, Reason: "x"},
		`SIP;cause=488`: {Cause: NoCodec, Status: 488},
		`SIP;cause=486`: {Cause: Busy, Status: 486},
		`SIP ; cause=480 ; text="a, b; \"c\"", Q.850;cause=19`: {Cause: NoAnswer, Status: 480, Reason: `a, b; "c"`},
		`Q.850;cause=16, SIP;cause=603;text="no"`:              {Cause: Refused, Status: 603, Reason: "no"},
		`nonsense;;;cause=x`:                                   {Cause: HungUp},
	} {
		t.Run(header, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, leg := s.talk()
				var extra []string
				if header != "" {
					extra = []string{"Reason: " + header}
				}
				leg.Request("BYE", extra...)
				s.conn.ExpectStatus("BYE", 200)
				if e := s.ended(c, want.Cause, want.Status); e.Reason != want.Reason {
					t.Errorf("reason %q, want %q", e.Reason, want.Reason)
				}
				s.over(c)
			})
		})
	}
	t.Run("in two headers", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			leg.Cancel(`Reason: Q.850;cause=16`, `Reason: SIP;cause=200;text="Call completed elsewhere"`)
			s.conn.ExpectStatus("CANCEL", 200)
			leg.ExpectStatus(487)
			leg.ACK(487)
			s.ended(c, AnsweredElsewhere, 487)
			s.over(c)
		})
	})
}

// A call that began without a session timer gets one by the re-INVITE of a hold, as of
// FreeSWITCH, and is hung up when nobody refreshes it.
func TestTimerComesWithHold(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		leg.Request("INVITE", "Contact: "+leg.Contact, "Supported: timer, path, replaces", "Session-Expires: 120", "Min-SE: 90", "\r\nv=0 a=sendonly\r\n")
		if m := s.conn.ExpectStatus("INVITE", 200); m.Get("Session-Expires") != "120;refresher=uac" || m.Get("Require") != "timer" {
			t.Errorf("200:\n%s", m)
		}
		leg.ACK(200)
		s.event(c, Held)
		start := time.Now()
		s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		if d := time.Since(start); d < 80*time.Second || d > 120*time.Second {
			t.Errorf("hung up after %v", d)
		}
		s.ended(c, NetworkLost, 408)
		s.over(c)
	})
}

// Session intervals below the least are refused, whoever asks for them.
func TestIntervalTooSmallInDialog(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk("Session-Expires: 120;refresher=uac", "Require: timer")
		for _, method := range []string{"INVITE", "UPDATE"} {
			leg.Request(method, "Contact: "+leg.Contact, "Supported: timer", "Session-Expires: 60", sdp)
			if m := s.conn.ExpectStatus(method, 422); m.Get("Min-SE") != "90" {
				t.Errorf("422:\n%s", m)
			}
			if method == "INVITE" {
				leg.ACK(422)
			}
		}
		up := s.conn.Expect("UPDATE")
		s.conn.Respond(up, 422, "Session Interval Too Small", "Min-SE: 600")
		up = s.conn.Expect("UPDATE")
		if up.Get("Session-Expires") != "600;refresher=uac" || up.Get("Min-SE") != "600" {
			t.Errorf("UPDATE:\n%s", up)
		}
		s.conn.Respond(up, 200, "OK", "Session-Expires: 600;refresher=uac")
		start := time.Now()
		s.conn.Respond(s.conn.Expect("UPDATE"), 200, "OK", "Session-Expires: 600;refresher=uac")
		if d := time.Since(start); d < 290*time.Second || d > 310*time.Second {
			t.Errorf("refreshed after %v", d)
		}
		s.hangUp(c)
	}, func(c *Config) { c.MediaTimeout = -1 })
}

// What the answer to a re-INVITE of ours means.
func TestReinviteRefused(t *testing.T) {
	for status, over := range map[int]bool{
		404: true, 408: true, 410: true, 481: true, 484: true, 485: true, 604: true,
		400: false, 403: false, 480: false, 488: false, 500: false, 503: false, 606: false,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, leg := s.talk()
				s.media.last().states <- "moved"
				s.conn.Respond(s.offered(leg, "v=0 restart 1"), status, "No")
				s.conn.Expect("ACK")
				if !over {
					s.conn.Quiet(10 * time.Second)
					s.media.last().speak()
					s.hangUp(c)
					return
				}
				s.conn.Respond(s.conn.Expect("BYE"), 481, "Gone")
				want := HungUp
				if status == 408 {
					want = Unavailable
				}
				if e := s.ended(c, want, status); e.Local {
					t.Error("the door is said to have hung up")
				}
				s.over(c)
			}, able)
		})
	}
	t.Run("not now, but soon", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk()
			s.media.last().states <- "moved"
			s.conn.Respond(s.offered(leg, "v=0 restart 1"), 500, "Server Internal Error", "Retry-After: 3 (busy)")
			s.conn.Expect("ACK")
			start := time.Now()
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
			if d := time.Since(start); d != 3*time.Second {
				t.Errorf("again after %v", d)
			}
			s.media.last().speak()
			s.hangUp(c)
		}, able)
	})
}

// Notices that nobody has asked for.
func TestNotifyInCall(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		for event, status := range map[string]int{
			"message-summary": 200, "keep-alive": 200, "refer": 481, "Refer;id=3": 481, "talk": 489, "hold": 489, "conference": 489, "check-sync;reboot=true": 489,
		} {
			leg.Request("NOTIFY", "Event: "+event, "Subscription-State: active")
			s.conn.ExpectStatus("NOTIFY", status)
		}
		s.hangUp(c)
	})
}

// A conference, and contacts that lead elsewhere by their words: the connection is the way.
func TestOddContacts(t *testing.T) {
	for _, contact := range []string{
		"<sip:conf-9@127.0.0.1:5060;transport=udp>;isfocus", "<sip:9@192.0.2.1;transport=tcp>;+sip.rendering=\"no\"", "sip:9@h.test", `"A, b" <sip:9@h.test;ob>;q=0.5`,
	} {
		t.Run(contact, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call("=Contact: "+contact, sdp)
				c := <-s.media.incoming
				c.Answer()
				leg.ExpectStatus(200)
				leg.ACK(200)
				s.event(c, Answered)
				c.End(HungUp)
				bye := s.conn.Expect("BYE")
				if want := siptest.URIOf(contact); want != "" && bye.URI() != want {
					t.Errorf("BYE to %q", bye.URI())
				}
				s.conn.Respond(bye, 200, "OK")
				s.over(c)
			})
		})
	}
}

// Texts and transfers, too, come over the registered connection only.
func TestNothingBeforeRegistration(t *testing.T) {
	o := siptest.Options{Register: func(*siptest.Conn, *siptest.Msg) bool { return true }} // never answered
	playUnregistered(t, o, func(s *stage) {
		leg := s.conn.Call(sdp)
		leg.ExpectStatus(403)
		leg.ACK(403)
		for method, status := range map[string]int{"MESSAGE": 403, "REFER": 403, "NOTIFY": 403, "OPTIONS": 200} {
			m := leg.Make(method, "Content-Type: text/plain", "\r\nhello").Set("To", "<sip:1000@pbx.test>")
			s.conn.Send(m.String())
			s.conn.ExpectStatus(method, status)
		}
		select {
		case m := <-s.media.texts:
			t.Errorf("a text came: %+v", m)
		default:
		}
	})
}

// Keys by RTP and by INFO, whichever is late: each is told once, in order.
func TestKeysByTwoWays(t *testing.T) {
	for name, tc := range map[string]struct{ come, want string }{ // capitals: by INFO
		"one way":                       {"1123", "1123"},
		"in turn":                       {"1a2b3c", "123"},
		"INFO comes late":               {"123abc", "123"},
		"INFO comes first":              {"abc123", "123"},
		"the same key twice":            {"11aa", "11"},
		"the same key twice, in turn":   {"1a1a", "11"},
		"a key that only one way tells": {"1a23b", "123"}, // 3 by RTP only
	} {
		t.Run(name, func(t *testing.T) {
			var k keys
			now, got := time.Unix(0, 0), ""
			for _, r := range tc.come {
				now = now.Add(50 * time.Millisecond)
				info := r >= 'a'
				if info {
					r += '1' - 'a'
				}
				if k.fresh(r, info, now) {
					got += string(r)
				}
			}
			if got != tc.want {
				t.Errorf("%q gave %q, want %q", tc.come, got, tc.want)
			}
			if !k.fresh('1', true, now.Add(sameKey)) {
				t.Error("an old key is remembered for too long")
			}
		})
	}
}

func TestKeysByINFO(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, _ := s.talk()
		c.SendDigits("1*x")
		c.SendDigits("#")
		for _, key := range "1*#" {
			m := s.conn.Expect("INFO")
			if m.Get("Content-Type") != "application/dtmf-relay" || m.Body != fmt.Sprintf("Signal=%c\r\nDuration=160\r\n", key) {
				t.Errorf("want %c:\n%s", key, m)
			}
			s.conn.Quiet(time.Second) // one at a time
			s.conn.Respond(m, 200, "OK")
		}
		c.SendDigits("12")
		s.conn.Respond(s.conn.Expect("INFO"), 415, "Unsupported Media Type") // no more of them
		s.conn.Quiet(time.Second)
		for _, m := range s.ua.Trace() {
			if strings.Contains(m.Text, "Signal=") {
				t.Errorf("a key is in the trace:\n%s", m.Text)
			}
		}
		if sent := s.media.last().sent; sent != "" {
			t.Errorf("and in RTP too: %q", sent)
		}
		s.hangUp(c)
	}, func(c *Config) { c.Owner.(*fakeMedia).keyless = true })
}

// The far end holds us, both of us change the session at once, and it takes us back.
func TestHoldInGlare(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		s.media.last().states <- "moved"
		ours := s.offered(leg, "v=0 restart 1")
		leg.Request("INVITE", "Contact: "+leg.Contact, "\r\nv=0 a=sendonly\r\n")
		s.conn.ExpectStatus("INVITE", 491)
		leg.ACK(491)
		s.conn.Respond(ours, 491, "Request Pending")
		s.conn.Expect("ACK")
		leg.Request("INVITE", "Contact: "+leg.Contact, "\r\nv=0 a=sendonly\r\n") // it waits for less time than we do
		s.conn.ExpectStatus("INVITE", 200)
		leg.ACK(200)
		s.event(c, Held)
		s.agree(leg, s.offered(leg, "v=0 restart 1"))
		synctest.Wait()
		s.hangUp(c)
	}, able)
}
