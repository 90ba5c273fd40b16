package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Cursor is a place between two events. Events are numbered from 1 as long as the program runs; the run
// is a part of the cursor, so that one of another run is known as such.
type Cursor struct {
	Run   string
	After uint64 // number of the last event before it
}

// First is the cursor before the oldest event that is kept, as clients write it.
const First = "first"

// Run names the run of a program by when it was started.
func Run(started time.Time) string { return strconv.FormatInt(started.UnixMilli(), 36) }

// String is the cursor as clients get it; they should not look into it.
func (c Cursor) String() string { return c.Run + "-" + strconv.FormatUint(c.After, 10) }

// NoEvent is the number of no event of any run; whoever asks for those from it on is told that some are
// gone. It is the largest integer that every reader of JSON gets as it is (RFC 8259, section 6).
const NoEvent = 1<<53 - 1

// From is the number of the event that follows a cursor: 0 for [First], [NoEvent] for one of another run.
func From(cursor, run string) (uint64, *Refused) {
	if cursor == First {
		return 0, nil
	}
	of, n, ok := strings.Cut(cursor, "-")
	after, err := strconv.ParseUint(n, 10, 53)
	if !ok || err != nil || of == "" || strings.ContainsFunc(of, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
		return 0, refused(http.StatusBadRequest, "bad-cursor")
	}
	if of != run || after+1 > NoEvent {
		return NoEvent, nil
	}
	return after + 1, nil
}
