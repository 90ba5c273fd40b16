package audio

import "time"

// drift is a slow loop that holds a delay by resampling, against clocks that
// differ. With the error e of the delay in ms, the difference d of the clocks and
// the correction u in ppm, e' = (d-u)/1000 per second and u = Kp·e + Ki·∫e. Both
// settings are critically damped. While the error stays small and has been so
// from the start, u is exactly 0: a card that shares its clock with the other is
// left alone.
type drift struct {
	kp       float64 // ppm per ms
	ki       float64 // ppm per ms and second
	integral float64 // ppm
	smooth   float64 // ms
}

// Of the far end's clock, seen through a network: a time constant of 100 s, 7 ms
// of error for a step of 200 ppm. Of a second sound card: 33 s, 2.5 ms.
func farDrift() drift  { return drift{kp: 20, ki: 0.1} }
func cardDrift() drift { return drift{kp: 60, ki: 0.9} }

const (
	driftMost     = 300. // ppm, of each part
	driftSmooth   = 0.02 // per frame: half a second
	driftDeadband = 1.   // ms
	driftRange    = 20.  // ms; beyond it something else is going on
)

// ppm takes the error of the delay in this frame and returns how much faster to
// play.
func (d *drift) ppm(err time.Duration) float64 {
	e := float64(err) / float64(time.Millisecond)
	if e > driftRange || e < -driftRange {
		return d.integral
	}
	d.smooth += (e - d.smooth) * driftSmooth
	if d.smooth < driftDeadband && d.smooth > -driftDeadband {
		return d.integral
	}
	d.integral = clamp(d.integral+d.ki*d.smooth*FrameTime.Seconds(), driftMost)
	return d.integral + clamp(d.kp*d.smooth, driftMost)
}

func clamp(v, most float64) float64 { return max(-most, min(most, v)) }
