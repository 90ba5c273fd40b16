package audio_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"intercomd/audio"
	"intercomd/audio/device"
	"intercomd/words"
)

// running tells which devices run.
func (d *fakeDriver) running() (in, out bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.streams {
		in, out = in || s.dir == device.In, out || s.dir == device.Out
	}
	return in, out
}

// expect says which devices must run now.
func (h *house) expect(when string, in, out bool) {
	h.t.Helper()
	i, o := h.dev.running()
	if s := h.Status(); i != in || o != out || s.Input.Open != in || s.Output.Open != out || !s.Input.OK || !s.Output.OK {
		h.t.Errorf("%s: microphone runs %v, want %v; loudspeaker runs %v, want %v; %+v, %+v", when, i, in, o, out, s.Input, s.Output)
	}
}

// Nothing runs but what is needed: both devices in a call, from when it begins; the loudspeaker
// for a tone.
func TestDevicesRest(t *testing.T) {
	d := newFakeDriver()
	d.mic = sine(700, 0.25, 48000)
	inHouse(t, audio.Config{}, d, func(h *house) {
		h.expect("at the start they are tried", true, true)
		time.Sleep(time.Second)
		h.expect("at rest", false, false)
		if s := h.Status(); s.Mic.RMS > -99 || s.Speaker.RMS > -99 {
			t.Errorf("levels at rest: %+v, %+v", s.Mic, s.Speaker)
		}

		h.Play("open")
		time.Sleep(50 * time.Millisecond)
		h.expect("in a tone", false, true)
		for h.Status().Tone != "" {
			time.Sleep(10 * time.Millisecond)
		}
		h.expect("right after the tone", false, true)
		time.Sleep(1500 * time.Millisecond)
		h.expect("after the tone", false, false)

		h.Play("ringback")
		h.Prepare()
		time.Sleep(50 * time.Millisecond)
		h.expect("before the answer", true, true)
		l := newFakeLink("opus", 48000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(5 * time.Second)
		h.expect("in a call", true, true)
		h.Disconnect()
		h.Silence()
		time.Sleep(1500 * time.Millisecond)
		h.expect("after a call", false, false)
		h.Silence()
		h.Play("no such tone")
		time.Sleep(100 * time.Millisecond)
		h.expect("after sounds that are none", false, false)

		h.Prepare()
		time.Sleep(time.Second)
		h.expect("a call that takes long", true, true)
		time.Sleep(time.Minute)
		h.expect("a call that takes very long", true, true)
		h.Disconnect()
		time.Sleep(1500 * time.Millisecond)
		h.expect("after a call that was not answered", false, false)
	})
}

// A tone begins with its beginning, however long the loudspeaker takes to open, and soon.
func TestToneWaitsForTheLoudspeaker(t *testing.T) {
	whole := 0 // samples, of the first
	for _, takes := range []time.Duration{0, 20 * time.Millisecond, 300 * time.Millisecond} {
		d := newFakeDriver()
		inHouse(t, audio.Config{}, d, func(h *house) {
			time.Sleep(2 * time.Second)
			d.hang(takes)
			d.heard()
			h.Play("open")
			time.Sleep(takes + 40*time.Millisecond)
			first := d.heard()
			loud := 0
			for _, v := range first {
				if v > 0.05 || v < -0.05 {
					loud++
				}
			}
			if loud == 0 {
				t.Errorf("a loudspeaker that opens in %v: nothing is heard 40 ms later", takes)
			}
			time.Sleep(time.Second)
			second := d.heard()
			for _, v := range second {
				if v > 0.05 || v < -0.05 {
					loud++
				}
			}
			if takes == 0 {
				whole = loud
			} else if loud != whole {
				t.Errorf("a loudspeaker that opens in %v: %d samples of the tone are heard, want %d", takes, loud, whole)
			}
			d.hang(0)
		})
	}
}

// A device that somebody else has taken while it rested is noticed within the hour, and its
// return at once.
func TestDevicesAreTriedAtRest(t *testing.T) {
	d := newFakeDriver()
	inHouse(t, audio.Config{}, d, func(h *house) {
		time.Sleep(50 * time.Minute)
		h.expect("at rest", false, false)
		d.mu.Lock()
		d.err = errors.New("device or resource busy")
		d.mu.Unlock()
		time.Sleep(11 * time.Minute)
		if s := h.Status(); s.Input.OK || s.Output.OK || s.Input.Problem != words.New("device-error", "detail", "device or resource busy") {
			t.Errorf("a device that is taken: %+v", s.Input)
		}
		d.mu.Lock()
		d.err = nil
		tried := d.tried
		d.mu.Unlock()
		if tried != 2 {
			t.Errorf("tried %d times in an hour, want each device once", tried)
		}
		time.Sleep(5 * time.Second)
		h.expect("after it came back", false, false)
	})
}

// counting is a canceller that says how often it was used.
type counting struct{ frames *atomic.Int32 }

func (c counting) Process(_, _, _ []float32) { c.frames.Add(1) }
func (c counting) Stats() audio.EchoStats    { return audio.EchoStats{} }
func (c counting) Close()                    {}

// While the microphone rests, nothing is learned of it: the canceller would forget the echo.
func TestNothingIsLearnedAtRest(t *testing.T) {
	var frames atomic.Int32
	inHouse(t, audio.Config{NewEcho: func() audio.EchoCanceller { return counting{&frames} }}, newFakeDriver(), func(h *house) {
		time.Sleep(2 * time.Second)
		before := frames.Load()
		h.Play("busy")
		time.Sleep(time.Second)
		if n := frames.Load() - before; n != 0 {
			t.Errorf("%d frames with a microphone that rests", n)
		}
		h.Prepare()
		time.Sleep(time.Second)
		if n := frames.Load() - before; n < 90 {
			t.Errorf("%d frames of a second with a tone, want all", n)
		}
		h.Disconnect()
	})
}
