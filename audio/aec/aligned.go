package aec

import (
	"math"

	"intercomd/audio/pcm"
)

// Plain is a canceller that expects the echo within a short time of its
// reference, such as the wrapper of libspeexdsp. Lengths and rates are as
// for Canceller.
type Plain interface {
	Process(out, mic, far []float32)
	Reset()
	Close()
}

// Aligned lends the delay search of this package to a Plain canceller: it
// hands over the far end as late as its echo arrives.
type Aligned struct {
	inner            Plain
	micDown, farDown *decimator
	search           *delaySearch
	track            tracker
	mon              monitor

	ring  []float32 // the far end at 48 kHz
	end   int
	delay int // samples of 48 kHz

	full      [2][Frame]float32
	late      [Frame]float32
	mic, far  [lowFrame]float32
	lin, zero [lowFrame]float32
	outDown   *decimator
}

const (
	alignRing = 1 << 15
	alignLead = SampleRate / 100 // the reference precedes the strongest arrival by 10 ms
)

// NewAligned wraps inner, which it owns from then on.
func NewAligned(inner Plain) *Aligned {
	taps := bandFilter()
	return &Aligned{
		inner:   inner,
		micDown: newDecimator(taps), farDown: newDecimator(taps), outDown: newDecimator(taps),
		search: newDelaySearch(),
		ring:   make([]float32, alignRing),
	}
}

// Process implements Canceller.
func (a *Aligned) Process(out, mic, far []float32) {
	m, f := sane(&a.full[0], mic), sane(&a.full[1], far)
	for i, v := range f {
		a.ring[(a.end+i)&(alignRing-1)] = v
	}
	a.end = (a.end + Frame) & (alignRing - 1)
	a.micDown.process(a.mic[:], m)
	a.farDown.process(a.far[:], f)
	if a.search.push(a.far[:], a.mic[:]) {
		a.retune()
	}
	start := a.end - Frame - a.delay
	for i := range a.late {
		a.late[i] = a.ring[(start+i)&(alignRing-1)]
	}
	if len(out) != Frame {
		return
	}
	a.inner.Process(out, m, a.late[:])
	a.outDown.process(a.lin[:], out)
	active := pcm.Dot(a.late[:], a.late[:]) > 1e-4
	a.mon.update(frame{a.mic[:], a.lin[:], a.lin[:], a.zero[:], a.far[:], 0, active})
}

// retune moves the reference to a new delay.
func (a *Aligned) retune() {
	lag, ok := a.track.judge(a.search, float32(a.delay)/decim)
	if !ok {
		return
	}
	a.delay = min(max(0, int(math.Round(float64(lag)*decim))-alignLead), alignRing-2*Frame)
	a.track.believe(lag - float32(a.delay)/decim)
	a.inner.Reset()
}

// Stats implements Canceller. What only the Kalman canceller measures is left
// zero.
func (a *Aligned) Stats() Stats {
	erle := decibels(a.mon.mic, a.mon.lin)
	return Stats{
		ERLE:       erle,
		LinearERLE: erle,
		Delay:      float32(a.delay)*1000/SampleRate + a.track.place*1000/lowRate,
		DelayKnown: a.track.known,
		Converged:  a.track.known && a.mon.known && erle > 6,
		Diverged:   a.mon.known && erle < 1,
		Howling:    a.mon.tone.howling(),
	}
}

// Reset implements Canceller.
func (a *Aligned) Reset() {
	a.inner.Reset()
	a.micDown.reset()
	a.farDown.reset()
	a.outDown.reset()
	a.search.reset()
	a.track, a.mon = tracker{}, monitor{}
	clear(a.ring)
	a.delay = 0
}

// Close implements Canceller.
func (a *Aligned) Close() { a.inner.Close() }
