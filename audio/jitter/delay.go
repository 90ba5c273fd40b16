package jitter

import (
	"math"
	"time"
)

const (
	binWidth = 5 * time.Millisecond
	bins     = 64 // 320 ms

	// share of packets that the target delay must serve in time.
	share = 0.97
	// memory is the number of packets after which the past counts 1/e: 10 s of
	// 20 ms packets, enough for 15 packets to stand behind the quantile.
	memory = 500
	// window is how often the base forgets. It lives one to two windows: a sender
	// that stood still for a moment is late for ever after, and must not count as
	// jitter for long.
	window = time.Second
	// bunch is the gap below which packets arrived together: what queued behind a
	// stall. Only the first of them tells of it; counting them all would make one
	// stall look like a habit.
	bunch = 2 * time.Millisecond
	none  = time.Duration(math.MaxInt64)
)

// estimator learns the distribution of transit above its minimum.
type estimator struct {
	hist   [bins]float64 // share of packets by transit above base; sums to 1
	weight float64       // of the next packet; starts at 1, falls to 1/memory
	cur    time.Duration // smallest transit of this window
	prev   time.Duration // and of the one before
	since  time.Duration // start of this window
	last   time.Duration // arrival before
	late   time.Duration // its transit
}

func newEstimator() estimator { return estimator{weight: 1, cur: none, prev: none} }

// base is the transit of a packet that met no queue.
func (e *estimator) base() time.Duration {
	if m := min(e.cur, e.prev); m != none {
		return m
	}
	return 0
}

// rebase forgets what is known of the base.
func (e *estimator) rebase(now, transit time.Duration) {
	e.cur, e.prev, e.since = transit, none, now
}

func (e *estimator) add(now, transit time.Duration) {
	if now-e.since >= window {
		e.prev, e.cur, e.since = e.cur, none, now
	}
	e.cur = min(e.cur, transit)

	bunched := now-e.last < bunch && transit < e.late
	e.last, e.late = now, transit
	if bunched {
		return
	}
	above := transit - e.base()
	bin := min(int(above/binWidth), bins-1)
	for i := range e.hist {
		e.hist[i] *= 1 - e.weight
	}
	e.hist[bin] += e.weight
	e.weight = max(e.weight/(1+e.weight), 1./memory)
}

// quantile is the delay that would have served the share of packets, plus the
// granularity at which packets are asked for.
func (e *estimator) quantile() time.Duration {
	sum := 0.
	for i, h := range e.hist {
		if sum += h; sum >= share {
			return time.Duration(i+1)*binWidth + 5*time.Millisecond
		}
	}
	return 0
}
