package phone

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// offered takes a re-INVITE of the call and checks what it offers.
func (s *stage) offered(leg *siptest.Leg, body string) *siptest.Msg {
	s.t.Helper()
	m := s.conn.Expect("INVITE")
	if siptest.Tag(m.Get("To")) != leg.Tag || m.Body != body+"\r\n" {
		s.t.Errorf("want a re-INVITE with %q:\n%s", body, m)
	}
	return m
}

// agree answers a re-INVITE.
func (s *stage) agree(leg *siptest.Leg, m *siptest.Msg) {
	s.t.Helper()
	s.conn.Send(siptest.Response(m, 200, "OK", "", "Contact: "+leg.Contact, sdp).String())
	s.conn.Expect("ACK")
}

// The address that the media of a call uses has gone: the far end is offered another.
func TestMoved(t *testing.T) {
	for name, story := range map[string]func(s *stage, m *fakeSession, leg *siptest.Leg){
		"once": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			m.states <- "moved"
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
			s.conn.Quiet(10 * time.Second)
		},
		"again before the answer": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			m.states <- "moved"
			req := s.offered(leg, "v=0 restart 1")
			m.states <- "moved"
			s.conn.Quiet(10 * time.Second) // one at a time
			s.agree(leg, req)
			s.agree(leg, s.offered(leg, "v=0 restart 2"))
			s.conn.Quiet(10 * time.Second)
		},
		"while the far end makes a change": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			leg.Request("INVITE", "Contact: "+leg.Contact, sdp)
			s.conn.ExpectStatus("INVITE", 200)
			m.states <- "moved"
			s.conn.Quiet(100 * time.Millisecond)
			leg.ACK(200)
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
		},
		"both make a change at once": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			m.states <- "moved"
			s.conn.Respond(s.offered(leg, "v=0 restart 1"), 491, "Request Pending")
			s.conn.Expect("ACK")
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
		},
		"the connection dies with the address": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			m.states <- "moved"
			s.offered(leg, "v=0 restart 1")
			s.conn.Kill()
			s.conn = s.srv.Conn()
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
		},
		"the connection is gone already": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			s.srv.Down()
			synctest.Wait()
			m.states <- "moved"
			synctest.Wait()
			if m.restarted() {
				s.t.Error("prepared for a connection that is not there yet")
			}
			s.srv.Up()
			s.conn = s.srv.Conn()
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
		},
		"no network yet": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			m.stuck = 2
			began := time.Now()
			m.states <- "moved"
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
			if d := time.Since(began); d != 2*restartRetry {
				s.t.Errorf("offered after %v", d)
			}
		},
		"refused: the call goes on as long as it is heard": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			m.states <- "moved"
			req := s.offered(leg, "v=0 restart 1")
			s.conn.Respond(req, 488, "Not Acceptable Here")
			s.conn.Expect("ACK")
			s.conn.Quiet(10 * time.Second)
		},
		"refused, and moved meanwhile": func(s *stage, m *fakeSession, leg *siptest.Leg) {
			m.states <- "moved"
			req := s.offered(leg, "v=0 restart 1")
			m.states <- "moved"
			synctest.Wait()
			s.conn.Respond(req, 488, "Not Acceptable Here")
			s.conn.Expect("ACK")
			s.agree(leg, s.offered(leg, "v=0 restart 2"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, leg := s.talk()
				m := s.media.last()
				story(s, m, leg)
				m.speak()
				s.hangUp(c)
			}, able)
		})
	}
}

// The socket has lost its address too, without knowing it: that is found out at once.
func TestMovedWithDeadConnection(t *testing.T) {
	play(t, siptest.Options{Mute: true}, func(s *stage) {
		c, leg := s.talk()
		time.Sleep(time.Second)
		began := time.Now()
		s.media.last().states <- "moved"
		s.offered(leg, "v=0 restart 1") // swallowed
		s.conn = s.srv.Conn()
		req := s.offered(leg, "v=0 restart 1")
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("offered on a new connection after %v", d)
		}
		s.agree(leg, req)
		s.hangUp(c)
	}, able)
}

// An address that goes before the call is up is made good as soon as it is.
func TestMovedBeforeTheAnswer(t *testing.T) {
	t.Run("of a call that we made", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(183, "Session Progress", sdp)
			s.events(c, Sent, Ringing, EarlyMedia)
			s.media.last().states <- "moved"
			s.conn.Quiet(5 * time.Second)
			leg.Respond(200, "OK", sdp)
			s.conn.Expect("ACK")
			s.event(c, Answered)
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
			s.hangUp(c)
		}, able)
	})
	t.Run("of a call that came in", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			c.Answer()
			leg.ExpectStatus(200)
			s.media.last().states <- "moved"
			synctest.Wait()
			leg.ACK(200)
			s.agree(leg, s.offered(leg, "v=0 restart 1"))
			s.hangUp(c)
		}, able)
	})
}

// New paths take a moment, which does not count as silence.
func TestMovedIsNotSilence(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		time.Sleep(18 * time.Second)
		s.media.last().states <- "moved"
		s.agree(leg, s.offered(leg, "v=0 restart 1"))
		s.silenced(c, time.Now())
	}, able)
}

func TestMovedDuringRefresh(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk("Session-Expires: 120;refresher=uac")
		up := s.conn.Expect("UPDATE")
		s.media.last().states <- "moved"
		s.conn.Quiet(100 * time.Millisecond)
		s.conn.Respond(up, 200, "OK", "Session-Expires: 120;refresher=uac")
		s.agree(leg, s.offered(leg, "v=0 restart 1"))
		s.hangUp(c)
	}, able, func(c *Config) { c.MediaTimeout = -1 })
}

// A session that cannot restart is offered as it is; nothing breaks.
func TestMovedUnable(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, leg := s.talk()
		s.media.last().states <- "moved"
		s.agree(leg, s.offered(leg, "v=0 offer 2"))
		if !strings.Contains(s.log.String(), "is gone") {
			t.Error("not in the log")
		}
		s.hangUp(c)
	})
}
