package resample

import (
	"time"

	"intercomd/audio/pcm"
)

// Drift is a slow loop that holds a delay by resampling, against clocks that
// differ. With the error e of the delay in ms, the difference d of the clocks and
// the correction u in ppm, e' = (d-u)/1000 per second and u = Kp·e + Ki·∫e. Both
// settings are critically damped. e is what exceeds the error that is left alone: while
// it has stayed small from the start, u is exactly 0, and a card that shares its clock
// with the other gets its samples as they are.
type Drift struct {
	kp       float64 // ppm per ms
	ki       float64 // ppm per ms and second
	gain     float64 // of smooth, per frame
	dead     float64 // ms of error that are left alone
	integral float64 // ppm
	smooth   float64 // ms
}

// FarDrift follows the far end's clock, seen through a network: a time constant of 100 s, 7 ms
// of error for a step of 200 ppm; what lasts half a second is smoothed.
func FarDrift() Drift { return Drift{kp: 20, ki: 0.1, gain: 0.02, dead: 1} }

// CardDrift follows the clock of a second sound card: 50 s, 4 ms beyond what is left alone. The
// moments of its callbacks wander by some milliseconds for seconds on end, which says nothing of
// its clock.
func CardDrift() Drift { return Drift{kp: 40, ki: 0.4, gain: 0.005, dead: 6} }

const (
	driftMost  = 300. // ppm, of each part
	driftRange = 20.  // ms; beyond it something else is going on
)

// Ppm takes the error of the delay in this frame and returns how much faster to
// play.
func (d *Drift) Ppm(err time.Duration) float64 {
	e := float64(err) / float64(time.Millisecond)
	if e > driftRange || e < -driftRange {
		return d.integral
	}
	d.smooth += (e - d.smooth) * d.gain
	e = d.smooth - clamp(d.smooth, d.dead)
	d.integral = clamp(d.integral+d.ki*e*pcm.FrameTime.Seconds(), driftMost)
	return d.integral + clamp(d.kp*e, driftMost)
}

// Calm forgets what is left of the last errors, and keeps what was learned of the clocks.
func (d *Drift) Calm() { d.smooth = 0 }

func clamp(v, most float64) float64 { return max(-most, min(most, v)) }
