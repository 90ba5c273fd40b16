package portaudio

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"intercomd/audio/device"
	"intercomd/audio/pcm"
)

// source is a sound server that brings some at a time, and the thread that comes for packets of 20 ms.
type source struct {
	*played
	ppm   int             // by how much longer its milliseconds are
	piece int             // so much, samples
	has   int             // samples that wait in it
	full  int             // of the packet that is not full
	there []time.Duration // since when packets wait
}

func newSource(t *testing.T) *source {
	return &source{played: play(t, device.In, 20, 13*time.Millisecond), piece: packet}
}

// packet is 20 ms.
const packet = 2 * pcm.Frame

// brings has it bring so many samples.
func (s *source) brings(n int) {
	s.has, s.full = s.has+n, s.full+n
	for ; s.full >= packet; s.full -= packet {
		s.there = append(s.there, s.now)
	}
}

// look lets the thread look.
func (s *source) look() {
	s.looks++
	before := s.m.Asked.Load()
	s.m.Tail.Store(s.m.Head.Load())
	s.again = s.now + s.hear(make([]int16, s.has), 0)
	s.has -= int(s.m.Asked.Load() - before)
}

// run lets time pass, and returns by how much later than they were there packets were come for: on average and at most.
func (s *source) run(d time.Duration) (mean, most time.Duration, looks float64) {
	s.looks = 0
	n, sum, end := 0, time.Duration(0), s.now+d
	for at := s.next + s.late(); s.now < end; {
		if s.now = min(at, s.again); s.now == at {
			s.brings(s.piece)
			s.next += time.Duration(s.piece) * (time.Second + time.Duration(1000*s.ppm)) / pcm.SampleRate
			at = max(s.next+s.late(), s.now+1)
			continue
		}
		before := s.m.Asked.Load()
		s.look()
		for range (s.m.Asked.Load() - before) / packet {
			late := s.now - s.there[0]
			n, sum, most, s.there = n+1, sum+late, max(most, late), s.there[1:]
		}
	}
	return sum / time.Duration(max(n, 1)), most, float64(s.looks) / float64(max(n, 1))
}

// judge runs it, and tells whether packets were come for too late, or it was looked at too often.
func (s *source) judge(t *testing.T, what any, d, meanAtMost, mostAtMost time.Duration, looksAtMost float64) {
	t.Helper()
	mean, most, looks := s.run(d)
	t.Logf("%v: come for %v later, %v at most, %.2f looks a packet", what, mean, most, looks)
	if mean > meanAtMost || most > mostAtMost || looks > looksAtMost {
		t.Errorf("more than %v, %v, %.2f", meanAtMost, mostAtMost, looksAtMost)
	}
}

// A microphone is looked at when it has something, whatever its phase and its crystal.
func TestWhenPacketsAreDue(t *testing.T) {
	for _, row := range []struct {
		phase, jitter time.Duration
		ppm           int
		mean          time.Duration
		looks         float64 // a packet
	}{
		{0, 0, 0, 400 * time.Microsecond, 1.15},
		{13 * time.Millisecond, 0, 200, 400 * time.Microsecond, 1.15},
		{19900 * time.Microsecond, 0, -200, 400 * time.Microsecond, 1.15},
		{7 * time.Millisecond, 200 * time.Microsecond, 30, 500 * time.Microsecond, 1.15},
		{7 * time.Millisecond, 2 * time.Millisecond, 30, 1600 * time.Microsecond, 1.3},
	} {
		s := newSource(t)
		s.next, s.ppm = s.now+row.phase, row.ppm
		r := rand.New(rand.NewPCG(7, 8))
		if row.jitter > 0 {
			s.late = func() time.Duration { return time.Duration(r.Int64N(int64(row.jitter))) }
		}
		s.run(time.Second)
		s.judge(t, row, time.Minute, row.mean, row.jitter+2*time.Millisecond, row.looks)
	}
}

// A device that is slow to begin is come for as soon as it does, not long after for the first seconds of a call.
func TestMicrophoneBegins(t *testing.T) {
	s := newSource(t)
	s.next = s.now + 143*time.Millisecond
	if mean, _, _ := s.run(400 * time.Millisecond); mean > time.Millisecond {
		t.Errorf("its first packets are come for %v later", mean)
	}
}

// Nor does it matter in which pieces they come, or that some have piled up.
func TestPiecesOfAMicrophone(t *testing.T) {
	for _, row := range []struct {
		piece int // samples
		mean  time.Duration
		looks float64 // a packet
	}{
		{48, 300 * time.Microsecond, 1.2},
		{256, 800 * time.Microsecond, 1.2},
		{480, 300 * time.Microsecond, 1.15},
		{512, 800 * time.Microsecond, 1.3},
		{1024, 500 * time.Microsecond, 1.2},
		{1200, 500 * time.Microsecond, 1.2},
		{1440, 500 * time.Microsecond, 1.2},
		{1920, 300 * time.Microsecond, 0.6},
	} {
		for piled := range 5 {
			s := newSource(t)
			s.piece = row.piece
			s.brings(piled * packet)
			s.run(3 * time.Second)
			s.judge(t, fmt.Sprintf("%d samples, %d packets piled up", row.piece, piled), 10*time.Second, row.mean, 12*time.Millisecond, row.looks)
		}
	}
}

// What is left behind each packet does not stay in the device for the rest of the call.
func TestMicrophoneWithARest(t *testing.T) {
	s := newSource(t)
	s.brings(packet / 2)
	s.run(2 * time.Second)
	if s.has%packet >= packet/4 {
		t.Errorf("%d samples are left in it", s.has)
	}
}

// Packets that are late, once, are that alone; a microphone that brings all of them later, or sooner, is followed.
func TestPacketsAtAnotherTime(t *testing.T) {
	for _, piece := range []int{packet, packet / 2, 1024} {
		for _, moved := range []time.Duration{9 * time.Millisecond, -9 * time.Millisecond, 50 * time.Millisecond} {
			for _, slow := range []time.Duration{15 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond, 400 * time.Millisecond} {
				s := newSource(t)
				s.piece = piece
				s.run(5 * time.Second)
				before, _, _ := s.run(time.Second)
				d := slow
				s.late = func() (once time.Duration) { once, d = d, 0; return once }
				s.run(slow + 60*time.Millisecond)
				if after, _, looks := s.run(time.Second); after > before+300*time.Microsecond || looks > 1.2 {
					t.Errorf("pieces of %d: after one that was %v late packets are come for %v later, %v before; %.2f looks a packet", piece, slow, after, before, looks)
				}
				s.next += moved
				s.run(2500 * time.Millisecond)
				if after, most, looks := s.run(time.Second); after > 500*time.Microsecond || most > 2*time.Millisecond || looks > 1.2 {
					t.Errorf("pieces of %d, moved by %v: come for %v later, %v at most, %.2f looks a packet", piece, moved, after, most, looks)
				}
			}
		}
	}
}

// A microphone that stands still is not looked at all the time, and one that is gone neither.
func TestMicrophoneStandsStill(t *testing.T) {
	for _, code := range []int{0, -9983} { // it has nothing; paStreamIsStopped
		s := newSource(t)
		s.run(time.Second)
		last := s.m.Last.Load()
		for looks, end := 0, s.now+time.Second; s.now < end; looks++ {
			if looks > 300 {
				t.Fatalf("code %d: %d looks in a second", code, looks)
			}
			s.now += s.listen(code, code)
		}
		if s.m.Last.Load() != last {
			t.Errorf("code %d: it seems to be alive", code)
		}
	}
}
