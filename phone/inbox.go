package phone

import "sync"

const inboxLen = 1024

// inbox is the queue of tasks of one call. Putting never blocks.
type inbox struct {
	mu     sync.Mutex
	tasks  []func()
	closed bool
	wake   chan struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put queues a task; false means that the call is over, or drowned.
func (b *inbox) put(task func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.tasks) >= inboxLen {
		return false
	}
	b.tasks = append(b.tasks, task)
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return true
}

func (b *inbox) take() []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tasks
	b.tasks = nil
	return t
}

// close refuses further tasks and returns those that were left.
func (b *inbox) close() []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	t := b.tasks
	b.tasks = nil
	return t
}
