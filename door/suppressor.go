package door

import (
	"fmt"
	"log/slog"
	"time"

	"intercomd/audio"
	"intercomd/audio/denoise"
	"intercomd/audio/pcm"
)

// newSuppressor makes the noise suppressor that the configuration names; nil for
// none.
func newSuppressor(level string, log *slog.Logger) (func() audio.Suppressor, error) {
	switch level {
	case "off", "":
		return nil, nil
	case "low":
		return func() audio.Suppressor { return smallSuppressor(denoise.Low, log) }, nil
	case "high":
		return func() audio.Suppressor { return smallSuppressor(denoise.High, log) }, nil
	case "max":
		return func() audio.Suppressor { return largeSuppressor(log) }, nil
	default:
		return nil, fmt.Errorf("noise suppression %q is not one of off, low, high, max", level)
	}
}

func smallSuppressor(l denoise.Level, log *slog.Logger) audio.Suppressor {
	s, err := denoise.New(l)
	if err != nil {
		log.Error("noise suppression cannot be used", "error", err)
		return passThrough{}
	}
	return s
}

func largeSuppressor(log *slog.Logger) audio.Suppressor {
	s, err := denoise.NewLarge()
	if err != nil {
		log.Error("noise suppression max cannot be used; using high", "error", err)
		return smallSuppressor(denoise.High, log)
	}
	return s
}

// suppressorOfCalls is newSuppressor for a door that has to keep time: a board that does not carry
// the large one gets the small one.
func suppressorOfCalls(level string, log *slog.Logger) (func() audio.Suppressor, error) {
	if level != "max" {
		return newSuppressor(level, log)
	}
	return func() audio.Suppressor {
		began := time.Now()
		return &relief{
			large: largeSuppressor(log), small: smallSuppressor(denoise.High, log),
			clock: func() time.Duration { return time.Since(began) },
			say: func(took time.Duration) {
				log.Warn("noise suppression max is too much for this board; using high until the next start", "microseconds", took.Microseconds())
			},
		}
	}, nil
}

// relief is the large suppressor for as long as the board keeps up with it, and the small
// one from then on: a call that suppresses less noise is better than one with gaps.
type relief struct {
	large, small audio.Suppressor
	clock        func() time.Duration
	say          func(took time.Duration) // once: how long frames took

	frames, late int           // of this window, and those of them that took too long
	took         time.Duration // all of this window
	given        bool          // up
}

const (
	// reliefMost is what a frame may take: with it and all the rest that a call computes, half of
	// a core is used (benchmark.Most).
	reliefMost = 3 * time.Millisecond
	// reliefWindow is the frames of which most must take too long: what else happens
	// to run for a moment does not count.
	reliefWindow = 100
)

// Process suppresses the noise of a frame in place.
func (r *relief) Process(frame []float32) {
	if r.given {
		r.small.Process(frame)
		return
	}
	if r.frames == reliefWindow {
		if r.late > reliefWindow/2 {
			r.give(frame)
			return
		}
		r.frames, r.late, r.took = 0, 0, 0
	}
	before := r.clock()
	r.large.Process(frame)
	took := r.clock() - before
	r.frames++
	r.took += took
	if took > reliefMost {
		r.late++
	}
}

// give fades from the large one to the small one, which leaves out what the other is later.
func (r *relief) give(frame []float32) {
	r.given = true
	var last [pcm.Frame]float32
	n := copy(last[:], frame)
	r.large.Process(last[:n])
	r.small.Process(frame)
	for i, v := range last[:n] {
		w := (float32(i) + 0.5) / pcm.Frame
		frame[i] = v*(1-w) + frame[i]*w
	}
	r.say(r.took / reliefWindow)
}

// passThrough suppresses nothing.
type passThrough struct{}

func (passThrough) Process([]float32) {}
