package lab

import (
	"math"
	"time"
)

// ChirpSize is the length of a [Chirp] in samples: 60 ms.
const ChirpSize = Rate * 60 / 1000

const (
	chirpFrom, chirpTo = 400.0, 3000.0 // Hz: what every codec carries
	chirpLevel         = 0.3           // peak, full scale 1
	// heardRatio is how far the correlation must stand out of what else was recorded
	// to count, and heardSpan how far around it that is not "else".
	heardRatio = 10.0
	heardSpan  = Rate / 10
)

// Chirp is sample i of a short sweep whose moment can be found exactly, however a
// codec or a filter treats it. Full scale is 1.
func Chirp(i int) float64 {
	t, d := float64(i)/Rate, float64(ChirpSize)/Rate
	window := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/ChirpSize)
	return chirpLevel * window * math.Sin(2*math.Pi*(chirpFrom*t+(chirpTo-chirpFrom)*t*t/(2*d)))
}

// FindChirps returns the samples at which the chirps of a recording begin, with
// period between them at least, the first ones first.
func FindChirps(s []int16, period time.Duration) []int {
	c := correlate(s)
	every := int(period * Rate / time.Second)
	// The loudest moment after each one that stands out of the mean.
	var found []int
	mean := 0.0
	for _, v := range c {
		mean += v
	}
	mean /= float64(len(c) + 1)
	for i := 0; i < len(c); {
		if c[i] <= heardRatio*mean {
			i++
			continue
		}
		best := i
		for j := i; j < min(len(c), i+heardSpan); j++ {
			if c[j] > c[best] {
				best = j
			}
		}
		found = append(found, best)
		i = best + every/2
	}
	return found
}

// correlate is the magnitude of the correlation of s with the chirp that begins at
// each sample: in quadrature, so that phase does not matter. Every fourth sample is
// enough for that band.
func correlate(s []int16) []float64 {
	const step = 4
	var re, im [ChirpSize / step]float64
	for i := range re {
		t, d := float64(i*step)/Rate, float64(ChirpSize)/Rate
		window := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i*step)/ChirpSize)
		im[i], re[i] = math.Sincos(2 * math.Pi * (chirpFrom*t + (chirpTo-chirpFrom)*t*t/(2*d)))
		re[i] *= window
		im[i] *= window
	}
	c := make([]float64, max(0, len(s)-ChirpSize))
	for at := 0; at < len(c); at += step {
		var a, b float64
		for i := range re {
			v := float64(s[at+i*step])
			a += re[i] * v
			b += im[i] * v
		}
		for k := at; k < min(at+step, len(c)); k++ {
			c[k] = math.Hypot(a, b)
		}
	}
	return c
}

// Lags pairs the chirps of a mouth with those of an ear and returns how much later each
// was heard, in ms. Chirps that have no partner within limit are left out.
func Lags(mouth, ear []int16, mouthAt, earAt time.Time, period, limit time.Duration) []float64 {
	said, heard := FindChirps(mouth, period), FindChirps(ear, period)
	shift := earAt.Sub(mouthAt).Seconds() * 1000
	var lags []float64
	for _, m := range said {
		for _, e := range heard {
			lag := float64(e-m)*1000/Rate + shift
			if lag > 0 && lag < float64(limit.Milliseconds()) {
				lags = append(lags, lag)
				break
			}
		}
	}
	return lags
}
