package levels

import (
	"math"
	"math/rand/v2"
	"testing"

	"intercomd/audio/pcm"
)

func TestMeter(t *testing.T) {
	for _, c := range []struct {
		f         func(i int) float32
		peak, rms float64
	}{
		{func(int) float32 { return 0 }, -100, -100},
		{func(i int) float32 { return float32(1 - 2*(i/24%2)) }, 0, 0}, // full-scale square
		{func(i int) float32 { return float32(0.1 * math.Sin(2*math.Pi*float64(i)/48)) }, -20, -23},
		{func(i int) float32 { return float32(i % 480 / 479) }, 0, -26.8}, // one sample a frame
	} {
		var m Meter
		frame := make([]float32, pcm.Frame)
		for k := range meterFrames {
			for i := range frame {
				frame[i] = c.f(k*pcm.Frame + i)
			}
			l, ok := m.Add(frame)
			if ok != (k == meterFrames-1) {
				t.Fatalf("a reading after %d frames: %v", k+1, ok)
			}
			if ok && (math.Abs(l.Peak-c.peak) > 0.1 || math.Abs(l.RMS-c.rms) > 0.1) {
				t.Errorf("%+v, want %v and %v dBFS", l, c.peak, c.rms)
			}
		}
	}
}

// Whatever comes in, nothing above the limit goes out; what is below passes
// untouched, and after a loud moment the gain comes back.
func TestLimiter(t *testing.T) {
	l, frame := NewLimiter(), make([]float32, pcm.Frame)
	for i := range frame {
		frame[i] = float32(0.9 * math.Sin(float64(i)/20))
	}
	want := append([]float32(nil), frame...)
	l.Process(frame, 1)
	for i := range frame {
		if frame[i] != want[i] {
			t.Fatal("a quiet frame was changed")
		}
	}
	for k := range 300 {
		for i := range frame {
			frame[i] = float32(4 * math.Sin(float64(k*pcm.Frame+i)/20))
			if k < 100 {
				frame[i] = (rand.Float32() - 0.5) * 20
			}
		}
		l.Process(frame, 3)
		for i, v := range frame {
			if v > limit || v < -limit {
				t.Fatalf("frame %d, sample %d: %v", k, i, v)
			}
			if k > 102 && i > 0 && math.Abs(float64(v-frame[i-1])) > 0.06 {
				t.Fatalf("frame %d: the sine is torn at %d", k, i)
			}
		}
	}
	for range 50 {
		clear(frame)
		l.Process(frame, 1)
	}
	if l.gain < 0.99 {
		t.Errorf("half a second later the gain is %v", l.gain)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l, frame := NewLimiter(), make([]float32, pcm.Frame)
	for i := range frame {
		frame[i] = float32(0.5 * math.Sin(float64(i)/20))
	}
	for b.Loop() {
		l.Process(frame, 1)
	}
}

func BenchmarkMeter(b *testing.B) {
	var m Meter
	frame := make([]float32, pcm.Frame)
	for i := range frame {
		frame[i] = float32(0.5 * math.Sin(float64(i)/20))
	}
	for b.Loop() {
		m.Add(frame)
	}
}
