package denoise

import (
	_ "embed"
	"fmt"

	"intercomd/audio/pcm"
)

// The network of RNNoise 0.2, see largeNetwork; testdata/large.mjs says how it was taken out of
// a build of that program, RNNOISE-LICENSE where it comes from.
//
//go:embed rnnoise-large.weights
var largeWeights []byte

const (
	largeBands    = 32
	largeFeatures = 2*largeBands + 1
	firstSize     = 128 // units of the first convolution
	cells         = 384 // of the second one and of each recurrent unit
	taps          = 3   // frames that a convolution sees
)

// largeNetwork is that of RNNoise 0.2: two convolutions over three frames each, so that the gains
// are those of the frame before the newest, three gated recurrent units in a row, and a layer
// that reads the gains of the bands from all four. Nearly all weights are signed bytes, and what
// they are multiplied with is rounded to such too.
type largeNetwork struct {
	first    layer
	second   matrix
	units    [3]unit
	gainOut  layer
	voiceOut layer

	seen        [taps * largeFeatures]float32
	hidden      [firstSize]float32
	recent      [taps * firstSize]int8 // hidden of the last frames
	rounded     [cells]int8
	known       [(1 + 3) * cells]float32
	gains       [largeBands]float32
	voiceChance [1]float32
}

// matrix is a layer of signed bytes, row after row, each with a scale.
type matrix struct {
	rows, columns int
	w             []byte
	scale, bias   []float32
}

// unit is a gated recurrent unit.
type unit struct {
	input, recurrent matrix
	diagonal         []float32 // of recurrent, kept apart for its size
	state            []float32
	in, from         []float32
	rounded          []int8 // state
}

func newLargeNetwork(raw []byte) (*largeNetwork, error) {
	r := largeReader{left: raw}
	n := &largeNetwork{
		first:  r.layer(taps*largeFeatures, firstSize),
		second: r.matrix(cells, taps*firstSize),
	}
	for i := range n.units {
		n.units[i] = unit{
			input: r.matrix(3*cells, cells), recurrent: r.matrix(3*cells, cells), diagonal: r.floats(3 * cells),
			state: make([]float32, cells), in: make([]float32, 3*cells), from: make([]float32, 3*cells), rounded: make([]int8, cells),
		}
	}
	n.gainOut = r.layer(len(n.known), largeBands)
	n.voiceOut = r.layer(len(n.known), 1)
	if r.short || len(r.left) != 0 {
		return nil, fmt.Errorf("denoise: the embedded large network has %d bytes, which is not what it consists of", len(raw))
	}
	return n, nil
}

func (n *largeNetwork) reset() {
	n.seen = [taps * largeFeatures]float32{}
	n.recent = [taps * firstSize]int8{}
	for i := range n.units {
		clear(n.units[i].state)
		clear(n.units[i].rounded)
	}
	n.voiceChance[0] = 0
}

// run computes the gain of each band of the frame before, and the chance of voice, from the
// features of a frame.
func (n *largeNetwork) run(features *[largeFeatures]float32) {
	copy(n.seen[:], n.seen[largeFeatures:])
	copy(n.seen[(taps-1)*largeFeatures:], features[:])
	n.first.run(n.hidden[:], n.seen[:])
	bend(n.hidden[:])
	copy(n.recent[:], n.recent[firstSize:])
	round(n.recent[(taps-1)*firstSize:], n.hidden[:])
	x := n.known[:cells]
	n.second.run(x, n.recent[:])
	bend(x)
	round(n.rounded[:], x)
	below := n.rounded[:]
	for i := range n.units {
		u := &n.units[i]
		u.run(below)
		below = u.rounded
		copy(n.known[(1+i)*cells:], u.state)
	}
	n.gainOut.run(n.gains[:], n.known[:])
	n.voiceOut.run(n.voiceChance[:], n.known[:])
	for i, v := range n.gains {
		n.gains[i] = gate(v)
	}
	n.voiceChance[0] = gate(n.voiceChance[0])
}

func (u *unit) run(x []int8) {
	u.input.run(u.in, x)
	u.recurrent.run(u.from, u.rounded)
	if pcm.Vectors() {
		u.fastGates()
	} else {
		u.gates()
	}
	round(u.rounded, u.state)
}

func (u *unit) gates() {
	n := len(u.state)
	in, from, d := u.in, u.from, u.diagonal
	for i, s := range u.state {
		z := gate(in[i] + (from[i] + d[i]*s))
		r := gate(in[n+i] + (from[n+i] + d[n+i]*s))
		h := curve(in[2*n+i] + (from[2*n+i]+d[2*n+i]*s)*r)
		u.state[i] = z*s + (1-z)*h
	}
}

func (m *matrix) run(y []float32, x []int8) {
	if pcm.Vectors() {
		m.fastRun(y, x)
	} else {
		m.slowRun(y, x)
	}
}

func (m *matrix) slowRun(y []float32, x []int8) {
	for r := range m.rows {
		var sum int32
		for i, w := range m.w[r*m.columns:][:m.columns] {
			sum += int32(int8(w)) * int32(x[i])
		}
		y[r] = m.scale[r]*float32(sum) + m.bias[r]
	}
}

// round makes signed bytes of 1/127 of what lies within ±1.
func round(y []int8, x []float32) {
	if pcm.Vectors() {
		fastBytes(y, x)
	} else {
		slowBytes(y, x)
	}
}

func slowBytes(y []int8, x []float32) {
	for i, v := range x {
		y[i] = int8(int32(127*v+127.5) - 127)
	}
}

// bend is the hyperbolic tangent of each of x.
func bend(x []float32) {
	if pcm.Vectors() {
		fastTanh(x)
		return
	}
	for i, v := range x {
		x[i] = curve(v)
	}
}

// curve differs from the hyperbolic tangent by less than 5e-5; RNNoise computes it so.
func curve(x float32) float32 {
	s := x * x
	v := x * (952.52801514 + s*(96.39235687+s*0.60863042)) / (952.72399902 + s*(413.36801147+s*11.88600922))
	return max(-1, min(1, v))
}

// gate is the logistic function, as near.
func gate(x float32) float32 { return 0.5 + 0.5*curve(0.5*x) }

// largeReader takes layers from the embedded bytes. Matrices stay where they are.
type largeReader struct {
	left  []byte
	short bool
}

func (r *largeReader) take(n int) []byte {
	if len(r.left) < n {
		r.short = true
		return make([]byte, n)
	}
	var out []byte
	out, r.left = r.left[:n:n], r.left[n:]
	return out
}

func (r *largeReader) floats(n int) []float32 { return decode(r.take(4 * n)) }

func (r *largeReader) layer(in, out int) layer {
	return layer{w: r.floats(in * out), b: r.floats(out)}
}

func (r *largeReader) matrix(rows, columns int) matrix {
	return matrix{rows: rows, columns: columns, w: r.take(rows * columns), scale: r.floats(rows), bias: r.floats(rows)}
}
