package station

import (
	"context"
	"iter"
	"sync"
	"time"
)

// eventsKept is how many events a reader may be behind.
const eventsKept = 1024

// journal keeps the last events for whoever wants to read them. The core writes and
// never waits: it knows no reader, and a reader that is slow finds a gap.
type journal struct {
	mu   sync.Mutex
	ring [eventsKept]Event
	next uint64        // number of the event to come, from 1
	more chan struct{} // closed at the next change; nil while nobody waits
	over bool          // nothing follows
}

// add appends an event and gives it its number.
func (j *journal) add(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = j.next
	j.ring[e.Seq%eventsKept] = e
	j.next++
	j.wake()
}

// close tells readers that nothing follows.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = true
	j.wake()
}

func (j *journal) wake() {
	if j.more != nil {
		close(j.more)
		j.more = nil
	}
}

func (j *journal) coming() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// since returns the events from number from on, and a channel that is closed when there
// are more; nil if there never will be. The answer to a number that cannot be given, be it
// too old or of another run, begins with [Missed].
func (j *journal) since(from uint64) (events []Event, more <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	oldest := uint64(1)
	if j.next > eventsKept {
		oldest = j.next - eventsKept
	}
	switch {
	case from == 0:
		from = oldest
	case from < oldest || from > j.next:
		events = append(events, Event{Seq: oldest - 1, At: time.Now(), News: Missed{From: from, Next: oldest}})
		from = oldest
	}
	for n := from; n < j.next; n++ {
		events = append(events, j.ring[n%eventsKept])
	}
	if j.over {
		return events, nil
	}
	if j.more == nil {
		j.more = make(chan struct{})
	}
	return events, j.more
}

// Since returns the events from number from on that there are, 0 being the oldest that is
// kept, and a channel that is closed when there are more; the channel is nil when the door
// has stopped and there will be none. If some of those asked for are gone, or from is no
// number of this run, the first event is [Missed] and the oldest that is left follows. It may be
// called from any number of goroutines and never delays the door.
func (s *Station) Since(from uint64) (events []Event, more <-chan struct{}) {
	return s.journal.since(from)
}

// Coming is the number of the event that happens next: whoever begins to listen now begins with it. The
// snapshot's [Snapshot.Events] is of when the state became what it is, and more may have happened since.
func (s *Station) Coming() uint64 { return s.journal.coming() }

// Subscribe goes through the events from number from on as they come, until ctx ends or the
// door has stopped and all have been read. It stands for calls of [Station.Since], with
// the same answer to those who are late: [Missed].
func (s *Station) Subscribe(ctx context.Context, from uint64) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			events, more := s.journal.since(from)
			for _, e := range events {
				if ctx.Err() != nil || !yield(e) {
					return
				}
				from = e.Seq + 1
			}
			if len(events) > 0 {
				continue
			}
			if more == nil {
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Administer puts what somebody did to the door beside its calls among the events. It may be called
// from any number of goroutines, and neither waits nor changes anything.
func (s *Station) Administer(a Administered) {
	s.journal.add(Event{At: time.Now(), News: a})
}

// tell puts something that happened now into the journal.
func (s *Station) tell(n News) { s.tellAt(time.Now(), n) }

// tellAt puts something that happened at a moment into the journal, with the running call.
func (s *Station) tellAt(at time.Time, n News) {
	e := Event{At: at, News: n}
	if c := s.call(); c != nil {
		e.Call = c.rec.ID
	}
	s.journal.add(e)
}

// tellOf puts something that happened now to another than the running call into the journal.
func (s *Station) tellOf(call string, n News) {
	s.journal.add(Event{At: time.Now(), Call: call, News: n})
}
