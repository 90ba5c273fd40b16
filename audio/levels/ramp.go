package levels

// Ramp is a gain that changes within a frame without a click.
type Ramp struct{ gain float32 }

// NewRamp returns a gain of 1.
func NewRamp() Ramp { return Ramp{gain: 1} }

// Apply scales a frame in place, by a gain that reaches to at its end.
func (r *Ramp) Apply(frame []float32, to float32) {
	if r.gain == to && to == 1 {
		return
	}
	step := (to - r.gain) / float32(len(frame))
	for i := range frame {
		r.gain += step
		frame[i] *= r.gain
	}
	r.gain = to
}
