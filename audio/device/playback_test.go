package device

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"intercomd/audio/pcm"
)

// speaker is a loudspeaker whose callbacks come by a test's clock.
type speaker struct {
	*Playback
	now     time.Duration
	late    time.Duration // of the pump, in whatever it does
	waited  time.Duration // the most that was in the ring when a callback came
	written int
	next    time.Duration // when the next callback should come
}

func newSpeaker(rate int) *speaker {
	s := &speaker{}
	s.Playback = NewPlayback(func() time.Duration { return s.now }, func() {}, &atomic.Pointer[Playback]{})
	s.Start(rate)
	return s
}

// run lets callbacks of chunk samples come for a while, each as late as unrest says, and
// frames be written when they are due.
func (s *speaker) run(d time.Duration, chunk int, unrest func() time.Duration) {
	pcm, frame := make([]int16, chunk), make([]float32, pcm.Frame)
	every := s.Time(chunk)
	callback := s.next + unrest()
	for end := s.now + d; s.now < end; {
		if s.Look(); s.Last() != 0 && max(s.Due()+s.late, s.now) < callback {
			s.now = max(s.Due()+s.late, s.now)
			s.Write(frame)
			s.written++
			continue
		}
		s.now = callback
		s.waited = max(s.waited, s.Time(s.mem.waiting()))
		s.x.Fetch(pcm, false)
		s.next += every
		callback = max(s.next+unrest(), s.now+every/10)
	}
}

func never() time.Duration { return 0 }

// A frame is in the ring for no longer than the margin, whatever the callbacks.
func TestFramesAreWrittenJustInTime(t *testing.T) {
	for _, c := range []struct{ rate, chunk int }{{48000, 480}, {48000, 240}, {44100, 441}, {48000, 1024}, {16000, 1024}} {
		s := newSpeaker(c.rate)
		s.run(10*time.Second, c.chunk, never)
		if n := s.mem.Gaps.Load(); n > 0 || s.headroom.size > 0 {
			t.Errorf("%+v: %d gaps, a headroom of %v", c, n, s.headroom.size)
		}
		if most := s.Callback() + pcm.FrameTime; s.waited > most {
			t.Errorf("%+v: %v waited for a callback, want less than %v", c, s.waited, most)
		}
		if wait := s.needed() - s.Due(); wait != margin {
			t.Errorf("%+v: written %v before they are needed", c, wait)
		}
	}
}

// Callbacks that are late say nothing of the next one.
func TestLateCallbacksMakeNoGaps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := newSpeaker(pcm.SampleRate)
	s.run(60*time.Second, 480, func() time.Duration {
		return time.Duration(r.Float64() * r.Float64() * r.Float64() * float64(8*time.Millisecond))
	})
	if n := s.mem.Gaps.Load(); n > 0 || s.headroom.size > 0 {
		t.Errorf("%d gaps, a headroom of %v", n, s.headroom.size)
	}
}

// A pump that is nearly too late writes earlier from then on, before there is a gap.
func TestNearlyLateCountsAsAGap(t *testing.T) {
	s := newSpeaker(pcm.SampleRate)
	s.run(time.Second, 480, never)
	s.late = margin - tight/2
	s.run(time.Second, 480, never)
	if n := s.mem.Gaps.Load(); n > 0 || s.headroom.size != headroomStep {
		t.Errorf("%d gaps, a headroom of %v", n, s.headroom.size)
	}
	s.late = 0
	s.run(20*time.Second, 480, never)
	if s.headroom.size != 0 {
		t.Errorf("a headroom of %v long after", s.headroom.size)
	}
}

// A device that takes nothing any more is not filled for ever.
func TestNothingIsWrittenToADeadDevice(t *testing.T) {
	s := newSpeaker(pcm.SampleRate)
	s.run(time.Second, 480, never)
	was := s.written
	for range 1000 {
		s.now += pcm.FrameTime
		if s.Hungry(s.now) {
			s.Write(make([]float32, pcm.Frame))
			s.written++
		}
	}
	if n := s.written - was; n > 10 {
		t.Errorf("%d frames wait", n)
	}
}
