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
	// fedPeriod is how much a device takes at a time to which a thread hands on what is
	// written, at most. So much has to wait in it beyond the margin, unless the thread has found out when it
	// takes some; then it is what the way there takes.
	fedPeriod = pcm.FrameTime + 2*time.Millisecond
	fedWay    = 6 * time.Millisecond
	// Of the headroom beyond the margin.
	headroomStep = pcm.FrameTime / 2
	headroomMost = 4 * pcm.FrameTime
	// soonest is how soon after it was woken the pump may be woken again.
	soonest = pcm.FrameTime / 10
	// beatGain is how fast the beat follows callbacks that come later than it.
	beatGain = 1. / 32
)

// Playback is an open loudspeaker. A frame is written just before it is needed: by a callback,
// or by a device whose buffer the driver fills ([Ring.Feed]). That buffer is all that waits then, so
// that frames may be written some time ahead, together, when the pump is awake anyhow.
type Playback struct {
	tap
	live *atomic.Pointer[Playback]

	rs       *resample.Resampler // nil at 48 kHz
	raw      []int16
	pcm      []float32
	beat     time.Duration // when the last callback was to be expected at the earliest
	asked    uint64        // samples that callbacks had wanted, or the device had taken, by then
	level    int           // samples that waited then
	filled   uint64        // silences that the beat knows of
	seen     uint64        // gaps that headroom knows of
	scarce   bool          // the last frame was nearly too late, or the first one
	headroom headroom
	flushed  uint64 // samples written when the driver was last told
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
	p.headroom, p.scarce = newHeadroom(headroomStep, headroomMost), true
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
	if p.Fed() {
		p.level = int(p.mem.Head.Load() - asked) // with what waits in the device
	}
	fills := p.mem.Fills.Load()
	if asked == p.asked && fills == p.filled {
		return
	}
	last := p.Last()
	p.beat += p.Time(int(asked - p.asked))
	p.asked = asked
	if late := last - p.beat; late > 0 && late < Stalled && fills == p.filled {
		p.beat += time.Duration(float64(late) * beatGain)
	} else {
		p.beat = last
	}
	p.filled = fills
}

// Due is when the next frame must be written, by the engine's clock: before the
// callback that what waits is not enough for. This and what follows goes by the last look.
func (p *Playback) Due() time.Duration { return p.needed() - p.margin() - p.headroom.size }

// margin is what must wait when a frame is written.
func (p *Playback) margin() time.Duration { return margin + p.unseen() }

// unseen is how much less may wait than the last look has shown.
func (p *Playback) unseen() time.Duration {
	switch {
	case !p.Fed():
		return 0
	case p.chunk() > 0:
		return fedWay
	}
	return fedPeriod
}

// Fed tells that the driver hands on what is written, and Flush makes it do so.
func (p *Playback) Fed() bool { return p.x.feed != nil }

// Next is when the pump must look again: before the next frame is due, but no more than once per frame while
// the device takes none.
func (p *Playback) Next(now time.Duration) time.Duration {
	if p.full() {
		return max(p.Due(), now+pcm.FrameTime)
	}
	return max(p.Due(), now+soonest)
}

// Flush has the driver hand on what was written, and wake the engine at Next, if it can.
func (p *Playback) Flush(now time.Duration) {
	if !p.Fed() {
		return
	}
	sooner := false
	if p.x.rings {
		at := int64(p.Next(now))
		was := p.mem.Alarm.Swap(at)
		sooner = was == 0 || at < was
	}
	if head := p.mem.Head.Load(); sooner || head != p.flushed {
		p.flushed = head
		p.x.feed()
	}
}

// Rings tells that Flush sees to it that the engine is woken.
func (p *Playback) Rings() bool { return p.x.rings }

// Unsure is how far what Write returns may be from the time at which the device plays a frame; where
// frames wait for a callback, nobody knows, and ok is false.
func (p *Playback) Unsure() (d time.Duration, ok bool) { return p.unseen(), p.Fed() }

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
	if p.Fed() {
		return max(p.Due(), p.x.Now()-pcm.FrameTime)
	}
	return p.taken() + min(p.Callback(), pcm.FrameTime) - margin - p.headroom.size
}

// full tells that the device has stopped taking any.
func (p *Playback) full() bool {
	if p.Fed() {
		return p.level > p.samples(p.margin()+2*pcm.FrameTime+backlog+p.headroom.size)
	}
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
	was := p.scarce
	p.scarce = p.needed()-p.x.Now() < tight+p.unseen()
	switch n := p.mem.Gaps.Load(); {
	case n != p.seen:
		p.seen = n
		p.headroom.gap()
	case p.scarce && !was:
		p.headroom.gap()
	case !p.scarce:
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
