package board

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// TestDebounce plays lengths of alternating levels, beginning with active, into a
// debouncer of 20 ms that is calm before and after.
func TestDebounce(t *testing.T) {
	tests := []struct {
		name     string
		levels   []time.Duration
		presses  int
		glitches uint64
		bounces  uint64
		at       time.Duration // of the first press, after the first change
	}{
		{"clean press", []time.Duration{200 * ms}, 1, 0, 0, 0},
		{"press of the debounce time", []time.Duration{20 * ms}, 1, 0, 0, 0},
		{"press of 30 ms", []time.Duration{30 * ms}, 1, 0, 0, 0},
		{"spike of 5 ms", []time.Duration{5 * ms}, 0, 1, 0, 0},
		{"just too short", []time.Duration{20*ms - 1}, 0, 1, 0, 0},
		{"train of spikes", []time.Duration{5 * ms, 5 * ms, 5 * ms, 5 * ms, 5 * ms}, 0, 3, 0, 0},
		{"bouncing contact", []time.Duration{2 * ms, 1 * ms, 3 * ms, 1 * ms, 100 * ms, 1 * ms, 1 * ms}, 1, 0, 3, 7 * ms},
		{"30 ms of which 8 ms bounce", []time.Duration{3 * ms, 5 * ms, 22 * ms}, 1, 0, 1, 8 * ms},
		{"drop-out in a press", []time.Duration{100 * ms, 4 * ms, 100 * ms}, 1, 1, 0, 0},
		{"two presses", []time.Duration{50 * ms, 50 * ms, 50 * ms}, 2, 0, 0, 0},
		{"two presses close together", []time.Duration{50 * ms, 19 * ms, 50 * ms}, 1, 1, 0, 0},
	}
	for _, reader := range []struct {
		name string
		late bool // all changes are seen at the end, after a stall
	}{{"prompt", false}, {"late", true}} {
		for _, tc := range tests {
			t.Run(reader.name+"/"+tc.name, func(t *testing.T) {
				start := time.Now()
				d := debouncer{hold: 20 * ms}
				d.start(false, start.Add(-time.Hour))
				var presses int
				var first time.Time
				note := func(at time.Time, ok bool) {
					if ok && d.stable {
						if presses++; presses == 1 {
							first = at
						}
					}
				}
				at, active := start, true
				for _, l := range append(tc.levels, 0) {
					note(d.change(Change{active, at}))
					if due := d.due(); !reader.late && !due.IsZero() && !due.After(at.Add(l)) {
						note(d.settle(due))
					}
					at, active = at.Add(l), !active
				}
				note(d.settle(at.Add(time.Hour)))
				if presses != tc.presses || d.stable {
					t.Errorf("%d presses, active %v; want %d presses and a released input", presses, d.stable, tc.presses)
				}
				if d.glitches != tc.glitches || d.bounces != tc.bounces {
					t.Errorf("%d glitches, %d bounces; want %d, %d", d.glitches, d.bounces, tc.glitches, tc.bounces)
				}
				if presses > 0 && first.Sub(start) != tc.at {
					t.Errorf("pressed at %v, want %v", first.Sub(start), tc.at)
				}
			})
		}
	}
}

// A spike so short that the kernel reports the same level twice restarts the time
// that the level must be stable.
func TestDebounceRepeatedLevel(t *testing.T) {
	start := time.Now()
	d := debouncer{hold: 20 * ms}
	d.start(false, start)
	d.change(Change{true, start.Add(100 * ms)})
	d.change(Change{true, start.Add(110 * ms)})
	if _, ok := d.settle(start.Add(125 * ms)); ok {
		t.Error("accepted after 15 ms of stable level")
	}
	if at, ok := d.settle(start.Add(130 * ms)); !ok || at.Sub(start) != 110*ms {
		t.Errorf("accepted %v at %v, want true at 110ms", ok, at.Sub(start))
	}
	d.change(Change{true, start.Add(300 * ms)})
	if d.settle(start.Add(time.Second)); d.glitches != 1 || !d.stable {
		t.Errorf("%d glitches, active %v; want a drop-out of a held input to be one glitch", d.glitches, d.stable)
	}
}

// A line that never comes to rest is seen in the counters all the same.
func TestDebounceStorm(t *testing.T) {
	start := time.Now()
	d := debouncer{hold: 20 * ms}
	d.start(false, start)
	for i := range 5000 {
		if _, ok := d.change(Change{i%2 == 0, start.Add(time.Duration(i) * ms)}); ok {
			t.Fatal("noise was taken for a press")
		}
	}
	if d.glitches < 2000 {
		t.Errorf("%d glitches counted during 5 s of noise at 1 kHz", d.glitches)
	}
	if d.widths[1] < 2000 {
		t.Errorf("pulses of 1 ms are not in their bucket: %v", d.widths)
	}
}

func TestWidths(t *testing.T) {
	var w Widths
	for _, d := range []time.Duration{0, 999 * time.Microsecond, ms, 29 * ms, 30 * ms, 2 * time.Second, time.Hour} {
		w.add(d)
	}
	if want := (Widths{2, 1, 0, 1, 1, 0, 0, 1, 1}); w != want {
		t.Errorf("got %v, want %v", w, want)
	}
	for i := 1; i < len(w)-1; i++ {
		if WidthLimit(i) <= WidthLimit(i-1) {
			t.Errorf("limit %d does not grow", i)
		}
	}
	if WidthLimit(len(w)-1) != 0 || WidthLimit(-1) != 0 {
		t.Error("the last bucket has a limit")
	}
}

// FuzzDebounce: whatever the line does, two accepted changes are of opposite level
// and each was stable for the debounce time.
func FuzzDebounce(f *testing.F) {
	f.Add([]byte{5, 200, 3, 9, 90, 90})
	f.Add([]byte{255, 0, 0, 1, 20, 19, 21})
	f.Fuzz(func(t *testing.T, gaps []byte) {
		start := time.Now()
		at := start
		d := debouncer{hold: 20 * ms}
		d.start(false, at)
		last := false
		check := func(since time.Time, ok bool, now time.Time) {
			if !ok {
				return
			}
			if d.stable == last {
				t.Fatal("the same level was accepted twice")
			}
			if last = d.stable; now.Sub(since) < d.hold {
				t.Fatalf("accepted after %v", now.Sub(since))
			}
		}
		for i, g := range gaps {
			at = at.Add(time.Duration(g&0x7f) * ms)
			c := Change{Active: i%2 == 0 != (g > 0x7f), At: at}
			since, ok := d.change(c)
			check(since, ok, at)
		}
		end := at.Add(time.Second)
		since, ok := d.settle(end)
		check(since, ok, end)
		if d.stable != d.raw {
			t.Fatal("the level at rest was not taken over")
		}
	})
}
