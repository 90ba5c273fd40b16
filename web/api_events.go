package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/words"
)

// Bounds of what a client gets of the events at once.
const (
	mostEvents = 256
	longPoll   = 25 // seconds that a client may have the door wait for an event
	mostKinds  = 32
)

// apiEvent is an event as programs get it.
type apiEvent struct {
	Cursor string       `json:"cursor"` // of the place behind it
	Seq    uint64       `json:"seq"`
	At     time.Time    `json:"at"`
	Kind   station.Kind `json:"kind"`
	Call   string       `json:"call,omitempty"`
	Data   station.News `json:"data"`
}

// eventList is the events after a cursor, and the cursor to go on from.
type eventList struct {
	Events []apiEvent `json:"events"`
	Cursor string     `json:"cursor"`
}

// follower is what a client wants to hear of, and how far it has got.
type follower struct {
	run   string
	next  uint64   // number of the next event
	kinds []string // none: all
	all   bool     // with what administrators did
}

// watch reads where a client wants to begin, and what it wants to hear of. Without a cursor it is from
// now on.
func (s *Server) watch(r *http.Request, q api.Query, cursor string) (*follower, *api.Refused) {
	w := &follower{run: s.run(), next: s.snapshot().Events, kinds: q.All("kind"), all: visitorOf(r).person.Has(accounts.ScopeLog)}
	if len(w.kinds) > mostKinds {
		return nil, &api.Refused{Status: http.StatusBadRequest, Why: words.New("bad-parameter", "name", "kind", "wanted", strconv.Itoa(mostKinds))}
	}
	if cursor == "" {
		return w, nil
	}
	from, bad := api.From(cursor, w.run)
	w.next = from
	return w, bad
}

// wants says whether the client is told of an event. Of gaps it is always told.
func (w *follower) wants(e station.Event) bool {
	switch e.News.(type) {
	case station.Missed:
		return true
	case station.Administered:
		if !w.all {
			return false
		}
	}
	kind := string(e.News.Kind())
	return len(w.kinds) == 0 || slices.ContainsFunc(w.kinds, func(k string) bool {
		family, star := strings.CutSuffix(k, "*")
		return kind == k || star && strings.HasPrefix(kind, family)
	})
}

// take goes through events up to a limit, and returns those that the client wants.
func (w *follower) take(events []station.Event, limit int) (out []apiEvent) {
	for _, e := range events {
		if len(out) == limit {
			break
		}
		w.next = e.Seq + 1
		if w.wants(e) {
			out = append(out, apiEvent{w.cursor(), e.Seq, e.At, e.News.Kind(), e.Call, e.News})
		}
	}
	return out
}

func (w *follower) cursor() string { return api.Cursor{Run: w.run, After: max(w.next, 1) - 1}.String() }

// apiEvents gives the events after a cursor. While there are none it waits for as long as the client
// wants.
func (s *Server) apiEvents(w http.ResponseWriter, r *http.Request) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "after", "wait", "limit", "kind...", "lang")
	var limit, wait int
	if bad == nil {
		limit, bad = q.Number("limit", 1, mostEvents, mostEvents)
	}
	if bad == nil {
		wait, bad = q.Number("wait", 0, longPoll, 0)
	}
	var at *follower
	if bad == nil {
		at, bad = s.watch(r, q, q.Text("after"))
	}
	if bad != nil {
		s.send(w, r, cannotRead(bad))
		return
	}
	if wait > 0 {
		if !take(s.streams) { // who waits has a place like who streams
			s.full(w, r, words.New("too-many-streams", "n", strconv.Itoa(maxStreams)))
			return
		}
		defer free(s.streams)
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(time.Duration(wait)*time.Second + writeTimeout)) // not all writers have deadlines
	}
	limitAt := time.NewTimer(time.Duration(wait) * time.Second)
	defer limitAt.Stop()
	for {
		events, more := s.station.Since(at.next)
		out := at.take(events, limit)
		if len(out) == 0 && wait > 0 && more != nil {
			select {
			case <-more:
				continue
			case <-limitAt.C:
			case <-s.stop:
			case <-r.Context().Done():
				return
			}
		}
		s.send(w, r, reply{status: http.StatusOK, body: eventList{list(out), at.cursor()}})
		return
	}
}

// apiStream streams the events after a cursor.
func (s *Server) apiStream(w http.ResponseWriter, r *http.Request) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "after", "kind...", "lang")
	var at *follower
	if bad == nil {
		at, bad = s.watch(r, q, cmp.Or(r.Header.Get("Last-Event-ID"), q.Text("after")))
	}
	if bad != nil {
		s.send(w, r, cannotRead(bad))
		return
	}
	s.stream(w, r, heartbeat, func(out *bytes.Buffer) (<-chan struct{}, error) {
		events, more := s.station.Since(at.next)
		for _, e := range at.take(events, len(events)) {
			body, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			writeEvent(out, "event", e.Cursor, words.Tame(body))
		}
		return more, nil
	})
}
