package fft

import "math"

// LowDelay returns windows of size samples for a spectrum every hop samples
// that delay by late samples: what is analysed, left as it is and overlapped
// after synthesis is the very input, late samples behind it. size must be at
// least hop+late, hop at least late.
//
// Usual windows overlap by half of their length and delay by that half. But
// only the end of the synthesis window has to wait for the next spectrum. Here
// it covers no more than the last hop and the overlap of late samples, while
// the analysis window keeps its length, and the spectrum its resolution
// (D. Mauler and R. Martin, "A low delay, variable resolution, perfect
// reconstruction spectral analysis-synthesis system for speech enhancement",
// EUSIPCO 2007; the shapes are our own).
//
// The analysis window rises slowly, stays and falls within late samples. Its
// power is size/2, that of a sine window. The squares of the synthesis window
// overlap to the same value everywhere, so that noise made in the spectrum is
// as strong everywhere: see [NoisePower].
func LowDelay(size, hop, late int) (analysis, synthesis []float32) {
	h, f := make([]float64, size), make([]float64, size)
	rise := size - hop - late
	var power float64
	for i := range h {
		switch {
		case i < rise:
			h[i] = math.Sin(math.Pi / 2 * (float64(i) + 0.5) / float64(rise))
		case i < size-late:
			h[i], f[i] = 1, 1
			if k := i - rise; k < late {
				s, _ := fade(k, late)
				f[i] = s * s
			}
		default:
			// With the synthesis window sin² where it rises, these are the two that
			// give 1 as overlapped product and as overlapped square.
			s, c := fade(i-(size-late), late)
			r := math.Sqrt(1 + s*s)
			h[i], f[i] = c/r, c*r
		}
		power += h[i] * h[i]
	}
	scale := math.Sqrt(float64(size) / 2 / power)
	analysis, synthesis = make([]float32, size), make([]float32, size)
	for i := range h {
		analysis[i], synthesis[i] = float32(h[i]*scale), float32(f[i]/scale)
	}
	return analysis, synthesis
}

// fade returns sine and cosine of an angle that goes from 0 to π/2 in n steps.
func fade(k, n int) (s, c float64) {
	return math.Sincos(math.Pi / 2 * (float64(k) + 0.5) / float64(n))
}

// NoisePower is the power of noise made in the spectrum after synthesis and
// overlap, relative to what its block had before.
func NoisePower(synthesis []float32, hop int) float32 {
	var sum float32
	for _, v := range synthesis {
		sum += v * v
	}
	return sum / float32(hop)
}
