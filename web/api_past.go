package web

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/web/logtail"
	"intercomd/words"
)

// This file is what programs can ask of what has been: the history, the log, the support bundle.

func (s *Server) apiPastTable() []route {
	read, logs := scoped(accounts.ScopeRead), scoped(accounts.ScopeLog)
	all := []route{
		{"GET " + root + "/history/calls", read, 0, s.apiPastCalls},
		{"GET " + root + "/history/events", read, 0, s.apiPastEvents},
		{"POST " + root + "/history/erase", scoped(accounts.ScopeManage), maxBody, s.moves(s.apiErase)},
		{"GET " + root + "/calls/{id}/trace", read, 0, s.shows(s.apiTrace)},
	}
	if s.cfg.Tail != nil {
		all = append(all,
			route{"GET " + root + "/log", logs, 0, s.apiLog},
			route{"GET " + root + "/log/stream", logs, 0, s.apiLogStream})
	}
	if s.cfg.Support != nil {
		all = append(all, route{"GET " + root + "/support", logs, 0, s.nothingMore(s.sendSupport)})
	}
	return all
}

// nothingMore lets through what has no parameters.
func (s *Server) nothingMore(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, bad := api.ParseQuery(r.URL.RawQuery, "lang"); bad != nil {
			s.send(w, r, cannotRead(bad))
			return
		}
		serve(w, r)
	}
}

// Bounds of a page of the history.
const (
	mostRows  = 1000
	usualRows = 100
	mostPages = 1000
)

// pageOf is a part of a list, and how much there is.
type pageOf struct {
	Total    int  `json:"total"` // of what is wanted
	Page     int  `json:"page"`  // this one, from 1
	Pages    int  `json:"pages"`
	Complete bool `json:"complete"` // all that was kept could be read
}

type pastCallList struct {
	pageOf
	Calls []station.Record `json:"calls"`
}

type pastEventList struct {
	pageOf
	Events []PastEvent `json:"events"`
}

// pastQuery is which part of the history a program wants, and how.
type pastQuery struct {
	filter
	page, limit int
	csv         bool
}

// pastQueryOf reads a query as the page does, but refuses what cannot be read.
func pastQueryOf(r *http.Request, sorts []string) (out pastQuery, bad *api.Refused) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "q", "what", "from", "to", "page", "limit", "format", "lang")
	if bad == nil {
		out.page, bad = q.Number("page", 1, mostPages, 1)
	}
	if bad == nil {
		out.limit, bad = q.Number("limit", 1, mostRows, usualRows)
	}
	if bad != nil {
		return out, bad
	}
	for _, name := range []string{"from", "to"} {
		if _, err := time.Parse(time.DateOnly, q.Text(name)); err != nil && q.Has(name) {
			return out, badParameter(name, "YYYY-MM-DD")
		}
	}
	if what := q.Text("what"); q.Has("what") && !slices.Contains(sorts, what) {
		return out, badParameter("what", strings.Join(sorts, ", "))
	}
	if f := q.Text("format"); q.Has("format") && f != "json" && f != "csv" {
		return out, badParameter("format", "json, csv")
	}
	if n := len([]rune(q.Text("q"))); n > maxQuery {
		return out, badParameter("q", "1…"+strconv.Itoa(maxQuery))
	}
	out.csv = q.Text("format") == "csv"
	out.filter = filterOf(r.URL.Query(), time.Now())
	return out, nil
}

func badParameter(name, wanted string) *api.Refused {
	return &api.Refused{Status: http.StatusBadRequest, Why: words.New("bad-parameter", "name", name, "wanted", wanted)}
}

// partOf is the part of a list that is on a page.
func partOf[T any](all []T, w pastQuery, err error) ([]T, pageOf) {
	first := min((w.page-1)*w.limit, len(all))
	p := pageOf{Total: len(all), Page: w.page, Pages: (len(all) + w.limit - 1) / w.limit, Complete: err == nil}
	return list(all[first:min(first+w.limit, len(all))]), p
}

// apiPast serves a part of the history.
func (s *Server) apiPast(w http.ResponseWriter, r *http.Request, sorts []string, serve func(pastQuery, teller)) {
	want, bad := pastQueryOf(r, sorts)
	switch {
	case bad != nil:
		s.send(w, r, cannotRead(bad))
	case s.cfg.Past == nil:
		s.send(w, r, no(http.StatusNotFound, "no-history"))
	default:
		serve(want, s.renderer(r).teller)
	}
}

// apiPastCalls are the calls that were kept.
func (s *Server) apiPastCalls(w http.ResponseWriter, r *http.Request) {
	s.apiPast(w, r, callSorts(), func(want pastQuery, t teller) {
		calls, err := s.pastCalls(&want.filter, t)
		if want.csv {
			s.sendCSV(w, "calls.csv", callRows(calls))
			return
		}
		part, of := partOf(calls, want, err)
		s.send(w, r, reply{status: http.StatusOK, body: pastCallList{of, part}})
	})
}

// apiPastEvents are the events that were kept.
func (s *Server) apiPastEvents(w http.ResponseWriter, r *http.Request) {
	s.apiPast(w, r, eventSorts(), func(want pastQuery, t teller) {
		events, views, err := s.pastEvents(r, &want.filter, t)
		if want.csv {
			s.sendCSV(w, "events.csv", eventRows(events, views))
			return
		}
		part, of := partOf(events, want, err)
		s.send(w, r, reply{status: http.StatusOK, body: pastEventList{of, part}})
	})
}

func (s *Server) apiErase(r *http.Request, body []byte) reply {
	var ask struct {
		Days *api.Int `json:"days"`
	}
	if bad := api.JSON(r.Header, body, &ask); bad != nil {
		return cannotRead(bad)
	}
	switch {
	case ask.Days == nil:
		return no(http.StatusBadRequest, "missing-field", "field", "days")
	case *ask.Days < 0 || *ask.Days > mostDays:
		return cannotRead(badParameter("days", "0…"+strconv.Itoa(mostDays)))
	case s.cfg.Past == nil:
		return no(http.StatusNotFound, "no-history")
	}
	before := s.now()
	if why := s.erase(r, int(*ask.Days)); !why.None() {
		return reply{status: http.StatusServiceUnavailable, why: why}
	}
	return reply{status: http.StatusAccepted, body: taken{before}}
}

// apiTrace is the SIP messages of one of the last calls.
func (s *Server) apiTrace(r *http.Request) reply {
	t := s.traceOf(r.PathValue("id"))
	if len(t.Messages) == 0 {
		return no(http.StatusNotFound, "no-trace")
	}
	return reply{status: http.StatusOK, body: t}
}

// apiLogLine is a line of the log as programs get it.
type apiLogLine struct {
	Cursor string    `json:"cursor"` // of the place behind it
	At     time.Time `json:"at"`
	Level  string    `json:"level"`
	Part   string    `json:"part,omitempty"` // of the program
	Text   string    `json:"text"`
}

func (l apiLogLine) behind() string { return l.Cursor }

type logList struct {
	Lines  []apiLogLine `json:"lines"`
	Cursor string       `json:"cursor"`
}

// tailing is which lines a client wants, and how far it has got.
type tailing struct {
	logFilter
	place
}

// tailOf reads what a client wants of the log. Without a cursor it is all that is kept.
func (s *Server) tailOf(r *http.Request, q api.Query, cursor string) (*tailing, *api.Refused) {
	t := &tailing{logFilter: logFilterOf(r), place: place{run: s.run()}}
	if q.Has("level") && t.Level.UnmarshalText([]byte(q.Text("level"))) != nil {
		return nil, badParameter("level", "debug, info, warn, error")
	}
	from, bad := api.From(cmp.Or(cursor, api.First), t.run)
	t.next = from
	return t, bad
}

// take goes through lines up to a limit, and returns those that the client wants.
func (t *tailing) take(lines []logtail.Line, limit int) (out []apiLogLine) {
	for _, l := range lines {
		if len(out) == limit {
			break
		}
		t.next = l.Seq + 1
		if t.wants(l) {
			out = append(out, apiLogLine{t.cursor(), l.At, levelOf(l.Level), l.Part, l.Text})
		}
	}
	return out
}

// levelOf is the name of a level.
func levelOf(l slog.Level) string { return strings.ToLower(l.String()) }

// apiLog gives the lines of the log after a cursor. While there are none it waits for as long as the client
// wants.
func (s *Server) apiLog(w http.ResponseWriter, r *http.Request) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "after", "wait", "limit", "level", "part", "q", "lang")
	var at *tailing
	if bad == nil {
		at, bad = s.tailOf(r, q, q.Text("after"))
	}
	s.poll(w, r, q, bad, logtail.Lines, func(limit int) (any, int, <-chan struct{}) {
		lines, more := s.cfg.Tail.Since(at.next)
		out := at.take(lines, limit)
		return logList{list(out), at.cursor()}, len(out), more
	})
}

// apiLogStream streams the lines of the log after a cursor.
func (s *Server) apiLogStream(w http.ResponseWriter, r *http.Request) {
	q, bad := api.ParseQuery(r.URL.RawQuery, "after", "level", "part", "q", "lang")
	var at *tailing
	if bad == nil {
		at, bad = s.tailOf(r, q, cmp.Or(r.Header.Get("Last-Event-ID"), q.Text("after")))
	}
	streamFeed(s, w, r, bad, "line", func() ([]apiLogLine, <-chan struct{}) {
		lines, more := s.cfg.Tail.Since(at.next)
		return at.take(lines, len(lines)), more
	})
}
