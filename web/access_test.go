package web

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/identity"
	"intercomd/web/logtail"
	"intercomd/web/machine"
)

// shelf keeps a book in memory.
type shelf struct {
	mu   sync.Mutex
	data []byte
	fail error
}

func (s *shelf) Load(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return s.fail
	}
	return json.Unmarshal(s.data, v)
}

func (s *shelf) Save(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	var err error
	s.data, err = json.Marshal(v)
	return err
}

// files keeps keys in memory.
type files map[string][]byte

func (f files) Read(name string) ([]byte, error) {
	if d, ok := f[name]; ok {
		return d, nil
	}
	return nil, fs.ErrNotExist
}

func (f files) Replace(name string, data []byte, _ fs.FileMode) error {
	f[name] = data
	return nil
}

const password = "correct horse"

// people is a page with a viewer, an operator and an admin, and what lets each of them in.
type people struct {
	*Server
	st      *fakeStation
	book    *accounts.Book
	session map[string]string // by role
	token   map[string]string
}

func withPeople(t testing.TB) *people {
	t.Helper()
	book, err := accounts.Open(&shelf{}, "")
	if err != nil {
		t.Fatal(err)
	}
	code, _ := book.Code()
	if err := book.Claim(t.Context(), code, "admin", password); err != nil {
		t.Fatal(err)
	}
	names, addrs := identity.Host(nil)
	id, err := identity.Open(files{}, names, addrs)
	if err != nil {
		t.Fatal(err)
	}
	p := &people{st: newStation(sample()), book: book, session: map[string]string{}, token: map[string]string{}}
	p.Server = New(Config{Listen: "127.0.0.1:0", Book: book, Identity: id, Log: quiet(), Metrics: http.NotFoundHandler(), Past: &fakePast{}, Tail: logtail.New(), Support: fakeSupport{}, Machine: func() machine.Facts { return machine.Facts{} }, Setup: &fakeSetup{}, Process: &fakeProcess{}, Trace: func(string) []SIPMessage { return []SIPMessage{{Text: "x"}} }}, p.st, newPanel())
	for _, role := range accounts.Roles() {
		if role != accounts.Admin {
			if err := book.Put(t.Context(), string(role), role, password, true); err != nil {
				t.Fatal(err)
			}
		}
		if p.session[string(role)], err = book.SignIn(t.Context(), string(role), password, block(nil)); err != nil {
			t.Fatal(err)
		}
		if p.token[string(role)], err = book.NewToken("t-"+string(role), role, "admin"); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// as asks as somebody with a session.
func (p *people) as(session, method, path, body string, header ...string) *httptest.ResponseRecorder {
	header = append(header, "Cookie", nearCookie+"="+session)
	if body != "" {
		header = append(header, "Content-Type", form)
	}
	return ask(p.Server, method, path, strings.NewReader(body), header...)
}

// Every route, by every kind of visitor: nobody gets what is not theirs. A route that nobody has
// classed fails here.
func TestWalkOfAllRoutes(t *testing.T) {
	p := everything(t)
	rank := map[class]int{viewer: 1, viewerInPerson: 1, operator: 2, operatorInPerson: 2, opener: 2, admin: 3, adminInPerson: 3, owner: 3}
	inPerson := map[class]bool{viewerInPerson: true, operatorInPerson: true, adminInPerson: true, opener: true, owner: true}
	visitors := []struct {
		name   string
		rank   int
		header []string
	}{
		{"nobody", 0, nil},
		{"a made-up session", 0, []string{"Cookie", nearCookie + "=" + strings.Repeat("0", 64)}},
		{"a session under the other cookie", 0, []string{"Cookie", secureCookie + "=" + p.session["admin"]}},
		{"a made-up token", 0, []string{"Authorization", "Bearer icd_" + strings.Repeat("0", 64)}},
		{"a revoked token", 0, []string{"Authorization", "Bearer " + revoked(t, p)}},
		{"an ended session", 0, []string{"Cookie", nearCookie + "=" + ended(t, p)}},
		{"viewer", 1, []string{"Cookie", nearCookie + "=" + p.session["viewer"]}},
		{"operator", 2, []string{"Cookie", nearCookie + "=" + p.session["operator"]}},
		{"admin", 3, []string{"Cookie", nearCookie + "=" + p.session["admin"]}},
		{"viewer's token", 1, []string{"Authorization", "Bearer " + p.token["viewer"]}},
		{"operator's token", 2, []string{"Authorization", "Bearer " + p.token["operator"]}},
		{"admin's token", 3, []string{"Authorization", "Bearer " + p.token["admin"]}},
	}
	known := map[string]bool{}
	for _, rt := range p.table() {
		known[strings.ReplaceAll(rt.pattern, "{name}", "door")] = true
	}
	whole := p.Handler()
	for _, rt := range p.table() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		path = strings.NewReplacer("{$}", "", "{id}", "x", "{file}", "page.css", "{name}", "door").Replace(path)
		if scope, ok := rt.class.scope(); ok {
			rank[rt.class] = rankOf(scope)
		}
		if rank[rt.class] == 0 && rt.class != public {
			t.Errorf("%s: nobody has said who may ask for it", rt.pattern)
			continue
		}
		for _, v := range visitors {
			for _, m := range []string{method, http.MethodPut, http.MethodDelete, http.MethodPatch} {
				if m != method && known[m+" "+path] { // a route of its own
					continue
				}
				h := append([]string{"Accept", "application/json"}, v.header...)
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // streams end at once
				r := httptest.NewRequestWithContext(ctx, m, path, nil)
				r.Host = "localhost"
				for i := 0; i+1 < len(h); i += 2 {
					r.Header.Set(h[i], h[i+1])
				}
				w := httptest.NewRecorder()
				got := p.peek(whole, w, r)
				switch {
				case m != method:
					if got != http.StatusMethodNotAllowed && got != http.StatusNotFound {
						t.Errorf("%s %s as %s: %d", m, path, v.name, got)
					}
				case rt.class == public:
					if (got == http.StatusUnauthorized || got == http.StatusForbidden) && strings.HasPrefix(rt.pattern, "GET") && path != "/setup" {
						t.Errorf("%s as %s: %d", rt.pattern, v.name, got)
					}
				case v.rank == 0:
					if got != http.StatusUnauthorized {
						t.Errorf("%s as %s: %d", rt.pattern, v.name, got)
					}
				case v.rank < rank[rt.class]:
					if got != http.StatusForbidden {
						t.Errorf("%s as %s: %d", rt.pattern, v.name, got)
					}
				case inPerson[rt.class] && strings.HasSuffix(v.name, "token"):
					if got != http.StatusForbidden || !strings.Contains(w.Body.String(), "people-only") {
						t.Errorf("%s as %s: %d %s", rt.pattern, v.name, got, w.Body)
					}
				case got == http.StatusUnauthorized && strings.Contains(w.Body.String(), `"sign-in"`): // and no wrong password
					t.Errorf("%s as %s: %d %s", rt.pattern, v.name, got, w.Body)
				}
			}
		}
	}
	if len(p.st.told) != 0 && p.st.told[0].By.Name == "" {
		t.Errorf("a command without a name: %+v", p.st.told[0])
	}
}

// rankOf is the least role that has a scope, or, of what no role has, may do that with a password.
func rankOf(scope accounts.Scope) int {
	if scope == accounts.ScopeOpen {
		return 2
	}
	for i, role := range accounts.Roles() {
		if (accounts.Person{Role: role}).Has(scope) {
			return i + 1
		}
	}
	if scope.Explicit() {
		return 3
	}
	return 0
}

// peek asks without doing what changes who may ask.
func (p *people) peek(whole http.Handler, w *httptest.ResponseRecorder, r *http.Request) int {
	if strings.HasPrefix(r.URL.Path, "/logout") && r.Method == http.MethodPost && visitorIs(p, r) {
		return http.StatusSeeOther
	}
	whole.ServeHTTP(w, r)
	return w.Code
}

func visitorIs(p *people, r *http.Request) bool {
	_, v := p.meet(r)
	return v.known
}

func revoked(t *testing.T, p *people) string {
	t.Helper()
	s, err := p.book.NewToken("gone", accounts.Admin, "admin")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range p.book.Tokens() {
		if k.Name == "gone" {
			if err := p.book.Revoke(k.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

func ended(t *testing.T, p *people) string {
	t.Helper()
	s, err := p.book.SignIn(t.Context(), "admin", password, block(nil))
	if err != nil {
		t.Fatal(err)
	}
	p.book.SignOut(s)
	return s
}

// Signing in gives a cookie that no other site and no script gets at, and leads where one wanted.
func TestSignIn(t *testing.T) {
	p := withPeople(t)
	w := ask(p.Server, "GET", "/calls/x/trace", nil, "Accept", asHTML)
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `value="/calls/x/trace"`) {
		t.Errorf("nobody: %d %s", w.Code, w.Body)
	}
	sign := func(name, pass, next string) *httptest.ResponseRecorder {
		return ask(p.Server, "POST", "/login", strings.NewReader(url.Values{"name": {name}, "password": {pass}, "next": {next}}.Encode()), "Content-Type", form, "Accept", asHTML)
	}
	w = sign("admin", password, "/access")
	c := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/access" || len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("%d %v %v", w.Code, w.Header(), c)
	}
	for _, next := range []string{"//evil.example", "https://evil.example", `/\evil.example`, "evil", "/\tx"} {
		if w := sign("admin", password, next); w.Header().Get("Location") != "/" {
			t.Errorf("%q leads to %q", next, w.Header().Get("Location"))
		}
	}
	if w := sign("admin", "wrong", ""); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "Name or password is wrong") || strings.Contains(w.Body.String(), "wrong\"") {
		t.Errorf("wrong: %d %s", w.Code, w.Body)
	}
	if w := sign("<script>", "x", ""); strings.Contains(w.Body.String(), "<script>\"") || w.Code != http.StatusUnauthorized {
		t.Errorf("hostile name: %d %s", w.Code, w.Body)
	}
	if w := p.as(c[0].Value, "GET", "/", ""); w.Code != http.StatusOK {
		t.Errorf("with the session: %d", w.Code)
	}
	if w := p.as(c[0].Value, "POST", "/logout", "x=1"); w.Code != http.StatusSeeOther {
		t.Errorf("sign out: %d", w.Code)
	}
	if w := p.as(c[0].Value, "GET", "/", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("after that: %d", w.Code)
	}
}

// A door is opened by a person who has given the password lately, six times a minute at most, and
// not while the housing was tampered with; the station hears who.
func TestOpenTheDoor(t *testing.T) {
	p := withPeople(t)
	p.pace = nil
	open := func(header ...string) int {
		return ask(p.Server, "POST", "/door/open", strings.NewReader("relay=door"), append(header, "Content-Type", form, "Accept", "application/json")...).Code
	}
	me := []string{"Cookie", nearCookie + "=" + p.session["operator"]}
	if got := open("Authorization", "Bearer "+p.token["admin"]); got != http.StatusForbidden {
		t.Errorf("a token: %d", got)
	}
	for i := range openings {
		if got := open(me...); got != http.StatusNoContent {
			t.Fatalf("opening %d: %d", i, got)
		}
	}
	if by := p.st.told[0].By; by.Name != "operator" || by.Via != station.ViaPage || by.From == "" || p.st.told[0].Relay != "door" {
		t.Errorf("the station hears %+v", p.st.told[0])
	}
	if got := open(me...); got != http.StatusTooManyRequests {
		t.Errorf("one more: %d", got)
	}
	for no, want := range map[error]int{station.ErrNoRelay: http.StatusNotFound, station.ErrNotKnown: http.StatusConflict, station.ErrRelay: http.StatusServiceUnavailable} {
		p.opened.at = nil
		p.st.refuse(no)
		if got := open(me...); got != want {
			t.Errorf("%v: %d, want %d", no, got, want)
		}
	}
	p.st.refuse(nil)
	p.opened.at = nil
	if got := open(append(me, "Content-Encoding", "gzip")...); got != http.StatusUnsupportedMediaType {
		t.Errorf("a compressed form: %d", got)
	}
	if got := open(append(me, "Content-Encoding", "Identity")...); got != http.StatusNoContent {
		t.Errorf("a form as it is: %d", got)
	}
	p.opened.at = nil
	p.st.publish(with(func(s *station.Snapshot) { s.Door.BlockedUntil = time.Now().Add(time.Minute) }))
	if got := open(me...); got != http.StatusConflict {
		t.Errorf("tampered with: %d", got)
	}
}

// Five minutes later the password is asked for again.
func TestOpeningAsksAgain(t *testing.T) {
	if (accounts.Person{Confirmed: time.Now().Add(-accounts.FreshFor)}).Fresh(time.Now()) {
		t.Error("a password of 5 minutes ago is fresh")
	}
	p := withPeople(t)
	r := httptest.NewRequest(http.MethodPost, "/door/open", nil)
	old := &visitor{known: true, person: accounts.Person{Name: "a", Role: accounts.Admin, Confirmed: time.Now().Add(-6 * time.Minute)}}
	w := httptest.NewRecorder()
	r.Header.Set("Accept", "application/json")
	if p.may(w, r.WithContext(context.WithValue(t.Context(), visitorKey{}, old)), opener) || !strings.Contains(w.Body.String(), "confirm-first") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.as(p.session["operator"], "POST", "/confirm", "password=wrong", "Accept", "application/json"); w.Code != http.StatusUnauthorized {
		t.Errorf("a wrong one: %d", w.Code)
	}
	if w := p.as(p.session["operator"], "POST", "/confirm", "password="+url.QueryEscape(password), "Accept", "application/json"); w.Code != http.StatusNoContent {
		t.Errorf("the right one: %d %s", w.Code, w.Body)
	}
}

// A program cannot give itself more than it was given: not by a token with other scopes, nor by an account.
func TestTokensMakeNobody(t *testing.T) {
	p := withPeople(t)
	before := len(p.cfg.Book.Accounts()) + len(p.cfg.Book.Tokens())
	for path, body := range map[string]string{
		"/access/tokens": "name=more&role=admin&scope=open", "/access/accounts": "name=eve&role=admin&password=long+enough",
		"/access/accounts/remove": "name=operator", "/account/password": "password=x&new=long+enough",
	} {
		if w := ask(p.Server, "POST", path, strings.NewReader(body), "Authorization", "Bearer "+p.token["admin"], "Content-Type", form, "Accept", "application/json"); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if after := len(p.cfg.Book.Accounts()) + len(p.cfg.Book.Tokens()); after != before {
		t.Errorf("%d accounts and tokens became %d", before, after)
	}
}

// Whoever makes a token reads which scopes lead to the doors without the one that is called open.
func TestTokensAreWarnedOf(t *testing.T) {
	p := withPeople(t)
	page := p.as(p.session["admin"], "GET", "/access", "").Body.String()
	if !strings.Contains(page, "<code>config</code>, <code>people</code> and the roles that include them") {
		t.Error("the page does not say what config and people lead to")
	}
}

// Commissioning is an admin's act.
func TestCommissioningIsAnAdminsAct(t *testing.T) {
	p := withPeople(t)
	if w := p.as(p.session["operator"], "POST", "/selftest", "commission=true", "Accept", "application/json"); w.Code != http.StatusForbidden {
		t.Errorf("operator: %d", w.Code)
	}
	if w := p.as(p.session["admin"], "POST", "/selftest", "commission=true", "Accept", "application/json"); w.Code != http.StatusNoContent {
		t.Errorf("admin: %d", w.Code)
	}
}

// Before there is a password, whoever is on this machine may look, and no proxy speaks for
// anybody; the first account takes the code.
func TestFirstRun(t *testing.T) {
	book, err := accounts.Open(&shelf{}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Book: book, Log: quiet()}, newStation(sample()), nil)
	if w := ask(s, "GET", "/", nil, "Accept", asHTML); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "/setup") {
		t.Errorf("this machine: %d", w.Code)
	}
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "Via"} {
		if w := ask(s, "GET", "/", nil, h, "192.0.2.1"); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", h, w.Code)
		}
	}
	if w := ask(s, "POST", "/door/open", strings.NewReader("relay=door"), "Content-Type", form); w.Code != http.StatusForbidden {
		t.Errorf("opening the door: %d", w.Code)
	}
	setup := func(code string) int {
		return ask(s, "POST", "/setup", strings.NewReader(url.Values{"code": {code}, "name": {"anna"}, "password": {password}}.Encode()), "Content-Type", form, "Accept", "application/json").Code
	}
	if got := setup("0000-0000"); got != http.StatusUnauthorized {
		t.Errorf("a wrong code: %d", got)
	}
	code, _ := book.Code()
	if got := setup(code); got != http.StatusNoContent {
		t.Errorf("the code: %d", got)
	}
	if got := setup(code); got != http.StatusForbidden {
		t.Errorf("the code again: %d", got)
	}
	if w := ask(s, "GET", "/", nil); w.Code != http.StatusUnauthorized {
		t.Errorf("and now: %d", w.Code)
	}
}

// Other sites, schemes, ports and names get nothing, whoever's browser they use.
func TestOtherSites(t *testing.T) {
	p := withPeople(t)
	for _, tc := range []struct {
		name   string
		method string
		header []string
		want   int
	}{
		{"our own page", "POST", []string{"Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site", "same-origin"}, http.StatusNoContent},
		{"another site", "POST", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"another port", "POST", []string{"Origin", "http://127.0.0.1:9090"}, http.StatusForbidden},
		{"another scheme", "POST", []string{"Origin", "https://127.0.0.1:8080"}, http.StatusForbidden},
		{"no origin at all", "POST", []string{"Origin", "null"}, http.StatusForbidden},
		{"cross-site by metadata", "POST", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"same site by metadata", "POST", []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		{"an image elsewhere", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, http.StatusForbidden},
		{"a frame elsewhere", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, http.StatusForbidden},
		{"a link elsewhere", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, http.StatusOK},
		{"rebound name", "GET", []string{"Host", "evil.example"}, http.StatusMisdirectedRequest},
		{"foreign address", "GET", []string{"Host", "8.8.8.8"}, http.StatusMisdirectedRequest},
		{"foreign address of IPv6", "GET", []string{"Host", "[2001:db8::1]:8080"}, http.StatusMisdirectedRequest},
		{"a name around ours", "GET", []string{"Host", "localhost.evil.example"}, http.StatusMisdirectedRequest},
	} {
		path, body := "/", ""
		if tc.method == "POST" {
			path, body = "/call/hangup", "x=1"
		}
		if w := p.as(p.session["admin"], tc.method, path, body, append(tc.header, "Accept", "application/json")...); w.Code != tc.want {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
}

// The word of a proxy counts if the configuration names it.
func TestProxies(t *testing.T) {
	s := New(Config{Proxies: nil, Log: quiet()}, newStation(sample()), nil)
	meet := func(from, forwarded, proto string) *visitor {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-For", forwarded)
		r.Header.Set("X-Forwarded-Proto", proto)
		_, v := s.meet(r)
		return v
	}
	if v := meet("10.0.0.5:1", "192.0.2.9", "https"); v.from != "10.0.0.5" || v.secure {
		t.Errorf("nobody's word: %+v", v)
	}
	s.cfg.Proxies = mustPrefixes("10.0.0.5/32", "10.0.0.6/32")
	for in, want := range map[string]string{"192.0.2.9": "192.0.2.9", "1.1.1.1, 192.0.2.9": "192.0.2.9", "192.0.2.9, 10.0.0.6": "192.0.2.9", "nonsense": "10.0.0.5", "": "10.0.0.5"} {
		if v := meet("10.0.0.5:1", in, "https"); v.from != want || !v.secure {
			t.Errorf("%q: %s", in, v.from)
		}
	}
	if v := meet("10.0.0.7:1", "192.0.2.9", "https"); v.from != "10.0.0.7" || v.secure {
		t.Errorf("another's word: %+v", v)
	}
}

// A book that cannot be read lets nobody in: it is no empty one.
func TestBrokenBook(t *testing.T) {
	if _, err := accounts.Open(&shelf{fail: errors.New("bad sector")}, ""); err == nil {
		t.Error("it is taken for an empty one")
	}
	if _, err := accounts.Open(&shelf{data: []byte(`{"accounts":[`)}, ""); err == nil {
		t.Error("half a book is taken for an empty one")
	}
}
