package aec

import (
	"math"

	"intercomd/audio/pcm"
)

// monitor watches over the canceller: figures for the operator, and the
// moment when what was learned is worth nothing any more.
type monitor struct {
	mic, lin, clean float32 // powers while the far end talks alone
	far, echo       float32
	cross, self     float32 // of prediction and microphone, and of the prediction
	cross1, self1   float32 // the same over an eighth of a second
	mic1            float32
	astray          int // active frames in which the two had nothing in common
	double          float32
	known           bool // the powers above hold something
	tone            toneWatch
}

const (
	// In 150 active frames without any likeness of prediction and microphone
	// the path is taken for lost. Double talk does not look like that: the
	// prediction is still in the microphone, whatever else is.
	astrayLimit = 150
	astrayShare = 0.4
)

// frame is what the monitor sees of 10 ms.
type frame struct {
	mic, lin, clean, echo, far []float32
	near                       float32
	active                     bool
}

// update takes one frame and tells whether the path is lost.
func (m *monitor) update(f frame) bool {
	m.tone.update(f.clean, f.far)
	if !f.active {
		return false
	}
	talk := float32(0)
	if f.near > 0.5 {
		talk = 1
	}
	m.double += 0.001 * (talk - m.double)
	if f.near < 0.3 {
		m.alone(f)
	}
	return m.lost(f)
}

func (m *monitor) alone(f frame) {
	keep := float32(0.99)
	if !m.known {
		keep = 0.9
		m.known = m.mic > 1e-3
	}
	m.mic = keep*m.mic + (1-keep)*pcm.Dot(f.mic, f.mic)
	m.lin = keep*m.lin + (1-keep)*pcm.Dot(f.lin, f.lin)
	m.clean = keep*m.clean + (1-keep)*pcm.Dot(f.clean, f.clean)
	m.echo = keep*m.echo + (1-keep)*pcm.Dot(f.echo, f.echo)
	m.far = keep*m.far + (1-keep)*pcm.Dot(f.far, f.far)
}

// unlike tells, from 0 to 1, how little of the prediction has been in the
// microphone lately. Above 0 the path has just moved. Of a prediction much
// weaker than the microphone nothing can be said.
func (m *monitor) unlike() float32 {
	if m.self1 < 1e-4 || m.self1 < 0.4*m.mic1 {
		return 0
	}
	return min(1, max(0, 2-m.cross1/(0.35*m.self1)))
}

func (m *monitor) lost(f frame) bool {
	const keep, keep1 = 0.99, 0.92
	c, p := pcm.Dot(f.echo, f.mic), pcm.Dot(f.echo, f.echo)
	m.cross = keep*m.cross + (1-keep)*c
	m.self = keep*m.self + (1-keep)*p
	m.cross1 = keep1*m.cross1 + (1-keep1)*c
	m.self1 = keep1*m.self1 + (1-keep1)*p
	m.mic1 = keep1*m.mic1 + (1-keep1)*pcm.Dot(f.mic, f.mic)
	if m.self < 1e-4 || m.cross > astrayShare*m.self {
		m.astray = 0
		return false
	}
	if m.astray++; m.astray < astrayLimit {
		return false
	}
	m.astray, m.cross, m.self = 0, 0, 0
	return true
}

// decibels is the ratio of two powers in dB, 0 if one is missing.
func decibels(a, b float32) float32 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return float32(10 * math.Log10(float64(a/b)))
}

// toneWatch looks for a steady tone that both the far end and the cleaned
// near end consist of: a loop through both stations that has begun to sing.
type toneWatch struct {
	clean, far resonance
	frames     int
}

const howlFrames = 60

func (t *toneWatch) update(clean, far []float32) {
	a, fa := t.clean.update(clean)
	b, fb := t.far.update(far)
	if a && b && abs(fa-fb) < 0.02 {
		t.frames = min(t.frames+1, 2*howlFrames)
		return
	}
	t.frames = max(t.frames-4, 0)
}

func (t *toneWatch) howling() bool { return t.frames >= howlFrames }

// resonance fits x[n] = c·x[n-1] − x[n-2], which a steady sine fulfils with
// c = 2cos ω.
type resonance struct{ x1, x2 float32 }

// update tells whether a frame is one loud tone, and its c.
func (r *resonance) update(x []float32) (tone bool, c float32) {
	var num, den, pow float32
	a, b := r.x2, r.x1
	for _, v := range x {
		num += (v + a) * b
		den += b * b
		pow += v * v
		a, b = b, v
	}
	a, b = r.x2, r.x1
	r.x2, r.x1 = x[len(x)-2], x[len(x)-1]
	if pow < 3e-4*float32(len(x)) || den == 0 {
		return false, 0
	}
	c = num / den
	var rest float32
	for _, v := range x {
		e := v - c*b + a
		rest += e * e
		a, b = b, v
	}
	return rest < 0.003*pow, c
}
