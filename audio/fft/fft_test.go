package fft

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"runtime"
	"testing"
)

// dft is the definition, in double precision.
func dft(x []float32) []complex128 {
	n := len(x)
	out := make([]complex128, n/2+1)
	for k := range out {
		for i, v := range x {
			out[k] += complex(float64(v), 0) * cmplx.Rect(1, -2*math.Pi*float64(i*k%n)/float64(n))
		}
	}
	return out
}

func noise(n int) []float32 {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func TestForwardMatchesTheDefinitionAndInverseUndoesIt(t *testing.T) {
	for _, n := range []int{4, 6, 8, 10, 12, 16, 30, 64, 320, 480, 512, 600, 960, 2048} {
		f, err := NewReal(n)
		if err != nil {
			t.Fatalf("NewReal(%d): %v", n, err)
		}
		if n%32 == 0 && f.c == nil && runtime.GOARCH != "arm" {
			t.Errorf("NewReal(%d) has no vectors", n)
		}
		transformsRight(t, f)
		f.c = nil
		transformsRight(t, f)
	}
}

// transformsRight compares a transform with the definition, and that of a transform with what
// it was.
func transformsRight(t *testing.T, f *Real) {
	t.Helper()
	n := f.Len()
	x := noise(n)
	got := make([]complex64, f.Bins())
	f.Forward(got, x)
	for k, want := range dft(x) {
		if d := cmplx.Abs(complex128(got[k]) - want); d > 2e-5*math.Sqrt(float64(n))*4 {
			t.Errorf("n=%d bin %d: got %v, want %v", n, k, got[k], want)
		}
	}
	back := make([]float32, n)
	f.Inverse(back, got)
	for i := range x {
		if math.Abs(float64(back[i]-x[i])) > 1e-5 {
			t.Fatalf("n=%d sample %d: got %v, want %v", n, i, back[i], x[i])
		}
	}
}

// Whatever comes in, C gives what Go gives, both ways.
func FuzzVectors(f *testing.F) {
	f.Add(uint64(1), uint8(0), float32(1))
	f.Add(uint64(7), uint8(3), float32(1e-20))
	f.Fuzz(func(t *testing.T, seed uint64, which uint8, size float32) {
		sizes := []int{32, 64, 96, 160, 320, 512, 960, 2048}
		n := sizes[int(which)%len(sizes)]
		if !(size > -1e6 && size < 1e6) {
			return
		}
		fast, slow := MustReal(n), MustReal(n)
		slow.c = nil
		r := rand.New(rand.NewPCG(seed, 3))
		x := make([]float32, n)
		for i := range x {
			x[i] = size * (r.Float32() - 0.5)
		}
		a, b := make([]complex64, fast.Bins()), make([]complex64, fast.Bins())
		fast.Forward(a, x)
		slow.Forward(b, x)
		most := 1e-38 + 1e-5*math.Abs(float64(size))*math.Sqrt(float64(n))
		for k := range a {
			if d := cmplx.Abs(complex128(a[k] - b[k])); !(d <= most) {
				t.Fatalf("%d, bin %d: %v, in Go %v", n, k, a[k], b[k])
			}
		}
		y := make([]float32, n)
		fast.Inverse(y, b)
		slow.Inverse(x, b)
		for i := range x {
			if d := math.Abs(float64(x[i] - y[i])); !(d <= most) {
				t.Fatalf("%d, sample %d: %v, in Go %v", n, i, y[i], x[i])
			}
		}
	})
}

func TestNewRealRefusesLengthsItCannotDo(t *testing.T) {
	for _, n := range []int{-2, 0, 2, 7, 14, 22} {
		if _, err := NewReal(n); err == nil {
			t.Errorf("NewReal(%d) gave no error", n)
		}
	}
}

func TestTransformsDoNotAllocate(t *testing.T) {
	f := MustReal(320)
	x, b := noise(320), make([]complex64, 161)
	if n := testing.AllocsPerRun(100, func() { f.Forward(b, x); f.Inverse(x, b) }); n != 0 {
		t.Errorf("%v allocations per run", n)
	}
}

func BenchmarkForward320(b *testing.B) {
	f := MustReal(320)
	x, o := noise(320), make([]complex64, 161)
	for b.Loop() {
		f.Forward(o, x)
	}
}

func BenchmarkInverse320(b *testing.B) {
	f := MustReal(320)
	x, o := noise(320), make([]complex64, 161)
	f.Forward(o, x)
	for b.Loop() {
		f.Inverse(x, o)
	}
}
