package station

import (
	"context"
	"time"
)

// occurrence is one thing that a state has to decide about.
type occurrence struct {
	kind  occurrenceKind
	press press     // of pressed
	event CallEvent // of happened and followed
	call  Call      // of offered
	due   deadline  // of elapsed
}

type occurrenceKind int

const (
	nothing  occurrenceKind = iota // that a state would have to decide about
	quit                           // ctx is over
	pressed                        // a button asks for something that only the state can decide
	happened                       // to the call that was waited with
	followed                       // something happened to the call that is to take its place
	offered                        // an incoming call
	elapsed                        // a deadline that was waited with
	answer                         // the page wants the call answered
	changed                        // the registration
)

// deadline is a moment that a state waits for; the zero time never comes.
type deadline struct {
	what string
	at   time.Time
}

// wait does the housekeeping (registration, faults, contacts, levels, lamps)
// and returns with the first thing that the present state must decide about.
func (s *Station) wait(ctx context.Context, dues ...deadline) occurrence {
	s.livelyUntil = time.Now().Add(lively)
	for {
		now := time.Now()
		if o := s.due(now, dues); o.kind != nothing {
			return o
		}
		s.refresh()
		s.alarm.Reset(s.nearest(dues).Sub(now))
		select {
		case <-s.alarm.C:
			continue
		case <-s.poke:
			continue
		case <-ctx.Done():
			return occurrence{kind: quit}
		case <-s.news:
			if l, ok := s.Inbox.next(); ok {
				if o := l.take(s); o.kind != nothing {
					return o
				}
			}
		case r := <-s.requests:
			if o := s.serve(r); o.kind != nothing {
				return o
			}
		}
		s.livelyUntil = time.Now().Add(lively)
	}
}

// callEvent sorts what happened to a call. The running one and the one that is to take its place
// are the state's affair.
func (s *Station) callEvent(c Call, ev CallEvent) occurrence {
	r := s.call()
	switch {
	case r != nil && r.line == c:
		return occurrence{kind: happened, event: ev}
	case r != nil && r.transfer != nil && r.transfer.call == c:
		return occurrence{kind: followed, event: ev}
	case s.waiterEvent(c, ev):
	case ev.Call != nil: // the far end passed on a call that the door has ended
		ev.Call.End(CauseHangup)
	}
	return occurrence{}
}

// due handles what has come due in the house, and returns the state's own
// deadline if that has passed.
func (s *Station) due(now time.Time, dues []deadline) occurrence {
	if p, ok := s.buttons.due(now); ok {
		if o := s.act(p); o.kind != nothing {
			return o
		}
	}
	for _, n := range s.contacts.due(now) {
		s.raise(n)
	}
	s.sound(now)
	s.persistLocks(now)
	s.lookAfter(now)
	s.testDue(now)
	s.trialDue(now)
	s.canaryDue(now)
	for _, d := range dues {
		if !d.at.IsZero() && !now.Before(d.at) {
			return occurrence{kind: elapsed, due: d}
		}
	}
	return occurrence{}
}

// nearest is the next moment at which anything comes due.
func (s *Station) nearest(dues []deadline) time.Time {
	now := time.Now()
	next := s.look(now)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	for _, d := range dues {
		sooner(d.at)
	}
	for _, w := range s.waiting {
		sooner(w.until(s.cfg.Incoming.QueueTime))
	}
	sooner(s.buttons.next())
	sooner(s.contacts.next())
	for _, t := range []time.Time{s.failedUntil, s.quietUntil, s.contacts.soundUntil(), s.access.mem.LockedUntil, s.access.mem.TamperUntil} {
		if t.After(now) {
			sooner(t)
		}
	}
	sooner(s.test.due)
	sooner(s.trial.until)
	sooner(s.canary.due)
	return next
}

// edge sorts a change of an input: contacts, then buttons.
func (s *Station) edge(e Edge) occurrence {
	if s.contacts.has(e.Input) {
		if s.contacts.tamper(e) {
			s.tampered(e)
		}
		s.contactEdge(e, s.doorOpenUntil())
		return occurrence{}
	}
	if o, ok := s.talkEdge(e); ok {
		return o
	}
	now := time.Now()
	if late := now.Sub(e.At); e.Active && late > max(s.cfg.Call.Hold, leastLate) {
		s.tell(PressIgnored{Button: e.Input, Why: IgnoredLate, Late: late})
		return occurrence{}
	}
	p, ok := s.buttons.edge(e, now)
	if !ok {
		return occurrence{}
	}
	return s.act(p)
}

// leastLate is how late a press may come in any case: debouncing and a busy
// machine take their time. Whoever pressed longer ago than a press is kept has
// gone, and nobody must be rung, and no door opened, for them.
const leastLate = 2 * time.Second

// act carries a press out, or hands it to the state if that must decide.
func (s *Station) act(p press) occurrence {
	p.action = p.button.meaning(p.long, s.state())
	if s.yields(p) {
		p.action = p.button.Press
		s.after = &p
		s.tellAt(p.at, Pressed{Button: p.button.Input, Label: p.button.Label, State: s.state(), Does: p.action.Do, By: p.by()})
		end := p
		end.action = Action{Do: HangUp}
		return occurrence{kind: pressed, press: end}
	}
	s.tellAt(p.at, Pressed{Button: p.button.Input, Label: p.button.Label, Long: p.long, State: s.state(), Does: p.action.Do, By: p.by()})
	s.pressTried(p)
	s.makeWay()
	switch p.action.Do {
	case Nothing:
		return occurrence{}
	case Release, Flash, Toggle, SwitchOn, SwitchOff:
		_ = s.relay(p.action, Released{By: p.by()}) // told already
		return occurrence{}
	case Disturb:
		s.disturb(p.by())
		return occurrence{}
	default:
		return occurrence{kind: pressed, press: p}
	}
}

// disturb switches do-not-disturb over. In a call the tones are those of the call.
func (s *Station) disturb(by Principal) {
	on := !s.access.mem.DoNotDisturb
	s.access.mem.DoNotDisturb = on
	s.tell(DisturbChanged{On: on, By: by})
	s.persist()
	switch {
	case s.state() != Idle:
	case on:
		s.say(ToneDisturb)
	default:
		s.say(ToneEnd)
	}
}
