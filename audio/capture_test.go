package audio

import (
	"math"
	"sync/atomic"
	"testing"
	"time"
)

// twoClocks lets a microphone whose clock is off by ppm be read for a while, and
// returns what was read and the ring's levels after each read, in ms.
func twoClocks(ppm float64, rate, chunk int, length time.Duration) (out []float32, levels []float64, c *capture) {
	var now time.Duration
	x := NewExchange(func() time.Duration { return now }, func() {})
	c = &capture{tap: newTap(x), live: &atomic.Pointer[capture]{}}
	c.start(rate)
	pcm, frame := make([]int16, chunk), make([]float32, Frame)
	period := float64(chunk) / float64(rate) / (1 + ppm*1e-6) * 1e9
	heard, reads := 0, 0
	for end := length; ; {
		callback, read := time.Duration(float64(heard+1)*period), time.Duration(reads)*FrameTime+3*time.Millisecond
		if now = min(callback, read); now > end {
			return out, levels, c
		}
		if callback <= read {
			for i := range pcm {
				pcm[i] = int16(8000 * math.Sin(2*math.Pi*700*float64(heard*chunk+i)/float64(rate)))
			}
			heard++
			x.Deliver(pcm, false)
			continue
		}
		reads++
		c.read(frame, now)
		out = append(out, frame...)
		levels = append(levels, float64(c.mem.waiting())*1000/float64(rate))
	}
}

// testLength shortens a simulation where the race detector makes it slow.
func testLength(d time.Duration) time.Duration {
	if raceDetector {
		return d / 8
	}
	return d
}

func TestTwoClocks(t *testing.T) {
	for _, k := range []struct {
		ppm         float64
		rate, chunk int
	}{{200, 48000, 480}, {-200, 48000, 480}, {-80, 44100, 441}, {150, 16000, 256}} {
		out, levels, c := twoClocks(k.ppm, k.rate, k.chunk, testLength(100*time.Second))
		if n := c.mem.Xruns.Load(); n > 0 {
			t.Errorf("%+v: %d gaps", k, n)
		}
		lo, hi := 1e9, 0.
		for _, l := range levels[1000:] {
			lo, hi = min(lo, l), max(hi, l)
		}
		if spread := hi - lo; spread > 25 {
			t.Errorf("%+v: between %.1f and %.1f ms wait", k, lo, hi)
		}
		if r, at := roughness(out[SampleRate:], 700); r > 0.005 {
			t.Errorf("%+v: a glitch of %.4f after %v", k, r, timeOf(at+SampleRate))
		}
		if u := 1e6 * (c.rs.step/c.ratio - 1); !raceDetector && math.Abs(u-k.ppm) > 40 {
			t.Errorf("%+v: corrected by %.0f ppm", k, u)
		}
	}
}

// One clock for both: the microphone's samples come through as they are.
func TestOneClockIsLeftAlone(t *testing.T) {
	out, _, c := twoClocks(0, 48000, 480, 10*time.Second)
	if c.rs.step != 1 || c.drift.integral != 0 {
		t.Errorf("corrected: %+v", c.drift)
	}
	first := 0
	for out[first] == 0 {
		first++
	}
	x := out[first+seam:]
	for i := range x[:10000] {
		k := math.Round(float64(x[i]) * 32768)
		if float64(x[i])*32768 != k {
			t.Fatalf("sample %d was changed: %v", i, x[i])
		}
	}
}

// What piled up while nobody listened is thrown away when a call begins, once.
func TestACallBeginsWithoutBacklog(t *testing.T) {
	now := time.Second
	x := NewExchange(func() time.Duration { return now }, func() {})
	c := &capture{tap: newTap(x), live: &atomic.Pointer[capture]{}}
	c.start(SampleRate)
	frame := make([]float32, Frame)
	read := func() int {
		now += FrameTime
		x.Deliver(make([]int16, Frame), false)
		c.read(frame, now)
		return c.mem.waiting()
	}
	for range 20 {
		read()
	}
	calm := read()
	for range 2 { // 20 ms that no read was there for
		x.Deliver(make([]int16, Frame), false)
	}
	if n := read(); n != calm+2*Frame {
		t.Fatalf("%d samples wait, want %d: so little is left alone in a call", n, calm+2*Frame)
	}
	c.trim = true
	if n := read(); n > calm+Frame/2 || c.mem.Xruns.Load() != 0 {
		t.Errorf("%d samples wait, want about %d; %d gaps", n, calm, c.mem.Xruns.Load())
	}
	if c.trim {
		t.Error("goes on trimming")
	}
}
