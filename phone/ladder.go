package phone

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	ladderLen  = 256
	ladderSize = 4096 // bytes kept of one message
)

// Message is one SIP message of the ladder, without its secrets.
type Message struct {
	At     time.Time
	Sent   bool // by us
	CallID string
	Text   string
}

// ladder is a ring of the last messages, for the person who wants to know why
// yesterday's call failed.
type ladder struct {
	mu   sync.Mutex
	ring []Message
	next int
}

func (l *ladder) add(sent bool, callID, text string) {
	m := Message{At: time.Now(), Sent: sent, CallID: callID, Text: redact(text)}
	if len(m.Text) > ladderSize {
		m.Text = m.Text[:ladderSize] + "…"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < ladderLen {
		l.ring = append(l.ring, m)
		return
	}
	l.ring[l.next] = m
	l.next = (l.next + 1) % ladderLen
}

func (l *ladder) all() []Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.ring[l.next:], l.ring[:l.next])
}

// redact takes out what must not be seen: credentials, the keys of the media, and
// DTMF keys, which may be the code of a door.
func redact(text string) string {
	lines := strings.Split(text, "\r\n")
	for i, l := range lines {
		low := strings.ToLower(strings.TrimSpace(l))
		switch {
		case strings.HasPrefix(low, "authorization"), strings.HasPrefix(low, "proxy-authorization"):
			name, _, _ := strings.Cut(l, ":")
			lines[i] = name + ": (redacted)"
			for j := i + 1; j < len(lines) && strings.HasPrefix(lines[j], " "); j++ { // folded
				lines[j] = " (redacted)"
			}
		case strings.HasPrefix(low, "a=ice-pwd:"), strings.HasPrefix(low, "a=crypto:"):
			lines[i] = l[:strings.IndexByte(l, ':')] + ":(redacted)"
		case strings.HasPrefix(low, "k="):
			lines[i] = "k=(redacted)"
		case strings.HasPrefix(low, "signal="), strings.HasPrefix(low, "signal ="):
			lines[i] = "Signal=(redacted)"
		}
	}
	text = strings.Join(lines, "\r\n")
	if head, body, ok := strings.Cut(text, "\r\n\r\n"); ok && strings.Contains(strings.ToLower(head), "application/dtmf\r\n") && body != "" {
		text = head + "\r\n\r\n(redacted)"
	}
	return text
}
