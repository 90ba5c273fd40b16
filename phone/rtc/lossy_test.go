package rtc

import (
	"intercomd/phone"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/transport/v4/vnet"
)

// lossyFactories returns two factories on a virtual network between which packets
// are lost and delayed.
func lossyFactories(t testing.TB, loss float64, delay, jitter time.Duration) (a, b *Factory) {
	t.Helper()
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, uint64(loss*100)))
	return virtualFactories(t, delay, jitter, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return random.Float64() >= loss
	})
}

// cutFactories returns two factories on a virtual network that can be cut.
func cutFactories(t testing.TB, cut *atomic.Bool) (a, b *Factory) {
	t.Helper()
	return virtualFactories(t, time.Millisecond, 0, func() bool { return !cut.Load() })
}

func virtualFactories(t testing.TB, delay, jitter time.Duration, pass func() bool) (a, b *Factory) {
	t.Helper()
	router, err := vnet.NewRouter(&vnet.RouterConfig{
		CIDR: "10.0.0.0/24", MinDelay: delay, MaxJitter: jitter, QueueSize: 1000,
		LoggerFactory: pionLogs{slog.New(slog.DiscardHandler)},
	})
	must(t, err)
	router.AddChunkFilter(func(vnet.Chunk) bool { return pass() })
	var nets [2]*vnet.Net
	for i, ip := range []string{"10.0.0.1", "10.0.0.2"} {
		nets[i], err = vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{ip}})
		must(t, err)
		must(t, router.AddNet(nets[i]))
	}
	must(t, router.Start())
	t.Cleanup(func() { _ = router.Stop() })
	make := func(n *vnet.Net) *Factory {
		f, err := New(Config{Log: testLog(t), net: n})
		must(t, err)
		t.Cleanup(func() { must(t, f.Close()) })
		return f
	}
	return make(nets[0]), make(nets[1])
}

// connectTime is how long both sides take from the answer on, with the signalling
// arriving at once.
func connectTime(t testing.TB, a, b *Factory) time.Duration {
	t.Helper()
	x, y := testSession(t, a), testSession(t, b)
	offer, err := x.Offer()
	must(t, err)
	answer, err := y.Answer(offer)
	must(t, err)
	begun := time.Now()
	must(t, x.Accept(answer))
	awaitState(t, x, phone.MediaConnected)
	awaitState(t, y, phone.MediaConnected)
	return time.Since(begun)
}

// Lost packets delay a call, they do not prevent it.
func TestConnectWithLoss(t *testing.T) {
	a, b := lossyFactories(t, 0.05, 5*time.Millisecond, 30*time.Millisecond)
	for range 8 {
		connectTime(t, a, b)
	}
}

func BenchmarkConnectLossy(b *testing.B) {
	for _, bb := range []struct {
		name          string
		loss          float64
		delay, jitter time.Duration
	}{
		{"lan", 0, time.Millisecond, 0},
		{"loss5-jitter30", 0.05, 5 * time.Millisecond, 30 * time.Millisecond},
		{"loss20-delay50", 0.2, 50 * time.Millisecond, 10 * time.Millisecond},
	} {
		b.Run(bb.name, func(b *testing.B) {
			x, y := lossyFactories(b, bb.loss, bb.delay, bb.jitter)
			var took []time.Duration
			for b.Loop() {
				took = append(took, connectTime(b, x, y))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-p50")
			b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "ms-p95")
			b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "ms-max")
		})
	}
}
