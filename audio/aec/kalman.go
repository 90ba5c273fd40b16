package aec

import (
	"math"

	"intercomd/audio/pcm"
)

// Kalman is the canceller of the house: delay search, frequency-domain
// Kalman filter and residual echo suppressor at 16 kHz, with the band above
// 8 kHz made quieter along with the top of the lower one.
type Kalman struct {
	micDown, farDown *decimator
	lowUp, restUp    *interpolator
	direct           *delayLine // the microphone, as late as the low band
	lowDelay         *delayLine

	search *delaySearch
	ref    *refLine
	shp    *shape
	hist   *history
	flt    *filter
	try    *trial
	clock  *drift
	sup    *suppressor

	mic, far, aligned, predicted, echo, lin, clean [lowFrame]float32

	track tracker
	level levels
	mon   monitor

	restarts int
	turn     int
	high     float32 // gain of the high band

	full [2][Frame]float32
	late [Frame]float32
}

// tailMs is the length of the path that the filter learns, beyond the bulk
// delay.
const tailMs = 140

// NewKalman makes a canceller with nothing learned.
func NewKalman() *Kalman {
	taps := bandFilter()
	k := &Kalman{
		micDown: newDecimator(taps), farDown: newDecimator(taps),
		lowUp: newInterpolator(taps), restUp: newInterpolator(taps),
		direct:   newDelayLine(bandDelay+decim*lowLate, Frame),
		lowDelay: newDelayLine(lowLate, lowFrame),
		search:   newDelaySearch(),
		ref:      newRefLine(),
		shp:      newShape(tailMs / 10),
		hist:     newHistory(tailMs / 10),
		flt:      newFilter(tailMs / 10),
		try:      newTrial(tailMs / 10),
		clock:    newDrift(),
		sup:      newSuppressor(),
	}
	k.Reset()
	return k
}

// Latency is the delay of out behind mic, in samples.
func (k *Kalman) Latency() int { return bandDelay + decim*lowLate }

// Reset implements Canceller.
func (k *Kalman) Reset() {
	k.micDown.reset()
	k.farDown.reset()
	k.lowUp.reset()
	k.restUp.reset()
	k.direct.reset()
	k.lowDelay.reset()
	k.search.reset()
	k.ref.reset()
	k.shp.reset()
	k.hist.reset()
	k.flt.reset()
	k.try.reset()
	k.clock.reset()
	k.sup.reset()
	k.track = tracker{}
	k.level = levels{}
	k.mon = monitor{}
	k.restarts = 0
	k.high = 1
}

// Close implements Canceller.
func (k *Kalman) Close() {}

// Stats implements Canceller.
func (k *Kalman) Stats() Stats {
	m := &k.mon
	linear := decibels(m.mic, m.lin)
	return Stats{
		ERLE:       decibels(m.mic, m.clean),
		LinearERLE: linear,
		Delay:      (float32(k.ref.delay) + k.track.place) * 1000 / lowRate,
		DelayKnown: k.track.known,
		Drift:      float32(k.clock.rate / lowFrame * 1e6),
		DoubleTalk: m.double,
		Coupling:   decibels(m.echo, m.far),
		Noise:      k.sup.noise.level(),
		Converged:  k.track.known && m.known && linear > 10,
		Diverged:   m.known && linear < 3 || m.astray > astrayLimit/2,
		Howling:    m.tone.howling(),
	}
}

// Process implements Canceller.
func (k *Kalman) Process(out, mic, far []float32) {
	m := sane(&k.full[0], mic)
	f := sane(&k.full[1], far)
	k.micDown.process(k.mic[:], m)
	k.farDown.process(k.far[:], f)
	k.cancel()
	k.assemble(out, m)
}

// sane copies a frame, with everything that is not a number in range made
// silence or full scale.
func sane(dst *[Frame]float32, src []float32) []float32 {
	if len(src) != Frame {
		clear(dst[:])
		return dst[:]
	}
	for i, v := range src {
		switch {
		case v >= -1 && v <= 1:
		case v > 1 && v <= math.MaxFloat32:
			v = 1
		case v < -1 && v >= -math.MaxFloat32:
			v = -1
		default:
			v = 0
		}
		dst[i] = v
	}
	return dst[:]
}

// cancel runs the low band: mic and far to clean, lowLate samples late.
func (k *Kalman) cancel() {
	k.ref.push(k.far[:])
	if k.search.push(k.far[:], k.mic[:]) {
		k.retune()
	}
	k.ref.read(k.aligned[:], 0)
	k.shp.push(k.aligned[:], k.hist)
	k.flt.predict(k.echo[:], k.hist)
	copy(k.predicted[:], k.echo[:])
	for i, v := range k.mic {
		k.lin[i] = v - k.echo[i]
	}
	k.level.update(k)
	active := k.level.far > 1e-6
	k.flt.observe(k.lin[:], k.hist, active)
	if active {
		if k.try.step(k.flt, k.hist, k.mic[:], k.lin[:], k.level.lin > 0.003*k.level.mic) {
			k.shp.forget()
			k.clock.settle()
		}
	}
	// A third of the frames is enough for a curve that hardly changes.
	if k.turn = (k.turn + 1) % 3; k.turn == 0 && k.level.far > 1e-5 && k.level.lin < 0.25*k.level.mic {
		k.shp.learn(k.flt, k.hist, k.lin[:], k.level.lin)
	}
	usable := k.level.far > 1e-5 && k.level.lin < 0.25*k.level.mic
	if move := k.clock.update(k.flt, k.echo[:], usable); k.track.known {
		k.ref.setDelay(k.ref.delay + move)
	}
	if !k.level.useFilter() {
		copy(k.lin[:], k.mic[:])
	}
	k.sup.process(k.clean[:], k.lin[:], k.echo[:], &k.flt.left, k.mon.unlike())
	if k.mon.update(frame{k.mic[:], k.lin[:], k.clean[:], k.predicted[:], k.aligned[:], k.sup.near, active}) {
		k.restart()
	}
}

// restart forgets the path, which has proved worthless, but not the room.
func (k *Kalman) restart() {
	k.shp.reset()
	k.hist.reset()
	k.flt.reset()
	k.try.reset()
	k.clock.reset()
	k.search.forget()
	k.track = tracker{}
	k.restarts++
}

// assemble adds the high band to the clean low band.
func (k *Kalman) assemble(out, mic []float32) {
	k.direct.process(k.late[:], mic)
	k.lowDelay.process(k.mic[:], k.mic[:])
	low := k.full[1][:]
	k.restUp.process(low, k.mic[:])
	// The gain changes while the spectra of the low band overlap.
	step := (k.sup.highGain() - k.high) / (decim * lowLate)
	for i, v := range low {
		if i < decim*lowLate {
			k.high += step
		}
		k.late[i] = k.high * (k.late[i] - v)
	}
	k.lowUp.process(low, k.clean[:])
	if len(out) != Frame {
		return
	}
	for i, v := range low {
		out[i] = k.late[i] + v
	}
}

// levels are short-term powers of the low band.
type levels struct {
	far, mic, lin, echo float32
}

func (l *levels) update(k *Kalman) {
	l.far = pcm.Dot(k.aligned[:], k.aligned[:])
	d, e, y := pcm.Dot(k.mic[:], k.mic[:]), pcm.Dot(k.lin[:], k.lin[:]), pcm.Dot(k.echo[:], k.echo[:])
	l.mic = 0.9*l.mic + 0.1*d
	l.lin = 0.9*l.lin + 0.1*e
	l.echo = 0.9*l.echo + 0.1*y
}

// useFilter tells whether the filter's output is better than the microphone.
func (l *levels) useFilter() bool { return l.lin < 1.2*l.mic }

// lead is how far before the strongest arrival the filter begins, in samples
// of 16 kHz: the strongest arrival need not be the first.
const lead = 160

// retune looks at a new estimate of the delay. A filter that has learned a
// path keeps it: what moved is the sound card, not the room.
func (k *Kalman) retune() {
	if k.search.confidence >= searchSure {
		k.clock.hint(float64(k.search.lag))
	}
	old, known, place := k.ref.delay, k.track.known, k.track.place
	lag, ok := k.track.judge(k.search, float32(old))
	if !ok {
		return
	}
	k.ref.setDelay(math.Floor(float64(max(0, lag-lead))))
	move := old - k.ref.delay
	if known {
		move += float64(lag-place) - old
	}
	k.track.believe(lag - float32(k.ref.delay))
	k.flt.shift(int(math.Round(move)))
	k.try.reset()
	k.clock.settle()
	k.rebuild()
	k.flt.doubt(0.5)
}

// rebuild computes the history of the far end anew after its delay changed.
func (k *Kalman) rebuild() {
	k.ref.read(k.aligned[:], k.hist.parts*lowFrame)
	k.shp.push(k.aligned[:], k.hist)
	for q := k.hist.parts - 1; q >= 0; q-- {
		k.ref.read(k.aligned[:], q*lowFrame)
		k.shp.push(k.aligned[:], k.hist)
	}
}
