package audio

// The conversion between 48 kHz and the 8 kHz of G.711: a linear-phase low-pass
// at 3.7 kHz in its two polyphase forms.
const (
	narrowFactor = 6
	narrowTaps   = 36 // per phase: 4.5 ms, so 2.25 ms of delay
)

// narrowTable holds narrowFactor phases of narrowTaps, for unit gain when
// interpolating.
func narrowTable() []float32 {
	const n = narrowFactor * narrowTaps
	const cutoff = 3700. / (SampleRate / 2)
	t := make([]float32, n)
	var sum float64
	h := make([]float64, n)
	for i := range h {
		x := float64(i) - (n-1)/2.
		h[i] = cutoff * sinc(cutoff*x) * kaiser(2*x/n, 6)
		sum += h[i]
	}
	for i, v := range h {
		t[i%narrowFactor*narrowTaps+narrowTaps-1-i/narrowFactor] = float32(v / sum * narrowFactor)
	}
	return t
}

// widener converts 8 kHz to 48 kHz.
type widener struct {
	table []float32
	hist  [narrowTaps + 960]float32 // the last narrowTaps-1 samples, then new ones
}

func newWidener() *widener { return &widener{table: narrowTable()} }

// process makes 6 samples of out from each of in.
func (w *widener) process(out, in []float32) {
	for len(in) > 0 {
		n := min(len(in), len(w.hist)-narrowTaps)
		copy(w.hist[narrowTaps-1:], in[:n])
		for i := range n {
			x := w.hist[i : i+narrowTaps]
			for p := range narrowFactor {
				out[i*narrowFactor+p] = dot(x, w.table[p*narrowTaps:])
			}
		}
		copy(w.hist[:narrowTaps-1], w.hist[n:])
		in, out = in[n:], out[n*narrowFactor:]
	}
}

// narrower converts 48 kHz to 8 kHz.
type narrower struct {
	taps []float32
	hist [narrowFactor*narrowTaps + 2880]float32
}

func newNarrower() *narrower {
	t := narrowTable()
	n := &narrower{taps: make([]float32, len(t))}
	for i := range t {
		// Symmetric, so the order of time does not matter.
		n.taps[i] = t[i%narrowFactor*narrowTaps+narrowTaps-1-i/narrowFactor] / narrowFactor
	}
	return n
}

// process makes one sample of out from each 6 of in, whose length is a multiple
// of 6 and at most 60 ms.
func (n *narrower) process(out, in []float32) {
	const keep = narrowFactor*narrowTaps - narrowFactor
	copy(n.hist[keep:], in)
	for i := range len(in) / narrowFactor {
		out[i] = dot(n.hist[i*narrowFactor:][:len(n.taps)], n.taps)
	}
	copy(n.hist[:keep], n.hist[len(in):])
}

func dot(x, y []float32) (s float32) {
	y = y[:len(x)]
	for i, v := range x {
		s += v * y[i]
	}
	return s
}
