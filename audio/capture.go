package audio

import (
	"sync/atomic"
	"time"
)

const (
	// Of the cushions between callbacks and pump.
	cushionStep = FrameTime / 2
	cushionMost = 4 * FrameTime
	// backlog is how much more than needed may wait before it is thrown away.
	backlog = 30 * time.Millisecond
)

// tap is the engine's end of an open device.
type tap struct {
	x    *Exchange
	mem  *Memory // of x
	rate int     // samples per second of the device
}

func newTap(x *Exchange) tap { return tap{x: x, mem: x.mem} }

func (t *tap) exchange() *Exchange { return t.x }

// last is when the last callback was; 0 = none yet.
func (t *tap) last() time.Duration { return time.Duration(t.mem.Last.Load()) }

// chunk is the size of the largest callback, in samples.
func (t *tap) chunk() int { return int(t.mem.Chunk.Load()) }

// alive tells whether callbacks come.
func (t *tap) alive(now time.Duration) bool {
	last := t.last()
	return last != 0 && now-last < stalled+t.time(t.chunk())
}

// samples converts a duration to samples of the device, time the reverse.
func (t *tap) samples(d time.Duration) int { return int(d * time.Duration(t.rate) / time.Second) }

func (t *tap) time(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(t.rate)
}

// capture is an open microphone.
type capture struct {
	tap
	live *atomic.Pointer[capture]

	rs     *resampler
	ratio  float64 // nominal step of rs
	raw    []int16
	pcm    []float32
	extra  cushion
	primed bool
	splice bool // the next frame follows a cut
	trim   bool // nobody listens yet: throw away what is more than needed

	drift drift
	ref   time.Duration // how much should wait, averaged when reading began
	refN  int           // frames in it
}

// refFrames is how long the level of the ring is averaged before it is held.
const refFrames = 100

func (c *capture) start(rate int) {
	c.rate = rate
	most := rate / 20
	c.rs = newResampler(float64(rate), SampleRate, most)
	c.ratio, c.drift = c.rs.step, cardDrift()
	c.extra = newCushion(c.samples(cushionStep), c.samples(cushionMost))
	c.raw, c.pcm = make([]int16, most), make([]float32, most)
}

func (c *capture) publish(on bool) {
	if on {
		c.live.Store(c)
	} else {
		c.live.Store(nil)
	}
}

// wake asks for the pump to be woken by the microphone, or not: with a loudspeaker
// that would only cost.
func (c *capture) wake(on bool) {
	var v uint32
	if on {
		v = 1
	}
	if c.mem.Wanted.Load() != v {
		c.mem.Wanted.Store(v)
	}
}

// wanted is how much should wait before a read, in samples: the read itself, a
// callback, because the next may be that far away, and what jitter eats. Callbacks
// of more than a frame come between whole bursts of reads.
func (c *capture) wanted(need int) int {
	chunk, frame := c.chunk(), c.samples(FrameTime)
	if chunk <= frame {
		return need + chunk + frame/2 + c.extra.size
	}
	return need + 3*chunk + c.extra.size
}

// ready tells whether a read would take a frame from the ring.
func (c *capture) ready() bool {
	n := c.rs.need(Frame)
	if !c.primed {
		n = c.wanted(n)
	}
	return c.mem.waiting() >= n
}

// read fills frame. What is missing is silence; what waits too long, because the
// machine stood still, is thrown away.
//
// now is the engine's clock for this frame. The microphone is resampled to the
// pace of the reads, so that what waits stays the same whatever the two clocks.
func (c *capture) read(frame []float32, now time.Duration) {
	need, level := c.rs.need(Frame), c.mem.waiting()
	// Between callbacks the microphone goes on: what it has heard since counts.
	since := max(0, now-c.last())
	excess := level + c.samples(since) - c.wanted(need)
	switch {
	case c.primed && level < need:
		c.primed = false
		c.extra.gap()
		c.mem.Xruns.Add(1)
	case c.primed && excess > c.samples(backlog):
		c.mem.Xruns.Add(1)
		c.begin(excess)
	case c.primed && c.trim && excess > c.samples(cushionStep):
		c.begin(excess)
	case !c.primed && excess >= 0 && level > 0:
		c.primed = true
		c.begin(excess)
	}
	c.trim = false
	if !c.primed {
		clear(frame)
		return
	}
	if c.extra.frame() {
		c.ref -= cushionStep // the drift loop takes it out, unheard
	}
	c.hold(c.time(c.mem.waiting()) + since)
	n := c.mem.read(c.raw[:need])
	toFloat(c.pcm[:n], c.raw[:n])
	clear(c.pcm[n:need])
	c.rs.feed(c.pcm[:need])
	c.rs.pull(frame)
	if c.splice {
		fadeIn(frame[:seam])
		c.splice = false
	}
}

// begin starts to read anew, with what is in excess thrown away.
func (c *capture) begin(excess int) {
	c.mem.discard(excess)
	c.splice, c.refN = true, 0
}

// hold steers the resampler so that the level of the ring, in time, stays where it
// was when reading began.
func (c *capture) hold(level time.Duration) {
	if c.refN < refFrames {
		c.refN++
		c.ref += (level - c.ref) / time.Duration(c.refN)
		return
	}
	c.rs.step = c.ratio * (1 + 1e-6*c.drift.ppm(level-c.ref))
}

// playback is an open loudspeaker.
type playback struct {
	tap
	live *atomic.Pointer[playback]

	rs    *resampler // nil at 48 kHz
	raw   []int16
	pcm   []float32
	seen  uint64 // gaps that extra knows of
	extra cushion
}

func (p *playback) start(rate int) {
	p.rate = rate
	if rate != SampleRate {
		p.rs = newResampler(SampleRate, float64(rate), 2*Frame)
	}
	p.extra = newCushion(p.samples(cushionStep), p.samples(cushionMost))
	n := rate/50 + 64
	p.raw, p.pcm = make([]int16, n), make([]float32, n)
}

func (p *playback) publish(on bool) {
	if on {
		p.live.Store(p)
	} else {
		p.live.Store(nil)
	}
}

// enough is how much should wait, in samples: the next callback, and what gaps
// have taught. The pump has the time between two callbacks to see to it.
func (p *playback) enough() int {
	return max(p.chunk(), p.samples(FrameTime)) + p.extra.size
}

// hungry tells whether a frame is due.
func (p *playback) hungry() bool { return p.mem.waiting() < p.enough() }

// ahead is how much later than in the rest of a burst the next frame is heard.
func (p *playback) ahead() time.Duration {
	return p.time(p.mem.waiting()-p.enough()) + FrameTime
}

// write appends a frame, unless the device has stopped taking any.
func (p *playback) write(frame []float32) {
	if n := p.mem.Gaps.Load(); n != p.seen {
		p.seen = n
		p.extra.gap()
	} else {
		p.extra.frame()
	}
	if p.mem.waiting() > p.enough()+p.samples(backlog) {
		return
	}
	if p.rs != nil {
		p.rs.feed(frame)
		frame = p.pcm[:min(p.rs.ready(), len(p.pcm))]
		p.rs.pull(frame)
	}
	toInt16(p.raw[:len(frame)], frame)
	p.mem.write(p.raw[:len(frame)])
	if !p.hungry() && p.last() != 0 {
		p.mem.Started.Store(1)
	}
}
