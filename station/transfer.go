package station

import (
	"context"
	"time"
)

// A far end may pass the door on to somebody else. The phone then has two calls: the
// one that is up, and the one that is to take its place. Until that is answered the
// first goes on as if nothing had happened, keys and talk time included; if it ends
// meanwhile, the door waits for the second as for a call of its own.
//
// Whoever takes over has no right to open the door from it, whatever rights the first
// party had: see docs/decisions/transfers.md.

// passing is the call that is to take the place of the running one.
type passing struct {
	call  Call
	rec   *Record
	early bool // it is heard before it answers
	until deadline
}

// passOn takes note of the call that is to follow.
func (s *Station) passOn(next Call) {
	if s.passing != nil {
		next.End(CauseBusy) // the phone lets one party pass a call on once at a time
		return
	}
	now := time.Now()
	r := &Record{ID: next.ID(), Direction: Outgoing, Button: s.rec.Button, Peer: next.Peer(), PassedBy: s.rec.Peer.known(), Pressed: now}
	if next.Incoming() {
		r.Direction = Incoming
	}
	s.passing = &passing{call: next, rec: r, until: deadline{"transfer", now.Add(s.cfg.Call.RingTime)}}
	s.rec.Passed, s.rec.PassedTo = now, r.Peer.known()
	s.log.Info("passed on", "call", s.rec.ID, "by", s.rec.Peer.User, "to", r.Peer.User, "next", r.ID)
}

// known is a name for a party that is never empty.
func (p Peer) known() string {
	switch {
	case p.User != "":
		return p.User
	case p.URI != "":
		return p.URI
	default:
		return "unknown"
	}
}

// passEvents are those of the call that is to follow, nil if there is none.
func (s *Station) passEvents() <-chan CallEvent {
	if s.passing == nil {
		return nil
	}
	return s.passing.call.Events()
}

// passDue is when the door stops to wait for the call that is to follow.
func (s *Station) passDue() deadline {
	if s.passing == nil {
		return deadline{}
	}
	return s.passing.until
}

// passed notes what happened to the call that is to follow and reports whether it
// was answered.
func (s *Station) passed(ev CallEvent) (answered bool) {
	p := s.passing
	if p == nil {
		return false
	}
	s.note(p.rec, ev)
	switch ev.Kind {
	case EarlyMedia:
		p.early = true
	case Ended:
		s.log.Info("not passed on", "call", s.rec.ID, "to", p.rec.Peer.User, "cause", ev.Ending.Cause, "status", ev.Ending.Status)
		s.passing = nil
	case Transferred:
		ev.Call.End(CauseBusy)
	}
	return ev.Kind == Answered
}

// unpass gives the call that was to follow up.
func (s *Station) unpass(why Cause) {
	if p := s.passing; p != nil {
		s.passing = nil
		p.call.End(why)
	}
}

// takeOver makes the call that was just answered the running one, and ends the other.
func (s *Station) takeOver(old Call, b ButtonConfig) stateFn {
	p := s.passing
	s.passing = nil
	s.voice.Close()
	old.End(CauseTransferred)
	s.record(Ending{Cause: CauseTransferred, By: ByPeer})
	s.rec, s.chosen = p.rec, false
	return func(ctx context.Context) stateFn { return s.talking(ctx, p.call, b) }
}

// follow waits for the call that is to follow after the other has ended.
func (s *Station) follow(e Ending, b ButtonConfig) stateFn {
	p := s.passing
	s.passing = nil
	s.voice.Close()
	if e.Cause == CauseHangup {
		e.Cause = CauseTransferred
	}
	s.record(e)
	s.rec, s.chosen, s.state = p.rec, false, Calling
	s.showLamps()
	if p.rec.Ringing.IsZero() && p.rec.Early.IsZero() {
		s.voice.Play(ToneCalling)
	} else {
		s.voice.Play(ToneRingback)
	}
	if p.early {
		s.voice.Open(p.call, Listen)
	}
	t := &trip{button: b, target: p.rec.Peer.User, at: p.rec.Pressed, passed: true}
	return func(ctx context.Context) stateFn { return s.calling(ctx, p.call, t, s.cfg.Call.RingTime) }
}
