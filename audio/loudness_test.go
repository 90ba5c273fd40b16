package audio

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"testing/fstest"
)

// scene makes frames: noise at one level and, for some of the time, a voice.
type scene struct {
	rng          *rand.Rand
	noise, voice float64 // dBFS, RMS; 0 = none
	n            int
}

func (s *scene) frame() []float32 {
	f := make([]float32, Frame)
	on := s.n/60%2 == 0 // 600 ms of speech, 600 ms of pause
	for i := range f {
		if s.noise != 0 {
			f[i] += gainOf(s.noise) * (s.rng.Float32()*2 - 1) * 1.73
		}
		if s.voice != 0 && on {
			f[i] += gainOf(s.voice) * 1.41 * float32(math.Sin(float64(s.n*Frame+i)/30))
		}
	}
	s.n++
	return f
}

func TestAGC(t *testing.T) {
	for _, c := range []struct {
		name              string
		noise, voice, far float64
		want, tolerance   float64 // dB
	}{
		{"far away", -70, -32, -100, 12, 1.5}, {"very far away", -75, -45, -100, agcMost, 0.1},
		{"close and loud", -60, -12, -100, -8, 1.5}, {"just right", -60, -20, -100, 0, 1.5},
		{"street without a voice", -35, 0, -100, 0, 0.5}, {"silence", 0, 0, -100, 0, 0},
		{"the far end talks", -70, -32, -20, 0, 0},
	} {
		a, s := agc{}, scene{rng: rand.New(rand.NewPCG(1, 1)), noise: c.noise, voice: c.voice}
		var g, last float64
		for range 2000 {
			g = a.adapt(s.frame(), c.far)
			if d := math.Abs(g - last); d > 0.1 {
				t.Fatalf("%s: the gain jumps by %.2f dB", c.name, d)
			}
			last = g
		}
		if math.Abs(g-c.want) > c.tolerance {
			t.Errorf("%s: %.1f dB, want %.1f", c.name, g, c.want)
		}
	}
}

func TestAmbient(t *testing.T) {
	a, s := ambient{most: 12}, scene{rng: rand.New(rand.NewPCG(1, 1)), noise: -70}
	run := func(frames int, far float64) float64 {
		for range frames {
			a.adapt(s.frame(), far)
		}
		return a.gain
	}
	if g := run(500, -100); g != 0 {
		t.Errorf("a quiet street: %.1f dB", g)
	}
	s.noise = -45
	if g := run(2000, -100); math.Abs(g-9) > 1.5 {
		t.Errorf("a loud street: %.1f dB", g)
	}
	s.noise = -10 // our own loudspeaker, heard by the microphone
	if g := run(1000, -20); g > 10.5 {
		t.Errorf("the loudspeaker made itself louder: %.1f dB", g)
	}
	s.noise = -20
	if g := run(3000, -100); g != 12 {
		t.Errorf("a lorry: %.1f dB, most is 12", g)
	}
	s.noise = -70
	if g := run(3000, -100); g > 0.1 {
		t.Errorf("quiet again: %.1f dB", g)
	}
	off := ambient{}
	if g := off.adapt(s.frame(), -100); g != 0 {
		t.Errorf("switched off: %v dB", g)
	}
}

func TestComfortNoise(t *testing.T) {
	s := scene{rng: rand.New(rand.NewPCG(1, 1)), noise: -55, voice: -20}
	var c comfort
	pcm := make([]float32, SampleRate)
	if c.fill(pcm); loudness(pcm) != silenceDB {
		t.Error("noise before anything was heard")
	}
	for range 400 {
		c.hear(s.frame())
	}
	if c.fill(pcm); math.Abs(loudness(pcm)+55) > 1.5 {
		t.Errorf("noise at %.1f dBFS, the background was -55", loudness(pcm))
	}
	s.noise, s.voice = -10, 0
	for range 400 {
		c.hear(s.frame())
	}
	if c.fill(pcm); loudness(pcm) > comfortMost+1 {
		t.Errorf("noise at %.1f dBFS", loudness(pcm))
	}
}

func TestSilence(t *testing.T) {
	s := silence{after: 50}
	for i := range 200 {
		if got := s.add(make([]float32, Frame)); got != (i >= 50) {
			t.Fatalf("frame %d: %v", i, got)
		}
	}
	room := scene{rng: rand.New(rand.NewPCG(1, 1)), noise: -80}
	if s.add(room.frame()) {
		t.Error("a quiet room is a dead microphone")
	}
	never := silence{}
	for range 1000 {
		if never.add(make([]float32, Frame)) {
			t.Fatal("told although switched off")
		}
	}
}

func TestPrompts(t *testing.T) {
	file := func(rate int, f float64) []byte {
		s := Sound{Rate: rate}
		for i := range rate / 2 {
			s.Samples = append(s.Samples, float32(0.4*math.Sin(2*math.Pi*f*float64(i)/float64(rate))))
		}
		var b bytes.Buffer
		if err := WriteWAV(&b, s); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	m, faults := ReadRecordings(fstest.MapFS{
		"nobody.wav": {Data: file(16000, 500)}, "ringback.wav": {Data: file(22050, 600)}, "README": {Data: []byte("x")},
	})
	if len(faults) > 0 || len(m) != 2 {
		t.Fatal(m, faults)
	}
	var a announcer
	play := func(name string, loop bool, f float64, frames int) []float32 {
		t.Helper()
		a.start(m[name], loop, 0)
		var out []float32
		frame := make([]float32, Frame)
		for range frames {
			clear(frame)
			a.mix(frame)
			out = append(out, frame...)
		}
		if snr := snrOf(out[2400:21600], f, 0.4); snr < 30 {
			t.Errorf("%s: %.1f dB", name, snr)
		}
		return out
	}
	if out := play("nobody", false, 500, 60); a.active() || out[len(out)-1] != 0 {
		t.Error("a prompt does not end")
	}
	if play("ringback", true, 600, 200); !a.active() {
		t.Error("a prompt in place of a repeating tone ends")
	}
	a.end()
	if a.mix(make([]float32, Frame)); a.active() {
		t.Error("a prompt plays on after its end")
	}
	a.start(prompt{rate: 8000}, true, 0)
	a.mix(make([]float32, Frame))
}
