package audio

import (
	"math"
	"sync/atomic"
	"testing"
	"time"
)

// twoClocks lets a microphone whose clock is off by ppm hear for a while beside a
// loudspeaker whose clock is right, and returns what was read, how late what is heard
// was behind what is paired with it, in ms, and both devices.
func twoClocks(ppm float64, rate, chunk int, length time.Duration) (out []float32, late []float64, c *capture, spk *playback) {
	now := time.Duration(0)
	clock := func() time.Duration { return now }
	c = &capture{tap: newTap(NewRing(clock, func() {})), live: &atomic.Pointer[capture]{}}
	spk = &playback{tap: newTap(NewRing(clock, func() {})), live: &atomic.Pointer[playback]{}}
	c.start(rate)
	spk.start(rate)
	p := newEchoReference()
	p.room(c.time(chunk))
	pcm, frame := make([]int16, chunk), make([]float32, Frame)
	period := float64(chunk) / float64(rate) * 1e9
	heard, fetched := 0, 0
	for {
		mic := time.Duration(float64(heard+1) * period / (1 + ppm*1e-6))
		speaker := time.Duration(float64(fetched)*period) + 3*time.Millisecond
		now = min(mic, speaker)
		if spk.look(); fetched > 0 && spk.due() <= now {
			now = max(spk.due(), 0)
			p.push(frame, 0, spk.write(make([]float32, Frame)), nil)
			continue
		}
		if now > length {
			return out, late, c, spk
		}
		if now == speaker {
			fetched++
			spk.x.Fetch(make([]int16, chunk), false)
			spk.look()
			continue
		}
		for i := range pcm {
			pcm[i] = int16(8000 * math.Sin(2*math.Pi*700*float64(heard*chunk+i)/float64(rate)))
		}
		heard++
		c.x.Deliver(pcm, false)
		for c.ready(1) {
			at := c.read(frame)
			if p.n > 0 {
				late = append(late, float64(p.distance(at)-p.apart)/1e6)
			}
			p.match(at)
			c.faster(p.ppm)
			out = append(out, frame...)
		}
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
		out, late, c, spk := twoClocks(k.ppm, k.rate, k.chunk, testLength(400*time.Second))
		if n := c.mem.Xruns.Load() + spk.mem.Xruns.Load(); n > 0 {
			t.Errorf("%+v: %d gaps", k, n)
		}
		lo, hi := 1e9, -1e9
		for _, l := range late[1000:] {
			lo, hi = min(lo, l), max(hi, l)
		}
		if hi-lo > 25 {
			t.Errorf("%+v: heard between %.1f and %.1f ms from where it was", k, lo, hi)
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
	out, _, c, _ := twoClocks(0, 48000, 480, 10*time.Second)
	if c.rs.step != 1 {
		t.Errorf("corrected: %+v", c.rs.step)
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
	x := NewRing(func() time.Duration { return now }, func() {})
	c := &capture{tap: newTap(x), live: &atomic.Pointer[capture]{}}
	c.start(SampleRate)
	frame := make([]float32, Frame)
	read := func() int {
		now += FrameTime
		x.Deliver(make([]int16, Frame), false)
		c.read(frame)
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

// The pump is woken once for the frames of a packet, or for two of a longer one, and
// nothing is lost by that.
func TestWokenForPacketsOnly(t *testing.T) {
	for ptime, packets := range map[time.Duration]int{20 * time.Millisecond: 60, 40 * time.Millisecond: 30, 60 * time.Millisecond: 20} {
		woken := 0
		x := NewRing(func() time.Duration { return time.Second }, func() { woken++ })
		c := &capture{tap: newTap(x), live: &atomic.Pointer[capture]{}}
		c.start(SampleRate)
		snd := &sender{bitrate: defaultBitrate, complexity: defaultComplexity}
		frame, sent := make([]float32, Frame), 0
		for range 121 { // the resampler keeps some samples
			was := woken
			x.Deliver(make([]int16, Frame), false)
			for woken > was && c.ready(snd.wants()) {
				c.read(frame)
				payload, _, err := snd.frame(frame, Codec{Name: "opus", Ptime: ptime})
				if err != nil {
					t.Fatal(err)
				}
				if payload != nil {
					sent++
				}
			}
		}
		if sent != packets || woken > 62 || c.mem.Xruns.Load() > 0 {
			t.Errorf("packets of %v: woken %d times, %d packets, %d cuts", ptime, woken, sent, c.mem.Xruns.Load())
		}
	}
}
