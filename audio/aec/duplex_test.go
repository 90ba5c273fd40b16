package aec

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"intercomd/audio"
	"intercomd/audio/duplex"
)

// housed is the canceller in the words of package audio.
type housed struct{ Canceller }

func (h housed) Stats() audio.EchoStats { return audio.EchoStats{} }

// ways runs signals through the microphone's path of a call and returns when it
// changed between full and switched duplex, and what was sent.
func ways(t *testing.T, s signals, canceller func() audio.EchoCanceller) ([]audio.Way, []float32) {
	t.Helper()
	file := func(x []float32) io.Reader {
		var b bytes.Buffer
		if err := audio.WriteWAV(&b, audio.Sound{Rate: SampleRate, Samples: x}); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	var out bytes.Buffer
	r, err := audio.Offline(audio.Config{NewEcho: canceller, Duplex: duplex.Auto, Log: slog.New(slog.DiscardHandler)},
		file(s.far), file(s.mic), &out)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := audio.ReadWAV(&out)
	if err != nil {
		t.Fatal(err)
	}
	return r.Ways, sent.Samples
}

func ours() audio.EchoCanceller { return housed{NewKalman()} }

// What happens at a door every day is no reason to give up full duplex.
func TestFullDuplexIsKept(t *testing.T) {
	for name, sc := range map[string]scene{
		"far end alone":       {seed: 31, seconds: 25, delayMs: 60, tailMs: 60, drive: 1},
		"loud double talk":    {seed: 32, seconds: 25, delayMs: 60, tailMs: 60, drive: 1, nearFrom: 0, nearTo: 25, nearGain: 1.5},
		"double talk":         {seed: 33, seconds: 25, delayMs: 40, tailMs: 60, drive: 1, nearFrom: 5, nearTo: 20, nearGain: 0.5},
		"street":              {seed: 34, seconds: 20, delayMs: 60, tailMs: 60, drive: 1, noise: 0.03},
		"street, double talk": {seed: 35, seconds: 20, delayMs: 60, tailMs: 60, drive: 1, noise: 0.02, nearFrom: 3, nearTo: 20, nearGain: 1},
		"hard loudspeaker":    {seed: 36, seconds: 20, delayMs: 60, tailMs: 60, drive: 4},
		"late":                {seed: 37, seconds: 20, delayMs: 400, tailMs: 60, drive: 1},
		"two clocks":          {seed: 38, seconds: 25, delayMs: 80, tailMs: 60, drive: 1, ppm: 200},
		"another room":        {seed: 39, seconds: 25, delayMs: 60, tailMs: 60, drive: 1, jumpAt: 10, newRoom: true},
		"the delay jumps":     {seed: 40, seconds: 25, delayMs: 60, tailMs: 60, drive: 1, jumpAt: 10, jumpMs: 40},
	} {
		if raceDetector && name != "double talk" {
			continue // one is enough to look for races
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _ := ways(t, sc.make(), ours); len(got) > 0 {
				t.Errorf("given up: %+v", got)
			}
		})
	}
}

// Without any echo, and with a visitor who answers as the far end talks.
func TestFullDuplexIsKeptWithoutEcho(t *testing.T) {
	seeds := uint64(6)
	if raceDetector {
		seeds = 1
	}
	for seed := range seeds {
		s := scene{seed: 51 + seed, seconds: 40, delayMs: 60, tailMs: 60, nearTo: 40, nearGain: 1}.make()
		s.mic = s.near
		if got, _ := ways(t, s, nil); len(got) > 0 {
			t.Errorf("seed %d: given up: %+v", seed, got)
		}
	}
}

// hopeless are doors where nothing can be cancelled.
func TestHopelessDoors(t *testing.T) {
	sc := scene{seed: 61, seconds: 30, delayMs: 60, tailMs: 60, drive: 1}
	rattle := sc.make()
	r := rand.New(rand.NewPCG(1, 2))
	level := 0.
	for i := range rattle.mic {
		// A voice coil that scrapes: noise as loud as the voice is.
		level += 0.002 * (math.Abs(float64(rattle.echo[i])) - level)
		rattle.mic[i] = 0.3*rattle.echo[i] + float32(2*level*r.NormFloat64())
	}
	unsteady := sc.make()
	// The card loses and invents samples all the time.
	for i, hop := SampleRate, 0; i < len(unsteady.mic); i++ {
		if i%(SampleRate/4) == 0 {
			hop = r.IntN(4000)
		}
		unsteady.mic[i] = unsteady.echo[i-hop]
	}
	plain := sc.make()
	clipped := sc.make()
	for i, v := range clipped.echo {
		clipped.mic[i] = max(-1, min(1, 40*v))
	}
	for _, c := range []struct {
		name      string
		s         signals
		canceller func() audio.EchoCanceller
		why       duplex.Reason
	}{
		{"the loudspeaker rattles", rattle, ours, duplex.Echo},
		{"the card hops", unsteady, ours, duplex.Echo},
		{"no canceller", plain, nil, duplex.Echo},
		{"the microphone clips", clipped, ours, duplex.Clipping},
	} {
		if raceDetector && c.canceller != nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			got, sent := ways(t, c.s, c.canceller)
			if len(got) != 1 || !got[0].Switched || got[0].Reason != c.why || got[0].At > 12*time.Second {
				t.Fatalf("%+v, want switched for %s within 12 s", got, c.why)
			}
			from := got[0].At.Seconds() + 1
			if loss := dB(power(c.s.far, from, 30) / power(sent, from, 30)); loss < 20 {
				t.Errorf("then the far end hears itself %.1f dB down", loss)
			}
		})
	}
}
