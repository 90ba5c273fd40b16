package main

import (
	"math"

	"intercomd/audio/pcm"
	"intercomd/test/voice"
)

// A far end that stretches time is heard now later, now earlier. What it says is followed: ten times a
// second its delay is found anew, and what was heard is brought in time piece by piece. What
// is left are the faults that an ear would hear.
const (
	grain      = voice.Rate / 10 // samples of a piece
	ear        = 4 * grain       // that a delay is found by
	thin       = 4               // decimation of the search
	latest     = voice.Rate / 2  // greatest delay at the beginning
	leap       = voice.Rate / 10 // by how much it can change from one piece to the next, either way
	sure       = 0.4             // correlation from which a delay is believed
	clearly    = 0.02            // by how much better another delay must fit
	unheard    = 1e-6            // energy per sample (-60 dBFS) of a pause
	firstPiece = 2 * voice.Rate  // what is before is the call's beginning, and not judged
)

// delays are, piece by piece, how many samples y is behind x.
func delays(x, y []float64) []int {
	a, b := thinned(x), thinned(y)
	const n = ear / thin
	last := search(a, b, firstPiece/thin, 4*n, 0, latest/thin, -1) * thin
	var out []int
	for at := 0; at+grain <= len(x); at += grain {
		from := (at - (ear-grain)/2) / thin
		if from >= 0 && from+n <= len(a) && voice.Energy(x[from*thin:from*thin+ear]) > unheard*ear {
			if d := search(a, b, from, n, max(0, (last-leap)/thin), (last+leap)/thin, last/thin); d >= 0 {
				last = refine(x, y, from*thin, d*thin)
			}
		}
		out = append(out, last)
	}
	return out
}

// search finds the lag at which b resembles n samples of a from at on most; -1 if none does.
// near, if not negative, is preferred.
func search(a, b []float32, at, n, low, high, near int) int {
	n = min(n, len(a)-at)
	ref := a[at : at+n]
	power := pcm.Dot(ref, ref)
	best, top := -1, float32(sure)
	for lag := low; lag <= high && at+lag+n <= len(b); lag++ {
		x := b[at+lag : at+lag+n]
		c := pcm.Dot(ref, x) / float32(math.Sqrt(float64(power*pcm.Dot(x, x)))+1e-9)
		if lag == near {
			c += clearly
		}
		if c > top {
			best, top = lag, c
		}
	}
	return best
}

// refine finds a delay to the sample.
func refine(x, y []float64, at, d int) int {
	best, top := d, math.Inf(-1)
	for lag := max(0, d-thin); lag <= d+thin; lag++ {
		var c float64
		for i := at; i < min(at+ear, len(x), len(y)-lag); i++ {
			c += x[i] * y[i+lag]
		}
		if c > top {
			best, top = lag, c
		}
	}
	return best
}

func thinned(x []float64) []float32 {
	y := make([]float32, len(x)/thin)
	for i := range y {
		for _, v := range x[i*thin : (i+1)*thin] {
			y[i] += float32(v) / thin
		}
	}
	return y
}

// understood is the STOI of what was heard, followed, and how late it was, in ms: in the mean, and
// what was more only one time in twenty.
func understood(said, heard []float32) (stoi, late, p95 float64) {
	x, y := voice.At16k(said), voice.At16k(heard)
	d := delays(x, y)
	var a, b, all []float64
	for k := firstPiece / grain; k < len(d); k++ {
		from := k*grain + d[k]
		if from+grain > len(y) {
			break
		}
		a, b = append(a, x[k*grain:(k+1)*grain]...), append(b, y[from:from+grain]...)
		all = append(all, 1000*float64(d[k])/voice.Rate)
	}
	return voice.STOI(a, b), mean(all), voice.Percentile(all, 95)
}
