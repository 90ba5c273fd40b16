package web

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"intercomd/station"
	"intercomd/web/accounts"
)

// fakePast remembers what tests give it.
type fakePast struct {
	calls  []station.Record
	events []PastEvent
	erased time.Time
	fails  error
}

func (p *fakePast) Calls() ([]station.Record, error) { return p.calls, p.fails }
func (p *fakePast) Events() ([]PastEvent, error)     { return p.events, p.fails }
func (p *fakePast) Erase(before time.Time) error     { p.erased = before; return p.fails }

func happened(at time.Time, call string, n station.News) PastEvent {
	data, _ := json.Marshal(n)
	return PastEvent{At: at, Kind: n.Kind(), Call: call, Data: data}
}

// remembered is a door's past, the newest first.
func remembered(now time.Time) *fakePast {
	p := &fakePast{}
	call := func(id, direction, user, name string, cause station.Cause, talked time.Duration, ago time.Duration) {
		at := now.Add(-ago)
		r := station.Record{ID: id, Direction: direction, Peer: station.Peer{URI: "sip:" + user + "@pbx", User: user, Name: name}, Pressed: at, Sent: at, Ended: at.Add(talked + time.Second),
			Ending: station.Ending{Cause: cause, By: station.ByPeer}}
		if talked > 0 {
			r.Answered = at
		}
		p.calls = append(p.calls, r)
	}
	call("c1", station.Outgoing, "1001", "Kitchen", station.CauseHangup, time.Minute, time.Minute)
	call("c2", station.Incoming, "2000", `=HYPERLINK("http://evil.example","x")`, station.CauseNoAnswer, 0, 2*time.Hour)
	call("c3", station.Outgoing, "+4930", "Reception", station.CauseNotReachable, 0, 30*time.Hour)
	p.calls[0].Opened = p.calls[0].Answered
	p.calls[0].Ending = station.Ending{Cause: station.CauseHangup, By: station.ByCommand, Who: station.Principal{Via: station.ViaPage, Name: "anna", From: "192.0.2.7"}}
	anna := station.Principal{Via: station.ViaPage, Name: "anna", From: "192.0.2.7"}
	p.events = []PastEvent{
		happened(now.Add(-time.Second), "", station.Administered{Deed: station.TokenMade, Of: "panel", By: anna}),
		happened(now.Add(-time.Minute), "c1", station.Released{OK: true, Relay: "door", Name: "code-anna", By: station.Principal{Via: station.ViaCall, Name: "1001"}}),
		happened(now.Add(-2*time.Minute), "c1", station.Released{Relay: "door", Why: station.RefusedCode, By: station.Principal{Via: station.ViaCall, Name: "1001"}}),
		happened(now.Add(-time.Hour), "", station.Commanded{Command: station.CommandHangup, By: anna, Error: "no-call"}),
		happened(now.Add(-30*time.Hour), "", station.Started{Name: "Door", Version: "1.2.3"}),
		{At: now.Add(-31 * time.Hour), Kind: "future.kind", Data: json.RawMessage(`{"x":1}`)},
	}
	return p
}

func withPast(t *testing.T, past *fakePast) *people {
	t.Helper()
	p := withPeople(t)
	p.pace = nil
	p.cfg.Past = past
	return p
}

func rows(t *testing.T, body string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func TestCallsAreFiltered(t *testing.T) {
	now := time.Now()
	p := withPast(t, remembered(now))
	day := func(ago time.Duration) string { return now.Add(-ago).Format(time.DateOnly) }
	for query, want := range map[string]string{
		"":                           "c1 c2 c3",
		"what=all":                   "c1 c2 c3",
		"what=unheard-of":            "c1 c2 c3",
		"what=in":                    "c2",
		"what=out":                   "c1 c3",
		"what=talked":                "c1",
		"what=missed":                "c2",
		"what=failed":                "c3",
		"what=opened":                "c1",
		"q=kitchen":                  "c1",
		"q=4930":                     "c3",
		"q=no-answer":                "c2",
		"q=nobody-of-that-name":      "",
		"to=" + day(24*time.Hour):    "c3",
		"from=" + day(0):             "c1", // c2, too, unless it was before midnight
		"from=nonsense&to=2026-13-1": "c1 c2 c3",
	} {
		w := p.as(p.session["viewer"], "GET", "/history?format=csv&"+query, "")
		var got []string
		for _, r := range rows(t, w.Body.String()) {
			got = append(got, r[len(r)-1])
		}
		text := strings.Join(got, " ")
		if strings.HasPrefix(query, "from="+day(0)) && text == "c1 c2" || strings.HasPrefix(query, "to=") && text == "c2 c3" {
			continue // around midnight
		}
		if text != want {
			t.Errorf("%q: %q, want %q", query, text, want)
		}
	}
}

// A spreadsheet runs nothing of what a caller calls themselves.
func TestCellsAreText(t *testing.T) {
	past := remembered(time.Now())
	past.calls[0].Peer.Name, past.calls[0].Ending.Reason = "\t=HYPERLINK(1)", "＝1"
	p := withPast(t, past)
	if list := p.as(p.session["admin"], "GET", "/history?format=csv", "").Body.String(); !strings.Contains(list, ",'=HYPERLINK(1),") || !strings.Contains(list, ",'＝1,") {
		t.Error(list)
	}
	for _, path := range []string{"/history?format=csv", "/history/events?format=csv"} {
		w := p.as(p.session["admin"], "GET", path, "")
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %v", path, w.Header())
		}
		for _, row := range rows(t, w.Body.String()) {
			for _, c := range row {
				if strings.HasPrefix(c, "=") || strings.HasPrefix(c, "+") {
					t.Errorf("%s has %q", path, c)
				}
			}
		}
	}
}

// Everybody sees what happened at the door, admins what admins did.
func TestPastEvents(t *testing.T) {
	p := withPast(t, remembered(time.Now()))
	for _, role := range accounts.Roles() {
		w := p.as(p.session[string(role)], "GET", "/history/events?format=json", "")
		var got struct{ Events []PastEvent }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if n := len(got.Events); n != 5 && role != accounts.Admin || n != 6 && role == accounts.Admin {
			t.Errorf("%s gets %d", role, n)
		}
		if strings.Contains(w.Body.String(), "admin.") != (role == accounts.Admin) {
			t.Errorf("%s gets %s", role, w.Body)
		}
	}
	page := p.as(p.session["admin"], "GET", "/history/events", "", "Accept", asHTML).Body.String()
	for _, want := range []string{"token made", "panel · anna, this page 192.0.2.7", "door · code-anna · 1001", "wrong code", "hang up · anna, this page 192.0.2.7 · not done: no call is in progress", "1.2.3", "future.kind", "1 min ago", "6 events"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for query, want := range map[string]int{"what=door": 2, "what=command": 2, "what=start": 1, "what=fault": 0, "q=panel": 1, "q=c1": 2} {
		w := p.as(p.session["admin"], "GET", "/history/events?format=csv&"+query, "")
		if got := rows(t, w.Body.String()); len(got) != want {
			t.Errorf("%s: %v", query, got)
		}
	}
	if page := p.as(p.session["viewer"], "GET", "/history", "", "Accept", asHTML).Body.String(); !strings.Contains(page, "hung up from this page by anna") || strings.Contains(page, "/history/erase") {
		t.Error("a viewer reads\n" + page)
	}
}

// Long lists come in pages, which lead to each other and keep what is searched for.
func TestPagesOfCalls(t *testing.T) {
	past := &fakePast{}
	for i := range 120 {
		past.calls = append(past.calls, station.Record{ID: fmt.Sprint("id", i), Direction: station.Outgoing, Ended: time.Now(), Peer: station.Peer{User: "1001", Name: strings.Repeat("long", 50)}})
	}
	p := withPast(t, past)
	seen, path := 0, "/history?q=long&what=out"
	for range 5 {
		page := p.as(p.session["viewer"], "GET", path, "", "Accept", asHTML).Body.String()
		doc, err := html.Parse(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		path = ""
		for n := range doc.Descendants() {
			if n.Data == "time" {
				seen++
			}
			if n.Data == "a" && attr(n, "rel") == "next" {
				path = attr(n, "href")
			}
		}
		if path == "" {
			break
		}
		if q, err := url.ParseRequestURI(path); err != nil || q.Query().Get("q") != "long" || q.Query().Get("what") != "out" {
			t.Errorf("leads to %s", path)
		}
	}
	if seen != 120 {
		t.Errorf("%d calls in all", seen)
	}
}

func TestErasing(t *testing.T) {
	past := remembered(time.Now())
	p := withPast(t, past)
	for _, tt := range []struct {
		who, body string
		fails     error
		status    int
	}{
		{"operator", "days=0", nil, http.StatusForbidden},
		{"admin", "days=-1", nil, http.StatusBadRequest},
		{"admin", "days=x", nil, http.StatusBadRequest},
		{"admin", "", nil, http.StatusBadRequest},
		{"admin", "days=7", errors.New("card is read-only"), http.StatusServiceUnavailable},
		{"admin", "days=7", nil, http.StatusNoContent},
	} {
		past.fails, past.erased = tt.fails, time.Time{}
		w := p.as(p.session[tt.who], "POST", "/history/erase", tt.body+"&x=y", "Accept", "application/json")
		if w.Code != tt.status {
			t.Errorf("%s %q: %d %s", tt.who, tt.body, w.Code, w.Body)
		}
		if tt.status == http.StatusNoContent {
			if d := time.Since(past.erased) - 7*24*time.Hour; d < -2*time.Hour || d > 2*time.Hour {
				t.Errorf("erased before %v", past.erased)
			}
			if len(p.st.told) != 1 || p.st.told[0].Kind != station.CommandForget || !p.st.told[0].Before.Equal(past.erased) || p.st.told[0].By.Name != "admin" {
				t.Errorf("told %+v", p.st.told)
			}
		}
	}
	if did := p.st.did(); len(did) != 2 || !strings.HasSuffix(did[0], " failed") || !strings.Contains(did[1], "history-erased") || !strings.Contains(did[1], " admin ") {
		t.Errorf("told %q", did)
	}
}

// Whatever callers call themselves, lists hold.
func TestHostileHistory(t *testing.T) {
	now := time.Now()
	past := remembered(now)
	evil := "<script>alert(1)</script>\x1b[31m\u202e" + strings.Repeat("W", 5000)
	past.calls[0].Peer = station.Peer{Name: evil, User: evil, URI: evil}
	past.calls[0].Ending = station.Ending{Cause: station.CauseFailed, Status: 500, Reason: evil, By: station.ByPeer}
	past.events = append(past.events, happened(now, "", station.CallStarted{Direction: station.Incoming, Peer: station.Peer{Name: evil}}), happened(now, "", station.CallEnded{Record: past.calls[0]}),
		happened(now, "", station.Administered{Deed: "evil<b>", Of: evil}), PastEvent{Kind: "call.ended", Data: json.RawMessage("[]")})
	p := withPast(t, past)
	for _, path := range []string{"/history", "/history/events", "/history?q=" + url.QueryEscape(evil), "/history?page=99999999", "/history?page=-1&what=" + url.QueryEscape(evil)} {
		w := p.as(p.session["admin"], "GET", path, "", "Accept", asHTML)
		text := w.Body.String()
		if w.Code != 200 || strings.Contains(text, "<script>alert") || strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, strings.Repeat("W", 500)) {
			t.Errorf("%s: %d\n%.3000s", path, w.Code, text)
		}
	}
	for _, path := range []string{"/history?format=json", "/history/events?format=json"} {
		if text := p.as(p.session["admin"], "GET", path, "").Body.String(); strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, `\u001b`) {
			t.Errorf("%s: %.2000s", path, text)
		}
	}
}
