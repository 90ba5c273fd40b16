package audio

// cushion is how much more than needed waits between a device and the pump. Each
// gap makes it larger, calm makes it smaller again; a gap that follows a trial of
// less makes the next trial come later.
type cushion struct {
	size  int  // samples
	step  int  // samples per change
	most  int  // samples
	calm  int  // frames since the last change
	after int  // frames of calm before less is tried
	tried bool // the last change was for less
}

const (
	calmLeast = 300   // frames: 3 s
	calmMost  = 60000 // frames: 10 min
)

func newCushion(step, most int) cushion {
	return cushion{step: step, most: most, after: calmLeast}
}

// gap is told of an under-run.
func (c *cushion) gap() {
	if c.tried {
		c.after = min(2*c.after, calmMost)
	}
	c.calm, c.size, c.tried = 0, min(c.size+c.step, c.most), false
}

// frame is told of a frame without a gap, and tells whether the cushion became
// smaller by a step.
func (c *cushion) frame() bool {
	if c.calm++; c.calm < c.after {
		return false
	}
	if c.tried {
		c.after = max(c.after/2, calmLeast) // less was enough
	}
	c.calm, c.tried = 0, c.size > 0
	c.size = max(c.size-c.step, 0)
	return c.tried
}
