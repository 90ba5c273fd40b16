package opus

import "math"

// rumble takes away what lies below a voice, wind and the hum of the mains: a high-pass of second
// order (Butterworth; R. Bristow-Johnson's cookbook). libopus does so for a voice and not with low delay.
type rumble struct {
	b, a1, a2      float64
	x1, x2, y1, y2 float64
	out            []float32
}

// rumbleBelow, Hz, is where 3 dB are missing: where libopus begins too (VARIABLE_HP_MIN_CUTOFF_HZ).
const rumbleBelow = 60

// longest packet that an encoder makes, samples: 60 ms.
const longest = SampleRate * 60 / 1000

func newRumble() *rumble {
	sin, cos := math.Sincos(2 * math.Pi * rumbleBelow / SampleRate)
	alpha := sin / math.Sqrt2
	a0 := 1 + alpha
	return &rumble{b: (1 + cos) / 2 / a0, a1: -2 * cos / a0, a2: (1 - alpha) / a0, out: make([]float32, longest)}
}

// without returns pcm without it, until the next call.
func (r *rumble) without(pcm []float32) []float32 {
	out := r.out[:min(len(pcm), len(r.out))]
	for i := range out {
		x := float64(pcm[i])
		y := r.b*(x-2*r.x1+r.x2) - r.a1*r.y1 - r.a2*r.y2
		r.x1, r.x2, r.y1, r.y2 = x, r.x1, y, r.y1
		out[i] = float32(y)
	}
	return out
}

func (r *rumble) reset() { r.x1, r.x2, r.y1, r.y2 = 0, 0, 0, 0 }
