package audio

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/pcm"
	"intercomd/audio/receive"
	"intercomd/audio/tone"
)

// mirror is a far end that sends back what it hears, after a while; or something else.
type mirror struct {
	mu     sync.Mutex
	format codec.Format
	delay  time.Duration
	lose   func() bool
	seq    uint16
	stamp  uint32
	flying []receive.Packet
	silent bool
}

func (m *mirror) Codec() codec.Format { return m.format }

func (m *mirror) Write(payload []byte, samples uint32, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := receive.Packet{SSRC: 7, Seq: m.seq, Timestamp: m.stamp, Codec: m.format, Payload: slices.Clone(payload), Arrival: time.Now().Add(m.delay)}
	m.seq++
	m.stamp += samples
	if !m.silent && !m.lose() {
		m.flying = append(m.flying, p)
	}
	return nil
}

func (m *mirror) Receive(take func(*receive.Packet)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.flying) > 0 && !m.flying[0].Arrival.After(time.Now()) {
		take(&m.flying[0])
		m.flying = m.flying[1:]
	}
}

func TestAnEchoIsHeardThroughEveryCodec(t *testing.T) {
	for _, f := range []codec.Format{{Name: "opus", ClockRate: 48000, Channels: 2}, {Name: "PCMU", ClockRate: 8000, Channels: 1}, {Name: "PCMA", ClockRate: 8000, Channels: 1}} {
		for _, delay := range []time.Duration{0, 80 * time.Millisecond, 600 * time.Millisecond} {
			for _, loss := range []float64{0, 0.03} {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
					defer cancel()
					dice := rand.New(rand.NewPCG(1, 2))
					m := &mirror{format: f, delay: delay, lose: func() bool { return dice.Float64() < loss }}
					took, heard, err := TryEcho(ctx, Config{}, m)
					if err != nil || !heard || took < delay || took > delay+200*time.Millisecond {
						t.Errorf("%s, %v there and back, %.0f %% lost: heard %v after %v, %v", f.Name, delay, 100*loss, heard, took, err)
					}
				})
			}
		}
	}
}

func TestNoEchoIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		m := &mirror{format: codec.Format{Name: "PCMA", ClockRate: 8000, Channels: 1}, silent: true}
		if took, heard, err := TryEcho(ctx, Config{}, m); heard || err != nil {
			t.Errorf("heard silence after %v, %v", took, err)
		}
	})
}

// Neither noise nor the tones of telephone systems are an echo.
func TestOtherSoundsAreNoEcho(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	var ear echoEar
	var frame [pcm.Frame]float32
	for n := range 6000 {
		for i := range frame {
			frame[i] = float32(0.1 * dice.NormFloat64())
		}
		if ear.hears(frame[:]) {
			t.Fatal("noise, at frame ", n)
		}
	}
	for _, region := range tone.Regions() {
		table, err := tone.Table(region)
		if err != nil {
			t.Fatal(err)
		}
		for name, tn := range table {
			var p tone.Player
			p.Start(tn)
			for n := range 800 {
				clear(frame[:])
				p.Mix(frame[:])
				if ear.hears(frame[:]) {
					t.Fatalf("%s of %s, at frame %d", name, region, n)
				}
			}
		}
	}
}
