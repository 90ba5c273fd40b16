package main

import "time"

// clockFloor is a time that has surely passed: when this program was built, or, if that is
// later, the last time that was kept. A board without a battery boots before it.
func clockFloor(keep *store) time.Time {
	floor := built()
	if keep == nil {
		return floor
	}
	if t := keep.clock(); t.After(floor) {
		return t
	}
	return floor
}

// clockKnown tells whether the time of day can be trusted: not while the clock shows a time
// before the floor, as it was when the daemon started.
func clockKnown(keep *store) func() bool {
	floor := clockFloor(keep)
	return func() bool { return time.Now().After(floor) }
}
