package audio

import (
	"testing"
	"time"

	"intercomd/audio/pcm"
)

// couple is a loudspeaker and a microphone that take 10 ms at a time; what is played is
// heard after 30 ms. Frames carry their number.
type couple struct {
	t       *testing.T
	p       echoReference
	now     time.Duration
	played  int
	onAir   map[time.Duration]int // which frame a moment heard, by the end of it
	shifts  int                   // how often the distance changed
	dist    int
	silent  int // frames without a partner
	matched int
}

func newCouple(t *testing.T) *couple {
	c := &couple{t: t, p: newEchoReference(), onAir: map[time.Duration]int{}}
	c.p.room(pcm.FrameTime)
	return c
}

// step is 10 ms in which either device may stand still.
func (c *couple) step(speaks, hears bool) {
	c.now += pcm.FrameTime
	if speaks {
		c.played++
		frame := make([]float32, pcm.Frame)
		for i := range frame {
			frame[i] = float32(c.played)
		}
		c.p.push(frame, 0, c.now+3*time.Millisecond, nil)
		c.onAir[c.now+3*pcm.FrameTime] = c.played
	}
	if !hears {
		return
	}
	far := int(c.p.match(c.now).pcm[pcm.Frame/2])
	near := c.onAir[c.now]
	if far == 0 || near == 0 {
		c.silent++
		return
	}
	if d := far - near; c.matched > 0 && d != c.dist {
		c.shifts++
	}
	c.dist, c.matched = far-near, c.matched+1
}

func (c *couple) steps(n int, speaks, hears bool) {
	for range n {
		c.step(speaks, hears)
	}
}

// In the long run a frame of the microphone has one partner, played shortly before it
// was heard.
func TestPairs(t *testing.T) {
	c := newCouple(t)
	c.steps(1000, true, true)
	if c.shifts != 0 || c.matched < 990 || c.dist < 0 || c.dist > 3 {
		t.Errorf("%d changes, %d of 1000 paired, %d frames apart", c.shifts, c.matched, c.dist)
	}
}

// Where a device has stood still, the partners are the same again afterwards: silence
// was played, or what was played was not heard.
func TestPairsFitAgainAfterAStandstill(t *testing.T) {
	for name, stop := range map[string]func(c *couple){
		"loudspeaker":          func(c *couple) { c.steps(4, false, true) },
		"microphone":           func(c *couple) { c.steps(4, true, false) },
		"microphone, for long": func(c *couple) { c.steps(100, true, false) },
		"both":                 func(c *couple) { c.now += 40 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCouple(t)
			c.steps(200, true, true)
			was := c.dist
			stop(c)
			c.steps(10, true, true)
			c.shifts, c.silent = 0, 0
			c.steps(200, true, true)
			if c.dist != was || c.shifts != 0 || c.silent != 0 {
				t.Errorf("%d frames apart, before %d; %d changes and %d frames without a partner later", c.dist, was, c.shifts, c.silent)
			}
		})
	}
}

// A probe is as long as it was, whatever is left out.
func TestAProbeLosesNothing(t *testing.T) {
	p := newEchoReference()
	pr := &probe{rec: make([]float32, (referenceRoom+5)*pcm.Frame)}
	for i := range referenceRoom + 5 {
		p.push(make([]float32, pcm.Frame), 0, time.Duration(i)*pcm.FrameTime, pr)
	}
	for p.n > 0 {
		p.next().probe.hear(make([]float32, pcm.Frame))
	}
	if pr.heard != len(pr.rec) {
		t.Errorf("%d of %d samples", pr.heard, len(pr.rec))
	}
}

// A microphone that is late for good is not paired with what is heard only after it.
func TestNothingIsHeardBeforeItsPair(t *testing.T) {
	p := newEchoReference()
	p.room(pcm.FrameTime)
	now := time.Duration(0)
	for n := range 1000 {
		now += pcm.FrameTime
		p.push(make([]float32, pcm.Frame), 0, now, nil)
		late := min(time.Duration(n)*time.Millisecond, 60*time.Millisecond) // 1 ms more in each frame
		if d := p.distance(now + late); p.n > 1 && d > p.lead+pcm.FrameTime+slack+pcm.FrameTime {
			t.Fatalf("frame %d: %v apart", n, d)
		}
		p.match(now + late)
	}
	if p.apart > p.lead+pcm.FrameTime+slack {
		t.Errorf("%v apart", p.apart)
	}
}
