package device

import (
	"sync/atomic"
	"time"

	"intercomd/audio/pcm"
	"intercomd/audio/resample"
)

// backlog is how much more than needed may wait before it is thrown away.
const backlog = 30 * time.Millisecond

// Stalled is how long after the last callback a device no longer paces the
// pump.
const Stalled = 60 * time.Millisecond

// tap is the engine's end of an open device.
type tap struct {
	x    *Ring
	mem  *RingMemory // of x
	rate int         // samples per second of the device
}

func newTap(clock func() time.Duration, wake func()) tap {
	x := NewRing(clock, wake)
	return tap{x: x, mem: x.mem}
}

// Ring is where the driver's callbacks meet it.
func (t *tap) Ring() *Ring { return t.x }

// Last is when the last callback was; 0 = none yet.
func (t *tap) Last() time.Duration { return time.Duration(t.mem.Last.Load()) }

// chunk is the size of the largest callback, in samples.
func (t *tap) chunk() int { return int(t.mem.Chunk.Load()) }

// Callback is how long the largest callback is.
func (t *tap) Callback() time.Duration { return t.Time(t.chunk()) }

// Overruns counts the under- and overruns of this device.
func (t *tap) Overruns() uint64 { return t.mem.Xruns.Load() }

// Alive tells whether callbacks come.
func (t *tap) Alive(now time.Duration) bool {
	last := t.Last()
	return last != 0 && now-last < Stalled+t.Callback()
}

// samples converts a duration to samples of the device.
func (t *tap) samples(d time.Duration) int { return int(d * time.Duration(t.rate) / time.Second) }

// Time converts samples of the device to their duration.
func (t *tap) Time(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(t.rate)
}

// Capture is an open microphone. A frame is read as soon as it is there, so that
// nothing waits in the ring but what the pump was late for.
type Capture struct {
	tap
	live *atomic.Pointer[Capture]

	rs     *resample.Resampler
	raw    []int16
	pcm    []float32
	dry    bool // the last frame was not there
	splice bool // the next frame follows a cut
	trim   bool // nobody listens yet: throw away what waits
}

// trimmed is how much more than the last callback brought may wait when a call begins.
const trimmed = time.Millisecond

// NewCapture returns a microphone that is about to be opened. clock and wake are those of
// its [Ring]; live is where it is to be found while it is open.
func NewCapture(clock func() time.Duration, wake func(), live *atomic.Pointer[Capture]) *Capture {
	return &Capture{tap: newTap(clock, wake), live: live}
}

// Start is told the rate of the device, in Hz, before the first frame is read.
func (c *Capture) Start(rate int) {
	c.rate = rate
	most := rate / 20
	c.rs = resample.New(float64(rate), pcm.SampleRate, most)
	c.raw, c.pcm = make([]int16, most), make([]float32, most)
	c.Ready(1)
}

func (c *Capture) publish(on bool) {
	if on {
		c.live.Store(c)
	} else {
		c.live.Store(nil)
	}
}

// Ready tells whether so many frames wait, and asks to be woken if not.
func (c *Capture) Ready(frames int) bool {
	need := c.rs.Need(frames * pcm.Frame)
	if n := uint32(need); c.mem.Wanted.Load() != n {
		c.mem.Wanted.Store(n)
	}
	return c.mem.waiting() >= need
}

// Waits tells whether a frame waits, and asks for nothing.
func (c *Capture) Waits() bool { return c.mem.waiting() >= c.rs.Need(pcm.Frame) }

// Skip throws the next frame away.
func (c *Capture) Skip() { c.cut(c.rs.Need(pcm.Frame)) }

// Read fills frame and returns when the end of it was heard. What is missing is
// silence; what waits because the machine stood still is thrown away.
func (c *Capture) Read(frame []float32) time.Duration {
	need, chunk := c.rs.Need(pcm.Frame), c.chunk()
	excess := c.mem.waiting() - need
	if excess < 0 {
		c.miss(frame)
		return c.Last()
	}
	late := c.Time(excess - max(chunk-need, 0)) // beyond what one callback leaves
	switch {
	case late > backlog:
		c.mem.Xruns.Add(1)
		c.cut(excess)
	case c.trim && late > trimmed:
		c.cut(excess)
	}
	c.dry, c.trim = false, false
	n := c.mem.read(c.raw[:need])
	pcm.ToFloat(c.pcm[:n], c.raw[:n])
	c.rs.Feed(c.pcm[:n])
	c.rs.Pull(frame)
	if c.splice {
		pcm.FadeIn(frame[:pcm.Seam])
		c.splice = false
	}
	return c.Last() - c.Time(c.mem.waiting())
}

// Drain throws away what waits when the next frame is read: nobody has listened yet.
func (c *Capture) Drain() { c.trim = true }

// miss makes silence of a frame that is not there.
func (c *Capture) miss(frame []float32) {
	if !c.dry && c.Last() != 0 {
		c.mem.Xruns.Add(1)
	}
	c.dry, c.splice = true, true
	clear(frame)
}

// cut throws away the n oldest samples.
func (c *Capture) cut(n int) {
	c.mem.discard(n)
	c.splice = true
}
