package audio

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/levels"
	"intercomd/audio/pcm"
)

// An hour of two clocks that differ is in the bench; here it is a minute.
func TestASimulatedCallKeepsPaceWithBothClocks(t *testing.T) {
	said := make([]float32, 60*pcm.SampleRate)
	for i := range said {
		said[i] = float32(0.3 * math.Sin(2*math.Pi*440*float64(i)/pcm.SampleRate))
	}
	for _, ppm := range []float64{0, 200, -200} {
		r := rand.New(rand.NewPCG(1, 1))
		h, err := Simulate(Config{}, codec.Format{Name: "opus", FEC: true}, Sound{pcm.SampleRate, said}, Line{PPM: ppm, Network: func(int) (time.Duration, bool) {
			return 20*time.Millisecond + time.Duration(r.Float64()*float64(5*time.Millisecond)), true
		}})
		if err != nil {
			t.Fatal(err)
		}
		if h.Lost > 0 || h.Concealed > 8 || h.Delay < 5*time.Millisecond || h.Delay > 60*time.Millisecond {
			t.Errorf("%.0f ppm: %d lost, %d frames made up, %v late", ppm, h.Lost, h.Concealed, h.Delay)
		}
	}
}

func TestSimulatedLossIsMended(t *testing.T) {
	said := make([]float32, 10*pcm.SampleRate)
	r := rand.New(rand.NewPCG(2, 2))
	for i := range said {
		said[i] = float32(0.2 * math.Sin(2*math.Pi*300*float64(i)/pcm.SampleRate) * (1 + math.Sin(2*math.Pi*3*float64(i)/pcm.SampleRate)))
	}
	h, err := Simulate(Config{}, codec.Format{Name: "opus", FEC: true}, Sound{pcm.SampleRate, said}, Line{Network: func(seq int) (time.Duration, bool) {
		return 30 * time.Millisecond, r.Float64() > 0.05 || seq < 10
	}})
	if err != nil {
		t.Fatal(err)
	}
	if h.Lost < 10 || h.Lost > 50 || h.Concealed < h.Lost {
		t.Errorf("%d lost of 500, %d frames made up", h.Lost, h.Concealed)
	}
	// No hole: what is heard while the tone is loud never vanishes for 10 ms.
	body := h.Sound.Samples[pcm.SampleRate : 9*pcm.SampleRate]
	silent := 0
	for i := 0; i+pcm.SampleRate/4 <= len(body); i += pcm.SampleRate / 4 {
		if levels.Of(body[i:i+pcm.SampleRate/4]) < -40 {
			silent++
		}
	}
	if silent > 0 {
		t.Errorf("%d quarters of a second are silent", silent)
	}
}

// Bursts of three packets leave nothing to make up when the packets behind carry copies.
func TestSimulatedCopiesFillBursts(t *testing.T) {
	said := make([]float32, 20*pcm.SampleRate)
	for i := range said {
		said[i] = float32(0.2 * math.Sin(2*math.Pi*300*float64(i)/pcm.SampleRate))
	}
	var made [2]int
	for i, copies := range [][]int{nil, {1, 3}} {
		h, err := Simulate(Config{}, codec.Format{Name: "opus", FEC: true, Copies: len(copies)}, Sound{pcm.SampleRate, said}, Line{
			Copies: copies, Network: func(seq int) (time.Duration, bool) { return 30 * time.Millisecond, seq%30 > 2 || seq < 100 },
		})
		if err != nil {
			t.Fatal(err)
		}
		made[i] = h.Concealed
		if i == 1 && (h.Lost > 10 || h.Mended < 80) {
			t.Errorf("%d lost, %d mended", h.Lost, h.Mended)
		}
	}
	if made[0] < 180 || made[1] > 40 {
		t.Errorf("frames made up: %d without copies, %d with", made[0], made[1])
	}
}
