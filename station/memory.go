package station

import (
	"slices"
	"time"
)

// Memory is the little that must survive a restart or a power cut.
type Memory struct {
	Saved        time.Time   `json:"saved,omitzero"`       // when this was written, by the clock of that time
	Wrong        []time.Time `json:"wrong,omitempty"`      // wrong codes of the last hour
	LockedUntil  time.Time   `json:"lockedUntil,omitzero"` // the keypad
	TamperUntil  time.Time   `json:"tamperUntil,omitzero"` // relays are blocked until then
	Used         []string    `json:"used,omitempty"`       // names of single-use codes that are void
	DoNotDisturb bool        `json:"doNotDisturb,omitempty"`
}

// persistEvery is how often a running lock is written down, so that a power cut on a board
// without a clock does not make it longer than by this.
const persistEvery = time.Minute

// A lock must neither be shortened nor lengthened by the clock of the day, which may be
// set at any time, and which a board without a battery has not got when it boots. While
// the program runs, times are therefore compared by the clock that cannot be set: Go's
// times have a reading of it as long as they are made from time.Now. On the way to the
// file they lose it, so stamped writes them as the present clock of the day sees them,
// and rebased takes them back as distances from the moment of writing.

// stamped is the memory as it goes into the file.
func (m Memory) stamped(now time.Time) Memory {
	m.Saved, m.Used = now, slices.Clone(m.Used)
	m.LockedUntil, m.TamperUntil = asSeen(m.LockedUntil, now), asSeen(m.TamperUntil, now)
	m.Wrong = slices.Clone(m.Wrong)
	for i, t := range m.Wrong {
		m.Wrong[i] = asSeen(t, now)
	}
	return m
}

// asSeen is t as the clock of the day shows it now.
func asSeen(t, now time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return now.Add(t.Sub(now)).Round(0)
}

// rebased is the memory as it comes from the file, with times that no setting of the
// clock can move. The time without power counts only if the clock of the day is known
// to be right; otherwise a lock goes on where it was.
func (m Memory) rebased(now time.Time, clockKnown bool) Memory {
	wall := now.Round(0)
	if from := m.Saved; !from.IsZero() && (!clockKnown || wall.Before(from)) {
		wall = from
	}
	move := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return now.Add(t.Sub(wall))
	}
	m.LockedUntil, m.TamperUntil = move(m.LockedUntil), move(m.TamperUntil)
	m.Wrong = slices.Clone(m.Wrong)
	for i, t := range m.Wrong {
		m.Wrong[i] = move(t)
	}
	return m
}
