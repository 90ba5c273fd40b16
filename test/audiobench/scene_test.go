package main

import (
	"math"
	"testing"

	"intercomd/audio/codec"
)

// The scenes are what they say, and the judge tells a canceller that does nothing and
// one that silences everything from what they claim.
func TestTheJudgeIsNotFooled(t *testing.T) {
	who := &speakers{seed: 1, said: map[string][]float64{"bob": murmur(3), "ann": murmur(4)}}
	for _, s := range []scene{
		{name: "echo", seconds: 12, far: []span{{0.5, 12}}, farWho: "bob", tail: 40, delay: 60, drive: mild},
		{name: "talk", seconds: 14, far: []span{{0.5, 14}}, near: []span{{6, 11}}, farWho: "bob", nearWho: "ann", tail: 40, delay: 60, drive: mild},
	} {
		r, err := s.record(who)
		if err != nil {
			t.Fatal(err)
		}
		same, mute := s.judge(r, r.mic), s.judge(r, make([]float32, len(r.mic)))
		if math.Abs(same.end) > 0.1 || mute.end < 40 {
			t.Errorf("%s: nothing done removes %.1f dB, silence %.1f dB", s.name, same.end, mute.end)
		}
		if len(s.near) == 0 {
			continue
		}
		if same.talk.SDR > 6 || mute.talk.Cut < 99 || mute.talk.STOI > 0.5 {
			t.Errorf("%s: nothing done %+v, silence %+v", s.name, same.talk, mute.talk)
		}
		if clean := s.judge(r, r.near); clean.talk.SDR < 40 || clean.talk.STOI < 0.99 || clean.talk.Cut > 0 {
			t.Errorf("%s: the voice itself %+v", s.name, clean.talk)
		}
	}
}

// What 5 % of loss and 30 ms of jitter leave is a call that can be followed. A real voice
// does better; the bench has the figure.
func TestALossyLineCanBeUnderstood(t *testing.T) {
	x := murmur(4)
	pcm := make([]float32, 8*fs)
	for i := range pcm {
		pcm[i] = float32(0.1 * x[i%len(x)])
	}
	good, bad, err := bothLines(pcm, codec.Format{Name: "opus", FEC: true}, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := understood(pcm, good.Sound.Samples)
	b, _, _ := understood(pcm, bad.Sound.Samples)
	if good.Lost > 0 || bad.Lost < 5 || b < 0.8*a {
		t.Errorf("STOI %.3f, %.3f with loss; %d lost, %d lost", a, b, good.Lost, bad.Lost)
	}
}

func TestEveryGoalHasItsScenes(t *testing.T) {
	for _, g := range goals() {
		n := 0
		for _, s := range scenes() {
			if g.covers(s.name) {
				n++
			}
		}
		if n == 0 {
			t.Errorf("%s: no scene", g.what)
		}
	}
	if v := goals()[0].value(nil); !math.IsNaN(v) {
		t.Errorf("no scores give %v", v)
	}
}

// murmur stands for a voice where there is no espeak-ng: noise in syllables.
func murmur(seed uint32) []float64 {
	x := make([]float64, 20*fs)
	for i := range x {
		seed = seed*1664525 + 1013904223
		t := float64(i) / fs
		x[i] = (float64(seed>>8)/(1<<23) - 1) * math.Max(0.02, math.Sin(2*math.Pi*float64(2+seed%2)*0.1*t)*math.Sin(2*math.Pi*3*t))
	}
	return level(highpass(lowpass(x, 3000), 80))
}
