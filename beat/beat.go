// Package beat is the time by which a door at rest looks at things: whoever looks every so often
// does it when the clock of the machine is a multiple of that, so that a machine at rest wakes up once for all of
// them. Intervals are even numbers of seconds therefore. It knows nothing of what is looked at.
package beat

import "time"

// Until is how long it is from now to the next multiple of an interval: more than nothing, and the
// whole interval at the most. every must be positive.
func Until(now time.Time, every time.Duration) time.Duration {
	return every - time.Duration(now.UnixNano())%every
}
