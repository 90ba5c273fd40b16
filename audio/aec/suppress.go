package aec

import (
	"math"

	"intercomd/audio/fft"
)

// suppressor takes away what the linear filter leaves: harmonics of the
// loudspeaker, the tail beyond the filter, a path not learned yet. It weighs
// each bin of a 20 ms spectrum by how much of it must be residual echo, and
// fills the holes with noise like that of the near end.
//
// The power of the residual is the larger of two estimates: what the filter's
// own uncertainty may leave, and a leakage of the echo estimate that is
// learned per bin while the far end talks alone.
//
// Its windows keep the delay at lowLate samples.
type suppressor struct {
	f    *fft.Real
	win  [fftLen]float32 // before the transform
	syn  [fftLen]float32 // after the inverse one
	fill float32         // power of comfort noise in a spectrum, relative to the noise
	eh   [fftLen]float32
	yh   [fftLen]float32
	ola  [lowLate]float32
	time [fftLen]float32

	err  [bins]complex64
	spec [bins]complex64
	pe   [bins]float32 // power of this frame
	ys   [bins]float32
	sy   [bins]float32 // echo estimate, held
	se   [bins]float32 // error, smoothed
	num  [bins]float32 // leakage, as a quotient of two averages
	den  [bins]float32
	long [bins]float32 // echo estimate, held for longer
	res  [bins]float32 // residual echo
	gain [bins]float32
	prio [bins]float32

	noise noiseFloor

	near   float32 // 0 far end alone .. 1 near end talks
	active bool    // there is echo to be removed
	rng    uint32
}

const (
	// lowLate is the delay: 2.5 ms. Half of it would remove as much echo, but spread
	// a voice by 10 dB more where gains change; docs/decisions/low-delay-windows.md.
	lowLate = lowRate / 400
	// Largest attenuation of residual echo, amplitude: −40 dB while the far
	// end talks alone, −25 dB in double talk.
	floorFar = 0.01
	floorDT  = 0.056
	// Share of what the filter's uncertainty may leave that is taken for
	// real: the filter is cautious by about 12 dB.
	leftShare = 0.08
	// The residual is overestimated by overDT in double talk, and by overFar
	// more while the far end talks alone.
	// Echo weaker than masked times the noise is not heard; to chase it would
	// cost the near end more.
	masked  = 2
	overDT  = 1
	overFar = 4
	// comfort is how much of the noise in a hole is filled again: power.
	comfort = 0.6
)

func newSuppressor() *suppressor {
	s := &suppressor{f: fft.MustReal(fftLen)}
	analysis, synthesis := fft.LowDelay(fftLen, lowFrame, lowLate)
	copy(s.win[:], analysis)
	copy(s.syn[:], synthesis)
	s.fill = comfort / fft.NoisePower(synthesis, lowFrame)
	s.reset()
	return s
}

func (s *suppressor) reset() {
	*s = suppressor{f: s.f, win: s.win, syn: s.syn, fill: s.fill, rng: 1}
	for i := range bins {
		s.se[i], s.sy[i] = 1e-9, 1e-9
		s.num[i], s.den[i] = 1e-6, 1e-4
		s.gain[i], s.prio[i] = 1, 1
	}
	s.noise.reset()
}

// process takes the filter's error and its echo estimate and writes the
// cleaned signal, lowLate samples late, to out. left is the power that the
// filter's uncertainty may leave, unlike how sure it is, from 0 to 1, that the
// path has just moved.
func (s *suppressor) process(out, e, y []float32, left *[bins]float32, unlike float32) {
	s.transform(e, y)
	total := s.echoPower()
	s.noise.update(&s.pe)
	s.active = total > 1e-4
	s.residual(left, unlike)
	s.detect()
	s.leak()
	s.weigh(total)
	s.synthesise(out)
}

func (s *suppressor) transform(e, y []float32) {
	copy(s.eh[:], s.eh[lowFrame:])
	copy(s.eh[lowFrame:], e[:lowFrame])
	copy(s.yh[:], s.yh[lowFrame:])
	copy(s.yh[lowFrame:], y[:lowFrame])
	for i, v := range s.eh {
		s.time[i] = v * s.win[i]
	}
	s.f.Forward(s.err[:], s.time[:])
	for i, v := range s.yh {
		s.time[i] = v * s.win[i]
	}
	s.f.Forward(s.spec[:], s.time[:])
	for i, v := range s.err {
		s.pe[i] = real(v)*real(v) + imag(v)*imag(v)
	}
}

// echoPower fills sy, the power of the echo smoothed over frequency and held
// over time, and returns the total.
func (s *suppressor) echoPower() float32 {
	var total float32
	for i := range s.ys {
		v := s.spec[i]
		s.ys[i] = real(v)*real(v) + imag(v)*imag(v)
		if i >= 4 {
			total += s.ys[i]
		}
	}
	broad := total/bins*16e-3 + 1e-10 // harmonics spread over frequency
	prev := s.ys[0]
	for i := range s.ys {
		v := s.ys[i]
		if i > 0 && i < bins-1 {
			v = 0.25*prev + 0.5*v + 0.25*s.ys[i+1]
		}
		prev = s.ys[i]
		s.ys[i] = v + broad
		s.sy[i] = max(s.ys[i], 0.75*s.sy[i])
		s.se[i] = 0.5*s.se[i] + 0.5*s.pe[i]
	}
	return total
}

// residual estimates the power of the residual echo.
func (s *suppressor) residual(left *[bins]float32, unlike float32) {
	for i := range s.res {
		s.long[i] = max(0.95*s.long[i], s.sy[i])
		l := min(s.num[i]/s.den[i], 1)
		s.res[i] = max(l*s.sy[i], leftShare*left[i], unlike*s.long[i])
	}
}

// detect compares the error with what the echo and the noise explain.
func (s *suppressor) detect() {
	var be, br float32
	for i := 5; i < 150; i++ {
		n := s.noise.power[i]
		be += max(s.se[i]-n, 0)
		br += s.res[i] + 0.3*n
	}
	q := be / (br + 1e-9)
	near := min(1, max(0, (q-2)/4))
	if near > s.near {
		s.near = 0.5*s.near + 0.5*near
	} else {
		s.near = 0.93*s.near + 0.07*near
	}
}

// leak learns the share of the echo that the filter leaves: quickly while the
// far end talks alone, and only upwards and slowly otherwise.
func (s *suppressor) leak() {
	if !s.active {
		return
	}
	keep := float32(0.98)
	if s.near > 0.2 {
		keep = 0.999
	}
	for i := range s.num {
		n := s.noise.power[i]
		if s.ys[i] <= 4*n {
			continue
		}
		e := max(s.pe[i]-n, 0)
		if s.near > 0.2 && e > 4*s.res[i] {
			e = 4 * s.res[i]
		}
		s.num[i] = keep*s.num[i] + (1-keep)*e
		s.den[i] = keep*s.den[i] + (1-keep)*s.sy[i]
	}
}

func (s *suppressor) weigh(total float32) {
	near := s.near
	floor := float32(math.Exp(float64((1-near)*ln(floorFar) + near*ln(floorDT))))
	over := overDT + overFar*(1-near)
	for i := range s.gain {
		r := max(0, over*s.res[i]-masked*s.noise.power[i])
		post := max(s.pe[i]/(r+1e-12), 1e-3)
		pr := 0.7*s.gain[i]*s.gain[i]*s.prio[i] + 0.3*max(post-1, 0)
		s.prio[i] = post
		g := max(pr/(1+pr), floor)
		if total < 1e-6 {
			g = 1
		}
		s.gain[i] = g
	}
}

func ln(x float32) float32 { return float32(math.Log(float64(x))) }

func (s *suppressor) synthesise(out []float32) {
	for i := range s.err {
		g := s.gain[i]
		if i > 1 && i < bins-2 {
			g = 0.25*s.gain[i-1] + 0.5*g + 0.25*s.gain[i+1]
		}
		v := s.err[i]
		re, im := g*real(v), g*imag(v)
		if g < 1 {
			a := sqrt(max(0, (1-g*g)*s.noise.power[i]*s.fill))
			sn, cs := s.phase()
			re += a * cs
			im += a * sn
		}
		s.err[i] = complex(re, im)
	}
	s.f.Inverse(s.time[:], s.err[:])
	const from = fftLen - lowFrame - lowLate // the synthesis window is zero before
	for i := range lowFrame {
		out[i] = s.time[from+i] * s.syn[from+i]
	}
	for i := range s.ola {
		out[i] += s.ola[i]
		s.ola[i] = s.time[from+lowFrame+i] * s.syn[from+lowFrame+i]
	}
}

// phase draws one of 256 directions; more would not be heard.
func (s *suppressor) phase() (sin, cos float32) {
	s.rng = s.rng*1664525 + 1013904223
	i := s.rng >> 24
	return sines[i], sines[(i+64)&255]
}

//nolint:gochecknoglobals // a table
var sines = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(math.Sin(2 * math.Pi * float64(i) / 256))
	}
	return t
}()

// highGain is the gain for the band above 8 kHz: the mean of the top 2 kHz.
func (s *suppressor) highGain() float32 {
	const from = 6000 * fftLen / lowRate
	var g float32
	for _, v := range s.gain[from:] {
		g += v
	}
	return g / (bins - from)
}
