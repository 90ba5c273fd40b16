package phone

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of the ladder. However many calls come, and however large their messages,
// it stays below ladderBytes and a few messages outside of calls.
const (
	ladderCalls = 20      // the last so many calls are kept
	ladderHead  = 24      // first messages of a call: how it was set up
	ladderTail  = 40      // and its last ones: how it ended
	ladderRest  = 64      // messages outside of calls
	ladderSize  = 4096    // bytes of one message
	ladderBytes = 1 << 21 // of all calls together
	ladderID    = 256     // bytes of a Call-ID that is worth keeping
)

// Message is one SIP message of the ladder, without its secrets.
type Message struct {
	At      time.Time
	Sent    bool // by us
	CallID  string
	Text    string // as it was on the wire, less what must not be seen; lines end in "\n"
	Skipped int    // so many messages of the call before this one were not kept

	seq uint64
}

// ladder keeps the messages of the last calls, each call for itself: registrations
// and pings of a long night must not push out the call that somebody asks about in
// the morning.
type ladder struct {
	mu    sync.Mutex
	seq   uint64
	bytes int           // of all calls
	calls []*callLadder // oldest first
	rest  []Message
}

// callLadder is the messages of one call: its beginning, and a window that moves.
type callLadder struct {
	id         string
	head, tail []Message
	bytes      int
}

func (l *ladder) add(sent bool, callID, text string) {
	m := Message{At: time.Now(), Sent: sent, CallID: callID, Text: redact(text)}
	if len(m.Text) > ladderSize {
		m.Text = strings.ToValidUTF8(m.Text[:ladderSize], "") + "…\n"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	m.seq = l.seq
	c := l.find(callID)
	if c == nil && strings.HasPrefix(text, "INVITE ") && callID != "" && len(callID) <= ladderID {
		c = &callLadder{id: callID}
		l.calls = append(l.calls, c)
	}
	if c == nil {
		if l.rest = append(l.rest, m); len(l.rest) > ladderRest {
			l.rest = slices.Delete(l.rest, 0, len(l.rest)-ladderRest)
		}
		return
	}
	l.bytes += c.add(m)
	for len(l.calls) > 1 && (len(l.calls) > ladderCalls || l.bytes > ladderBytes) {
		l.bytes -= l.calls[0].bytes
		l.calls = slices.Delete(l.calls, 0, 1)
	}
}

func (l *ladder) find(callID string) *callLadder {
	for i := len(l.calls) - 1; i >= 0; i-- {
		if l.calls[i].id == callID {
			return l.calls[i]
		}
	}
	return nil
}

// add takes a message in and returns by how many bytes the call grew.
func (c *callLadder) add(m Message) (grown int) {
	grown = len(m.Text)
	if len(c.head) < ladderHead {
		c.head = append(c.head, m)
	} else {
		if len(c.tail) == ladderTail {
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
func (c *callLadder) skip(n int) { c.tail[0].Skipped = n }

func (c *callLadder) all() []Message { return slices.Concat(c.head, c.tail) }

// all returns everything that is kept in the order in which it was on the wire.
func (l *ladder) all() []Message {
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
func (l *ladder) of(callID string) []Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.find(callID); c != nil {
		return c.all()
	}
	return nil
}
