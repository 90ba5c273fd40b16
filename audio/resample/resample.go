// Package resample changes the pace of sound: between the rates of devices, recordings and
// codecs, and by the few parts per million by which two clocks differ. It knows samples, not whose.
package resample

import (
	"math"
	"slices"

	"intercomd/audio/pcm"
)

const (
	rateTaps   = 24  // of the interpolating filter; at 48 kHz flat to 17 kHz
	ratePhases = 128 // of the filter table; between them it is interpolated
)

// Resampler converts a stream to another sample rate, by any factor and one that
// may change while it runs: a windowed-sinc interpolator (Smith, "Digital audio
// resampling", CCRMA). At factor 1 it hands samples through unchanged.
type Resampler struct {
	Step  float64   // input samples per output sample
	pos   float64   // of the next output sample in hist, plus rateTaps/2-1
	hist  []float32 // input not yet done with
	table []float32 // ratePhases+1 rows of rateTaps
	fast  bool      // by vectors, see kernel.go
}

// New converts from one rate to another, in Hz, taking pieces of input
// of up to most samples.
func New(from, to float64, most int) *Resampler {
	r := &Resampler{Step: from / to, fast: pcm.Vectors()}
	r.table = sincTable(min(1, 0.97/r.Step))
	if r.Step == 1 {
		r.table = sincTable(1)
	}
	r.hist = make([]float32, rateTaps-1, rateTaps+2*most+16)
	return r
}

// sincTable is a Kaiser-windowed sinc (β = 7), cut off at a share of Nyquist.
func sincTable(cutoff float64) []float32 {
	t := make([]float32, (ratePhases+1)*rateTaps)
	for p := range ratePhases + 1 {
		row := t[p*rateTaps : (p+1)*rateTaps]
		sum := 0.
		for k := range row {
			x := float64(k) - (rateTaps/2 - 1) - float64(p)/ratePhases
			v := cutoff * sinc(cutoff*x) * kaiser(x/(rateTaps/2), 7)
			row[k] = float32(v)
			sum += v
		}
		for k := range row {
			row[k] /= float32(sum)
		}
	}
	return t
}

func sinc(x float64) float64 {
	if math.Abs(x) < 1e-9 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the Kaiser window at x in [-1, 1].
func kaiser(x, beta float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return bessel(beta*math.Sqrt(1-x*x)) / bessel(beta)
}

// bessel is the modified Bessel function of order zero.
func bessel(x float64) float64 {
	sum, term := 1., 1.
	for k := 1.; term > sum*1e-12; k++ {
		term *= x * x / 4 / (k * k)
		sum += term
	}
	return sum
}

// Clear forgets the input so far.
func (r *Resampler) Clear() {
	r.hist, r.pos, r.Step = r.hist[:rateTaps-1], 0, 1
	clear(r.hist)
}

// place is where the i-th output sample from now on is, rounded twice on every machine, as C does it.
func (r *Resampler) place(i int) float64 { return r.pos + float64(float64(i)*r.Step) }

// Need is how many samples feed must be given before pull can make n.
func (r *Resampler) Need(n int) int {
	return max(0, int(r.place(n-1))+rateTaps-len(r.hist))
}

// Feed takes input.
func (r *Resampler) Feed(in []float32) { r.hist = append(r.hist, in...) }

// Ready is how many samples pull can make.
func (r *Resampler) Ready() int {
	room := float64(len(r.hist)-rateTaps+1) - r.pos
	return max(0, int(math.Ceil(room/r.Step)))
}

// Pull makes len(out) samples, at most ready.
func (r *Resampler) Pull(out []float32) {
	switch {
	case r.Step == 1 && r.pos == math.Trunc(r.pos):
		copy(out, r.hist[int(r.pos)+rateTaps/2-1:])
	case r.fast:
		r.fastPull(out)
	default:
		r.slowPull(out)
	}
	r.pos += float64(len(out)) * r.Step
	done := min(int(r.pos), len(r.hist))
	r.hist = r.hist[:copy(r.hist, r.hist[done:])]
	r.pos -= float64(done)
}

// slowPull is Pull in Go, for processors without vectors, and what C is compared with.
func (r *Resampler) slowPull(out []float32) {
	for i := range out {
		pos := r.place(i)
		k := int(pos)
		out[i] = r.at(k, pos-float64(k))
	}
}

// All converts a whole sound from a rate in Hz to [SampleRate].
func All(x []float32, from int) []float32 {
	const piece = 4096
	r := New(float64(from), pcm.SampleRate, piece)
	out := make([]float32, 0, len(x)*pcm.SampleRate/from+piece)
	// Silence behind the end pushes the last samples through the filter.
	in := slices.Concat(x, make([]float32, rateTaps))
	for len(in) > 0 {
		n := min(piece, len(in))
		r.Feed(in[:n])
		in = in[n:]
		k := len(out)
		out = append(out, make([]float32, r.Ready())...)
		r.Pull(out[k:])
	}
	// The filter's own delay, at the start, is not part of the sound.
	skip := min((rateTaps/2)*pcm.SampleRate/from, len(out))
	return out[skip:min(skip+len(x)*pcm.SampleRate/from, len(out))]
}

// at interpolates at a fraction of a sample behind the middle of the taps from k.
func (r *Resampler) at(k int, frac float64) float32 {
	p := frac * ratePhases
	row := int(p)
	w := float32(p - float64(row))
	x := r.hist[k : k+rateTaps]
	a := r.table[row*rateTaps:][:rateTaps]
	b := r.table[(row+1)*rateTaps:][:rateTaps]
	var s, t float32
	for i, v := range x {
		s += v * a[i]
		t += v * b[i]
	}
	return s + w*(t-s)
}

// The conversion between 48 kHz and the 8 kHz of G.711: a linear-phase low-pass
// at 3.7 kHz in its two polyphase forms.
const (
	NarrowFactor = 6
	narrowTaps   = 36 // per phase: 4.5 ms, so 2.25 ms of delay
)

// narrowTable holds narrowFactor phases of narrowTaps, for unit gain when
// interpolating.
func narrowTable() []float32 {
	const n = NarrowFactor * narrowTaps
	const cutoff = 3700. / (pcm.SampleRate / 2)
	t := make([]float32, n)
	var sum float64
	h := make([]float64, n)
	for i := range h {
		x := float64(i) - (n-1)/2.
		h[i] = cutoff * sinc(cutoff*x) * kaiser(2*x/n, 6)
		sum += h[i]
	}
	for i, v := range h {
		t[i%NarrowFactor*narrowTaps+narrowTaps-1-i/NarrowFactor] = float32(v / sum * NarrowFactor)
	}
	return t
}

// Widener converts 8 kHz to 48 kHz.
type Widener struct {
	table []float32
	hist  [narrowTaps + 960]float32 // the last narrowTaps-1 samples, then new ones
}

// NewWidener returns a converter that has heard silence.
func NewWidener() *Widener { return &Widener{table: narrowTable()} }

// Process makes 6 samples of out from each of in.
func (w *Widener) Process(out, in []float32) {
	for len(in) > 0 {
		n := min(len(in), len(w.hist)-narrowTaps)
		copy(w.hist[narrowTaps-1:], in[:n])
		for i := range n {
			x := w.hist[i : i+narrowTaps]
			for p := range NarrowFactor {
				out[i*NarrowFactor+p] = pcm.Dot(x, w.table[p*narrowTaps:])
			}
		}
		copy(w.hist[:narrowTaps-1], w.hist[n:])
		in, out = in[n:], out[n*NarrowFactor:]
	}
}

// Narrower converts 48 kHz to 8 kHz.
type Narrower struct {
	taps []float32
	hist [NarrowFactor*narrowTaps + 2880]float32
}

// NewNarrower returns a converter that has heard silence.
func NewNarrower() *Narrower {
	t := narrowTable()
	n := &Narrower{taps: make([]float32, len(t))}
	for i := range t {
		// Symmetric, so the order of time does not matter.
		n.taps[i] = t[i%NarrowFactor*narrowTaps+narrowTaps-1-i/NarrowFactor] / NarrowFactor
	}
	return n
}

// Process makes one sample of out from each 6 of in, whose length is a multiple
// of 6 and at most 60 ms.
func (n *Narrower) Process(out, in []float32) {
	const keep = NarrowFactor*narrowTaps - NarrowFactor
	copy(n.hist[keep:], in)
	for i := range len(in) / NarrowFactor {
		out[i] = pcm.Dot(n.hist[i*NarrowFactor:][:len(n.taps)], n.taps)
	}
	copy(n.hist[:keep], n.hist[len(in):])
}
