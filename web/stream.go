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
	"intercomd/words"
)

// Times of an event stream.
const (
	coalesce  = 200 * time.Millisecond // between two events: at most 5 a second
	heartbeat = 10 * time.Second       // an "alive" event when there was nothing else to say
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
	run := strconv.FormatInt(first.Started.UnixMilli(), 36)
	from := follows(cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")), run, first.Events)
	gauges := r.URL.Query().Has("gauges")
	var seq uint64
	var measured *station.Gauges
	tick := heartbeat
	if gauges {
		tick = gaugeTick
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
			body, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			from = e.Seq + 1
			writeEvent(out, "event", run+"-"+strconv.FormatUint(e.Seq, 10), body)
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

// maxSafe is the largest integer that every reader of JSON gets as it is (RFC 8259, section 6).
const maxSafe = 1<<53 - 1

// follows is the number of the event after the one with the ID last. An ID of another run of
// the program is told as a number that cannot be, so that the reader hears that some are
// gone. Without an ID the events begin where the state of the first snapshot ends.
func follows(last, run string, now uint64) uint64 {
	if last == "" {
		return now
	}
	at, n, _ := strings.Cut(last, "-")
	seq, err := strconv.ParseUint(n, 10, 63)
	if err != nil || at != run {
		return maxSafe
	}
	return seq + 1
}

// update is what the page's script gets: the sections whose HTML changed.
type update struct {
	Version  string            `json:"version"` // another one: load the whole page again
	Title    string            `json:"title"`
	Sections map[string]string `json:"sections"`
}

// getLive streams the page itself: event "page" with the sections that differ
// from what this client has seen. Its form may change with any version.
func (s *Server) getLive(w http.ResponseWriter, r *http.Request) {
	seen := make(map[string]string)
	pages := s.renderer(r)
	s.stream(w, r, gaugeTick, func(out *bytes.Buffer) (<-chan struct{}, error) {
		now, err := pages.render(s.snapshot(), s.station.Gauges(), time.Now())
		if err != nil {
			return nil, err
		}
		u := update{Version: now.version, Title: now.title, Sections: make(map[string]string)}
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

// stream serves one client until it goes or the server ends. It asks next for
// what there is to say at the start, when the state is another, when the channel that next
// returned is closed, and at least every tick, but never more often than every coalesce; next
// writes nothing when nothing is new. The request's own goroutine does it all.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, tick time.Duration, next func(*bytes.Buffer) (<-chan struct{}, error)) {
	if !s.takeSlot() {
		s.tooMany(w, r)
		return
	}
	defer s.freeSlot()
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
	for {
		changed := s.station.Changed() // before the snapshot, so that none is missed
		more, err := next(out)
		if err != nil {
			s.cfg.Log.Error("status page: an event could not be made", "path", r.URL.Path, "error", err)
			return
		}
		now := time.Now()
		if out.Len() == 0 && now.Sub(spoke) >= heartbeat {
			writeEvent(out, "alive", "", []byte(now.UTC().Format(`"2006-01-02T15:04:05Z"`)))
		}
		if out.Len() > 0 {
			if send(w, out, now) != nil {
				return
			}
			spoke = now
		}
		if !s.pause(r.Context(), coalesce, nil, nil) || !s.pause(r.Context(), tick-coalesce, changed, more) {
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

func (s *Server) takeSlot() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *Server) freeSlot() { <-s.slots }

func (s *Server) tooMany(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "10")
	s.refuse(w, r, http.StatusServiceUnavailable,
		words.New("too-many-streams", "n", strconv.Itoa(maxStreams)))
}
