package rtc

import "time"

const (
	// What is lost, as a share, from which on something is done about it; and below which it is
	// left off again.
	lossSome, lossNone     = 0.01, 0.004
	lossCopy, lossNoCopy   = 0.02, 0.01 // one copy of each packet
	lossCopies, lossFewer  = 0.05, 0.03 // two
	lossFade               = 0.3        // of a report that tells of less than before
	crowdedMore, crowdedBy = 1.5, 0.05  // more loss than this after copies were added: they are what is lost
	crowdedFor             = time.Minute
)

// lossFollower follows what the far end reports of our packets (RFC 3550 §6.4.1), and says how much
// is to be spent on making up for it. It takes bad news at once and good news slowly: reports come every
// few seconds, and loss comes back. It belongs to the sender and is guarded by its mutex.
type lossFollower struct {
	known  bool
	share  float64 // smoothed
	some   bool    // anything is lost worth mentioning
	copies int     // of each packet, where the far end takes them

	before  float64 // reported before copies were added; 0 while that has not just happened
	crowded time.Time
}

// report takes the share that was lost since the report before. red says that copies are being sent.
func (l *lossFollower) report(lost float64, red bool, now time.Time) {
	if !l.known || lost > l.share {
		l.share = lost
	} else {
		l.share += lossFade * (lost - l.share)
	}
	l.known = true
	l.some = l.share >= lossSome || l.some && l.share >= lossNone
	if l.before > 0 && red && lost > crowdedMore*l.before+crowdedBy {
		l.crowded = now.Add(crowdedFor)
	}
	was := l.copies
	switch {
	case now.Before(l.crowded) || l.share < lossNoCopy:
		l.copies = 0
	case l.share >= lossCopies || l.copies == 2 && l.share >= lossFewer:
		l.copies = 2
	case l.share >= lossCopy || l.copies > 0:
		l.copies = 1
	}
	l.before = 0
	if l.copies > was {
		l.before = lost
	}
}
