package notify

import (
	"slices"
	"sync"
	"time"
)

// entry is a notice that waits, by an ID that stays the same however often it is sent.
type entry struct {
	ID     string    `json:"id"`
	Since  time.Time `json:"since"` // it waits
	Notice notice    `json:"notice"`
}

// queue is what waits for one way out, oldest first. What is being delivered stays in it until it
// is. It may be used by any number of goroutines.
type queue struct {
	limit int
	more  chan struct{} // there is something; buffered

	mu      sync.Mutex
	entries []entry
}

func newQueue(limit int) *queue { return &queue{limit: limit, more: make(chan struct{}, 1)} }

// add appends an entry, and returns those that had to make room.
func (q *queue) add(e entry) (dropped []entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = append(q.entries, e)
	if over := len(q.entries) - q.limit; over > 0 {
		dropped = slices.Clone(q.entries[:over])
		q.entries = slices.Delete(q.entries, 0, over)
	}
	q.signal()
	return dropped
}

// restore puts what waited before the start in front.
func (q *queue) restore(old []entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = append(slices.Clone(old[max(0, len(old)-q.limit):]), q.entries...)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// first is the oldest entry.
func (q *queue) first() (e entry, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries) == 0 {
		return e, false
	}
	return q.entries[0], true
}

// done takes an entry out, if it is still there.
func (q *queue) done(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = slices.DeleteFunc(q.entries, func(e entry) bool { return e.ID == id })
}

func (q *queue) all() []entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.entries)
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}
