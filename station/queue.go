package station

import (
	"slices"
	"time"
)

// Callers who come while a call is up may wait for its end instead of hearing busy.
// They are few and wait for a short time only: whoever stands at the door comes first.

// waiter is a caller who waits.
type waiter struct {
	call  Call
	since time.Time
}

// callWaiting decides about a call that comes while another is up.
func (s *Station) callWaiting(call Call) {
	switch refused := s.refuses(call); {
	case refused != "":
		s.turnAway(call, CauseRefused, refused)
	case len(s.waiting) >= s.cfg.Incoming.Queue:
		s.turnAway(call, CauseBusy, "")
	default:
		call.Queue()
		s.waiting = append(s.waiting, waiter{call, time.Now()})
		s.tellOf(call.ID(), CallQueued{Peer: call.Peer(), Ahead: len(s.waiting) - 1})
	}
}

// lookAfter lets go of callers who have waited for long enough.
func (s *Station) lookAfter(now time.Time) {
	s.waiting = slices.DeleteFunc(s.waiting, func(w waiter) bool {
		if now.Before(w.until(s.cfg.Incoming.QueueTime)) {
			return false
		}
		w.call.End(CauseBusy)
		s.remember(w.record(now, Ending{Cause: CauseBusy, By: ByDoor, Reason: ReasonQueueTime}))
		return true
	})
}

// waiterEvent takes what happened to a caller who waits, and reports whether it is one.
func (s *Station) waiterEvent(c Call, ev CallEvent) bool {
	i := slices.IndexFunc(s.waiting, func(w waiter) bool { return w.call == c })
	switch {
	case i < 0:
		return false
	case ev.Kind == Ended:
		w := s.waiting[i]
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.remember(w.record(time.Now(), ev.Ending))
	case ev.Kind == Transferred:
		ev.Call.End(CauseBusy)
	}
	return true
}

func (w waiter) until(most time.Duration) time.Time { return w.since.Add(most) }

func (w waiter) record(now time.Time, e Ending) Record {
	return Record{ID: w.call.ID(), Direction: Incoming, Peer: w.call.Peer(), Pressed: w.since, Ended: now, Ending: e}
}

// next offers the callers who wait to the idle door; nil if none of them rings now.
func (s *Station) next() state {
	s.lookAfter(time.Now())
	for len(s.waiting) > 0 {
		w := s.waiting[0]
		s.waiting = s.waiting[1:]
		if next := s.offer(w.call, w.since); next != nil {
			return next
		}
	}
	return nil
}

// dismiss sends everybody away who waits: the door is switched off.
func (s *Station) dismiss() {
	now := time.Now()
	for _, w := range s.waiting {
		w.call.End(CauseShutdown)
		s.remember(w.record(now, Ending{Cause: CauseShutdown, By: ByDoor}))
	}
	s.waiting = nil
}

// waitingNow is who waits, for the snapshot.
func (s *Station) waitingNow() (out []Waiting) {
	for _, w := range s.waiting {
		out = append(out, Waiting{ID: w.call.ID(), Peer: w.call.Peer(), Since: w.since})
	}
	return out
}
