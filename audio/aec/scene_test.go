package aec

import (
	"math"
	"math/rand/v2"
)

// scene makes a door in numbers: a talker at the far end, a small loudspeaker
// that saturates, a housing and a room, a talker at the near end. Everything
// follows from the seed.
type scene struct {
	seed     uint64
	seconds  int
	delayMs  float64
	tailMs   float64 // time to -60 dB
	drive    float64 // of the loudspeaker's saturation, 0 = linear
	ppm      float64 // microphone's clock against the loudspeaker's
	nearFrom float64 // seconds
	nearTo   float64
	nearGain float64 // near end relative to the echo, amplitude; 0 = none
	noise    float64 // RMS at the microphone
	jumpAt   float64 // seconds, 0 = never
	jumpMs   float64
	newRoom  bool // at jumpAt the room changes instead
}

// signals are the parts of a scene at 48 kHz.
type signals struct{ far, mic, near, echo []float32 }

func (s scene) make() signals {
	n := s.seconds * SampleRate
	far := talker(s.seed*7+1, n, 110)
	played := make([]float64, n)
	for i, v := range far {
		played[i] = loudspeaker(v, s.drive)
	}
	echo := s.through(played, s.seed*7+2, s.delayMs)
	if s.jumpAt > 0 {
		seed, delay := s.seed*7+2, s.delayMs+s.jumpMs
		if s.newRoom {
			seed, delay = s.seed*7+5, s.delayMs
		}
		at := int(s.jumpAt * SampleRate)
		copy(echo[at:], s.through(played, seed, delay)[at:])
	}
	near := make([]float64, n)
	if s.nearGain > 0 {
		t := talker(s.seed*7+3, n, 190)
		from, to := int(s.nearFrom*SampleRate), min(n, int(s.nearTo*SampleRate))
		g := s.nearGain * rms(echo) / rms(t)
		for i := from; i < to; i++ {
			near[i] = g * t[i]
		}
	}
	r := rand.New(rand.NewPCG(s.seed, 4))
	out := signals{make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
	for i := range n {
		out.far[i] = float32(far[i])
		out.near[i] = float32(near[i])
		out.echo[i] = float32(echo[i])
		out.mic[i] = float32(near[i] + echo[i] + s.noise*r.NormFloat64())
	}
	return out
}

func loudspeaker(x, drive float64) float64 {
	if drive == 0 {
		return x
	}
	return math.Atan(drive*x+0.05)/drive - math.Atan(0.05)/drive
}

// through is what the microphone hears of x: a direct sound, a few early
// reflections and a decaying tail, late by delayMs and stretched by the drift.
func (s scene) through(x []float64, seed uint64, delayMs float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 9))
	type tap struct {
		at int
		g  float64
	}
	taps := []tap{{10, 0.6}}
	for range 5 {
		taps = append(taps, tap{20 + r.IntN(240), r.Float64()*0.5 - 0.25})
	}
	tail := int(s.tailMs * SampleRate / 1000)
	for at := 30; at < tail; at += 60 {
		taps = append(taps, tap{at, 0.06 * r.NormFloat64() * math.Exp(-6.9*float64(at)/float64(tail))})
	}
	y := make([]float64, len(x))
	for _, t := range taps {
		for i := t.at; i < len(y); i++ {
			y[i] += t.g * x[i-t.at]
		}
	}
	// Delay and drift at once: linear interpolation of a signal that is low
	// in treble does for a test.
	out := make([]float64, len(x))
	d := delayMs * SampleRate / 1000
	for i := range out {
		p := float64(i)*(1+s.ppm*1e-6) - d
		k := int(math.Floor(p))
		if k < 0 || k+1 >= len(y) {
			continue
		}
		f := p - float64(k)
		out[i] = y[k] + f*(y[k+1]-y[k])
	}
	return out
}

// talker is something like speech: syllables of a pulse train and of noise
// through two wandering resonances, with pauses.
func talker(seed uint64, n int, pitch float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	y := make([]float64, n)
	var phase float64
	var a, b resonator
	for i := 0; i < n; {
		length := SampleRate/12 + r.IntN(SampleRate/6)
		gain := 0.4 + 0.6*r.Float64()
		voiced := r.Float64() < 0.75
		if r.Float64() < 0.12 {
			gain = 0
		}
		a.tune(300+500*r.Float64(), 90)
		b.tune(1000+1500*r.Float64(), 150)
		f0 := pitch * (0.8 + 0.5*r.Float64())
		for j := 0; j < length && i < n; j, i = j+1, i+1 {
			e := 0.15 * r.NormFloat64()
			if voiced {
				if phase += f0 / SampleRate; phase >= 1 {
					phase--
					e += 8
				}
			} else {
				e *= 8
			}
			env := math.Sin(math.Pi * float64(j) / float64(length))
			y[i] = gain * env * (a.filter(e) + 0.5*b.filter(e) + 0.02*e)
		}
	}
	g := 0.08 / rms(y)
	for i := range y {
		y[i] = math.Max(-0.9, math.Min(0.9, y[i]*g))
	}
	return y
}

// resonator is a two-pole band-pass.
type resonator struct{ a1, a2, g, y1, y2 float64 }

func (r *resonator) tune(hz, width float64) {
	p := math.Exp(-math.Pi * width / SampleRate)
	r.a1, r.a2, r.g = 2*p*math.Cos(2*math.Pi*hz/SampleRate), -p*p, 1-p
}

func (r *resonator) filter(x float64) float64 {
	y := r.g*x + r.a1*r.y1 + r.a2*r.y2
	r.y1, r.y2 = y, r.y1
	return y
}

func rms(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v * v
	}
	return math.Sqrt(s/float64(len(x))) + 1e-12
}

// run passes a scene through a canceller.
func run(c Canceller, s signals) []float32 {
	out := make([]float32, len(s.mic))
	for i := 0; i+Frame <= len(out); i += Frame {
		c.Process(out[i:i+Frame], s.mic[i:i+Frame], s.far[i:i+Frame])
	}
	return out
}

// power is the mean power between two times in seconds.
func power(x []float32, from, to float64) float64 {
	var s float64
	part := x[int(from*SampleRate):int(to*SampleRate)]
	for _, v := range part {
		s += float64(v) * float64(v)
	}
	return s/float64(len(part)) + 1e-12
}

func dB(p float64) float64 { return 10 * math.Log10(p) }

// erle is how much weaker out is than the echo between two times, in dB.
func (s signals) erle(out []float32, from, to float64) float64 {
	return dB(power(s.echo, from, to) / power(out, from, to))
}

// sdr is the ratio of the near end to what else is in out, late samples
// behind, between two times, in dB.
func (s signals) sdr(out []float32, late int, from, to float64) float64 {
	var sig, rest float64
	for i := int(from * SampleRate); i < int(to*SampleRate)-late; i++ {
		n, o := float64(s.near[i]), float64(out[i+late])
		sig += n * n
		rest += (o - n) * (o - n)
	}
	return dB(sig / (rest + 1e-12))
}
