package vm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	ms       = time.Millisecond
	debounce = 25 * ms // the default of the configuration
)

// bounce is what a worn bell button does before it rests at a level: up to 20 changes
// of 0.1 to 3 ms.
func bounce(r *rand.Rand, to bool) []step {
	var steps []step
	for range r.IntN(10) {
		steps = append(steps,
			step{"bell", to, 100*time.Microsecond + time.Duration(r.Int64N(int64(3*ms)))},
			step{"bell", !to, 100*time.Microsecond + time.Duration(r.Int64N(int64(3*ms)))})
	}
	return steps
}

// TestPresses plays what happens to a bell: each press counts once, whether it is
// the shortest that must count, bounces or rests; spikes never count.
func TestPresses(t *testing.T) {
	d := install(t)
	d.run(config{})
	r := rand.New(rand.NewPCG(1, 2))
	rest := step{"bell", true, 200 * ms}
	for _, tc := range []struct {
		name    string
		press   func() []step
		presses int
	}{
		{"30 ms", func() []step { return []step{{"bell", false, 30 * ms}, rest} }, 1},
		{"5 ms spike", func() []step { return []step{{"bell", false, 5 * ms}, rest} }, 0},
		{"spike within a train", func() []step {
			return []step{{"bell", false, 5 * ms}, {"bell", true, 5 * ms}, {"bell", false, 3 * ms}, {"bell", true, 2 * ms}, {"bell", false, 5 * ms}, rest}
		}, 0},
		{"bouncing", func() []step {
			steps := append(bounce(r, false), step{"bell", false, 150 * ms})
			return append(append(steps, bounce(r, true)...), rest)
		}, 1},
		{"drop-out of 5 ms in the middle", func() []step {
			return []step{{"bell", false, 100 * ms}, {"bell", true, 5 * ms}, {"bell", false, 100 * ms}, rest}
		}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &daemon{t, d.machine}
			judged, total := 0, d.presses()
			for range 10 {
				// A clean press follows, so that it is known when everything before it was seen.
				steps := append(tc.press(), step{"bell", false, 100 * ms}, step{"bell", true, 100 * ms})
				if !fair(steps, d.play(t, steps...), debounce) {
					total = d.presses()
					continue
				}
				judged++
				total += tc.presses + 1
				s := d.until("done with "+tc.name, func(s status) bool { return s.presses() >= total })
				if s.presses() != total {
					t.Errorf("%d presses too many were counted", s.presses()-total)
					total = s.presses()
				}
			}
			if got := d.presses(); got != total {
				t.Errorf("%d presses too many were counted", got-total)
			}
			t.Logf("%d of 10 were played well enough to judge", judged)
		})
	}
}

// presses waits until the bell is at rest and its count does not change any more.
func (d *daemon) presses() int {
	d.Helper()
	last, since := -1, time.Now()
	return d.until("at rest", func(s status) bool {
		if n := s.presses(); n != last || s.Board.Inputs[0].Active {
			last, since = n, time.Now()
		}
		return time.Since(since) > 2*time.Second
	}).presses()
}

// TestPressToLamp measures from the edge of the bell to the edge of the lamp, both
// by the kernel's clock. On an emulated processor it is no more than a figure.
func TestPressToLamp(t *testing.T) {
	d := install(t)
	d.run(config{})
	var all []time.Duration
	total := d.presses()
	for range 6 {
		// The call before has failed by itself, and the lamp has said so.
		d.until("idle and dark", func(s status) bool {
			return s.State == "idle" && s.presses() == total && s.Board.Lamps[0].Pattern == "off"
		})
		n := d.mark(t)
		at := d.press()
		total++
		all = append(all, d.saw(t, n, settle, drives("lamp", 1)).At-at)
	}
	slices.Sort(all)
	t.Logf("press to lamp on: median %v, worst %v of %d, %v of each to debounce", all[len(all)/2], all[len(all)-1], len(all), debounce)
	if all[0] < debounce {
		t.Errorf("a lamp was lit %v after the press, before the press could count", all[0])
	}
}

// TestStuckButton holds the bell for longer than a person would.
func TestStuckButton(t *testing.T) {
	d := install(t)
	d.run(config{})
	d.play(t, step{"bell", false, 0})
	defer d.play(t, step{"bell", true, 0})
	s := d.until("telling that the bell is stuck", func(s status) bool { return s.Board.Inputs[0].Stuck })
	if s.presses() != 1 {
		t.Errorf("a stuck button was pressed %d times", s.presses())
	}
	if text := d.until("showing a fault", func(s status) bool { return s.Fault("input") != "" || s.Fault("board") != "" }).Faults; !strings.Contains(fmt.Sprint(text), "bell") {
		t.Errorf("the fault does not name the button: %v", text)
	}
	d.play(t, step{"bell", true, 0})
	d.until("free of it", func(s status) bool {
		return !s.Board.Inputs[0].Stuck && !strings.Contains(fmt.Sprint(s.Faults), "bell")
	})
}
