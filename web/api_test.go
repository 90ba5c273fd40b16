package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"golang.org/x/time/rate"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
	"intercomd/web/identity"
	"intercomd/web/machine"
	"intercomd/words"
)

// descriptionOf is the description as a library reads it that nobody here wrote.
func descriptionOf(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Description())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// programs are a door with a token for each scope, one for all and one for nothing, whose answers are all
// held against the description.
type programs struct {
	*people
	t       testing.TB
	files   *fullFiles // of its identity
	setup   *fakeSetup
	updates *fakeUpdates
	process *fakeProcess
	past    *fakePast
	doc     *openapi3.T
	whole   http.Handler              // the page
	with    map[accounts.Scope]string // a token with it alone
	sans    map[accounts.Scope]string // a token with all others
	heard   map[string]bool           // "GET /api/v1/status 200"
	codes   map[string]bool           // of problems
}

func withPrograms(t testing.TB) *programs {
	t.Helper()
	p := &programs{people: withPeople(t), t: t, doc: descriptionOf(t), with: map[accounts.Scope]string{}, sans: map[accounts.Scope]string{}, heard: map[string]bool{}, codes: map[string]bool{}}
	p.pace = nil
	p.setup = &fakeSetup{text: "[sip]\n", list: []SetupPerson{{Name: "anna", Users: []string{"1001"}}}}
	p.process, p.past, p.updates = &fakeProcess{}, remembered(time.Now()), &fakeUpdates{st: UpdateStatus{Running: "1.2.3", Slot: "A", Stage: "trial", Version: "1.3.0"}}
	p.cfg.Setup, p.cfg.Process, p.cfg.Past, p.cfg.Updates = p.setup, p.process, p.past, p.updates
	p.files = &fullFiles{files: files{}}
	names, addrs := identity.Host(nil)
	id, err := identity.Open(p.files, names, addrs)
	if err != nil {
		t.Fatal(err)
	}
	p.cfg.Identity = id
	slog.New(p.cfg.Tail.Handler(slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelDebug}))).With("part", "web").Info("the page is up")
	p.cfg.Machine = func() machine.Facts {
		return machine.Facts{Arch: "arm64", Interfaces: []machine.Interface{{Name: "eth0", Addresses: []string{"192.0.2.7/24"}}}, Storage: []machine.Storage{{Path: "/"}}}
	}
	p.st.walk = inspectedWalk()
	for _, s := range accounts.Scopes() {
		others := slices.DeleteFunc(accounts.Scopes(), func(o accounts.Scope) bool { return o == s })
		for name, to := range map[string]struct {
			kept   map[accounts.Scope]string
			scopes []accounts.Scope
		}{"with-": {p.with, []accounts.Scope{s}}, "sans-": {p.sans, others}} {
			secret, err := p.book.NewToken(name+string(s), "", "admin", to.scopes...)
			if err != nil {
				t.Fatal(err)
			}
			to.kept[s] = secret
		}
	}
	return p
}

// call is one request to a route, and how it is to be answered.
type call struct {
	route  string // "GET /api/v1/calls/{id}"
	values string // of the path, such as "c1"
	query  string
	body   string
	token  string
	header []string
	status int
	code   string       // of the problem
	by     http.Handler // nil: the page
}

// ask asks, and holds the answer against the description.
func (p *programs) ask(c call) *httptest.ResponseRecorder {
	p.t.Helper()
	method, path, _ := strings.Cut(c.route, " ")
	target := strings.NewReplacer("{id}", c.values, "{name}", c.values).Replace(path)
	if c.query != "" {
		target += "?" + c.query
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	if strings.HasSuffix(path, "/stream") {
		cancel() // ends at once
	}
	r := httptest.NewRequestWithContext(ctx, method, target, body)
	r.Host = "127.0.0.1:8080"
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(c.header); i += 2 {
		if c.header[i] == "Host" {
			r.Host = c.header[i+1]
		} else {
			r.Header.Set(c.header[i], c.header[i+1])
		}
	}
	w := httptest.NewRecorder()
	by := c.by
	if by == nil {
		if p.whole == nil {
			p.whole = p.Handler()
		}
		by = p.whole
	}
	by.ServeHTTP(w, r)
	if w.Code != c.status {
		p.t.Errorf("%s %s: %d, want %d: %s", method, target, w.Code, c.status, w.Body)
	}
	p.judge(c, r, w)
	return w
}

// judge holds an answer against the description.
func (p *programs) judge(c call, r *http.Request, w *httptest.ResponseRecorder) {
	p.t.Helper()
	if w.Code >= 400 {
		var got api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || got.Status != w.Code || got.Detail == "" {
			p.t.Errorf("%s %s: %d is no problem: %s %q", r.Method, r.URL, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if c.code != "" && got.Code != c.code {
			p.t.Errorf("%s %s: %s, want %s", r.Method, r.URL, got.Code, c.code)
		}
		p.codes[got.Code] = true
	}
	_, path, _ := strings.Cut(c.route, " ")
	item := p.doc.Paths.Value(path)
	if w.Code >= 400 && !saysProblem(item, r.Method, w.Code) { // else it is held against that below: schemas are compiled each time
		var v any
		_ = json.Unmarshal(w.Body.Bytes(), &v)
		if err := p.doc.Components.Schemas["Problem"].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			p.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	if item == nil || item.GetOperation(r.Method) == nil {
		if c.code != "no-such-page" && c.code != "wrong-method" {
			p.t.Errorf("%s is not described", c.route)
		}
		return
	}
	p.heard[c.route+" "+strconv.Itoa(w.Code)] = true
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: &routers.Route{Spec: p.doc, Path: path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)}},
		Status:                 w.Code, Header: w.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if !strings.Contains(w.Header().Get("Content-Type"), "json") {
		in.Options.ExcludeResponseBody = true
	}
	in.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(p.t.Context(), in); err != nil {
		p.t.Errorf("%s %s: %d: %v", r.Method, r.URL, w.Code, err)
	}
}

// saysProblem says whether a problem is described for a route and status.
func saysProblem(item *openapi3.PathItem, method string, status int) bool {
	if item == nil || item.GetOperation(method) == nil {
		return false
	}
	said := item.GetOperation(method).Responses.Status(status)
	if said == nil {
		return false
	}
	content := said.Value.Content["application/problem+json"]
	return content != nil && content.Schema.Ref == "#/components/schemas/Problem"
}

// scopesOf are the scopes that a route needs, by the description: that of its class, and those that it asks
// for itself.
func scopesOf(o *openapi3.Operation) (out []accounts.Scope) {
	if o.Security == nil || len(*o.Security) == 0 {
		return []accounts.Scope{""}
	}
	for _, s := range (*o.Security)[0]["token"] {
		out = append(out, accounts.Scope(s))
	}
	return out
}

// tokenFor is a token with what a route needs and nothing else.
func (p *programs) tokenFor(route string) string {
	p.t.Helper()
	method, path, _ := strings.Cut(route, " ")
	scopes := scopesOf(p.doc.Paths.Value(path).GetOperation(method))
	if len(scopes) == 1 {
		return p.with[scopes[0]]
	}
	secret, err := p.book.NewToken("several-"+strconv.Itoa(len(p.book.Tokens())), "", "admin", scopes...)
	if err != nil {
		p.t.Fatal(err)
	}
	return secret
}

// falls is a station that panics.
type falls struct{ *fakeStation }

func (falls) Snapshot() *station.Snapshot { panic("the station falls over") }
func (falls) Walk() *station.Walk         { panic("the station falls over") }

// well are requests that succeed: one for each route at least.
func (p *programs) well() []call {
	return []call{
		{route: "GET /api/v1", status: 200},
		{route: "GET /api/v1/openapi.json", status: 200},
		{route: "GET /api/v1/status", status: 200},
		{route: "GET /api/v1/calls", status: 200},
		{route: "GET /api/v1/calls", query: "limit=1", status: 200},
		{route: "GET /api/v1/calls/{id}", values: "c1", status: 200},
		{route: "GET /api/v1/events", status: 200},
		{route: "GET /api/v1/events", query: "after=first&limit=1&wait=1&kind=call.*&kind=door.released", status: 200},
		{route: "GET /api/v1/events", query: "after=other-7", status: 200},
		{route: "GET /api/v1/events/stream", query: "after=first", status: 200},
		{route: "POST /api/v1/press", body: `{"button":"bell"}`, status: 202},
		{route: "POST /api/v1/dial", body: `{"target":"home"}`, status: 202},
		{route: "POST /api/v1/answer", status: 202},
		{route: "POST /api/v1/hangup", body: `{}`, status: 202},
		{route: "POST /api/v1/mute", body: `{"on":true}`, status: 202},
		{route: "GET /api/v1/relays", status: 200},
		{route: "POST /api/v1/relays/{name}/open", values: "door", status: 202},
		{route: "POST /api/v1/relays/{name}/switch", values: "light", body: `{"on":false}`, status: 202},
		{route: "POST /api/v1/tests/sound", body: `{"commission":false}`, status: 202},
		{route: "GET /api/v1/configuration", status: 200},
		{route: "GET /api/v1/configuration/text", status: 200},
		{route: "PUT /api/v1/configuration", body: "[sip]", header: []string{"Content-Type", "application/toml"}, status: 202},
		{route: "POST /api/v1/configuration/keep", status: 202},
		{route: "POST /api/v1/configuration/back", status: 202},
		{route: "GET /api/v1/people", status: 200},
		{route: "GET /api/v1/people", query: "format=csv", status: 200},
		{route: "POST /api/v1/people", body: "name\nanna\n", header: []string{"Content-Type", "text/csv; charset=utf-8"}, status: 202},
		{route: "POST /api/v1/people", query: "dry=true", body: "name\nanna\n", header: []string{"Content-Type", "text/csv"}, status: 200},
		{route: "PUT /api/v1/people/{name}", values: "anna", body: `{"digits":"4711","users":["1001"],"once":true}`, status: 202},
		{route: "DELETE /api/v1/people/{name}", values: "anna", status: 202},
		{route: "GET /api/v1/configuration/versions/{id}", values: "1", status: 200},
		{route: "POST /api/v1/configuration/versions/{id}/try", values: "1", status: 202},
		{route: "GET /api/v1/configuration/backup", status: 200},
		{route: "GET /api/v1/history/calls", status: 200},
		{route: "GET /api/v1/history/calls", query: "q=1001&what=out&from=2026-01-01&to=2046-12-31&page=1&limit=1", status: 200},
		{route: "GET /api/v1/history/calls", query: "format=csv", status: 200},
		{route: "GET /api/v1/history/events", status: 200},
		{route: "GET /api/v1/history/events", query: "what=door&format=csv", status: 200},
		{route: "POST /api/v1/history/erase", body: `{"days":30}`, status: 202},
		{route: "GET /api/v1/calls/{id}/trace", values: "c1", status: 200},
		{route: "GET /api/v1/log", query: "level=info&part=web&q=up&limit=5&after=first", status: 200},
		{route: "GET /api/v1/log", status: 200},
		{route: "GET /api/v1/log/stream", query: "level=warn", status: 200},
		{route: "GET /api/v1/support", status: 200},
		{route: "GET /api/v1/device", status: 200},
		{route: "POST /api/v1/locate", body: `{"seconds":5}`, status: 202},
		{route: "POST /api/v1/tests/canary", status: 202},
		{route: "GET /api/v1/walk", status: 200},
		{route: "GET /api/v1/walk/report", status: 200},
		{route: "GET /api/v1/walk/report", query: "format=html", status: 200},
		{route: "POST /api/v1/walk/try", body: `{"check":"lamp","of":"status"}`, status: 202},
		{route: "POST /api/v1/walk/relay", body: `{"of":"door"}`, status: 202},
		{route: "POST /api/v1/walk/judge", body: `{"check":"lamp","of":"status","result":"passed"}`, status: 202},
		{route: "POST /api/v1/walk/anew", body: `{"sure":true}`, status: 202},
		{route: "POST /api/v1/restart", body: `{}`, status: 202},
		{route: "POST /api/v1/reset", body: `{"sure":true}`, status: 202},
		{route: "GET /api/v1/update", status: 200},
		{route: "POST /api/v1/update", body: `{"address":"https://example.org/intercomd.raucb"}`, status: 202},
		{route: "POST /api/v1/update/bundle", body: "a bundle", header: []string{"Content-Type", "application/octet-stream"}, status: 202},
		{route: "GET /api/v1/certificate", status: 200},
		{route: "GET /api/v1/certificate/request", status: 200},
		{route: "PUT /api/v1/certificate", body: string(p.issued()), header: []string{"Content-Type", "application/x-pem-file"}, status: 202},
	}
}

// A door with all that a snapshot can have.
func furnishedSnapshot() *station.Snapshot {
	return with(func(s *station.Snapshot) {
		now := s.Time
		s.Calls = []station.Record{{ID: "c1", Direction: station.Outgoing, Peer: station.Peer{URI: "sip:1001@pbx"}, Pressed: now, Ended: now,
			Ending: station.Ending{Cause: station.CauseBusy, By: station.ByCommand, Who: station.Principal{Via: station.ViaPage}, Remedy: words.New("told", "detail", "x")}}}
		s.Call = &station.Record{ID: "c2", Direction: station.Incoming}
		s.Waiting = []station.Waiting{{ID: "c3", Since: now}}
		s.Texts = []station.Text{{At: now, Body: "hello"}}
		s.Targets = []station.Target{{Name: "home", Label: "Home"}}
		s.Deliveries = []station.Delivery{{Key: "notify.1", To: words.New("told", "detail", "x"), Waiting: 1, Last: now, Tries: 2, Problem: words.New("told", "detail", "x")}}
		s.Contacts = []station.Contact{{Input: "lid", Watches: station.TamperContact}}
		s.Faults = []station.Fault{{Key: "x", Message: words.New("told", "detail", "x"), Blinks: 3, Since: now}}
		s.Gauges.Inputs = []station.InputCount{{Name: "bell"}}
	})
}

// The description and the code have the same routes, scopes, statuses and codes: what is described
// happens here, what happens here is described, and each answer has the form that is described.
func TestDescriptionAndHandlersAreTheSame(t *testing.T) {
	p := withPrograms(t)
	p.st.publish(furnishedSnapshot())
	p.st.happens(station.Pressed{Button: "bell"})
	p.st.happens(station.Released{OK: true})

	inCode := map[string]accounts.Scope{}
	for _, rt := range p.apiTable() {
		scope, _ := rt.class.scope()
		if scope == "" && rt.class != public {
			t.Errorf("%s is for %s, and for nobody's scope", rt.pattern, rt.class)
		}
		inCode[rt.pattern] = scope
	}
	inDoc := map[string]accounts.Scope{}
	for path, item := range p.doc.Paths.Map() {
		for method, o := range item.Operations() {
			inDoc[method+" "+path] = scopesOf(o)[0]
		}
	}
	if !reflect.DeepEqual(inCode, inDoc) {
		t.Fatalf("routes and scopes:\nin the code %v\ndescribed   %v", inCode, inDoc)
	}

	falling := newServer(falls{newStation(sample())}, nil)
	falling.cfg = p.cfg
	falling.cfg.Setup, falling.cfg.Past, falling.cfg.Process, falling.cfg.Support = struct{ Setup }{}, struct{ Past }{}, struct{ Process }{}, struct{ Support }{} // which fall over, too
	falling.cfg.Updates, falling.cfg.Identity = struct{ Updates }{}, &identity.Identity{}
	falling.cfg.Trace, falling.cfg.Machine = func(string) []SIPMessage { panic("no trace") }, func() machine.Facts { panic("no machine") }
	paced := newServer(p.st, nil)
	paced.cfg = p.cfg
	for i, c := range p.well() {
		scope := inDoc[c.route]
		c.token = p.tokenFor(c.route)
		p.ask(c)
		also := func(status int, change func(*call)) {
			d := c
			d.status = status
			change(&d)
			p.ask(d)
		}
		also(421, func(d *call) { d.header = []string{"Host", "evil.example"} })
		also(503, func(d *call) { d.by, d.code = http.HandlerFunc(p.turnAway), "page-full" })
		paced.pace.all = rate.NewLimiter(0, 0)
		also(429, func(d *call) { d.by, d.code = paced.Handler(), "too-fast" })
		if scope == "" {
			continue
		}
		also(401, func(d *call) { d.token, d.code = "", "sign-in" })
		also(401, func(d *call) { d.token = "icd_" + strings.Repeat("0", 64) })
		also(403, func(d *call) { d.token, d.code = p.sans[scope], "scope-missing" })
		also(400, func(d *call) { d.query, d.code = "nonsense=1", "unknown-parameter" })
		also(500, func(d *call) { d.by = falling.Handler() })
		if strings.HasPrefix(c.route, "GET") {
			continue
		}
		p.opened = recent{} // more than the latch is to take
		told, did := len(p.st.told), p.done()
		also(412, func(d *call) { d.header, d.code = append([]string{"If-None-Match", "*"}, d.header...), "no-conditions" })
		if c.route != "POST /api/v1/update/bundle" { // of which nobody sends that much here
			also(413, func(d *call) { d.body = `{"x":"` + strings.Repeat("x", setupSize) + `"}` })
		}
		also(415, func(d *call) { d.body, d.header = `on=true`, []string{"Content-Type", form} })
		also(415, func(d *call) {
			d.header, d.code = append([]string{"Content-Encoding", "gzip"}, d.header...), "packed-body"
		})
		if c.header == nil { // the body is JSON
			also(400, func(d *call) { d.body, d.code = `{"nonsense":1}`, "bad-json" })
			also(400, func(d *call) { d.body, d.code = `[]`, "bad-json" })
			also(400, func(d *call) { d.body, d.code = `{} {}`, "bad-json" })
		}
		also(400, func(d *call) { d.header, d.code = []string{api.KeyHeader, "two words"}, "bad-key" })
		if len(p.st.told) != told || p.done() != did {
			t.Errorf("%s: bad input gave commands: %v, %s", c.route, p.st.told[told:], p.done())
		}
		key := append([]string{api.KeyHeader, strconv.Itoa(i)}, c.header...)
		also(c.status, func(d *call) { d.header = key })
		also(422, func(d *call) { d.header, d.body, d.code = key, ` {"on":true}`, "key-of-another" })
		if p.setupRefusals(c, also) || p.serviceRefusals(c, also) {
			continue
		}
		for _, no := range []error{station.ErrNotAsked, station.ErrNoCall, station.ErrNotIdle, station.ErrBlocked, station.ErrOpens, station.ErrNotKnown} {
			p.opened = recent{}
			p.st.refuse(no)
			also(409, func(d *call) { d.code = no.Error() })
		}
		p.st.refuse(errors.New("the line is gone"))
		also(503, func(d *call) { d.code = "command-failed" })
		p.st.refuse(nil)
	}
	for route, no := range map[string]error{"POST /api/v1/walk/try": station.ErrNoCheck, "POST /api/v1/walk/relay": station.ErrNoCheck, "POST /api/v1/walk/judge": station.ErrNoCheck, "POST /api/v1/press": station.ErrNoButton, "POST /api/v1/dial": station.ErrNoTarget, "POST /api/v1/relays/{name}/open": station.ErrNoRelay, "POST /api/v1/relays/{name}/switch": station.ErrNoRelay} {
		p.st.refuse(no)
		c := p.well()[slices.IndexFunc(p.well(), func(c call) bool { return c.route == route })]
		c.token, c.status, c.code = p.tokenFor(route), 404, no.Error()
		p.ask(c)
	}
	p.st.refuse(nil)
	p.oddities()

	for path, item := range p.doc.Paths.Map() {
		for method, o := range item.Operations() {
			for status := range o.Responses.Map() {
				if said := method + " " + path + " " + status; !p.heard[said] {
					t.Errorf("%s is described and does not happen", said)
				}
			}
		}
	}
	described := map[string]bool{}
	for _, code := range codesOf(t, p.doc) {
		if described[code] = true; !p.codes[code] {
			t.Errorf("the code %s is described and does not happen", code)
		}
	}
	for code := range p.codes {
		if !described[code] {
			t.Errorf("the code %s happens and is not described", code)
		}
	}
}

// codesOf are the codes of problems. Later versions may have more, so that they are no enum: a strict client that
// was made of this description would take no problem that has one of those.
func codesOf(t *testing.T, doc *openapi3.T) (out []string) {
	t.Helper()
	code := doc.Components.Schemas["Problem"].Value.Properties["code"].Value
	known, _ := code.Extensions["x-extensible-enum"].([]any)
	if len(known) == 0 || code.Enum != nil {
		t.Fatalf("codes %v, closed: %v", known, code.Enum)
	}
	for _, k := range known {
		out = append(out, k.(string))
	}
	return out
}

// setupRefusals are the ways in which a route of the configuration is refused; false for other routes.
func (p *programs) setupRefusals(c call, also func(status int, change func(*call))) bool {
	if !strings.Contains(c.route, "/configuration") && !strings.Contains(c.route, "/people") {
		return false
	}
	refuse := func(status int, code string, err error) {
		p.setup.err, p.told = err, recent{}
		also(status, func(d *call) { d.code = code })
	}
	for code := range setupCodes() {
		status := map[string]int{"setup-no-person": 404, "setup-no-version": 404, "setup-not-kept": 503}[code]
		if status == 0 {
			status = 409
		}
		if status != 404 || strings.Contains(c.route, map[string]string{"setup-no-person": "people/{", "setup-no-version": "versions"}[code]) {
			refuse(status, code, &SetupError{words.New(code, "detail", "x")})
		}
	}
	refuse(503, "setup-failed", errors.New("odd"))
	p.told = recent{}
	p.setup.err = SetupFaults{{Line: 1, Key: "sip.user", Message: words.New("told", "detail", "x")}}
	also(422, func(d *call) { d.code = "setup-faults" })
	p.setup.err = nil
	last := p.st.events[len(p.st.events)-1].News.(station.Administered)
	if c.query != "dry=true" && (last.By.Name == "" || last.Why != "setup-faults") {
		p.t.Errorf("%s: nobody is told who tried: %+v", c.route, last)
	}
	return true
}

// done is what was done by others than the station.
func (p *programs) done() string {
	return fmt.Sprint(p.setup.did, p.process.restarts, p.process.resets, p.past.erased, p.updates.did, p.cfg.Identity.Ends())
}

// serviceRefusals are the ways in which a route is refused that is of the process or the history; false for
// other routes.
func (p *programs) serviceRefusals(c call, also func(status int, change func(*call))) bool {
	twice := func() { // while it is carried out
		also(409, func(d *call) {
			d.code, d.by = "key-in-use", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set(api.KeyHeader, r.URL.Path)
				p.moves(func(r *http.Request, body []byte) reply {
					r.Body = io.NopCloser(bytes.NewReader(body))
					p.moves(p.apiHangup)(w, r)
					return reply{status: http.StatusAccepted}
				})(httptest.NewRecorder(), r)
			})
		})
	}
	switch c.route {
	case "POST /api/v1/restart":
		also(409, func(d *call) { d.body, d.code = `{"now":true}`, "not-idle" })
		also(202, func(d *call) { d.body = `{"now":true,"cut":true}` })
		if got := p.process.restarts; got[len(got)-1] != true || slices.Contains(got[:len(got)-1], true) {
			p.t.Errorf("restarts %v", got)
		}
	case "POST /api/v1/reset":
		also(400, func(d *call) { d.body, d.code = `{"sure":false}`, "bad-parameter" })
		also(400, func(d *call) { d.body, d.code = ``, "bad-parameter" })
		twice()
		p.process.err = errors.New("no space")
		also(503, func(d *call) { d.code = "reset-failed" })
		p.process.err = nil
	case "POST /api/v1/history/erase":
		also(400, func(d *call) { d.body, d.code = `{}`, "missing-field" })
		also(400, func(d *call) { d.body, d.code = `{"days":3651}`, "bad-parameter" })
		twice()
		p.past.fails = errors.New("no space")
		also(503, func(d *call) { d.code = "history-not-erased" })
		p.past.fails = nil
		p.st.refuse(station.ErrStopped)
		also(503, func(d *call) { d.code = "history-not-erased" })
		p.st.refuse(nil)
	case "POST /api/v1/update", "POST /api/v1/update/bundle":
		twice()
		p.updates.err = toldError{words.New("update-busy")}
		also(409, func(d *call) { d.code = "update-refused" })
		p.told = recent{}
		p.updates.err = errors.New("no agent")
		also(503, func(d *call) { d.code = "update-fails" })
		p.updates.err = nil
		if strings.HasSuffix(c.route, "bundle") {
			p.updates.err = fmt.Errorf("the body: %w", &http.MaxBytesError{})
			also(413, func(d *call) { d.code = "update-refused" })
			p.updates.err = nil
		}
	case "PUT /api/v1/certificate":
		twice()
		also(422, func(d *call) { d.body, d.code = "none", "certificate-no-certificate" })
		also(422, func(d *call) { d.body, d.code = string(p.issuedFor(nil, time.Hour)), "certificate-other-key" })
		also(422, func(d *call) { d.body, d.code = string(p.issuedFor(p.cfg.Identity, -time.Hour)), "certificate-expired" })
		p.told = recent{}
		p.files.full = true
		also(503, func(d *call) { d.code = "certificate-not-saved" })
		p.files.full = false
	default:
		return false
	}
	return true
}

// fullFiles are files of a card that may be full.
type fullFiles struct {
	files
	full bool
}

func (f *fullFiles) Replace(name string, data []byte, mode fs.FileMode) error {
	if f.full {
		return errors.New("no space")
	}
	return f.files.Replace(name, data, mode)
}

// issued is a certificate for the door's request.
func (p *programs) issued() []byte { return p.issuedFor(p.cfg.Identity, time.Hour) }

// issuedFor is a certificate for the key of an identity, or for another, that ends after a time.
func (p *programs) issuedFor(id *identity.Identity, lasts time.Duration) []byte {
	p.t.Helper()
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	key := any(authority.Public())
	if id != nil {
		text, err := id.Request()
		if err != nil {
			p.t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil {
			p.t.Fatal(err)
		}
		key = csr.PublicKey
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(lasts)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key, authority)
	if err != nil {
		p.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// setupCodes are the codes of the errors of a [Setup], as far as a program can come by them.
func setupCodes() map[string]bool {
	all := map[string]bool{}
	for _, key := range words.English().Keys() {
		if code, ok := strings.CutPrefix(key, "refusal.setup-"); ok && code != "faults" && code != "failed" && code != "no-file" {
			all["setup-"+code] = true
		}
	}
	return all
}

// oddities are the codes that the walk over all routes does not come by.
func (p *programs) oddities() {
	read, opens := p.with[accounts.ScopeRead], p.with[accounts.ScopeOpen]
	for _, c := range []call{
		{route: "GET /api/v1/calls/{id}", values: "nothing", status: 404, code: "no-such-call"},
		{route: "GET /api/v1/nothing", status: 404, code: "no-such-page"},
		{route: "GET /api/v1//status", status: 404, code: "no-such-page"},
		{route: "POST /api/v1//relays/door/open", status: 404, code: "no-such-page"},
		{route: "GET /api/v1/x/../status", status: 404, code: "no-such-page"},
		{route: "PUT /api/v1/status", status: 405, code: "wrong-method"},
		{route: "GET /api/v1/calls", query: "limit=0", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/calls", query: "limit=1&limit=2", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/calls", query: "limit=%zz", status: 400, code: "bad-query"},
		{route: "GET /api/v1/events", query: "after=nonsense", status: 400, code: "bad-cursor"},
		{route: "GET /api/v1/events", query: "wait=3600", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events", query: strings.Repeat("kind=a&", 33), status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events", query: "kind=call.*&kind=call.endet", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events", query: "kind=calls.*&wait=20", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events", query: "kind=", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events", query: "kind=a*&kind=*", status: 200},
		{route: "GET /api/v1/events", query: "kind=admin.*", status: 403, code: "scope-missing"},
		{route: "GET /api/v1/events/stream", query: "kind=door.open", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events/stream", header: []string{"Last-Event-ID", "!"}, status: 400, code: "bad-cursor"},
		{route: "GET /api/v1/history/calls", query: "what=door", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/history/calls", query: "from=yesterday", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/history/calls", query: "format=xml", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/history/calls", query: "page=0", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/history/events", query: "limit=1001", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/history/events", query: "q=" + strings.Repeat("x", 65), status: 400, code: "bad-parameter"},
	} {
		c.token = read
		p.ask(c)
	}
	logs, config := p.with[accounts.ScopeLog], p.with[accounts.ScopeConfig]
	p.ask(call{route: "GET /api/v1/log", query: "level=loud", token: logs, status: 400, code: "bad-parameter"})
	p.ask(call{route: "GET /api/v1/log", query: "after=!", token: logs, status: 400, code: "bad-cursor"})
	p.ask(call{route: "GET /api/v1/log/stream", query: "after=!", token: logs, status: 400, code: "bad-cursor"})
	p.ask(call{route: "GET /api/v1/walk/report", query: "format=pdf", token: p.with[accounts.ScopeTest], status: 400, code: "bad-parameter"})
	p.ask(call{route: "POST /api/v1/locate", body: `{"seconds":121}`, token: p.with[accounts.ScopeTest], status: 400, code: "bad-parameter"})
	p.ask(call{route: "POST /api/v1/walk/try", body: `{"check":"relay","of":"door"}`, token: config, status: 403, code: "relay-by-itself"})
	p.ask(call{route: "POST /api/v1/walk/relay", body: `{"of":"door"}`, token: opens, status: 403, code: "scope-missing"})
	p.ask(call{route: "POST /api/v1/walk/judge", body: `{"check":"lamp","of":"status","result":"asked"}`, token: config, status: 400, code: "bad-result"})
	p.ask(call{route: "POST /api/v1/walk/anew", body: `{}`, token: config, status: 400, code: "bad-parameter"})
	for _, id := range []string{"7", "x"} {
		p.ask(call{route: "GET /api/v1/configuration/versions/{id}", values: id, token: config, status: 404, code: "setup-no-version"})
	}
	p.ask(call{route: "POST /api/v1/configuration/versions/{id}/try", values: "x", token: config, status: 404, code: "setup-no-version"})
	p.ask(call{route: "POST /api/v1/people", query: "dry=", body: "name\n", header: []string{"Content-Type", "text/csv"}, token: p.with[accounts.ScopePeople], status: 400, code: "bad-parameter"})
	p.ask(call{route: "GET /api/v1/people", query: "format=xml", token: p.with[accounts.ScopePeople], status: 400, code: "bad-parameter"})
	p.ask(call{route: "POST /api/v1/update", body: `{}`, token: p.with[accounts.ScopeUpdate], status: 400, code: "missing-field"})
	p.updates.err = toldError{words.New("update-busy")}
	p.ask(call{route: "GET /api/v1/update", token: p.with[accounts.ScopeUpdate], status: 409, code: "update-refused"})
	p.updates.err = nil
	bare := newServer(p.st, nil)
	bare.cfg.Book = p.book
	for _, c := range p.well() {
		switch code := ""; {
		case strings.Contains(c.route, "/update"):
			code = "no-updates"
			fallthrough
		case strings.Contains(c.route, "/certificate"):
			c.token, c.by, c.status, c.code = p.tokenFor(c.route), bare.Handler(), 404, cmp.Or(code, "no-certificate")
			p.ask(c)
		}
	}
	for _, route := range []string{"GET /api/v1/history/calls", "GET /api/v1/history/events"} {
		p.ask(call{route: route, token: read, by: bare.Handler(), status: 404, code: "no-history"})
	}
	p.ask(call{route: "POST /api/v1/history/erase", body: `{"days":1}`, token: p.with[accounts.ScopeManage], by: bare.Handler(), status: 404, code: "no-history"})
	p.ask(call{route: "GET /api/v1/calls/{id}/trace", values: "c1", token: read, by: bare.Handler(), status: 404, code: "no-trace"})
	p.bundling.Lock()
	p.ask(call{route: "GET /api/v1/support", token: logs, status: 503, code: "bundle-busy"})
	p.bundling.Unlock()
	p.ask(call{route: "PUT /api/v1/people/{name}", values: "anna", body: `{"name":"bert"}`, token: p.with[accounts.ScopePeople], status: 400, code: "bad-parameter"})
	p.ask(call{route: "POST /api/v1/mute", token: p.with[accounts.ScopeCall], body: `{}`, status: 400, code: "missing-field"})
	p.ask(call{route: "POST /api/v1/tests/sound", token: p.with[accounts.ScopeTest], body: `{"commission":true}`, status: 403, code: "scope-missing"})
	p.ask(call{route: "POST /api/v1/hangup", token: p.with[accounts.ScopeCall], header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403, code: "cross-site"})

	p.opened = recent{}
	for range openings {
		p.ask(call{route: "POST /api/v1/relays/{name}/open", values: "door", token: opens, status: 202})
	}
	if w := p.ask(call{route: "POST /api/v1/relays/{name}/open", values: "door", token: opens, status: 429, code: "too-many-openings"}); w.Header().Get("Retry-After") != "60" {
		p.t.Errorf("no word of when to come back: %v", w.Header())
	}
	p.opened = recent{}

	// People come in by their session.
	admin := []string{"Cookie", nearCookie + "=" + p.session["admin"]}
	p.ask(call{route: "GET /api/v1/status", header: admin, status: 200})
	p.ask(call{route: "POST /api/v1/relays/{name}/open", values: "door", header: admin, status: 202})
	p.ask(call{route: "POST /api/v1/hangup", header: []string{"Cookie", nearCookie + "=" + p.session["viewer"]}, status: 403, code: "not-allowed"})
	// Tokens with a role only, as of earlier versions, open nothing.
	p.ask(call{route: "POST /api/v1/relays/{name}/open", values: "door", token: p.token["admin"], status: 403, code: "scope-missing"})

	// Before there is a password.
	nobody := newServer(p.st, nil)
	nobody.cfg.Setup = p.setup
	for _, route := range []string{"GET /api/v1/configuration", "GET /api/v1/configuration/text", "GET /api/v1/configuration/versions/{id}", "POST /api/v1/configuration/keep", "GET /api/v1/people", "PUT /api/v1/certificate"} {
		p.ask(call{route: route, values: "1", by: nobody.Handler(), status: 403, code: "no-password-yet"})
	}
	p.ask(call{route: "GET /api/v1/status", by: nobody.Handler(), status: 200})
	p.ask(call{route: "GET /api/v1/status", by: nobody.Handler(), header: []string{"Forwarded", "for=x"}, status: 403, code: "no-password-yet"})
	p.ask(call{route: "POST /api/v1/relays/{name}/open", values: "door", by: nobody.Handler(), status: 403, code: "people-only"})

	for range maxStreams {
		p.streams <- struct{}{}
	}
	p.ask(call{route: "GET /api/v1/log", query: "wait=1", token: logs, status: 503, code: "too-many-streams"})
	p.ask(call{route: "GET /api/v1/log/stream", token: logs, status: 503, code: "too-many-streams"})
	p.ask(call{route: "GET /api/v1/events", query: "wait=1", token: read, status: 503, code: "too-many-streams"})
	p.ask(call{route: "GET /api/v1/events/stream", token: read, status: 503, code: "too-many-streams"})
	for range maxStreams {
		<-p.streams
	}

	// What needs more than a request.
	for want, serve := range map[string]func(w http.ResponseWriter, r *http.Request){
		"confirm-first": func(w http.ResponseWriter, r *http.Request) {
			v := &visitor{known: true, person: accounts.Person{Name: "bert", Role: accounts.Operator}}
			p.mayScoped(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)), accounts.ScopeOpen)
		},
		"bad-body": func(w http.ResponseWriter, r *http.Request) {
			r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
			p.moves(p.apiHangup)(w, r)
		},
		"needs-https": func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(withGuest(r.Context(), &guest{gate: &gate{}}))
			r.RemoteAddr = "192.0.2.1:1"
			p.Handler().ServeHTTP(w, r)
		},
		"key-in-use": func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set(api.KeyHeader, "twice")
			p.moves(func(r *http.Request, _ []byte) reply {
				p.moves(p.apiHangup)(w, r)
				return reply{status: http.StatusAccepted}
			})(httptest.NewRecorder(), r)
		},
	} {
		status := map[string]int{"bad-body": 400, "key-in-use": 409}[want]
		if status == 0 {
			status = 403
		}
		p.ask(call{route: "POST /api/v1/hangup", by: http.HandlerFunc(serve), status: status, code: want})
	}
}

// The forms that are described have the fields of the code, and no others.
func TestDescribedFields(t *testing.T) {
	doc := descriptionOf(t)
	for name, of := range map[string]reflect.Type{
		"Status": reflect.TypeFor[station.Snapshot](), "Call": reflect.TypeFor[station.Record](), "Event": reflect.TypeFor[apiEvent](),
		"Events": reflect.TypeFor[eventList](), "Calls": reflect.TypeFor[callList](), "Relays": reflect.TypeFor[relayList](), "Taken": reflect.TypeFor[taken](), "Problem": reflect.TypeFor[api.Problem](),
		"Configuration": reflect.TypeFor[SetupStatus](), "ConfigurationText": reflect.TypeFor[configText](), "SentFault": reflect.TypeFor[SetupFault](), "People": reflect.TypeFor[peopleList](),
		"PastCalls": reflect.TypeFor[pastCallList](), "PastEvents": reflect.TypeFor[pastEventList](), "Trace": reflect.TypeFor[callTrace](), "Log": reflect.TypeFor[logList](), "Machine": reflect.TypeFor[machine.Facts](),
		"Imported": reflect.TypeFor[imported](), "Update": reflect.TypeFor[UpdateStatus](), "Certificate": reflect.TypeFor[certificate](),
		"Walk": reflect.TypeFor[station.Walk](), "WalkReport": reflect.TypeFor[report](), "VersionLines": reflect.TypeFor[versionList](),
	} {
		inCode, inDoc := map[string]bool{}, map[string]bool{}
		jsonFields(of, "", inCode)
		schemaFields(doc.Components.Schemas[name].Value, "", inDoc)
		for f := range inCode {
			if f == "events[].data[]" { // raw JSON
				f = "events[].data"
			}
			if !inDoc[f] && !slices.ContainsFunc([]string{"data", "call", "params", "faults", "trial"}, func(end string) bool { return f == end || strings.HasSuffix(f, "."+end) }) {
				t.Errorf("%s: %s is not described", name, f)
			}
		}
		for f := range inDoc {
			if !inCode[f] && f != "events[].data" && !strings.HasPrefix(f, "call.") && !strings.HasPrefix(f, "trial.") && !strings.HasPrefix(f, "faults[]") {
				t.Errorf("%s: %s is described and does not exist", name, f)
			}
		}
	}
}

// schemaFields is jsonFields of a description.
func schemaFields(s *openapi3.Schema, path string, into map[string]bool) {
	switch {
	case s.Items != nil:
		if s.MinItems == 0 {
			path += "[]"
		}
		schemaFields(s.Items.Value, path, into)
	case len(s.Properties) > 0:
		for name, p := range s.Properties {
			if path != "" {
				name = path + "." + name
			}
			schemaFields(p.Value, name, into)
		}
	default:
		into[path] = true
	}
}

// A command that is sent again with its key is carried out once, whoever loses the answer; and the keys
// of one program are nothing to another.
func TestIdempotency(t *testing.T) {
	p := withPrograms(t)
	token := p.with[accounts.ScopeCall]
	press := call{route: "POST /api/v1/press", body: `{"button":"bell"}`, token: token, header: []string{api.KeyHeader, `"8e03978e-40d5"`}, status: 202}
	first := p.ask(press)
	press.header[1] = "8e03978e-40d5" // the same, bare
	if again := p.ask(press); again.Body.String() != first.Body.String() || len(p.st.told) != 1 {
		t.Errorf("%d commands, answers %q and %q", len(p.st.told), first.Body, again.Body)
	}
	press.token = p.sans[accounts.ScopeOpen]
	if p.ask(press); len(p.st.told) != 2 {
		t.Errorf("another's key: %d commands", len(p.st.told))
	}
	// What failed may be tried again.
	p.st.refuse(errors.New("the line is gone"))
	press.header[1], press.status = "another", 503
	p.ask(press)
	p.st.refuse(nil)
	press.status = 202
	if p.ask(press); len(p.st.told) != 4 {
		t.Errorf("%d commands", len(p.st.told))
	}
	// Many at once.
	var all sync.WaitGroup
	told := len(p.st.told)
	for range 8 {
		all.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/api/v1/hangup", nil)
			r.Host = "localhost"
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set(api.KeyHeader, "all-at-once")
			p.Handler().ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	all.Wait()
	if len(p.st.told) != told+1 {
		t.Errorf("%d commands in place of one", len(p.st.told)-told)
	}
}

// Who begins without a cursor hears what happens from then on, and a command's cursor is that of its own moment,
// also while much happens that leaves the state as it was.
func TestEventsBeginNow(t *testing.T) {
	p := withPrograms(t)
	events := func(query string) (out eventsHeard) {
		t.Helper()
		w := p.ask(call{route: "GET /api/v1/events", query: query, token: p.with[accounts.ScopeRead], status: 200})
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	p.st.happens(station.Commanded{Command: station.CommandPress, Error: "no-such-button"})
	p.st.happens(station.Released{By: station.Principal{Via: station.ViaCall}, Why: "wrong-code"})
	begun := events("")
	if len(begun.Events) != 0 {
		t.Errorf("begins with what was: %+v", begun.Events)
	}
	var took taken
	w := p.ask(call{route: "POST /api/v1/hangup", token: p.with[accounts.ScopeCall], status: 202})
	if err := json.Unmarshal(w.Body.Bytes(), &took); err != nil || took.After != begun.Cursor {
		t.Errorf("what the command came to is after %q, the last event before it at %q (%v)", took.After, begun.Cursor, err)
	}
	p.st.happens(station.Released{OK: true})
	if got := events("after=" + took.After); len(got.Events) != 1 || got.Events[0].Kind != "door.released" {
		t.Errorf("after the command: %+v", got.Events)
	}
}

// A client that goes on from its cursor misses nothing and hears nothing twice; what comes while it waits
// wakes it.
func TestLongPoll(t *testing.T) {
	p := withPrograms(t)
	token := p.with[accounts.ScopeRead]
	after, seen := api.First, []string{}
	poll := func(query string) (out eventsHeard) {
		t.Helper()
		w := p.ask(call{route: "GET /api/v1/events", query: "after=" + after + query, token: token, status: 200})
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		after = out.Cursor
		for _, e := range out.Events {
			seen = append(seen, e.Kind)
		}
		return out
	}
	for range 3 {
		p.st.happens(station.Pressed{Button: "bell"})
	}
	p.st.happens(station.Administered{Deed: station.SignedIn}) // of which this program is not told
	if got := poll("&limit=2"); len(got.Events) != 2 || got.Events[1].Cursor != got.Cursor {
		t.Errorf("%+v", got)
	}
	poll("")
	if got := poll(""); len(got.Events) != 0 {
		t.Errorf("told twice: %+v", got)
	}
	go func() {
		time.Sleep(50 * time.Millisecond)
		p.st.happens(station.Halted{})
	}()
	poll("&wait=20")
	if want := []string{"button.pressed", "button.pressed", "button.pressed", "door.stopped"}; !slices.Equal(seen, want) {
		t.Errorf("heard %q, want %q", seen, want)
	}
	p.st.happens(station.Pressed{Button: "bell"})
	p.st.happens(station.Released{OK: true})
	if got := poll("&kind=door.*"); len(got.Events) != 1 || got.Events[0].Kind != "door.released" {
		t.Errorf("of kind: %+v", got)
	}
	after = "other-99"
	if got := poll(""); len(got.Events) == 0 || got.Events[0].Kind != "events.missed" {
		t.Errorf("after a restart: %+v", got)
	}
	token, after = p.with[accounts.ScopeLog], api.First
	p.ask(call{route: "GET /api/v1/events", token: token, status: 403})
	token = p.sans[accounts.ScopeOpen]
	if got := poll("&kind=admin.*"); len(got.Events) != 1 {
		t.Errorf("with the scope for it: %+v", got)
	}
}

// The log goes on from its cursor, in its parts and levels; who waits is woken by a line that is wanted.
func TestLogIsFollowed(t *testing.T) {
	p := withPrograms(t)
	token, after := p.with[accounts.ScopeLog], ""
	log := slog.New(p.cfg.Tail.Handler(slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelDebug})))
	poll := func(query string) (texts []string) {
		t.Helper()
		var out struct {
			Lines  []struct{ Text, Level, Part, Cursor string }
			Cursor string
		}
		w := p.ask(call{route: "GET /api/v1/log", query: "after=" + after + query, token: token, status: 200})
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		after = out.Cursor
		for _, l := range out.Lines {
			texts = append(texts, l.Level+" "+l.Part+" "+l.Text)
		}
		return texts
	}
	log.Debug("one")
	log.With("part", "phone").Warn("two")
	after = api.First
	if got := poll("&limit=2"); !slices.Equal(got, []string{"info web the page is up", "debug  one"}) {
		t.Errorf("%q", got)
	}
	if got := poll("&level=warn&part=phone&q=TW"); !slices.Equal(got, []string{"warn phone two"}) {
		t.Errorf("%q", got)
	}
	if got := poll(""); len(got) != 0 {
		t.Errorf("told twice: %q", got)
	}
	go func() {
		time.Sleep(50 * time.Millisecond)
		log.Info("not wanted")
		log.Error("wanted")
	}()
	if got := poll("&wait=20&level=error"); !slices.Equal(got, []string{"error  wanted"}) {
		t.Errorf("%q", got)
	}
	after = "other-999"
	if got := poll(""); len(got) != 5 {
		t.Errorf("after a restart: %q", got)
	}
}

// The history is divided into pages of the length that is wanted, without what only some may know.
func TestHistoryInPages(t *testing.T) {
	p := withPrograms(t)
	get := func(what, query, token string) (out struct {
		Total, Page, Pages int
		Complete           bool
		Calls              []struct{ ID string }
		Events             []struct{ Kind string }
	}) {
		t.Helper()
		w := p.ask(call{route: "GET /api/v1/history/" + what, query: query, token: token, status: 200})
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	read := p.with[accounts.ScopeRead]
	if got := get("calls", "limit=2&page=2", read); got.Total != 3 || got.Page != 2 || got.Pages != 2 || !got.Complete || len(got.Calls) != 1 || got.Calls[0].ID != "c3" {
		t.Errorf("%+v", got)
	}
	if got := get("calls", "page=1000", read); len(got.Calls) != 0 || got.Total != 3 {
		t.Errorf("behind the end: %+v", got)
	}
	if got := get("calls", "what=out&q=kitchen", read); got.Total != 1 || got.Calls[0].ID != "c1" {
		t.Errorf("%+v", got)
	}
	all, told := get("events", "", p.sans[accounts.ScopeOpen]), get("events", "", read)
	if all.Total != len(p.past.events) || told.Total != all.Total-1 {
		t.Errorf("%d and %d of %d events", all.Total, told.Total, len(p.past.events))
	}
	w := p.ask(call{route: "GET /api/v1/history/calls", query: "format=csv&limit=1", token: read, status: 200})
	if lines := strings.Count(w.Body.String(), "\r\n"); lines != 4 || strings.Contains(w.Body.String(), ",=HYPERLINK") {
		t.Errorf("%q", w.Body)
	}
	p.past.fails = errors.New("half of it")
	if got := get("calls", "", read); got.Complete {
		t.Error("it is said to be complete")
	}
}

type eventsHeard struct {
	Events []struct {
		Cursor, Kind string
		Seq          uint64
	}
	Cursor string
}

// A token without a role reaches no page.
func TestTokenWithoutRoleReachesNoPage(t *testing.T) {
	p := withPrograms(t)
	for _, path := range []string{"/status.json", "/events", "/access", "/metrics"} {
		if w := ask(p.Server, "GET", path, nil, "Authorization", "Bearer "+p.sans[accounts.ScopeOpen], "Accept", "application/json"); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// The page of the interface shows all that is described.
func TestPageOfTheInterface(t *testing.T) {
	p := withPrograms(t)
	page := p.ask(call{route: "GET /api/v1", status: 200}).Body.String()
	for path := range p.doc.Paths.Map() {
		if !strings.Contains(page, path+"<") {
			t.Errorf("%s is not on the page", path)
		}
	}
	for name := range p.doc.Components.Schemas {
		if !strings.Contains(page, `id="schema-`+name+`"`) {
			t.Errorf("%s is not on the page", name)
		}
	}
	if strings.Contains(page, `="http`) || strings.Contains(page, `="//`) {
		t.Error("the page leads elsewhere")
	}
}
