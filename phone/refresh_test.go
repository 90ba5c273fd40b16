package phone

import (
	"strconv"
	"testing"
	"time"

	"intercomd/phone/siptest"
)

// refuse answers all changes of the session with a status, for so long, and returns how many
// there were.
func (s *stage) refuse(status int, d time.Duration) (n int) {
	s.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); {
		m := s.conn.Poll()
		if m == nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		switch m.Method() {
		case "INVITE", "UPDATE":
			n++
			s.conn.Respond(m, status, "No")
		case "ACK":
		default:
			s.t.Fatalf("unexpected:\n%s", m)
		}
	}
	return n
}

// Whoever refuses a change knows the call. After a reset the door asks for a session timer that
// nobody had agreed to: that the far end does not want it ends nothing.
func TestResetAndEveryChangeRefused(t *testing.T) {
	for _, status := range []int{400, 403, 405, 488, 491, 500, 501, 503, 606} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c, _ := s.talk() // without a timer
				s.conn.Kill()
				s.conn = s.srv.Conn()
				if n := s.refuse(status, 10*time.Minute); n == 0 || n > 2 && status != 491 {
					t.Errorf("%d changes", n)
				}
				c.End(HungUp)
				for over := false; !over; {
					switch m := s.conn.Next(); m.Method() {
					case "BYE":
						s.conn.Respond(m, 200, "OK")
						over = true
					case "ACK":
					default: // a change that was just under way
						s.conn.Respond(m, status, "No")
					}
				}
				s.over(c)
			})
		})
	}
}

// A refresh that is refused is tried again while there is time (RFC 4028, section 10).
func TestRefreshRefusedForAMoment(t *testing.T) {
	for _, status := range []int{488, 500, 503} {
		for name, allow := range map[string]string{"INVITE": "Allow: INVITE, ACK, BYE", "UPDATE": "Allow: INVITE, ACK, BYE, UPDATE"} {
			t.Run(strconv.Itoa(status)+" "+name, func(t *testing.T) {
				play(t, siptest.Options{}, func(s *stage) {
					c, leg := s.talk("Session-Expires: 120;refresher=uac", "Require: timer", allow)
					if n := s.refuse(status, 80*time.Second); n < 2 {
						t.Errorf("%d tries", n)
					}
					for range 5 {
						m := s.conn.Next()
						s.conn.Send(siptest.Response(m, 200, "OK", "", "Contact: "+leg.Contact, "Session-Expires: 120;refresher=uac", "Require: timer", sdp).String())
						if m.Method() == "INVITE" {
							s.conn.Expect("ACK")
						}
					}
					s.hangUp(c)
				})
			})
		}
	}
}
