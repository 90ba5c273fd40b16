package selftest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// room is a door in numbers.
type room struct {
	gain   float64 // of the loudspeaker at the microphone; 0 is a broken one
	late   int     // samples
	noise  float64 // RMS at the microphone
	muffle float64 // share of the sample before that each sample keeps: something before the microphone
	muted  bool
	hum    float64 // amplitude of 1 kHz beside it
	seed   uint64
	chirps int
	err    error // of the next chirp but one
}

func (r *room) Probe(_ context.Context, play []float32) ([]float32, error) {
	if r.chirps++; r.err != nil && r.chirps > 1 {
		return nil, r.err
	}
	rec := make([]float32, len(play))
	if r.muted {
		return rec, nil
	}
	rng := rand.New(rand.NewPCG(r.seed, 7))
	type tap struct {
		at int
		g  float64
	}
	taps := []tap{{r.late, 1}}
	for range 60 { // a housing and a wall, 30 ms to -60 dB
		at := rng.IntN(1440)
		taps = append(taps, tap{r.late + 20 + at, 0.3 * rng.NormFloat64() * math.Exp(-6.9*float64(at)/1440)})
	}
	seen := rand.New(rand.NewPCG(r.seed+uint64(r.chirps), 8))
	var low float64
	for i := range rec {
		var v float64
		for _, t := range taps {
			if j := i - t.at; j >= 0 {
				v += t.g * float64(play[j])
			}
		}
		v *= r.gain
		v = math.Tanh(1.2*v) / 1.2 // a small loudspeaker, driven hard
		low += (1 - r.muffle) * (v - low)
		v = low + r.noise*seen.NormFloat64() + r.hum*math.Sin(2*math.Pi*1000*float64(i)/SampleRate)
		rec[i] = float32(math.Round(max(-1, min(1, v))*32767) / 32767)
	}
	return rec, nil
}

func good() room { return room{gain: 0.3, late: 2900, noise: 0.001, seed: 3} }

func commission(t *testing.T) *Measurement {
	t.Helper()
	r := good()
	rep, err := Run(t.Context(), &r, nil)
	if err != nil || rep.Verdict != Passed || rep.Chirps != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	m := rep.Measured
	if math.Abs(m.Coupling+8) > 4 || m.Delay < 58*time.Millisecond || m.Delay > 64*time.Millisecond || math.Abs(m.Noise+60) > 1 || m.Clipped {
		t.Errorf("measured %+v", m)
	}
	return &m
}

func TestRooms(t *testing.T) {
	base := commission(t)
	for name, c := range map[string]struct {
		change  func(*room)
		verdict Verdict
		text    string
		chirps  int
	}{
		"as it was":             {func(*room) {}, Passed, "", 1},
		"another day":           {func(r *room) { r.gain, r.noise, r.late = 0.4, 0.004, 3900 }, Passed, "", 1},
		"a loud street":         {func(r *room) { r.noise = 0.03 }, Passed, "", 1},
		"a pneumatic drill":     {func(r *room) { r.noise = 0.15 }, Passed, "", 1},
		"louder than anything":  {func(r *room) { r.noise, r.gain = 0.4, 0.01 }, Unclear, "too loud at the door", 4},
		"mains hum":             {func(r *room) { r.hum = 0.05 }, Passed, "", 1},
		"broken loudspeaker":    {func(r *room) { r.gain = 0 }, Failed, "does not hear the loudspeaker", 4},
		"muted microphone":      {func(r *room) { r.muted = true }, Failed, "hears nothing at all", 4},
		"covered microphone":    {func(r *room) { r.gain, r.muffle = 0.6, 0.95 }, Failed, "without high tones", 4},
		"taped microphone":      {func(r *room) { r.gain = 0.03 }, Failed, "weaker than at commissioning", 4},
		"somebody turned it up": {func(r *room) { r.gain, r.hum = 2.5, 0 }, Failed, "louder than at commissioning", 4},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			c.change(&r)
			got, err := Run(t.Context(), &r, base)
			if err != nil || got.Verdict != c.verdict || !strings.Contains(got.Problem.String(), c.text) || got.Chirps != c.chirps {
				t.Errorf("%+v, %v", got, err)
			}
			if (got.Verdict == Passed) != (got.Problem.None() && got.Problem.Remedy() == "") {
				t.Errorf("text %q, remedy %q", got.Problem, got.Problem.Remedy())
			}
		})
	}
}

// Without a commissioning it is enough that the loudspeaker is heard.
func TestWithoutBaseline(t *testing.T) {
	quiet, broken := good(), good()
	quiet.gain, broken.gain = 0.01, 0
	if r, err := Run(t.Context(), &quiet, nil); err != nil || r.Verdict != Passed {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := Run(t.Context(), &broken, nil); err != nil || r.Verdict != Failed {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestInterrupted(t *testing.T) {
	r := good()
	r.gain, r.err = 0, errors.New("somebody calls")
	if _, err := Run(t.Context(), &r, nil); !errors.Is(err, r.err) || r.chirps != 2 {
		t.Errorf("%v after %d chirps", err, r.chirps)
	}
}

// What is not a recording of the right length, or of numbers, is not heard.
func TestNonsense(t *testing.T) {
	a := newAnalyser()
	for _, rec := range [][]float32{nil, make([]float32, 10), {float32(math.NaN())}} {
		if m := a.measure(rec, -6); m.Heard {
			t.Errorf("heard in %d samples: %+v", len(rec), m)
		}
	}
}

// Noise alone never sounds like a chirp.
func TestNoiseIsNoChirp(t *testing.T) {
	a := newAnalyser()
	for seed := range uint64(25) {
		r := room{noise: 0.1, seed: seed}
		rec, _ := r.Probe(t.Context(), a.sound(-24))
		if m := a.measure(rec, -24); m.Heard {
			t.Errorf("seed %d: %+v", seed, m)
		}
	}
}

func BenchmarkMeasure(b *testing.B) {
	a, r := newAnalyser(), good()
	rec, _ := r.Probe(b.Context(), a.sound(-24))
	for b.Loop() {
		a.measure(rec, -24)
	}
}
