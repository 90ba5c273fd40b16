package aec

import (
	"intercomd/audio/fft"
	"intercomd/audio/pcm"
)

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
	turn  int // which partitions are constrained next
	f     *fft.Real
	w     []complex64 // the path, parts × bins
	p     []float32   // its uncertainty

	es   [bins]float32 // smoothed power of the error
	left [bins]float32 // power that the uncertainty may leave in an error block
	gain [bins]float32 // 1 / (power expected in an error block)

	acc  [bins]complex64
	err  [bins]complex64
	grad [bins]complex64
	time [fftLen]float32
	line []float32 // the path in time, while it is moved
	fast bool      // the sums are made in C
}

const (
	// transition is how much of the path survives 10 ms.
	transition = 0.9998
	// caution scales the uncertainty where it sets the step size: bins are
	// not independent of their neighbours, as the derivation has it. The
	// two values were chosen for the fastest start without a worse end.
	caution = 1.2
	trust   = 0.3
	// constrainEvery is how many frames pass until a partition is constrained
	// again.
	constrainEvery = 3
)

func newFilter(parts int) *filter {
	k := &filter{
		parts: parts,
		f:     fft.MustReal(fftLen),
		w:     make([]complex64, parts*bins),
		p:     make([]float32, parts*bins),
		line:  make([]float32, parts*lowFrame),
		fast:  pcm.Vectors(),
	}
	k.reset()
	return k
}

func (k *filter) reset() {
	clear(k.w)
	clear(k.p)
	clear(k.left[:])
	for i := range k.es {
		k.es[i] = 1e-4
	}
	k.doubt(1)
}

// doubt raises the uncertainty to at least v in the first partition and
// less in later ones, as rooms decay.
func (k *filter) doubt(v float32) {
	for q := range k.parts {
		for i := range bins {
			k.p[q*bins+i] = max(k.p[q*bins+i], v)
		}
		v *= 0.7
	}
}

// copyFrom makes k a copy of o.
func (k *filter) copyFrom(o *filter) {
	copy(k.w, o.w)
	copy(k.p, o.p)
	k.es, k.left = o.es, o.left
}

// predict writes the echo of the newest frame of h to y.
func (k *filter) predict(y []float32, h *history) { k.through(y, h, h.x) }

// through writes the newest frame of any signal behind the path to y; x holds
// its spectra in the same slots as h.
func (k *filter) through(y []float32, h *history, spectra []complex64) {
	clear(k.acc[:])
	if k.fast {
		k.fastThrough(h, spectra)
	} else {
		k.slowThrough(h, spectra)
	}
	k.f.Inverse(k.time[:], k.acc[:])
	copy(y, k.time[lowFrame:])
}

func (k *filter) slowThrough(h *history, spectra []complex64) {
	acc := &k.acc
	q := 0
	for ; q+1 < k.parts; q += 2 { // two at a time spare half of the sums' traffic
		x0 := spectra[h.slot(q):][:bins]
		x1 := spectra[h.slot(q+1):][:bins]
		w0 := k.w[q*bins:][:bins]
		w1 := k.w[(q+1)*bins:][:bins]
		for i := range acc {
			a, b, c, d := x0[i], w0[i], x1[i], w1[i]
			s := acc[i]
			acc[i] = complex(
				real(s)+real(a)*real(b)-imag(a)*imag(b)+real(c)*real(d)-imag(c)*imag(d),
				imag(s)+real(a)*imag(b)+imag(a)*real(b)+real(c)*imag(d)+imag(c)*real(d))
		}
	}
	for ; q < k.parts; q++ {
		x := spectra[h.slot(q):][:bins]
		for i, b := range k.w[q*bins:][:bins] {
			acc[i] += x[i] * b
		}
	}
}

// observe takes the error of the last prediction and learns from it if the
// far end was active.
func (k *filter) observe(e []float32, h *history, learn bool) {
	clear(k.time[:lowFrame])
	copy(k.time[lowFrame:], e[:lowFrame])
	k.f.Forward(k.err[:], k.time[:])
	for i, v := range k.err {
		k.es[i] = 0.8*k.es[i] + 0.2*(real(v)*real(v)+imag(v)*imag(v)) + 1e-8
	}
	k.expect(h)
	if !learn {
		return
	}
	k.turn = (k.turn + 1) % constrainEvery
	if k.fast {
		k.fastLearn(h)
	} else {
		for q := range k.parts {
			k.learn(q, h)
		}
	}
	// A partition must stay shorter than a frame, or the convolution is not a linear one. It is
	// enough to see to that in turn.
	for q := range k.parts {
		if (q+k.turn)%constrainEvery == 0 {
			w := k.w[q*bins:][:bins]
			k.f.Inverse(k.time[:], w)
			clear(k.time[lowFrame:])
			k.f.Forward(w, k.time[:])
		}
	}
}

// expect sums what the uncertain path may leave, and sets the gain. The
// smoothed error itself stands for the near end, which is what makes double
// talk harmless: a larger error makes smaller steps.
func (k *filter) expect(h *history) {
	l := &k.left
	clear(l[:])
	if k.fast {
		k.fastExpect(h)
	} else {
		k.slowExpect(h)
	}
	for i := range l {
		k.gain[i] = 1 / (caution*l[i] + k.es[i])
		l[i] *= 0.5 // half of an error block is zero padding
	}
}

func (k *filter) slowExpect(h *history) {
	l := &k.left
	for q := range k.parts {
		x2 := h.x2[h.slot(q):][:bins]
		p := k.p[q*bins:][:bins]
		for i := range l {
			l[i] += x2[i] * p[i]
		}
	}
}

// learn is the Kalman update of one partition.
func (k *filter) learn(q int, h *history) {
	o := h.slot(q)
	x := h.x[o:][:bins]
	x2 := h.x2[o:][:bins]
	p := k.p[q*bins:][:bins]
	w := k.w[q*bins:][:bins]
	g := &k.grad
	const a2 = transition * transition
	for i := range g {
		mu := p[i] * k.gain[i]
		xr, xi := mu*real(x[i]), mu*imag(x[i])
		er, ei := real(k.err[i]), imag(k.err[i])
		g[i] = complex(xr*er+xi*ei, xr*ei-xi*er)
		wr, wi := real(w[i]), imag(w[i])
		v := a2*(1-trust*mu*x2[i])*p[i] + (1-a2)*(wr*wr+wi*wi+1e-7)
		p[i] = max(v, 1e-9)
	}
	for i, v := range g {
		w[i] = complex(real(w[i])+real(v), imag(w[i])+imag(v))
	}
}

// shift moves the path by n samples, to later times if n is positive.
func (k *filter) shift(n int) {
	total := k.parts * lowFrame
	for q := range k.parts {
		k.f.Inverse(k.time[:], k.w[q*bins:][:bins])
		copy(k.line[q*lowFrame:], k.time[:lowFrame])
	}
	for q := range k.parts {
		clear(k.time[:])
		for i := range lowFrame {
			if j := q*lowFrame + i - n; j >= 0 && j < total {
				k.time[i] = k.line[j]
			}
		}
		k.f.Forward(k.w[q*bins:][:bins], k.time[:])
	}
}
