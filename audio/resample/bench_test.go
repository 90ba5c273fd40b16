package resample

import (
	"testing"

	"intercomd/audio/pcm"
)

// What a frame costs while two clocks differ.
func BenchmarkFrame(b *testing.B) {
	r := New(pcm.SampleRate, pcm.SampleRate, 2*pcm.Frame)
	r.Step = 1 + 100e-6
	in, out := make([]float32, 2*pcm.Frame), make([]float32, pcm.Frame)
	for b.Loop() {
		r.Feed(in[:r.Need(len(out))])
		r.Pull(out)
	}
}
