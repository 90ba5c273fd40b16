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
	case MediaLost, Held, Resumed, Transferred, Ended:
	}
	switch ev.Kind {
	case Transferred, Ended: // whoever decides about them tells
	case Digit:
		s.journal.add(Event{At: ev.At, Call: r.ID, News: CallDigit{}})
	default:
		s.journal.add(Event{At: ev.At, Call: r.ID, News: CallStep{Step: ev.Kind, After: ev.At.Sub(r.Pressed)}})
	}
}

func first(t *time.Time, at time.Time) {
	if t.IsZero() {
		*t = at
	}
}

// record is the one place where the running call becomes history.
func (s *Station) record(e Ending) {
	r := s.call().rec
	r.Ended, r.Ending = time.Now(), e
	s.remember(*r)
	s.calledTried(*r)
}

// remember puts a finished call at the head of the history.
func (s *Station) remember(r Record) {
	s.journal.add(Event{At: r.Ended, Call: r.ID, News: CallEnded{r}})
	calls := append([]Record{r}, s.calls...)
	s.calls = calls[:min(len(calls), s.cfg.History)]
}

// Talked is the length of the conversation: from the answer to the end, or to
// now while it lasts. 0 if the call was not answered.
func (r *Record) Talked() time.Duration {
	switch {
	case r.Answered.IsZero():
		return 0
	case r.Ended.IsZero():
		return time.Since(r.Answered)
	default:
		return r.Ended.Sub(r.Answered)
	}
}
