package phone

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/phone/siptest"
)

// A phone that nobody calls for three days stays registered, with as many goroutines as after its
// first hour: keep-alives and registrations leave nothing behind. The heap is not looked at, for
// the server of the test is in it and keeps all that it received.
func TestThreeDaysRegistered(t *testing.T) {
	play(t, siptest.Options{}, func(s *stage) {
		time.Sleep(time.Hour)
		synctest.Wait()
		before := runtime.NumGoroutine()
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		if after := runtime.NumGoroutine(); after != before {
			t.Errorf("%d goroutines after the first hour, %d after three days", before, after)
		}
		if r := s.ua.Registration(); r.State != Registered {
			t.Errorf("the phone is %+v", r)
		}
	})
}
