package voice

import (
	"math"
	"testing"
)

// noise is a sequence that any program can make: a linear congruential generator.
func noise(n int, seed uint32) []float64 {
	x := make([]float64, n)
	for i := range x {
		seed = seed*1664525 + 1013904223
		x[i] = float64(seed>>8)/(1<<23) - 1
	}
	return x
}

// speech is something with the envelope of syllables.
func speech() []float64 {
	x := noise(length, 1)
	var low float64
	for i := range x {
		t := float64(i) / Rate
		low += 0.2 * (x[i] - low)
		x[i] = low * (0.05 + math.Max(0, math.Sin(2*math.Pi*3.1*t))*math.Abs(math.Sin(2*math.Pi*0.37*t)))
	}
	return x
}

func mix(x, y []float64, g float64) []float64 {
	z := make([]float64, len(x))
	for i := range z {
		z[i] = x[i] + g*y[i]
	}
	return z
}

const length = 4 * Rate

// The figures are those of another implementation, in numpy and scipy, of the same
// papers for the same signals.
func TestAgainstAnotherImplementation(t *testing.T) {
	x := speech()
	for _, c := range []struct {
		gain      float64
		stoi, sdr float64
	}{
		{0.01, 0.9977, 21.985}, {0.05, 0.9532, 7.996}, {0.3, 0.6736, -7.564},
	} {
		y := mix(x, noise(length, 77), c.gain)
		if got := STOI(x, y); math.Abs(got-c.stoi) > 0.002 {
			t.Errorf("noise %.2f: STOI %.4f, want %.4f", c.gain, got, c.stoi)
		}
		if got := SDR(x, y); math.Abs(got-c.sdr) > 0.05 {
			t.Errorf("noise %.2f: SDR %.3f, want %.3f", c.gain, got, c.sdr)
		}
	}
}

func TestAClearVoiceIsUnderstood(t *testing.T) {
	x := speech()
	n := JudgeNear(x, x)
	if n.STOI < 0.9999 || n.SDR < 50 || math.Abs(n.Loss) > 1e-6 || n.Cut != 0 {
		t.Errorf("the voice itself: %+v", n)
	}
	half := JudgeNear(x, mix(make([]float64, length), x, 0.5))
	if half.STOI < 0.9999 || half.SDR < 50 || math.Abs(half.Loss+6.02) > 0.01 {
		t.Errorf("half as loud: %+v", half)
	}
}

func TestAFilterIsNoDistortion(t *testing.T) {
	x := speech()
	y := make([]float64, length)
	for i := 40; i < length; i++ {
		y[i] = 0.8*x[i-40] - 0.3*x[i-33]
	}
	if got := SDR(x, y); got < 30 {
		t.Errorf("SDR %.1f dB", got)
	}
}

func TestHalfOfAVoiceIsCut(t *testing.T) {
	x := speech()
	y := append([]float64(nil), x...)
	clear(y[length/2:])
	if got := JudgeNear(x, y).Cut; got < 35 || got > 65 {
		t.Errorf("%.0f %% cut", got)
	}
}

func TestDelayIsFoundAndTakenOut(t *testing.T) {
	x := band(speech())
	for _, d := range []float64{0, 37, -12.4, 171.5} {
		y := Advance(x, -d)
		got := Delay(x, y, 400)
		if math.Abs(got-d) > 0.1 {
			t.Errorf("late by %.2f, want %.2f", got, d)
		}
		if s := JudgeNear(x[400:length-400], Advance(y, got)[400:length-400]); s.SDR < 30 || math.Abs(s.Loss) > 0.05 {
			t.Errorf("late by %.2f and mended: %+v", d, s)
		}
	}
}

func TestResampleKeepsTonesInTheBand(t *testing.T) {
	x := make([]float32, 48000)
	for i := range x {
		x[i] = float32(math.Sin(2*math.Pi*1000*float64(i)/48000) + math.Sin(2*math.Pi*9000*float64(i)/48000))
	}
	y := At16k(x)[2000:14000]
	if e := dB(2 * Energy(y) / float64(len(y))); math.Abs(e) > 0.1 {
		t.Errorf("1 kHz passes at %.2f dB", e)
	}
}
