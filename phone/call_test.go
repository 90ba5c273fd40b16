package phone

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"intercomd/phone/siptest"
)

func TestCallAnsweredAndHungUp(t *testing.T) {
	for _, who := range []string{"us", "them"} {
		t.Run("BYE by "+who, func(t *testing.T) {
			play(t, siptest.Options{Password: "secret"}, func(s *stage) {
				c := s.dial("1001")
				if c.Incoming() || c.Remote() != (Party{URI: "sip:1001@pbx.test", User: "1001"}) {
					t.Errorf("a new call: %v %+v", c.Incoming(), c.Remote())
				}
				leg := s.conn.ExpectInvite()
				s.checkInvite(leg.Invite)
				s.event(c, Sent)
				leg.Respond(100, "Trying")
				leg.Respond(180, "Ringing")
				s.event(c, Ringing)
				time.Sleep(3 * time.Second)
				leg.Respond(200, "OK", sdp)
				ack := s.conn.Expect("ACK")
				if ack.URI() != "sip:1001@pbx.test:5060;transport=udp" || ack.Seq() != leg.Invite.Seq() || siptest.Tag(ack.Get("To")) != leg.Tag {
					t.Errorf("ACK:\n%s", ack)
				}
				s.event(c, Answered)
				s.media.last().states <- "connected"
				s.event(c, MediaUp)
				if who == "them" {
					bye := leg.Request("BYE", `Reason: Q.850;cause=16;text="NORMAL_CLEARING"`)
					if ok := s.conn.ExpectStatus("BYE", 200); ok.Get("CSeq") != bye.Get("CSeq") {
						t.Errorf("answer to BYE:\n%s", ok)
					}
					if e := s.ended(c, HungUp, 0); e.Reason != "NORMAL_CLEARING" || e.Local {
						t.Errorf("%+v", e)
					}
				} else {
					c.End(HungUp)
					if e := s.ended(c, HungUp, 0); !e.Local {
						t.Errorf("%+v", e)
					}
					bye := s.conn.Expect("BYE")
					if bye.Seq() != leg.Invite.Seq()+1 || siptest.Tag(bye.Get("To")) != leg.Tag {
						t.Errorf("BYE:\n%s", bye)
					}
					s.conn.Respond(bye, 200, "OK")
				}
				s.over(c)
			})
		})
	}
}

func (s *stage) checkInvite(m *siptest.Msg) {
	s.t.Helper()
	for name, want := range map[string]string{
		"From":            `"Front door" <sip:1000@pbx.test>;tag=`,
		"To":              "<sip:1001@pbx.test>",
		"Contact":         ".invalid;transport=ws>",
		"Supported":       "timer",
		"Session-Expires": "120;refresher=uas",
		"Content-Type":    "application/sdp",
		"Allow":           "UPDATE",
		"Via":             "SIP/2.0/WS ",
	} {
		if got := m.Get(name); !strings.Contains(got, want) {
			s.t.Errorf("%s: %q lacks %q", name, got, want)
		}
	}
	if m.URI() != "sip:1001@pbx.test" || m.Body != "v=0 offer 1\r\n" {
		s.t.Errorf("INVITE:\n%s", m)
	}
}

// The second call carries credentials at once: one round trip less until it rings.
func TestSecondCallIsNotChallenged(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		for i := range 2 {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			if first := leg.Invite.Seq() == 1; first != (i == 1) {
				t.Errorf("call %d: INVITE with CSeq %d", i, leg.Invite.Seq())
			}
			leg.Respond(486, "Busy Here")
			s.conn.Expect("ACK")
			s.event(c, Sent)
			s.ended(c, Busy, 486)
			s.over(c)
		}
	})
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		extra  []string
		cause  Cause
		reason string
	}{
		"busy":             {486, []string{`Reason: Q.850;cause=17;text="USER_BUSY"`}, Busy, "USER_BUSY"},
		"busy everywhere":  {600, nil, Busy, "Nope"},
		"declined":         {603, nil, Refused, "Nope"},
		"forbidden":        {403, nil, Refused, "Nope"},
		"unknown":          {404, nil, NotFound, "Nope"},
		"gone":             {410, nil, NotFound, "Nope"},
		"incomplete":       {484, nil, NotFound, "Nope"},
		"not reachable":    {480, nil, Unavailable, "Nope"},
		"480, but busy":    {480, []string{`Reason: Q.850;cause=17`}, Busy, "Nope"},
		"480, no answer":   {480, []string{`Reason: Q.850;cause=19;text="NO_ANSWER"`}, NoAnswer, "NO_ANSWER"},
		"timed out":        {408, nil, NoAnswer, "Nope"},
		"no codec":         {488, []string{`Reason: Q.850;cause=88;text="INCOMPATIBLE_DESTINATION"`}, NoCodec, "INCOMPATIBLE_DESTINATION"},
		"moved to nowhere": {302, []string{"Contact: <mailto:a@b.test>"}, Failed, "Nope"},
		"server error":     {500, nil, Failed, "Nope"},
		"overloaded":       {503, nil, Failed, "Nope"},
		"bad extension":    {420, []string{"Unsupported: timer"}, Failed, "Nope"},
		"terminated":       {487, nil, NoAnswer, "Nope"},
		"odd final status": {699, nil, Busy, "Nope"}, // an unknown 6xx counts as 600 (RFC 3261, 8.1.3.2),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c := s.dial("1001")
				leg := s.conn.ExpectInvite()
				leg.Respond(180, "Ringing")
				leg.Respond(tc.status, "Nope", tc.extra...)
				ack := s.conn.Expect("ACK")
				if siptest.Tag(ack.Get("To")) != leg.Tag || !strings.HasPrefix(ack.Get("Via"), leg.Invite.Get("Via")) {
					t.Errorf("ACK:\n%s", ack)
				}
				s.events(c, Sent, Ringing)
				e := s.ended(c, tc.cause, tc.status)
				if !strings.Contains(e.Reason, tc.reason) || e.Local {
					t.Errorf("%+v", e)
				}
				s.over(c)
			})
		})
	}
}

func TestRedirect(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(302, "Moved Temporarily", `=Contact: "unknown" <sip:1002@pbx.test>;q=0.7, <sip:1003@pbx.test;x=y>;q=0.5`, `Reason: Q.850;cause=31;text="NORMAL_UNSPECIFIED"`)
		s.conn.Expect("ACK")
		second := s.conn.ExpectInvite()
		if second.Invite.URI() != "sip:1002@pbx.test" || second.Invite.Get("To") != leg.Invite.Get("To") || second.Invite.Get("Call-ID") != leg.Invite.Get("Call-ID") {
			t.Errorf("second INVITE:\n%s", second.Invite)
		}
		second.Respond(301, "Moved", "=Contact: <sip:1002@pbx.test>") // a loop
		s.conn.Expect("ACK")
		third := s.conn.ExpectInvite()
		if third.Invite.URI() != "sip:1003@pbx.test;x=y" {
			t.Errorf("third INVITE:\n%s", third.Invite)
		}
		third.Respond(486, "Busy Here")
		s.conn.Expect("ACK")
		s.event(c, Sent)
		s.ended(c, Busy, 486)
		s.over(c)

		c = s.dial("1001") // for ever to somewhere else
		n := 0
		for m := s.conn.Next(); m != nil; m = s.conn.Poll() {
			if m.Method() == "INVITE" {
				n++
				s.conn.Leg(m).Respond(302, "Moved", fmt.Sprintf("=Contact: <sip:%d@pbx.test>", n))
			}
			time.Sleep(time.Millisecond)
		}
		if n != 1+maxRedirects {
			t.Errorf("%d INVITEs", n)
		}
		s.event(c, Sent)
		s.ended(c, Failed, 302)
		s.over(c)
	})
}

// A wrong password for calls: the server asks twice or says 403, and is not asked again.
func TestCallNotAuthorized(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		for range 2 {
			s.conn.Challenge(s.conn.Expect("INVITE"), 407)
			s.conn.Expect("ACK")
		}
		s.event(c, Sent)
		s.ended(c, Refused, 407)
		s.over(c)
	}, func(c *Config) { c.Password = "other" })
}

// A nonce that the server has forgotten (FreeSWITCH keeps one for a minute) costs the
// round trip that it would have saved, no more; the new one is used from then on.
func TestStaleNonceInInvite(t *testing.T) {
	for name, stale := range map[string]string{"said to be stale": ", stale=true", "just asked again": ""} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				// call makes a call of so many INVITEs with these nonces, "" for none.
				call := func(nonces ...string) {
					t.Helper()
					c := s.dial("1001")
					for i, nonce := range nonces {
						m := s.conn.Expect("INVITE")
						if got := m.Get("Proxy-Authorization"); (got == "") != (nonce == "") || !strings.Contains(got, nonce) || m.Seq() != i+1 {
							t.Errorf("INVITE %d, want it with nonce %q:\n%s", i+1, nonce, m)
						}
						if i+1 < len(nonces) {
							s.conn.Respond(m, 407, "Proxy Authentication Required",
								`Proxy-Authenticate: Digest realm="pbx.test", nonce="`+nonces[i+1]+`", algorithm=MD5, qop="auth"`+stale)
						} else {
							s.conn.Leg(m).Respond(486, "Busy Here")
						}
						s.conn.Expect("ACK")
					}
					s.event(c, Sent)
					s.ended(c, Busy, 486)
					s.over(c)
				}
				call("", "n1")
				call("n1")
				call("n1", "n2")
				call("n2")
			})
		})
	}
}

// Credentials with an old nonce may be refused where none would be: once more, without.
func TestOldNonceRefused(t *testing.T) {
	play(t, siptest.Options{Password: "secret"}, func(s *stage) {
		c := s.dial("1001")
		s.conn.ExpectInvite().Respond(486, "Busy")
		s.conn.Expect("ACK")
		s.over(c)
		c = s.dial("1001")
		m := s.conn.Expect("INVITE")
		s.conn.Leg(m).Respond(403, "Forbidden")
		s.conn.Expect("ACK")
		leg := s.conn.ExpectInvite()
		leg.Respond(486, "Busy")
		s.conn.Expect("ACK")
		s.event(c, Sent)
		s.ended(c, Busy, 486)
		s.over(c)
	})
}

func TestCancel(t *testing.T) {
	t.Run("while ringing", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(180, "Ringing")
			s.events(c, Sent, Ringing)
			c.End(NoAnswer)
			s.ended(c, NoAnswer, 0) // at once: nobody waits for the server
			cancel := s.conn.Expect("CANCEL")
			if cancel.Get("Via") != leg.Invite.Get("Via") || cancel.URI() != leg.Invite.URI() || cancel.Seq() != leg.Invite.Seq() || cancel.Get("To") != leg.Invite.Get("To") {
				t.Errorf("CANCEL:\n%s", cancel)
			}
			s.conn.Respond(cancel, 200, "OK")
			leg.Respond(487, "Request Terminated")
			s.conn.Expect("ACK")
			s.over(c)
		})
	})
	t.Run("before any answer", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			s.event(c, Sent)
			c.End(HungUp)
			s.ended(c, HungUp, 0)
			s.conn.Quiet(2 * time.Second) // RFC 3261, 9.1
			leg.Respond(100, "Trying")
			s.conn.Respond(s.conn.Expect("CANCEL"), 200, "OK")
			leg.Respond(487, "Request Terminated")
			s.conn.Expect("ACK")
			s.over(c)
		})
	})
	t.Run("crossing the 200", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(180, "Ringing")
			s.events(c, Sent, Ringing)
			c.End(HungUp)
			s.ended(c, HungUp, 0)
			cancel := s.conn.Expect("CANCEL")
			leg.Respond(200, "OK", sdp)
			s.conn.Respond(cancel, 200, "OK")
			s.conn.Expect("ACK")
			bye := s.conn.Expect("BYE")
			if siptest.Tag(bye.Get("To")) != leg.Tag {
				t.Errorf("BYE:\n%s", bye)
			}
			s.conn.Respond(bye, 200, "OK")
			s.over(c)
		})
	})
	t.Run("during the challenge", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			m := s.conn.Expect("INVITE")
			s.event(c, Sent)
			c.End(HungUp)
			s.ended(c, HungUp, 0)
			s.conn.Challenge(m, 407)
			s.conn.Expect("ACK")
			s.conn.Quiet(time.Minute)
			s.over(c)
		})
	})
	t.Run("never answered, and then late", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(180, "Ringing")
			s.events(c, Sent, Ringing)
			c.End(NoAnswer)
			s.conn.Expect("CANCEL")
			s.over(c)                   // 32 s later
			leg.Respond(200, "OK", sdp) // the dialog must not stay open
			s.conn.Expect("ACK")
			s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		})
	})
	t.Run("before it began", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			c.End(HungUp)
			c.End(Busy) // once only
			<-c.gone
		})
	})
}

func TestServerNeverAnswers(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		s.conn.ExpectInvite()
		s.event(c, Sent)
		start := time.Now()
		s.ended(c, Unavailable, 408)
		if d := time.Since(start); d > 33*time.Second {
			t.Errorf("given up after %v", d)
		}
		s.over(c)
	})
}

// 180 and 200 back to back, without a pause: both are seen, in order, always.
func TestNothingOvertakes(t *testing.T) {
	n := 1000
	if testing.Short() || raceDetector {
		n = 100
	}
	play(t, siptest.Options{}, func(s *stage) {
		for i := range n {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(180, "Ringing")
			leg.Respond(200, "OK", sdp)
			if i%2 == 1 {
				leg.Request("BYE")
			}
			s.conn.Expect("ACK")
			s.events(c, Sent, Ringing, Answered)
			if i%2 == 1 {
				s.conn.ExpectStatus("BYE", 200)
				s.ended(c, HungUp, 0)
			} else {
				c.End(HungUp)
				s.ended(c, HungUp, 0)
				s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
			}
			s.over(c)
		}
		time.Sleep(2 * timeoutB) // and nothing of all these calls is left
		f := s.ua.flow.Load()
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.client) != 0 || len(f.served) != 0 || len(s.ua.calls) != 0 {
			t.Errorf("left: %d of our transactions, %d of theirs, %d calls", len(f.client), len(f.served), len(s.ua.calls))
		}
	})
}

func TestEarlyMedia(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(183, "Session Progress", "\r\nv=0 early\r\n")
		s.events(c, Sent, Ringing, EarlyMedia)
		m := s.media.last()
		m.states <- "connected"
		s.event(c, MediaUp)
		m.digits <- '1' // an announcement opens no door
		leg.Respond(183, "Session Progress", "\r\nv=0 early\r\n")
		leg.Respond(200, "OK", "\r\nv=0 early\r\n")
		s.conn.Expect("ACK")
		s.event(c, Answered)
		if got := strings.Join(m.accepts, ""); got != strings.Repeat("v=0 early\r\n", 3) {
			t.Errorf("applied %q", got)
		}
		leg.Request("BYE")
		s.conn.ExpectStatus("BYE", 200)
		s.ended(c, HungUp, 0)
		s.over(c)
	})
}

// The SDP came with the 183; a 200 without one is an answer all the same.
func TestAnswerWithoutSDP(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(183, "Session Progress", sdp)
		leg.Respond(200, "OK")
		s.conn.Expect("ACK")
		s.events(c, Sent, Ringing, EarlyMedia, Answered)
		c.End(HungUp)
		s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		s.over(c)

		c = s.dial("1001") // and without any there is nothing to talk with
		leg = s.conn.ExpectInvite()
		leg.Respond(200, "OK")
		s.conn.Expect("ACK")
		s.event(c, Sent)
		s.ended(c, NoCodec, 0)
		s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		s.over(c)
	})
}

func TestReliableProvisional(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(183, "Session Progress", "Require: 100rel", "RSeq: 7", sdp)
		prack := s.conn.Expect("PRACK")
		if want := "7 " + leg.Invite.Get("CSeq"); prack.Get("RAck") != want || siptest.Tag(prack.Get("To")) != leg.Tag || prack.URI() != "sip:1001@pbx.test:5060;transport=udp" {
			t.Errorf("want RAck %s:\n%s", want, prack)
		}
		s.conn.Respond(prack, 200, "OK")
		leg.Respond(183, "Session Progress", "Require: 100rel", "RSeq: 7", sdp) // repeated
		leg.Respond(180, "Ringing", "Require: 100rel", "RSeq: 9")               // 8 is missing
		leg.Respond(180, "Ringing", "Require: 100rel", "RSeq: 8")
		if prack := s.conn.Expect("PRACK"); !strings.HasPrefix(prack.Get("RAck"), "8 ") {
			t.Errorf("PRACK:\n%s", prack)
		}
		leg.Respond(200, "OK", sdp)
		s.conn.Expect("ACK")
		s.events(c, Sent, Ringing, EarlyMedia, Answered)
		c.End(HungUp)
		if bye := s.conn.Expect("BYE"); bye.Seq() != leg.Invite.Seq()+3 {
			t.Errorf("BYE with CSeq %d", bye.Seq())
		}
		s.over(c) // the answer to the BYE never comes
	})
}

// Two devices behind the server answer: one is kept, the other hung up.
func TestForkedAnswers(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		a := s.conn.ExpectInvite()
		b := a.Fork()
		a.Respond(180, "Ringing")
		b.Respond(180, "Ringing")
		b.Respond(200, "OK", sdp)
		a.Respond(200, "OK", sdp)
		b.Respond(200, "OK", sdp) // repeated: acknowledged again, nothing else
		tags := map[string]int{}
		byes := map[string]*siptest.Msg{}
		for range 4 {
			m := s.conn.Next()
			tags[m.Method()+siptest.Tag(m.Get("To"))]++
			if m.Method() == "BYE" {
				byes[siptest.Tag(m.Get("To"))] = m
			}
		}
		if tags["ACK"+a.Tag] != 1 || tags["ACK"+b.Tag] != 2 || tags["BYE"+a.Tag] != 1 {
			t.Errorf("got %v; kept %s, hung up %s", tags, b.Tag, a.Tag)
		}
		s.conn.Respond(byes[a.Tag], 200, "OK")
		s.events(c, Sent, Ringing, Answered)
		b.Request("BYE")
		s.conn.ExpectStatus("BYE", 200)
		s.ended(c, HungUp, 0)
		s.over(c)
	})
}

func TestRecordRoute(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(200, "OK", "Record-Route: <sip:a.test;lr>, <sip:b.test;lr=on;x=y>", "Record-Route: <sip:c.test;lr>", sdp)
		check := func(m *siptest.Msg) {
			t.Helper()
			if got := strings.Join(m.All("Route"), " "); got != "<sip:c.test;lr> <sip:b.test;lr=on;x=y> <sip:a.test;lr>" || m.URI() != "sip:1001@pbx.test:5060;transport=udp" {
				t.Errorf("route %q in\n%s", got, m)
			}
		}
		check(s.conn.Expect("ACK"))
		s.events(c, Sent, Answered)
		c.End(HungUp)
		check(s.conn.Expect("BYE"))
		s.over(c)

		c = s.dial("1001") // a strict router
		leg = s.conn.ExpectInvite()
		leg.Respond(200, "OK", "Record-Route: <sip:strict.test>", sdp)
		ack := s.conn.Expect("ACK")
		if ack.URI() != "sip:strict.test" || ack.Get("Route") != "<sip:1001@pbx.test:5060;transport=udp>" {
			t.Errorf("strict route:\n%s", ack)
		}
		c.End(HungUp)
		s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		s.over(c)
	})
}

func TestNoCommonCodec(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		leg := s.conn.ExpectInvite()
		leg.Respond(200, "OK", "\r\nv=0 nocodec\r\n")
		s.conn.Expect("ACK")
		bye := s.conn.Expect("BYE")
		if !strings.Contains(bye.Get("Reason"), "488") {
			t.Errorf("BYE:\n%s", bye)
		}
		s.conn.Respond(bye, 200, "OK")
		s.event(c, Sent)
		if e := s.ended(c, NoCodec, 0); !e.Local {
			t.Errorf("%+v", e)
		}
		s.over(c)
	})
}

func TestMediaFaults(t *testing.T) {
	t.Run("no session", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			s.media.err = errors.New("no network interface")
			c := s.dial("1001")
			if e := s.ended(c, Failed, 0); !strings.Contains(e.Reason, "no network interface") {
				t.Errorf("%+v", e)
			}
			s.over(c)
		})
	})
	t.Run("failed in the call", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, _ := s.talk()
			m := s.media.last()
			m.states <- "connected"
			m.states <- "disconnected"
			m.states <- "connected"
			m.states <- "failed"
			s.events(c, MediaUp, MediaLost, MediaUp)
			s.ended(c, MediaFault, 0)
			s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
			s.over(c)
		})
	})
	t.Run("panic", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(200, "OK", "\r\nv=0 panic\r\n")
			s.conn.Expect("ACK")
			s.event(c, Sent)
			s.ended(c, Failed, 0)
			<-c.gone
		})
	})
}

// talk makes an established call from the device.
func (s *stage) talk(extra ...string) (*Call, *siptest.Leg) {
	s.t.Helper()
	c := s.dial("1001")
	leg := s.conn.ExpectInvite()
	leg.Respond(200, "OK", append(extra, sdp)...)
	s.conn.Expect("ACK")
	s.events(c, Sent, Answered)
	return c, leg
}

func TestBadTargets(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		for _, target := range []string{"", " ", "10 01", "sip:", "1001@", "sip:a b@c", "http://x", "a\r\nX: y", "sip:1001@h>\r\n", "tel:", "tel:x", "sip:@h", "1001@xn--\u00fc", "1001@h h", "a:b", "sip:1@h;x=<"} {
			c := s.dial(target)
			if e := s.ended(c, NotFound, 0); !e.Local {
				t.Errorf("%q: %+v", target, e)
			}
			s.over(c)
		}
		s.conn.Quiet(time.Second)
	})
}

func TestTargets(t *testing.T) {
	for in, want := range map[string]string{
		"1001":                      "sip:1001@pbx.test",
		"*98\t":                     "sip:*98@pbx.test",
		"1001@other.test":           "sip:1001@other.test",
		"sip:1001@h.test:5070;x=y":  "sip:1001@h.test:5070;x=y",
		"SIPS:bob@h.test":           "sips:bob@h.test",
		"sip:1@h.test?Replaces=abc": "sip:1@h.test", // would become a header
	} {
		uri, err := parseTarget(in, "pbx.test")
		if err != nil || uri.String() != want {
			t.Errorf("%q: %q, %v; want %q", in, uri.String(), err, want)
		}
	}
}
