package audio

import (
	"sync/atomic"
	"time"
)

// backlog is how much more than needed may wait before it is thrown away.
const backlog = 30 * time.Millisecond

// tap is the engine's end of an open device.
type tap struct {
	x    *Ring
	mem  *RingMemory // of x
	rate int         // samples per second of the device
}

func newTap(x *Ring) tap { return tap{x: x, mem: x.mem} }

func (t *tap) ring() *Ring { return t.x }

// last is when the last callback was; 0 = none yet.
func (t *tap) last() time.Duration { return time.Duration(t.mem.Last.Load()) }

// chunk is the size of the largest callback, in samples.
func (t *tap) chunk() int { return int(t.mem.Chunk.Load()) }

// callback is how long the largest callback is.
func (t *tap) callback() time.Duration { return t.time(t.chunk()) }

// alive tells whether callbacks come.
func (t *tap) alive(now time.Duration) bool {
	last := t.last()
	return last != 0 && now-last < stalled+t.callback()
}

// samples converts a duration to samples of the device, time the reverse.
func (t *tap) samples(d time.Duration) int { return int(d * time.Duration(t.rate) / time.Second) }

func (t *tap) time(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(t.rate)
}

// capture is an open microphone. A frame is read as soon as it is there, so that
// nothing waits in the ring but what the pump was late for.
type capture struct {
	tap
	live *atomic.Pointer[capture]

	rs     *resampler
	ratio  float64 // nominal step of rs
	raw    []int16
	pcm    []float32
	dry    bool // the last frame was not there
	splice bool // the next frame follows a cut
	trim   bool // nobody listens yet: throw away what waits
}

// trimmed is how much more than the last callback brought may wait when a call begins.
const trimmed = time.Millisecond

func (c *capture) start(rate int) {
	c.rate = rate
	most := rate / 20
	c.rs = newResampler(float64(rate), SampleRate, most)
	c.ratio = c.rs.step
	c.raw, c.pcm = make([]int16, most), make([]float32, most)
	c.ready(1)
}

func (c *capture) publish(on bool) {
	if on {
		c.live.Store(c)
	} else {
		c.live.Store(nil)
	}
}

// ready tells whether so many frames wait, and asks to be woken if not.
func (c *capture) ready(frames int) bool {
	need := c.rs.need(frames * Frame)
	if n := uint32(need); c.mem.Wanted.Load() != n {
		c.mem.Wanted.Store(n)
	}
	return c.mem.waiting() >= need
}

// read fills frame and returns when the end of it was heard. What is missing is
// silence; what waits because the machine stood still is thrown away.
func (c *capture) read(frame []float32) time.Duration {
	need, chunk := c.rs.need(Frame), c.chunk()
	excess := c.mem.waiting() - need
	if excess < 0 {
		c.miss(frame)
		return c.last()
	}
	late := c.time(excess - max(chunk-need, 0)) // beyond what one callback leaves
	switch {
	case late > backlog:
		c.mem.Xruns.Add(1)
		c.cut(excess)
	case c.trim && late > trimmed:
		c.cut(excess)
	}
	c.dry, c.trim = false, false
	n := c.mem.read(c.raw[:need])
	toFloat(c.pcm[:n], c.raw[:n])
	c.rs.feed(c.pcm[:n])
	c.rs.pull(frame)
	if c.splice {
		fadeIn(frame[:seam])
		c.splice = false
	}
	return c.last() - c.time(c.mem.waiting())
}

// miss makes silence of a frame that is not there.
func (c *capture) miss(frame []float32) {
	if !c.dry && c.last() != 0 {
		c.mem.Xruns.Add(1)
	}
	c.dry, c.splice = true, true
	clear(frame)
}

// cut throws away the n oldest samples.
func (c *capture) cut(n int) {
	c.mem.discard(n)
	c.splice = true
}

// faster changes the microphone's pace by ppm.
func (c *capture) faster(ppm float64) { c.rs.step = c.ratio * (1 + 1e-6*ppm) }
