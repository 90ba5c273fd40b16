package station

import (
	"slices"
	"sync"
)

// inbox takes reports about the state of things from any goroutine, before, during and
// after [Station.Run], and never makes one wait: of each thing only the newest report is
// kept until it is read.
type inbox struct {
	mu     sync.Mutex    // guards the next two
	faults []faultChange // one for each key, in the order in which they came
	reg    *Registration // nil: as it was

	news chan struct{} // one that is not read yet
}

func newInbox() *inbox { return &inbox{news: make(chan struct{}, 1)} }

func (b *inbox) ring() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

func (b *inbox) fault(c faultChange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.faults, func(o faultChange) bool { return o.fault.Key == c.fault.Key }); i >= 0 {
		b.faults = slices.Delete(b.faults, i, i+1)
	}
	b.faults = append(b.faults, c)
	b.ring()
}

func (b *inbox) registration(r Registration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reg = &r
	b.ring()
}

// read empties the inbox.
func (b *inbox) read() ([]faultChange, *Registration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults, reg := b.faults, b.reg
	b.faults, b.reg = nil, nil
	return faults, reg
}
