package phone

import (
	"slices"
	"time"
)

// failover is the order in which servers are tried. It belongs to UA.Run.
type failover struct {
	at     int         // the server to try
	tried  int         // servers that have failed since the last wait or success
	barred []time.Time // until when a server that refused us is left alone; zero: not at all
	moves  int         // returns to the first server that came to nothing, in a row
}

func newFailover(servers int) *failover { return &failover{barred: make([]time.Time, servers)} }

// bar leaves the present server alone for a while: it has refused us, and a try more
// would only lock the account.
func (r *failover) bar(until time.Time) { r.barred[r.at] = until }

func (r *failover) isBarred(i int, now time.Time) bool { return now.Before(r.barred[i]) }

// next moves on after the present server has failed. again reports that the next one can
// be tried at once; otherwise it is time to wait, if all are barred until the time given.
func (r *failover) next(now time.Time) (again bool, until time.Time) {
	if !r.isBarred(r.at, now) {
		r.tried++
	}
	open, next := 0, r.at
	for i := len(r.barred); i > 0; i-- { // the one that comes first is met last
		if j := (r.at + i) % len(r.barred); !r.isBarred(j, now) {
			open, next = open+1, j
		}
	}
	if open == 0 {
		until = slices.MinFunc(r.barred, time.Time.Compare)
		r.at, r.tried = slices.Index(r.barred, until), 0
		return false, until
	}
	r.at = next
	if r.tried < open {
		return true, time.Time{}
	}
	r.tried = 0
	return false, time.Time{}
}

// up notes that the present server works.
func (r *failover) up() {
	r.tried = 0
	if r.at == 0 {
		r.moves = 0
	}
}

// back goes to the first server because it seems to be there again.
func (r *failover) back() { r.at, r.tried, r.moves = 0, 0, r.moves+1 }

// returnIn is the time between two looks whether the first server is back; 0 while it
// is the present one. One that opens connections but takes no registration is looked
// at more and more seldom, because every look costs a moment without any.
func (r *failover) returnIn(now time.Time) time.Duration {
	if r.at == 0 {
		return 0
	}
	return max(returnEvery<<min(r.moves, 4), r.barred[0].Sub(now))
}
