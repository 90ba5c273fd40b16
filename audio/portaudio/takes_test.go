package portaudio

import (
	"math/rand/v2"
	"testing"
	"time"

	"intercomd/audio/device"
	"intercomd/audio/pcm"
)

// played is a sound server by a test's clock, and the thread of one of its devices.
type played struct {
	card
	m     *device.RingMemory
	now   time.Duration
	next  time.Duration        // when it takes or brings some
	late  func() time.Duration // by how much later it really does so
	looks int
	again time.Duration // when the thread wants to look
}

// play has a device take or bring ms at a time, for the first time after a while.
func play(t *testing.T, dir device.Direction, ms int, first time.Duration) *played {
	p := &played{now: time.Hour, next: time.Hour + first, late: func() time.Duration { return 0 }}
	x := device.NewRing(func() time.Duration { return p.now }, nil)
	st, err := newStream(withBell(t), dir, 1, x)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.free)
	step := ms * pcm.SampleRate / 1000
	p.m, p.card = x.Memory(), newCard(st, step, x.Now)
	p.steps(step, ms)
	p.again = p.now
	return p
}

// server is a sound server that takes 10 ms at a time, and the thread that feeds it.
type server struct {
	*played
	taken  time.Duration // when it last took some
	seen   time.Duration // and when it last had, at the last look
	odd    int           // samples that it takes more or less than 10 ms, in turn
	queued int           // samples
	dry    int           // takes that did not find enough
}

const most = 80 * pcm.SampleRate / 1000 // samples that wait in it

func newServer(t *testing.T) *server {
	return &server{played: play(t, device.Out, 10, 3*time.Millisecond)}
}

// until lets time pass, with a period of the server that is so many millionths longer.
func (s *server) until(end time.Duration, ppm int) {
	for due := s.next + s.late(); ; {
		s.now = min(due, s.again, end)
		switch s.now {
		case due:
			n := pcm.Frame + s.odd
			s.odd = -s.odd
			if s.queued < n {
				s.dry++
			} else {
				s.queued -= n
			}
			s.taken = s.now
			s.next += 10*time.Millisecond + time.Duration(10*ppm)
			due = max(s.next+s.late(), s.now+1)
		case s.again:
			s.wake()
		default:
			return
		}
	}
}

func (s *server) wake() {
	s.looks++
	s.seen = s.taken
	given, again := s.look(most-s.queued, 0)
	s.queued += len(given)
	s.again = s.now + again
}

// packets come every 20 ms, by up to jitter late, for so long, and leave the server never without.
func (s *server) packets(d, jitter time.Duration, ppm int) {
	r := rand.New(rand.NewPCG(7, 8))
	for at, end := s.now, s.now+d; at < end; at += 20 * time.Millisecond {
		s.until(max(s.now, at+time.Duration(r.Float64()*float64(jitter))), ppm)
		s.m.Head.Add(2 * pcm.Frame)
		s.wake()
	}
}

// sure tells whether the thread knows when the server takes some, and for how much earlier it takes it.
func (s *server) sure() (early time.Duration, ok bool) {
	return s.seen - time.Duration(s.m.Last.Load()), s.m.Chunk.Load() == pcm.Frame
}

// When a server takes some is found out within a tenth of a second and known from then on, whatever the phase and
// the crystals, with a handful of looks more than for what is handed on.
func TestWhenTheServerTakesSome(t *testing.T) {
	for _, row := range []struct {
		phase, jitter time.Duration
		ppm           int
	}{
		{0, 0, 0},
		{3 * time.Millisecond, 0, 100},
		{7 * time.Millisecond, 2 * time.Millisecond, -200},
		{9990 * time.Microsecond, 5 * time.Millisecond, 30},
	} {
		s := newServer(t)
		s.next = s.now + row.phase
		s.packets(100*time.Millisecond, row.jitter, row.ppm)
		if _, ok := s.sure(); !ok {
			t.Fatalf("%+v: not known after a tenth of a second", row)
		}
		fills := s.m.Fills.Load()
		s.dry, s.looks = 0, 0
		for range 500 {
			s.packets(20*time.Millisecond, row.jitter, row.ppm)
			if early, ok := s.sure(); !ok || early < 0 || early > 4*time.Millisecond {
				t.Fatalf("%+v: known %v, %v early", row, ok, early)
			}
		}
		if n := s.m.Fills.Load() - fills; s.dry > 0 || n > 0 || s.looks > 500+40 {
			t.Errorf("%+v: dry %d times, %d silences, %d looks in 10 s for 500 packets", row, s.dry, n, s.looks)
		}
	}
}

// With nothing to hand on the server gets silence just before it would run dry, and never does.
func TestSilenceJustInTime(t *testing.T) {
	s := newServer(t)
	s.packets(200*time.Millisecond, 0, 50)
	fills := s.m.Fills.Load()
	s.until(s.now+2*time.Second, 50)
	if n := s.m.Fills.Load() - fills; s.dry > 0 || n < 190 || n > 201 {
		t.Errorf("dry %d times, %d silences in 2 s", s.dry, n)
	}
	if s.queued > 2*pcm.Frame {
		t.Errorf("%d samples of silence wait", s.queued)
	}
}

// A server that stands still, takes some late or not in whole steps is fed as one of which nothing is known, after
// a while in which it may have been an exception.
func TestUnevenServers(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	s := newServer(t)
	s.packets(time.Second, 0, 0)
	s.next += 35 * time.Millisecond // and in another phase from then on
	s.packets(time.Second, time.Millisecond, 0)
	if early, ok := s.sure(); !ok || early < 0 || early > 4*time.Millisecond {
		t.Errorf("a second after it stood still: known %v, %v early", ok, early)
	}

	s.late = func() time.Duration { return time.Duration(r.Float64() * float64(8*time.Millisecond)) }
	s.dry, s.looks = 0, 0
	s.packets(20*time.Second, time.Millisecond, 0)
	if s.dry > 0 || s.looks > 1500 {
		t.Errorf("late by up to 8 ms: dry %d times, %d looks in 20 s", s.dry, s.looks)
	}

	s = newServer(t)
	s.odd = 17
	s.packets(2*time.Second, 0, 0)
	if _, ok := s.sure(); ok || s.dry > 0 || s.looks > 300 {
		t.Errorf("uneven steps: known %v, dry %d times, %d looks", ok, s.dry, s.looks)
	}
}
