package denoise

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"math"
)

// The parameters are signed bytes of 1/256 each, layer after layer, see
// newNetwork; RNNOISE-LICENSE says where they come from.
//
//go:embed rnnoise.weights
var weights []byte

// The correction of the gains: little endian floats, weights by input, then
// the bias of each band (docs/decisions/noise-readout.md).
//
//go:embed readout.weights
var readoutWeights []byte

const (
	bandCount    = 22
	featureCount = 42

	denseSize  = 24
	voiceSize  = 24
	noiseSize  = 48
	cleanSize  = 96
	weightStep = 1.0 / 256

	knownSize = denseSize + voiceSize + noiseSize + cleanSize + featureCount
)

// network is the recurrent network of RNNoise: one dense layer, a gated
// recurrent unit that knows voice, one that knows noise, and one that decides
// on the gain of each band (J.-M. Valin, "A hybrid DSP/deep learning approach
// to real-time full-band speech enhancement", MMSP 2018, section IV). RNNoise
// reads the gains from the last unit alone and was trained for another window;
// readout corrects them from all that the network knows of a frame.
type network struct {
	in          layer
	voice       gru
	noise       gru
	clean       gru
	gainOut     layer
	voiceOut    layer
	readout     layer // no weights: RNNoise as it was
	known       [knownSize]float32
	fix         [bandCount]float32
	trust       float32 // how much of the correction counts, 0..1
	noiseIn     [denseSize + voiceSize + featureCount]float32
	cleanIn     [voiceSize + noiseSize + featureCount]float32
	dense       [denseSize]float32
	gains       [bandCount]float32
	voiceChance [1]float32
}

func newNetwork() (*network, error) {
	r := reader{left: weights}
	n := &network{
		in:       r.layer(featureCount, denseSize),
		voice:    r.gru(denseSize, voiceSize),
		noise:    r.gru(denseSize+voiceSize+featureCount, noiseSize),
		clean:    r.gru(voiceSize+noiseSize+featureCount, cleanSize),
		gainOut:  r.layer(cleanSize, bandCount),
		voiceOut: r.layer(voiceSize, 1),
	}
	if r.short || len(r.left) != 0 {
		return nil, fmt.Errorf("denoise: the embedded network has %d bytes too few or too many", len(r.left))
	}
	var err error
	n.readout, err = floats(readoutWeights, knownSize, bandCount)
	return n, err
}

// floats takes a layer of floats, which must be all of raw.
func floats(raw []byte, in, out int) (layer, error) {
	if len(raw) != 4*out*(in+1) {
		return layer{}, fmt.Errorf("denoise: the embedded read-out has %d bytes, want %d", len(raw), 4*out*(in+1))
	}
	all := decode(raw)
	return layer{w: all[:in*out], b: all[in*out:]}, nil
}

// decode makes numbers of little endian floats.
func decode(raw []byte) []float32 {
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

func (n *network) reset() {
	clear(n.voice.state)
	clear(n.noise.state)
	clear(n.clean.state)
}

// run computes the gain of each band and the chance of voice from the
// features of a frame.
func (n *network) run(features *[featureCount]float32) {
	n.in.run(n.dense[:], features[:])
	for i, v := range n.dense {
		n.dense[i] = tanh(v)
	}
	n.voice.run(n.dense[:])
	n.voiceOut.run(n.voiceChance[:], n.voice.state)
	n.voiceChance[0] = sigmoid(n.voiceChance[0])

	copy(n.noiseIn[:], n.dense[:])
	copy(n.noiseIn[denseSize:], n.voice.state)
	copy(n.noiseIn[denseSize+voiceSize:], features[:])
	n.noise.run(n.noiseIn[:])

	copy(n.cleanIn[:], n.voice.state)
	copy(n.cleanIn[voiceSize:], n.noise.state)
	copy(n.cleanIn[voiceSize+noiseSize:], features[:])
	n.clean.run(n.cleanIn[:])

	n.gainOut.run(n.gains[:], n.clean.state)
	n.correct(features)
	for i, v := range n.gains {
		n.gains[i] = sigmoid(v)
	}
}

// correct adds to the logits of the gains what all that is known says of them.
func (n *network) correct(features *[featureCount]float32) {
	if n.readout.w == nil || n.trust == 0 {
		return
	}
	k := copy(n.known[:], n.dense[:])
	k += copy(n.known[k:], n.voice.state)
	k += copy(n.known[k:], n.noise.state)
	k += copy(n.known[k:], n.clean.state)
	copy(n.known[k:], features[:])
	n.readout.run(n.fix[:], n.known[:])
	for i, v := range n.fix {
		n.gains[i] += n.trust * v
	}
}

// layer is a dense layer: y = Wx + b, W stored by input.
type layer struct {
	w, b []float32
}

func (l *layer) run(y, x []float32) {
	copy(y, l.b)
	l.add(y, x, 0, len(y))
}

// gru is a gated recurrent unit whose candidate is rectified.
type gru struct {
	input     layer
	recurrent layer
	state     []float32
	gates     []float32 // update gates, reset gates
	cand      []float32
	damped    []float32
}

func (g *gru) run(x []float32) {
	n := len(g.state)
	stride := 3 * n
	copy(g.gates, g.input.b[:2*n])
	g.input.add(g.gates, x, 0, stride)
	g.recurrent.add(g.gates, g.state, 0, stride)
	for i, v := range g.gates {
		g.gates[i] = sigmoid(v)
	}
	for i, s := range g.state {
		g.damped[i] = s * g.gates[n+i]
	}
	copy(g.cand, g.input.b[2*n:])
	g.input.add(g.cand, x, 2*n, stride)
	g.recurrent.add(g.cand, g.damped, 2*n, stride)
	for i, c := range g.cand {
		z := g.gates[i]
		g.state[i] = z*g.state[i] + (1-z)*max(c, 0)
	}
}

// reader takes layers from the embedded bytes.
type reader struct {
	left  []byte
	short bool
}

func (r *reader) take(n int) []float32 {
	out := make([]float32, n)
	if len(r.left) < n {
		r.short = true
		return out
	}
	for i, b := range r.left[:n] {
		out[i] = float32(int8(b)) * weightStep
	}
	r.left = r.left[n:]
	return out
}

func (r *reader) layer(in, out int) layer {
	return layer{w: r.take(in * out), b: r.take(out)}
}

func (r *reader) gru(in, size int) gru {
	g := gru{
		input:     layer{w: r.take(in * 3 * size)},
		recurrent: layer{w: r.take(size * 3 * size)},
		state:     make([]float32, size),
		gates:     make([]float32, 2*size),
		cand:      make([]float32, size),
		damped:    make([]float32, size),
	}
	g.input.b = r.take(3 * size)
	return g
}

func tanh(x float32) float32 { return float32(math.Tanh(float64(x))) }

func sigmoid(x float32) float32 { return 1 / (1 + float32(math.Exp(-float64(x)))) }
