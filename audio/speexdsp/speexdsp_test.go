package speexdsp

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCancellerRemovesADelayedCopy plays noise through a path of one tap.
func TestCancellerRemovesADelayedCopy(t *testing.T) {
	c, err := New(100)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := rand.New(rand.NewPCG(1, 2))
	const delay = 20 * SampleRate / 1000
	line := make([]float32, delay+Frame)
	var in, out float64
	mic := make([]float32, Frame)
	for n := range 300 {
		far := line[delay:]
		for i := range far {
			far[i] = float32(r.NormFloat64()) * 0.1
		}
		for i := range mic {
			mic[i] = 0.5 * line[i]
		}
		played := append([]float32(nil), far...)
		copy(line, line[Frame:])
		got := make([]float32, Frame)
		c.Process(got, mic, played)
		for i := range mic {
			if n >= 250 {
				in += float64(mic[i]) * float64(mic[i])
				out += float64(got[i]) * float64(got[i])
			}
		}
	}
	if erle := 10 * math.Log10(in/(out+1e-12)); erle < 15 {
		t.Errorf("ERLE %.1f dB, want at least 15", erle)
	}
}

func TestNewRefusesTailsOutOfRange(t *testing.T) {
	for _, ms := range []int{-1, 0, 501} {
		if c, err := New(ms); err == nil {
			c.Close()
			t.Errorf("New(%d) gave no error", ms)
		}
	}
}

func TestWrongLengthsAndNumbersDoNoHarm(t *testing.T) {
	c, err := NewSuppressing(100)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPreprocess(15)
	if err != nil {
		t.Fatal(err)
	}
	bad := make([]float32, Frame)
	bad[0], bad[1], bad[2] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))
	out := make([]float32, Frame)
	c.Process(out, bad, bad)
	c.Process(out[:3], bad, bad)
	c.Process(nil, nil, nil)
	p.Process(bad)
	p.Process(nil)
	for i, v := range append(out, bad...) {
		if v != v || math.IsInf(float64(v), 0) {
			t.Fatalf("sample %d is %v", i, v)
		}
	}
	c.Reset()
	for range 2 {
		c.Close()
		p.Close()
	}
	c.Process(out, out, out) // after Close: nothing
	p.Process(out)
	c.Reset()
}

func BenchmarkProcess48k(b *testing.B) {
	c, err := New(200)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var mic, far, out [Frame]float32
	r := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		for i := range far {
			far[i] = r.Float32() - 0.5
			mic[i] = far[i] * 0.5
		}
		c.Process(out[:], mic[:], far[:])
	}
}
