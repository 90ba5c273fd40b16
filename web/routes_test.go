package web

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"intercomd/station"
)

const (
	asHTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" // what browsers say
	form   = "application/x-www-form-urlencoded"
)

// asked is who asks in these tests.
var asked = station.Principal{Via: station.ViaPage, From: "192.0.2.1"}

func TestReading(t *testing.T) {
	s := newServer(newStation(sample()), newPanel())
	for _, tc := range []struct {
		method, path, accept string
		status               int
		kind, says           string
	}{
		{"GET", "/", asHTML, 200, "text/html", "Registered as 1000 at pbx.example.lan."},
		{"GET", "/", "", 200, "text/html", "<!doctype html>"},
		{"GET", "/", "*/*", 200, "text/html", "<!doctype html>"},
		{"GET", "/", "application/json", 200, "application/json", `"state":"idle"`},
		{"GET", "/", "text/html;q=0.5, application/json", 200, "application/json", `"state":"idle"`},
		{"GET", "/", "application/*;q=0.4, text/*;q=0.5", 200, "text/html", "<!doctype html>"},
		{"GET", "/", "application/json;q=0, */*;q=0.1", 200, "text/html", "<!doctype html>"},
		{"GET", "/", "nonsense;;;q=x", 200, "text/html", "<!doctype html>"},
		{"GET", "/status.json", asHTML, 200, "application/json", `"name":"Front door"`},
		{"GET", "/healthz", "", 200, "text/plain", "ok"},
		{"GET", "/static/page.css", "", 200, "text/css", ":root"},
		{"GET", "/static/page.js", "", 200, "text/javascript", "EventSource"},
		{"GET", "/static/icon.svg", "", 200, "image/svg+xml", "<svg"},
		{"GET", "/static/../server.go", "", 404, "", ""},
		{"GET", "/static/nothing", "", 404, "", ""},
		{"GET", "/nothing", asHTML, 404, "", ""},
		{"POST", "/", asHTML, 405, "", ""},
		{"DELETE", "/status.json", "", 405, "", ""},
		{"GET", "/call/hangup", asHTML, 405, "", ""},
		{"GET", "/call/mute", asHTML, 405, "", ""},
		{"GET", "/panel/press", asHTML, 405, "", ""},
	} {
		w := ask(s, tc.method, tc.path, nil, "Accept", tc.accept)
		if tc.path == "/static/../server.go" && w.Code >= 300 && w.Code < 400 {
			continue // the mux leads to the cleaned path, which is the 404 below
		}
		if w.Code != tc.status {
			t.Errorf("%s %s: status %d, want %d", tc.method, tc.path, w.Code, tc.status)
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), tc.kind) {
			t.Errorf("%s %s (%s): type %q, want %q", tc.method, tc.path, tc.accept, w.Header().Get("Content-Type"), tc.kind)
		}
		if !strings.Contains(w.Body.String(), tc.says) {
			t.Errorf("%s %s: does not say %q", tc.method, tc.path, tc.says)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	s := newServer(newStation(sample()), newPanel())
	for _, w := range []http.Header{
		ask(s, "GET", "/", nil).Header(),
		ask(s, "GET", "/status.json", nil).Header(),
		ask(s, "GET", "/nothing", nil).Header(),
		ask(s, "GET", "/", nil, "Host", "evil.example").Header(),
		ask(s, "POST", "/call/hangup", nil, "Sec-Fetch-Site", "cross-site").Header(),
	} {
		csp := w.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'self'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("policy %q lacks %q", csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q allows inline code", csp)
		}
		if w.Get("X-Content-Type-Options") != "nosniff" || w.Get("Cache-Control") != "no-store" {
			t.Errorf("headers: %v", w)
		}
	}
}

func TestAssetsAreSentOnce(t *testing.T) {
	s := newServer(newStation(sample()), nil)
	first := ask(s, "GET", "/static/page.css", nil)
	again := ask(s, "GET", "/static/page.css", nil, "If-None-Match", first.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("second time: %d with %d bytes", again.Code, again.Body.Len())
	}
}

// A foreign page may make the browser resolve its name to this machine (DNS
// rebinding); the Host header gives it away.
func TestHosts(t *testing.T) {
	s := newServer(newStation(sample()), newPanel())
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "[::1]": 200, "192.168.1.20:8080": 421, "8.8.8.8": 421, "[2001:db8::1]": 421,
		"localhost": 200, "LocalHost:8080": 200, "localhost.:8080": 200,
		"door.example.lan": 200, "DOOR.example.lan:80": 200,
		"": 421, "evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421,
		"door.example.lan.evil.example": 421, "127.0.0.1.evil.example": 421, "evil.example\x00localhost": 421,
		"[[::1]]": 421, "[[::1]]:80": 421, "localhost:80evil": 421, "localhost:80:80": 421, "localhost:": 200,
	} {
		for _, path := range []string{"/", "/status.json", "/healthz", "/static/page.js"} {
			if w := ask(s, "GET", path, nil, "Host", host); w.Code != want {
				t.Errorf("Host %q asks for %s: %d, want %d", host, path, w.Code, want)
			}
		}
	}
}

// What is asked for is a path of ours: neither the server as a whole nor what another reader could take for the
// address of another page gets by the guard.
func TestOddTargets(t *testing.T) {
	p := withPeople(t)
	serving(t, p.Server)
	for line, want := range map[string]string{
		"OPTIONS * HTTP/1.1\r\nHost: evil.example": "421", "OPTIONS * HTTP/1.1\r\nHost: localhost": "404", "GET * HTTP/1.1\r\nHost: localhost": "404",
		"GET http:@evil.example/ HTTP/1.1\r\nHost: localhost": "404", "GET http:evil HTTP/1.1\r\nHost: localhost": "404", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost": "421",
		"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost": "421", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost": "404",
	} {
		c := dialed(t, p.Addr(), 1)[0]
		fmt.Fprintf(c, "%s\r\nConnection: close\r\n\r\n", line)
		got, err := io.ReadAll(c)
		if head, _, _ := strings.Cut(string(got), "\r\n\r\n"); err != nil || !strings.HasPrefix(head, "HTTP/1.1 "+want) || !strings.Contains(head, "Content-Security-Policy") || strings.Contains(head, "Location") {
			t.Errorf("%q: %v, %q, want %s", line, err, head, want)
		}
	}
}

// Whoever is turned away is told what the page does answer to, and nothing else.
func TestUnknownHostIsToldTheKnownOnes(t *testing.T) {
	for want, names := range map[string][]string{
		"This page answers to localhost and its own addresses only.":                                  nil,
		"This page answers to a.example.lan, door.example.lan, localhost and its own addresses only.": {"door.example.lan", "A.example.lan."},
	} {
		s := New(Config{Listen: "127.0.0.1:0", Names: names, Log: quiet()}, newStation(sample()), newPanel())
		if w := ask(s, "GET", "/", nil, "Host", "evil.example"); !strings.Contains(w.Body.String(), want) {
			t.Errorf("with the names %q it says:\n%s", names, w.Body)
		}
	}
}

func TestCrossSiteCommandsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header []string
		want   int
	}{
		{"a program", nil, 303},
		{"our page", []string{"Sec-Fetch-Site", "same-origin"}, 303},
		{"our page over plain HTTP", []string{"Origin", "http://127.0.0.1:8080"}, 303},
		{"typed by the user", []string{"Sec-Fetch-Site", "none"}, 303},
		{"a foreign page", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of the same site", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a foreign page over plain HTTP", []string{"Origin", "http://evil.example"}, 403},
		{"another port of this machine", []string{"Origin", "http://127.0.0.1:9999"}, 403},
		{"a page without origin", []string{"Origin", "null"}, 403},
		{"a foreign page in an old browser", []string{"Referer", "http://evil.example/127.0.0.1:8080/"}, 403},
		{"a page whose name begins as ours", []string{"Referer", "http://127.0.0.1:8080.evil.example/"}, 403},
		{"another port in an old browser", []string{"Referer", "http://127.0.0.1:80/"}, 403},
		{"our page in an old browser", []string{"Referer", "http://127.0.0.1:8080/history"}, 303},
		{"our page, of which it tells the origin", []string{"Referer", "http://127.0.0.1:8080"}, 303},
	} {
		for _, path := range []string{"/call/hangup", "/call/mute", "/selftest", "/panel/press", "/panel/set"} {
			st, panel := newStation(sample()), newPanel()
			w := ask(newServer(st, panel), "POST", path, strings.NewReader("input=bell&active=true&muted=true"),
				append(tc.header, "Content-Type", form, "Accept", asHTML)...)
			if w.Code != tc.want {
				t.Errorf("%s, %s: %d, want %d", path, tc.name, w.Code, tc.want)
			}
			if done := len(st.told) + len(panel.moves); (done > 0) != (tc.want == 303) {
				t.Errorf("%s, %s: %d commands were given", path, tc.name, done)
			}
		}
	}
}

func TestHangup(t *testing.T) {
	for _, tc := range []struct {
		err    error
		accept string
		want   int
		says   string
	}{
		{nil, asHTML, 303, ""},
		{nil, "application/json", 204, ""},
		{station.ErrNoCall, "application/json", 409, `"code":"hangup-no-call"`},
		{station.ErrNoCall, asHTML, 409, "Back to the page"},
		{station.ErrStopped, "application/json", 503, "the door has stopped"},
		{errors.New("x < y"), asHTML, 503, "x &lt; y"},
		{errors.New("odd"), "text/plain", 503, "odd"},
	} {
		st := newStation(sample())
		st.err = tc.err
		w := ask(newServer(st, nil), "POST", "/call/hangup", nil, "Accept", tc.accept)
		if w.Code != tc.want || !strings.Contains(w.Body.String(), tc.says) {
			t.Errorf("%v: %d %q, want %d %q", tc.err, w.Code, w.Body, tc.want, tc.says)
		}
		if len(st.told) != 1 || st.told[0].Kind != station.CommandHangup {
			t.Errorf("the station was told %v", st.told)
		}
	}
}

func TestMute(t *testing.T) {
	for _, tc := range []struct {
		body string
		err  error
		want int
		says string
	}{
		{"muted=true", nil, 204, ""},
		{"muted=false", nil, 204, ""},
		{"muted=perhaps", nil, 400, "true or false"},
		{"", nil, 400, "true or false"},
		{"muted=true", station.ErrNoCall, 409, "No call is in progress."},
		{"muted=true", station.ErrStopped, 503, "the door has stopped"},
	} {
		st := newStation(sample())
		st.err = tc.err
		w := ask(newServer(st, nil), "POST", "/call/mute", strings.NewReader(tc.body), "Content-Type", form, "Accept", "application/json")
		if w.Code != tc.want || !strings.Contains(w.Body.String(), tc.says) {
			t.Errorf("%q, %v: %d %q, want %d %q", tc.body, tc.err, w.Code, w.Body, tc.want, tc.says)
		}
		told := []station.Command{{Kind: station.CommandMute, Muted: tc.body == "muted=true", By: asked}}
		if tc.want == 400 {
			told = nil
		}
		if !slices.Equal(st.told, told) {
			t.Errorf("%q: the station was told %v", tc.body, st.told)
		}
	}
}

func TestSelfTestByPage(t *testing.T) {
	for _, tc := range []struct {
		body       string
		err        error
		want       int
		says       string
		commission bool
	}{
		{"", nil, 204, "", false},
		{"commission=true", nil, 204, "", true},
		{"commission=false", nil, 204, "", false},
		{"commission=perhaps", nil, 400, "true or false", false},
		{"", station.ErrNotIdle, 409, "a call or a test is in progress", false},
		{"", station.ErrStopped, 503, "the door has stopped", false},
	} {
		st := newStation(sample())
		st.err = tc.err
		w := ask(newServer(st, nil), "POST", "/selftest", strings.NewReader(tc.body), "Content-Type", form, "Accept", "application/json")
		if w.Code != tc.want || !strings.Contains(w.Body.String(), tc.says) {
			t.Errorf("%q, %v: %d %q, want %d %q", tc.body, tc.err, w.Code, w.Body, tc.want, tc.says)
		}
		if tc.want == 400 {
			if len(st.told) != 0 {
				t.Errorf("%q: the station was told %v", tc.body, st.told)
			}
			continue
		}
		if len(st.told) != 1 || st.told[0] != (station.Command{Kind: station.CommandTest, Commission: tc.commission, By: asked}) {
			t.Errorf("%q: the station was told %v", tc.body, st.told)
		}
	}
}

func TestPress(t *testing.T) {
	real := with(func(s *station.Snapshot) { s.Board.Simulated = false })
	for _, tc := range []struct {
		name string
		snap *station.Snapshot
		body string
		err  error
		want int
		hold time.Duration // 0: the button must not move
	}{
		{"a press", sample(), "input=bell&hold=150", nil, 204, 150 * time.Millisecond},
		{"without a time", sample(), "input=bell", nil, 204, 200 * time.Millisecond},
		{"the shortest", sample(), "input=bell&hold=30", nil, 204, 30 * time.Millisecond},
		{"the longest", sample(), "input=bell&hold=60000", nil, 204, time.Minute},
		{"too short", sample(), "input=bell&hold=29", nil, 400, 0},
		{"too long", sample(), "input=bell&hold=60001", nil, 400, 0},
		{"negative", sample(), "input=bell&hold=-5", nil, 400, 0},
		{"no number", sample(), "input=bell&hold=long", nil, 400, 0},
		{"overflow", sample(), "input=bell&hold=9223372036854775807", nil, 400, 0},
		{"unknown input", sample(), "input=back", nil, 404, 0},
		{"no input", sample(), "", nil, 404, 0},
		{"a real board", real, "input=bell", nil, 404, 0},
		{"before the first snapshot", nil, "input=bell", nil, 404, 0},
		{"not a form", sample(), "%zz", nil, 400, 0},
		{"a large body", sample(), "input=bell&x=" + strings.Repeat("x", maxBody), nil, 413, 0},
		{"a broken panel", sample(), "input=bell", errors.New("the board is closed"), 503, 200 * time.Millisecond},
	} {
		panel := newPanel()
		panel.err = tc.err
		w := ask(newServer(newStation(tc.snap), panel), "POST", "/panel/press", strings.NewReader(tc.body),
			"Content-Type", form, "Accept", "application/json")
		if w.Code != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, w.Code, tc.want)
		}
		if w.Code >= 400 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: the refusal is not JSON: %q", tc.name, w.Body)
		}
		var got move
		if len(panel.moves) > 0 {
			got = <-panel.moves
		}
		if got.hold != tc.hold {
			t.Errorf("%s: held for %v, want %v", tc.name, got.hold, tc.hold)
		}
	}
}

func TestContactsStay(t *testing.T) {
	for _, tc := range []struct {
		body string
		want int
		move move
	}{
		{"input=bell&active=true", 204, move{input: "bell", down: true}},
		{"input=bell&active=false", 204, move{input: "bell"}},
		{"input=bell", 400, move{}},
		{"input=bell&active=1", 400, move{}},
		{"input=leaf&active=true", 404, move{}},
	} {
		panel := newPanel()
		w := ask(newServer(newStation(sample()), panel), "POST", "/panel/set", strings.NewReader(tc.body),
			"Content-Type", form, "Accept", "application/json")
		var got move
		if len(panel.moves) > 0 {
			got = <-panel.moves
		}
		if w.Code != tc.want || got != tc.move {
			t.Errorf("%s: %d, %+v", tc.body, w.Code, got)
		}
	}
	panel := newPanel()
	panel.err = errors.New("too many changes")
	w := ask(newServer(newStation(sample()), panel), "POST", "/panel/set", strings.NewReader("input=bell&active=true"),
		"Content-Type", form, "Accept", "application/json")
	if w.Code != 503 || !strings.Contains(w.Body.String(), "could not be moved") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWithoutPanelNothingCanBePressed(t *testing.T) {
	s := newServer(newStation(sample()), nil)
	for _, path := range []string{"/panel/press", "/panel/hold", "/panel/set"} {
		if w := ask(s, "POST", path, strings.NewReader("input=bell"), "Content-Type", form); w.Code != 404 {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
	if body := ask(s, "GET", "/", nil).Body.String(); strings.Contains(body, "/panel/press") {
		t.Error("the page has a button to press")
	}
}

func TestHealth(t *testing.T) {
	stopped := with(func(s *station.Snapshot) { s.State = station.Stopped })
	for want, snap := range map[int]*station.Snapshot{200: sample(), 503: stopped} {
		if w := ask(newServer(newStation(snap), nil), "GET", "/healthz", nil); w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
	if w := ask(newServer(newStation(nil), nil), "GET", "/healthz", nil); w.Code != 503 {
		t.Errorf("before the first snapshot: %d", w.Code)
	}
}

func TestJSONIsTheSnapshot(t *testing.T) {
	want := sample()
	want.Call = &station.Record{ID: "abc", Direction: station.Outgoing, Peer: station.Peer{User: "1001"}}
	body := ask(newServer(newStation(want), nil), "GET", "/status.json", nil).Body.Bytes()
	var got station.Snapshot
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Seq != want.Seq || !got.Time.Equal(want.Time) || got.Call.Peer != want.Call.Peer ||
		got.Registration.Server != want.Registration.Server || got.Board.Inputs[0] != want.Board.Inputs[0] {
		t.Errorf("got %+v", got)
	}
}

func TestJSONOfAnEmptyOrOddSnapshot(t *testing.T) {
	odd := with(func(s *station.Snapshot) {
		// Every number that there is or will be.
		floats(reflect.ValueOf(&s.Gauges).Elem(), func(f reflect.Value) { f.SetFloat(math.NaN()) })
		s.Gauges.Mic = station.Level{Peak: math.Inf(-1), RMS: math.NaN()}
	})
	for _, snap := range []*station.Snapshot{nil, {}, odd} {
		w := ask(newServer(newStation(snap), nil), "GET", "/status.json", nil)
		var got struct {
			Calls  []any
			Faults []any
			Gauges station.Gauges
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != 200 || err != nil {
			t.Fatalf("%d %v: %s", w.Code, err, w.Body)
		}
		if got.Calls == nil || got.Faults == nil {
			t.Errorf("a list is null: %s", w.Body)
		}
		if snap == odd && got.Gauges.Mic.Peak != silence {
			t.Errorf("no signal is %v dBFS", got.Gauges.Mic.Peak)
		}
	}
	if !math.IsNaN(odd.Gauges.Mic.RMS) {
		t.Error("the shared snapshot was written to")
	}
}

// floats visits all floating-point fields below v.
func floats(v reflect.Value, visit func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		visit(v)
	case reflect.Struct:
		for i := range v.NumField() {
			floats(v.Field(i), visit)
		}
	}
}

type panicking struct{ *fakeStation }

func (panicking) Snapshot() *station.Snapshot { panic("a bug") }

func TestAPanicIsAnAnswer(t *testing.T) {
	if w := ask(newServer(panicking{newStation(nil)}, nil), "GET", "/", nil); w.Code != 500 {
		t.Errorf("%d, want 500", w.Code)
	}
}

func FuzzAccept(f *testing.F) {
	for _, s := range []string{asHTML, "application/json", "*/*;q=0.1,application/json;q=1.0", ";;,,/", "a/b;q=1e309"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if q := quality([]string{accept}, "application/json"); !(q >= 0 && q <= 1) {
			t.Errorf("weight %v", q)
		}
	})
}

// Who sends a body in chunks may have told somebody between us another length: nothing that comes behind it
// is a request. Parts of our small files are not sent.
func TestNothingHidesBehindAnAnswer(t *testing.T) {
	s := newServer(newStation(sample()), newPanel())
	r := httptest.NewRequest(http.MethodPost, "/call/mute", strings.NewReader("muted=true"))
	r.Host, r.TransferEncoding = "localhost", []string{"chunked"}
	r.Header.Set("Content-Type", form)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Header().Get("Connection") != "close" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := ask(s, "POST", "/call/mute", strings.NewReader("muted=true"), "Content-Type", form); w.Header().Get("Connection") != "" {
		t.Error("closed for nothing")
	}
	whole := ask(s, "GET", "/static/page.css", nil).Body.Len()
	if w := ask(s, "GET", "/static/page.css", nil, "Range", "bytes=0-9,"+strings.Repeat("5-5,", 1000)+"1-2"); w.Code != http.StatusOK || w.Body.Len() != whole {
		t.Errorf("%d, %d bytes of %d", w.Code, w.Body.Len(), whole)
	}
}

// firstLoad is what a browser with an empty cache downloads for a page: itself, and what it names.
func firstLoad(t *testing.T, p *people, session, path string, status int) (total int) {
	t.Helper()
	load := func(path string, status int) []byte {
		w := p.as(session, "GET", path, "", "Accept", asHTML, "Accept-Encoding", "br, gzip;q=0.8", "Accept-Language", "de")
		if w.Code != status || w.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		total += w.Body.Len()
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(path, err)
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(path, err)
		}
		if plain := p.as(session, "GET", path, "", "Accept", asHTML, "Accept-Encoding", "gzip;q=0"); plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: packed for who does not want that", path)
		}
		return body
	}
	d, named := parse(t, load(path, status)), 0
	for _, n := range d.nodes {
		if at := cmp.Or(attr(n, "src"), attr(n, "href")); (n.Data == "link" || n.Data == "script" || n.Data == "img") && at != "" {
			load(at, http.StatusOK)
			named++
		}
	}
	if named == 0 {
		t.Errorf("%s names nothing to load", path)
	}
	return total
}

// A first visit costs a telephone little, however much the door has to tell.
func TestFirstLoadIsSmall(t *testing.T) {
	p := everything(t)
	snap := with(func(s *station.Snapshot) {
		*s = *full(station.Talking, station.RegRegistered)
		for i := range 10 {
			r := s.Calls[0]
			r.Peer = station.Peer{URI: fmt.Sprintf("sip:%d@example.lan", i), User: strconv.Itoa(i), Name: fmt.Sprintf("Flat %d", i)}
			s.Calls = append(s.Calls, r)
		}
	})
	p.st.publish(snap)
	for _, v := range []struct {
		name, session, path string
		status              int
	}{
		{"status", p.session["admin"], "/", http.StatusOK}, {"signing in", "", "/login", http.StatusOK}, {"status, not signed in", "", "/", http.StatusUnauthorized},
	} {
		n := firstLoad(t, p, v.session, v.path, v.status)
		if n > 20_000 {
			t.Errorf("%s: %d bytes", v.name, n)
		}
		t.Logf("%s: %d bytes", v.name, n)
	}
}
