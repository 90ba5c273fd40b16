package aec

import (
	"math"

	"intercomd/audio/fft"
	"intercomd/audio/pcm"
)

// delaySearch finds how long a sample handed to the loudspeaker takes to
// reach the microphone, 0..512 ms.
//
// It is a generalised cross-correlation with SCOT weighting (Knapp and
// Carter, "The generalized correlation method for estimation of time delay",
// IEEE Trans. ASSP 24, 1976) at 4 kHz: one second of far end against the last
// half second of microphone, so that no lag wraps around. The work of one
// estimate is spread over searchHop frames.
type delaySearch struct {
	f          *fft.Real
	taps       []float32
	farIn      []float32 // 16 kHz with history for the low-pass
	micIn      []float32
	far        []float32 // 4 kHz, the last searchLen samples
	mic        []float32 // 4 kHz, the last searchLen/2 samples
	scratch    []float32
	micSpec    []complex64
	farSpec    []complex64
	cross      []complex64
	farPow     []float32
	micPow     []float32
	step       int
	skip       bool
	fresh      bool
	seen       int // estimates since reset
	lag        float32
	confidence float32
}

const (
	searchDecim = 4
	searchLen   = 4096 // samples of 4 kHz
	searchHop   = 10   // frames between estimates
	searchTaps  = 40
	searchLow   = 300 * searchLen / (lowRate / searchDecim)  // bin of 300 Hz
	searchHigh  = 1850 * searchLen / (lowRate / searchDecim) // bin of 1850 Hz
	searchLags  = searchLen / 2

	// A peak this far above the RMS of the correlation is no accident: the
	// largest of 2048 Gaussian values stays below 4.5 almost always.
	searchSure = 7
)

func newDelaySearch() *delaySearch {
	s := &delaySearch{
		f:       fft.MustReal(searchLen),
		farIn:   make([]float32, searchTaps+lowFrame),
		micIn:   make([]float32, searchTaps+lowFrame),
		far:     make([]float32, searchLen),
		mic:     make([]float32, searchLen/2),
		scratch: make([]float32, searchLen),
		micSpec: make([]complex64, searchLen/2+1),
		farSpec: make([]complex64, searchLen/2+1),
		cross:   make([]complex64, searchLen/2+1),
		farPow:  make([]float32, searchLen/2+1),
		micPow:  make([]float32, searchLen/2+1),
	}
	s.taps = make([]float32, searchTaps)
	var sum float64
	for i := range s.taps {
		t := float64(i) - (searchTaps-1)/2.0
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/searchTaps)
		v := w * sinc(t*0.25)
		s.taps[i] = float32(v)
		sum += v
	}
	for i := range s.taps {
		s.taps[i] /= float32(sum)
	}
	return s
}

func (s *delaySearch) reset() {
	for _, b := range [][]float32{s.farIn, s.micIn, s.far, s.mic, s.farPow, s.micPow} {
		clear(b)
	}
	clear(s.cross)
	s.step, s.seen, s.lag, s.confidence, s.fresh, s.skip = 0, 0, 0, 0, false, false
}

// forget drops the averages but keeps the signals.
func (s *delaySearch) forget() {
	clear(s.farPow)
	clear(s.micPow)
	clear(s.cross)
	s.seen = 0
}

// push takes one frame of 16 kHz of each signal and tells whether a new
// estimate is ready in lag (samples of 16 kHz) and confidence (peak over RMS).
func (s *delaySearch) push(far, mic []float32) bool {
	s.feed(s.far, s.farIn, far)
	s.feed(s.mic, s.micIn, mic)
	step := s.step
	s.step = (s.step + 1) % searchHop
	switch step {
	case 0:
		s.start()
	case 1:
		if !s.skip {
			s.f.Forward(s.micSpec, s.scratch)
		}
	case 2:
		if !s.skip {
			s.accumulate()
		}
	case 3:
		if !s.skip {
			s.f.Inverse(s.scratch, s.micSpec)
		}
	case 4:
		if !s.skip {
			s.peak()
			return true
		}
	}
	return false
}

func (s *delaySearch) feed(dst, in, x []float32) {
	const n = lowFrame / searchDecim
	copy(in, in[lowFrame:])
	copy(in[searchTaps:], x[:lowFrame])
	copy(dst, dst[n:])
	out := dst[len(dst)-n:]
	for i := range out {
		out[i] = pcm.Dot(in[searchDecim*i+searchDecim:][:searchTaps], s.taps)
	}
}

// start takes a snapshot of both signals; far-end silence is skipped, since it
// could only dilute the averages.
func (s *delaySearch) start() {
	e := pcm.Dot(s.far, s.far) / searchLen
	m := pcm.Dot(s.mic, s.mic) / (searchLen / 2)
	s.skip = e < 1e-7 || m < 1e-10
	if s.skip {
		return
	}
	clear(s.scratch[:searchLen/2])
	copy(s.scratch[searchLen/2:], s.mic)
	s.f.Forward(s.farSpec, s.far)
}

// accumulate averages the spectra and leaves the weighted cross-spectrum in
// micSpec.
func (s *delaySearch) accumulate() {
	keep := float32(0.7)
	if s.seen == 0 {
		keep = 0
	}
	s.seen++
	var px, pd float32
	for k := searchLow; k < searchHigh; k++ {
		x, d := s.farSpec[k], s.micSpec[k]
		xr, xi, dr, di := real(x), imag(x), real(d), imag(d)
		c := s.cross[k]
		s.cross[k] = complex(keep*real(c)+(1-keep)*(dr*xr+di*xi), keep*imag(c)+(1-keep)*(di*xr-dr*xi))
		s.farPow[k] = keep*s.farPow[k] + (1-keep)*(xr*xr+xi*xi)
		s.micPow[k] = keep*s.micPow[k] + (1-keep)*(dr*dr+di*di)
		px += s.farPow[k]
		pd += s.micPow[k]
	}
	const reg = 0.03 / (searchHigh - searchLow)
	px, pd = px*reg+1e-20, pd*reg+1e-20
	clear(s.micSpec)
	for k := searchLow; k < searchHigh; k++ {
		g := 1 / sqrt((s.farPow[k]+px)*(s.micPow[k]+pd))
		c := s.cross[k]
		s.micSpec[k] = complex(g*real(c), g*imag(c))
	}
}

// peak finds the largest value of the correlation among the lags 0..511 ms.
func (s *delaySearch) peak() {
	var sum float32
	best := 0
	for i, v := range s.scratch[:searchLags] {
		sum += v * v
		if v > s.scratch[best] {
			best = i
		}
	}
	rms := sqrt(sum/searchLags) + 1e-20
	s.confidence = s.scratch[best] / rms
	frac := float32(0)
	if best > 0 && best < searchLags-1 {
		a, b, c := s.scratch[best-1], s.scratch[best], s.scratch[best+1]
		if den := a - 2*b + c; den < 0 {
			frac = 0.5 * (a - c) / den
		}
	}
	s.lag = (float32(best) + frac) * searchDecim
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// near is the largest value of the correlation within w samples of 16 kHz of
// lag, relative to its peak.
func (s *delaySearch) near(lag, w float32) float32 {
	from := max(0, int((lag-w)/searchDecim))
	to := min(searchLags-1, int((lag+w)/searchDecim)+1)
	var best, top float32
	for _, v := range s.scratch[:searchLags] {
		top = max(top, v)
	}
	for i := from; i <= to; i++ {
		best = max(best, s.scratch[i])
	}
	return best / (top + 1e-20)
}
