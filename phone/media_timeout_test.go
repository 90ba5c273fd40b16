package phone

import (
	"strings"
	"testing"
	"time"

	"intercomd/phone/siptest"
)

// able gives the phone media that knows what is optional too.
func able(c *Config) { c.Owner.(*fakeMedia).able = true }

// silenced waits for the end of a call for silence, which must come 20 s after began.
func (s *stage) silenced(c *Call, began time.Time) {
	s.t.Helper()
	e := s.ended(c, MediaFault, 0)
	if d := time.Since(began).Round(100 * time.Millisecond); d != defaultMediaTimeout || e.Reason != "no audio came for 20 s" || e.Local {
		s.t.Errorf("ended after %v, want %v: %+v", d, defaultMediaTimeout, e)
	}
	bye := s.conn.Expect("BYE")
	if bye.Get("Reason") != `Q.850;cause=41;text="no audio came for 20 s"` {
		s.t.Errorf("BYE:\n%s", bye)
	}
	s.conn.Respond(bye, 200, "OK")
	s.over(c)
}

func TestSilence(t *testing.T) {
	for name, story := range map[string]func(s *stage, c *Call, leg *siptest.Leg){
		"after the last packet": func(s *stage, c *Call, _ *siptest.Leg) {
			m := s.media.last()
			m.states <- "connected"
			s.event(c, MediaUp)
			for range 30 {
				time.Sleep(9 * time.Second)
				m.speak()
			}
			s.silenced(c, time.Now())
		},
		"a muted far end sends reports only": func(s *stage, c *Call, _ *siptest.Leg) {
			m := s.media.last()
			m.states <- "connected"
			s.event(c, MediaUp)
			m.speak()
			for range 60 {
				time.Sleep(5 * time.Second)
				m.report()
			}
			s.silenced(c, time.Now())
		},
		"never a packet: counted from when media was up": func(s *stage, c *Call, _ *siptest.Leg) {
			time.Sleep(4 * time.Second)
			s.media.last().states <- "connected"
			s.event(c, MediaUp)
			s.silenced(c, time.Now())
		},
		"media never up: counted from the answer": func(s *stage, c *Call, _ *siptest.Leg) {
			s.silenced(c, time.Now())
		},
		"a connection that comes and goes is no sound": func(s *stage, c *Call, _ *siptest.Leg) {
			began := time.Now()
			for range 3 {
				s.media.last().states <- "connected"
				s.event(c, MediaUp)
				s.media.last().states <- "disconnected"
				s.event(c, MediaLost)
				time.Sleep(5 * time.Second)
			}
			s.silenced(c, began)
		},
		"not on hold, and anew after it": func(s *stage, c *Call, leg *siptest.Leg) {
			time.Sleep(15 * time.Second)
			leg.Request("UPDATE", "\r\nv=0 a=sendonly\r\n")
			s.conn.ExpectStatus("UPDATE", 200)
			s.event(c, Held)
			time.Sleep(10 * time.Minute)
			leg.Request("UPDATE", sdp)
			s.conn.ExpectStatus("UPDATE", 200)
			s.event(c, Resumed)
			s.silenced(c, time.Now())
		},
		"not while the far end only listens": func(s *stage, c *Call, leg *siptest.Leg) {
			leg.Request("UPDATE", "\r\nv=0 a=recvonly\r\n")
			s.conn.ExpectStatus("UPDATE", 200)
			time.Sleep(10 * time.Minute)
			leg.Request("UPDATE", sdp)
			s.conn.ExpectStatus("UPDATE", 200)
			s.silenced(c, time.Now())
		},
		"a refresh of the session is no sound": func(s *stage, c *Call, leg *siptest.Leg) {
			began := time.Now()
			time.Sleep(15 * time.Second)
			leg.Request("UPDATE", sdp)
			s.conn.ExpectStatus("UPDATE", 200)
			s.silenced(c, began)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, leg := s.talk()
				story(s, c, leg)
			}, able)
		})
	}
}

// Nothing is counted before the call is up: it may ring for long.
func TestSilenceCountsFromTheAnswer(t *testing.T) {
	t.Run("of a call with early media", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			leg := s.conn.ExpectInvite()
			leg.Respond(183, "Session Progress", sdp)
			s.events(c, Sent, Ringing, EarlyMedia)
			s.media.last().states <- "connected"
			s.event(c, MediaUp)
			time.Sleep(30 * time.Second)
			leg.Respond(200, "OK") // the SDP was in the 183
			s.conn.Expect("ACK")
			s.event(c, Answered)
			s.silenced(c, time.Now())
		}, able)
	})
	t.Run("of a call that came in, and its ACK", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			leg := s.conn.Call(sdp)
			c := <-s.media.incoming
			leg.ExpectStatus(100)
			time.Sleep(30 * time.Second)
			c.Answer()
			leg.ExpectStatus(200)
			s.event(c, Answered)
			leg.ACK(200)
			s.silenced(c, time.Now())
		}, able)
	})
}

func TestSilenceAllowed(t *testing.T) {
	for name, opt := range map[string]option{
		"by configuration":                 func(c *Config) { able(c); c.MediaTimeout = -1 },
		"since the media can tell nothing": func(*Config) {},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, _ := s.talk()
				s.media.last().states <- "connected"
				s.event(c, MediaUp)
				s.conn.Quiet(2 * time.Hour)
				s.hangUp(c)
			}, opt)
		})
	}
}

func TestSilenceLimit(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		c, _ := s.talk()
		began := time.Now()
		if e := s.ended(c, MediaFault, 0); time.Since(began) != 1500*time.Millisecond || !strings.Contains(e.Reason, "for 1.5 s") {
			t.Errorf("after %v: %+v", time.Since(began), e)
		}
		s.conn.Respond(s.conn.Expect("BYE"), 200, "OK")
		s.over(c)
	}, able, func(c *Config) { c.MediaTimeout = 1500 * time.Millisecond })
}
