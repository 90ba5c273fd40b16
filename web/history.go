package web

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/words"
)

// This file is what has been: the pages, CSV and JSON of the last calls and events.

// Past is what the door remembers across restarts. All methods may be called from any number of
// goroutines. What they return is shared: it is not changed.
type Past interface {
	// Calls are the finished calls, the newest first. An error says that there may be more.
	Calls() ([]station.Record, error)
	// Events are what happened, the newest first.
	Events() ([]PastEvent, error)
	// Erase drops what happened before a time, and returns when it is gone.
	Erase(before time.Time) error
}

// PastEvent is one event as it was kept: an event of the interface without its number.
type PastEvent struct {
	At   time.Time       `json:"at"`
	Kind station.Kind    `json:"kind"`
	Call string          `json:"call,omitempty"`
	Data json.RawMessage `json:"data"`
}

// maxRows is how much a page shows of a list at a time.
const maxRows = 50

// maxQuery is how long a text to search for may be, in runes.
const maxQuery = 64

// filter is what somebody wants to see, from the query of the address.
type filter struct {
	Text, What string
	From, To   string    // days, as the browser sends them
	from, to   time.Time // to is the first moment that is not meant
	page       int       // from 0
}

// filterOf reads a query. What cannot be read is left out.
func filterOf(q url.Values, now time.Time) filter {
	f := filter{Text: clean(q.Get("q"), maxQuery), What: clean(q.Get("what"), maxName)}
	if f.What == "all" {
		f.What = ""
	}
	if t, err := time.ParseInLocation(time.DateOnly, q.Get("from"), now.Location()); err == nil {
		f.From, f.from = q.Get("from"), t
	}
	if t, err := time.ParseInLocation(time.DateOnly, q.Get("to"), now.Location()); err == nil {
		f.To, f.to = q.Get("to"), t.AddDate(0, 0, 1)
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 {
		f.page = min(n, 1000) - 1
	}
	return f
}

// in says whether a moment is meant.
func (f *filter) in(at time.Time) bool {
	return (f.from.IsZero() || !at.Before(f.from)) && (f.to.IsZero() || at.Before(f.to))
}

// has says whether one of the texts has what is searched for.
func (f *filter) has(texts ...string) bool {
	want := strings.ToLower(f.Text)
	return want == "" || slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), want) })
}

// query is the filter as a part of an address, with something added.
func (f *filter) query(name, value string) string {
	v := url.Values{name: {value}}
	for name, value := range map[string]string{"q": f.Text, "what": f.What, "from": f.From, "to": f.To} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return "?" + v.Encode()
}

// cut is the part of a list that a page shows, and where its neighbours are.
func cut[T any](list []T, f *filter, path string) (rows []T, newer, older string) {
	first := min(f.page*maxRows, len(list))
	last := min(first+maxRows, len(list))
	if first > 0 {
		newer = path + f.query("page", strconv.Itoa(f.page))
	}
	if last < len(list) {
		older = path + f.query("page", strconv.Itoa(f.page+2))
	}
	return list[first:last], newer, older
}

// choice is one thing that a filter can be set to.
type choice struct {
	Code, Text string
	Set        bool
}

func choices(set string, t teller, family string, codes ...string) (out []choice) {
	for _, c := range codes {
		out = append(out, choice{c, t.Text(family + c), c == set})
	}
	return out
}

// listView is what the pages of calls and events have in common.
type listView struct {
	frame
	Filter       filter
	Path         string // of the page
	Whats        []choice
	Count        string
	Newer, Older string
	CSV, JSON    string
	Erase        []choice // nil: not theirs
	Zone         string
	Short        bool // not all can be read
}

func (s *Server) listView(r *http.Request, f filter, path, title, count string, whats []choice, now time.Time) listView {
	t := s.renderer(r)
	v := listView{frame: s.frame(r, title, ""), Filter: f, Path: path, Whats: whats, Count: count, Zone: t.Text("page.door-time", "at", now.Format("15:04"), "zone", now.Format("MST")),
		CSV: path + f.query("format", "csv"), JSON: path + f.query("format", "json")}
	if visitorOf(r).person.Role.Covers(accounts.Admin) {
		v.Erase = choices("", t.teller, "erase.", "365", "90", "30", "7", "1", "0")
	}
	return v
}

// form is the form in which a list is asked for: "csv", "json" or "".
func formOf(r *http.Request) string {
	switch f := r.URL.Query().Get("format"); {
	case f == "csv", f == "json":
		return f
	case wantsJSON(r):
		return "json"
	}
	return ""
}

// pastOf finds what the door remembers, or refuses.
func (s *Server) pastOf(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Vary", "Accept, Accept-Language, Cookie")
	if s.cfg.Past == nil {
		s.refuse(w, r, http.StatusNotFound, words.New("no-history"))
		return false
	}
	return true
}

// pastCallView is one call of the page.
type pastCallView struct {
	callView
	Ago string
}

// getCalls shows the last calls, or hands them out.
func (s *Server) getCalls(w http.ResponseWriter, r *http.Request) {
	if !s.pastOf(w, r) {
		return
	}
	now := time.Now()
	f, t := filterOf(r.URL.Query(), now), s.renderer(r)
	calls, err := s.pastCalls(&f, t.teller)
	switch formOf(r) {
	case "csv":
		s.sendCSV(w, "calls.csv", callRows(calls))
		return
	case "json":
		s.sendList(w, r, "calls", list(calls))
		return
	}
	v := struct {
		listView
		Calls []pastCallView
	}{listView: s.listView(r, f, "/history", t.Text("nav.calls"), t.Count("history.n-calls", len(calls)),
		choices(f.What, t.teller, "callfilter.", append([]string{"all"}, callSorts()...)...), now)}
	v.Short = err != nil
	var rows []station.Record
	rows, v.Newer, v.Older = cut(calls, &f, "/history")
	snap := s.snapshot()
	for i, c := range t.newCallViews(rows, now) {
		if !slices.ContainsFunc(snap.Calls, func(k station.Record) bool { return k.ID == rows[i].ID }) {
			c.Trace = "" // which are those of the last calls only
		}
		v.Calls = append(v.Calls, pastCallView{c, t.ago(firstOf(rows[i].Pressed, rows[i].Sent, rows[i].Ended), now)})
	}
	s.document(w, r, http.StatusOK, "history", v)
}

// pastCalls are the calls of the past that somebody wants to see, the newest first. With an error there may be
// more.
func (s *Server) pastCalls(f *filter, t teller) (calls []station.Record, err error) {
	all, err := s.cfg.Past.Calls()
	if err != nil {
		s.cfg.Log.Warn("status page: the history cannot be read in full", "error", err)
	}
	for _, c := range all {
		if f.in(c.Ended) && wantedCall(f, c) && f.has(c.Peer.Name, c.Peer.User, c.Peer.URI, c.ID, c.Button, string(c.Ending.Cause), t.endedWords(c)) {
			calls = append(calls, c)
		}
	}
	return calls, err
}

// What calls and events can be told apart by.
func callSorts() []string  { return []string{"out", "in", "talked", "missed", "failed", "opened"} }
func eventSorts() []string { return []string{"call", "door", "contact", "fault", "command", "start"} }

// wantedCall says whether a call is of the kind that is asked for.
func wantedCall(f *filter, c station.Record) bool {
	switch f.What {
	case "out":
		return c.Direction == station.Outgoing
	case "in":
		return c.Direction == station.Incoming
	case "talked":
		return !c.Answered.IsZero()
	case "missed":
		return c.Answered.IsZero() && endingTone(c) != bad
	case "failed":
		return endingTone(c) == bad
	case "opened":
		return !c.Opened.IsZero()
	}
	return true
}

// ago says how long ago something was, as long as that is nearer than its date.
func (t teller) ago(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case at.IsZero() || d < 0 || d >= 24*time.Hour:
		return ""
	case d < time.Minute:
		return t.Text("history.just-now")
	}
	return t.Text("history.ago", "span", t.age(d))
}

// pastEventView is one event of the page.
type pastEventView struct {
	At, When, Ago string
	What          string
	Says          string
	Tone          tone
}

// eventKinds are the kinds of events by what somebody looks for: the beginnings of their codes.
func eventKinds(what string) []string {
	switch what {
	case "call":
		return []string{"button.", "call.", "visitor.", "talk.", "microphone."}
	case "door":
		return []string{"door.released", "relay.", "keypad.", "relays."}
	case "contact":
		return []string{"contact.", "alarm."}
	case "fault":
		return []string{"fault.", "registration.", "device.", "selftest."}
	case "command":
		return []string{"command.", "admin.", "dnd.", "selftest.started"}
	case "start":
		return []string{"door.started", "door.stopped", "config."}
	}
	return nil
}

// getPastEvents shows the last events, or hands them out. What people did to accounts and the like
// is for admins.
func (s *Server) getPastEvents(w http.ResponseWriter, r *http.Request) {
	if !s.pastOf(w, r) {
		return
	}
	now := time.Now()
	f, t := filterOf(r.URL.Query(), now), s.renderer(r)
	events, views, err := s.pastEvents(r, &f, t.teller)
	switch formOf(r) {
	case "csv":
		s.sendCSV(w, "events.csv", eventRows(events, views))
		return
	case "json":
		s.sendList(w, r, "events", list(events))
		return
	}
	v := struct {
		listView
		Events []pastEventView
	}{listView: s.listView(r, f, "/history/events", t.Text("nav.events"), t.Count("history.n-events", len(events)),
		choices(f.What, t.teller, "eventfilter.", append([]string{"all"}, eventSorts()...)...), now)}
	v.Short = err != nil
	v.Events, v.Newer, v.Older = cut(views, &f, "/history/events")
	for i := range v.Events {
		at := events[f.page*maxRows+i].At.In(now.Location())
		v.Events[i].When, v.Events[i].Ago = t.moment(at, now), t.ago(at, now)
	}
	s.document(w, r, http.StatusOK, "events", v)
}

// pastEvents are the events of the past that somebody wants to see and may, the newest first, and the same in
// words. With an error there may be more.
func (s *Server) pastEvents(r *http.Request, f *filter, t teller) (events []PastEvent, views []pastEventView, err error) {
	all, err := s.cfg.Past.Events()
	if err != nil {
		s.cfg.Log.Warn("status page: the history cannot be read in full", "error", err)
	}
	admin := visitorOf(r).person.Has(accounts.ScopeLog)
	for _, e := range all {
		if !f.in(e.At) || !admin && strings.HasPrefix(string(e.Kind), "admin.") || f.What != "" && !slices.ContainsFunc(eventKinds(f.What), func(k string) bool { return strings.HasPrefix(string(e.Kind), k) }) {
			continue
		}
		v := t.pastEvent(e)
		if f.has(v.What, v.Says, string(e.Kind), e.Call) {
			events, views = append(events, e), append(views, v)
		}
	}
	return events, views, err
}

// pastEvent is an event in words, without when it was.
func (t teller) pastEvent(e PastEvent) pastEventView {
	v := pastEventView{At: e.At.Format(time.RFC3339), What: t.Text("event." + string(e.Kind))}
	n, err := station.ReadNews(e.Kind, e.Data)
	if err != nil {
		v.What = clean(string(e.Kind), maxName) // of another version
		return v
	}
	v.Says, v.Tone = t.newsWords(n)
	return v
}

// sendList answers with a list as JSON.
func (s *Server) sendList(w http.ResponseWriter, r *http.Request, name string, items any) {
	body, err := json.Marshal(map[string]any{name: items})
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(words.Tame(body), '\n'))
}

// sendCSV answers with a table (RFC 4180) as a file. It begins with a byte-order mark, without which
// Excel takes UTF-8 for something else.
func (s *Server) sendCSV(w http.ResponseWriter, name string, rows [][]string) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = w.Write([]byte("\ufeff"))
	out := csv.NewWriter(w)
	out.UseCRLF = true
	for _, row := range rows {
		for i := range row {
			row[i] = words.Cell(clean(row[i], maxText))
		}
		_ = out.Write(row) // a client that went away needs no answer
	}
	out.Flush()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func callRows(calls []station.Record) [][]string {
	rows := [][]string{{"started", "direction", "name", "user", "uri", "button", "answered", "ended", "talked_s", "opened", "cause", "by", "who", "status", "reason", "id"}}
	for _, c := range calls {
		talked := ""
		if !c.Answered.IsZero() && !c.Ended.IsZero() {
			talked = strconv.Itoa(int(c.Ended.Sub(c.Answered).Seconds()))
		}
		status := ""
		if c.Ending.Status != 0 {
			status = strconv.Itoa(c.Ending.Status)
		}
		rows = append(rows, []string{stamp(firstOf(c.Pressed, c.Sent, c.Ended)), c.Direction, c.Peer.Name, c.Peer.User, c.Peer.URI, c.Button, stamp(c.Answered), stamp(c.Ended), talked,
			stamp(c.Opened), string(c.Ending.Cause), string(c.Ending.By), c.Ending.Who.Name, status, c.Ending.Reason, c.ID})
	}
	return rows
}

func eventRows(events []PastEvent, views []pastEventView) [][]string {
	rows := [][]string{{"at", "kind", "what", "details", "call", "data"}}
	for i, e := range events {
		rows = append(rows, []string{stamp(e.At), string(e.Kind), views[i].What, views[i].Says, e.Call, string(e.Data)})
	}
	return rows
}

// mostDays is how long ago what is deleted may be, in days.
const mostDays = 3650

// postErase deletes what happened before so many days, for good.
func (s *Server) postErase(w http.ResponseWriter, r *http.Request) {
	if !s.pastOf(w, r) {
		return
	}
	days, err := strconv.Atoi(r.PostForm.Get("days"))
	if err != nil || days < 0 || days > mostDays {
		s.refuse(w, r, http.StatusBadRequest, words.New("bad-days"))
		return
	}
	if why := s.erase(r, days); !why.None() {
		s.refuse(w, r, http.StatusServiceUnavailable, why)
		return
	}
	doneThen(w, r, "/history")
}

// erase deletes what happened before so many days, for good. It returns why not, nothing if it did.
func (s *Server) erase(r *http.Request, days int) (why words.Message) {
	before := time.Now().AddDate(0, 0, -days)
	err := s.cfg.Past.Erase(before)
	s.audit(station.HistoryErased, before.Format(time.RFC3339), visitorOf(r), failure(err))
	if err != nil {
		return words.Because(words.New("history-not-erased"), err)
	}
	if err := s.do(r, station.Command{Kind: station.CommandForget, Before: before}); err != nil {
		return words.New("history-not-erased", "detail", station.Code(err))
	}
	return why
}
