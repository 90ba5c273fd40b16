package receive

import (
	"time"

	"intercomd/audio/pcm"
)

const (
	// Pitch lags that are taken out or put in, in samples: 2.5 to 15 ms.
	minLag = pcm.SampleRate / 400
	maxLag = pcm.SampleRate * 15 / 1000
	// coarse is the decimation of the first search.
	coarse = 6
	// alike is the correlation of neighbouring periods from which joining them is
	// not heard. When nothing is found, or the delay is great, less must do; each
	// frame of waiting lowers the demand.
	alike     = 0.9
	alikeFast = 0.6
	alikeStep = 0.004
	// quiet is the energy per sample (-50 dBFS) below which anything can be joined.
	quiet = 1e-5
)

// stretcher changes the duration of speech by whole pitch periods, without
// changing its pitch: waveform similarity overlap-add (Verhelst and Roelands,
// "An overlap-add technique based on waveform similarity (WSOLA)", ICASSP 1993),
// one period at a time.
type stretcher struct {
	small [2 * maxLag / coarse]float32
	tries int // without success
}

// shorten joins two neighbouring periods at the front of x into one and returns
// how many samples it took out, at most most; they are taken from the front, so
// that x[n:] is what is left. It returns 0 if nothing fits.
func (s *stretcher) shorten(x []float32, most int, fast bool) int {
	lag := s.lag(x, most, fast)
	for i := range lag {
		w := float32(i+1) / float32(lag+1)
		x[lag+i] = x[i]*(1-w) + x[lag+i]*w
	}
	return lag
}

// lengthen repeats a period at the front of x and returns its length n, at most
// most. x has n more samples of room in front of it: the result is
// before[len(before)-n:] followed by x.
func (s *stretcher) lengthen(before, x []float32, most int) int {
	lag := s.lag(x, min(most, len(before)), false)
	if lag == 0 {
		return 0
	}
	// y = first period, then second blended into first, then the rest from the
	// second on: the room in front takes the first period as it is.
	copy(before[len(before)-lag:], x[:lag])
	for i := range lag {
		w := float32(i+1) / float32(lag+1)
		x[i] = x[lag+i]*(1-w) + x[i]*w
	}
	return lag
}

// silent tells whether x is of a pause, where anything can be joined.
func silent(x []float32) bool { return pcm.Dot(x, x) < quiet*float32(len(x)) }

// lag finds the period at the front of x, up to most samples long.
func (s *stretcher) lag(x []float32, most int, fast bool) int {
	n := min(len(x)/2, maxLag)
	top := min(n, most)
	if top < minLag {
		return 0
	}
	if silent(x[:2*n]) {
		return top
	}
	small := s.small[:2*n/coarse]
	for i := range small {
		var sum float32
		for _, v := range x[i*coarse : (i+1)*coarse] {
			sum += v
		}
		small[i] = sum
	}
	best, _ := bestLag(small, minLag/coarse, top/coarse, len(small)/2)
	lag, corr := bestLag(x, max(minLag, (best-1)*coarse), min(top, (best+1)*coarse), n)
	demand := float32(alike)
	if fast {
		demand = alikeFast
	}
	if corr < demand-alikeStep*float32(s.tries) {
		s.tries++
		return 0
	}
	s.tries = 0
	return lag
}

// bestLag is the lag between lo and hi at which n samples of x resemble most the
// ones at its front, and their correlation, -1 to 1.
func bestLag(x []float32, lo, hi, n int) (int, float32) {
	best, at := float32(-1), lo
	n = min(n, len(x)-hi)
	a := x[:n]
	ea := pcm.Dot(a, a)
	for lag := lo; lag <= hi; lag++ {
		b := x[lag : lag+n]
		c := pcm.Dot(a, b)
		if c <= 0 {
			continue
		}
		if q := c * c / (ea*pcm.Dot(b, b) + 1e-12); q > best {
			best, at = q, lag
		}
	}
	if best < 0 {
		return at, -1
	}
	return at, pcm.Sqrt(best)
}

const (
	// Delay beyond which periods are taken out, or below which they are put in,
	// relative to the target of the jitter buffer. What is less is for the drift
	// loop.
	tooLate  = 8 * time.Millisecond
	tooEarly = 6 * time.Millisecond
	// In a pause less is cut too: the shortest that can be.
	tooLateInPause = 2500 * time.Microsecond
	hurry          = 60 * time.Millisecond // beyond it, faster and less choosy
	// Frames between two changes.
	pauseSlow = 8
	pauseFast = 3
)
