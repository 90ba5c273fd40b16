// Package selftest finds out whether loudspeaker and microphone of a door work:
// the one plays a chirp, the other listens, and what comes of it is compared with
// how it was when the door was commissioned.
//
// It makes sounds and judges recordings. Who plays them, when that does not
// disturb anybody, and what becomes of the result is decided elsewhere.
package selftest

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"intercomd/words"
)

// SampleRate is the rate of all samples, in Hz.
const SampleRate = 48000

// Prober plays a sound at the loudspeaker and returns what the microphone heard
// from its first sample to its last, both full scale ±1 and before any processing.
type Prober interface {
	Probe(ctx context.Context, play []float32) ([]float32, error)
}

// Measurement is what one chirp told.
type Measurement struct {
	Heard    bool           // the chirp was in the recording
	Level    float64        // of the recording while it was heard, dBFS RMS
	Noise    float64        // of the recording before it, dBFS RMS
	Coupling float64        // of loudspeaker and microphone, 300 Hz to 6 kHz, dB: 0 is a wire
	Bands    [bands]float64 // the same below 1 kHz, to 2.5 kHz, and above, dB
	Delay    time.Duration  // from a sample that is played to its sound, queues included
	Clipped  bool           // the microphone reached full scale
}

// Verdict is what a test came to.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Unclear Verdict = "unclear" // too loud at the door to tell
)

// Report is the result of a test.
type Report struct {
	Verdict  Verdict
	Problem  words.Message // what is wrong; none if nothing is
	Measured Measurement   // by the last chirp
	Chirps   int           // that it took
}

// levels are the amplitudes of the chirps in dBFS: the first, which hardly
// anybody minds, and three louder ones for a door that did not hear it well.
//
//nolint:gochecknoglobals // a table
var levels = [...]float64{-24, -18, -12, -6}

const (
	before = SampleRate * 3 / 10 // silence in which the noise is measured
	length = SampleRate * 8 / 10 // of the chirp
	after  = SampleRate * 9 / 10 // for what comes late
	total  = before + length + after
)

// Run plays up to four chirps, each louder than the one before, until one passes.
// With a nil base only that it is heard is asked for. An error of p, such as that
// of a call, ends it.
func Run(ctx context.Context, p Prober, base *Measurement) (Report, error) {
	a := newAnalyser()
	var r Report
	for i, level := range levels {
		rec, err := p.Probe(ctx, a.sound(level))
		if err != nil {
			return Report{}, fmt.Errorf("acoustic self-test: %w", err)
		}
		m := a.measure(rec, level)
		r = judge(base, m)
		r.Chirps = i + 1
		if r.Verdict == Passed {
			return r, nil
		}
	}
	return r, nil
}

const (
	// A door is in order if coupling and bands are within so many dB of what they
	// were: temperature, rain and a visitor who stands close move them by less.
	weaker, louder, duller = -12., 12., -12.
	// loudNoise is the noise at the microphone, in dBFS, in which a chirp that is
	// not heard proves nothing.
	loudNoise = -30.
	// deaf is the noise that no working microphone stays under, in dBFS.
	deaf = -85.
)

// judge compares a measurement with the one of the commissioning.
func judge(base *Measurement, m Measurement) Report {
	r := Report{Verdict: Failed, Measured: m}
	switch {
	case !m.Heard && m.Noise < deaf:
		r.Problem = words.New("test-deaf")
	case !m.Heard && m.Noise > loudNoise:
		r.Verdict, r.Problem = Unclear, words.New("test-too-loud", "noise", whole(m.Noise))
	case !m.Heard:
		r.Problem = words.New("test-not-heard")
	case base == nil:
		r.Verdict = Passed
	default:
		r.compare(base, m)
	}
	return r
}

func (r *Report) compare(base *Measurement, m Measurement) {
	names := [bands]string{"low", "middle", "high"}
	diff := m.Coupling - base.Coupling
	switch {
	case diff < weaker:
		r.Problem = words.New("test-weaker", "dB", whole(-diff))
		return
	case diff > louder:
		r.Problem = words.New("test-louder", "dB", whole(diff))
		return
	}
	for i, b := range m.Bands {
		if d := b - base.Bands[i]; d < duller {
			r.Problem = words.New("test-duller", "band", names[i], "dB", whole(-d))
			return
		}
	}
	r.Verdict = Passed
}

// whole is a figure as a parameter.
func whole(f float64) string { return strconv.Itoa(int(math.Round(f))) }
