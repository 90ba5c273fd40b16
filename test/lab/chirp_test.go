package lab

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestLagsAreFoundInNoise(t *testing.T) {
	const period, late = 500 * time.Millisecond, 83 * Rate / 1000
	r := rand.New(rand.NewPCG(1, 2))
	mouth, ear := make([]int16, 6*Rate), make([]int16, 6*Rate)
	for i := range mouth {
		mouth[i], ear[i] = int16(200*r.NormFloat64()), int16(300*r.NormFloat64())
	}
	for i := range mouth {
		at := (i + Rate/2) % (Rate / 2)
		if at < ChirpSize {
			mouth[i] += int16(9000 * Chirp(at))
			if j := i + late; j < len(ear) {
				ear[j] -= int16(8000 * Chirp(at)) // the other way round, as a device may have it
			}
		}
	}
	now := time.Now()
	// The ear's recording began 10 ms later, so that its samples are heard later.
	lags := Lags(mouth, ear, now, now.Add(10*time.Millisecond), period, 400*time.Millisecond)
	if len(lags) < 10 {
		t.Fatalf("%d chirps found of 12", len(lags))
	}
	for _, l := range lags {
		if math.Abs(l-93) > 0.5 {
			t.Errorf("late by %.2f ms, want 93", l)
		}
	}
}

func TestNoChirpsAreFoundInSilence(t *testing.T) {
	if c := FindChirps(make([]int16, Rate), time.Second); len(c) != 0 {
		t.Errorf("found %v", c)
	}
}
