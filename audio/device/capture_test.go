package device

import (
	"sync/atomic"
	"testing"
	"time"

	"intercomd/audio/pcm"
)

// What piled up while nobody listened is thrown away when a call begins, once.
func TestACallBeginsWithoutBacklog(t *testing.T) {
	now := time.Second
	c := NewCapture(func() time.Duration { return now }, func() {}, &atomic.Pointer[Capture]{})
	c.Start(pcm.SampleRate)
	x := c.Ring()
	frame := make([]float32, pcm.Frame)
	read := func() int {
		now += pcm.FrameTime
		x.Deliver(make([]int16, pcm.Frame), false)
		c.Read(frame)
		return c.mem.waiting()
	}
	for range 20 {
		read()
	}
	calm := read()
	for range 2 { // 20 ms that no read was there for
		x.Deliver(make([]int16, pcm.Frame), false)
	}
	if n := read(); n != calm+2*pcm.Frame {
		t.Fatalf("%d samples wait, want %d: so little is left alone in a call", n, calm+2*pcm.Frame)
	}
	c.Drain()
	if n := read(); n > calm+pcm.Frame/2 || c.Overruns() != 0 {
		t.Errorf("%d samples wait, want about %d; %d gaps", n, calm, c.Overruns())
	}
	if c.trim {
		t.Error("goes on trimming")
	}
}
