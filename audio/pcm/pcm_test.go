package pcm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// peculiar are amplitudes at which arithmetic is easily wrong.
func peculiar() []float32 {
	list := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0.5 / 32768, 1.5 / 32768, 2.5 / 32768, -0.5 / 32768, -1.5 / 32768, 1e-45, -1e-45, 1e-38,
		32767. / 32768, 32767.5 / 32768, -32768.5 / 32768, -2, 2, -2.0000002, 2.0000002, math.MaxFloat32, -math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1))}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		list = append(list, float32(r.NormFloat64()))
	}
	return list
}

func TestPeak(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 50 {
		frame := make([]float32, n)
		want := 0.
		for i := range frame {
			frame[i] = float32(r.NormFloat64())
			want = max(want, math.Abs(float64(frame[i])))
		}
		if got := Peak(frame); float64(got) != want {
			t.Errorf("%v: peak %v, want %v", frame, got, want)
		}
	}
	for _, v := range peculiar() {
		if got, want := Peak([]float32{0, v, 0, 0, 0}), float32(math.Abs(float64(v))); got != want {
			t.Errorf("%v: %v", v, got)
		}
	}
	for i := range 6 {
		frame := make([]float32, 6)
		frame[i] = float32(math.NaN())
		if got := Peak(frame); got == got {
			t.Errorf("a NaN at %d was overlooked: %v", i, got)
		}
	}
}

func TestBound(t *testing.T) {
	nan := float32(math.NaN())
	for _, v := range append(peculiar(), nan) {
		want := max(-Loudest, min(Loudest, v))
		if v-v != 0 {
			want = 0
		}
		frame := []float32{1, v, -1, 0.25, -0.25}
		if Bound(frame); !slices.Equal(frame, []float32{1, want, -1, 0.25, -0.25}) {
			t.Errorf("%v: %v", v, frame)
		}
	}
}

func TestToInt16(t *testing.T) {
	list := peculiar()
	got := make([]int16, len(list))
	ToInt16(got, list)
	back := make([]float32, len(list))
	ToFloat(back, got)
	for i, v := range list {
		want := int16(max(-32768, min(32767, math.RoundToEven(float64(v)*32768))))
		if got[i] != want || back[i] != float32(want)/32768 {
			t.Errorf("%v: %d, and %v of it; want %d", v, got[i], back[i], want)
		}
	}
}

func BenchmarkPeak480(b *testing.B) {
	x := make([]float32, 480)
	for i := range x {
		x[i] = float32(i&7) - 3
	}
	var s float32
	for b.Loop() {
		s += Peak(x)
	}
	_ = s
}

func BenchmarkToInt16480(b *testing.B) {
	x, d := make([]float32, 480), make([]int16, 480)
	for i := range x {
		x[i] = float32(i%17)/17 - 0.5
	}
	for b.Loop() {
		ToInt16(d, x)
	}
}
