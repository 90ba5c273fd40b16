package board

import "time"

// Change is a change of an input's level as the driver saw it, before debouncing.
type Change struct {
	Active bool
	At     time.Time // of the edge itself, from the kernel where it tells
}

// debouncer decides which changes of a level count. A level counts once it has been
// stable for hold, measured between the times of the changes themselves, so that a
// reader that was late cannot turn a press into a glitch or two spikes into a press.
//
//	line   ___|‾|_|‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾|___________
//	             |<-- hold -->|   |<-- hold -->|
//	input  ___________________|‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾|___
type debouncer struct {
	hold     time.Duration
	stable   bool      // the level that counts
	raw      bool      // the level of the line
	since    time.Time // of raw
	burst    uint64    // short changes since the line was last calm
	burstAt  time.Time // the first of them
	glitches uint64
	bounces  uint64
	widths   Widths
}

// burstLimit is how long changes are held back before they are counted as glitches
// though the line never came to rest.
const burstLimit = time.Second

// start sets the level to begin with. It is not a change: a button that is held
// while the power comes on is not a press.
func (d *debouncer) start(active bool, at time.Time) {
	d.stable, d.raw, d.since, d.burst = active, active, at, 0
}

// change takes a change of the line. It reports whether the level before it had
// been there for long enough to count, and since when.
func (d *debouncer) change(c Change) (at time.Time, accepted bool) {
	at, accepted = d.settle(c.At)
	if c.Active == d.raw {
		// The opposite level came and went between two reports: a spike too short
		// for the kernel to see both of its edges.
		d.short(c.At)
		d.since = c.At
		return at, accepted
	}
	if d.raw {
		d.widths.add(c.At.Sub(d.since))
	}
	if d.raw != d.stable {
		d.short(c.At)
	}
	d.raw, d.since = c.Active, c.At
	return at, accepted
}

// settle looks at the line at a time when nothing has changed. It reports whether
// the level has become one that counts, and since when.
func (d *debouncer) settle(now time.Time) (at time.Time, accepted bool) {
	if now.Sub(d.since) < d.hold {
		return time.Time{}, false
	}
	if d.raw == d.stable {
		d.glitches += d.burst
		d.burst = 0
		return time.Time{}, false
	}
	d.stable = d.raw
	d.bounces += d.burst
	d.burst = 0
	return d.since, true
}

func (d *debouncer) short(at time.Time) {
	if d.burst == 0 {
		d.burstAt = at
	}
	d.burst++
	if at.Sub(d.burstAt) >= burstLimit {
		d.glitches += d.burst
		d.burst = 0
	}
}

// due is when settle must be called unless the line changes before; zero: no need.
func (d *debouncer) due() time.Time {
	if d.raw != d.stable || d.burst > 0 {
		return d.since.Add(d.hold)
	}
	return time.Time{}
}
