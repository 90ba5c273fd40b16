package audio

import (
	"testing"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/duplex"
	"intercomd/audio/pcm"
)

// A far end that gives back the loud tone that the microphone hears: the pump falls
// back, shows it, and begins the next call anew.
func TestPumpFallsBack(t *testing.T) {
	var e *Engine
	for _, c := range []struct {
		mode duplex.Mode
		want duplex.Status
	}{{duplex.Auto, duplex.Status{Switched: true, Reason: duplex.Howling}}, {duplex.Full, duplex.Status{}}, {duplex.Switched, duplex.Status{Switched: true}}} {
		step := working(t, "opus", pcm.SampleRate, Config{Duplex: c.mode, InputGain: 6}, func(x *Engine) { e = x })
		if e.Status().Clipped != 0 {
			t.Error("clipped before anything was heard")
		}
		if got := e.Status().Duplex; got.Reason != "" || got.Switched != (c.mode == duplex.Switched) {
			t.Errorf("mode %d begins with %+v", c.mode, got)
		}
		for range 300 {
			step()
		}
		got := e.Status().Duplex
		if got.Since.IsZero() != (c.want.Reason == "") {
			t.Errorf("since %v", got.Since)
		}
		got.Since = c.want.Since
		if got != c.want {
			t.Errorf("mode %d: %+v, want %+v", c.mode, got, c.want)
		}
		e.Disconnect()
		step()
		e.Connect(&loopLink{codec: codec.Format{Name: "opus"}}, true)
		if step(); e.Status().Duplex.Reason != "" {
			t.Errorf("mode %d: the howling of the last call is held against this one", c.mode)
		}
	}
}

func TestClippedFramesAreCounted(t *testing.T) {
	var e *Engine
	working(t, "opus", pcm.SampleRate, Config{}, func(x *Engine) { e = x })
	p := newPump(e)
	p.in = device.NewCapture(e.clock, e.nudge, &e.mic)
	p.in.Start(pcm.SampleRate)
	loud, soft := make([]int16, pcm.Frame), make([]int16, pcm.Frame)
	loud[7] = -32768
	for n := range 100 {
		now := time.Duration(n+1) * pcm.FrameTime // of a machine that is never late
		e.epoch = time.Now().Add(-now)
		p.in.Ring().Deliver([2][]int16{soft, loud}[n%2], false)
		p.makePlay(now)
		p.makeRec(false)
	}
	if n := e.Status().Clipped; n < 40 || n > 50 {
		t.Errorf("%d frames clipped of 50", n)
	}
}
