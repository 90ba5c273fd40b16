package audio

import (
	"context"
	"errors"
	"fmt"

	"intercomd/audio/pcm"
)

// Errors of [Engine.Probe].
var (
	// ErrProbeEnded: a call, a tone or another probe came first.
	ErrProbeEnded = errors.New("the door is needed for something else")
	// ErrProbeDeaf: there is no microphone or no loudspeaker.
	ErrProbeDeaf = errors.New("microphone and loudspeaker are not both there")
)

// probe is a sound that is played while the microphone is recorded.
type probe struct {
	play, rec []float32
	settled   int        // frames with both devices
	sounded   int        // samples played
	heard     int        // samples recorded
	done      chan error // buffered
}

// probeSettle is how many frames the devices run before a probe begins: they rest before it,
// and some of them need a moment.
const probeSettle = 50

// Probe starts the devices where they rest, plays samples at the loudspeaker as they are and
// returns what the microphone hears meanwhile, before any processing and as long. Neither volume nor
// gain has a say. Calls and tones go first: they end it with [ErrProbeEnded].
func (e *Engine) Probe(ctx context.Context, play []float32) ([]float32, error) {
	n := len(play) / pcm.Frame * pcm.Frame
	pr := &probe{play: play[:n], rec: make([]float32, n), done: make(chan error, 1)}
	if !e.probe.CompareAndSwap(nil, pr) {
		return nil, fmt.Errorf("audio: probe: %w", ErrProbeEnded)
	}
	defer e.probe.CompareAndSwap(pr, nil)
	e.keep.Look()
	e.nudge()
	var err error
	select {
	case err = <-pr.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("audio: probe: %w", err)
	}
	return pr.rec, nil
}

// probing is the probe that goes on, if nothing more important has come up.
func (p *pump) probing() *probe {
	pr := p.e.probe.Load()
	if pr == nil {
		return nil
	}
	err := error(nil)
	switch {
	case p.cur != nil || p.sounding():
		err = ErrProbeEnded
	case p.in == nil && p.e.in.AtRest(), p.out == nil && p.e.out.AtRest():
		return nil // they are being started
	case p.in == nil || p.out == nil:
		err = ErrProbeDeaf
	case pr.settled < probeSettle:
		pr.settled++
		return nil
	case pr.sounded < len(pr.play):
		return pr
	case pr.heard < len(pr.play):
		return nil // its end is still to be heard
	}
	pr.finish(p.e, err)
	return nil
}

func (pr *probe) finish(e *Engine, err error) {
	if e.probe.CompareAndSwap(pr, nil) {
		pr.done <- err
	}
}

// sound puts the next frame in place of what would be played.
func (pr *probe) sound(frame []float32) { pr.sounded += copy(frame, pr.play[pr.sounded:]) }

// hear takes the frame of the microphone that belongs to it.
func (pr *probe) hear(frame []float32) { pr.heard += copy(pr.rec[pr.heard:], frame) }
