package jitter

import (
	"math"
	"time"
)

const (
	binWidth = 5 * time.Millisecond
	bins     = 64 // 320 ms

	// share of packets that the target delay must serve in time, where nothing is lost.
	share = 0.97
	// patience is what mending one packet in a hundred is worth waiting. The E-model (ITU-T
	// G.107) has it at that or more, NetEq at 20 ms for what comes out of order.
	patience = 100 * time.Millisecond
	// strain is the delay at which another millisecond costs three times what the first did.
	strain = 100 * time.Millisecond
	// most is the delay beyond which repairs are not waited for.
	most = 100 * time.Millisecond
	// mendWidth is finer than binWidth: when repairs come is no accident.
	mendWidth = 2500 * time.Microsecond
	// memory is the number of packets after which the past counts 1/e: 10 s of
	// 20 ms packets, enough for 15 packets to stand behind the quantile.
	memory = 500
	// mendMemory is the same for repairs, which are rarer.
	mendMemory = 1000
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
	// mend is the same for what mended a lost packet, or would have had it been waited
	// for: so many of all packets.
	mend   [int(most / mendWidth)]mends
	repair float64       // weight of the next; starts at 1, falls to 1/mendMemory
	cur    time.Duration // smallest transit of this window
	prev   time.Duration // and of the one before
	since  time.Duration // start of this window
	last   time.Duration // arrival before
	late   time.Duration // its transit
}

// mends are those that came about as late as each other.
type mends struct {
	share float64
	late  time.Duration // the mean
}

func newEstimator() estimator { return estimator{weight: 1, repair: 1, cur: none, prev: none} }

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
	for i := range e.hist {
		e.hist[i] *= 1 - e.weight
	}
	e.hist[min(int(max(0, transit-e.base())/binWidth), bins-1)] += e.weight
	e.weight = max(e.weight/(1+e.weight), 1./memory)
	for i := range e.mend {
		e.mend[i].share *= 1 - e.repair
	}
	e.repair = max(e.repair/(1+e.repair), 1./mendMemory)
}

// mended counts how late came what stands in for a lost packet. It says nothing of the base.
func (e *estimator) mended(transit time.Duration) {
	late := max(0, transit-e.base())
	bin := int(late / mendWidth)
	if bin >= len(e.mend) {
		return
	}
	m := &e.mend[bin]
	m.share += e.repair
	m.late += time.Duration(float64(late-m.late) * e.repair / m.share)
}

// quantile is the slack that would have served the share of packets.
func (e *estimator) quantile() time.Duration {
	sum := 0.
	for i, h := range e.hist {
		if sum+h >= share {
			return time.Duration((float64(i) + (share-sum)/h) * float64(binWidth))
		}
		sum += h
	}
	return 0
}

// worth is the slack, of those that are so many steps more than d, at which what is mended exceeds most what
// waiting costs.
func (e *estimator) worth(d, step time.Duration) time.Duration {
	best, gain, sum, i := d, 0., 0., 0
	for at := d; at <= most; at += step {
		for ; i < len(e.mend) && e.mend[i].late <= at; i++ {
			if e.mend[i].late > d {
				sum += e.mend[i].share
			}
		}
		if g := 100*sum*float64(patience) - cost(at) + cost(d); g > gain {
			best, gain = at, g
		}
	}
	return best
}

// cost of a delay: the longer it is already, the more a further one disturbs.
func cost(d time.Duration) float64 {
	return float64(d) * (1 + float64(d)/float64(strain))
}
