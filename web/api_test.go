package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
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
	"intercomd/words"
)

// descriptionOf is the description as a library reads it that nobody here wrote.
func descriptionOf(t *testing.T) *openapi3.T {
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
	t     *testing.T
	setup *fakeSetup
	doc   *openapi3.T
	with  map[accounts.Scope]string // a token with it alone
	sans  map[accounts.Scope]string // a token with all others
	heard map[string]bool           // "GET /api/v1/status 200"
	codes map[string]bool           // of problems
}

func withPrograms(t *testing.T) *programs {
	t.Helper()
	p := &programs{people: withPeople(t), t: t, doc: descriptionOf(t), with: map[accounts.Scope]string{}, sans: map[accounts.Scope]string{}, heard: map[string]bool{}, codes: map[string]bool{}}
	p.pace = nil
	p.setup = &fakeSetup{text: "[sip]\n", list: []SetupPerson{{Name: "anna", Users: []string{"1001"}}}}
	p.cfg.Setup = p.setup
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
		by = p.Handler()
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
		var v any
		_ = json.Unmarshal(w.Body.Bytes(), &v)
		if err := p.doc.Components.Schemas["Problem"].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			p.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	_, path, _ := strings.Cut(c.route, " ")
	item := p.doc.Paths.Value(path)
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
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/") {
		in.Options.ExcludeResponseBody = true
	}
	in.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(p.t.Context(), in); err != nil {
		p.t.Errorf("%s %s: %d: %v", r.Method, r.URL, w.Code, err)
	}
}

// scopeOf is the scope that a route needs, by the description.
func scopeOf(o *openapi3.Operation) accounts.Scope {
	if o.Security == nil || len(*o.Security) == 0 {
		return ""
	}
	return accounts.Scope((*o.Security)[0]["token"][0])
}

// falls is a station that panics.
type falls struct{ *fakeStation }

func (falls) Snapshot() *station.Snapshot { panic("the station falls over") }

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
		{route: "PUT /api/v1/people/{name}", values: "anna", body: `{"digits":"4711","users":["1001"],"once":true}`, status: 202},
		{route: "DELETE /api/v1/people/{name}", values: "anna", status: 202},
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
			inDoc[method+" "+path] = scopeOf(o)
		}
	}
	if !reflect.DeepEqual(inCode, inDoc) {
		t.Fatalf("routes and scopes:\nin the code %v\ndescribed   %v", inCode, inDoc)
	}

	falling := newServer(falls{newStation(sample())}, nil)
	falling.cfg.Book, falling.cfg.Setup = p.book, struct{ Setup }{} // which falls over, too
	paced := newServer(p.st, nil)
	paced.cfg.Book = p.book
	for i, c := range p.well() {
		scope := inDoc[c.route]
		c.token = p.with[scope]
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
		told, did := len(p.st.told), len(p.setup.did)
		also(413, func(d *call) { d.body = `{"x":"` + strings.Repeat("x", setupSize) + `"}` })
		also(415, func(d *call) { d.body, d.header = `on=true`, []string{"Content-Type", form} })
		if c.header == nil { // the body is JSON
			also(400, func(d *call) { d.body, d.code = `{"nonsense":1}`, "bad-json" })
			also(400, func(d *call) { d.body, d.code = `[]`, "bad-json" })
			also(400, func(d *call) { d.body, d.code = `{} {}`, "bad-json" })
		}
		also(400, func(d *call) { d.header, d.code = []string{api.KeyHeader, "two words"}, "bad-key" })
		if len(p.st.told) != told || len(p.setup.did) != did {
			t.Errorf("%s: bad input gave commands: %v, %v", c.route, p.st.told[told:], p.setup.did[did:])
		}
		key := append([]string{api.KeyHeader, strconv.Itoa(i)}, c.header...)
		also(c.status, func(d *call) { d.header = key })
		also(422, func(d *call) { d.header, d.body, d.code = key, ` {"on":true}`, "key-of-another" })
		if p.setupRefusals(c, also) {
			continue
		}
		for _, no := range []error{station.ErrNoCall, station.ErrNotIdle, station.ErrBlocked, station.ErrOpens} {
			p.opened = recent{}
			p.st.refuse(no)
			also(409, func(d *call) { d.code = no.Error() })
		}
		p.st.refuse(errors.New("the line is gone"))
		also(503, func(d *call) { d.code = "command-failed" })
		p.st.refuse(nil)
	}
	for route, no := range map[string]error{"POST /api/v1/press": station.ErrNoButton, "POST /api/v1/dial": station.ErrNoTarget, "POST /api/v1/relays/{name}/open": station.ErrNoRelay, "POST /api/v1/relays/{name}/switch": station.ErrNoRelay} {
		p.st.refuse(no)
		c := p.well()[slices.IndexFunc(p.well(), func(c call) bool { return c.route == route })]
		c.token, c.status, c.code = p.with[inDoc[route]], 404, no.Error()
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
	for _, code := range p.doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		if !p.codes[code.(string)] {
			t.Errorf("the code %s is described and does not happen", code)
		}
	}
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
		status := map[string]int{"setup-no-person": 404, "setup-not-kept": 503}[code]
		if status == 0 {
			status = 409
		}
		if status != 404 || strings.Contains(c.route, "people") {
			refuse(status, code, &SetupError{words.New(code, "detail", "x")})
		}
	}
	refuse(503, "setup-failed", errors.New("odd"))
	p.told = recent{}
	p.setup.err = SetupFaults{{Line: 1, Key: "sip.user", Message: words.New("told", "detail", "x")}}
	also(422, func(d *call) { d.code = "setup-faults" })
	p.setup.err = nil
	last := p.st.events[len(p.st.events)-1].News.(station.Administered)
	if last.By.Name == "" || last.Why != "setup-faults" {
		p.t.Errorf("%s: nobody is told who tried: %+v", c.route, last)
	}
	return true
}

// setupCodes are the codes of the errors of a [Setup], as far as a program can come by them.
func setupCodes() map[string]bool {
	all := map[string]bool{}
	for _, key := range words.English().Keys() {
		if code, ok := strings.CutPrefix(key, "refusal.setup-"); ok && code != "faults" && code != "failed" && code != "no-file" && code != "no-version" {
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
		{route: "PUT /api/v1/status", status: 405, code: "wrong-method"},
		{route: "GET /api/v1/calls", query: "limit=0", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/calls", query: "limit=1&limit=2", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/calls", query: "limit=%zz", status: 400, code: "bad-query"},
		{route: "GET /api/v1/events", query: "after=nonsense", status: 400, code: "bad-cursor"},
		{route: "GET /api/v1/events", query: "wait=3600", status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events", query: strings.Repeat("kind=a&", 33), status: 400, code: "bad-parameter"},
		{route: "GET /api/v1/events/stream", header: []string{"Last-Event-ID", "!"}, status: 400, code: "bad-cursor"},
	} {
		c.token = read
		p.ask(c)
	}
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
	for _, route := range []string{"GET /api/v1/configuration", "GET /api/v1/configuration/text", "POST /api/v1/configuration/keep", "GET /api/v1/people"} {
		p.ask(call{route: route, by: nobody.Handler(), status: 403, code: "no-password-yet"})
	}
	p.ask(call{route: "GET /api/v1/status", by: nobody.Handler(), status: 200})
	p.ask(call{route: "GET /api/v1/status", by: nobody.Handler(), header: []string{"Forwarded", "for=x"}, status: 403, code: "no-password-yet"})
	p.ask(call{route: "POST /api/v1/relays/{name}/open", values: "door", by: nobody.Handler(), status: 403, code: "people-only"})

	for range maxStreams {
		p.streams <- struct{}{}
	}
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
	} {
		inCode, inDoc := map[string]bool{}, map[string]bool{}
		jsonFields(of, "", inCode)
		schemaFields(doc.Components.Schemas[name].Value, "", inDoc)
		for f := range inCode {
			if !inDoc[f] && !slices.ContainsFunc([]string{"data", "call", "params", "faults", "trial"}, func(end string) bool { return f == end || strings.HasSuffix(f, "."+end) }) {
				t.Errorf("%s: %s is not described", name, f)
			}
		}
		for f := range inDoc {
			if !inCode[f] && !strings.HasPrefix(f, "call.") && !strings.HasPrefix(f, "trial.") && !strings.HasPrefix(f, "faults[]") {
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
