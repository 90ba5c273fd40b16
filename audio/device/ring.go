package device

import (
	"sync/atomic"
	"time"
)

// RingSize is how many samples a [Ring] can hold: a third of a second at
// 48 kHz. It is a power of two.
const RingSize = 1 << 14

// Ring is where an open device and the engine meet: a queue of samples,
// full-scale 16-bit mono, between one thread of the sound system and the engine's
// goroutine. Neither ever waits for the other.
//
// A driver whose callbacks are written in Go calls [Ring.Deliver] or
// [Ring.Fetch]. One with threads or callbacks in C works on [Ring.Memory]
// itself and wakes the engine with [Ring.Wake], or rings the bell of a [BellDriver]; a callback is below
// also what such a thread brings at once. Only
// microphones wake it: what a loudspeaker needs is due at a time that is known from its last
// callback. A driver may also hand on what is written by a thread of its own, see [Ring.Feed].
type Ring struct {
	mem   *RingMemory
	clock func() time.Duration
	wake  func()
	feed  func() // nil: callbacks take what is there
	rings bool   // it rings the bell at Alarm
}

// RingMemory is the shared part of a Ring. It holds no pointers, so that it can be
// handed to C while it is pinned; a C struct of the same fields has the same
// layout.
type RingMemory struct {
	Head    atomic.Uint64 // samples written since the device was opened, by the writer
	Tail    atomic.Uint64 // samples read, by the reader
	Asked   atomic.Uint64 // samples that callbacks brought or wanted, lost and missing ones too; set last
	Last    atomic.Int64  // engine's clock at the last callback, ns; 0 = none yet
	Chunk   atomic.Int64  // samples of the largest callback; see Feed
	Alarm   atomic.Int64  // engine's clock when a loudspeaker's driver is to wake the engine, ns; 0 = no more; see Feed
	Xruns   atomic.Uint64 // callbacks before or in which samples were lost or invented
	Gaps    atomic.Uint64 // of these, the ones in which the loudspeaker found too little
	Fills   atomic.Uint64 // silences that a driver put in where a loudspeaker would have run dry, see Feed
	Started atomic.Uint32 // not 0: what the loudspeaker does not find is missing
	Wanted  atomic.Uint32 // wake the engine when a microphone has so many samples waiting; 0 = never
	Samples [RingSize]int16
}

// NewRing returns an empty queue. clock is the time that callbacks are noted
// by, wake is called after each callback of a microphone that the engine wants to
// know of and must not block.
func NewRing(clock func() time.Duration, wake func()) *Ring {
	return &Ring{mem: &RingMemory{}, clock: clock, wake: wake}
}

// Memory is the queue itself.
func (x *Ring) Memory() *RingMemory { return x.mem }

// Now is the engine's clock, the one of RingMemory.Last.
func (x *Ring) Now() time.Duration { return x.clock() }

// Wake tells the engine that the microphone has what it waits for, or that it is time. It never blocks.
func (x *Ring) Wake() { x.wake() }

// Feed is for a driver of a loudspeaker without callbacks, which has a thread that hands on to the
// device what was written: notify wakes it and must not block. Asked is then how much of what was
// written the device has played, less the silence that the driver had to put in; Last is when that
// was seen. A driver that knows when the device takes some says how much it takes at a time (Chunk; 0 while it does not), and
// Last is when it took the last, at the earliest. rings tells that the thread also wakes the engine at the time that Alarm says, if that has not
// changed by then. It is called before the ring is in use.
func (x *Ring) Feed(notify func(), rings bool) { x.feed, x.rings = notify, rings }

// Deliver is the callback of a microphone: it takes pcm. xrun tells that the sound
// system lost or invented samples before it.
func (x *Ring) Deliver(pcm []int16, xrun bool) {
	if x.mem.write(pcm) < len(pcm) {
		xrun = true // the engine has not come for a third of a second
	}
	x.called(len(pcm), xrun)
	if w := x.mem.Wanted.Load(); w != 0 && x.mem.waiting() >= int(w) {
		x.wake()
	}
}

// Fetch is the callback of a loudspeaker: it fills pcm.
func (x *Ring) Fetch(pcm []int16, xrun bool) {
	n := x.mem.read(pcm)
	clear(pcm[n:])
	started := x.mem.Started.Load() != 0
	if started && n < len(pcm) {
		x.mem.Gaps.Add(1)
		xrun = true
	}
	x.called(len(pcm), xrun && started)
}

func (x *Ring) called(n int, xrun bool) {
	x.mem.Last.Store(int64(max(x.clock(), 1)))
	if int64(n) > x.mem.Chunk.Load() {
		x.mem.Chunk.Store(int64(n))
	}
	if xrun {
		x.mem.Xruns.Add(1)
	}
	x.mem.Asked.Add(uint64(n))
}

// waiting is the number of samples in the queue.
func (m *RingMemory) waiting() int { return int(m.Head.Load() - m.Tail.Load()) }

// write appends as much of s as fits and returns how much did.
func (m *RingMemory) write(s []int16) int {
	head := m.Head.Load()
	n := min(len(s), RingSize-int(head-m.Tail.Load()))
	k := copy(m.Samples[head%RingSize:], s[:n])
	copy(m.Samples[:], s[k:n])
	m.Head.Store(head + uint64(n))
	return n
}

// read moves up to len(d) samples to d and returns how many there were.
func (m *RingMemory) read(d []int16) int {
	tail := m.Tail.Load()
	n := min(len(d), int(m.Head.Load()-tail))
	k := copy(d[:n], m.Samples[tail%RingSize:])
	copy(d[k:n], m.Samples[:])
	m.Tail.Store(tail + uint64(n))
	return n
}

// discard drops up to n samples from the reader's end.
func (m *RingMemory) discard(n int) {
	tail := m.Tail.Load()
	m.Tail.Store(tail + uint64(min(n, int(m.Head.Load()-tail))))
}
