package door

import (
	"context"
	"time"

	"intercomd/station"
	"intercomd/store"
)

// clockEvery is how often the time is kept: what a board without a battery may be wrong by
// after a power cut, beside the cut itself.
const clockEvery = time.Hour

// floorMost is how long a program is used at most. A kept time that is further from the
// build is damage: as a floor it would make every certificate expired for ever.
const floorMost = 20 * 365 * 24 * time.Hour

// floor is [clockFloor] of this door.
func (d *Door) floor() time.Time { return clockFloor(d.keep, d.made.Built) }

// clockFloor is a time that has surely passed: when this program was built, or, if that is
// later, the last time that was kept. A board without a battery boots before it.
func clockFloor(keep *store.Dir, floor time.Time) time.Time {
	if keep == nil {
		return floor
	}
	if t := keep.Clock(); t.After(floor) && (floor.IsZero() || t.Sub(floor) < floorMost) {
		return t
	}
	return floor
}

// clockKnown tells whether the time of day can be trusted: not while the clock shows a time
// before the floor, as it was when the door was made.
func clockKnown(floor time.Time) func() bool {
	return func() bool { return time.Now().After(floor) }
}

// keepClock saves the time now and then, as a floor for a board without a battery clock.
func (d *Door) keepClock(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if now := time.Now(); worthKeeping(d.station.Snapshot().Registration.State, now, d.keep.Clock(), d.made.Built) {
			d.keep.Later(d.log, func() error { return d.keep.SaveClock(now) })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// worthKeeping reports whether now is a time to keep after the one that was kept last. Only
// while the door is registered: a server has then shown a certificate that is good at this
// time. A clock that somebody set to the next century would otherwise be the floor for ever,
// and every certificate expired.
func worthKeeping(reg station.RegState, now, kept, built time.Time) bool {
	return reg == station.RegRegistered && now.After(built) && now.Sub(kept) >= clockEvery
}
