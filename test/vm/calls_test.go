package vm

import (
	"math/rand/v2"
	"testing"
	"time"

	"intercomd/test/lab"
)

// TestBouncyPressesCallOnce presses the bell as worn contacts do: each press is one
// call on the wire, and there is none more.
func TestBouncyPressesCallOnce(t *testing.T) {
	d := install(t)
	kam := server(t)
	d.run(config{target: nobody})
	d.registered()
	r := rand.New(rand.NewPCG(3, 4))
	begin := time.Now()
	judged, total, calls := 0, d.presses(), 0
	for range 5 * *repeat { // some presses are spoiled by a busy host
		d.until("idle", func(s status) bool { return s.State == "idle" })
		steps := append(bounce(r, false), step{"bell", false, 60 * ms})
		steps = append(append(steps, bounce(r, true)...), step{"bell", true, 60 * ms})
		if !fair(steps, d.play(t, steps...), debounce) {
			total, calls = d.presses(), invites(kam, begin)
			continue
		}
		judged++
		if judged%100 == 0 {
			t.Logf("%d presses", judged)
		}
		total++
		calls++
		// The board counts a press before the door hears of it: idle alone may mean not yet.
		s := d.until("done with the call", func(s status) bool {
			return s.presses() >= total && s.State == "idle" && invites(kam, begin) >= calls
		})
		if got := invites(kam, begin); s.presses() != total || got != calls {
			t.Errorf("a bouncy press counted as %d and made %d calls:\n%s", s.presses()-total+1, got-calls+1, lab.Ladder(kam.Since(begin)))
			total, calls = d.presses(), invites(kam, begin)
		}
		if judged == *repeat {
			break
		}
	}
	if got := invites(kam, begin); got != calls {
		t.Errorf("%d calls came without a press", got-calls)
	}
	t.Logf("%d bouncy presses were played well enough to judge, in %.0f s", judged, time.Since(begin).Seconds())
}

// invites counts the calls that the door has made since then. The server challenges
// each INVITE; the answer to that is not another call.
func invites(kam *lab.Kamailio, since time.Time) int {
	calls := map[string]bool{}
	for _, m := range kam.Since(since) {
		if m.Method == "INVITE" && m.Status == 0 && m.From == doorUser {
			calls[m.CallID] = true
		}
	}
	return len(calls)
}
