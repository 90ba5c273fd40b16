package rtc

import (
	"testing"
	"time"

	"github.com/pion/rtp"
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

// BenchmarkConnect measures from Accept to StateConnected at both ends.
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
		awaitState(b, x, StateConnected)
		offerer += time.Since(begun)
		awaitState(b, y, StateConnected)
		answerer += time.Since(begun)
		b.StopTimer()
		must(b, x.Close())
		must(b, y.Close())
		b.StartTimer()
	}
	b.ReportMetric(float64(offerer.Microseconds())/1000/float64(b.N), "ms-offerer")
	b.ReportMetric(float64(answerer.Microseconds())/1000/float64(b.N), "ms-answerer")
}

// BenchmarkPacket measures one audio packet from WriteFrame to ReadRTP.
func BenchmarkPacket(b *testing.B) {
	f := testFactory(b, Config{})
	x, y := testSession(b, f), testSession(b, f)
	connect(b, x, y)
	payload := make([]byte, 80)
	buf := make([]byte, 1500)
	var p rtp.Packet
	b.ReportAllocs()
	for b.Loop() {
		must(b, x.WriteFrame(payload, 960, false))
		must(b, y.ReadRTP(buf, &p))
	}
}
