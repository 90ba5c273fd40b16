// Package voice judges speech that went through something: how much of an echo is
// left, how far a voice was bent, how well it can be understood. It knows samples
// only; what they went through is the caller's.
//
// Everything is measured at 16 kHz between 100 Hz and 7 kHz.
package voice

import "math"

// Rate of all signals here, Hz.
const Rate = 16000

// At16k brings a signal at 48 kHz to [Rate] and to the band that is judged.
func At16k(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return band(resample(y, 1, 3))
}

// resample changes the rate by up/down with a Kaiser-windowed sinc of ten zero
// crossings on either side (beta 5).
func resample(x []float64, up, down int) []float64 {
	most := max(up, down)
	half := 10 * most
	h := make([]float64, 2*half+1)
	sum := 0.0
	for i := range h {
		t := float64(i-half) / float64(most)
		h[i] = kaiser(float64(i-half)/float64(half), 5)
		if t != 0 {
			h[i] *= math.Sin(math.Pi*t) / (math.Pi * t)
		}
		sum += h[i]
	}
	for i := range h {
		h[i] *= float64(up) / sum
	}
	y := make([]float64, (len(x)*up+down-1)/down)
	for k := range y {
		at := k*down + half // where x[0] has its tap
		lo := max(0, (at-2*half+up-1)/up)
		for n := lo; n < len(x) && at-n*up >= 0; n++ {
			y[k] += x[n] * h[at-n*up]
		}
	}
	return y
}

// kaiser is the window at x, -1..1.
func kaiser(x, beta float64) float64 {
	return bessel(beta*math.Sqrt(max(0, 1-x*x))) / bessel(beta)
}

// bessel is the modified Bessel function of the first kind, order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1; k < 30; k++ {
		term *= (x / 2 / float64(k)) * (x / 2 / float64(k))
		sum += term
	}
	return sum
}

// Quality factors of the two halves of a Butterworth filter of fourth order.
const (
	q1 = 0.541196100146197
	q2 = 1.306562964876377
)

// band passes 100 Hz to 7 kHz, in place.
func band(x []float64) []float64 {
	for _, q := range []float64{q1, q2} {
		biquad(x, 100, q, true)
		biquad(x, 7000, q, false)
	}
	return x
}

// biquad is a high-pass or low-pass of second order (R. Bristow-Johnson's cookbook).
func biquad(x []float64, hz, q float64, high bool) {
	w := 2 * math.Pi * hz / Rate
	c, a := math.Cos(w), math.Sin(w)/(2*q)
	b0, b1 := (1-c)/2, 1-c
	if high {
		b0, b1 = (1+c)/2, -(1 + c)
	}
	n := 1 + a
	a1, a2 := -2*c/n, (1-a)/n
	b0, b1 = b0/n, b1/n
	var x1, x2, y1, y2 float64
	for i, v := range x {
		y := b0*(v+x2) + b1*x1 - a1*y1 - a2*y2
		x1, x2, y1, y2 = v, x1, y, y1
		x[i] = y
	}
}

// Delay is how many samples x is behind ref, in fractions of one, between -limit and
// limit: the peak of their correlation, interpolated.
func Delay(ref, x []float64, limit int) float64 {
	n := min(len(ref), len(x))
	at := func(lag int) (s float64) {
		for i := max(0, -lag); i < n-max(0, lag); i++ {
			s += ref[i] * x[i+lag]
		}
		return s
	}
	best, peak := 0, math.Inf(-1)
	for lag := -limit; lag <= limit; lag++ {
		if c := at(lag); c > peak {
			best, peak = lag, c
		}
	}
	a, b := at(best-1), at(best+1)
	if d := a - 2*peak + b; d != 0 {
		return float64(best) + 0.5*(a-b)/d
	}
	return float64(best)
}

// Advance returns x earlier by d samples.
func Advance(x []float64, d float64) []float64 {
	const half = 32
	y := make([]float64, len(x))
	whole := int(math.Floor(d))
	f := d - float64(whole)
	var h [2 * half]float64
	for k := range h {
		t := float64(k-half+1) - f
		h[k] = kaiser(t/half, 5)
		if math.Abs(t) > 1e-12 {
			h[k] *= math.Sin(math.Pi*t) / (math.Pi * t)
		}
	}
	for i := range y {
		for k, g := range h {
			if j := i + whole + k - half + 1; j >= 0 && j < len(x) {
				y[i] += g * x[j]
			}
		}
	}
	return y
}

// Energy is the sum of squares.
func Energy(x []float64) (s float64) {
	for _, v := range x {
		s += v * v
	}
	return s
}

func dB(ratio float64) float64 { return 10 * math.Log10(ratio) }
