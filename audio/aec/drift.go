package aec

import (
	"math"

	"intercomd/audio/fft"
)

// drift follows the clocks of loudspeaker and microphone, which run apart
// where the two are separate devices. It is a delay-locked loop: a true echo
// that lags behind the predicted one turns the phase of the error against
// the prediction in proportion to frequency. The lag found is taken out of
// the reference line at once in part, and in part changes the rate at which
// the line is read.
type drift struct {
	f    *fft.Real
	y    [bins]complex64
	time [fftLen]float32

	trend trend
	now   float64 // frames since the start

	num, den float64
	frames   int
	hold     int     // frames to wait until the path has settled
	rate     float64 // samples of 16 kHz that the delay grows by in a frame
}

const (
	driftFrames = 10  // frames per loop step
	driftHold   = 100 // frames after a change of path
	driftMax    = 400e-6 * lowFrame
	driftLow    = 300 * fftLen / lowRate
	// Loop gains for each step: the share of a lag taken out at once, the
	// share that changes the rate, and the information (samples⁻²) below
	// which a lag is hardly believed.
	driftNow  = 0.3
	driftRate = 0.01
	driftSure = 3000
	driftHigh = 5000 * fftLen / lowRate
)

func newDrift() *drift { return &drift{f: fft.MustReal(fftLen), hold: driftHold} }

func (d *drift) reset() {
	d.rate, d.now = 0, 0
	d.trend.reset()
	d.settle()
}

// settle makes the loop wait: the path is being learned anew.
func (d *drift) settle() { d.num, d.den, d.frames, d.hold = 0, 0, 0, driftHold }

// hint takes a sure estimate of the delay search.
func (d *drift) hint(lag float64) {
	if rate, ok := d.trend.add(d.now, lag, d.rate); ok {
		d.rate = math.Max(-driftMax, math.Min(driftMax, rate))
	}
}

// update takes the predicted echo and the filter that made it, and returns
// by how many samples the delay of the reference should grow now.
func (d *drift) update(k *filter, y []float32, usable bool) float64 {
	move := d.rate
	d.now++
	if !usable {
		return move
	}
	if d.hold > 0 {
		d.hold--
		return move
	}
	copy(d.time[lowFrame:], y[:lowFrame])
	d.f.Forward(d.y[:], d.time[:])
	var num, den float32
	for i := driftLow; i < driftHigh; i++ {
		w := float32(i) / k.es[i]
		yr, yi := real(d.y[i]), imag(d.y[i])
		num -= w * (yr*imag(k.err[i]) - yi*real(k.err[i]))
		den += w * float32(i) * (yr*yr + yi*yi)
	}
	const omega = 2 * math.Pi / fftLen
	d.num += float64(num) * omega
	d.den += float64(den) * omega * omega
	if d.frames++; d.frames < driftFrames {
		return move
	}
	lag := d.num / (d.den + driftSure)
	d.num, d.den, d.frames = 0, 0, 0
	lag = math.Max(-1, math.Min(1, lag))
	d.rate += driftRate * lag
	d.rate = math.Max(-driftMax, math.Min(driftMax, d.rate))
	return d.rate + driftNow*lag
}
