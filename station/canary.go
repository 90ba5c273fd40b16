package station

import (
	"context"
	"math/rand/v2"
	"time"

	"intercomd/words"
)

// This file tries the whole way of a call now and then, without anybody at either end: the door
// calls an extension that sends back what it hears. See docs/decisions/canary-call.md.

// CanaryConfig is when the door calls the echo extension.
type CanaryConfig struct {
	Target string        // user or SIP URI; "" never calls
	Every  time.Duration // between two calls
	// Within reports whether calls may be made at that time; nil: always. It is not asked while the
	// time is not known.
	Within func(time.Time) bool
	Kept   Canary // as it was last saved
}

// CanaryState is how the canary call stands: a stable code.
type CanaryState string

// The states.
const (
	CanaryOff     CanaryState = "off"     // there is none
	CanaryWaiting CanaryState = "waiting" // none has come to an end yet
	CanaryRunning CanaryState = "running"
	CanaryPassed  CanaryState = "passed"
	CanaryFailed  CanaryState = "failed"
)

// CanaryStates lists them.
func CanaryStates() []CanaryState {
	return []CanaryState{CanaryOff, CanaryWaiting, CanaryRunning, CanaryPassed, CanaryFailed}
}

// Canary is how the last canary call went.
type Canary struct {
	State    CanaryState   `json:"state"`
	Target   string        `json:"target,omitempty"`
	At       time.Time     `json:"at,omitzero"`   // of the last one that came to an end
	Next     time.Time     `json:"next,omitzero"` // when the next one is due
	Problem  words.Message `json:"problem,omitzero"`
	AnswerMS float64       `json:"answerMs,omitempty"` // from the INVITE to the answer, ms
	EchoMS   float64       `json:"echoMs,omitempty"`   // from a sound that was sent to its echo, ms
}

// CanaryResult is what a canary call came to. Without a problem, the echo was heard.
type CanaryResult struct {
	Interrupted bool          // by whoever needed the door; says nothing
	Problem     words.Message // by the step that failed
	Answer      time.Duration // from the INVITE to the answer
	Echo        time.Duration // from a sound that was sent to its echo
}

const (
	canaryFirst  = time.Minute      // after the start: the registration needs its time
	canarySpread = 2 * time.Minute  // doors that start together do not call together
	canaryAgain  = 10 * time.Minute // after one that failed
	canaryLater  = 30 * time.Second // after the door was not at rest
)

// canary is the call that runs, and the next one.
type canary struct {
	cancel context.CancelFunc // nil: none runs
	seq    uint64
	due    time.Time
	shown  Canary
}

func newCanary(cfg *Config, now time.Time) canary {
	c := canary{shown: Canary{State: CanaryOff}}
	if cfg.Canary.Target == "" || cfg.Ports.Canary == nil {
		return c
	}
	c.shown = Canary{State: CanaryWaiting, Target: cfg.Canary.Target}
	if k := cfg.Canary.Kept; k.Target == cfg.Canary.Target && (k.State == CanaryPassed || k.State == CanaryFailed) {
		c.shown = k
	}
	c.due = now.Add(canaryFirst + rand.N(canarySpread)) //nolint:gosec // doors that start together are to call at other times, no more
	c.shown.Next = c.due
	return c
}

// fault is the change of the fault that comes of it. Of another target than the present one, none.
func (c Canary) fault() faultChange {
	return faultChange{set: c.State == CanaryFailed, fault: Fault{Key: "canary", Blinks: FaultRegistration, Message: words.New("canary-failed", "target", c.Target).Because(c.Problem)}}
}

// canaryDue starts a canary call if it is time and the door is at rest. Without a registration
// there is a fault already, and nothing to learn.
func (s *Station) canaryDue(now time.Time) {
	c := &s.canary
	if c.due.IsZero() || now.Before(c.due) {
		return
	}
	within := s.cfg.Canary.Within
	switch {
	case s.state() != Idle, s.test.cancel != nil, s.trial.runs(), s.reg.State != RegRegistered, c.cancel != nil,
		within != nil && s.cfg.Ports.ClockKnown() && !within(now):
		s.canaryAt(now.Add(canaryLater))
	default:
		s.startCanary()
	}
}

func (s *Station) canaryAt(t time.Time) { s.canary.due, s.canary.shown.Next = t, t }

// startCanary begins a call beside the station's own states: it is no call of the door, no lamp
// shows it and no history keeps it.
func (s *Station) startCanary() {
	c := &s.canary
	ctx, cancel := context.WithCancel(context.Background())
	c.seq++
	c.cancel, c.due = cancel, time.Time{}
	c.shown.State, c.shown.Next = CanaryRunning, time.Time{}
	seq := c.seq
	s.cfg.Ports.Canary(ctx, s.cfg.Canary.Target, func(r CanaryResult) { s.canaryOver(seq, r) })
}

// tryCanary is startCanary because somebody asked for it.
func (s *Station) tryCanary() error {
	switch {
	case s.canary.shown.State == CanaryOff:
		return ErrNotKnown
	case s.state() != Idle, s.test.cancel != nil, s.trial.runs(), s.canary.cancel != nil:
		return ErrNotIdle
	}
	s.startCanary()
	return nil
}

// endCanary ends a call that runs: somebody needs the door. It does not wait for the call to end.
func (s *Station) endCanary() {
	if s.canary.cancel != nil {
		s.canaryEnded(s.canary.seq, CanaryResult{Interrupted: true})
	}
}

// canaryOver tells what came of a canary call.
func (b *Inbox) canaryOver(seq uint64, r CanaryResult) {
	b.put(letter{take: func(s *Station) occurrence {
		s.canaryEnded(seq, r)
		return occurrence{}
	}})
}

// canaryEnded takes a result; one of a call that was ended before is ignored.
func (s *Station) canaryEnded(seq uint64, r CanaryResult) {
	c := &s.canary
	if c.cancel == nil || seq != c.seq {
		return
	}
	c.cancel()
	c.cancel = nil
	now := time.Now()
	if r.Interrupted {
		c.shown.State = CanaryWaiting
		if !c.shown.At.IsZero() {
			c.shown.State = CanaryPassed
			if !c.shown.Problem.None() {
				c.shown.State = CanaryFailed
			}
		}
		s.canaryAt(now.Add(canaryLater))
		return
	}
	c.shown = Canary{State: CanaryPassed, Target: c.shown.Target, At: now, Problem: r.Problem,
		AnswerMS: float64(r.Answer.Microseconds()) / 1000, EchoMS: float64(r.Echo.Microseconds()) / 1000}
	wait := s.cfg.Canary.Every
	if !r.Problem.None() {
		c.shown.State = CanaryFailed
		wait = min(wait, canaryAgain)
	}
	s.canaryAt(now.Add(wait))
	s.faults.change(c.shown.fault(), now)
	s.tell(CanaryEnded{c.shown})
	if s.cfg.Ports.PersistCanary != nil {
		s.cfg.Ports.PersistCanary(c.shown)
	}
}
