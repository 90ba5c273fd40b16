package phone

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Event is one thing that happened to a call.
type Event struct {
	Kind   EventKind
	At     time.Time
	Digit  rune   // of Digit
	Call   *Call  // of Transferred
	Ending Ending // of Ended
}

// EventKind says what happened to a call.
type EventKind int

// What can happen to a call.
const (
	Sent        EventKind = iota + 1 // the INVITE is on the wire
	Ringing                          // the far end rings (180, 183)
	EarlyMedia                       // SDP of a provisional response was applied
	Answered                         // 200, sent or received
	MediaUp                          // audio can flow
	MediaLost                        // audio stopped flowing; MediaUp may follow
	Digit                            // a DTMF key, from RTP or INFO
	Held                             // the far end put us on hold
	Resumed                          // and took us back
	Transferred                      // the far end passes us on: Event.Call is to take the place of this call
	Ended                            // over; nothing follows
)

func (k EventKind) String() string {
	names := [...]string{"", "sent", "ringing", "early media", "answered", "media up", "media lost", "digit", "held", "resumed", "transferred", "ended"}
	if k < 1 || int(k) >= len(names) {
		return "event " + strconv.Itoa(int(k))
	}
	return names[k]
}

// Cause says in a word why a call ended.
type Cause string

// The causes for which a call ends.
const (
	LocalHangup       Cause = "local-hangup"   // End was called
	RemoteHangup      Cause = "remote-hangup"  // BYE
	Cancelled         Cause = "cancelled"      // the caller gave up before the answer
	Busy              Cause = "busy"           // 486, 600
	Refused           Cause = "refused"        // 603, 403 and the like
	NotFound          Cause = "not-found"      // 404, 410, 484, 604
	Unavailable       Cause = "unavailable"    // 480: known, but not reachable
	NoAnswer          Cause = "no-answer"      // it rang in vain
	NoCodec           Cause = "no-codec"       // 488: no codec in common
	MediaFault        Cause = "media-lost"     // the media failed for good
	NetworkLost       Cause = "network-lost"   // the connection to the server is gone
	NotRegistered     Cause = "not-registered" // there is no registration to call with
	AnsweredElsewhere Cause = "elsewhere"      // another device of the group took it
	Shutdown          Cause = "shutdown"       // the phone is being switched off
	Failed            Cause = "failed"         // anything else; see Reason
)

// Ending says how a call ended. It is told exactly once.
type Ending struct {
	Cause  Cause
	Status int    // SIP status of the final response, 0 if there was none
	Reason string // text of the Reason header (RFC 3326), the status phrase, or an error
	Local  bool   // this side wanted the end; neither side did when the network failed
}

// causeOf maps a final status to a cause. q850 is the cause number of a Reason
// header with protocol Q.850, or 0: behind a 480 or a fault of the server it tells
// which kind it was.
func causeOf(status, q850 int) Cause {
	switch status {
	case 486, 600:
		return Busy
	case 404, 410, 484, 485, 604:
		return NotFound
	case 408, 487:
		return NoAnswer
	case 406, 415, 488, 606:
		return NoCodec
	case 401, 403, 407, 603:
		return Refused
	case 480, 500, 502, 503, 504:
		if c, ok := causeOfQ850(q850); ok {
			return c
		}
		if status == 480 {
			return Unavailable
		}
	}
	return Failed
}

// causeOfQ850 maps the cause numbers of ITU-T Q.850 (table 1) that say more than that
// a call is over, and those that FreeSWITCH has added.
func causeOfQ850(n int) (Cause, bool) {
	switch n {
	case 1, 28: // unallocated number, invalid number format
		return NotFound, true
	case 17: // user busy
		return Busy, true
	case 18, 19: // no user responding, no answer
		return NoAnswer, true
	case 20, 27, 606: // subscriber absent, destination out of order, not registered
		return Unavailable, true
	case 21: // call rejected
		return Refused, true
	case 26: // non-selected user clearing: somebody else took it
		return AnsweredElsewhere, true
	case 88: // incompatible destination
		return NoCodec, true
	case 102: // recovery on timer expiry
		return NetworkLost, true
	case 604: // FreeSWITCH: it heard nothing from us
		return MediaFault, true
	default:
		return "", false
	}
}

// reasons is what the Reason headers of a message say together (RFC 3326).
type reasons struct {
	sip, q850 int    // cause of each protocol, 0 for none
	text      string // the first that there is
}

func reasonsOf(m sip.Message) (r reasons) {
	for _, h := range headerValues(m, "reason") {
		for _, v := range splitOutsideQuotes(h, ',') {
			one := parseReason(v)
			switch {
			case one.protocol == "SIP" && r.sip == 0:
				r.sip = one.cause
			case one.protocol == "Q.850" && r.q850 == 0:
				r.q850 = one.cause
			}
			if r.text == "" {
				r.text = one.text
			}
		}
	}
	return r
}

// ending is how a call ended that the far end hung up for these reasons.
func (r reasons) ending() Ending {
	e := Ending{Cause: RemoteHangup, Status: r.sip, Reason: r.text}
	if c, ok := causeOfQ850(r.q850); ok {
		e.Cause = c
	}
	switch {
	case r.sip == 408: // the session was not refreshed
		e.Cause = NetworkLost
	case r.sip >= 300 && r.sip != 487:
		e.Cause = causeOf(r.sip, r.q850)
	}
	return e
}

// reason is one value of a Reason header.
type reason struct {
	protocol string // in upper case: "SIP", "Q.850"
	cause    int
	text     string
}

// parseReason reads one value of a Reason header. Whatever is malformed is left empty.
func parseReason(s string) reason {
	var r reason
	proto, rest, _ := strings.Cut(s, ";")
	r.protocol = strings.ToUpper(strings.TrimSpace(proto))
	for _, p := range splitOutsideQuotes(rest, ';') {
		name, value, _ := strings.Cut(p, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "cause":
			r.cause, _ = strconv.Atoi(value)
		case "text":
			r.text = unquote(value)
		}
	}
	return r
}

// splitOutsideQuotes cuts s at sep where sep is not inside a quoted string. It
// returns at least one element.
func splitOutsideQuotes(s string, sep byte) []string {
	var (
		parts  []string
		from   int
		quoted bool
	)
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts, from = append(parts, s[from:i]), i+1
		}
	}
	return append(parts, s[from:])
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
