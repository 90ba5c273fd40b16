package jitter_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"intercomd/audio/jitter"
)

// carry puts each packet of a trace with copies of those that many before it, and asks the buffer
// every 10 ms, for the first time so long after the first packet came. seq, if not nil, numbers the packets.
func carry(b *jitter.Buffer, n int, copies []int, repairs bool, after time.Duration, seq func(int) uint16, lost func(int) bool) *run {
	if seq == nil {
		seq = func(i int) uint16 { return uint16(i) }
	}
	made := func(i int) jitter.Packet {
		return jitter.Packet{
			SSRC: 1, Seq: seq(i), Timestamp: uint32(i * 960), ClockRate: 48000, Samples: 960, Repairs: repairs,
			Payload: binary.BigEndian.AppendUint32(nil, uint32(i)),
		}
	}
	r, ahead, i := &run{b: b}, time.Duration(0), 0
	for now := after; now < time.Duration(n)*ptime+300*ms; now += tick {
		for ; i < n && time.Duration(i)*ptime <= now; i++ {
			at := time.Duration(i) * ptime
			if lost(i) || b.Put(made(i), at) != jitter.Taken {
				continue
			}
			for _, k := range copies {
				if i >= k {
					p := made(i - k)
					p.Seq = seq(i) - uint16(k) // as it is known from the packet that carries it
					b.Mend(p, seq(i), at)
				}
			}
		}
		for ahead < tick {
			a := b.Next(now, ahead)
			h := heard{at: now + ahead, kind: a.Kind, packet: -1, duration: a.Duration}
			if len(a.Payload) == 4 {
				h.packet = int(binary.BigEndian.Uint32(a.Payload))
			}
			r.events = append(r.events, h)
			ahead += a.Duration
		}
		ahead -= tick
	}
	return r
}

func never(int) bool { return false }

// bursts loses three packets in a row, now and then.
func bursts(i int) bool { return i > 50 && i%25 < 3 }

func TestCopiesFillHoles(t *testing.T) {
	b := jitter.New(jitter.Config{})
	r := carry(b, 3000, []int{1, 3}, false, 0, nil, bursts)
	s := b.Stats()
	if got := r.played(); !slices.IsSorted(got) || len(got) < 2980 {
		t.Errorf("%d packets played, in order: %v", len(got), slices.IsSorted(got))
	}
	if s.Mended < 330 || s.Lost > 20 {
		t.Errorf("%+v", s)
	}
	if s.Target < 60*ms || s.Target > 75*ms || s.Delay > 90*ms {
		t.Errorf("target %v, delay %v: a copy comes 60 ms late", s.Target, s.Delay)
	}
}

// Copies that nobody needs change nothing, and waiting for them ends with the loss.
func TestCopiesCostNoDelayWithoutLoss(t *testing.T) {
	b := jitter.New(jitter.Config{})
	r := carry(b, 500, []int{1, 3}, false, 0, nil, never)
	if s := b.Stats(); s.Mended+s.Lost+s.Late+s.Duplicate > 0 || s.Target != 11*ms || len(r.played()) != 500 {
		t.Errorf("%d played, %+v", len(r.played()), s)
	}
	b = jitter.New(jitter.Config{})
	carry(b, 4000, []int{1, 3}, false, 0, nil, func(i int) bool { return i < 1000 && bursts(i) })
	if s := b.Stats(); s.Target > 25*ms {
		t.Errorf("the target is still %v after a minute without loss", s.Target)
	}
}

// A digit has a sequence number of its own: a copy that would stand in for it has been heard.
func TestACopyIsNotHeardTwice(t *testing.T) {
	for _, jump := range []int{1, 3} {
		b := jitter.New(jitter.Config{Floor: 60 * ms})
		r := carry(b, 200, []int{1, 2}, false, 0, func(i int) uint16 {
			if i >= 100 {
				return uint16(i + jump)
			}
			return uint16(i)
		}, never)
		if got := r.played(); !slices.Equal(got, upTo(200)) {
			t.Errorf("%d numbers left out: played %v", jump, got)
		}
	}
}

func TestCopiesOfSomethingElseAreRefused(t *testing.T) {
	b := jitter.New(jitter.Config{})
	at := func(seq uint16) jitter.Packet {
		return jitter.Packet{SSRC: 1, Seq: seq, Timestamp: uint32(seq) * 960, ClockRate: 48000, Samples: 960, Payload: []byte{1}}
	}
	b.Put(at(10), 0)
	b.Next(0, 0)
	b.Put(at(13), 60*ms)
	for name, c := range map[string]struct {
		edit    func(*jitter.Packet)
		carrier uint16
		want    jitter.Verdict
	}{
		"another sender":    {func(p *jitter.Packet) { p.SSRC = 2 }, 13, jitter.Foreign},
		"another clock":     {func(p *jitter.Packet) { p.ClockRate = 8000 }, 13, jitter.Malformed},
		"no audio":          {func(p *jitter.Packet) { p.Samples = 0 }, 13, jitter.Malformed},
		"an unseen carrier": {func(*jitter.Packet) {}, 14, jitter.Foreign},
		"later than that":   {func(p *jitter.Packet) { p.Seq = 14 }, 13, jitter.Foreign},
		"already played":    {func(p *jitter.Packet) { p.Seq = 10 }, 13, jitter.Late},
		"what is missing":   {func(*jitter.Packet) {}, 13, jitter.Taken},
	} {
		q := jitter.New(jitter.Config{})
		q.Put(at(10), 0)
		q.Next(100*ms, 0)
		q.Put(at(13), 60*ms)
		p := at(12)
		c.edit(&p)
		if got := q.Mend(p, c.carrier, 60*ms); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if a, b := b.Mend(at(12), 13, 60*ms), b.Mend(at(12), 13, 60*ms); a != jitter.Taken || b != jitter.Duplicate {
		t.Errorf("the missing one %v, again %v", a, b)
	}
	if got := b.Put(at(12), 61*ms); got != jitter.Duplicate || b.Stats().Duplicate != 0 {
		t.Errorf("the packet itself after its copy: %v, %+v", got, b.Stats())
	}
}

// What can mend is waited for where that is worth the delay, as long as it takes to come.
func TestTheDelayWaitsForWhatMends(t *testing.T) {
	for _, c := range []struct {
		name     string
		copies   []int // nil: the next packet repairs
		lost     func(*rand.Rand, int) bool
		after    time.Duration // that a packet came, the buffer is asked
		low, top time.Duration
		mended   float64 // share of what is lost
	}{
		{"nothing is lost", nil, share(0), 0, 11 * ms, 11 * ms, 0},
		{"one in 1500", nil, func(_ *rand.Rand, i int) bool { return i%1500 == 700 }, 0, 11 * ms, 21 * ms, 0},
		{"1 %", nil, share(0.01), 0, 20 * ms, 25 * ms, 0.8},
		{"10 %", nil, share(0.1), 0, 20 * ms, 25 * ms, 0.85},
		{"20 %", nil, share(0.2), 0, 20 * ms, 25 * ms, 0.75},
		{"10 %, and what mends is 6 ms early", nil, share(0.1), 6 * ms, 27 * ms, 30 * ms, 0.85},
		{"bursts", nil, func(_ *rand.Rand, i int) bool { return bursts(i) }, 0, 20 * ms, 25 * ms, 0.3},
		{"copies, 5 %: two in a row are rare", []int{1, 3}, share(0.05), 0, 20 * ms, 25 * ms, 0.9},
		{"copies, 20 %: two in a row are not", []int{1, 3}, share(0.2), 0, 60 * ms, 70 * ms, 0.9},
		{"copies, always two in a row: the first one's comes when that was given up", []int{1, 3},
			func(_ *rand.Rand, i int) bool { return i%25 < 2 }, 0, 60 * ms, 70 * ms, 0.45},
		{"copies that come too late for any talk", []int{8}, share(0.2), 0, 11 * ms, 11 * ms, 0},
	} {
		rng := rand.New(rand.NewPCG(1, 9))
		b := jitter.New(jitter.Config{})
		carry(b, 3000, c.copies, c.copies == nil, c.after, nil, func(i int) bool { return i > 50 && c.lost(rng, i) })
		s := b.Stats()
		if s.Target < c.low || s.Target > c.top {
			t.Errorf("%s: target %v, want %v to %v", c.name, s.Target, c.low, c.top)
		}
		if good, all := float64(s.Repaired+s.Mended), float64(s.Lost+s.Mended); good < c.mended*all {
			t.Errorf("%s: %.0f of %.0f mended", c.name, good, all)
		}
	}
	// Without repairs there is nothing to wait for.
	b := jitter.New(jitter.Config{})
	carry(b, 1000, nil, false, 0, nil, func(i int) bool { return i > 50 && i%5 == 0 })
	if s := b.Stats(); s.Target != 11*ms || s.Repaired > 0 {
		t.Errorf("%+v", s)
	}
}

// share loses so many, each by itself.
func share(p float64) func(*rand.Rand, int) bool {
	return func(r *rand.Rand, _ int) bool { return r.Float64() < p }
}

// A repair that comes when its time has begun is heard whole, after one packet as after three.
func TestLateRepairsAreHeardWhole(t *testing.T) {
	for _, c := range []struct {
		last int // that is lost, from 10 on
		want string
	}{
		{10, "9 c10 r20 11"},
		{12, "9 c10 c10 c10 c10 c10 r20 13"},
	} {
		r := carry(jitter.New(jitter.Config{Floor: 10 * ms}), 20, nil, true, 0, nil, func(i int) bool { return i >= 10 && i <= c.last })
		if got := r.around(9, c.last+1); got != c.want {
			t.Errorf("played %s\n  want  %s", got, c.want)
		}
	}
}

func TestMendDoesNotAllocate(t *testing.T) {
	b, now, i := jitter.New(jitter.Config{}), time.Duration(0), 0
	p := make([]byte, 80)
	if n := testing.AllocsPerRun(1000, func() {
		if i%10 != 3 {
			q := jitter.Packet{SSRC: 1, Seq: uint16(i), Timestamp: uint32(i * 960), ClockRate: 48000, Samples: 960, Payload: p}
			b.Put(q, now)
			q.Seq--
			b.Mend(q, uint16(i), now)
		}
		b.Next(now, 0)
		i++
		now += ptime
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
