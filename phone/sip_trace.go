package phone

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of the trace. However many calls come, and however large their messages,
// it stays below traceBytes and a few messages outside of calls.
const (
	traceCalls = 20      // the last so many calls are kept
	traceHead  = 24      // first messages of a call: how it was set up
	traceTail  = 40      // and its last ones: how it ended
	traceRest  = 64      // messages outside of calls
	traceSize  = 4096    // bytes of one message
	traceBytes = 1 << 21 // of all calls together
	traceID    = 256     // bytes of a Call-ID that is worth keeping
)

// Message is one SIP message of the trace, without its secrets.
type Message struct {
	At      time.Time
	Sent    bool // by us
	CallID  string
	Text    string // as it was on the wire, less what must not be seen; lines end in "\n"
	Skipped int    // so many messages of the call before this one were not kept

	seq uint64
}

// sipTrace keeps the messages of the last calls, each call for itself: registrations
// and pings of a long night must not push out the call that somebody asks about in
// the morning.
type sipTrace struct {
	off bool // keeps nothing

	mu    sync.Mutex
	seq   uint64
	bytes int          // of all calls
	calls []*callTrace // oldest first
	rest  []Message
}

// callTrace is the messages of one call: its beginning, and a window that moves.
type callTrace struct {
	id         string
	head, tail []Message
	bytes      int
}

func (l *sipTrace) add(sent bool, callID, text string) {
	if l.off {
		return
	}
	m := Message{At: time.Now(), Sent: sent, CallID: callID, Text: redact(text)}
	if len(m.Text) > traceSize {
		m.Text = strings.ToValidUTF8(m.Text[:traceSize], "") + "…\n"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	m.seq = l.seq
	c := l.find(callID)
	if c == nil && strings.HasPrefix(text, "INVITE ") && callID != "" && len(callID) <= traceID {
		c = &callTrace{id: callID}
		l.calls = append(l.calls, c)
	}
	if c == nil {
		if l.rest = append(l.rest, m); len(l.rest) > traceRest {
			l.rest = slices.Delete(l.rest, 0, len(l.rest)-traceRest)
		}
		return
	}
	l.bytes += c.add(m)
	for len(l.calls) > 1 && (len(l.calls) > traceCalls || l.bytes > traceBytes) {
		l.bytes -= l.calls[0].bytes
		l.calls = slices.Delete(l.calls, 0, 1)
	}
}

func (l *sipTrace) find(callID string) *callTrace {
	for i := len(l.calls) - 1; i >= 0; i-- {
		if l.calls[i].id == callID {
			return l.calls[i]
		}
	}
	return nil
}

// add takes a message in and returns by how many bytes the call grew.
func (c *callTrace) add(m Message) (grown int) {
	grown = len(m.Text)
	if len(c.head) < traceHead {
		c.head = append(c.head, m)
	} else {
		if len(c.tail) == traceTail {
			m0 := c.tail[0]
			grown -= len(m0.Text)
			c.tail = slices.Delete(c.tail, 0, 1)
			c.skip(m0.Skipped + 1)
		}
		c.tail = append(c.tail, m)
	}
	c.bytes += grown
	return grown
}

// skip counts messages that fell out between beginning and window.
func (c *callTrace) skip(n int) { c.tail[0].Skipped = n }

func (c *callTrace) all() []Message { return slices.Concat(c.head, c.tail) }

// all returns everything that is kept in the order in which it was on the wire.
func (l *sipTrace) all() []Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.rest)
	for _, c := range l.calls {
		out = append(out, c.all()...)
	}
	slices.SortFunc(out, func(a, b Message) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

// of returns the messages of one call.
func (l *sipTrace) of(callID string) []Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.find(callID); c != nil {
		return c.all()
	}
	return nil
}
