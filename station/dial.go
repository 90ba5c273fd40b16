package station

import (
	"context"
	"slices"
	"time"
)

// attempt is one call of a trip.
type attempt struct {
	user string
	ring time.Duration
}

// trip is what one press sets out to do: call one after the other until
// somebody answers.
type trip struct {
	button ButtonConfig
	target string
	at     time.Time // of the press
	todo   []attempt
	passed bool // somebody was reached, who passed the door on
	prompt Tone // what the visitor hears if nobody comes; "": the usual
	untold bool // nobody is told of it
}

// plan lists whom to call for a target, in order. A name that is no target is
// a user or URI to call directly.
func (s *Station) plan(target string, now time.Time) (out []attempt) {
	clock := s.cfg.Ports.ClockKnown()
	seen := []string{}
	for name := target; name != "" && !slices.Contains(seen, name); {
		seen = append(seen, name)
		i := slices.IndexFunc(s.cfg.Targets, func(t TargetConfig) bool { return t.Name == name })
		if i < 0 {
			if s.access.mem.DoNotDisturb && name == target {
				return out
			}
			return append(out, attempt{user: name, ring: s.cfg.Call.RingTime})
		}
		t := s.cfg.Targets[i]
		if !s.access.mem.DoNotDisturb || name != target {
			for _, st := range t.Steps {
				if clock && !st.When.Holds(now) {
					continue
				}
				a := attempt{user: st.User, ring: st.Ring}
				if a.ring <= 0 {
					a.ring = s.cfg.Call.RingTime
				}
				out = append(out, a)
			}
		}
		name = t.Fallback
	}
	return out
}

// depart begins what a press asked for.
func (s *Station) depart(p press) stateFn {
	now := time.Now()
	if until := s.rested[p.button.Input]; now.Before(until) {
		s.log.Info("press ignored: too soon after the last call", "button", p.button.Input, "wait", until.Sub(now).Round(time.Millisecond))
		s.bye(ToneBusy)
		return s.idle
	}
	t := &trip{button: p.button, target: p.action.Target, at: p.at, todo: s.plan(p.action.Target, now)}
	if i := slices.IndexFunc(s.cfg.Targets, func(c TargetConfig) bool { return c.Name == t.target }); i >= 0 {
		t.prompt, t.untold = s.cfg.Targets[i].Prompt, s.cfg.Targets[i].Untold
	}
	s.state = Calling
	s.rec = &Record{Direction: Outgoing, Button: p.button.Input, Peer: Peer{User: t.target}, Pressed: p.at}
	switch {
	case len(t.todo) == 0:
		s.showLamps()
		cause := CauseNobody
		if s.access.mem.DoNotDisturb {
			cause = CauseDisturb
		}
		return s.nobody(t, Ending{Cause: cause, By: ByDoor})
	case s.reg.State == RegRegistered:
		return s.leg(t)
	default:
		s.showLamps()
		s.voice.Play(ToneWaiting)
		return func(ctx context.Context) stateFn { return s.holding(ctx, t) }
	}
}

// holding keeps a press for the registration to return: at power-on, or in a
// short outage.
func (s *Station) holding(ctx context.Context, t *trip) stateFn {
	s.log.Info("press kept until the registration returns", "button", t.button.Input, "for", s.cfg.Call.Hold)
	giveUp := deadline{"hold", t.at.Add(s.cfg.Call.Hold)}
	for s.reg.State != RegRegistered {
		if s.reg.State == RegRefused || s.reg.State == RegOff {
			return s.nobody(t, Ending{Cause: CauseOffline, By: ByNet, Reason: s.reg.Error})
		}
		o := s.wait(ctx, nil, giveUp)
		switch {
		case o.kind == quit:
			return s.nobody(t, Ending{Cause: CauseShutdown, By: ByDoor})
		case o.kind == elapsed:
			return s.nobody(t, Ending{Cause: CauseOffline, By: ByNet, Reason: s.reg.Error})
		case o.kind == pressed && o.press.action.Do == HangUp:
			return s.nobody(t, Ending{Cause: CauseCancelled, By: ByDoor})
		case o.kind == offered:
			s.second(o.call)
		}
	}
	return s.leg(t)
}

// leg makes the next call of a trip. What the visitor sees and hears comes
// before the network is touched.
func (s *Station) leg(t *trip) stateFn {
	next := t.todo[0]
	t.todo = t.todo[1:]
	s.showLamps()
	s.voice.Play(ToneCalling)
	call := s.phone.Dial(next.user)
	s.rec.ID, s.rec.Peer, s.chosen = call.ID(), call.Peer(), true
	s.log.Info("calling", "call", call.ID(), "user", next.user, "button", t.button.Input, "after this", len(t.todo))
	return func(ctx context.Context) stateFn { return s.calling(ctx, call, t, next.ring) }
}

// failed goes on to the next call of a trip if there is one and the ending is
// the far end's affair; else the trip is over.
func (s *Station) failed(t *trip, e Ending) stateFn {
	if len(t.todo) == 0 || !e.Cause.tryNext() {
		return s.nobody(t, e)
	}
	s.record(e)
	s.rec = &Record{Direction: Outgoing, Button: t.button.Input, Pressed: time.Now()}
	return s.leg(t)
}

// nobody ends a trip without a conversation.
func (s *Station) nobody(t *trip, e Ending) stateFn {
	if e.Cause != CauseShutdown && e.Cause != CauseCancelled && !t.untold && !t.passed {
		s.notify(NoticeMissed, s.rec.ID, "a visitor pressed "+t.button.title()+" and reached nobody: "+string(e.Cause), false)
	}
	s.rest(t.button)
	tone := s.farewell(e)
	if t.prompt != "" && (tone == ToneNobody || tone == ToneBusy) {
		tone = t.prompt
	}
	return s.leave(e, tone)
}

// rest notes when a button may call again.
func (s *Station) rest(b ButtonConfig) {
	if b.Pause > 0 {
		s.rested[b.Input] = time.Now().Add(b.Pause)
	}
}

// tryNext reports whether somebody else may answer where this call failed.
func (c Cause) tryNext() bool {
	switch c {
	case CauseBusy, CauseRefused, CauseNotFound, CauseNotReachable, CauseNoAnswer, CauseNoCodec, CauseFailed:
		return true
	default:
		return false
	}
}
