package station

import (
	"context"
	"slices"
	"time"
)

// idle waits for a press or a caller.
type idle struct{}

func (idle) name() State    { return Idle }
func (idle) call() *running { return nil }

func (idle) run(ctx context.Context, s *Station) state {
	if p := s.after; p != nil {
		s.after = nil
		if next := s.startCall(*p); next != nil {
			return next
		}
	}
	if next := s.next(); next != nil {
		return next
	}
	for {
		o := s.wait(ctx)
		switch o.kind {
		case quit:
			return nil
		case pressed:
			if o.press.action.Do != Dial {
				break
			}
			if next := s.startCall(o.press); next != nil {
				return next
			}
		case offered:
			if next := s.offer(o.call, time.Now()); next != nil {
				return next
			}
		}
	}
}

// offer decides about a call to an idle door; nil refuses it.
func (s *Station) offer(call Call, came time.Time) state {
	s.makeWay()
	if refused := s.refuses(call); refused != "" {
		s.turnAway(call, CauseRefused, refused)
		return nil
	}
	rec := &Record{ID: call.ID(), Direction: Incoming, Peer: call.Peer(), Pressed: came}
	return &ringing{&running{line: call, rec: rec}}
}

// picksUp reports whether the door answers a call by itself, and after what time. A
// telephone that asks for it gets it only for the users that are listed for that.
func (s *Station) picksUp(call Call) (delay time.Duration, auto bool) {
	in, user, wish := &s.cfg.Incoming, call.Peer().User, call.AnswerWish()
	switch {
	case wish.Auto && slices.Contains(in.Wish, user):
		return wish.After, true
	case in.Mode == AnswerAuto, slices.Contains(in.Auto, user):
		return in.Delay, true
	default:
		return 0, false
	}
}

// refuses says why a call is not taken at all, "" if it is.
func (s *Station) refuses(call Call) string {
	switch _, auto := s.picksUp(call); {
	case auto:
		return ""
	case s.cfg.Incoming.Mode == AnswerReject:
		return ReasonConfigured
	case call.AnswerWish().Must:
		return ReasonMustAuto
	default:
		return ""
	}
}

// ringing lasts from an incoming call to its answer.
type ringing struct{ *running }

func (*ringing) name() State { return Ringing }

func (r *ringing) run(ctx context.Context, s *Station) state {
	s.showLamps()
	s.voice.Play(ToneIncoming)
	s.voice.Prepare()
	r.line.Ring()
	pickUp := deadline{what: "automatic answer"}
	delay, auto := s.picksUp(r.line)
	if auto {
		pickUp.at = time.Now().Add(delay)
	}
	s.tell(CallStarted{Direction: Incoming, Peer: r.rec.Peer, Auto: auto})
	limit := deadline{"ring time", time.Now().Add(s.cfg.Call.RingTime)}
	for {
		o := s.wait(ctx, pickUp, limit)
		switch o.kind {
		case quit:
			return r.end(s, CauseShutdown)
		case elapsed:
			if o.due == limit {
				return r.end(s, CauseNoAnswer)
			}
			pickUp.at = time.Time{}
			r.line.Answer()
		case answer:
			r.line.Answer()
		case pressed:
			switch o.press.action.Do {
			case Dial, Answer:
				r.line.Answer()
			case HangUp:
				return r.endAs(s, o.press.ending(CauseRefused))
			}
		case offered:
			s.callWaiting(o.call)
		case happened:
			s.note(r.rec, o.event)
			switch o.event.Kind {
			case Ended:
				return s.over(o.event)
			case Answered:
				return &talking{running: r.running}
			case Transferred: // not before the answer
				o.event.Call.End(CauseBusy)
			}
		}
	}
}

// talking lasts from the answer to the end, whoever calls.
type talking struct {
	*running
	way    talkWay
	limits talkLimits
	ending bool // it ends soon, and the visitor was told
}

func (*talking) name() State { return Talking }

func (t *talking) run(ctx context.Context, s *Station) state {
	defer s.rest(t.button)
	s.access.begin(t.rec.PassedBy != "")
	s.voice.Silence()
	t.begin(s)
	if t.rec.Direction == Incoming || t.rec.PassedBy != "" {
		s.voice.Play(ToneConnected) // whoever stands there hears that the microphone is live
	}
	s.showLamps()
	t.limits = newTalkLimits(s.cfg.Call, time.Now())
	for {
		o := s.wait(ctx, t.limits.warning, t.limits.end, t.limits.opened, t.transferDue())
		switch o.kind {
		case quit:
			return t.end(s, CauseShutdown)
		case followed:
			if s.transferEvent(t.running, o.event) {
				return s.completeTransfer(t.running)
			}
		case elapsed:
			switch o.due {
			case t.limits.warning:
				t.limits.warning.at = time.Time{}
				t.ending = true
				s.voice.Play(ToneWarning)
			case t.limits.end:
				return t.end(s, CauseTalkLimit)
			case t.limits.opened:
				return t.end(s, CauseOpened)
			case t.transferDue():
				t.dropTransfer(CauseNoAnswer)
			}
		case pressed:
			switch o.press.action.Do {
			case HangUp:
				return t.endAs(s, o.press.ending(CauseHangup))
			case Extend:
				t.extend(s)
			case PushTalk:
				t.pushTalk(s, o.press)
			case Mute:
				t.mute(s, !t.way.muted, o.press.by())
			case SendDTMF:
				t.line.SendDigits(o.press.action.Digits)
			}
		case offered:
			s.callWaiting(o.call)
		case happened:
			s.note(t.rec, o.event)
			switch o.event.Kind {
			case Ended:
				if t.transfer != nil {
					return s.awaitTransfer(t.running, o.event.Ending)
				}
				return s.over(o.event)
			case Held, Resumed, MediaLost, MediaUp:
				t.reach(s, o.event.Kind)
			case Transferred:
				s.beginTransfer(t.running, o.event.Call)
			case Digit:
				if cause := t.key(s, o.event.Digit); cause != "" {
					return t.end(s, cause)
				}
			}
		}
		if after := s.cfg.Door.HangupAfter; after > 0 && !t.rec.Opened.IsZero() {
			t.limits.opened.at = t.rec.Opened.Add(after)
		}
	}
}

// key takes a key that the far end pressed; a cause ends the call.
func (t *talking) key(s *Station, d rune) Cause {
	switch {
	case t.talkKey(s, d):
	case d == s.cfg.Call.ExtendKey && d != 0:
		t.extend(s)
	default:
		return t.digit(s, d)
	}
	return ""
}

// extend lets the talk time begin anew.
func (t *talking) extend(s *Station) {
	t.ending, t.limits = false, newTalkLimits(s.cfg.Call, time.Now())
	s.tell(TalkExtended{By: s.cfg.Call.TalkTime})
	s.voice.Play(ToneConnected)
}

// talkLimits are the moments at which a conversation is warned of or ended.
type talkLimits struct {
	warning, end, opened deadline
}

func newTalkLimits(c CallConfig, now time.Time) talkLimits {
	l := talkLimits{warning: deadline{what: "warning"}, end: deadline{"talk time", now.Add(c.TalkTime)}, opened: deadline{what: "opened"}}
	if c.TalkWarning > 0 && c.TalkWarning < c.TalkTime {
		l.warning.at = l.end.at.Add(-c.TalkWarning)
	}
	return l
}

// turnAway refuses a caller without ringing.
func (s *Station) turnAway(call Call, why Cause, reason string) {
	call.End(why)
	now := time.Now()
	s.remember(Record{ID: call.ID(), Direction: Incoming, Peer: call.Peer(), Pressed: now, Ended: now,
		Ending: Ending{Cause: why, By: ByDoor, Reason: reason}})
}

// end is how the door ends a call: the microphone first, then the far end.
func (r *running) end(s *Station, why Cause) state {
	return r.endAs(s, Ending{Cause: why, By: ByDoor})
}

// endAs is end by whoever e names.
func (r *running) endAs(s *Station, e Ending) state {
	s.voice.Close()
	r.line.End(e.Cause)
	r.dropTransfer(e.Cause)
	return s.finish(e)
}

// over is how a call that ended by itself ends at the door.
func (s *Station) over(ev CallEvent) state {
	s.voice.Close()
	return s.finish(ev.Ending)
}

// finish records the call and says good-bye to the visitor.
func (s *Station) finish(e Ending) state { return s.leave(e, s.farewell(e)) }

// leave records the call; the visitor hears the tone, and sees if nobody came.
func (s *Station) leave(e Ending, t Tone) state {
	s.record(e)
	s.voice.Silence()
	if t != "" {
		s.playEndTone(t)
	}
	if e.Cause == CauseShutdown {
		return nil
	}
	return idle{}
}

// failedFor is how long a lamp shows that the visitor reached nobody, and how long
// alarms keep quiet after a call, so that its last tone is heard.
const failedFor = 5 * time.Second

// playEndTone plays the last tone of a call, or of an attempt at one.
func (s *Station) playEndTone(t Tone) {
	s.quietUntil = time.Now().Add(failedFor)
	if t != ToneEnd {
		s.failedUntil = s.quietUntil
	}
	s.voice.Play(t)
}

// farewell is what the visitor hears at the end of a call.
func (s *Station) farewell(e Ending) Tone {
	if r := s.call().rec; r.Direction == Incoming && r.Answered.IsZero() {
		return "" // nobody at the door was in this call
	}
	switch e.Cause {
	case CauseShutdown:
		return ""
	case CauseHangup, CauseCancelled, CauseTalkLimit, CauseElsewhere, CauseOpened, CauseTransferred:
		return ToneEnd
	case CauseBusy:
		return ToneBusy
	case CauseDisturb:
		return ToneDisturb
	case CauseOffline:
		return ToneError
	case CauseCodes:
		if time.Now().Before(s.access.mem.LockedUntil) {
			return ToneLocked
		}
		return ToneCongestion
	case CauseNoAnswer, CauseRefused, CauseNobody, CauseNotReachable:
		return ToneNobody
	default:
		return ToneCongestion
	}
}
