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

// transfer is the call that is to take the place of the running one.
type transfer struct {
	call  Call
	rec   *Record
	early bool // it is heard before it answers
	until deadline
}

// beginTransfer takes note of the call that is to follow.
func (s *Station) beginTransfer(c *running, next Call) {
	if c.transfer != nil {
		next.End(CauseBusy) // the phone lets one party pass a call on once at a time
		return
	}
	now := time.Now()
	r := &Record{ID: next.ID(), Direction: Outgoing, Button: c.rec.Button, Peer: next.Peer(), PassedBy: c.rec.Peer.known(), Pressed: now, Test: c.rec.Test}
	if next.Incoming() {
		r.Direction = Incoming
	}
	c.transfer = &transfer{call: next, rec: r, until: deadline{"transfer", now.Add(s.cfg.Call.RingTime)}}
	c.rec.Passed, c.rec.PassedTo = now, r.Peer.known()
	s.tell(CallPassedOn{By: c.rec.Peer.known(), To: r.Peer.known(), Next: r.ID})
	s.tellOf(r.ID, CallStarted{Direction: r.Direction, Peer: r.Peer, Button: r.Button, PassedBy: r.PassedBy})
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

// transferDue is when the door stops to wait for the call that is to follow.
func (r *running) transferDue() deadline {
	if r.transfer == nil {
		return deadline{}
	}
	return r.transfer.until
}

// transferEvent notes what happened to the call that is to follow and reports whether it
// was answered.
func (s *Station) transferEvent(c *running, ev CallEvent) (answered bool) {
	p := c.transfer
	if p == nil {
		return false
	}
	s.note(p.rec, ev)
	switch ev.Kind {
	case EarlyMedia:
		p.early = true
	case Ended:
		s.tell(CallNotPassedOn{To: p.rec.Peer.known(), Ending: ev.Ending})
		c.transfer = nil
	case Transferred:
		ev.Call.End(CauseBusy)
	}
	return ev.Kind == Answered
}

// dropTransfer gives the call that was to follow up.
func (r *running) dropTransfer(why Cause) {
	if p := r.transfer; p != nil {
		r.transfer = nil
		p.call.End(why)
	}
}

// completeTransfer makes the call that was just answered the running one, and ends the other.
func (s *Station) completeTransfer(old *running) state {
	p := old.transfer
	old.transfer = nil
	s.voice.Close()
	old.line.End(CauseTransferred)
	s.record(Ending{Cause: CauseTransferred, By: ByPeer})
	return &talking{running: p.running(old.button)}
}

// running is the call that was to follow as the running one. Nobody at the door chose its
// far end.
func (p *transfer) running(b ButtonConfig) *running {
	return &running{line: p.call, rec: p.rec, button: b}
}

// awaitTransfer waits for the call that is to follow after the other has ended.
func (s *Station) awaitTransfer(old *running, e Ending) state {
	p := old.transfer
	old.transfer = nil
	s.voice.Close()
	if e.Cause == CauseHangup {
		e.Cause = CauseTransferred
	}
	s.record(e)
	return &transferring{calling: calling{
		running: p.running(old.button), ring: s.cfg.Call.RingTime,
		plan: callPlan{target: p.rec.Peer.User, at: p.rec.Pressed, passed: true},
	}, early: p.early}
}

// transferring is [calling] with a call that somebody else began.
type transferring struct {
	calling
	early bool // it is heard already
}

func (f *transferring) run(ctx context.Context, s *Station) state {
	s.showLamps()
	if f.rec.Ringing.IsZero() && f.rec.Early.IsZero() {
		s.voice.Play(ToneCalling)
	} else {
		s.voice.Play(ToneRingback)
	}
	s.voice.Prepare()
	if f.early {
		f.line.Open(Listen)
	}
	return f.calling.run(ctx, s)
}
