// Package fft is a small single-precision Fourier transform for real signals
// of one fixed length, made for audio frames: it is planned once and then
// transforms without allocating. [LowDelay], which the users of transforms need
// beside it, lives here too.
//
// It knows nothing of sound: no signals, no overlapping, no sample rates.
//
// The algorithm is the self-sorting Stockham scheme with radices 4, 2, 3 and
// 5 on half the length, followed by the usual real-input butterfly (C. Van
// Loan, "Computational Frameworks for the Fast Fourier Transform", SIAM 1992,
// sections 1.7 and 4.3).
package fft

import (
	"fmt"
	"math"
)

// Real transforms real sequences of one length. It owns scratch memory and is
// therefore not safe for use by several goroutines at once.
type Real struct {
	n      int
	half   int
	stages []stage
	twist  []complex64 // exp(-2πi·k/n), k = 0..n/4
	a, b   []complex64
	c      *kernel // the same in C; nil: it is not used
}

// stage is one Stockham pass: m groups of radix-p butterflies, s apart.
type stage struct {
	p, m, s int
	tw      []complex64 // p-1 times those of the m groups
}

// NewReal plans a transform of n real samples. n must be even and n/2 must
// have no prime factor above 5.
func NewReal(n int) (*Real, error) {
	if n < 4 || n%2 != 0 {
		return nil, fmt.Errorf("fft: length %d is not an even number of at least 4", n)
	}
	f := &Real{n: n, half: n / 2}
	left, s := f.half, 1
	for _, p := range []int{4, 2, 3, 5} {
		for left%p == 0 {
			f.stages = append(f.stages, newStage(p, left/p, s))
			left /= p
			s *= p
		}
	}
	if left != 1 {
		return nil, fmt.Errorf("fft: length %d has a prime factor above 5", n)
	}
	f.twist = make([]complex64, n/4+1)
	for k := range f.twist {
		f.twist[k] = root(k, n)
	}
	f.a = make([]complex64, f.half)
	f.b = make([]complex64, f.half)
	f.c = newKernel(f)
	return f, nil
}

// MustReal is NewReal for lengths that are constants of a program; a wrong
// one is a programming error that the first test run shows.
func MustReal(n int) *Real {
	f, err := NewReal(n)
	if err != nil {
		panic(err)
	}
	return f
}

func newStage(p, m, s int) stage {
	st := stage{p: p, m: m, s: s, tw: make([]complex64, m*(p-1))}
	for g := range m {
		for k := 1; k < p; k++ {
			st.tw[(k-1)*m+g] = root(g*k, p*m)
		}
	}
	return st
}

// root is exp(-2πi·k/n).
func root(k, n int) complex64 {
	s, c := math.Sincos(-2 * math.Pi * float64(k) / float64(n))
	return complex(float32(c), float32(s))
}

// Len is the number of real samples of a transform.
func (f *Real) Len() int { return f.n }

// Bins is the number of complex bins of a transform, Len/2+1.
func (f *Real) Bins() int { return f.half + 1 }

// Forward writes the bins 0..n/2 of the unnormalised transform of x to dst.
// len(dst) must be at least Bins and len(x) at least Len.
func (f *Real) Forward(dst []complex64, x []float32) {
	h := f.half
	x = x[:f.n]
	dst = dst[:h+1]
	if f.c != nil {
		f.c.forward(dst, x)
		return
	}
	a := f.a[:h]
	for i := range a {
		a[i] = complex(x[2*i], x[2*i+1])
	}
	z := f.run()
	// Split the transform of even and odd samples: X[k] = (E + w·O).
	z0 := z[0]
	dst[0] = complex(real(z0)+imag(z0), 0)
	dst[h] = complex(real(z0)-imag(z0), 0)
	for k := 1; k <= h/2; k++ {
		p, q := z[k], z[h-k]
		er, ei := 0.5*(real(p)+real(q)), 0.5*(imag(p)-imag(q))
		or, oi := 0.5*(imag(p)+imag(q)), 0.5*(real(q)-real(p))
		w := f.twist[k]
		wr, wi := real(w), imag(w)
		tr, ti := or*wr-oi*wi, or*wi+oi*wr
		dst[k] = complex(er+tr, ei+ti)
		dst[h-k] = complex(er-tr, ti-ei)
	}
}

// Inverse writes the n real samples whose Forward transform is bins to x; the
// imaginary parts of the first and the last bin are ignored. It is scaled by
// 1/n, so that Inverse undoes Forward. bins is not changed.
func (f *Real) Inverse(x []float32, bins []complex64) {
	h := f.half
	x = x[:f.n]
	bins = bins[:h+1]
	if f.c != nil {
		f.c.inverse(x, bins)
		return
	}
	a := f.a[:h]
	g := 0.5 / float32(h)
	r0, rh := real(bins[0]), real(bins[h])
	// The conjugate of the half-length spectrum goes in, so that the forward
	// passes compute the conjugate of the inverse transform.
	a[0] = complex(g*(r0+rh), -g*(r0-rh))
	for k := 1; k <= h/2; k++ {
		p, q := bins[k], bins[h-k]
		er, ei := g*(real(p)+real(q)), g*(imag(p)-imag(q))
		dr, di := g*(real(p)-real(q)), g*(imag(p)+imag(q))
		w := f.twist[k]
		wr, wi := real(w), -imag(w)
		or, oi := dr*wr-di*wi, dr*wi+di*wr
		// Z[k] = E + iO; Z[h-k] = conj(E) + i·conj(O).
		a[k] = complex(er-oi, -(ei + or))
		a[h-k] = complex(er+oi, -(or - ei))
	}
	z := f.run()
	for i, v := range z {
		x[2*i] = real(v)
		x[2*i+1] = -imag(v)
	}
}

// run transforms f.a and returns the slice that holds the result.
func (f *Real) run() []complex64 {
	in, out := f.a, f.b
	for i := range f.stages {
		st := &f.stages[i]
		switch st.p {
		case 2:
			st.radix2(out, in)
		case 3:
			st.radix3(out, in)
		case 4:
			st.radix4(out, in)
		case 5:
			st.radix5(out, in)
		}
		in, out = out, in
	}
	return in[:f.half]
}

func (st *stage) radix2(y, x []complex64) {
	m, s := st.m, st.s
	for g := range m {
		w := st.tw[g]
		x0 := x[s*g:][:s]
		x1 := x[s*(g+m):][:s]
		y0 := y[s*2*g:][:s]
		y1 := y[s*(2*g+1):][:s]
		for q := range y0 {
			a, b := x0[q], x1[q]
			y0[q] = a + b
			y1[q] = (a - b) * w
		}
	}
}

func (st *stage) radix3(y, x []complex64) {
	const sin60 = 0.86602540378443864676
	m, s := st.m, st.s
	for g := range m {
		w1, w2 := st.tw[g], st.tw[m+g]
		for q := range s {
			a, b, c := x[q+s*g], x[q+s*(g+m)], x[q+s*(g+2*m)]
			t := b + c
			u := b - c
			v := a - complex(0.5*real(t), 0.5*imag(t))
			r := complex(sin60*imag(u), -sin60*real(u)) // -i·sin60·u
			y[q+s*3*g] = a + t
			y[q+s*(3*g+1)] = (v + r) * w1
			y[q+s*(3*g+2)] = (v - r) * w2
		}
	}
}

func (st *stage) radix4(y, x []complex64) {
	m, s := st.m, st.s
	for g := range m {
		w1, w2, w3 := st.tw[g], st.tw[m+g], st.tw[2*m+g]
		w1r, w1i := real(w1), imag(w1)
		w2r, w2i := real(w2), imag(w2)
		w3r, w3i := real(w3), imag(w3)
		x0 := x[s*g:][:s]
		x1 := x[s*(g+m):][:s]
		x2 := x[s*(g+2*m):][:s]
		x3 := x[s*(g+3*m):][:s]
		y0 := y[s*4*g:][:s]
		y1 := y[s*(4*g+1):][:s]
		y2 := y[s*(4*g+2):][:s]
		y3 := y[s*(4*g+3):][:s]
		for q := range y0 {
			a, b, c, d := x0[q], x1[q], x2[q], x3[q]
			acr, aci := real(a)+real(c), imag(a)+imag(c)
			amr, ami := real(a)-real(c), imag(a)-imag(c)
			bdr, bdi := real(b)+real(d), imag(b)+imag(d)
			// -i·(b-d)
			jr, ji := imag(b)-imag(d), real(d)-real(b)
			y0[q] = complex(acr+bdr, aci+bdi)
			tr, ti := amr+jr, ami+ji
			y1[q] = complex(tr*w1r-ti*w1i, tr*w1i+ti*w1r)
			tr, ti = acr-bdr, aci-bdi
			y2[q] = complex(tr*w2r-ti*w2i, tr*w2i+ti*w2r)
			tr, ti = amr-jr, ami-ji
			y3[q] = complex(tr*w3r-ti*w3i, tr*w3i+ti*w3r)
		}
	}
}

func (st *stage) radix5(y, x []complex64) {
	const (
		c1 = 0.30901699437494742410  // cos(2π/5)
		c2 = -0.80901699437494742410 // cos(4π/5)
		s1 = 0.95105651629515357212  // sin(2π/5)
		s2 = 0.58778525229247312917  // sin(4π/5)
	)
	m, s := st.m, st.s
	for g := range m {
		w1, w2, w3, w4 := st.tw[g], st.tw[m+g], st.tw[2*m+g], st.tw[3*m+g]
		for q := range s {
			a := x[q+s*g]
			b, c := x[q+s*(g+m)], x[q+s*(g+2*m)]
			d, e := x[q+s*(g+3*m)], x[q+s*(g+4*m)]
			pr, pi := real(b)+real(e), imag(b)+imag(e)
			qr, qi := real(c)+real(d), imag(c)+imag(d)
			ur, ui := real(b)-real(e), imag(b)-imag(e)
			vr, vi := real(c)-real(d), imag(c)-imag(d)
			ar, ai := real(a), imag(a)
			y[q+s*5*g] = complex(ar+pr+qr, ai+pi+qi)
			m1r, m1i := ar+c1*pr+c2*qr, ai+c1*pi+c2*qi
			m2r, m2i := ar+c2*pr+c1*qr, ai+c2*pi+c1*qi
			// -i·(s1·u + s2·v) and -i·(s2·u - s1·v)
			n1r, n1i := s1*ui+s2*vi, -(s1*ur + s2*vr)
			n2r, n2i := s2*ui-s1*vi, -(s2*ur - s1*vr)
			y[q+s*(5*g+1)] = complex(m1r+n1r, m1i+n1i) * w1
			y[q+s*(5*g+2)] = complex(m2r+n2r, m2i+n2i) * w2
			y[q+s*(5*g+3)] = complex(m2r-n2r, m2i-n2i) * w3
			y[q+s*(5*g+4)] = complex(m1r-n1r, m1i-n1i) * w4
		}
	}
}
