package aec

import "intercomd/audio/fft"

// filter is a partitioned-block frequency-domain Kalman filter: the echo path
// is a slowly wandering state, the microphone an observation of it in the
// noise of the near end, and the step size of every bin of every partition
// follows from how uncertain that state is (G. Enzner and P. Vary,
// "Frequency-domain adaptive Kalman filter for acoustic echo control in
// hands-free telephones", Signal Processing 86, 2006; partitioned as in
// F. Kuech, E. Mabande and G. Enzner, "State-space architecture of the
// partitioned-block-based acoustic echo controller", ICASSP 2014).
type filter struct {
	parts int
	f     *fft.Real

	head int         // partition slot of the newest block in x
	x    []complex64 // spectra of the far end, parts × bins
	x2   []float32   // their squared magnitudes
	w    []complex64 // the path
	p    []float32   // its uncertainty
	xb   [fftLen]float32

	psi  [bins]float32 // power of everything that is not echo
	echo [bins]complex64
	err  [bins]complex64
	inno [bins]float32
	grad [bins]complex64
	line []float32 // the path in time, while it is moved
	time [fftLen]float32
}

const (
	fftLen = 2 * lowFrame
	bins   = lowFrame + 1
)

func newFilter(parts int) *filter {
	k := &filter{
		parts: parts,
		f:     fft.MustReal(fftLen),
		x:     make([]complex64, parts*bins),
		x2:    make([]float32, parts*bins),
		w:     make([]complex64, parts*bins),
		p:     make([]float32, parts*bins),
		line:  make([]float32, parts*lowFrame),
	}
	k.reset()
	return k
}

func (k *filter) reset() {
	clear(k.x)
	clear(k.x2)
	clear(k.w)
	clear(k.p)
	clear(k.xb[:])
	for i := range k.psi {
		k.psi[i] = 1e-4
	}
	k.doubt(1)
}

// doubt raises the uncertainty to at least v in the first partition and
// 3 dB/frame less in later ones, as rooms decay.
func (k *filter) doubt(v float32) {
	for q := range k.parts {
		for i := range bins {
			k.p[q*bins+i] = max(k.p[q*bins+i], v)
		}
		v *= 0.7
	}
}

// scale multiplies the path by g.
func (k *filter) scale(g float32) {
	for i, v := range k.w {
		k.w[i] = complex(g*real(v), g*imag(v))
	}
}

// slot is the index into x of the block q frames old.
func (k *filter) slot(q int) int {
	s := k.head + q
	if s >= k.parts {
		s -= k.parts
	}
	return s * bins
}

// push takes the next frame of the far end.
func (k *filter) push(x []float32) {
	copy(k.xb[:], k.xb[lowFrame:])
	copy(k.xb[lowFrame:], x[:lowFrame])
	if k.head--; k.head < 0 {
		k.head = k.parts - 1
	}
	o := k.slot(0)
	spec := k.x[o:][:bins]
	k.f.Forward(spec, k.xb[:])
	pow := k.x2[o:][:bins]
	for i, v := range spec {
		pow[i] = real(v)*real(v) + imag(v)*imag(v)
	}
}

// predict writes the echo of the newest frame to y.
func (k *filter) predict(y []float32) {
	acc := &k.echo
	clear(acc[:])
	for q := range k.parts {
		x := k.x[k.slot(q):][:bins]
		w := k.w[q*bins:][:bins]
		for i := range acc {
			a, b := x[i], w[i]
			ar, ai, br, bi := real(a), imag(a), real(b), imag(b)
			c := acc[i]
			acc[i] = complex(real(c)+ar*br-ai*bi, imag(c)+ar*bi+ai*br)
		}
	}
	k.f.Inverse(k.time[:], acc[:])
	copy(y, k.time[lowFrame:])
}

// transition is how much of the path survives 10 ms.
const transition = 0.9998

// observe takes the error of the last prediction and learns from it if the
// far end was active.
func (k *filter) observe(e []float32, learn bool) {
	clear(k.time[:lowFrame])
	copy(k.time[lowFrame:], e[:lowFrame])
	k.f.Forward(k.err[:], k.time[:])
	for i, v := range k.err {
		k.psi[i] = 0.8*k.psi[i] + 0.2*(real(v)*real(v)+imag(v)*imag(v)) + 1e-8
	}
	if !learn {
		return
	}
	k.innovation()
	for q := range k.parts {
		k.learn(q)
	}
}

// innovation sums the power expected in the error: what the uncertain path
// may leave, and the near end.
func (k *filter) innovation() {
	r := &k.inno
	clear(r[:])
	for q := range k.parts {
		x2 := k.x2[k.slot(q):][:bins]
		p := k.p[q*bins:][:bins]
		for i := range r {
			r[i] += x2[i] * p[i]
		}
	}
	for i := range r {
		r[i] = 1 / (0.5*r[i] + k.psi[i])
	}
}

// learn is the Kalman update of one partition. The factor ½ is the share of
// an error block that is not zero padding.
func (k *filter) learn(q int) {
	o := k.slot(q)
	x := k.x[o:][:bins]
	x2 := k.x2[o:][:bins]
	p := k.p[q*bins:][:bins]
	w := k.w[q*bins:][:bins]
	g := &k.grad
	const a2 = transition * transition
	for i := range g {
		mu := p[i] * k.inno[i]
		xr, xi := mu*real(x[i]), mu*imag(x[i])
		er, ei := real(k.err[i]), imag(k.err[i])
		g[i] = complex(xr*er+xi*ei, xr*ei-xi*er)
		wr, wi := real(w[i]), imag(w[i])
		v := a2*(1-0.5*mu*x2[i])*p[i] + (1-a2)*(wr*wr+wi*wi+1e-7)
		p[i] = max(v, 1e-9)
	}
	// A partition must stay shorter than a frame: linear convolution.
	k.f.Inverse(k.time[:], g[:])
	clear(k.time[lowFrame:])
	k.f.Forward(g[:], k.time[:])
	for i, v := range g {
		w[i] = complex(real(w[i])+real(v), imag(w[i])+imag(v))
	}
}

// shift moves the path by n samples, to later times if n is positive, and
// leaves the history of the far end to be rebuilt with rebuild.
func (k *filter) shift(n int) {
	total := k.parts * lowFrame
	h := k.line
	for q := range k.parts {
		k.f.Inverse(k.time[:], k.w[q*bins:][:bins])
		copy(h[q*lowFrame:], k.time[:lowFrame])
	}
	for q := range k.parts {
		clear(k.time[:])
		for i := range lowFrame {
			if j := q*lowFrame + i - n; j >= 0 && j < total {
				k.time[i] = h[j]
			}
		}
		k.f.Forward(k.w[q*bins:][:bins], k.time[:])
	}
}

// rebuild computes the history of the far end anew from a reference line
// whose delay has changed.
func (k *filter) rebuild(r *refLine) {
	for q := k.parts - 1; q >= 0; q-- {
		r.read(k.xb[:lowFrame], (q+1)*lowFrame)
		r.read(k.xb[lowFrame:], q*lowFrame)
		o := k.slot(q)
		spec := k.x[o:][:bins]
		k.f.Forward(spec, k.xb[:])
		for i, v := range spec {
			k.x2[o+i] = real(v)*real(v) + imag(v)*imag(v)
		}
	}
}
