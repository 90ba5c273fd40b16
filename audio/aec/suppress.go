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
// The power of the residual is modelled as a leakage of the echo estimate,
// learned per bin while the far end talks alone.
type suppressor struct {
	f    *fft.Real
	win  [fftLen]float32
	eh   [fftLen]float32
	yh   [fftLen]float32
	ola  [fftLen]float32
	time [fftLen]float32

	err  [bins]complex64
	spec [bins]complex64
	pe   [bins]float32 // power of this frame
	ys   [bins]float32
	sy   [bins]float32 // echo estimate, held
	se   [bins]float32 // error, smoothed
	lam  [bins]float32 // leakage
	gain [bins]float32
	prio [bins]float32

	noise    [bins]float32 // near-end noise floor
	noiseMin [bins]float32
	noiseAcc [bins]float32
	noiseN   int

	near   float32 // 0 far end alone .. 1 near end talks
	active bool    // there is echo to be removed
	rng    uint32
}

const (
	// Largest attenuation of residual echo, amplitude: −45 dB while the far
	// end talks alone, −30 dB in double talk.
	floorFar = 0.0056
	floorDT  = 0.0316
)

func newSuppressor() *suppressor {
	s := &suppressor{f: fft.MustReal(fftLen)}
	for i := range s.win {
		s.win[i] = float32(math.Sin(math.Pi * (float64(i) + 0.5) / fftLen))
	}
	s.reset()
	return s
}

func (s *suppressor) reset() {
	f, win := s.f, s.win
	*s = suppressor{f: f, win: win, rng: 1}
	for i := range bins {
		s.se[i], s.sy[i], s.noise[i] = 1e-9, 1e-9, 1e-9
		s.lam[i], s.gain[i], s.prio[i] = 1, 1, 1
		s.noiseMin[i], s.noiseAcc[i] = 1, 1e-9
	}
}

// process takes the filter's error and its echo estimate and writes the
// cleaned signal, lowFrame samples late, to out.
func (s *suppressor) process(out, e, y []float32) {
	s.transform(e, y)
	total := s.echoPower()
	s.trackNoise()
	s.active = total > 1e-4
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

// trackNoise follows the minimum of the smoothed error over 0.8 s.
func (s *suppressor) trackNoise() {
	for i, v := range s.pe {
		s.noiseAcc[i] = 0.9*s.noiseAcc[i] + 0.1*v
		s.noiseMin[i] = min(s.noiseMin[i], s.noiseAcc[i])
	}
	if s.noiseN++; s.noiseN < 80 {
		return
	}
	s.noiseN = 0
	for i := range s.noise {
		s.noise[i] = 0.5*s.noise[i] + 0.75*s.noiseMin[i]
		s.noiseMin[i] = s.noiseAcc[i]
	}
}

// leak follows the share of the echo that the filter leaves, quickly down
// and slowly up, slower still while the near end talks.
func (s *suppressor) leak() {
	if !s.active {
		return
	}
	up := float32(1.004)
	if s.near >= 0.3 {
		up = 1.0015
	}
	for i := range s.lam {
		if s.ys[i] <= 4*s.noise[i] {
			continue
		}
		r := max(s.se[i]-s.noise[i], 1e-12) / s.sy[i]
		l := s.lam[i]
		if r > l {
			l = min(l*up, r)
		} else {
			l = max(l*0.96, r)
		}
		s.lam[i] = min(max(l, 1e-5), 1)
	}
}

const overestimate = 2

func (s *suppressor) weigh(total float32) {
	var be, br float32
	for i := 5; i < 150; i++ {
		be += s.se[i]
		br += overestimate * s.lam[i] * s.sy[i]
	}
	q := be / (br + 1e-9)
	near := min(1, max(0, (q-1.2)/3))
	if near > s.near {
		s.near = 0.5*s.near + 0.5*near
	} else {
		s.near = 0.95*s.near + 0.05*near
	}
	near = s.near
	floor := float32(math.Exp(float64((1-near)*ln(floorFar) + near*ln(floorDT))))
	for i := range s.gain {
		r := overestimate * s.lam[i] * s.sy[i] * (1 + 3*(1-near))
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
			a := sqrt(max(0, (1-g*g)*s.noise[i]*0.6))
			sn, cs := s.phase()
			re += a * cs
			im += a * sn
		}
		s.err[i] = complex(re, im)
	}
	s.f.Inverse(s.time[:], s.err[:])
	for i := range s.ola {
		s.ola[i] += s.time[i] * s.win[i]
	}
	copy(out, s.ola[:lowFrame])
	copy(s.ola[:], s.ola[lowFrame:])
	clear(s.ola[lowFrame:])
}

// phase draws one of 256 directions; more would not be heard.
func (s *suppressor) phase() (sin, cos float32) {
	s.rng = s.rng*1664525 + 1013904223
	i := s.rng >> 24
	return sines[i], sines[(i+64)&255]
}

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
