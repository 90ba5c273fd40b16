package audio

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// An hour of two clocks that differ is in the bench; here it is a minute.
func TestAPassageKeepsPaceWithBothClocks(t *testing.T) {
	pcm := make([]float32, 60*SampleRate)
	for i := range pcm {
		pcm[i] = float32(0.3 * math.Sin(2*math.Pi*440*float64(i)/SampleRate))
	}
	for _, ppm := range []float64{0, 200, -200} {
		r := rand.New(rand.NewPCG(1, 1))
		h, err := Pass(Config{}, Codec{Name: "opus", FEC: true}, Sound{SampleRate, pcm}, func(int) (time.Duration, bool) {
			return 20*time.Millisecond + time.Duration(r.Float64()*float64(5*time.Millisecond)), true
		}, ppm)
		if err != nil {
			t.Fatal(err)
		}
		if h.Lost > 0 || h.Concealed > 8 || h.Delay < 5*time.Millisecond || h.Delay > 60*time.Millisecond {
			t.Errorf("%.0f ppm: %d lost, %d frames made up, %v late", ppm, h.Lost, h.Concealed, h.Delay)
		}
	}
}

func TestALostPassageIsMended(t *testing.T) {
	pcm := make([]float32, 10*SampleRate)
	r := rand.New(rand.NewPCG(2, 2))
	for i := range pcm {
		pcm[i] = float32(0.2 * math.Sin(2*math.Pi*300*float64(i)/SampleRate) * (1 + math.Sin(2*math.Pi*3*float64(i)/SampleRate)))
	}
	h, err := Pass(Config{}, Codec{Name: "opus", FEC: true}, Sound{SampleRate, pcm}, func(seq int) (time.Duration, bool) {
		return 30 * time.Millisecond, r.Float64() > 0.05 || seq < 10
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if h.Lost < 10 || h.Lost > 50 || h.Concealed < h.Lost {
		t.Errorf("%d lost of 500, %d frames made up", h.Lost, h.Concealed)
	}
	// No hole: what is heard while the tone is loud never vanishes for 10 ms.
	body := h.Sound.Samples[SampleRate : 9*SampleRate]
	silent := 0
	for i := 0; i+SampleRate/4 <= len(body); i += SampleRate / 4 {
		if loudness(body[i:i+SampleRate/4]) < -40 {
			silent++
		}
	}
	if silent > 0 {
		t.Errorf("%d quarters of a second are silent", silent)
	}
}
