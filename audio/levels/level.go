// Package levels measures how loud frames are and acts on it: meters, limiter, automatic gain,
// the noise of a place and noise in its likeness. Levels are in dBFS. It knows frames of package
// pcm, not where they come from.
package levels

import (
	"math"

	"intercomd/audio/pcm"
)

// Silent is the level that stands for digital silence, in dBFS.
const Silent = -100

// Level is a sound level over the last 100 ms in dBFS: 0 is a full-scale square
// wave, -100 stands for silence.
type Level struct{ Peak, RMS float64 }

// Quiet is the level of digital silence.
func Quiet() Level { return Level{Peak: Silent, RMS: Silent} }

// Gain converts dB to a factor.
func Gain(db float64) float32 { return float32(math.Pow(10, db/20)) }

// DB converts an amplitude, full scale 1, to dBFS.
func DB(a float64) float64 {
	if !(a > 1e-5) {
		return Silent
	}
	return 20 * math.Log10(a)
}

// meterFrames is how many frames make one reading: 100 ms.
const meterFrames = 10

// Meter measures peak and mean level over 100 ms.
type Meter struct {
	peak   float32
	energy float64
	frames int
}

// Add measures a frame; ok is set when a reading is complete.
func (m *Meter) Add(frame []float32) (l Level, ok bool) {
	m.peak = max(m.peak, pcm.Peak(frame))
	m.energy += float64(pcm.Dot(frame, frame))
	if m.frames++; m.frames < meterFrames {
		return Level{}, false
	}
	l = Level{
		Peak: DB(float64(m.peak)),
		RMS:  DB(math.Sqrt(m.energy / float64(meterFrames*len(frame)))),
	}
	*m = Meter{}
	return l, true
}

const (
	// limit is the highest level that leaves the limiter: -0.5 dBFS, room for
	// the overshoot of a codec.
	limit = 0.944
	// limiterRelease is how fast the gain comes back, per frame: 90 % in 0.2 s.
	limiterRelease = 0.11
)

// Limiter keeps a signal below full scale without clipping it. It works on
// frames: because a whole frame is known, the gain is down before the peak, and
// no delay is added.
type Limiter struct{ gain float32 }

// NewLimiter returns a limiter that has seen nothing loud.
func NewLimiter() Limiter { return Limiter{gain: 1} }

// Process scales the frame by gain and limits it, in place.
func (l *Limiter) Process(frame []float32, gain float32) {
	if gain != 1 {
		for i := range frame {
			frame[i] *= gain
		}
	}
	peak := pcm.Peak(frame)
	to := min(1, l.gain+(1-l.gain)*limiterRelease)
	if peak*to > limit {
		to = limit / peak
	}
	if l.gain == 1 && to == 1 {
		return
	}
	ramp := len(frame)
	if to < l.gain {
		ramp = max(l.first(frame), 1)
	}
	step, g := (to-l.gain)/float32(ramp), l.gain
	for i := range frame {
		if i < ramp {
			g += step
		} else {
			g = to
		}
		frame[i] = max(-limit, min(limit, frame[i]*g))
	}
	l.gain = to
	if l.gain > 0.9999 {
		l.gain = 1
	}
}

// first is where a frame first exceeds what the present gain allows.
func (l *Limiter) first(frame []float32) int {
	for i, v := range frame {
		if max(v, -v)*l.gain > limit {
			return i
		}
	}
	return 0
}
