package resample

import (
	"math"
	"math/rand/v2"
	"testing"

	"intercomd/audio/audiotest"
	"intercomd/audio/pcm"
)

// What C does is what Go does, but for the order of the sums; over many frames, so that the places in
// between are the same as well.
func TestVectorsAreWhatGoDoes(t *testing.T) {
	if !audiotest.Vectors(t) {
		return
	}
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		step := math.Exp2(rnd.Float64()*4 - 2)
		if seed%2 == 0 {
			step = 1 + (rnd.Float64()-0.5)*1e-3
		}
		fast, slow := New(step*pcm.SampleRate, pcm.SampleRate, 5*pcm.Frame), New(step*pcm.SampleRate, pcm.SampleRate, 5*pcm.Frame)
		slow.fast = false
		a, b := make([]float32, pcm.Frame), make([]float32, pcm.Frame)
		for range 100 {
			in := make([]float32, fast.Need(len(a)))
			for i := range in {
				in[i] = float32(rnd.NormFloat64())
			}
			for _, r := range []*Resampler{fast, slow} {
				r.Feed(in)
			}
			fast.Pull(a)
			slow.Pull(b)
			for i := range a {
				if d := math.Abs(float64(a[i] - b[i])); !(d <= 1e-5) {
					t.Fatalf("step %v: sample %d is %v, want %v", step, i, a[i], b[i])
				}
			}
		}
	}
}
