package phone

import (
	"strings"
	"testing"
	"time"

	"intercomd/phone/siptest"
)

const stranger = "sip:1000@192.0.2.7:5060"

// reachedAgain waits until a call to the door arrives again, and says how long that took.
func (s *stage) reachedAgain() time.Duration {
	s.t.Helper()
	began := time.Now()
	for s.srv.Reached() == nil {
		if time.Since(began) > time.Hour {
			s.t.Fatal("nobody can call the door any more")
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(began)
}

// A registration that vanishes without a word is back within 90 s, at servers that say who
// is registered and at those that do not; and that costs one request a minute.
func TestRegistrationVanishes(t *testing.T) {
	for server, lists := range map[string]bool{"like FreeSWITCH": false, "by the book": true} {
		for what, vanish := range map[string]func(*siptest.Server){
			"flushed": (*siptest.Server).Flush,
			"taken":   func(s *siptest.Server) { s.Flush(); s.Take(stranger) },
		} {
			t.Run(server+", "+what, func(t *testing.T) {
				noticed := 0 // a refresh that happens to come before the question heals it unnoticed
				for wait := time.Duration(0); wait < 90*time.Second; wait += 13 * time.Second {
					play(t, siptest.Options{Password: "secret", Lists: lists, Expires: 600}, func(s *stage) {
						time.Sleep(5*time.Minute + wait)
						before := len(s.srv.Registers()) + s.srv.Fetches()
						vanish(s.srv)
						if d := s.reachedAgain(); d > 90*time.Second {
							t.Errorf("back after %v", d)
						}
						time.Sleep(10 * time.Minute)
						if n := len(s.srv.Registers()) + s.srv.Fetches() - before; n < 8 || n > 16 {
							t.Errorf("%d requests in ten minutes", n)
						}
						if strings.Contains(s.log.String(), "without notice") {
							noticed++
						}
					}, tenMinutes)
				}
				if lists && what == "flushed" && noticed == 0 {
					t.Error("never in the log")
				}
			})
		}
	}
}

func tenMinutes(c *Config) { c.Expires = 10 * time.Minute }

// Where the server says who took the registration, people are told; then it is taken back, or
// left to the other device, as the configuration wants it.
func TestWhenTaken(t *testing.T) {
	told := func(s *stage) Registration {
		s.t.Helper()
		for range 5 {
			if r := s.state(Registered); r.Err != nil {
				return r
			}
		}
		s.t.Fatal("nobody was told")
		return Registration{}
	}
	t.Run("taken back", func(t *testing.T) {
		play(t, siptest.Options{Lists: true, Expires: 600}, func(s *stage) {
			s.srv.Flush()
			s.srv.Take(stranger)
			r := told(s)
			if !strings.Contains(r.Err.Error(), "another device has registered as user 1000: "+stranger) || !strings.Contains(r.Problem.Remedy(), "taken back") || s.srv.Reached() == nil {
				t.Errorf("%v %q", r.Err, r.Problem.Remedy())
			}
			time.Sleep(takenShown + 2*checkEvery)
			if r := s.ua.Registration(); r.Err != nil {
				t.Errorf("still told: %v", r.Err)
			}
		}, tenMinutes)
	})
	t.Run("left to the other", func(t *testing.T) {
		play(t, siptest.Options{Lists: true, Expires: 600}, func(s *stage) {
			s.srv.Flush()
			s.srv.Take(stranger)
			r := told(s)
			if !strings.Contains(r.Problem.Remedy(), "arrive there and not here") || !r.Expires.IsZero() {
				t.Errorf("%+v", r)
			}
			time.Sleep(30 * time.Minute)
			if n := len(s.srv.Registers()); n != 1 || s.srv.Reached() != nil || s.ua.Registration().Err == nil {
				t.Errorf("%d REGISTERs, %+v", n, s.ua.Registration())
			}
			c := s.dial("1001") // which needs no registration
			leg := s.conn.ExpectInvite()
			leg.Respond(486, "Busy Here")
			s.conn.Expect("ACK")
			s.event(c, Sent)
			s.ended(c, Busy, 486)
			s.over(c)
			s.srv.Leave(stranger)
			if d := s.reachedAgain(); d > 90*time.Second {
				t.Errorf("back after %v", d)
			}
			time.Sleep(time.Second)
			if r := s.ua.Registration(); r.Err != nil {
				t.Errorf("still told: %v", r.Err)
			}
		}, tenMinutes, func(c *Config) { c.WhenTaken = Yield })
	})
	t.Run("two devices, both called", func(t *testing.T) {
		play(t, siptest.Options{Lists: true, Expires: 600}, func(s *stage) {
			s.srv.Take(stranger)
			time.Sleep(20 * time.Minute)
			if r := s.ua.Registration(); r.Err != nil || r.Others != 1 || s.srv.Reached() == nil {
				t.Errorf("%+v", r)
			}
		}, tenMinutes, func(c *Config) { c.WhenTaken = Yield })
	})
}

// A server that does not answer the question is asked once, and not each time.
func TestAskedInVain(t *testing.T) {
	play(t, siptest.Options{Expires: 600}, func(s *stage) {
		time.Sleep(time.Hour)
		s.conn.Kill()
		s.conn = s.srv.Conn()
		time.Sleep(time.Hour)
		if n := s.srv.Fetches(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	}, tenMinutes)
}

// A server that takes a REGISTER without Contact and never names anybody is not believed for
// long: what it says is no reason to warn once a minute for ever.
func TestAskedAndNobodyNamed(t *testing.T) {
	fetches := 0
	play(t, siptest.Options{Register: func(c *siptest.Conn, m *siptest.Msg) bool {
		if m.Get("Contact") != "" {
			return false
		}
		fetches++
		c.Respond(m, 200, "OK")
		return true
	}, Expires: 600}, func(s *stage) {
		time.Sleep(30 * time.Minute)
		if n := strings.Count(s.log.String(), "without notice"); fetches > 3 || n > 2 {
			t.Errorf("asked %d times, warned %d times", fetches, n)
		}
		if n := len(s.srv.Registers()); n < 20 {
			t.Errorf("registered %d times in half an hour", n)
		}
	}, tenMinutes)
}
