package station

import (
	"context"
	"slices"
	"strings"
	"time"
)

// idle waits for a press or a caller.
func (s *Station) idle(ctx context.Context) stateFn {
	s.state, s.rec = Idle, nil
	for {
		o := s.wait(ctx, nil, nil)
		switch o.kind {
		case quit:
			return nil
		case pressed:
			if o.press.Target != "" {
				return s.dial(o.press, o.at)
			}
		case offered:
			if next := s.offer(o.call); next != nil {
				return next
			}
		}
	}
}

// dial shows and sounds the call to the visitor before the network is touched.
func (s *Station) dial(b ButtonConfig, at time.Time) stateFn {
	s.state = Calling
	s.rec = &Record{Direction: Outgoing, Button: b.Input, Peer: Peer{User: b.Target}, Pressed: at}
	s.showLamps()
	s.voice.Play(ToneRingback)
	call := s.phone.Dial(b.Target)
	s.rec.ID, s.rec.Peer = call.ID(), call.Peer()
	s.log.Info("calling", "call", call.ID(), "target", b.Target, "button", b.Input)
	return func(ctx context.Context) stateFn { return s.calling(ctx, call) }
}

// calling lasts from the press to the answer.
func (s *Station) calling(ctx context.Context, call Call) stateFn {
	deadline := time.NewTimer(s.cfg.Call.RingTime)
	defer deadline.Stop()
	for {
		o := s.wait(ctx, call, deadline.C)
		switch o.kind {
		case quit:
			return s.end(call, CauseShutdown)
		case elapsed:
			return s.end(call, CauseNoAnswer)
		case hangup:
			return s.end(call, CauseCancelled)
		case pressed:
			if o.press.InCall == InCallHangup {
				return s.end(call, CauseCancelled)
			}
		case offered:
			s.busy(o.call)
		case happened:
			switch o.event.Kind {
			case Ended:
				return s.over(call, o.event)
			case EarlyMedia:
				s.voice.Silence()
				s.voice.Open(call, Listen)
			case Answered:
				s.note(o.event)
				return func(ctx context.Context) stateFn { return s.talking(ctx, call) }
			}
			s.note(o.event)
		}
	}
}

// offer decides about a call to an idle door; nil refuses it.
func (s *Station) offer(call Call) stateFn {
	auto := s.mayAnswer(call.Peer())
	if s.cfg.Incoming.Mode == AnswerReject && !auto {
		s.log.Info("call refused by configuration", "call", call.ID(), "from", call.Peer().User)
		call.End(CauseRefused)
		s.remember(Record{ID: call.ID(), Direction: Incoming, Peer: call.Peer(), Pressed: time.Now(), Over: time.Now(),
			Ending: Ending{Cause: CauseRefused, By: ByDoor, Reason: "by configuration"}})
		return nil
	}
	s.state = Ringing
	s.rec = &Record{ID: call.ID(), Direction: Incoming, Peer: call.Peer(), Pressed: time.Now()}
	s.showLamps()
	s.voice.Play(ToneIncoming)
	call.Ring()
	s.log.Info("called", "call", call.ID(), "from", call.Peer().User, "auto", auto)
	return func(ctx context.Context) stateFn { return s.ringing(ctx, call, auto) }
}

func (s *Station) mayAnswer(p Peer) bool {
	return s.cfg.Incoming.Mode == AnswerAuto || slices.Contains(s.cfg.Incoming.Auto, p.User)
}

// ringing lasts from an incoming call to its answer.
func (s *Station) ringing(ctx context.Context, call Call, auto bool) stateFn {
	deadline := time.NewTimer(s.cfg.Call.RingTime)
	defer deadline.Stop()
	if auto {
		deadline.Reset(s.cfg.Incoming.Delay)
	}
	for {
		o := s.wait(ctx, call, deadline.C)
		switch o.kind {
		case quit:
			return s.end(call, CauseShutdown)
		case elapsed:
			if !auto {
				return s.end(call, CauseNoAnswer)
			}
			auto = false // once; now the ring time bounds the wait for the Answered event
			deadline.Reset(s.cfg.Call.RingTime)
			call.Answer()
		case hangup:
			return s.end(call, CauseRefused)
		case answer, pressed:
			call.Answer()
		case offered:
			s.busy(o.call)
		case happened:
			s.note(o.event)
			switch o.event.Kind {
			case Ended:
				return s.over(call, o.event)
			case Answered:
				return func(ctx context.Context) stateFn { return s.talking(ctx, call) }
			}
		}
	}
}

// talking lasts from the answer to the end, whoever calls.
func (s *Station) talking(ctx context.Context, call Call) stateFn {
	s.state, s.digits = Talking, ""
	s.voice.Silence()
	s.voice.Open(call, Talk)
	if s.rec.Direction == Incoming {
		s.voice.Play(ToneConnected) // whoever stands there hears that the microphone is live
	}
	s.showLamps()
	limit := time.NewTimer(s.cfg.Call.TalkTime)
	defer limit.Stop()
	warned := s.cfg.Call.TalkWarning <= 0 || s.cfg.Call.TalkWarning >= s.cfg.Call.TalkTime
	if !warned {
		limit.Reset(s.cfg.Call.TalkTime - s.cfg.Call.TalkWarning)
	}
	s.log.Info("talking", "call", call.ID(), "with", s.rec.Peer.User)
	for {
		o := s.wait(ctx, call, limit.C)
		switch o.kind {
		case quit:
			return s.end(call, CauseShutdown)
		case elapsed:
			if warned {
				return s.end(call, CauseTalkLimit)
			}
			warned = true
			limit.Reset(s.cfg.Call.TalkWarning)
			s.voice.Play(ToneWarning)
		case hangup:
			return s.end(call, CauseHangup)
		case pressed:
			switch o.press.InCall {
			case InCallHangup:
				return s.end(call, CauseHangup)
			case InCallDigits:
				call.SendDigits(o.press.Digits)
			case InCallNone:
			}
		case offered:
			s.busy(o.call)
		case happened:
			s.note(o.event)
			switch o.event.Kind {
			case Ended:
				return s.over(call, o.event)
			case Digit:
				s.digit(o.event.Digit)
			}
		}
	}
}

// busy refuses a second caller.
func (s *Station) busy(call Call) {
	s.log.Info("second call refused: busy", "call", call.ID(), "from", call.Peer().User)
	call.End(CauseBusy)
	s.remember(Record{ID: call.ID(), Direction: Incoming, Peer: call.Peer(), Pressed: time.Now(), Over: time.Now(),
		Ending: Ending{Cause: CauseBusy, By: ByDoor}})
}

// digit collects the door key from the party that the door called, or from a
// caller that is allowed to be answered without a press.
func (s *Station) digit(d rune) {
	key := s.cfg.Door.Key
	if key == "" || s.cfg.Door.Relay == "" {
		return
	}
	if s.rec.Direction == Incoming && !slices.Contains(s.cfg.Incoming.Auto, s.rec.Peer.User) {
		s.log.Warn("digit ignored: this caller may not open the door", "call", s.rec.ID, "from", s.rec.Peer.User)
		return
	}
	s.digits += string(d)
	if len(s.digits) > len(key) {
		s.digits = s.digits[len(s.digits)-len(key):]
	}
	if strings.HasSuffix(s.digits, key) {
		s.digits = ""
		s.open()
	}
}

// open releases the door.
func (s *Station) open() {
	if err := s.board.PulseRelay(s.cfg.Door.Relay, s.cfg.Door.Pulse); err != nil {
		s.log.Error("the door could not be opened", "relay", s.cfg.Door.Relay, "error", err)
		s.voice.Play(ToneCongestion)
		return
	}
	now := time.Now()
	s.opened = now.Add(s.cfg.Door.Pulse)
	s.rec.Opened = now
	s.log.Info("door opened", "call", s.rec.ID, "by", s.rec.Peer.User, "relay", s.cfg.Door.Relay, "pulse", s.cfg.Door.Pulse)
	s.voice.Play(ToneOpen)
}

// end is how the door ends a call: the microphone first, then the far end.
func (s *Station) end(call Call, why Cause) stateFn {
	s.voice.Close()
	call.End(why)
	return s.finish(call, Ending{Cause: why, By: ByDoor})
}

// over is how a call that ended by itself ends at the door.
func (s *Station) over(call Call, ev CallEvent) stateFn {
	s.voice.Close()
	return s.finish(call, ev.Ending)
}

// finish is the one place where a call becomes history.
func (s *Station) finish(call Call, e Ending) stateFn {
	s.rec.Over, s.rec.Ending = time.Now(), e
	s.remember(*s.rec)
	attrs := []any{"call", call.ID(), "with", s.rec.Peer.User, "cause", e.Cause, "by", e.By, "talked", s.rec.Talked().Round(100 * time.Millisecond)}
	if e.Status != 0 || e.Reason != "" {
		attrs = append(attrs, "status", e.Status, "reason", e.Reason)
	}
	s.log.Info("call ended", attrs...)
	s.voice.Silence()
	if t := s.farewell(e); t != "" {
		s.voice.Play(t)
	}
	if e.Cause == CauseShutdown {
		return nil
	}
	return s.idle
}

// farewell is what the visitor hears at the end of a call.
func (s *Station) farewell(e Ending) Tone {
	if s.rec.Direction == Incoming && s.rec.Answered.IsZero() {
		return "" // nobody at the door was in this call
	}
	switch e.Cause {
	case CauseShutdown:
		return ""
	case CauseHangup, CauseCancelled, CauseTalkLimit, CauseElsewhere:
		return ToneEnd
	case CauseBusy, CauseRefused, CauseNoAnswer:
		return ToneBusy
	default:
		return ToneCongestion
	}
}
