package phone

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// Switching off ends every kind of call, and nothing takes longer than 3 s.
func TestShutdown(t *testing.T) {
	for name, answer := range map[string]bool{"answered": true, "ignored": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, siptest.New(t, siptest.Options{Pipe: true}))
				s.conn = s.srv.Conn()
				s.state(Registered)
				talking, _ := s.talk()
				calling := s.dial("1002")
				leg := s.conn.ExpectInvite()
				leg.Respond(180, "Ringing")
				s.events(calling, Sent, Ringing)
				in := s.conn.Call(sdp)
				ringing := <-s.media.incoming

				start := time.Now()
				s.stop()
				seen := map[string]bool{}
				n := 3
				if answer {
					n = 4 // the ACK of the refused INVITE too
				}
				for range n {
					m := s.conn.Next()
					seen[m.Method()+strconv.Itoa(m.Status())] = true
					if !answer {
						continue
					}
					switch m.Method() {
					case "CANCEL":
						s.conn.Respond(m, 200, "OK")
						leg.Respond(487, "Request Terminated")
					case "BYE":
						s.conn.Respond(m, 200, "OK")
					case "INVITE":
						in.ACK(480)
					}
				}
				if !seen["BYE0"] || !seen["CANCEL0"] || !seen["INVITE480"] {
					t.Errorf("saw %v", seen)
				}
				s.done <- <-s.done
				if d := time.Since(start); d > 3500*time.Millisecond || answer && d > 100*time.Millisecond {
					t.Errorf("took %v", d)
				}
				for _, c := range []*Call{talking, calling, ringing} {
					s.ended(c, Shutdown, 0)
				}
				if c := s.dial("1"); s.ended(c, Shutdown, 0).Local != true {
					t.Error("dialled after the end")
				}
				s.quit()
			})
		})
	}
}

// Switching off while there is no server to say goodbye to.
func TestShutdownOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, siptest.New(t, siptest.Options{Pipe: true, Deaf: true}))
		time.Sleep(time.Minute)
		start := time.Now()
		s.stop()
		s.done <- <-s.done
		if d := time.Since(start); d > time.Second {
			t.Errorf("took %v", d)
		}
		s.quit()
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	ua, err := New(Config{Servers: []string{"wss://pbx.invalid"}, User: "1", Owner: newFakeMedia()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ua.Run(ctx); err != nil {
		t.Error(err)
	}
}
