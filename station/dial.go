package station

import (
	"context"
	"slices"
	"time"
)

// attempt is one call of a plan.
type attempt struct {
	user string
	ring time.Duration
}

// callPlan is what one press sets out to do: call one after the other until
// somebody answers.
type callPlan struct {
	target string
	at     time.Time // of the press
	todo   []attempt
	passed bool // somebody was reached, who passed the door on
	prompt Tone // what the visitor hears if nobody comes; "": the usual
	untold bool // nobody is told of it
	// ordered: it is no visitor who calls, but somebody who gave the door a command.
	ordered bool
	// What the house calls the one user that the target has.
	label, labelled string
}

// planCall lists whom to call for a target, in order. A name that is no target is
// a user or URI to call directly.
func (s *Station) planCall(target string, now time.Time) (out []attempt) {
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

// startCall begins what a press asked for; nil if it comes too soon.
func (s *Station) startCall(p press) state {
	now := time.Now()
	if now.Before(s.rested[p.button.Input]) {
		s.tell(PressIgnored{Button: p.button.Input, Why: IgnoredSoon})
		s.playEndTone(ToneBusy)
		return nil
	}
	t := callPlan{target: p.action.Target, at: p.at, todo: s.planCall(p.action.Target, now), ordered: p.button.Input == ""}
	if i := slices.IndexFunc(s.cfg.Targets, func(c TargetConfig) bool { return c.Name == t.target }); i >= 0 {
		t.prompt, t.untold = s.cfg.Targets[i].Prompt, s.cfg.Targets[i].Untold
		if len(s.cfg.Targets[i].Steps) == 1 { // of a list nobody knows who is who
			t.label, t.labelled = s.cfg.Targets[i].Label, s.cfg.Targets[i].Steps[0].User
		}
	}
	rec := &Record{Direction: Outgoing, Button: p.button.Input, Peer: Peer{User: t.target}, Pressed: p.at, Test: p.test}
	return &starting{&running{rec: rec, button: p.button}, t}
}

// starting is a press whose call has not begun: there may be nobody to call, and at
// power-on or in a short outage it is kept for the registration to return.
type starting struct {
	*running
	plan callPlan
}

func (*starting) name() State { return Calling }

func (d *starting) run(ctx context.Context, s *Station) state {
	// What the visitor sees comes before anything else is done.
	s.showLamps()
	if len(d.plan.todo) == 0 {
		cause := CauseNobody
		if s.access.mem.DoNotDisturb {
			cause = CauseDisturb
		}
		return s.nobody(d.plan, Ending{Cause: cause, By: ByDoor})
	}
	giveUp := deadline{"hold", d.plan.at.Add(s.cfg.Call.Hold)}
	if s.reg.State != RegRegistered {
		s.voice.Play(ToneWaiting)
		s.phone.Hurry(time.Until(giveUp.at))
		s.tell(PressKept{Button: d.button.Input, For: s.cfg.Call.Hold})
	}
	for s.reg.State != RegRegistered {
		if s.reg.State == RegRefused || s.reg.State == RegOff {
			return s.nobody(d.plan, s.offline())
		}
		o := s.wait(ctx, giveUp)
		switch {
		case o.kind == quit:
			return s.nobody(d.plan, Ending{Cause: CauseShutdown, By: ByDoor})
		case o.kind == elapsed:
			return s.nobody(d.plan, s.offline())
		case o.kind == pressed && o.press.action.Do == HangUp:
			return s.nobody(d.plan, o.press.ending(CauseCancelled))
		case o.kind == offered:
			s.callWaiting(o.call)
		}
	}
	return &calling{running: d.running, plan: d.plan}
}

// offline is the ending of a call that could not begin.
func (s *Station) offline() Ending {
	return Ending{Cause: CauseOffline, By: ByNet, Reason: s.reg.Problem.String()}
}

// calling lasts from when somebody is called to the answer.
type calling struct {
	*running
	plan callPlan
	ring time.Duration
}

func (*calling) name() State { return Calling }

// dialNext makes the next call of the plan. What the visitor sees and hears comes before the
// network is touched.
func (c *calling) dialNext(s *Station) {
	next := c.plan.todo[0]
	c.plan.todo = c.plan.todo[1:]
	s.showLamps()
	s.voice.Play(ToneCalling)
	s.voice.Prepare()
	c.line = s.phone.Dial(next.user)
	c.ring, c.trusted = next.ring, true
	c.rec.ID, c.rec.Peer = c.line.ID(), c.line.Peer()
	if c.rec.Peer.Name == "" && next.user == c.plan.labelled {
		c.rec.Peer.Name = c.plan.label // what the house calls them
	}
	s.tell(CallStarted{Direction: Outgoing, Peer: c.rec.Peer, Button: c.button.Input, Left: len(c.plan.todo)})
}

func (c *calling) run(ctx context.Context, s *Station) state {
	if c.line == nil {
		c.dialNext(s)
	}
	limit := deadline{"ring time", time.Now().Add(c.ring)}
	for {
		o := s.wait(ctx, limit)
		switch o.kind {
		case quit:
			return c.abandon(s, CauseShutdown)
		case followed:
			if s.transferEvent(c.running, o.event) {
				return s.completeTransfer(c.running)
			}
		case elapsed:
			return c.abandon(s, CauseNoAnswer)
		case pressed:
			if o.press.action.Do == HangUp {
				return c.abandonAs(s, o.press.ending(CauseCancelled))
			}
		case offered:
			s.callWaiting(o.call)
		case happened:
			rang := !c.rec.Ringing.IsZero()
			s.note(c.rec, o.event)
			switch o.event.Kind {
			case Ended:
				if c.transfer != nil {
					return s.awaitTransfer(c.running, o.event.Ending)
				}
				s.voice.Close()
				return c.failed(s, o.event.Ending)
			case FarRinging:
				if !rang && c.rec.Heard.IsZero() {
					s.voice.Play(ToneRingback)
				}
			case Transferred:
				s.beginTransfer(c.running, o.event.Call)
			case EarlyMedia:
				c.line.Open(Listen)
			case FirstHeard:
				s.voice.Silence() // not before: a 183 may announce a sound that never comes
			case Answered:
				return &talking{running: c.running}
			}
		}
	}
}

// abandon is how the door gives a call up that was not answered.
func (c *calling) abandon(s *Station, why Cause) state {
	return c.abandonAs(s, Ending{Cause: why, By: ByDoor})
}

// abandonAs is abandon by whoever e names.
func (c *calling) abandonAs(s *Station, e Ending) state {
	s.voice.Close()
	c.dropTransfer(e.Cause)
	c.line.End(e.Cause)
	return c.failed(s, e)
}

// failed goes on to the next call of a plan if there is one and the ending is
// the far end's affair; else the plan is over.
func (c *calling) failed(s *Station, e Ending) state {
	if len(c.plan.todo) == 0 || !e.Cause.tryNext() {
		return s.nobody(c.plan, e)
	}
	s.record(e)
	rec := &Record{Direction: Outgoing, Button: c.button.Input, Pressed: time.Now(), Test: c.rec.Test}
	return &calling{running: &running{rec: rec, button: c.button}, plan: c.plan}
}

// nobody ends a plan without a conversation.
func (s *Station) nobody(t callPlan, e Ending) state {
	b := s.call().button
	if e.Cause != CauseShutdown && e.Cause != CauseCancelled && !t.passed && !t.ordered {
		s.tell(VisitorMissed{Button: b.Input, Label: b.title(), Ending: e, Quiet: t.untold})
	}
	s.rest(b)
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
