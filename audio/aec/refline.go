package aec

import (
	"math"

	"intercomd/audio/pcm"
)

// refLine holds the last second of the far end at 16 kHz and reads it back
// with a delay that may be fractional and may change slowly: the bulk delay
// between loudspeaker and microphone and the drift of their clocks.
type refLine struct {
	ring  []float32
	end   int // samples written so far, modulo the ring
	table []float32
	delay float64                     // samples; whole while exact is set
	piece [lowFrame + refTaps]float32 // of the ring, while it is read
}

const (
	refLen    = 1 << 14
	refMask   = refLen - 1
	refTaps   = 16
	refPhases = 64
	refMax    = refLen - 4096 // largest delay, samples: room for a filter's history
)

func newRefLine() *refLine {
	r := &refLine{ring: make([]float32, refLen), table: make([]float32, (refPhases+1)*refTaps)}
	for p := range refPhases + 1 {
		f := float64(p) / refPhases
		row := r.table[p*refTaps:][:refTaps]
		var sum float64
		for i := range row {
			// Tap i lies at i-(refTaps/2-1) relative to the sample before.
			t := float64(i-(refTaps/2-1)) - f
			w := 2 * t / (refTaps + 1)
			v := sinc(t) * bessel0(5*math.Sqrt(math.Max(0, 1-w*w)))
			row[i] = float32(v)
			sum += v
		}
		for i := range row {
			row[i] /= float32(sum)
		}
	}
	return r
}

func (r *refLine) reset() {
	clear(r.ring)
	r.end, r.delay = 0, 0
}

func (r *refLine) push(x []float32) {
	for _, v := range x {
		r.ring[r.end&refMask] = v
		r.end++
	}
	r.end &= refMask
}

// setDelay asks for a delay in samples of 16 kHz.
func (r *refLine) setDelay(d float64) { r.delay = min(max(d, 0), refMax) }

// read fills y, a frame at most, with the far end as it was back samples before the newest
// frame, behind the delay. back = 0 reads the frame that belongs to the
// newest microphone frame.
func (r *refLine) read(y []float32, back int) {
	whole := math.Floor(r.delay)
	frac := r.delay - whole
	start := r.end - len(y) - back - int(whole)
	if r.delay < refTaps {
		for i := range y {
			y[i] = r.ring[(start+i)&refMask]
		}
		return
	}
	// The value at start-frac lies 1-frac after the sample before start.
	f := (1 - frac) * refPhases
	p := min(int(f), refPhases-1)
	mix := float32(f - float64(p))
	a := r.table[p*refTaps:][:refTaps]
	b := r.table[(p+1)*refTaps:][:refTaps]
	var h [refTaps]float32
	for i := range h {
		h[i] = a[i] + mix*(b[i]-a[i])
	}
	start -= refTaps / 2
	x := r.piece[:len(y)+refTaps]
	for i := range x {
		x[i] = r.ring[(start+i)&refMask]
	}
	for i := range y {
		y[i] = pcm.Dot(h[:], x[i:])
	}
}
