package audio

import (
	"sync/atomic"
	"time"
)

const (
	// margin is how long before it is needed a frame is written: what a timer and the
	// scheduler take.
	margin = 4 * time.Millisecond
	// tight is how near to being too late counts as a gap, before anybody hears one.
	tight = time.Millisecond
	// Of the headroom beyond the margin.
	headroomStep = FrameTime / 2
	headroomMost = 4 * FrameTime
	// beatGain is how fast the beat follows callbacks that come later than it.
	beatGain = 1. / 32
)

// playback is an open loudspeaker. A frame is written just before the callback that
// needs it.
type playback struct {
	tap
	live *atomic.Pointer[playback]

	rs       *resampler // nil at 48 kHz
	raw      []int16
	pcm      []float32
	beat     time.Duration // when the last callback was to be expected at the earliest
	asked    uint64        // samples that callbacks had wanted by then
	level    int           // samples that waited then
	seen     uint64        // gaps that headroom knows of
	headroom headroom
}

func (p *playback) start(rate int) {
	p.rate = rate
	if rate != SampleRate {
		p.rs = newResampler(SampleRate, float64(rate), 2*Frame)
	}
	p.headroom = newHeadroom(headroomStep, headroomMost)
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

// look notes how much waits and when callbacks come. They come by the card's clock, but
// whoever makes them is late at times; the next one comes by the clock again. One that
// comes early is taken at its word.
func (p *playback) look() {
	asked := p.mem.Asked.Load()
	p.level = p.mem.waiting()
	for now := p.mem.Asked.Load(); now != asked; now = p.mem.Asked.Load() { // a callback came in between
		asked, p.level = now, p.mem.waiting()
	}
	if asked == p.asked {
		return
	}
	last := p.last()
	p.beat += p.time(int(asked - p.asked))
	p.asked = asked
	if late := last - p.beat; late > 0 && late < stalled {
		p.beat += time.Duration(float64(late) * beatGain)
	} else {
		p.beat = last
	}
}

// due is when the next frame must be written, by the engine's clock: before the
// callback that what waits is not enough for. This and what follows goes by the last look.
func (p *playback) due() time.Duration { return p.needed() - margin - p.headroom.size }

// needed is when that callback will come.
func (p *playback) needed() time.Duration {
	chunk := max(p.chunk(), 1)
	return p.beat + p.time(p.level/chunk*chunk+chunk)
}

// taken is when the device begins to take the next frame, apart from what a callback
// rounds.
func (p *playback) taken() time.Duration { return p.beat + p.time(p.level) }

// turn is the clock of the next frame, by which the jitter buffer knows what to give.
// Of frames that are written together, since one callback takes them, each comes after
// the one before, and the last one now.
func (p *playback) turn() time.Duration {
	return p.taken() + min(p.callback(), FrameTime) - margin - p.headroom.size
}

// full tells that the device has stopped taking any.
func (p *playback) full() bool {
	return p.level > max(p.chunk(), p.samples(FrameTime))+p.samples(backlog+p.headroom.size)
}

// hungry looks whether a frame is due.
func (p *playback) hungry(now time.Duration) bool {
	p.look()
	return p.due() <= now && !p.full()
}

// write appends a frame and returns when the device begins to take it.
func (p *playback) write(frame []float32) time.Duration {
	p.look()
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
		p.rs.feed(frame)
		frame = p.pcm[:min(p.rs.ready(), len(p.pcm))]
		p.rs.pull(frame)
	}
	toInt16(p.raw[:len(frame)], frame)
	p.mem.write(p.raw[:len(frame)])
	if p.last() != 0 && p.mem.waiting() >= p.chunk() {
		p.mem.Started.Store(1)
	}
	return at
}
