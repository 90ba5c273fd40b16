package resample

import (
	"fmt"
	"math"
	"testing"

	"intercomd/audio/audiotest"
	"intercomd/audio/pcm"
)

func TestResampler(t *testing.T) {
	for _, c := range []struct{ from, f, want float64 }{
		{48000, 1000, 120}, {44100, 1000, 70}, {44100, 8000, 60}, {16000, 3000, 60}, {32000, 9000, 55},
		{96000, 1000, 70}, {48000 * (1 + 200e-6), 1000, 70}, {48000 * (1 - 50e-6), 12000, 55},
	} {
		t.Run(fmt.Sprintf("%.1f Hz at %.0f", c.f, c.from), func(t *testing.T) {
			r := New(c.from, pcm.SampleRate, 2000)
			var out []float32
			frame := make([]float32, pcm.Frame)
			for n := 0; len(out) < pcm.SampleRate; {
				in := make([]float32, r.Need(pcm.Frame))
				for i := range in {
					in[i] = float32(0.5 * math.Sin(2*math.Pi*c.f*float64(n)/c.from))
					n++
				}
				r.Feed(in)
				if r.Ready() < pcm.Frame {
					t.Fatalf("need %d was not enough: %d", len(in), r.Ready())
				}
				r.Pull(frame)
				out = append(out, frame...)
			}
			if snr := audiotest.SNR(out[960:], c.f, 0.5); snr < c.want {
				t.Errorf("%.1f dB, want %v", snr, c.want)
			}
		})
	}
}

// What cannot be heard at 8 kHz must not come back as something else.
func TestNarrowing(t *testing.T) {
	for _, c := range []struct {
		f    float64
		pass bool
	}{{300, true}, {1000, true}, {3200, true}, {4500, false}, {7000, false}, {12000, false}} {
		n, w := NewNarrower(), NewWidener()
		in, mid, out := make([]float32, 960), make([]float32, 160), make([]float32, 960)
		var all []float32
		for k := range 50 {
			for i := range in {
				in[i] = float32(0.5 * math.Sin(2*math.Pi*c.f*float64(k*960+i)/pcm.SampleRate))
			}
			n.Process(mid, in)
			w.Process(out, mid)
			all = append(all, out...)
		}
		var e float64
		for _, v := range all[960:] {
			e += float64(v) * float64(v)
		}
		level := 10 * math.Log10(e/float64(len(all)-960)/0.125+1e-12)
		if snr := audiotest.SNR(all[960:], c.f, 0.5); c.pass && snr < 45 {
			t.Errorf("%g Hz: %.1f dB", c.f, snr)
		} else if !c.pass && level > -35 {
			t.Errorf("%g Hz passes at %.1f dB", c.f, level)
		}
	}
}
