package phone

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// talkIn is a conversation that the far end began, with a session timer as FreeSWITCH has it.
func (s *stage) talkIn() (*Call, *siptest.Leg) {
	s.t.Helper()
	leg := s.conn.Call(sdp, "Session-Expires: 90;refresher=uac", "Min-SE: 90")
	c := <-s.media.incoming
	c.Answer()
	leg.ExpectStatus(200)
	leg.ACK(200)
	s.event(c, Answered)
	return c, leg
}

// conversations are the two ways in which one begins.
var conversations = map[string]func(s *stage) (*Call, *siptest.Leg){
	"the door calls":  func(s *stage) (*Call, *siptest.Leg) { return s.talk("Session-Expires: 120;refresher=uas") },
	"the door called": func(s *stage) (*Call, *siptest.Leg) { return s.talkIn() },
}

// portTaken makes the old port unusable: every connection comes from another.
func portTaken(c *Config) {
	dial := c.NetDial
	c.NetDial = func(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
		if from.IsValid() {
			return nil, syscall.EADDRINUSE
		}
		return dial(ctx, network, addr, from)
	}
}

// cut breaks the connection, and lets something happen before there can be another.
func (s *stage) cut(meanwhile func()) {
	s.srv.Refuse(true)
	s.conn.Kill()
	time.Sleep(100 * time.Millisecond)
	meanwhile()
	time.Sleep(100 * time.Millisecond)
	s.srv.Refuse(false)
}

// welcome answers what the door asks on a new connection as the server does that knows the
// call, or does not any more.
func (s *stage) welcome(leg *siptest.Leg, knows bool, extra ...string) *siptest.Msg {
	s.t.Helper()
	s.conn = s.srv.Conn()
	m := s.conn.Next()
	if m.Method() == "ACK" { // it may have been lost
		m = s.conn.Next()
	}
	if m.Method() != "INVITE" || siptest.Tag(m.Get("To")) == "" || m.Get("Call-ID") != leg.Invite.Get("Call-ID") {
		s.t.Fatalf("want a re-INVITE:\n%s", m)
	}
	if !knows {
		s.conn.Respond(m, 481, "Call Does Not Exist")
		s.conn.Expect("ACK")
		s.conn.Respond(s.conn.Expect("BYE"), 481, "Call Does Not Exist")
		return m
	}
	s.conn.Send(siptest.Response(m, 200, "OK", "", append(extra, "Contact: "+leg.Contact, sdp)...).String())
	s.conn.Expect("ACK")
	return m
}

// The far end hangs up at any moment after a reset: the call is over within 2 s, whether the
// BYE finds the door at its old port, goes lost, or has nobody to find.
func TestHangUpAfterReset(t *testing.T) {
	for how, taken := range map[string]bool{"the same port": false, "another port": true} {
		for who, begin := range conversations {
			t.Run(how+", "+who, func(t *testing.T) {
				for i := 0; i < 100; i += 2 { // with either side first, 100 in all
					play(t, siptest.Options{Password: "secret"}, func(s *stage) {
						c, leg := begin(s)
						time.Sleep(time.Duration(i) * 50 * time.Millisecond)
						early := i%4 == 0
						if early { // before the door is back
							s.cut(func() { leg.Request("BYE") })
						} else {
							s.conn.Kill()
						}
						s.welcome(leg, !early)
						hungUp := time.Now()
						if !early {
							time.Sleep(time.Duration(i) * 40 * time.Millisecond)
							hungUp = time.Now()
							leg.Request("BYE")
						}
						if e := s.event(c, Ended).Ending; e.Cause != HungUp || e.Local {
							t.Errorf("%+v", e)
						}
						if d := time.Since(hungUp); d > 2*time.Second {
							t.Errorf("over %v after the far end hung up", d)
						}
						if !early && !taken {
							s.conn.ExpectStatus("BYE", 200)
						} else if !early {
							s.conn.Respond(s.conn.Expect("BYE"), 481, "Call Does Not Exist")
						}
						s.over(c)
					}, func(c *Config) {
						if taken {
							portTaken(c)
						}
					})
				}
			})
		}
	}
}

// The door hangs up in the moment of a reset: the far end is told on the next connection.
func TestHangUpInReset(t *testing.T) {
	for who, begin := range conversations {
		for _, when := range []string{"before", "after"} {
			t.Run(who+", "+when, func(t *testing.T) {
				play(t, siptest.Options{}, func(s *stage) {
					c, leg := begin(s)
					if when == "before" {
						c.End(HungUp)
						s.conn.Expect("BYE") // and its answer is lost
					}
					s.cut(func() { c.End(HungUp) })
					hungUp := time.Now()
					s.conn = s.srv.Conn()
					bye := s.conn.Expect("BYE")
					if d := time.Since(hungUp); d > 2*time.Second || bye.Get("Call-ID") != leg.Invite.Get("Call-ID") {
						t.Errorf("after %v:\n%s", d, bye)
					}
					s.conn.Respond(bye, 200, "OK")
					s.ended(c, HungUp, 0)
					s.over(c)
				})
			})
		}
	}
}

// A call outlives a reset for as long as people talk: after it the door refreshes the session,
// since the refresh of the far end might not reach it.
func TestCallOutlivesReset(t *testing.T) {
	for how, taken := range map[string]bool{"the same port": false, "another port": true} {
		for who, begin := range conversations {
			t.Run(how+", "+who, func(t *testing.T) {
				play(t, siptest.Options{}, func(s *stage) {
					c, leg := begin(s)
					s.conn.Kill()
					m := s.welcome(leg, true, "Session-Expires: 120;refresher=uac", "Require: timer")
					if se := m.Get("Session-Expires"); !strings.HasSuffix(se, ";refresher=uac") {
						t.Errorf("asked for Session-Expires: %s", se)
					}
					refreshed := time.Now()
					for over := time.Now().Add(10 * time.Minute); time.Now().Before(over); {
						m := s.conn.Next()
						if m.Method() != "UPDATE" && m.Method() != "INVITE" {
							t.Fatalf("unexpected:\n%s", m)
						}
						if d := time.Since(refreshed); d > 90*time.Second {
							t.Fatalf("refreshed after %v: the session is over", d)
						}
						refreshed = time.Now()
						s.conn.Send(siptest.Response(m, 200, "OK", "", "Contact: "+leg.Contact, "Session-Expires: 120;refresher=uac", "Require: timer", sdp).String())
						if m.Method() == "INVITE" {
							s.conn.Expect("ACK")
						}
					}
					s.hangUp(c)
				}, func(c *Config) {
					if taken {
						portTaken(c)
					}
				})
			})
		}
	}
}

// A connection that is not lost by a word but by silence is noticed within seconds in a call.
func TestSilentDeathInCall(t *testing.T) {
	for who, begin := range conversations {
		t.Run(who, func(t *testing.T) {
			play(t, siptest.Options{Mute: true}, func(s *stage) {
				c, leg := begin(s)
				start := time.Now()
				old := s.conn.Addr()
				s.conn = s.srv.Conn()
				if d := time.Since(start); d > 12*time.Second {
					t.Errorf("on a new connection after %v", d)
				}
				if got := s.conn.Addr(); got != old {
					t.Errorf("back from %s, was at %s", got, old)
				}
				s.agree(leg, s.conn.Expect("INVITE"))
				s.hangUp(c)
			})
		})
	}
}

// A visitor's call outlives a loss of the connection, whatever the far end does meanwhile and
// from whatever port the door comes back.
func TestResetWhileTheFarEndRings(t *testing.T) {
	for how, taken := range map[string]bool{"the same port": false, "another port": true} {
		for name, story := range map[string]func(s *stage, c *Call, leg *siptest.Leg){
			"answered later": func(s *stage, c *Call, leg *siptest.Leg) {
				s.conn.Kill()
				s.conn = s.srv.Conn()
				time.Sleep(5 * time.Second)
				began := time.Now()
				leg.Respond(200, "OK", sdp)
				s.conn.Expect("ACK")
				if d := time.Since(began); d > againEvery {
					s.t.Errorf("answered after %v", d)
				}
				s.event(c, Answered)
			},
			"answered meanwhile": func(s *stage, c *Call, leg *siptest.Leg) {
				s.cut(func() { leg.Respond(200, "OK", sdp) })
				s.conn = s.srv.Conn()
				s.conn.Expect("ACK")
				s.event(c, Answered)
			},
			"lost three times": func(s *stage, c *Call, leg *siptest.Leg) {
				for range 3 {
					s.conn.Kill()
					s.conn = s.srv.Conn()
					time.Sleep(300 * time.Millisecond)
				}
				leg.Respond(200, "OK", sdp)
				s.conn.Expect("ACK")
				s.event(c, Answered)
			},
			"refused meanwhile": func(s *stage, c *Call, leg *siptest.Leg) {
				s.cut(func() { leg.Respond(486, "Busy Here") })
				s.conn = s.srv.Conn()
				s.conn.Expect("ACK")
				s.ended(c, Busy, 486)
			},
			"the server was started anew": func(s *stage, c *Call, _ *siptest.Leg) {
				s.srv.Down()
				time.Sleep(5 * time.Second)
				s.srv.Up()
				s.conn = s.srv.Conn()
				leg := s.conn.ExpectInvite() // for that server a new call
				leg.Respond(180, "Ringing")
				leg.Respond(200, "OK", sdp)
				s.conn.Expect("ACK")
				s.event(c, Answered)
			},
			"given up meanwhile": func(s *stage, c *Call, leg *siptest.Leg) {
				s.cut(func() { c.End(NoAnswer) })
				s.conn = s.srv.Conn()
				cancel := s.conn.Expect("CANCEL")
				if cancel.Get("Via") != leg.Invite.Get("Via") {
					s.t.Errorf("cancels something else:\n%s", cancel)
				}
				s.conn.Respond(cancel, 200, "OK")
				leg.Respond(487, "Request Terminated")
				if s.conn.Addr() == leg.Addr() {
					s.conn.Expect("ACK")
				}
				s.ended(c, NoAnswer, 0)
			},
			"given up, but answered meanwhile": func(s *stage, c *Call, leg *siptest.Leg) {
				s.cut(func() { leg.Respond(200, "OK", sdp); c.End(NoAnswer) })
				s.conn = s.srv.Conn()
				s.conn.Respond(s.conn.Expect("CANCEL"), 481, "No Such Transaction")
				bye := s.conn.Expect("BYE")
				if siptest.Tag(bye.Get("To")) != leg.Tag {
					s.t.Errorf("hangs up on somebody else:\n%s", bye)
				}
				s.conn.Respond(bye, 200, "OK")
				s.ended(c, NoAnswer, 0)
			},
			"given up in the moment of the loss": func(s *stage, c *Call, leg *siptest.Leg) {
				c.End(HungUp)
				s.conn.Expect("CANCEL") // and lost
				s.conn.Kill()
				s.conn = s.srv.Conn()
				s.conn.Respond(s.conn.Expect("CANCEL"), 200, "OK")
				leg.Respond(487, "Request Terminated")
				s.ended(c, HungUp, 0)
			},
			"the server does not come back": func(s *stage, c *Call, _ *siptest.Leg) {
				began := time.Now()
				s.srv.Down()
				s.ended(c, NetworkLost, 0)
				if d := time.Since(began); d != retryTime {
					s.t.Errorf("given up after %v", d)
				}
			},
		} {
			t.Run(how+", "+name, func(t *testing.T) {
				play(t, siptest.Options{}, func(s *stage) {
					c := s.dial("1001")
					leg := s.conn.ExpectInvite()
					leg.Respond(180, "Ringing")
					s.events(c, Sent, Ringing)
					story(s, c, leg)
					c.End(HungUp)
				}, func(c *Config) {
					if taken {
						portTaken(c)
					}
				})
			})
		}
	}
}

// Whom the door rings for is not lost either, nor an answer that is on its way.
func TestResetWhileTheDoorRings(t *testing.T) {
	for name, story := range map[string]func(s *stage, c *Call, leg *siptest.Leg){
		"answered later": func(s *stage, c *Call, leg *siptest.Leg) {
			s.conn.Kill()
			s.conn = s.srv.Conn()
			leg.ExpectStatus(180)
			c.Answer()
			leg.ExpectStatus(200)
			leg.ACK(200)
			s.event(c, Answered)
			s.hangUp(c)
		},
		"answered meanwhile": func(s *stage, c *Call, leg *siptest.Leg) {
			s.cut(c.Answer)
			s.conn = s.srv.Conn()
			leg.ExpectStatus(200)
			leg.ACK(200)
			s.event(c, Answered)
			s.hangUp(c)
		},
		"the answer is lost": func(s *stage, c *Call, leg *siptest.Leg) {
			c.Answer()
			leg.ExpectStatus(200)
			s.conn.Kill()
			s.conn = s.srv.Conn()
			leg.ExpectStatus(200)
			leg.ACK(200)
			s.event(c, Answered)
			s.hangUp(c)
		},
		"the caller gives up": func(s *stage, c *Call, leg *siptest.Leg) {
			s.conn.Kill()
			s.conn = s.srv.Conn()
			leg.ExpectStatus(180)
			leg.Cancel()
			s.conn.ExpectStatus("CANCEL", 200)
			leg.ExpectStatus(487)
			s.ended(c, Cancelled, 487)
		},
		"refused meanwhile": func(s *stage, c *Call, leg *siptest.Leg) {
			s.cut(func() { c.End(Refused) })
			s.conn = s.srv.Conn()
			leg.ExpectStatus(603)
			s.ended(c, Refused, 0)
		},
		"no connection comes": func(s *stage, c *Call, _ *siptest.Leg) {
			s.srv.Down()
			s.ended(c, NetworkLost, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				leg := s.conn.Call(sdp)
				c := <-s.media.incoming
				c.Ring()
				leg.ExpectStatus(180)
				story(s, c, leg)
			})
		})
	}
}

// The server's refresh has just been answered when the connection breaks: the ACK that is lost
// with it does not end the call.
func TestResetInRefresh(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talkIn()
		leg.Request("INVITE", "Contact: "+leg.Contact, "Supported: timer", "Session-Expires: 90;refresher=uac", sdp)
		s.conn.ExpectStatus("INVITE", 200)
		s.conn.Kill()
		s.conn = s.srv.Conn()
		s.conn.ExpectStatus("INVITE", 200)
		s.agree(leg, s.offer())
		s.hangUp(c)
	}, portTaken)
}

// A server that is killed in a call takes signalling and media with it: that is told soon. A
// server that only refuses connections for a moment, or a network that is gone, is not.
func TestServerKilledInCall(t *testing.T) {
	t.Run("both gone", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, _ := s.talk()
			m := s.media.last()
			m.states <- MediaConnected
			s.event(c, MediaUp)
			s.srv.Down()
			killed := time.Now()
			time.Sleep(5 * time.Second)
			m.states <- MediaDisconnected
			s.event(c, MediaLost)
			s.ended(c, NetworkLost, 0)
			if d := time.Since(killed); d > 6*time.Second {
				t.Errorf("over after %v", d)
			}
		})
	})
	t.Run("the media lives", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk()
			s.media.last().states <- MediaConnected
			s.event(c, MediaUp)
			s.srv.Refuse(true)
			s.conn.Kill()
			time.Sleep(20 * time.Second)
			s.srv.Refuse(false)
			s.welcome(leg, true)
			s.hangUp(c)
		})
	})
	t.Run("on hold nothing can be told", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c, leg := s.talk()
			m := s.media.last()
			m.states <- MediaConnected
			s.event(c, MediaUp)
			leg.Request("INVITE", "Contact: "+leg.Contact, "\r\nv=0 a=sendonly\r\n")
			s.conn.ExpectStatus("INVITE", 200)
			leg.ACK(200)
			s.event(c, Held)
			s.srv.Refuse(true)
			s.conn.Kill()
			m.states <- MediaDisconnected
			s.event(c, MediaLost)
			time.Sleep(20 * time.Second)
			s.srv.Refuse(false)
			s.welcome(leg, true)
			s.hangUp(c)
		})
	})
}

// offer is the re-INVITE behind repetitions of a 200 that nobody acknowledges.
func (s *stage) offer() *siptest.Msg {
	s.t.Helper()
	for range 5 {
		if m := s.conn.Next(); !m.IsResponse() {
			return m
		}
	}
	s.t.Fatal("no re-INVITE")
	return nil
}

// Silence of the media alone makes the door ask whether the call still lasts.
func TestMediaLostAsks(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, _ := s.talk()
		m := s.media.last()
		m.states <- MediaConnected
		s.event(c, MediaUp)
		s.srv.ForgetCalls()
		m.states <- MediaDisconnected
		s.event(c, MediaLost)
		s.conn.Respond(s.conn.Expect("BYE"), 481, "Call Does Not Exist")
		s.ended(c, HungUp, 481)
	})
}

// A far end that does not say whether the call lasts is not taken for one that says no.
func TestMediaLostAsksInVain(t *testing.T) {
	for _, status := range []int{408, 503, 405} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			play(t, siptest.Options{Asked: status}, func(s *stage) {
				c, _ := s.talk()
				m := s.media.last()
				for range 3 {
					m.states <- MediaConnected
					s.event(c, MediaUp)
					m.states <- MediaDisconnected
					s.event(c, MediaLost)
					time.Sleep(5 * time.Second)
				}
				want := 3
				if status == 405 { // it never will
					want = 1
				}
				if n := s.srv.Asked(); n != want {
					t.Errorf("asked %d times, want %d", n, want)
				}
				s.hangUp(c)
			})
		})
	}
}

// Somebody who waits at the door waits for no pause between tries.
func TestHurry(t *testing.T) {
	for name, wish := range map[string]func(s *stage) *Call{
		"a press":             func(s *stage) *Call { s.ua.Hurry(10 * time.Second); return nil },
		"a call":              func(s *stage) *Call { return s.dial("1001") },
		"a press, and a call": func(s *stage) *Call { s.ua.Hurry(10 * time.Second); return s.dial("1001") },
	} {
		t.Run(name, func(t *testing.T) {
			var bad atomic.Bool
			o := siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
				if bad.Load() && m.Get("Expires") != "0" {
					c.Respond(m, 500, "Server Error")
					return true
				}
				return false
			}}
			play(t, o, func(s *stage) {
				bad.Store(true)
				s.conn.Kill()
				time.Sleep(5 * time.Minute) // the pauses are long by now
				bad.Store(false)
				began := time.Now()
				c := wish(s)
				for s.ua.Registration().State != Registered {
					time.Sleep(time.Millisecond)
				}
				if d := time.Since(began); d > 100*time.Millisecond {
					t.Errorf("registered after %v", d)
				}
				if c != nil {
					s.event(c, Sent)
					c.End(HungUp)
				}
			})
		})
	}
	t.Run("the server is back in the middle", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			s.srv.Down()
			time.Sleep(5 * time.Minute)
			s.ua.Hurry(10 * time.Second)
			time.Sleep(3 * time.Second)
			s.srv.Up()
			began := time.Now()
			s.state(Registered)
			if d := time.Since(began); d > time.Second {
				t.Errorf("registered after %v", d)
			}
		})
	})
	t.Run("not at a server that has refused us", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, siptest.New(t, siptest.Options{Pipe: true, Password: "other"}))
			s.state(RefusedRetrying)
			n := len(s.srv.Registers())
			for range 10 {
				s.ua.Hurry(10 * time.Second)
				s.ended(s.dial("1001"), NotRegistered, 0)
				time.Sleep(time.Second)
			}
			if now := len(s.srv.Registers()); now != n {
				t.Errorf("%d REGISTERs more", now-n)
			}
			s.quit()
		})
	})
}

// Drops in a row never make a press fail while the server is there.
func TestDropsInARow(t *testing.T) {
	for drops := 1; drops <= 6; drops++ {
		t.Run(fmt.Sprint(drops), func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				for range drops { // while nobody is there
					s.conn.Kill()
					s.conn = s.srv.Conn()
				}
				s.conn.Kill()
				synctest.Wait()
				pressed := time.Now()
				s.ua.Hurry(10 * time.Second)
				c := s.dial("1001")
				for range drops { // and in the call
					s.conn = s.srv.Conn()
					s.conn.Expect("INVITE")
					s.conn.Kill()
				}
				s.conn = s.srv.Conn()
				leg := s.conn.ExpectInvite()
				leg.Respond(200, "OK", sdp)
				s.conn.Expect("ACK")
				s.events(c, Sent, Answered)
				if d := time.Since(pressed); d > 10*time.Second {
					t.Errorf("answered after %v", d)
				}
				s.hangUp(c)
			})
		})
	}
}

// After a long outage every door of a town is back within 3 s, and they do not all come in the
// same moment.
func TestNoStampede(t *testing.T) {
	const doors = 1000
	synctest.Test(t, func(t *testing.T) {
		srv := siptest.New(t, siptest.Options{Pipe: true})
		var stages []*stage
		for range doors {
			stages = append(stages, begin(t, srv, func(c *Config) { c.Log = nil }))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		srv.Down()
		time.Sleep(20 * time.Second) // the pauses grow no more
		dials := srv.Dials()
		time.Sleep(10 * time.Second)
		perDoor := 6 * float64(srv.Dials()-dials) / doors
		srv.Up()
		var histogram [40]int // of 100 ms each
		for i := range histogram {
			before := len(srv.Registers())
			time.Sleep(100 * time.Millisecond)
			histogram[i] = len(srv.Registers()) - before
		}
		t.Logf("%.0f tries a minute and door; registered per 100 ms: %v", perDoor, histogram)
		back, most := 0, 0
		for i, n := range histogram {
			if most = max(most, n); i < 30 {
				back += n
			}
		}
		if back != doors {
			t.Errorf("%d of %d are back after 3 s", back, doors)
		}
		if most > doors/10 {
			t.Errorf("%d come within 100 ms", most)
		}
		if perDoor > 60 {
			t.Errorf("%.0f tries a minute", perDoor)
		}
		for _, s := range stages {
			s.stop()
		}
		for _, s := range stages {
			<-s.done
		}
		srv.Close()
	})
}

// Behind a proxy or a NAT the door's own port says nothing: the server sees another one after
// each reset, and sends what belongs to a call to the old one. What it says in Via tells.
func TestResetBehindProxy(t *testing.T) {
	t.Run("answered later", func(t *testing.T) {
		play(t, siptest.Options{Proxy: true}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(180, "Ringing")
			s.events(c, Sent, Ringing)
			s.conn.Kill()
			s.conn = s.srv.Conn()
			time.Sleep(5 * time.Second)
			leg.Respond(200, "OK", sdp)
			s.conn.Expect("ACK")
			s.event(c, Answered)
			s.hangUp(c)
		})
	})
	for who, begin := range conversations {
		t.Run("hung up, "+who, func(t *testing.T) {
			play(t, siptest.Options{Proxy: true}, func(s *stage) {
				c, leg := begin(s)
				s.conn.Kill()
				s.welcome(leg, true)
				hungUp := time.Now()
				leg.Request("BYE")
				s.event(c, Ended)
				if d := time.Since(hungUp); d > 2*time.Second {
					t.Errorf("over %v after the far end hung up", d)
				}
				s.conn.Respond(s.conn.Expect("BYE"), 481, "Call Does Not Exist")
				s.over(c)
			})
		})
	}
}

// The far end wants a change before the door has registered on the new connection.
func TestChangeBeforeRegistered(t *testing.T) {
	for who, begin := range conversations {
		t.Run(who, func(t *testing.T) {
			var change func(*siptest.Conn)
			play(t, siptest.Options{Register: func(c *siptest.Conn, _ *siptest.Msg) bool {
				if change != nil {
					change(c)
					change = nil
				}
				return false
			}}, func(s *stage) {
				c, leg := begin(s)
				change = func(conn *siptest.Conn) {
					conn.Send(leg.Make("INVITE", "Contact: "+leg.Contact, sdp).String())
					time.Sleep(200 * time.Millisecond)
				}
				s.conn.Kill()
				s.conn = s.srv.Conn()
				s.conn.ExpectStatus("INVITE", 200)
				leg.ACK(200)
				s.agree(leg, s.conn.Expect("INVITE")) // and no second 200
				s.hangUp(c)
			})
		})
	}
}

// A call is made and hung up before the phone has told its calls of the connection: it has
// said goodbye over it, and does not do so twice.
func TestCallBeforeTheConnectionIsTold(t *testing.T) {
	var told chan struct{}
	play(t, siptest.Options{}, func(s *stage) {
		c := s.dial("1001")
		s.conn.ExpectInvite().Respond(200, "OK", sdp)
		s.conn.Expect("ACK")
		s.events(c, Sent, Answered)
		c.End(HungUp)
		bye := s.conn.Expect("BYE")
		close(told)
		synctest.Wait()
		s.conn.Respond(bye, 200, "OK")
		s.over(c)
		s.dial("1002").End(HungUp)
		s.conn.ExpectInvite() // nothing else came
	}, func(cfg *Config) {
		told = make(chan struct{})
		cfg.Owner.(*fakeMedia).linger = told
	})
}
