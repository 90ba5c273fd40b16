package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"intercomd/station"
)

// Times of an event stream.
const (
	coalesce  = 200 * time.Millisecond // between two events: at most 5 a second
	heartbeat = 10 * time.Second       // an "alive" event when there was nothing else to say
	clockTick = time.Second            // the page's durations go on between snapshots
	reconnect = 2 * time.Second        // told to the browser
)

// getEvents streams snapshots as JSON: event "snapshot" at each change, "alive"
// as a heartbeat. The first snapshot comes at once.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	var last *station.Snapshot
	s.stream(w, r, heartbeat, func(out *bytes.Buffer) error {
		snap := s.snapshot()
		if snap == last || (last != nil && snap.Seq == last.Seq) {
			return nil
		}
		body, err := encode(snap)
		if err != nil {
			return err
		}
		last = snap
		writeEvent(out, "snapshot", strconv.FormatUint(snap.Seq, 10), body)
		return nil
	})
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
	s.stream(w, r, clockTick, func(out *bytes.Buffer) error {
		now, err := s.pages.render(s.snapshot(), time.Now())
		if err != nil {
			return err
		}
		u := update{Version: now.version, Title: now.title, Sections: make(map[string]string)}
		for id, html := range now.sections {
			if old, ok := seen[id]; !ok || old != html {
				u.Sections[id] = html
				seen[id] = html
			}
		}
		if len(u.Sections) == 0 {
			return nil
		}
		body, err := json.Marshal(u)
		if err != nil {
			return err
		}
		writeEvent(out, "page", "", body)
		return nil
	})
}

// stream serves one client until it goes or the server ends. It asks next for
// what there is to say at the start, after each publication and at least every
// tick, but never more often than every coalesce; next writes nothing when
// nothing is new. The request's own goroutine does it all.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, tick time.Duration, next func(*bytes.Buffer) error) {
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
		if err := next(out); err != nil {
			s.cfg.Log.Error("status page: an event could not be made", "path", r.URL.Path, "err", err)
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
		if !s.pause(r.Context(), coalesce, nil) || !s.pause(r.Context(), tick-coalesce, changed) {
			return
		}
	}
}

// pause waits for d, or until changed is closed. It is false when the stream is over.
func (s *Server) pause(ctx context.Context, d time.Duration, changed <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
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
		"Too many live views are open ("+strconv.Itoa(maxStreams)+"). Close some and try again.")
}
