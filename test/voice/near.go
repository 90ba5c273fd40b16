package voice

import (
	"math"
	"slices"
)

// Near says what became of a voice.
type Near struct {
	SDR  float64 // dB; a fixed filter does not count as distortion
	STOI float64
	Loss float64 // change of level, dB; negative is quieter
	Cut  float64 // percent of the frames with speech that came 10 dB too low or lower
}

// JudgeNear compares y with the clean voice x. They must be in time with each other.
func JudgeNear(x, y []float64) Near {
	n := min(len(x), len(y))
	x, y = x[:n], y[:n]
	var xy float64
	for i, v := range x {
		xy += v * y[i]
	}
	return Near{
		SDR: SDR(x, y), STOI: STOI(x, y), Cut: cut(x, y),
		Loss: 20 * math.Log10(math.Abs(xy)/(Energy(x)+1e-20)+1e-9),
	}
}

// frame is the grain of Cut: 20 ms.
const frame = Rate / 50

func cut(x, y []float64) float64 {
	var ex, ey []float64
	for at := 0; at+frame <= len(x); at += frame {
		ex = append(ex, Energy(x[at:at+frame])/frame)
		ey = append(ey, Energy(y[at:at+frame])/frame)
	}
	floor := Percentile(ex, 95) * math.Pow(10, -2.5)
	spoken, lost := 0, 0
	for i, e := range ex {
		if e <= floor {
			continue
		}
		spoken++
		if dB((ey[i]+1e-12)/(e+1e-12)) < -10 {
			lost++
		}
	}
	return 100 * float64(lost) / float64(max(1, spoken))
}

// Percentile interpolates between the values; NaN for none.
func Percentile(v []float64, percent float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	p := percent / 100 * float64(len(s)-1)
	i := int(p)
	if i+1 == len(s) {
		return s[i]
	}
	return s[i] + (p-float64(i))*(s[i+1]-s[i])
}

const (
	sdrTaps = 256
	sdrLead = sdrTaps / 4 // how far the filter may reach into the future
)

// SDR is the ratio, in dB, of what of y is x through a fixed filter of 16 ms to the
// rest of y: microphones, filters and delays are no distortion (E. Vincent, R.
// Gribonval, C. Févotte, "Performance measurement in blind audio source separation",
// IEEE Trans. ASLP 14, 2006).
func SDR(x, y []float64) float64 {
	late := make([]float64, len(y))
	copy(late[min(sdrLead, len(late)):], y)
	r, p := make([]float64, sdrTaps), make([]float64, sdrTaps)
	for k := range sdrTaps {
		for i := k; i < len(x); i++ {
			r[k] += x[i] * x[i-k]
			p[k] += late[i] * x[i-k]
		}
	}
	r[0] *= 1 + 1e-6
	h := levinson(r, p)
	var signal, rest float64
	for i := range late {
		var z float64
		for k := range min(sdrTaps, i+1) {
			z += h[k] * x[i-k]
		}
		signal += z * z
		rest += (late[i] - z) * (late[i] - z)
	}
	return dB((signal + 1e-20) / (rest + 1e-20))
}

// levinson solves the symmetric Toeplitz system of r for p (Levinson's recursion).
func levinson(r, p []float64) []float64 {
	n := len(r)
	h, a := make([]float64, n), make([]float64, n)
	prev := make([]float64, n)
	a[0] = 1
	e := r[0] + 1e-30
	h[0] = p[0] / e
	for m := 1; m < n; m++ {
		var k float64
		for i := range m {
			k += a[i] * r[m-i]
		}
		k = -k / e
		copy(prev, a)
		for i := 1; i <= m; i++ {
			a[i] = prev[i] + k*prev[m-i]
		}
		e *= 1 - k*k
		q := p[m]
		for i := range m {
			q -= h[i] * r[m-i]
		}
		q /= e
		for i := 0; i <= m; i++ {
			h[i] += q * a[m-i]
		}
	}
	return h
}
