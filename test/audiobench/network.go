package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"intercomd/audio"
	"intercomd/audio/codec"
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
		a, _, _ := understood(pcm, good.Sound.Samples)
		b, _, _ := understood(pcm, bad.Sound.Samples)
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
	if good, err = audio.Simulate(audio.Config{}, c, sound, audio.Line{Network: steady}); err != nil {
		return good, bad, err
	}
	bad, err = audio.Simulate(audio.Config{}, c, sound, audio.Line{Network: lossy(seed)})
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
		h, err := audio.Simulate(audio.Config{}, codec.Format{Name: "PCMU"}, audio.Sound{Rate: fs, Samples: pcm}, audio.Line{Network: steady, PPM: ppm})
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
