package door

import (
	"fmt"
	"log/slog"
	"time"

	"intercomd/audio"
	"intercomd/audio/aec"
	"intercomd/audio/duplex"
	"intercomd/audio/speexdsp"
)

// echo lets the audio engine use a canceller of package aec.
type echo struct{ aec.Canceller }

func (e echo) Stats() audio.EchoStats {
	s := e.Canceller.Stats()
	return audio.EchoStats{
		ERLE: float64(s.ERLE), Delay: time.Duration(float64(s.Delay) * float64(time.Millisecond)),
		DoubleTalk: float64(s.DoubleTalk), Noise: float64(s.Noise), Diverged: s.Diverged, Howling: s.Howling,
	}
}

// MicrophonePath is the part of the sound between the microphone and the encoder, in the words
// of the configuration.
func MicrophonePath(echo, noise, way string, agc bool, log *slog.Logger) (audio.Config, error) {
	suppressor, err := newSuppressor(noise, log)
	if err != nil {
		return audio.Config{}, err
	}
	d, err := duplexMode(way)
	return audio.Config{NewEcho: newEcho(echo, log), NewSuppressor: suppressor, AGC: agc, Duplex: d, Log: log}, err
}

// newEcho makes the canceller that the configuration names; nil for none.
func newEcho(name string, log *slog.Logger) func() audio.EchoCanceller {
	switch name {
	case "kalman":
		return func() audio.EchoCanceller { return echo{aec.NewKalman()} }
	case "speexdsp":
		return func() audio.EchoCanceller {
			s, err := speexdsp.New(speexTail)
			if err != nil {
				log.Error("speexdsp cannot be used; using the built-in canceller", "error", err)
				return echo{aec.NewKalman()}
			}
			return echo{aec.NewAligned(s)}
		}
	default:
		return nil
	}
}

// speexTail is the length of echo that speexdsp is made to model, in ms: what a
// door station and its wall give back. aec.Aligned takes the delay of the sound
// card out before.
const speexTail = 128

// duplexMode reads a word of the configuration. To push to talk is the station's
// affair: the sound has nothing to decide then.
func duplexMode(word string) (duplex.Mode, error) {
	switch word {
	case "auto":
		return duplex.Auto, nil
	case "full", "push-to-talk":
		return duplex.Full, nil
	case "switched":
		return duplex.Switched, nil
	default:
		return 0, fmt.Errorf("duplex %q is not one of auto, full, switched", word)
	}
}
