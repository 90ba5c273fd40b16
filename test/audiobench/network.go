package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"intercomd/audio"
	"intercomd/audio/codec"
	"intercomd/test/voice"
)

const (
	lossShare   = 0.05
	jitterRange = 30 * time.Millisecond // either way, each packet by itself: they overtake each other
	lineDelay   = 40 * time.Millisecond
	lossGoal    = 0.9 // of the STOI of the same call without loss and jitter
)

// lossy is a line that loses and shakes.
func lossy(seed uint64) audio.Network {
	r := rand.New(rand.NewPCG(seed, 31))
	return func(int) (time.Duration, bool) {
		delay := lineDelay + time.Duration((2*r.Float64()-1)*float64(jitterRange))
		return delay, r.Float64() >= lossShare
	}
}

func steady(int) (time.Duration, bool) { return lineDelay, true }

// understood is the STOI of what came over a line. The far end stretches time, so that it
// is measured in pieces, each brought in time by itself.
func understood(said []float32, h audio.Heard) float64 {
	x, y := voice.At16k(said), voice.At16k(h.Sound.Samples)
	const piece, limit = 2 * voice.Rate, voice.Rate / 5
	var sum, n float64
	for at := 2 * voice.Rate; at+piece+limit <= min(len(x), len(y)); at += piece {
		a, b := x[at:at+piece], y[at:at+piece+limit]
		d := int(math.Round(voice.Delay(a, b[:piece], limit)))
		if d < 0 || d > limit {
			continue
		}
		if s := voice.STOI(a, b[d:d+piece]); !math.IsNaN(s) {
			sum, n = sum+s, n+1
		}
	}
	return sum / n
}

// overTheLine compares the same call with and without a bad network, for each codec.
func overTheLine(who *speakers) error {
	x, err := who.voice("ann")
	if err != nil {
		return err
	}
	return lineReport(x, who.seed)
}

// lineReport prints the table of the network for a voice.
func lineReport(x []float64, seed uint64) error {
	pcm := make([]float32, min(len(x), 40*fs))
	for i := range pcm {
		pcm[i] = float32(0.1 * x[i])
	}
	fmt.Printf("\n%-52s %9s %12s %12s %12s %8s\n", "5 % loss, 30 ms jitter: STOI", "goal", "without", "with", "of it", "mended")
	for _, c := range []codec.Format{{Name: "opus", FEC: true}, {Name: "opus"}, {Name: "PCMU"}} {
		good, bad, err := bothLines(pcm, c, seed)
		if err != nil {
			return err
		}
		a, b := understood(pcm, good), understood(pcm, bad)
		verdict := "pass"
		if b < lossGoal*a {
			verdict = "MISS"
		}
		name := c.Name
		if c.FEC {
			name += " with FEC"
		}
		fmt.Printf("%-52s %9s %12.3f %12.3f %7.3f %s %6d ms\n", name, fmt.Sprintf("≥ %g", lossGoal), a, b, b/a, verdict, 10*bad.Concealed)
	}
	return nil
}

func bothLines(pcm []float32, c codec.Format, seed uint64) (good, bad audio.Heard, err error) {
	sound := audio.Sound{Rate: fs, Samples: pcm}
	if good, err = audio.Simulate(audio.Config{}, c, sound, steady, 0); err != nil {
		return good, bad, err
	}
	bad, err = audio.Simulate(audio.Config{}, c, sound, lossy(seed), 0)
	return good, bad, err
}

// driftHour lets two clocks run apart for an hour of voice.
func driftHour(who *speakers, length time.Duration) error {
	x, err := who.voice("ann")
	if err != nil {
		return err
	}
	pcm := make([]float32, int(length.Seconds())*fs)
	for i := range pcm {
		pcm[i] = float32(0.1 * x[i%len(x)])
	}
	for _, ppm := range []float64{200, -200} {
		h, err := audio.Simulate(audio.Config{}, codec.Format{Name: "PCMU"}, audio.Sound{Rate: fs, Samples: pcm}, steady, ppm)
		if err != nil {
			return err
		}
		verdict := "pass"
		if h.Concealed > 10 || h.Lost > 0 || h.Delay > 60*time.Millisecond {
			verdict = "MISS"
		}
		fmt.Printf("clocks %+.0f ppm apart for %v: %d ms made up, %d packets lost, %d ms late at the end  %s\n",
			ppm, length, 10*h.Concealed, h.Lost, h.Delay.Milliseconds(), verdict)
	}
	return nil
}
