package station

import (
	"slices"
	"sync"
)

// Inbox is the one way into the core: whatever happens at the door is put here, by whoever sees
// it, from any goroutine, before, during and after [Station.Run]. Nobody ever waits: a letter
// that has no room is refused or dropped, and says so. The core takes the letters one by one, in
// the order in which they came.
type Inbox struct {
	mu      sync.Mutex // guards the next two
	letters []letter
	closed  bool // the door has stopped

	news chan struct{} // there are letters
}

// letter is one thing that the core is to know.
type letter struct {
	about  string                      // replaces an older letter about the same; "": every one counts
	edge   string                      // input, of an edge
	take   func(s *Station) occurrence // in the core's goroutine
	refuse func()                      // the door has stopped, or there is no room; may be nil
}

// mostLetters is how many letters wait for a core that is busy. It hardly ever is: a core that
// does not look around for seconds is restarted by the watchdog.
const mostLetters = 1024

// NewInbox makes an inbox for [Config]. Letters may come before there is a station.
func NewInbox() *Inbox { return &Inbox{news: make(chan struct{}, 1)} }

// SetRegistration tells the door how it stands with its server. A running call is never touched
// by it. Of several that were not read yet the last counts.
func (b *Inbox) SetRegistration(r Registration) {
	b.put(letter{about: "registration", take: func(s *Station) occurrence {
		s.registered(r)
		return occurrence{kind: changed}
	}})
}

// SetFault shows a fault until [Inbox.ClearFault] is called with its key.
func (b *Inbox) SetFault(f Fault) { b.fault(faultChange{fault: f, set: true}) }

// ClearFault takes a fault back; an unknown key is ignored.
func (b *Inbox) ClearFault(key string) { b.fault(faultChange{fault: Fault{Key: key}}) }

// SetDeliveries shows how the ways to tell people fare. The list must not be changed any more.
func (b *Inbox) SetDeliveries(list []Delivery) {
	b.put(letter{about: "deliveries", take: func(s *Station) occurrence {
		s.deliveries = list
		return occurrence{}
	}})
}

func (b *Inbox) fault(c faultChange) {
	b.put(letter{about: "fault " + c.fault.Key, take: func(s *Station) occurrence {
		s.changeFault(c)
		return occurrence{}
	}})
}

// Edge tells of a change of an input that has been stable for its debounce time.
func (b *Inbox) Edge(e Edge) {
	b.put(letter{edge: e.Input, take: func(s *Station) occurrence { return s.edge(e) }})
}

// Offer hands an incoming call to the door, which answers or ends it. It reports whether the
// door takes calls at all.
func (b *Inbox) Offer(c Call) bool {
	return b.put(letter{take: func(*Station) occurrence { return occurrence{kind: offered, call: c} }, refuse: func() { c.End(CauseShutdown) }})
}

// CallEvent tells what happened to a call that the door has placed or was offered, in order.
func (b *Inbox) CallEvent(c Call, e CallEvent) {
	b.put(letter{take: func(s *Station) occurrence { return s.callEvent(c, e) }, refuse: func() {
		if e.Call != nil {
			e.Call.End(CauseShutdown)
		}
	}})
}

// Text hands a text message to the door. It is shown and does nothing else: no word of it can
// open, call or switch anything. It reports whether there was room.
func (b *Inbox) Text(t Text) bool {
	return b.put(letter{take: func(s *Station) occurrence {
		s.keepText(t)
		return occurrence{}
	}})
}

// tested tells what came of a self-test.
func (b *Inbox) tested(r tested) {
	b.put(letter{take: func(s *Station) occurrence {
		s.testOver(r)
		return occurrence{}
	}})
}

// put adds a letter. Where there is no room, an edge takes the place of the oldest of its input,
// and everything else is refused.
func (b *Inbox) put(l letter) bool {
	b.mu.Lock()
	at := -1
	switch {
	case l.about != "":
		at = slices.IndexFunc(b.letters, func(o letter) bool { return o.about == l.about })
	case len(b.letters) >= mostLetters && l.edge != "":
		at = slices.IndexFunc(b.letters, func(o letter) bool { return o.edge == l.edge })
	}
	if at >= 0 {
		b.letters = slices.Delete(b.letters, at, at+1)
	}
	took := !b.closed && (len(b.letters) < mostLetters || l.about != "")
	if took {
		b.letters = append(b.letters, l)
	}
	b.mu.Unlock()
	if took {
		b.ring()
	} else if l.refuse != nil {
		l.refuse()
	}
	return took
}

func (b *Inbox) ring() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// next is the oldest letter that was not read yet.
func (b *Inbox) next() (l letter, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.letters) == 0 {
		return l, false
	}
	l = b.letters[0]
	b.letters = slices.Delete(b.letters, 0, 1)
	if len(b.letters) > 0 {
		b.ring()
	}
	return l, true
}

// refuseLetters refuses what was not read, and whatever comes from now on.
func (b *Inbox) refuseLetters() {
	b.mu.Lock()
	left := b.letters
	b.letters, b.closed = nil, true
	b.mu.Unlock()
	for _, l := range left {
		if l.refuse != nil {
			l.refuse()
		}
	}
}
