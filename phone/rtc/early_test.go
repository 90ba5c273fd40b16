package rtc

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// frame is a packet of a numbered stream as the door read it.
type frame struct {
	from  byte // who has sent it
	n     byte
	at    time.Time
	codec string
}

// speak sends numbered frames of 20 ms from a session until stop is closed.
func speak(t testing.TB, s *Session, mark byte, stop <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := byte(0); ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if err := s.WriteFrame([]byte{1, mark, n}, uint32(s.Codec().ClockRate)/50, false); err != nil {
			t.Error(err)
		}
	}
}

// finalAnswer lets the door hear early media and then a final answer: the same one, one
// with another codec, or that of another fork, while the first goes on speaking. It
// returns what the door heard and when the answer was taken.
func finalAnswer(t testing.TB, f *Factory, kind string) (heard []frame, taken time.Time) {
	t.Helper()
	door, err := f.NewSession(t.Context())
	must(t, err)
	first, err := f.NewSession(t.Context())
	must(t, err)
	fork, err := f.NewSession(t.Context())
	must(t, err)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		stop = make(chan struct{})
	)
	defer wg.Wait()
	defer func() {
		close(stop)
		for _, s := range []*Session{door, first, fork} {
			must(t, s.Close())
		}
	}()
	wg.Go(func() {
		for in := reads(door); ; {
			p, err := in.next()
			if err != nil {
				return
			}
			mu.Lock()
			heard = append(heard, frame{p.Payload[1], p.Payload[2], time.Now(), p.Codec.Name})
			mu.Unlock()
		}
	})
	// until waits for so many frames of somebody after a time.
	until := func(mark byte, codec string, after time.Time, count int) {
		t.Helper()
		for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Millisecond) {
			mu.Lock()
			n := 0
			for _, h := range heard {
				if h.from == mark && h.at.After(after) && (codec == "" || h.codec == codec) {
					n++
				}
			}
			mu.Unlock()
			if n >= count {
				return
			}
		}
		t.Fatalf("%s: %d was not heard", kind, mark)
	}

	offer, err := door.Offer()
	must(t, err)
	early, err := first.Answer(offer)
	must(t, err)
	must(t, door.Accept(early))
	wg.Go(func() { speak(t, first, 1, stop) })
	until(1, "", time.Time{}, 10)
	last, mark, codec := early, byte(1), ""
	switch kind {
	case "changed":
		last, err = first.Answer(edit(t, offer, "SAVPF 111 0 8", "SAVPF 8"))
		codec = "PCMA"
	case "fork":
		last, err = fork.Answer(offer)
		mark = 2
		wg.Go(func() { speak(t, fork, 2, stop) })
	}
	must(t, err)
	taken = time.Now()
	must(t, door.Accept(last))
	until(mark, codec, taken, 10)
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(heard), taken
}

// Early media, then the final answer: nothing is heard twice, nothing of the old fork is
// heard after the first of the new one, and next to nothing is missing. How long the gap
// is measures BenchmarkFinalAnswer.
func TestFinalAnswerIsSeamless(t *testing.T) {
	f := testFactory(t, Config{})
	for _, kind := range []string{"same", "changed", "fork"} {
		t.Run(kind, func(t *testing.T) {
			heard, taken := finalAnswer(t, f, kind)
			for i, h := range heard[1:] {
				before := heard[i]
				switch {
				case h.from < before.from:
					t.Errorf("frame %d of the first was heard after the fork", h.n)
				case h.from == before.from && h.n <= before.n:
					t.Errorf("frame %d after frame %d", h.n, before.n)
				case h.from == before.from && h.n > before.n+15: // a busy machine may hold us up
					t.Errorf("frames %d to %d are missing", before.n+1, h.n-1)
				}
			}
			t.Logf("the longest gap was %v", gap(heard, taken).Round(time.Millisecond))
		})
	}
}

// gap is the longest time between two frames from the one before the answer on.
func gap(heard []frame, taken time.Time) (longest time.Duration) {
	for i, h := range heard[1:] {
		if h.at.After(taken) {
			longest = max(longest, h.at.Sub(heard[i].at))
		}
	}
	return longest
}

// BenchmarkFinalAnswer measures the longest gap between two frames of 20 ms around the
// final answer. The goal is 60 ms.
func BenchmarkFinalAnswer(b *testing.B) {
	f := testFactory(b, Config{})
	for _, kind := range []string{"same", "changed", "fork"} {
		b.Run(kind, func(b *testing.B) {
			var gaps []time.Duration
			for b.Loop() {
				heard, taken := finalAnswer(b, f, kind)
				gaps = append(gaps, gap(heard, taken))
			}
			slices.Sort(gaps)
			b.ReportMetric(float64(gaps[len(gaps)/2].Microseconds())/1000, "ms-gap-p50")
			b.ReportMetric(float64(gaps[len(gaps)*95/100].Microseconds())/1000, "ms-gap-p95")
			b.ReportMetric(float64(gaps[len(gaps)-1].Microseconds())/1000, "ms-gap-max")
		})
	}
}
