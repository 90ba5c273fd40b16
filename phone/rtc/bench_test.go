package rtc

import (
	"intercomd/phone"
	"runtime"
	"testing"
	"time"
)

func BenchmarkNewSession(b *testing.B) {
	f := testFactory(b, Config{})
	for b.Loop() {
		s, err := f.NewSession(b.Context())
		must(b, err)
		b.StopTimer()
		must(b, s.Close())
		b.StartTimer()
	}
}

func BenchmarkOffer(b *testing.B) {
	f := testFactory(b, Config{})
	for b.Loop() {
		b.StopTimer()
		s, err := f.NewSession(b.Context())
		must(b, err)
		b.StartTimer()
		_, err = s.Offer()
		must(b, err)
		b.StopTimer()
		must(b, s.Close())
		b.StartTimer()
	}
}

// BenchmarkConnect measures from Accept to phone.MediaConnected at both ends.
func BenchmarkConnect(b *testing.B) {
	f := testFactory(b, Config{})
	var offerer, answerer time.Duration
	for b.Loop() {
		b.StopTimer()
		x, err := f.NewSession(b.Context())
		must(b, err)
		y, err := f.NewSession(b.Context())
		must(b, err)
		offer, err := x.Offer()
		must(b, err)
		answer, err := y.Answer(offer)
		must(b, err)
		b.StartTimer()
		begun := time.Now()
		must(b, x.Accept(answer))
		awaitState(b, x, phone.MediaConnected)
		offerer += time.Since(begun)
		awaitState(b, y, phone.MediaConnected)
		answerer += time.Since(begun)
		b.StopTimer()
		must(b, x.Close())
		must(b, y.Close())
		b.StartTimer()
	}
	b.ReportMetric(float64(offerer.Microseconds())/1000/float64(b.N), "ms-offerer")
	b.ReportMetric(float64(answerer.Microseconds())/1000/float64(b.N), "ms-answerer")
}

// BenchmarkPacket measures one audio packet from WriteFrame to Receive.
func BenchmarkPacket(b *testing.B) {
	f := testFactory(b, Config{})
	x, y := testSession(b, f), testSession(b, f)
	connect(b, x, y)
	payload := make([]byte, 80)
	in, got := reads(y), 0
	b.ReportAllocs()
	for b.Loop() {
		must(b, x.WriteFrame(payload, 960, false))
		for n := 0; n == 0; got += n {
			n = in.waiting()
			runtime.Gosched()
		}
	}
}

// BenchmarkFork measures the silence when early media of one endpoint is followed
// by the answer of another: from Accept to the first packet heard of it.
func BenchmarkFork(b *testing.B) {
	f := testFactory(b, Config{})
	payload := []byte{1, 2, 3}
	for b.Loop() {
		b.StopTimer()
		x, err := f.NewSession(b.Context())
		must(b, err)
		y, err := f.NewSession(b.Context())
		must(b, err)
		z, err := f.NewSession(b.Context())
		must(b, err)
		connect(b, x, y)
		offer, err := x.Offer()
		must(b, err)
		answer, err := z.Answer(offer)
		must(b, err)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() { // z speaks as soon as it can
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					_ = z.WriteFrame(payload, 960, false)
				}
			}
		}()
		b.StartTimer()
		must(b, x.Accept(answer))
		_, err = reads(x).next()
		must(b, err)
		b.StopTimer()
		close(stop)
		<-done
		for _, s := range []*Session{x, y, z} {
			must(b, s.Close())
		}
		b.StartTimer()
	}
}

// BenchmarkHeap reports what a connected session keeps in memory and in goroutines.
func BenchmarkHeap(b *testing.B) {
	f := testFactory(b, Config{})
	memory := func() (bytes uint64, goroutines int) {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine()
	}
	for b.Loop() {
		b.StopTimer()
		before, routines := memory()
		var all []*Session
		for range 10 {
			x, err := f.NewSession(b.Context())
			must(b, err)
			y, err := f.NewSession(b.Context())
			must(b, err)
			connect(b, x, y)
			all = append(all, x, y)
		}
		after, more := memory()
		b.ReportMetric(float64(after-before)/float64(len(all))/1024, "KiB/session")
		b.ReportMetric(float64(more-routines)/float64(len(all)), "goroutines/session")
		for _, s := range all {
			must(b, s.Close())
		}
		b.StartTimer()
	}
}

// BenchmarkClose measures hanging up a connected session.
func BenchmarkClose(b *testing.B) {
	f := testFactory(b, Config{})
	for b.Loop() {
		b.StopTimer()
		x, err := f.NewSession(b.Context())
		must(b, err)
		y, err := f.NewSession(b.Context())
		must(b, err)
		connect(b, x, y)
		b.StartTimer()
		must(b, x.Close())
		b.StopTimer()
		must(b, y.Close())
		b.StartTimer()
	}
}
