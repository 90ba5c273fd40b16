package device

import "time"

// headroom is how much earlier than needed something is done. Each gap makes it
// larger, calm makes it smaller again; a gap that follows a trial of less makes the
// next trial come later.
type headroom struct {
	size  time.Duration
	step  time.Duration // per change
	most  time.Duration
	calm  int  // frames since the last change
	after int  // frames of calm before less is tried
	tried bool // the last change was for less
}

const (
	calmLeast = 300   // frames: 3 s
	calmMost  = 60000 // frames: 10 min
)

func newHeadroom(step, most time.Duration) headroom {
	return headroom{step: step, most: most, after: calmLeast}
}

// gap is told of an under-run.
func (c *headroom) gap() {
	if c.tried {
		c.after = min(2*c.after, calmMost)
	}
	c.calm, c.size, c.tried = 0, min(c.size+c.step, c.most), false
}

// frame is told of a frame without a gap.
func (c *headroom) frame() {
	if c.calm++; c.calm < c.after {
		return
	}
	if c.tried {
		c.after = max(c.after/2, calmLeast) // less was enough
	}
	c.calm, c.tried = 0, c.size > 0
	c.size = max(c.size-c.step, 0)
}
