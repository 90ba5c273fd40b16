package fft

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLowDelayGivesBackWhatIsLeftAlone(t *testing.T) {
	for _, c := range []struct{ size, hop, late int }{
		{320, 160, 40}, {960, 480, 120}, {320, 160, 160}, {320, 160, 80}, {7, 3, 1}, {12, 4, 4},
	} {
		analysis, synthesis := LowDelay(c.size, c.hop, c.late)
		r := rand.New(rand.NewPCG(1, uint64(c.size)))
		x := make([]float32, 40*c.hop)
		for i := range x {
			x[i] = r.Float32() - 0.5
		}
		y := make([]float32, len(x)+c.size)
		for end := c.size; end <= len(x); end += c.hop {
			for i := range c.size {
				y[end-c.size+i] += x[end-c.size+i] * analysis[i] * synthesis[i]
			}
			// What is out of reach of the next spectrum is done: late samples are not.
			for i := end - c.late - c.hop; i < end-c.late; i++ {
				if end > c.size+c.hop && math.Abs(float64(y[i]-x[i])) > 1e-6 {
					t.Fatalf("%+v: sample %d is %v, want %v", c, i, y[i], x[i])
				}
			}
		}
		for i, v := range synthesis[:c.size-c.hop-c.late] {
			if v != 0 {
				t.Errorf("%+v: synthesis begins at %d, want %d", c, i, c.size-c.hop-c.late)
				break
			}
		}
	}
}

func TestPowersOfWindows(t *testing.T) {
	const size, hop, late = 320, 160, 40
	analysis, synthesis := LowDelay(size, hop, late)
	var power float64
	for _, v := range analysis {
		power += float64(v) * float64(v)
	}
	if math.Abs(power-size/2) > 1e-3 {
		t.Errorf("the analysis window has a power of %v, want %v", power, size/2)
	}
	want := NoisePower(synthesis, hop)
	for i := range hop {
		var sum float32
		for j := i; j < size; j += hop {
			sum += synthesis[j] * synthesis[j]
		}
		if math.Abs(float64(sum-want)) > 1e-5 {
			t.Errorf("sample %d of the hop: noise has a power of %v, want %v", i, sum, want)
		}
	}
}
