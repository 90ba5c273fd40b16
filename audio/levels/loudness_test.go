package levels

import (
	"math"
	"math/rand/v2"
	"testing"

	"intercomd/audio/pcm"
)

// scene makes frames: noise at one level and, for some of the time, a voice.
type scene struct {
	rng          *rand.Rand
	noise, voice float64 // dBFS, RMS; 0 = none
	n            int
}

func (s *scene) frame() []float32 {
	f := make([]float32, pcm.Frame)
	on := s.n/60%2 == 0 // 600 ms of speech, 600 ms of pause
	for i := range f {
		if s.noise != 0 {
			f[i] += Gain(s.noise) * (s.rng.Float32()*2 - 1) * 1.73
		}
		if s.voice != 0 && on {
			f[i] += Gain(s.voice) * 1.41 * float32(math.Sin(float64(s.n*pcm.Frame+i)/30))
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
		a, s := AGC{}, scene{rng: rand.New(rand.NewPCG(1, 1)), noise: c.noise, voice: c.voice}
		var g, last float64
		for range 2000 {
			g = a.Adapt(s.frame(), c.far)
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
	a, s := Ambient{Most: 12}, scene{rng: rand.New(rand.NewPCG(1, 1)), noise: -70}
	run := func(frames int, far float64) float64 {
		for range frames {
			a.Adapt(s.frame(), far)
		}
		return a.Gain
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
	off := Ambient{}
	if g := off.Adapt(s.frame(), -100); g != 0 {
		t.Errorf("switched off: %v dB", g)
	}
}

func TestComfortNoise(t *testing.T) {
	s := scene{rng: rand.New(rand.NewPCG(1, 1)), noise: -55, voice: -20}
	var c Comfort
	pcm := make([]float32, pcm.SampleRate)
	if c.Fill(pcm); Of(pcm) != Silent {
		t.Error("noise before anything was heard")
	}
	for range 400 {
		c.Hear(s.frame())
	}
	if c.Fill(pcm); math.Abs(Of(pcm)+55) > 1.5 {
		t.Errorf("noise at %.1f dBFS, the background was -55", Of(pcm))
	}
	s.noise, s.voice = -10, 0
	for range 400 {
		c.Hear(s.frame())
	}
	if c.Fill(pcm); Of(pcm) > comfortMost+1 {
		t.Errorf("noise at %.1f dBFS", Of(pcm))
	}
}

func TestSilence(t *testing.T) {
	s := Silence{after: 50}
	for i := range 200 {
		if got := s.Add(make([]float32, pcm.Frame)); got != (i >= 50) {
			t.Fatalf("frame %d: %v", i, got)
		}
	}
	room := scene{rng: rand.New(rand.NewPCG(1, 1)), noise: -80}
	if s.Add(room.frame()) {
		t.Error("a quiet room is a dead microphone")
	}
	never := Silence{}
	for range 1000 {
		if never.Add(make([]float32, pcm.Frame)) {
			t.Fatal("told although switched off")
		}
	}
}
