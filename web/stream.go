package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/words"
)

// Times of an event stream.
const (
	coalesce  = 200 * time.Millisecond // between two events: at most 5 a second
	heartbeat = 5 * time.Second        // an "alive" event when there was nothing else to say
	gaugeTick = 250 * time.Millisecond // the door renews its gauges so often; the page's durations go on, too
	reconnect = 2 * time.Second        // told to the browser
)

// getEvents streams the door as JSON: event "snapshot" with the state, at once and whenever it
// is another; "event" with each thing that happens; "gauges" with what moves all the time, for
// those who ask for it (?gauges); "alive" as a heartbeat. Whoever comes back with the ID of
// the last event that it saw (Last-Event-ID, or ?after=) gets all that came since, or is told
// that some are gone.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	first := s.snapshot()
	run := s.run()
	from := follows(cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")), run, first.Events)
	gauges := r.URL.Query().Has("gauges")
	all := visitorOf(r).person.Role.Covers(accounts.Admin)
	var seq uint64
	var measured *station.Gauges
	tick := every(heartbeat)
	if gauges {
		tick = every(gaugeTick)
	}
	s.stream(w, r, tick, func(out *bytes.Buffer) (<-chan struct{}, error) {
		events, more := s.station.Since(from)
		snap := s.snapshot()
		if snap.Seq != seq || seq == 0 {
			body, err := encode(snap)
			if err != nil {
				return nil, err
			}
			seq = snap.Seq
			writeEvent(out, "snapshot", "", body)
		}
		for _, e := range events {
			from = e.Seq + 1
			if _, private := e.News.(station.Administered); private && !all {
				continue
			}
			body, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			body = words.Tame(body)
			writeEvent(out, "event", api.Cursor{Run: run, After: e.Seq}.String(), body)
		}
		if !gauges {
			return more, nil
		}
		if g := s.station.Gauges(); g != nil && g != measured {
			body, err := json.Marshal(measurable(*g))
			if err != nil {
				return nil, err
			}
			measured = g
			writeEvent(out, "gauges", "", body)
		}
		return more, nil
	})
}

// follows is the number of the event after the one with the ID last. An ID that is none, or of another
// run of the program, is told as a number that cannot be, so that the reader hears that some are
// gone. Without an ID the events begin where the state of the first snapshot ends.
func follows(last, run string, now uint64) uint64 {
	if last == "" {
		return now
	}
	next, bad := api.From(last, run)
	if bad != nil {
		return api.NoEvent
	}
	return next
}

// update is what the page's script gets: the sections whose HTML changed.
type update struct {
	Version  string            `json:"version"` // another one: load the whole page again
	Title    string            `json:"title"`
	Time     time.Time         `json:"time"` // of the door, to compare with that of the browser
	Sections map[string]string `json:"sections"`
}

// getLive streams the page itself: event "page" with the sections that differ
// from what this client has seen. Its form may change with any version.
func (s *Server) getLive(w http.ResponseWriter, r *http.Request) {
	seen := make(map[string]string)
	pages := s.renderer(r)
	s.stream(w, r, s.pageTick, func(out *bytes.Buffer) (<-chan struct{}, error) {
		now, err := pages.render(s.snapshot(), s.station.Gauges(), time.Now())
		if err != nil {
			return nil, err
		}
		u := update{Version: now.version, Title: now.title, Time: time.Now().UTC().Truncate(time.Millisecond), Sections: make(map[string]string)}
		for id, html := range now.sections {
			if old, ok := seen[id]; !ok || old != html {
				u.Sections[id] = html
				seen[id] = html
			}
		}
		if len(u.Sections) == 0 {
			return nil, nil
		}
		body, err := json.Marshal(u)
		if err != nil {
			return nil, err
		}
		writeEvent(out, "page", "", body)
		return nil, nil
	})
}

// every is a tick of always the same length.
func every(d time.Duration) func(time.Time) time.Duration {
	return func(time.Time) time.Duration { return d }
}

// pageTick is how long the page may stay as it is. While the door rests and no sound runs, only its
// durations go on, by the second; by the clock's, so that all who watch need one waking and one page.
func (s *Server) pageTick(now time.Time) time.Duration {
	if snap := s.snapshot(); snap.State != station.Idle || snap.Sound.Input.Open || snap.Sound.Output.Open {
		return gaugeTick
	}
	wait := now.Truncate(time.Second).Add(time.Second).Sub(now)
	if wait < coalesce {
		wait += time.Second
	}
	return wait
}

// stream serves one client until it goes or the server ends. It asks next for
// what there is to say at the start, when the state is another, when the channel that next
// returned is closed, and at least after each tick, but never more often than every coalesce; next
// writes nothing when nothing is new. The request's own goroutine does it all.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, tick func(now time.Time) time.Duration, next func(*bytes.Buffer) (<-chan struct{}, error)) {
	if !take(s.streams) {
		s.full(w, r, words.New("too-many-streams", "n", strconv.Itoa(maxStreams)))
		return
	}
	defer free(s.streams)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out := &bytes.Buffer{}
	out.WriteString("retry: " + strconv.FormatInt(reconnect.Milliseconds(), 10) + "\n\n")
	var spoke time.Time
	ear := ear{guest: guestOf(r)}
	for {
		changed := s.station.Changed() // before the snapshot, so that none is missed
		more, err := next(out)
		if !s.still(r) {
			return // who comes back is told why
		}
		if err != nil {
			s.cfg.Log.Error("status page: an event could not be encoded", "path", r.URL.Path, "error", err)
			return
		}
		now := time.Now()
		if out.Len() == 0 && now.Sub(spoke) >= heartbeat {
			writeEvent(out, "alive", "", []byte(now.UTC().Format(`"2006-01-02T15:04:05Z"`)))
		}
		ear.ask(out, len(s.streams) > maxStreams*15/16, now)
		n := out.Len()
		if n > 0 {
			if send(w, out, now) != nil {
				return
			}
			spoke = now
		}
		if ear.deaf(n, now) {
			s.cfg.Log.Debug("status page: a stream that nobody reads was ended", "path", r.URL.Path, "from", r.RemoteAddr)
			return
		}
		wait := tick(now)
		if !ear.proven() {
			wait = min(wait, gaugeTick)
		}
		if !s.pause(r.Context(), wait, changed, more) {
			return
		}
		if rest := coalesce - time.Since(now); rest > 0 && !s.pause(r.Context(), rest, nil, nil) {
			return
		}
	}
}

// pause waits for d, or until one of the channels is closed. It is false when the stream is
// over.
func (s *Server) pause(ctx context.Context, d time.Duration, changed, more <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-more:
	case <-ctx.Done():
		return false
	case <-s.stop:
		return false
	}
	return true
}

// send writes out to the client, which has writeTimeout to take it, and empties it.
func send(w http.ResponseWriter, out *bytes.Buffer, now time.Time) error {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(now.Add(writeTimeout)) // not all writers have deadlines
	if _, err := out.WriteTo(w); err != nil {
		return err
	}
	return rc.Flush()
}

// writeEvent appends one event (WHATWG HTML, section 9.2.6). The data has no
// line breaks: it is JSON.
func writeEvent(out *bytes.Buffer, name, id string, data []byte) {
	out.WriteString("event: " + name + "\n")
	if id != "" {
		out.WriteString("id: " + id + "\n")
	}
	out.WriteString("data: ")
	out.Write(data)
	out.WriteString("\n\n")
}

// take takes a place, if there is one.
func take(places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
		return false
	}
}

func free(places chan struct{}) { <-places }

// probe is a comment of the stream, of which enough fills what a far end can buffer.
//
//nolint:gochecknoglobals // a constant, in a form that Go has none for
var probe = strings.Repeat(":"+strings.Repeat(" ", 1022)+"\n", 16)

const (
	proof     = 192 << 10        // bytes; more than a system buffers for a program that has read nothing yet
	deafAfter = 12 * time.Second // without a move of the edge; found out some 15 s after the last byte that was read
	askAgain  = time.Minute      // while places are scarce
)

// ear finds out whether the client of a stream reads it. Its system takes what fits into its
// buffers, so that writing succeeds for minutes; see [guest.edge]. Each stream is filled up
// with comments once, until its client must have read; and again while places are scarce.
type ear struct {
	guest *guest // nil: that cannot be told
	at    uint64 // the edge
	moved time.Time
	sent  int // bytes since the edge moved
	read  int // bytes that the edge moved since it was last asked to
	asked time.Time
}

// ask adds a probe to out if it is not known whether the client reads.
func (e *ear) ask(out *bytes.Buffer, scarce bool, now time.Time) {
	if e.guest == nil || e.moved.IsZero() {
		return
	}
	if e.proven() && scarce && now.Sub(e.asked) >= askAgain {
		e.read, e.asked = 0, now
	}
	if !e.proven() && e.sent < len(probe) { // one more than it has room for is enough
		out.WriteString(probe)
	}
}

// proven says whether the client has read more than its system could buffer.
func (e *ear) proven() bool { return e.guest == nil || e.read >= proof }

// deaf notes that n bytes were sent and says whether the client reads nothing. Some systems
// tell of what was read by the segment only, so that it takes more than one to be sure.
func (e *ear) deaf(n int, now time.Time) bool {
	if e.guest == nil {
		return false
	}
	at, ok := e.guest.edge()
	if !ok {
		e.guest = nil
		return false
	}
	if at != e.at || e.moved.IsZero() {
		if !e.moved.IsZero() {
			e.read += int(at - e.at)
		}
		e.at, e.moved, e.sent = at, now, 0
		return false
	}
	e.sent += n
	return now.Sub(e.moved) >= deafAfter && e.sent >= 2<<10
}
