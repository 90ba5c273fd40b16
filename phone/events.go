package phone

import (
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"intercomd/words"
)

// Event is one thing that happened to a call.
type Event struct {
	Kind   EventKind
	At     time.Time
	Digit  rune   // of Digit
	Call   *Call  // of Transferred
	Ending Ending // of Ended
}

// EventKind says what happened to a call: a stable code.
type EventKind string

// What can happen to a call.
const (
	Sent        EventKind = "sent"        // the INVITE is on the wire
	Ringing     EventKind = "ringing"     // the far end rings (180, 183)
	EarlyMedia  EventKind = "early-media" // SDP of a provisional response was applied
	Answered    EventKind = "answered"    // 200, sent or received
	MediaUp     EventKind = "media-up"    // audio can flow
	MediaLost   EventKind = "media-lost"  // audio stopped flowing; MediaUp may follow
	Digit       EventKind = "digit"       // a DTMF key, from RTP or INFO
	Held        EventKind = "held"        // the far end put us on hold
	Resumed     EventKind = "resumed"     // and took us back
	Transferred EventKind = "transferred" // the far end passes us on: Event.Call is to take the place of this call
	Ended       EventKind = "ended"       // over; nothing follows
)

// EventKinds are all of them.
func EventKinds() []EventKind {
	return []EventKind{Sent, Ringing, EarlyMedia, Answered, MediaUp, MediaLost, Digit, Held, Resumed, Transferred, Ended}
}

// Ending says how a call ended. It is told exactly once.
type Ending struct {
	Cause  Cause
	Status int           // SIP status of the final response, 0 if there was none
	Reason string        // text of the Reason header (RFC 3326), the status phrase, or an error
	Local  bool          // this side wanted the end; neither side did when the network failed
	Side   Side          // where the reason lies, as far as a code of the server tells
	Remedy words.Message // what a person can do about it, if anything: a code of calls
}

func reasonsOf(m sip.Message) (r reasons) {
	for _, h := range headerValues(m, "reason") {
		for _, v := range splitOutside(h, ',') {
			r.more(parseReason(v))
		}
	}
	return r
}

// splitOutside cuts s at sep where sep stands neither in a quoted string nor between < and
// >. It returns at least one element.
func splitOutside(s string, sep byte) []string {
	var parts []string
	for {
		i := indexOutside(s, sep)
		if i < 0 {
			return append(parts, s)
		}
		parts, s = append(parts, s[:i]), s[i+1:]
	}
}

// indexOutside finds the first c in s that stands neither in a quoted string nor between <
// and >.
func indexOutside(s string, c byte) int {
	inQuotes, unclosed := false, false
	for i := 0; i < len(s); i++ {
		switch {
		case inQuotes && s[i] == '\\':
			i++
		case s[i] == '"':
			inQuotes = !inQuotes
		case inQuotes:
		case s[i] == c:
			return i
		case s[i] == '<' && !unclosed: // a search for each would take long
			end := strings.IndexByte(s[i:], '>')
			if unclosed = end < 0; !unclosed {
				i += end
			}
		}
	}
	return -1
}

// quote writes a quoted string (RFC 3261, 25.1). Line ends have no place in one.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(oneLine(s)) + `"`
}

// unquote takes the quotes and escapes off a quoted string; anything else comes
// back trimmed.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
