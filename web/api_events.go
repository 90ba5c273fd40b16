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

func (e apiEvent) behind() string { return e.Cursor }

// eventList is the events after a cursor, and the cursor to go on from.
type eventList struct {
	Events []apiEvent `json:"events"`
	Cursor string     `json:"cursor"`
}

// place is how far a client has got in a feed, which is the events or the log of one run of the program.
type place struct {
	run  string
	next uint64 // number of the next of its items
}

func (p *place) cursor() string { return api.Cursor{Run: p.run, After: max(p.next, 1) - 1}.String() }

// follower is what a client wants to hear of, and how far it has got.
type follower struct {
	place
	kinds []string // none: all
	all   bool     // with what administrators did
}

// watch reads where a client wants to begin, and what it wants to hear of. Without a cursor it is from
// now on.
func (s *Server) watch(r *http.Request, q api.Query, cursor string) (*follower, *api.Refused) {
	w := &follower{place: place{s.run(), s.station.Coming()}, kinds: q.All("kind"), all: visitorOf(r).person.Has(accounts.ScopeLog)}
	if len(w.kinds) > mostKinds {
		return nil, badParameter("kind", "≤ "+strconv.Itoa(mostKinds))
	}
	for _, k := range w.kinds {
		if bad := w.comes(k); bad != nil {
			return nil, bad
		}
	}
	if cursor == "" {
		return w, nil
	}
	from, bad := api.From(cursor, w.run)
	w.next = from
	return w, bad
}

// comes refuses a kind of which the client would wait for ever: there is none like it, or only administrators
// are told of it.
func (w *follower) comes(k string) *api.Refused {
	like := slices.DeleteFunc(station.Kinds(), func(kind station.Kind) bool { return !matches(k, string(kind)) })
	switch {
	case len(like) == 0:
		return badParameter("kind", strings.Join(nearKinds(k), ", "))
	case !w.all && !slices.ContainsFunc(like, func(kind station.Kind) bool { return !strings.HasPrefix(string(kind), "admin.") }):
		return &api.Refused{Status: http.StatusForbidden, Why: words.New("scope-missing", "scope", string(accounts.ScopeLog))}
	}
	return nil
}

// nearKinds is what somebody may have meant who asked for a kind that does not exist: those of its family, or
// the families.
func nearKinds(k string) (near []string) {
	of, _, _ := strings.Cut(k, ".")
	var families []string
	for _, kind := range station.Kinds() {
		family, _, _ := strings.Cut(string(kind), ".")
		if family == of {
			near = append(near, string(kind))
		}
		if family += ".*"; !slices.Contains(families, family) {
			families = append(families, family)
		}
	}
	if near == nil {
		near = families
	}
	slices.Sort(near)
	return near
}

// matches says whether a kind is the one that is wanted, or of the family that is: "call.*".
func matches(wanted, kind string) bool {
	family, star := strings.CutSuffix(wanted, "*")
	return kind == wanted || star && strings.HasPrefix(kind, family)
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
	return len(w.kinds) == 0 || slices.ContainsFunc(w.kinds, func(k string) bool { return matches(k, kind) })
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

// apiEvents gives the events after a cursor. While there are none it waits for as long as the client
// wants.
func (s *Server) apiEvents(w http.ResponseWriter, r *http.Request) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "after", "wait", "limit", "kind...", "lang")
	var at *follower
	if bad == nil {
		at, bad = s.watch(r, q, q.Text("after"))
	}
	s.poll(w, r, q, bad, mostEvents, func(limit int) (any, int, <-chan struct{}) {
		events, more := s.station.Since(at.next)
		out := at.take(events, limit)
		return eventList{list(out), at.cursor()}, len(out), more
	})
}

// poll answers with what take finds, n of it, at most as much as the client wants. While there is none it
// waits for as long as the client wants. bad is what is wrong with the request so far.
func (s *Server) poll(w http.ResponseWriter, r *http.Request, q api.Query, bad *api.Refused, most int, find func(limit int) (body any, n int, more <-chan struct{})) {
	var limit, wait int
	if bad == nil {
		limit, bad = q.Number("limit", 1, most, most)
	}
	if bad == nil {
		wait, bad = q.Number("wait", 0, longPoll, 0)
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
		body, n, more := find(limit)
		if n == 0 && wait > 0 && more != nil {
			select {
			case <-more:
				continue
			case <-limitAt.C:
			case <-s.stop:
			case <-r.Context().Done():
				return
			}
		}
		if !s.still(r) {
			s.askWho(w, r)
			return
		}
		s.send(w, r, reply{status: http.StatusOK, body: body})
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
	streamFeed(s, w, r, bad, "event", func() ([]apiEvent, <-chan struct{}) {
		events, more := s.station.Since(at.next)
		return at.take(events, len(events)), more
	})
}

// streamFeed streams what next finds, each as a server-sent event of that name. bad is what is wrong with the
// request so far.
func streamFeed[T interface{ behind() string }](s *Server, w http.ResponseWriter, r *http.Request, bad *api.Refused, name string, next func() ([]T, <-chan struct{})) {
	if bad != nil {
		s.send(w, r, cannotRead(bad))
		return
	}
	s.stream(w, r, every(heartbeat), func(out *bytes.Buffer) (<-chan struct{}, error) {
		items, more := next()
		for _, item := range items {
			body, err := json.Marshal(item)
			if err != nil {
				return nil, err
			}
			writeEvent(out, name, item.behind(), words.Tame(body))
		}
		return more, nil
	})
}
