package audio

import (
	"math"
	"sync/atomic"
	"testing"
	"time"

	"intercomd/audio/audiotest"
	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/pcm"
)

// twoClocks lets a microphone whose clock is off by ppm hear for a while beside a
// loudspeaker whose clock is right, and returns what was read, what was paired with it, how late what is heard
// was behind that, in ms, the correction at the end and the gaps.
func twoClocks(ppm float64, rate, chunk int, length time.Duration) (out, far []float32, late []float64, used float64, gaps uint64) {
	now := time.Duration(0)
	clock := func() time.Duration { return now }
	c := device.NewCapture(clock, func() {}, &atomic.Pointer[device.Capture]{})
	spk := device.NewPlayback(clock, func() {}, &atomic.Pointer[device.Playback]{})
	c.Start(rate)
	spk.Start(rate)
	p := newEchoReference()
	p.room(c.Time(chunk))
	buf, frame := make([]int16, chunk), make([]float32, pcm.Frame)
	period := float64(chunk) / float64(rate) * 1e9
	heard, fetched := 0, 0
	tone := make([]float32, pcm.Frame) // seven periods
	for i := range tone {
		tone[i] = float32(0.25 * math.Sin(2*math.Pi*700*float64(i)/pcm.SampleRate))
	}
	for {
		mic := time.Duration(float64(heard+1) * period / (1 + ppm*1e-6))
		speaker := time.Duration(float64(fetched)*period) + 3*time.Millisecond
		now = min(mic, speaker)
		if spk.Look(); fetched > 0 && spk.Due() <= now {
			now = max(spk.Due(), 0)
			p.push(tone, 0, spk.Write(make([]float32, pcm.Frame)), nil)
			continue
		}
		if now > length {
			return out, far, late, (1 - p.pace.Step) * 1e6, c.Overruns() + spk.Overruns()
		}
		if now == speaker {
			fetched++
			spk.Ring().Fetch(make([]int16, chunk), false)
			spk.Look()
			continue
		}
		for i := range buf {
			buf[i] = int16(8000 * math.Sin(2*math.Pi*700*float64(heard*chunk+i)/float64(rate)))
		}
		heard++
		c.Ring().Deliver(buf, false)
		for c.Ready(1) {
			at := c.Read(frame)
			if p.n > 0 {
				late = append(late, float64(p.distance(at)-p.apart)/1e6)
			}
			far = append(far, p.match(at).pcm[:]...)
			out = append(out, frame...)
		}
	}
}

func TestTwoClocks(t *testing.T) {
	for _, k := range []struct {
		ppm         float64
		rate, chunk int
	}{{200, 48000, 480}, {-200, 48000, 480}, {-80, 44100, 441}, {150, 16000, 256}} {
		out, far, late, used, gaps := twoClocks(k.ppm, k.rate, k.chunk, audiotest.Length(400*time.Second))
		if gaps > 0 {
			t.Errorf("%+v: %d gaps", k, gaps)
		}
		lo, hi := 1e9, -1e9
		for _, l := range late[1000:] {
			lo, hi = min(lo, l), max(hi, l)
		}
		if hi-lo > 25 {
			t.Errorf("%+v: heard between %.1f and %.1f ms from where it was", k, lo, hi)
		}
		for what, x := range map[string][]float32{"microphone": out, "what is paired with it": far} {
			if r, at := audiotest.Roughness(x[pcm.SampleRate:], 700); r > 0.005 {
				t.Errorf("%+v: a glitch of %.4f of %s after %v", k, r, what, pcm.Duration(at+pcm.SampleRate))
			}
		}
		if !audiotest.Race && math.Abs(used-k.ppm) > 40 {
			t.Errorf("%+v: corrected by %.0f ppm", k, used)
		}
	}
}

// The microphone's samples come through as they are, whatever its clock; what was played too, where
// there is one clock for both.
func TestSamplesAreLeftAlone(t *testing.T) {
	for _, ppm := range []float64{0, 100} {
		out, far, _, used, _ := twoClocks(ppm, 48000, 480, 10*time.Second)
		first := 0
		for out[first] == 0 {
			first++
		}
		x := out[first+pcm.Seam:]
		for i := range x[:10000] {
			k := math.Round(float64(x[i]) * 32768)
			if float64(x[i])*32768 != k {
				t.Fatalf("%v ppm: sample %d was changed: %v", ppm, i, x[i])
			}
		}
		if ppm != 0 {
			continue
		}
		if used != 0 {
			t.Errorf("corrected by %f ppm", used)
		}
		far = far[pcm.SampleRate:]
		for i := range far[pcm.Frame:] {
			if far[i] != far[i+pcm.Frame] {
				t.Fatalf("sample %d of what was played was changed", i)
			}
		}
	}
}

// The pump is woken once for the frames of a packet, or for two of a longer one, and
// nothing is lost by that.
func TestWokenForPacketsOnly(t *testing.T) {
	for ptime, packets := range map[time.Duration]int{20 * time.Millisecond: 60, 40 * time.Millisecond: 30, 60 * time.Millisecond: 20} {
		woken := 0
		c := device.NewCapture(func() time.Duration { return time.Second }, func() { woken++ }, &atomic.Pointer[device.Capture]{})
		c.Start(pcm.SampleRate)
		x := c.Ring()
		snd := &sender{bitrate: defaultBitrate, complexity: defaultComplexity}
		frame, sent := make([]float32, pcm.Frame), 0
		for range 121 { // the resampler keeps some samples
			was := woken
			x.Deliver(make([]int16, pcm.Frame), false)
			for woken > was && c.Ready(snd.wants()) {
				c.Read(frame)
				payload, _, err := snd.frame(frame, codec.Format{Name: "opus", Ptime: ptime})
				if err != nil {
					t.Fatal(err)
				}
				if payload != nil {
					sent++
				}
			}
		}
		if sent != packets || woken > 62 || c.Overruns() > 0 {
			t.Errorf("packets of %v: woken %d times, %d packets, %d cuts", ptime, woken, sent, c.Overruns())
		}
	}
}
