package station

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// onDisk is what a later process reads of a memory.
func onDisk(t *testing.T, m Memory) (out Memory) {
	t.Helper()
	data, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A lock of 30 min that has run for 10 when the power fails, and the clocks with which
// the board may wake up.
func TestClockNeitherLengthensNorShortensLocks(t *testing.T) {
	cut := time.Date(2026, 11, 26, 12, 10, 0, 0, time.UTC)
	kept := onDisk(t, Memory{Saved: cut, LockedUntil: cut.Add(20 * time.Minute), TamperUntil: cut.Add(20 * time.Minute),
		Wrong: []time.Time{cut.Add(-50 * time.Minute), cut.Add(-10 * time.Minute)}})
	for _, tt := range []struct {
		name  string
		now   time.Time
		known bool
		left  time.Duration
	}{
		{"the right time", cut.Add(5 * time.Minute), true, 15 * time.Minute},
		{"the right time, after the lock", cut.Add(time.Hour), true, -40 * time.Minute},
		{"no battery: 1970", time.Unix(3, 0), false, 20 * time.Minute},
		{"no battery: the day of the build", cut.AddDate(0, -3, 0), true, 20 * time.Minute},
		{"set back by an hour", cut.Add(-time.Hour), true, 20 * time.Minute},
		{"a time that nobody trusts", cut.AddDate(10, 0, 0), false, 20 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := kept.rebased(tt.now, tt.known)
			if l, b := m.LockedUntil.Sub(tt.now), m.TamperUntil.Sub(tt.now); l != tt.left || b != tt.left {
				t.Errorf("%v and %v are left, want %v", l, b, tt.left)
			}
			if age := tt.now.Sub(m.Wrong[1]); age != 30*time.Minute-tt.left {
				t.Errorf("the last mistake is %v old", age)
			}
		})
	}
	if m := (Memory{DoNotDisturb: true}).rebased(time.Now(), false); !m.LockedUntil.IsZero() || !m.DoNotDisturb {
		t.Errorf("an empty memory became %+v", m)
	}
}

// While the program runs, times that count have a reading of the clock that nobody can
// set; those in the file have none and are those of the wall at the time of writing.
func TestLocksAreKeptByTheClockThatCannotBeSet(t *testing.T) {
	monotonic := func(x time.Time) bool { return strings.Contains(x.String(), " m=") }
	now := time.Now()
	m := onDisk(t, Memory{Saved: now, LockedUntil: now.Add(time.Minute), Wrong: []time.Time{now}}).rebased(now, true)
	if !monotonic(m.LockedUntil) || !monotonic(m.Wrong[0]) {
		t.Errorf("taken back without: %v", m)
	}
	if s := m.stamped(now); monotonic(s.LockedUntil) || !s.Saved.Equal(now) || !s.LockedUntil.Equal(m.LockedUntil) || len(s.Wrong) != 1 {
		t.Errorf("written as %+v", s)
	}
	k := newKeypad(AccessConfig{Codes: []CodeConfig{{Name: "anna", Digits: "1234"}}, PerHour: 1})
	k.now = now
	k.types("1001", "0000")
	if !monotonic(k.a.mem.LockedUntil) {
		t.Error("a lock without")
	}
}

// A running lock is written down now and then: many power cuts do not make it much longer.
func TestRunningLockIsKept(t *testing.T) {
	story(t, func(h *house) {
		h.edge("housing", true, 0)
		begin := time.Now()
		time.Sleep(29 * time.Minute)
		synctest.Wait()
		if left := h.mem.TamperUntil.Sub(h.mem.Saved); left > 2*time.Minute {
			t.Errorf("after 29 of 30 min a power cut would make it %v longer", left)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if h.mem.Saved.Sub(begin) > 31*time.Minute {
			t.Error("still written after its end")
		}
	}, noLamps, func(c *Config) { c.Contacts = []ContactConfig{{Input: "housing", Kind: TamperContact}} })
}

// Whoever opens the housing while the power is off gains nothing by it, and a restart
// makes a block that runs no longer.
func TestHousingThatIsOpenAtTheStart(t *testing.T) {
	open := func(h *house) { h.board.Inputs = []Input{{Name: "housing", Active: true}} }
	housing := func(c *Config) { c.Contacts = []ContactConfig{{Input: "housing", Kind: TamperContact}} }
	left := func(h *house) time.Duration { return time.Until(h.snap().Door.BlockedUntil) }
	furnished(t, open, func(h *house) {
		if got := left(h); got != 30*time.Minute {
			t.Errorf("blocked for %v", got)
		}
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.last().digits("5")
		h.expect("play locked")
	}, noLamps, housing)
	furnished(t, open, func(h *house) {
		if got := left(h); got != 7*time.Minute {
			t.Errorf("blocked for %v", got)
		}
	}, noLamps, housing, func(c *Config) { c.Memory = Memory{Saved: time.Now(), TamperUntil: time.Now().Add(7 * time.Minute)} })
}
