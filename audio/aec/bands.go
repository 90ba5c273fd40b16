package aec

import (
	"math"

	"intercomd/audio/pcm"
)

// The canceller proper works at 16 kHz, where speech and nearly all echo of
// a small loudspeaker are; what lies above is only made quieter or not. The
// two bands are complementary: the high band is the delayed input minus the
// interpolated low band, so that they add up to the very input again if
// nothing is done to them.
const (
	decim    = 3
	lowRate  = SampleRate / decim
	lowFrame = Frame / decim

	bandTaps  = 72                          // taps of the low-pass at 48 kHz
	bandDelay = bandTaps                    // samples of 48 kHz through both passes, made whole
	bandEdge  = 7900.0 / (SampleRate / 2.0) // middle of the transition, relative to Nyquist
)

// bandFilter is a Kaiser-windowed sinc of bandTaps+1 taps (Oppenheim and
// Schafer, "Discrete-Time Signal Processing", 7.6): linear phase, delay
// bandTaps/2, about 52 dB of stop band from 9 kHz on.
func bandFilter() []float32 {
	const beta = 4.6
	h := make([]float32, bandTaps+1)
	var sum float64
	tmp := make([]float64, len(h))
	for i := range h {
		t := float64(i) - bandTaps/2
		r := 2 * t / bandTaps
		tmp[i] = sinc(bandEdge*t) * bessel0(beta*math.Sqrt(1-r*r))
		sum += tmp[i]
	}
	for i := range h {
		h[i] = float32(tmp[i] / sum)
	}
	return h
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of order zero, by its series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

// decimator turns frames of 48 kHz into frames of 16 kHz.
type decimator struct {
	taps []float32
	buf  []float32 // bandTaps samples of history, then the frame
}

func newDecimator(taps []float32) *decimator {
	return &decimator{taps: taps, buf: make([]float32, bandTaps+Frame)}
}

func (d *decimator) reset() { clear(d.buf) }

// process filters and decimates Frame samples of x to lowFrame samples.
func (d *decimator) process(y, x []float32) {
	copy(d.buf, d.buf[Frame:])
	copy(d.buf[bandTaps:], x[:Frame])
	for i := range y[:lowFrame] {
		y[i] = pcm.Dot(d.taps, d.buf[decim*i:])
	}
}

// interpolator turns frames of 16 kHz into frames of 48 kHz.
type interpolator struct {
	phase [decim][]float32 // reversed polyphase components, gain decim
	buf   []float32        // history, then the frame
}

const interTaps = bandTaps/decim + 1

func newInterpolator(taps []float32) *interpolator {
	p := &interpolator{buf: make([]float32, interTaps-1+lowFrame)}
	for ph := range decim {
		h := make([]float32, interTaps)
		for k := range interTaps {
			if i := ph + decim*k; i < len(taps) {
				h[interTaps-1-k] = decim * taps[i]
			}
		}
		p.phase[ph] = h
	}
	return p
}

func (p *interpolator) reset() { clear(p.buf) }

// process interpolates lowFrame samples of x to Frame samples.
func (p *interpolator) process(y, x []float32) {
	copy(p.buf, p.buf[lowFrame:])
	copy(p.buf[interTaps-1:], x[:lowFrame])
	y = y[:Frame]
	for i := range lowFrame {
		w := p.buf[i:][:interTaps]
		y[decim*i] = pcm.Dot(w, p.phase[0])
		y[decim*i+1] = pcm.Dot(w, p.phase[1])
		y[decim*i+2] = pcm.Dot(w, p.phase[2])
	}
}

// delayLine delays frames of any one length by a fixed number of samples.
type delayLine struct{ buf []float32 }

func newDelayLine(delay, frame int) *delayLine {
	return &delayLine{buf: make([]float32, delay+frame)}
}

// process writes x as it was delay samples ago to y, which may be x.
func (d *delayLine) process(y, x []float32) {
	n := len(x)
	copy(d.buf, d.buf[n:])
	copy(d.buf[len(d.buf)-n:], x)
	copy(y, d.buf[:n])
}

func (d *delayLine) reset() { clear(d.buf) }
