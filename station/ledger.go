package station

import "time"

// note writes what happened to a call into its record.
func (s *Station) note(r *Record, ev CallEvent) {
	switch ev.Kind {
	case Sent:
		first(&r.Sent, ev.At)
	case FarRinging:
		first(&r.Ringing, ev.At)
	case EarlyMedia:
		first(&r.Early, ev.At)
	case Answered:
		first(&r.Answered, ev.At)
	case MediaUp:
		first(&r.MediaUp, ev.At)
	case FirstHeard:
		first(&r.Heard, ev.At)
	case FirstSpoken:
		first(&r.Spoken, ev.At)
	case Digit:
		r.Digits++
	case Held, Resumed, Transferred, Ended:
	}
	if what := ev.Kind.milestone(); what != "" {
		s.log.Info(what, "call", r.ID, "after", ev.At.Sub(r.Pressed).Round(time.Millisecond))
	}
}

// milestone is the log line of a step of a call; "" for what is logged elsewhere.
func (k EventKind) milestone() string {
	switch k {
	case FarRinging:
		return "the far end rings"
	case EarlyMedia:
		return "early media"
	case Answered:
		return "answered"
	case MediaUp:
		return "audio path up"
	case FirstHeard:
		return "first audio heard"
	case Held:
		return "held by the far end"
	case Resumed:
		return "resumed by the far end"
	default:
		return ""
	}
}

func first(t *time.Time, at time.Time) {
	if t.IsZero() {
		*t = at
	}
}

// record is the one place where a call becomes history.
func (s *Station) record(e Ending) {
	r := s.rec
	r.Over, r.Ending = time.Now(), e
	s.remember(*r)
	attrs := []any{"call", r.ID, "with", r.Peer.User, "cause", e.Cause, "by", e.By, "talked", r.Talked().Round(100 * time.Millisecond)}
	if e.Status != 0 || e.Reason != "" {
		attrs = append(attrs, "status", e.Status, "reason", e.Reason)
	}
	if e.Remedy != "" {
		attrs = append(attrs, "remedy", e.Remedy)
	}
	s.log.Info("call ended", attrs...)
}

// remember puts a finished call at the head of the history.
func (s *Station) remember(r Record) {
	calls := append([]Record{r}, s.calls...)
	s.calls = calls[:min(len(calls), s.cfg.History)]
}

// Talked is the length of the conversation: from the answer to the end, or to
// now while it lasts. 0 if the call was not answered.
func (r *Record) Talked() time.Duration {
	switch {
	case r.Answered.IsZero():
		return 0
	case r.Over.IsZero():
		return time.Since(r.Answered)
	default:
		return r.Over.Sub(r.Answered)
	}
}
