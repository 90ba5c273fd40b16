package device

import (
	"sync/atomic"
	"time"

	"intercomd/audio/pcm"
	"intercomd/audio/resample"
)

const (
	// margin is how long before it is needed a frame is written: what a timer and the
	// scheduler take.
	margin = 4 * time.Millisecond
	// tight is how near to being too late counts as a gap, before anybody hears one.
	tight = time.Millisecond
	// Of the headroom beyond the margin.
	headroomStep = pcm.FrameTime / 2
	headroomMost = 4 * pcm.FrameTime
	// beatGain is how fast the beat follows callbacks that come later than it.
	beatGain = 1. / 32
)

// Playback is an open loudspeaker. A frame is written just before the callback that
// needs it.
type Playback struct {
	tap
	live *atomic.Pointer[Playback]

	rs       *resample.Resampler // nil at 48 kHz
	raw      []int16
	pcm      []float32
	beat     time.Duration // when the last callback was to be expected at the earliest
	asked    uint64        // samples that callbacks had wanted by then
	level    int           // samples that waited then
	seen     uint64        // gaps that headroom knows of
	headroom headroom
}

// NewPlayback returns a loudspeaker that is about to be opened. clock and wake are those of
// its [Ring]; live is where it is to be found while it is open.
func NewPlayback(clock func() time.Duration, wake func(), live *atomic.Pointer[Playback]) *Playback {
	return &Playback{tap: newTap(clock, wake), live: live}
}

// Start is told the rate of the device, in Hz, before the first frame is written.
func (p *Playback) Start(rate int) {
	p.rate = rate
	if rate != pcm.SampleRate {
		p.rs = resample.New(pcm.SampleRate, float64(rate), 2*pcm.Frame)
	}
	p.headroom = newHeadroom(headroomStep, headroomMost)
	n := rate/50 + 64
	p.raw, p.pcm = make([]int16, n), make([]float32, n)
}

func (p *Playback) publish(on bool) {
	if on {
		p.live.Store(p)
	} else {
		p.live.Store(nil)
	}
}

// Look notes how much waits and when callbacks come. They come by the card's clock, but
// whoever makes them is late at times; the next one comes by the clock again. One that
// comes early is taken at its word.
func (p *Playback) Look() {
	asked := p.mem.Asked.Load()
	p.level = p.mem.waiting()
	for now := p.mem.Asked.Load(); now != asked; now = p.mem.Asked.Load() { // a callback came in between
		asked, p.level = now, p.mem.waiting()
	}
	if asked == p.asked {
		return
	}
	last := p.Last()
	p.beat += p.Time(int(asked - p.asked))
	p.asked = asked
	if late := last - p.beat; late > 0 && late < Stalled {
		p.beat += time.Duration(float64(late) * beatGain)
	} else {
		p.beat = last
	}
}

// Due is when the next frame must be written, by the engine's clock: before the
// callback that what waits is not enough for. This and what follows goes by the last look.
func (p *Playback) Due() time.Duration { return p.needed() - margin - p.headroom.size }

// needed is when that callback will come.
func (p *Playback) needed() time.Duration {
	chunk := max(p.chunk(), 1)
	return p.beat + p.Time(p.level/chunk*chunk+chunk)
}

// taken is when the device begins to take the next frame, apart from what a callback
// rounds.
func (p *Playback) taken() time.Duration { return p.beat + p.Time(p.level) }

// Turn is the clock of the next frame, by which the jitter buffer knows what to give.
// Of frames that are written together, since one callback takes them, each comes after
// the one before, and the last one now.
func (p *Playback) Turn() time.Duration {
	return p.taken() + min(p.Callback(), pcm.FrameTime) - margin - p.headroom.size
}

// full tells that the device has stopped taking any.
func (p *Playback) full() bool {
	return p.level > max(p.chunk(), p.samples(pcm.FrameTime))+p.samples(backlog+p.headroom.size)
}

// Hungry looks whether a frame is due.
func (p *Playback) Hungry(now time.Duration) bool {
	p.Look()
	return p.Due() <= now && !p.full()
}

// Write appends a frame and returns when the device begins to take it.
func (p *Playback) Write(frame []float32) time.Duration {
	p.Look()
	switch n := p.mem.Gaps.Load(); {
	case n != p.seen:
		p.seen = n
		p.headroom.gap()
	case p.needed()-p.x.Now() < tight:
		p.headroom.gap()
	default:
		p.headroom.frame()
	}
	at := p.taken()
	if p.full() {
		return at
	}
	if p.rs != nil {
		p.rs.Feed(frame)
		frame = p.pcm[:min(p.rs.Ready(), len(p.pcm))]
		p.rs.Pull(frame)
	}
	pcm.ToInt16(p.raw[:len(frame)], frame)
	p.mem.write(p.raw[:len(frame)])
	if p.Last() != 0 && p.mem.waiting() >= p.chunk() {
		p.mem.Started.Store(1)
	}
	return at
}
