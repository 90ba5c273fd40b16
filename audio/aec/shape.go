package aec

import "intercomd/audio/fft"

// shape models a small loudspeaker driven hard: a curve without memory in
// front of the linear path (a Hammerstein model; A. Stenger and W. Kellermann,
// "Adaptation of a memoryless preprocessor for nonlinear acoustic echo
// cancelling", Signal Processing 80, 2000). The curve is a weighted sum of the
// sample itself and of saturating functions s(x) = x/√(1+(ax)²) and s².
//
// Its weights are found by recursive least squares on what the linear path
// makes of each function; the error that they explain is taken from the echo
// at once and from then on.
type shape struct {
	f    *fft.Real
	c    [curves]float32
	r    [curves][curves]float32 // correlation of the functions behind the path
	b    [curves]float32         // their correlation with the error
	part [curves]part
}

// part is one function of the far end on its way through the path.
type part struct {
	block [fftLen]float32
	x     []complex64 // spectra, parts × bins, slots as in filter
	y     [lowFrame]float32
}

const (
	curves = 5
	soft   = 9   // a² of the functions that saturate at a third of full scale
	hard   = 100 // and at a tenth
	// ridge damps the directions in which the functions hardly differ.
	ridge = 0.02
)

// curve fills y with function j of x.
func curve(j int, y, x []float32) {
	switch j {
	case 0:
		copy(y, x)
	case 1, 2:
		a := float32(soft)
		if j == 2 {
			a = hard
		}
		for i, v := range x {
			y[i] = v / sqrt(1+a*v*v)
		}
	case 3, 4:
		a := float32(soft)
		if j == 4 {
			a = hard
		}
		for i, v := range x {
			y[i] = v * v / (1 + a*v*v)
		}
	}
}

func newShape(parts int) *shape {
	s := &shape{f: fft.MustReal(fftLen)}
	for j := range s.part {
		s.part[j].x = make([]complex64, parts*bins)
	}
	s.reset()
	return s
}

func (s *shape) reset() {
	s.c = [curves]float32{0: 1}
	s.forget()
	for j := range s.part {
		clear(s.part[j].x)
		clear(s.part[j].block[:])
	}
}

// forget drops the statistics but keeps the curve.
func (s *shape) forget() {
	s.r = [curves][curves]float32{}
	s.b = [curves]float32{}
}

// push takes the next frame of the far end and adds the shaped one to h.
func (s *shape) push(x []float32, h *history) {
	slot := h.advance()
	sum := h.x[slot:][:bins]
	for j := range s.part {
		p := &s.part[j]
		copy(p.block[:], p.block[lowFrame:])
		curve(j, p.block[lowFrame:], x)
		spec := p.x[slot:][:bins]
		s.f.Forward(spec, p.block[:])
		c := s.c[j]
		if j == 0 {
			for i, v := range spec {
				sum[i] = complex(c*real(v), c*imag(v))
			}
			continue
		}
		for i, v := range spec {
			sum[i] += complex(c*real(v), c*imag(v))
		}
	}
	h.measure()
}

// learn looks for what the curve could explain of the error e of a path.
func (s *shape) learn(k *filter, h *history, e []float32, noise float32) {
	for j := range s.part {
		p := &s.part[j]
		k.through(p.y[:], h, p.x)
	}
	const forget = 0.998
	g := 1 / (noise + 1e-9)
	for i := range curves {
		yi := s.part[i].y[:]
		for j := i; j < curves; j++ {
			v := g * emph(yi, s.part[j].y[:])
			s.r[i][j] = forget*s.r[i][j] + v
			s.r[j][i] = s.r[i][j]
		}
		s.b[i] = forget*s.b[i] + g*emph(yi, e)
	}
	s.solve()
}

// emph is the inner product of two signals, both pre-emphasised by a first
// difference: speech is nearly white then, and least squares near its best.
func emph(a, b []float32) float32 {
	b = b[:len(a)]
	var sum float32
	for i := 1; i < len(a); i++ {
		sum += (a[i] - 0.9*a[i-1]) * (b[i] - 0.9*b[i-1])
	}
	return sum
}

// solve moves the weights by a part of the least-squares step R⁻¹b.
func (s *shape) solve() {
	var l [curves][curves]float32
	for i := range curves {
		for j := range i + 1 {
			v := s.r[i][j]
			if i == j {
				v += ridge*v + 1e-3
			}
			for k := range j {
				v -= l[i][k] * l[j][k] //nolint:gosec // k < j ≤ i < curves
			}
			if i == j {
				if v <= 0 {
					s.forget()
					return
				}
				l[i][i] = sqrt(v) //nolint:gosec // i < curves
			} else {
				l[i][j] = v / l[j][j] //nolint:gosec // j ≤ i < curves
			}
		}
	}
	var d [curves]float32
	for i := range curves {
		v := s.b[i]
		for k := range i {
			v -= l[i][k] * d[k]
		}
		d[i] = v / l[i][i]
	}
	for i := curves - 1; i >= 0; i-- {
		v := d[i]
		for k := i + 1; k < curves; k++ {
			v -= l[k][i] * d[k]
		}
		d[i] = v / l[i][i]
	}
	s.step(&d)
}

// step moves the weights along d as far as the curve stays one that a
// loudspeaker could have, and keeps the correlations in step.
func (s *shape) step(d *[curves]float32) {
	for g := float32(0.1); g > 0.01; g /= 2 {
		c := s.c
		for i := range c {
			c[i] += g * d[i]
		}
		if !plausible(&c) {
			continue
		}
		s.c = c
		for i := range curves {
			for j := range curves {
				s.b[i] -= g * s.r[i][j] * d[j]
			}
		}
		return
	}
}

// plausible tells whether a curve rises, but for a little folding where it is
// saturated, and by about 1 where it is steepest.
func plausible(c *[curves]float32) bool {
	zero := c[0] + c[1] + c[2]
	if zero < 0.5 || zero > 2 {
		return false
	}
	for _, x := range [...]float32{0.05, 0.1, 0.2, 0.4, 0.7} {
		u, v := 1/(1+soft*x*x), 1/(1+hard*x*x)
		odd := c[0] + c[1]*u*sqrt(u) + c[2]*v*sqrt(v)
		even := 2 * x * (c[3]*u*u + c[4]*v*v)
		if min(odd+even, odd-even) < -0.25*zero || odd > 1.5*zero {
			return false
		}
	}
	return true
}
