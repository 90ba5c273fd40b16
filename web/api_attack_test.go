package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/station"
	"intercomd/web/accounts"
	"intercomd/web/api"
)

// idOf is the ID of a token.
func (p *people) idOf(name string) string {
	all := p.book.Tokens()
	return all[slices.IndexFunc(all, func(k accounts.Token) bool { return k.Name == name })].ID
}

// Whoever loses a token, a session or a role in the middle of a stream or a long poll hears nothing more.
func TestRevokedWhileItListens(t *testing.T) {
	p := withPrograms(t)
	srv := httptest.NewServer(p.Handler())
	t.Cleanup(srv.Close)
	logs, err := p.book.NewToken("logs", "", "admin", accounts.ScopeLog, accounts.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of streams that do not end
	t.Cleanup(cancel)
	hear := func(path string, header ...string) io.Reader {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header[0], header[1])
		w, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Body.Close() })
		return w.Body
	}
	by := "Bearer " + logs
	type answer struct {
		status int
		body   string
	}
	polled := make(chan answer)
	go func() {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/events?wait=25", nil)
		r.Header.Set("Authorization", by)
		w, err := srv.Client().Do(r)
		if err != nil {
			t.Error(err)
			close(polled)
			return
		}
		body, _ := io.ReadAll(w.Body)
		_ = w.Body.Close()
		polled <- answer{w.StatusCode, string(body)}
	}()
	streams := map[string]io.Reader{
		"events by token":   hear("/api/v1/events/stream", "Authorization", by),
		"log by token":      hear("/api/v1/log/stream", "Authorization", by),
		"events by session": hear("/events", "Cookie", nearCookie+"="+p.session["viewer"]),
		"events by role":    hear("/events", "Cookie", nearCookie+"="+p.session["operator"]),
	}
	stays := bufio.NewReader(hear("/api/v1/events/stream", "Authorization", "Bearer "+p.with[accounts.ScopeRead]))
	for end := time.Now().Add(20 * time.Second); len(p.streams) < 6; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d streams", len(p.streams))
		}
	}
	if err := p.book.Revoke(p.idOf("logs")); err != nil {
		t.Fatal(err)
	}
	p.book.SignOutEverywhere("viewer")
	if err := p.book.Put(t.Context(), "operator", accounts.Viewer, "", false); err != nil {
		t.Fatal(err)
	}
	p.st.happens(station.Pressed{Button: "xyzzy"})
	for name, r := range streams {
		if rest, err := io.ReadAll(r); err != nil || strings.Contains(string(rest), "xyzzy") {
			t.Errorf("%s: %v, heard %q", name, err, rest)
		}
	}
	if a := <-polled; a.status != http.StatusUnauthorized || strings.Contains(a.body, "xyzzy") {
		t.Errorf("the long poll: %d %s", a.status, a.body)
	}
	for {
		line, err := stays.ReadString('\n')
		if err != nil {
			t.Fatalf("who may still listen does not hear it: %v", err)
		}
		if strings.Contains(line, "xyzzy") {
			return
		}
	}
}

// Nothing but the one header shows who a program is, and a token that is almost right is none.
func TestTokensElsewhere(t *testing.T) {
	p := withPrograms(t)
	good := p.with[accounts.ScopeCall]
	for name, c := range map[string]struct {
		query  string
		header []string
		status int
	}{
		"by the book":              {"", []string{"Authorization", "Bearer " + good}, 202},
		"the scheme in lower case": {"", []string{"Authorization", "bearer " + good}, 202},
		"spaces before it":         {"", []string{"Authorization", "Bearer   " + good}, 202},
		"in the query":             {"token=" + good, nil, 401},
		"in the query of RFC 6750": {"access_token=" + good, nil, 401},
		"in a cookie":              {"", []string{"Cookie", nearCookie + "=" + good}, 401},
		"another scheme":           {"", []string{"Authorization", "Basic " + good}, 401},
		"no scheme":                {"", []string{"Authorization", good}, 401},
		"cut":                      {"", []string{"Authorization", "Bearer " + good[:len(good)-1]}, 401},
		"longer":                   {"", []string{"Authorization", "Bearer " + good + "0"}, 401},
		"upper case":               {"", []string{"Authorization", "Bearer " + strings.ToUpper(good)}, 401},
		"two":                      {"", []string{"Authorization", "Bearer " + good + " " + good}, 401},
		"nothing":                  {"", []string{"Authorization", "Bearer "}, 401},
		"a session beside none":    {"", []string{"Authorization", "Bearer x", "Cookie", nearCookie + "=" + p.session["admin"]}, 401},
		"in the query beside it":   {"token=" + good, []string{"Authorization", "Bearer " + good}, 400},
	} {
		before := len(p.st.told)
		p.ask(call{route: "POST /api/v1/hangup", query: c.query, header: c.header, status: c.status})
		if did := len(p.st.told) > before; did != (c.status == 202) {
			t.Errorf("%s: a command was given: %v", name, did)
		}
	}
}

// A key is worth nothing to another token, with another body, query, method or path, and what it protects is
// done once however it is written.
func TestKeysOfOthers(t *testing.T) {
	p := withPrograms(t)
	token := p.with[accounts.ScopeCall]
	key := []string{api.KeyHeader, "k1"}
	dial := call{route: "POST /api/v1/dial", body: `{"target":"home"}`, token: token, header: key, status: 202}
	p.ask(dial)
	for name, change := range map[string]func(*call){
		"another body":     func(c *call) { c.body = `{"target":"away"}` },
		"another spelling": func(c *call) { c.body = `{"target": "home"}` },
		"another query":    func(c *call) { c.query = "lang=de" },
		"another route":    func(c *call) { c.route = "POST /api/v1/press" },
	} {
		d := dial
		d.status, d.code = 422, "key-of-another"
		change(&d)
		before := len(p.st.told)
		if p.ask(d); len(p.st.told) != before {
			t.Errorf("%s: it was carried out", name)
		}
	}
	// Whoever lacks the scope does not even learn that there is such a key.
	d := dial
	d.token, d.status, d.code = p.sans[accounts.ScopeCall], 403, "scope-missing"
	p.ask(d)
	// A refusal is an answer, too: the state may be another when it is sent again, but not its answer.
	p.st.refuse(station.ErrNoTarget)
	d = dial
	d.header, d.status = []string{api.KeyHeader, "k2"}, 404
	p.ask(d)
	p.st.refuse(nil)
	before := len(p.st.told)
	if p.ask(d); len(p.st.told) != before {
		t.Error("a refused command was carried out under its key")
	}
}

// Commands that are bound to what a client has seen are not carried out when that is another by now, or cannot
// be told.
func TestConditions(t *testing.T) {
	p := withPrograms(t)
	config := p.with[accounts.ScopeConfig]
	w := p.ask(call{route: "GET /api/v1/configuration/text", token: config, status: 200})
	tag := w.Header().Get("ETag")
	put := func(status int, code, query string, header ...string) {
		t.Helper()
		p.ask(call{route: "PUT /api/v1/configuration", token: config, query: query, body: "[sip]", header: append(header, "Content-Type", "application/toml"), status: status, code: code})
	}
	put(202, "", "", "If-Match", tag)
	if got := p.setup.did; len(got) != 1 || got[0] != "text m [sip]" {
		t.Errorf("%q", got)
	}
	put(202, "", "mark=m", "If-Match", tag)
	put(412, "setup-changed", "mark=other", "If-Match", tag)
	put(412, "setup-changed", "", "If-Match", "m")
	put(412, "setup-changed", "", "If-Match", `W/"m"`)
	put(412, "setup-changed", "", "If-Match", "*")
	put(412, "no-conditions", "", "If-None-Match", "*")
	if len(p.setup.did) != 2 {
		t.Errorf("%q", p.setup.did)
	}
	p.ask(call{route: "POST /api/v1/hangup", token: p.with[accounts.ScopeCall], header: []string{"If-Match", tag}, status: 412, code: "no-conditions"})
	if len(p.st.told) != 0 {
		t.Errorf("%v", p.st.told)
	}
}

// Other sites' scripts get no answer that a browser would show them.
func TestPreflights(t *testing.T) {
	p := withPrograms(t)
	for path := range p.doc.Paths.Map() {
		path = strings.NewReplacer("{id}", "1", "{name}", "x").Replace(path)
		w := ask(p.Server, http.MethodOptions, path, nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization",
			"Authorization", "Bearer "+p.sans[accounts.ScopeReset])
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s: %s", path, name, w.Header().Get(name))
			}
		}
		if w.Code < 400 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// FuzzAPI sends whatever there is to all routes, with a token that may do everything: the door never fails,
// says no in its one form, and what is refused is not done.
func FuzzAPI(f *testing.F) {
	for i, seed := range []struct{ query, kind, body, header string }{
		{"", "application/json", `{"button":"bell"}`, "If-Match: x"},
		{"after=first&wait=0&kind=call.*", "", "", "Last-Event-ID: first"},
		{"dry=true", "text/csv", "name,digits\nx,1\n", "Idempotency-Key: 1"},
		{"format=csv&q=%ff", "application/toml", "[sip]", "Range: bytes=0-1"},
		{"lang=de%0d%0aX: y", "application/json; charset=x", `{"on":true,"on":false}`, "Accept-Language: \x00"},
	} {
		f.Add(uint16(i*7), "x", seed.query, seed.kind, seed.body, seed.header)
	}
	p := withPrograms(f)
	secret, err := p.book.NewToken("fuzz", "", "admin", accounts.Scopes()...)
	if err != nil {
		f.Fatal(err)
	}
	var routes []string
	for _, rt := range p.apiTable() {
		routes = append(routes, rt.pattern)
	}
	page := p.Handler()
	f.Fuzz(func(t *testing.T, n uint16, value, query, kind, body, header string) {
		p.opened = recent{}
		name, field, _ := strings.Cut(header, ": ")
		if strings.EqualFold(name, "Authorization") || strings.ContainsAny(name, " \r\n\x00:") || name == "" { // net/http refuses them
			name, field = "X", ""
		}
		method, path, _ := strings.Cut(routes[int(n)%len(routes)], " ")
		if strings.HasSuffix(path, "/stream") || strings.Contains(query, "wait") || strings.HasSuffix(path, "/support") {
			return
		}
		at, err := url.Parse(strings.NewReplacer("{id}", url.PathEscape(value), "{name}", url.PathEscape(value)).Replace(path))
		if err != nil {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
		r.URL, r.Host, r.RequestURI = at, "localhost", ""
		at.RawQuery = query
		r.Header[http.CanonicalHeaderKey(name)] = []string{field}
		r.Header.Set("Authorization", "Bearer "+secret)
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		told, did := len(p.st.told), p.done()
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", method, at, w.Code, w.Body)
		}
		if w.Code < 400 {
			return
		}
		var no api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &no); err != nil || no.Status != w.Code || no.Detail == "" || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d is no problem: %v %q", method, at, w.Code, err, w.Body)
		}
		if len(p.st.told) != told || p.done() != did {
			t.Errorf("%s %s %q: %d, and it was done: %v %s", method, at, body, w.Code, p.st.told[told:], fmt.Sprint(p.done()))
		}
	})
}
