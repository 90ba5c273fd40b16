package station

import (
	"context"
	"slices"
	"time"
)

// idle waits for a press or a caller.
func (s *Station) idle(ctx context.Context) stateFn {
	s.state, s.rec = Idle, nil
	if next := s.next(); next != nil {
		return next
	}
	for {
		o := s.wait(ctx, nil)
		switch o.kind {
		case quit:
			return nil
		case pressed:
			if o.press.action.Do == Dial {
				return s.depart(o.press)
			}
		case offered:
			if next := s.offer(o.call, time.Now()); next != nil {
				return next
			}
		}
	}
}

// calling lasts from the press to the answer.
func (s *Station) calling(ctx context.Context, call Call, t *trip, ring time.Duration) stateFn {
	limit := deadline{"ring time", time.Now().Add(ring)}
	for {
		o := s.wait(ctx, call, limit)
		switch o.kind {
		case quit:
			return s.abandon(call, t, CauseShutdown)
		case followed:
			if s.passed(o.event) {
				return s.takeOver(call, t.button)
			}
		case elapsed:
			return s.abandon(call, t, CauseNoAnswer)
		case pressed:
			if o.press.action.Do == HangUp {
				return s.abandon(call, t, CauseCancelled)
			}
		case offered:
			s.second(o.call)
		case happened:
			rang := !s.rec.Ringing.IsZero()
			s.note(s.rec, o.event)
			switch o.event.Kind {
			case Ended:
				if s.passing != nil {
					return s.follow(o.event.Ending, t.button)
				}
				s.voice.Close()
				return s.failed(t, o.event.Ending)
			case FarRinging:
				if !rang && s.rec.Heard.IsZero() {
					s.voice.Play(ToneRingback)
				}
			case Transferred:
				s.passOn(o.event.Call)
			case EarlyMedia:
				s.voice.Open(call, Listen)
			case FirstHeard:
				s.voice.Silence() // not before: a 183 may announce a sound that never comes
			case Answered:
				return func(ctx context.Context) stateFn { return s.talking(ctx, call, t.button) }
			}
		}
	}
}

// abandon is how the door gives a call up that was not answered.
func (s *Station) abandon(call Call, t *trip, why Cause) stateFn {
	s.voice.Close()
	s.unpass(why)
	call.End(why)
	return s.failed(t, Ending{Cause: why, By: ByDoor})
}

// offer decides about a call to an idle door; nil refuses it.
func (s *Station) offer(call Call, came time.Time) stateFn {
	s.endTest()
	if refused := s.refuses(call); refused != "" {
		s.turnAway(call, CauseRefused, refused)
		return nil
	}
	delay, auto := s.picksUp(call)
	s.state, s.chosen = Ringing, false
	s.rec = &Record{ID: call.ID(), Direction: Incoming, Peer: call.Peer(), Pressed: came}
	s.showLamps()
	s.voice.Play(ToneIncoming)
	call.Ring()
	s.log.Info("called", "call", call.ID(), "from", call.Peer().User, "auto", auto, "wish", call.AnswerWish().Auto)
	pickUp := deadline{what: "automatic answer"}
	if auto {
		pickUp.at = time.Now().Add(delay)
	}
	return func(ctx context.Context) stateFn { return s.ringing(ctx, call, pickUp) }
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
		return "by configuration"
	case call.AnswerWish().Must:
		return "it may not be answered by itself"
	default:
		return ""
	}
}

// ringing lasts from an incoming call to its answer.
func (s *Station) ringing(ctx context.Context, call Call, pickUp deadline) stateFn {
	limit := deadline{"ring time", time.Now().Add(s.cfg.Call.RingTime)}
	for {
		o := s.wait(ctx, call, pickUp, limit)
		switch o.kind {
		case quit:
			return s.end(call, CauseShutdown)
		case elapsed:
			if o.due == limit {
				return s.end(call, CauseNoAnswer)
			}
			pickUp.at = time.Time{}
			call.Answer()
		case answer:
			call.Answer()
		case pressed:
			switch o.press.action.Do {
			case Dial, Answer:
				call.Answer()
			case HangUp:
				return s.end(call, CauseRefused)
			}
		case offered:
			s.second(o.call)
		case happened:
			s.note(s.rec, o.event)
			switch o.event.Kind {
			case Ended:
				return s.over(o.event)
			case Answered:
				return func(ctx context.Context) stateFn { return s.talking(ctx, call, ButtonConfig{}) }
			case Transferred: // not before the answer
				o.event.Call.End(CauseBusy)
			}
		}
	}
}

// talking lasts from the answer to the end, whoever calls. b is the button that
// began it, if one did.
func (s *Station) talking(ctx context.Context, call Call, b ButtonConfig) stateFn {
	defer s.rest(b)
	s.state, s.ending = Talking, false
	s.access.begin(s.rec.PassedBy != "")
	s.voice.Silence()
	s.beginTalk(call)
	if s.rec.Direction == Incoming || s.rec.PassedBy != "" {
		s.voice.Play(ToneConnected) // whoever stands there hears that the microphone is live
	}
	s.showLamps()
	s.log.Info("talking", "call", call.ID(), "with", s.rec.Peer.User)

	limits := newTalkLimits(s.cfg.Call, time.Now())
	for {
		o := s.wait(ctx, call, limits.warning, limits.end, limits.opened, s.passDue())
		switch o.kind {
		case quit:
			return s.end(call, CauseShutdown)
		case followed:
			if s.passed(o.event) {
				return s.takeOver(call, b)
			}
		case elapsed:
			switch o.due {
			case limits.warning:
				limits.warning.at = time.Time{}
				s.ending = true
				s.voice.Play(ToneWarning)
			case limits.end:
				return s.end(call, CauseTalkLimit)
			case limits.opened:
				return s.end(call, CauseOpened)
			case s.passDue():
				s.unpass(CauseNoAnswer)
			}
		case pressed:
			switch o.press.action.Do {
			case HangUp:
				return s.end(call, CauseHangup)
			case Extend:
				limits = s.extend(call)
			case PushTalk:
				s.pushTalk(call, o.press)
			case Mute:
				s.mute(!s.way.muted)
			case SendDTMF:
				call.SendDigits(o.press.action.Digits)
			}
		case offered:
			s.second(o.call)
		case happened:
			s.note(s.rec, o.event)
			switch o.event.Kind {
			case Ended:
				if s.passing != nil {
					return s.follow(o.event.Ending, b)
				}
				return s.over(o.event)
			case Transferred:
				s.passOn(o.event.Call)
			case Digit:
				if s.talkKey(call, o.event.Digit) {
					break
				}
				if d := o.event.Digit; d == s.cfg.Call.ExtendKey && d != 0 {
					limits = s.extend(call)
					break
				}
				if cause := s.digit(o.event.Digit); cause != "" {
					return s.end(call, cause)
				}
			}
		}
		if after := s.cfg.Door.HangupAfter; after > 0 && !s.rec.Opened.IsZero() {
			limits.opened.at = s.rec.Opened.Add(after)
		}
	}
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

func (s *Station) extend(call Call) talkLimits {
	s.ending = false
	s.log.Info("talk time extended", "call", call.ID(), "by", s.cfg.Call.TalkTime)
	s.voice.Play(ToneConnected)
	return newTalkLimits(s.cfg.Call, time.Now())
}

// turnAway refuses a caller without ringing.
func (s *Station) turnAway(call Call, why Cause, reason string) {
	s.log.Info("call refused", "call", call.ID(), "from", call.Peer().User, "cause", why, "reason", reason)
	call.End(why)
	now := time.Now()
	s.remember(Record{ID: call.ID(), Direction: Incoming, Peer: call.Peer(), Pressed: now, Over: now,
		Ending: Ending{Cause: why, By: ByDoor, Reason: reason}})
}

// end is how the door ends a call: the microphone first, then the far end.
func (s *Station) end(call Call, why Cause) stateFn {
	s.voice.Close()
	call.End(why)
	s.unpass(why)
	return s.finish(Ending{Cause: why, By: ByDoor})
}

// over is how a call that ended by itself ends at the door.
func (s *Station) over(ev CallEvent) stateFn {
	s.voice.Close()
	return s.finish(ev.Ending)
}

// finish records the call and says good-bye to the visitor.
func (s *Station) finish(e Ending) stateFn { return s.leave(e, s.farewell(e)) }

// leave records the call; the visitor hears the tone, and sees if nobody came.
func (s *Station) leave(e Ending, t Tone) stateFn {
	s.record(e)
	s.voice.Silence()
	if t != "" {
		s.bye(t)
	}
	if e.Cause == CauseShutdown {
		return nil
	}
	return s.idle
}

// failedFor is how long a lamp shows that the visitor reached nobody, and how long
// alarms keep quiet after a call, so that its last tone is heard.
const failedFor = 5 * time.Second

// bye plays the last tone of a call, or of an attempt at one.
func (s *Station) bye(t Tone) {
	s.quietUntil = time.Now().Add(failedFor)
	if t != ToneEnd {
		s.failedUntil = s.quietUntil
	}
	s.voice.Play(t)
}

// farewell is what the visitor hears at the end of a call.
func (s *Station) farewell(e Ending) Tone {
	if s.rec.Direction == Incoming && s.rec.Answered.IsZero() {
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
