package phone

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

func TestIncomingAnswered(t *testing.T) {
	for _, who := range []string{"us", "them"} {
		t.Run("BYE by "+who, func(t *testing.T) {
			play(t, siptest.Options{Password: "secret"}, func(s *stage) {
				leg := s.conn.Call(sdp, "Session-Expires: 90;refresher=uac", "Min-SE: 90",
					"=Route: <sip:1000@127.0.0.1:41220>;transport=wss") // as FreeSWITCH writes it
				c := <-s.media.incoming
				if c.Remote() != (Party{URI: "sip:9999@pbx.test", User: "9999", Name: "Resident"}) || !c.Incoming() {
					t.Errorf("%+v", c.Remote())
				}
				c.Ring()
				ring := leg.ExpectStatus(180)
				if !strings.Contains(ring.Get("Contact"), "transport=ws>") || leg.RemoteTag() == "" {
					t.Errorf("180:\n%s", ring)
				}
				c.Ring()
				c.Answer()
				ok := leg.ExpectStatus(200)
				if ok.Body != "v=0 answer 1\r\n" || ok.Get("Session-Expires") != "90;refresher=uac" || ok.Get("Require") != "timer" || ok.Get("To") != ring.Get("To") {
					t.Errorf("200:\n%s", ok)
				}
				s.event(c, Answered)
				leg.ACK(200)
				c.Answer() // again: nothing
				s.conn.Quiet(5 * time.Second)
				s.media.last().states <- "connected"
				s.event(c, MediaUp)
				if who == "us" {
					c.End(HungUp)
					s.ended(c, HungUp, 0)
					bye := s.conn.Expect("BYE")
					if bye.URI() != "sip:mod_sofia@127.0.0.1:5060" || bye.Get("To") != leg.Invite.Get("From") || siptest.Tag(bye.Get("From")) != leg.RemoteTag() {
						t.Errorf("BYE:\n%s", bye)
					}
					s.conn.Respond(bye, 200, "OK")
				} else {
					leg.Request("BYE")
					s.conn.ExpectStatus("BYE", 200)
					s.ended(c, HungUp, 0)
				}
				s.over(c)
			})
		})
	}
}

func TestIncomingRefused(t *testing.T) {
	for cause, status := range map[Cause]int{
		Busy: 486, Refused: 603, HungUp: 603, NotFound: 404, NoAnswer: 480, Unavailable: 480, NoCodec: 488, Failed: 500,
	} {
		t.Run(string(cause), func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(sdp)
				c := <-s.media.incoming
				c.Ring()
				leg.ExpectStatus(180)
				tag := leg.RemoteTag()
				c.End(cause)
				leg.ExpectStatus(status)
				if leg.RemoteTag() != tag {
					t.Error("another tag in the final response")
				}
				leg.ACK(status)
				s.ended(c, cause, 0)
				s.over(c)
			})
		})
	}
}

func TestIncomingCancelled(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		cause  Cause
	}{
		"given up":                {"", Cancelled},
		"answered elsewhere":      {`Reason: SIP;cause=200;text="Call completed elsewhere"`, AnsweredElsewhere},
		"elsewhere, FreeSWITCH":   {`Reason: Q.850;cause=26;text="LOSE_RACE"`, AnsweredElsewhere},
		"no answer, with a cause": {`Reason: Q.850;cause=16;text="NORMAL_CLEARING"`, Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(sdp)
				c := <-s.media.incoming
				c.Ring()
				leg.ExpectStatus(180)
				tag := leg.RemoteTag()
				var extra []string
				if tc.reason != "" {
					extra = []string{tc.reason}
				}
				leg.Cancel(extra...)
				s.conn.ExpectStatus("CANCEL", 200)
				leg.ExpectStatus(487)
				if leg.RemoteTag() != tag {
					t.Error("another tag in the 487")
				}
				leg.ACK(487)
				c.Answer()
				s.ended(c, tc.cause, 487)
				s.over(c)
			})
		})
	}
	t.Run("after the answer", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			c.Answer()
			leg.ExpectStatus(200)
			leg.Cancel()
			s.conn.ExpectStatus("CANCEL", 200)
			leg.ACK(200)
			s.event(c, Answered)
			leg.Request("BYE")
			s.conn.ExpectStatus("BYE", 200)
			s.ended(c, HungUp, 0)
			s.over(c)
		})
	})
	t.Run("of nothing", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			c.End(Busy)
			leg.ExpectStatus(486)
			leg.ACK(486)
			s.over(c)
			time.Sleep(time.Second)
			leg.Cancel()
			s.conn.ExpectStatus("CANCEL", 481)
		})
	})
}

func TestIncomingWithoutOffer(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call()
		c := <-s.media.incoming
		c.Answer()
		if ok := leg.ExpectStatus(200); ok.Body != "v=0 offer 1\r\n" {
			t.Errorf("200:\n%s", ok)
		}
		s.event(c, Answered)
		leg.ACK(200, sdp)
		leg.Request("OPTIONS")
		s.conn.ExpectStatus("OPTIONS", 200)
		if m := s.media.last(); len(m.accepts) != 1 {
			t.Errorf("the answer in the ACK was not applied: %v", m.accepts)
		}
		leg.Request("BYE")
		s.conn.ExpectStatus("BYE", 200)
		s.event(c, Ended)
		s.over(c)

		leg = s.conn.Call() // an ACK without the answer
		c = <-s.media.incoming
		c.Answer()
		leg.ExpectStatus(200)
		s.event(c, Answered)
		leg.ACK(200)
		s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		s.ended(c, NoCodec, 0)
		s.over(c)
	})
}

func TestIncomingNoCodec(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call("\r\nv=0 nocodec\r\n")
		c := <-s.media.incoming
		c.Answer()
		leg.ExpectStatus(488)
		leg.ACK(488)
		s.ended(c, NoCodec, 0)
		s.over(c)
	})
}

// The ACK never comes: the 200 is repeated for 32 s, then the call is hung up.
func TestNoACK(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call(sdp)
		c := <-s.media.incoming
		c.Answer()
		s.event(c, Answered)
		start := time.Now()
		n := 0
		for {
			m := s.conn.Next()
			if m.Method() == "BYE" {
				s.conn.Respond(m, 200, "OK")
				break
			}
			if m.Status() != 200 {
				t.Fatalf("unexpected:\n%s", m)
			}
			n++
		}
		if d := time.Since(start); d < 30*time.Second || d > 40*time.Second || n < 8 || n > 14 {
			t.Errorf("200 sent %d times, BYE after %v", n, d)
		}
		s.ended(c, Failed, 0)
		s.over(c)
		leg.ACK(200) // far too late
	})
}

// Hung up before the ACK is here: the BYE waits for it (RFC 3261, 15).
func TestHangUpBeforeACK(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call(sdp)
		c := <-s.media.incoming
		c.Answer()
		leg.ExpectStatus(200)
		c.End(HungUp)
		s.events(c, Answered)
		s.ended(c, HungUp, 0)
		s.conn.Quiet(400 * time.Millisecond)
		leg.ACK(200)
		s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		s.conn.Quiet(10 * time.Second)
		s.over(c)
	})
}

// reliable takes a reliable provisional response and acknowledges it, if wanted.
func (s *stage) reliable(leg *siptest.Leg, status int, rseq string, prack bool) {
	s.t.Helper()
	m := leg.ExpectStatus(status)
	if m.Get("RSeq") != rseq || m.Get("Require") != "100rel" {
		s.t.Errorf("want RSeq %s:\n%s", rseq, m)
	}
	if prack {
		leg.Request("PRACK", "RAck: "+rseq+" "+leg.Invite.Get("CSeq"))
		s.conn.ExpectStatus("PRACK", 200)
	}
}

func TestReliable180(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call(sdp, "Require: 100rel")
		c := <-s.media.incoming
		c.Ring()
		s.reliable(leg, 180, "1", false)
		s.reliable(leg, 180, "1", false) // repeated
		s.reliable(leg, 180, "1", false)
		leg.Request("PRACK", "RAck: 2 "+leg.Invite.Get("CSeq"))
		s.conn.ExpectStatus("PRACK", 481)
		leg.Request("PRACK", "RAck: 1 "+leg.Invite.Get("CSeq"))
		s.conn.ExpectStatus("PRACK", 200)
		leg.Request("PRACK", "RAck: 1 "+leg.Invite.Get("CSeq")) // once more: that is no acknowledgement of anything
		s.conn.ExpectStatus("PRACK", 481)
		s.conn.Quiet(50 * time.Second)
		s.reliable(leg, 180, "2", true) // a minute later, for the proxies
		s.conn.Quiet(50 * time.Second)
		c.Answer()
		leg.ExpectStatus(200)
		leg.ACK(200)
		s.conn.Quiet(10 * time.Minute)
		leg.Request("BYE")
		s.conn.ExpectStatus("BYE", 200)
		s.over(c)
	}, func(c *Config) { c.MediaTimeout = -1 })
	t.Run("never acknowledged", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp, "Require: 100rel")
			c := <-s.media.incoming
			c.Ring()
			start, n := time.Now(), 0
			m := s.conn.Next()
			for ; m.Status() == 180; m = s.conn.Next() {
				n++
			}
			if d := time.Since(start); m.Status() != 500 || n != 6 || d < 30*time.Second || d > 33*time.Second {
				t.Errorf("%d times 180, then after %v:\n%s", n, d, m)
			}
			leg.ACK(500)
			s.ended(c, Failed, 504)
			s.over(c)
		})
	})
}

// A caller has to wait, then it rings; both are told, each once.
func TestQueued(t *testing.T) {
	t.Run("and cancels", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			c.Queue()
			c.Queue()
			if m := leg.ExpectStatus(182); m.Start != "SIP/2.0 182 Queued" {
				t.Errorf("182:\n%s", m)
			}
			s.conn.Quiet(59 * time.Second)
			leg.ExpectStatus(182) // so that no proxy gives the call up
			leg.Cancel()
			s.conn.ExpectStatus("CANCEL", 200)
			leg.ExpectStatus(487)
			leg.ACK(487)
			s.ended(c, Cancelled, 487)
			s.over(c)
		})
	})
	for name, extra := range map[string][]string{"plain": nil, "reliable": {"Require: 100rel"}} {
		t.Run("and is answered, "+name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(append(extra, sdp)...)
				c := <-s.media.incoming
				c.Queue()
				c.Ring()
				if extra != nil {
					s.reliable(leg, 182, "1", false)
					s.reliable(leg, 182, "1", true) // the 180 waits for this
					s.reliable(leg, 180, "2", true)
				} else {
					leg.ExpectStatus(182)
					leg.ExpectStatus(180)
				}
				c.Queue() // no way back
				s.conn.Quiet(10 * time.Second)
				c.Answer()
				leg.ExpectStatus(200)
				leg.ACK(200)
				s.event(c, Answered)
				s.hangUp(c)
			})
		})
	}
}

func TestSecondCallerAndFlood(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		var legs []*siptest.Leg
		for range cap(s.media.incoming) {
			legs = append(legs, s.conn.Call(sdp))
		}
		s.conn.Quiet(100 * time.Millisecond)
		over := s.conn.Call(sdp) // nobody has read Incoming yet
		over.ExpectStatus(486)
		over.ACK(486)
		for _, leg := range legs {
			c := <-s.media.incoming
			c.End(Busy)
			leg.ExpectStatus(486)
			leg.ACK(486)
			<-c.gone
		}
	})
}

func TestAnswerAfter(t *testing.T) {
	for line, want := range map[string]time.Duration{
		"Call-Info: <sip:pbx.test>;answer-after=0":        0,
		"Call-Info: <sip:pbx.test>; Answer-After=5":       5 * time.Second,
		"Alert-Info: <http://x>;info=alert-autoanswer":    0,
		"Alert-Info: Auto Answer":                         0,
		"Answer-Mode: Auto;require":                       0,
		"Priv-Answer-Mode: auto":                          0,
		"priv-answer-mode: Auto ; require":                0,
		"Answer-Mode: Manual;require":                     -1,
		"Answer-Mode: Manual":                             -1,
		"Alert-Info: <http://x>;info=alert-external":      -1,
		"Call-Info: <http://x/photo.jpg>;purpose=icon":    -1,
		"Call-Info: <sip:pbx.test>;answer-after=99999999": 0,
	} {
		t.Run(line, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(sdp, line)
				c := <-s.media.incoming
				d, ok := c.AnswerAfter()
				must := strings.Contains(line, "require") && want >= 0
				if ok != (want >= 0) || ok && d != want || c.AnswerRequired() != must {
					t.Errorf("%v %v, want %v", d, ok, want)
				}
				status := 603
				if must {
					status = 403
				}
				c.End(Refused)
				leg.ExpectStatus(status)
				leg.ACK(status)
				s.over(c)
			})
		})
	}
}

func TestAssertedIdentity(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call(sdp, `P-Asserted-Identity: "Flat \"3\", left" <sip:301@pbx.test;user=phone>, <tel:+49301>`)
		c := <-s.media.incoming
		if c.Remote() != (Party{URI: "sip:301@pbx.test", User: "301", Name: `Flat "3", left`}) {
			t.Errorf("%+v", c.Remote())
		}
		c.End(Busy)
		leg.ExpectStatus(486)
		leg.ACK(486)
		s.over(c)
	})
}

// The same INVITE by two ways (RFC 3261, 8.2.2.2).
func TestMergedRequest(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		leg := s.conn.Call(sdp)
		c := <-s.media.incoming
		again := *leg.Invite
		s.conn.Send(again.Set("Via", "SIP/2.0/WSS 127.0.0.1:7443;branch=z9hG4bK-other").String())
		s.conn.ExpectStatus("INVITE", 482)
		s.conn.Send(leg.Invite.String()) // repeated: no second call, no answer yet but a 100
		synctest.Wait()                  // after the 180 the repetition would get that again
		c.Ring()
		leg.ExpectStatus(180)
		c.End(Busy)
		leg.ExpectStatus(486)
		leg.ACK(486)
		s.over(c)
	})
}

// An unregistered connection can ring nobody.
func TestInviteBeforeRegistration(t *testing.T) {
	o := siptest.Options{Register: func(*siptest.Conn, *siptest.Msg) bool { return true }} // never answered
	playUnregistered(t, o, func(s *stage) {
		leg := s.conn.Call(sdp)
		leg.ExpectStatus(403)
		leg.ACK(403)
		select {
		case <-s.media.incoming:
			t.Error("a call came in")
		default:
		}
	})
}
