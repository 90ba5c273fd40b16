package device

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"intercomd/audio/pcm"
)

// fed is a loudspeaker whose driver hands on what is written to a card that takes a period at a
// time, by a test's clock.
type fed struct {
	*Playback
	now    time.Duration
	queued int           // samples in the card
	next   time.Duration // when it takes the next period
	dry    int           // periods that it did not find
	most   time.Duration // that waited in it after writing
	kicks  int           // how often the driver was woken
	knows  bool          // when the card takes a period, the driver knows
}

func newFed(rate int) *fed {
	f := &fed{}
	f.Playback = NewPlayback(func() time.Duration { return f.now }, func() {}, &atomic.Pointer[Playback]{})
	f.x.Feed(f.handOn, false)
	f.Start(rate)
	return f
}

// handOn is what the driver does when it is woken, or when the card is about to run dry.
func (f *fed) handOn() {
	f.kicks++
	m := f.mem
	taken := m.Tail.Load() - uint64(f.queued)
	f.queued += int(m.Head.Load() - m.Tail.Load())
	m.Tail.Store(m.Head.Load())
	period, last := f.samples(pcm.FrameTime), f.now
	if f.knows {
		last = f.next - pcm.FrameTime
		m.Chunk.Store(int64(period))
	}
	if f.queued < period && (!f.knows || f.next-f.now < fedWay) {
		f.queued += period
		taken -= uint64(period)
		m.Fills.Add(1)
		if m.Started.Load() != 0 {
			m.Gaps.Add(1)
		}
	}
	m.Last.Store(int64(last))
	m.Asked.Store(taken)
}

// play lets the card take what it has time for until now, with crystals that differ by ppm.
func (f *fed) play(ppm int) {
	period := f.samples(pcm.FrameTime)
	for ; f.next <= f.now; f.next += pcm.FrameTime + time.Duration(ppm)*pcm.FrameTime/1e6 {
		if f.queued < period {
			f.dry++
			continue
		}
		f.queued -= period
	}
}

// run wakes the pump once per packet, as much too late as unrest says.
func (f *fed) run(d time.Duration, ppm int, unrest func() time.Duration) {
	const every = 2 * pcm.FrameTime
	frame := make([]float32, pcm.Frame)
	for at, end := f.now+every, f.now+d; at < end; at += every {
		f.now = max(f.now, at+unrest())
		f.play(ppm)
		for f.Hungry(f.now + every) {
			f.Write(frame)
		}
		f.Flush(f.now)
		f.most = max(f.most, f.Time(f.queued))
	}
}

// Once per packet is enough, for cards of any pace, and no more waits in the card than what
// is needed until the next time.
func TestFedOncePerPacket(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		rate, ppm int
		late      time.Duration
		knows     bool
	}{
		{48000, 0, 0, false}, {48000, 200, 0, false}, {48000, -200, 0, false}, {44100, 50, 0, false}, {16000, 0, 0, false},
		{48000, 100, 3 * time.Millisecond, false},
		{48000, 0, 0, true}, {48000, 200, 0, true}, {48000, -200, 0, true}, {48000, 100, 3 * time.Millisecond, true},
	} {
		f := newFed(c.rate)
		f.knows = c.knows
		f.handOn() // as at the start
		f.run(time.Second, c.ppm, never)
		gaps := f.mem.Gaps.Load()
		f.dry, f.most = 0, 0
		f.run(time.Minute, c.ppm, func() time.Duration { return time.Duration(r.Float64() * float64(c.late)) })
		if n := f.mem.Gaps.Load() - gaps; n > 0 || f.dry > 0 || f.headroom.size > 0 {
			t.Errorf("%+v: %d gaps, dry %d times, a headroom of %v", c, n, f.dry, f.headroom.size)
		}
		most := f.margin() + 3*pcm.FrameTime + fedPeriod + c.late
		if c.knows {
			most = f.margin() + 3*pcm.FrameTime + fedWay + c.late
		}
		if f.most > most {
			t.Errorf("%+v: %v waited in the card, want at most %v", c, f.most, most)
		}
	}
}

// A pump that is late for longer than the margin writes earlier from then on.
func TestFedLearnsHeadroom(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	f := newFed(pcm.SampleRate)
	f.handOn()
	late := func() time.Duration { return time.Duration(r.Float64() * float64(15*time.Millisecond)) }
	f.run(2*time.Second, 0, late)
	if f.headroom.size == 0 {
		t.Error("nothing was learned")
	}
	f.dry = 0
	f.run(2*time.Second, 0, late)
	if f.dry > 0 {
		t.Errorf("dry %d times all the same, with a headroom of %v", f.dry, f.headroom.size)
	}
}

// Where a frame is said to be played, it is played, within what Unsure says.
func TestFedKnowsWhenItIsPlayed(t *testing.T) {
	f := newFed(pcm.SampleRate)
	f.handOn()
	f.run(5*time.Second, 100, never)
	f.now += time.Millisecond
	f.play(100)
	at := f.Write(make([]float32, pcm.Frame))
	f.Flush(f.now)
	before := f.queued - pcm.Frame                    // samples that are played before it
	really := f.next + f.Time(before) - pcm.FrameTime // the card takes it with a period, and plays that
	unsure, ok := f.Unsure()
	if d := at - really; !ok || d > unsure || d < -unsure {
		t.Errorf("%v from when it is played, said to be within %v", d, unsure)
	}
}

// A driver that can is told when the next frame is due, and woken for it only if that is sooner than it knows.
func TestFedRings(t *testing.T) {
	f := newFed(pcm.SampleRate)
	if f.Rings() {
		t.Error("a driver that cannot ring is relied upon")
	}
	f.x.Feed(f.handOn, true)
	f.handOn()
	f.run(time.Second, 0, never)
	if at := time.Duration(f.mem.Alarm.Load()); !f.Rings() || at != f.Due() || at <= f.now {
		t.Errorf("it rings at %v, the next frame is due at %v", at, f.Due())
	}
	kicks := f.kicks
	f.Flush(f.now)
	f.mem.Alarm.Add(-1)
	f.Flush(f.now)
	if f.kicks != kicks {
		t.Error("woken although there is nothing to hand on, and no hurry")
	}
	f.mem.Alarm.Add(1)
	if f.Flush(f.now); f.kicks != kicks+1 {
		t.Error("not woken to ring sooner")
	}
	f.mem.Alarm.Store(0)
	if f.Flush(f.now); f.kicks != kicks+2 {
		t.Error("not woken to ring again")
	}
	f.now += time.Second
	if f.Flush(f.now); time.Duration(f.mem.Alarm.Load()) != f.now+soonest {
		t.Errorf("what is due already rings at %v, it is %v", time.Duration(f.mem.Alarm.Load()), f.now)
	}
	for f.level = 0; !f.full(); f.level++ {
		continue
	}
	if f.Flush(f.now); time.Duration(f.mem.Alarm.Load()) != f.now+pcm.FrameTime {
		t.Errorf("a device that takes nothing is looked at again after %v", time.Duration(f.mem.Alarm.Load())-f.now)
	}
}
