package audio

import "math"

// silenceDB is the level that stands for digital silence, in dBFS.
const silenceDB = -100

// gainOf converts dB to a factor.
func gainOf(db float64) float32 { return float32(math.Pow(10, db/20)) }

// dbOf converts an amplitude, full scale 1, to dBFS.
func dbOf(a float64) float64 {
	if !(a > 1e-5) {
		return silenceDB
	}
	return 20 * math.Log10(a)
}

// peak is the largest amplitude of a frame.
func peak(frame []float32) (p float32) {
	for _, v := range frame {
		p = max(p, v, -v)
	}
	return p
}

// rms is the mean amplitude of a frame.
func rms(frame []float32) float32 { return sqrt32(dot(frame, frame) / float32(len(frame))) }

// meterFrames is how many frames make one reading: 100 ms.
const meterFrames = 10

// meter measures peak and mean level over 100 ms.
type meter struct {
	peak   float32
	energy float64
	frames int
}

// add measures a frame; ok is set when a reading is complete.
func (m *meter) add(frame []float32) (l Level, ok bool) {
	m.peak = max(m.peak, peak(frame))
	m.energy += float64(dot(frame, frame))
	if m.frames++; m.frames < meterFrames {
		return Level{}, false
	}
	l = Level{
		Peak: dbOf(float64(m.peak)),
		RMS:  dbOf(math.Sqrt(m.energy / float64(meterFrames*len(frame)))),
	}
	*m = meter{}
	return l, true
}

const (
	// limit is the highest level that leaves the limiter: -0.5 dBFS, room for
	// the overshoot of a codec.
	limit = 0.944
	// limiterRelease is how fast the gain comes back, per frame: 90 % in 0.2 s.
	limiterRelease = 0.11
)

// limiter keeps a signal below full scale without clipping it. It works on
// frames: because a whole frame is known, the gain is down before the peak, and
// no delay is added.
type limiter struct{ gain float32 }

func newLimiter() limiter { return limiter{gain: 1} }

// process scales the frame by gain and limits it, in place.
func (l *limiter) process(frame []float32, gain float32) {
	var peak float32
	first := 0 // where the signal first exceeds what the present gain allows
	for i := range frame {
		v := frame[i] * gain
		frame[i] = v
		if a := max(v, -v); a > peak {
			if a*l.gain > limit && peak*l.gain <= limit {
				first = i
			}
			peak = a
		}
	}
	to := min(1, l.gain+(1-l.gain)*limiterRelease)
	if peak*to > limit {
		to = limit / peak
	}
	if l.gain == 1 && to == 1 {
		return
	}
	ramp := len(frame)
	if to < l.gain {
		ramp = max(first, 1)
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

// loudest is what may occur inside: twice full scale, the overshoot of a decoder.
const loudest = 2

// finite bounds what foreign data made a decoder produce. NaN and infinities,
// which no arithmetic would ever get rid of, become silence.
func finite(frame []float32) {
	for i, v := range frame {
		switch {
		case v-v != 0:
			frame[i] = 0
		case v > loudest:
			frame[i] = loudest
		case v < -loudest:
			frame[i] = -loudest
		}
	}
}

// toInt16 converts samples of full scale ±1; what exceeds it is clipped.
func toInt16(d []int16, s []float32) {
	for i, v := range s {
		d[i] = int16(max(-32768, min(32767, math.RoundToEven(float64(v)*32768)))) //nolint:gosec // d is as long as s
	}
}

// toFloat converts samples to full scale ±1.
func toFloat(d []float32, s []int16) {
	for i, v := range s {
		d[i] = float32(v) * (1. / 32768)
	}
}

func sqrt32(v float32) float32 { return float32(math.Sqrt(float64(v))) }
