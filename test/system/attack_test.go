package system

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"intercomd/test/lab"
)

// attacked is a door whose page is open to the network, with a password and somebody who has signed in.
type attacked struct {
	t       *testing.T
	s       *shared
	d       *lab.Door
	port    string
	site    string // https://…
	client  *http.Client
	session string // the cookie of an admin
}

const adminPassword = "correct horse battery"

func attack(t *testing.T, change ...func(*lab.DoorConfig)) *attacked {
	t.Helper()
	s := need(t)
	c := doorConfig(t, s, map[string]string{"web.password": strconv.Quote(adminPassword), "call.target": `"1001"`, "incoming.answer": `"button"`})
	c.Keys["web.listen"] = fmt.Sprintf(`"0.0.0.0:%d"`, c.Port)
	c.Card = nil
	for _, f := range change {
		f(&c)
	}
	a := &attacked{t: t, s: s, d: startDoor(t, c), port: strconv.Itoa(c.Port)}
	if err := a.d.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	a.site = "https://" + net.JoinHostPort(lab.Address, a.port)
	a.client = &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(a.client.CloseIdleConnections)
	got := a.ask("POST", "/login", "name=admin&password="+url.QueryEscape(adminPassword), "Cookie", "", "Origin", a.site)
	a.session, _, _ = strings.Cut(got.header.Get("Set-Cookie"), ";")
	if got.status != http.StatusSeeOther || !strings.HasPrefix(a.session, "__Host-intercomd=") {
		t.Fatalf("signing in: %d %q", got.status, got.header)
	}
	for _, want := range []string{"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(got.header.Get("Set-Cookie"), want) {
			t.Errorf("the cookie has no %s: %s", want, got.header.Get("Set-Cookie"))
		}
	}
	return a
}

// command is ask for commands: it waits where they come faster than anybody may give them, which is not what is
// tried.
func (a *attacked) command(method, path, body string, header ...string) answer {
	a.t.Helper()
	for {
		got := a.ask(method, path, body, header...)
		if got.status != http.StatusTooManyRequests {
			return got
		}
		time.Sleep(100 * time.Millisecond)
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// ask asks over TLS with the session; a header that is given replaces those that it has, an empty one leaves it out.
func (a *attacked) ask(method, path, body string, header ...string) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.site+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Cookie", a.session)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	res, err := a.client.Do(req)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	got, _ := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(got)}
}

// raw sends bytes as they are and returns the answers that come to them, over TLS to the address of the
// network or as they are to this machine.
func (a *attacked) raw(secure bool, text string) []answer {
	a.t.Helper()
	return a.rawFor(8*time.Second, secure, text)
}

// rawFor is raw for what may not be answered at all.
func (a *attacked) rawFor(patience time.Duration, secure bool, text string) (out []answer) {
	a.t.Helper()
	addr := net.JoinHostPort("127.0.0.1", a.port)
	if secure {
		addr = net.JoinHostPort(lab.Address, a.port)
	}
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	go func() { _, _ = io.WriteString(conn, text) }() // who is refused early does not read it all
	in := bufio.NewReader(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if len(out) > 0 { // another one would be there
			_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return out
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
		out = append(out, answer{res.StatusCode, res.Header, string(body)})
	}
}

func (a *attacked) status() lab.Status {
	a.t.Helper()
	st, err := a.d.Status(within(a.t, 10*time.Second))
	if err != nil {
		a.t.Fatal(err)
	}
	return st
}

// Whatever is done to the page, over TLS from the network and on this machine: it refuses, tells nothing to who
// has not signed in, and the door calls as before.
func TestAttacks(t *testing.T) {
	a := attack(t)
	before, err := lab.UsageOf(a.d.Pid)
	if err != nil {
		t.Fatal(err)
	}
	gone := a.slowClients() // all else is tried while they are there
	for _, part := range []struct {
		name string
		try  func(*attacked)
	}{
		{"rebinding", (*attacked).rebinding},
		{"other sites", (*attacked).otherSites},
		{"smuggling", (*attacked).smuggling},
		{"protocols", (*attacked).protocols},
		{"paths", (*attacked).paths},
		{"bodies", (*attacked).bodies},
		{"ranges and methods", (*attacked).rangesAndMethods},
		{"trials at once", (*attacked).trials},
		{"lists", (*attacked).lists},
		{"hostile calls", (*attacked).hostileCalls},
		{"brute force", (*attacked).bruteForce},
	} {
		t.Run(part.name, func(t *testing.T) {
			outer := a.t
			a.t = t
			defer func() { a.t = outer }()
			begin := time.Now()
			part.try(a)
			if log := strings.Join(a.d.Output(), "\n"); strings.Contains(log, "a request failed") {
				t.Error("a handler panicked")
			}
			t.Logf("%v", time.Since(begin).Round(time.Millisecond))
		})
	}
	gone()
	pressed, err := a.d.Press(within(t, 10*time.Second), "bell")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.s.kam.Wait(within(t, 10*time.Second), pressed, func(m lab.Message) bool { return m.Method == "INVITE" && m.Status == 0 && m.From == "1000" }); err != nil {
		t.Error("afterwards a press does not call: ", err)
	}
	after, err := lab.UsageOf(a.d.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if after.RSS > before.RSS+80<<10 {
		t.Errorf("%d kB of memory, %d before", after.RSS, before.RSS)
	}
	if f := a.status().Faults; len(f) > 0 {
		t.Errorf("faults %v", f)
	}
}

// A name that leads a browser here is refused unless it is the door's own (DNS rebinding).
func (a *attacked) rebinding() {
	own := net.JoinHostPort(lab.Address, a.port)
	for _, host := range []string{
		"evil.example", "evil.example:" + a.port, "8.8.8.8", "10.77.0.1.nip.io", "127.0.0.1.nip.io", "localhost.evil.example", "evil.localhost", "0x7f.1", "0177.0.0.1", "2130706433", "127.1",
		"[::ffff:8.8.8.8]", "0.0.0.0", "localhost@evil.example", "evil.example#localhost", "", " ", "loc\u0430lhost", "localhost,evil.example",
	} {
		for _, secure := range []bool{true, false} {
			for _, line := range []string{"GET /login HTTP/1.1", "GET / HTTP/1.1", "GET /healthz HTTP/1.1", "GET /api/v1 HTTP/1.1"} {
				got := a.raw(secure, line+"\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
				if len(got) != 1 || got[0].status != http.StatusMisdirectedRequest && got[0].status != http.StatusBadRequest {
					a.t.Errorf("Host %q, %s, TLS %v: %+v", host, line, secure, got)
				}
			}
		}
	}
	for what, text := range map[string]string{
		"two hosts":                "GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
		"no host":                  "GET /login HTTP/1.1\r\nConnection: close\r\n\r\n",
		"HTTP/1.0":                 "GET /login HTTP/1.0\r\n\r\n",
		"another one in the line":  "GET http://evil.example/login HTTP/1.1\r\nHost: " + own + "\r\nConnection: close\r\n\r\n",
		"another address, of ours": "GET /login HTTP/1.1\r\nHost: 127.0.0.1:" + a.port + "\r\nConnection: close\r\n\r\n",
		"X-Forwarded-Host":         "GET /login HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: " + own + "\r\nConnection: close\r\n\r\n",
	} {
		got := a.raw(true, text)
		if len(got) != 1 || got[0].status != http.StatusMisdirectedRequest && got[0].status != http.StatusBadRequest {
			a.t.Errorf("%s: %+v", what, got)
		}
	}
	if got := a.ask("GET", "/status.json", "", "X-Forwarded-Host", "evil.example", "X-Original-URL", "/access", "X-Rewrite-URL", "/access"); got.status != http.StatusOK || strings.Contains(got.body, "evil.example") {
		a.t.Errorf("our own name with odd headers: %d", got.status)
	}
}

// Another site's page that has the browser of an admin ask: of another name, port, or scheme.
func (a *attacked) otherSites() {
	command := func(header ...string) int { return a.command("POST", "/locate", "seconds=1", header...).status }
	for _, origin := range []string{
		"https://evil.example", "http://" + lab.Address + ":" + a.port, "https://" + lab.Address, "https://" + lab.Address + ":9", "https://" + lab.Address + ":" + a.port + ".evil.example",
		"null", "https://localhost:" + a.port, "https://user@" + lab.Address + ":" + a.port, "file://", "HTTPS://EVIL.EXAMPLE", a.site + "/",
	} {
		if got := command("Origin", origin); got != http.StatusForbidden {
			a.t.Errorf("Origin %q: %d", origin, got)
		}
	}
	for _, site := range []string{"cross-site", "same-site"} {
		if got := command("Sec-Fetch-Site", site); got != http.StatusForbidden {
			a.t.Errorf("Sec-Fetch-Site %q: %d", site, got)
		}
		for _, mode := range [][]string{{"no-cors", "image"}, {"cors", "empty"}, {"navigate", "iframe"}, {"websocket", "websocket"}} {
			if got := a.ask("GET", "/status.json", "", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode[0], "Sec-Fetch-Dest", mode[1]).status; got != http.StatusForbidden {
				a.t.Errorf("read by another site, %v: %d", mode, got)
			}
		}
	}
	for _, kind := range []string{"text/plain", "multipart/form-data; boundary=x", "application/json"} {
		if got := command("Origin", "https://evil.example", "Content-Type", kind); got != http.StatusForbidden {
			a.t.Errorf("as %s: %d", kind, got)
		}
	}
	pre := a.ask("OPTIONS", "/api/v1/press", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	if pre.header.Get("Access-Control-Allow-Origin") != "" || pre.status < 400 {
		a.t.Errorf("asked beforehand: %d %v", pre.status, pre.header)
	}
	if got := command("Origin", a.site, "Sec-Fetch-Site", "same-origin"); got >= 400 {
		a.t.Errorf("our own page: %d", got)
	}
	if got := command("Origin", a.site, "Cookie", "intercomd="+strings.TrimPrefix(a.session, "__Host-intercomd=")); got != http.StatusUnauthorized {
		a.t.Errorf("a cookie that another host could have set: %d", got)
	}
}

// What two readers of one stream could take for different requests is refused, or is one request.
func (a *attacked) smuggling() {
	hidden := "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	post := "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for what, text := range map[string]string{
		"both lengths":          post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"length twice":          post + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + hidden,
		"length list":           post + "Content-Length: 0, 5\r\n\r\n" + hidden,
		"length with a sign":    post + "Content-Length: +0\r\n\r\n" + hidden,
		"length in hex":         post + "Content-Length: 0x0\r\n\r\n" + hidden,
		"unknown coding":        post + "Transfer-Encoding: xchunked\r\n\r\n" + hidden,
		"two codings":           post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
		"coding twice":          post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"tab before chunked":    post + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
		"space before colon":    post + "Content-Length : 0\r\n\r\n" + hidden,
		"folded":                post + "X: y\r\n Content-Length: 5\r\nContent-Length: x\r\n\r\n" + hidden,
		"chunk beyond numbers":  post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden,
		"chunk of minus":        post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden,
		"chunk without an end":  post + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + hidden,
		"bare CR in a header":   post + "X: a\rContent-Length: 0\r\n\r\n" + hidden,
		"NUL in a header":       post + "X: a\x00b\r\n\r\n" + hidden,
		"line break in a path":  "GET /login\nX: y HTTP/1.1\r\nHost: localhost\r\n\r\n" + hidden,
		"no version":            "GET /login\r\n\r\n" + hidden,
		"upgrade to h2c":        "GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 999999\r\n\r\n" + hidden,
		"body of a GET":         "GET /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + strconv.Itoa(len(hidden)) + "\r\n\r\n" + hidden,
		"expectation, then not": post + "Expect: 100-continue\r\nContent-Length: " + strconv.Itoa(len(hidden)) + "\r\n\r\n" + hidden,
	} {
		for _, secure := range []bool{true, false} {
			text := text
			if secure {
				text = strings.ReplaceAll(text, "Host: localhost", "Host: "+lab.Address+":"+a.port)
			}
			for i, got := range a.rawFor(time.Second, secure, text) {
				if i > 0 && got.status != http.StatusBadRequest || strings.Contains(got.body, `"openapi"`) {
					a.t.Errorf("%s, TLS %v: answer %d is %d %.100q", what, secure, i, got.status, got.body)
				}
			}
		}
	}
	many := "GET /login HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-A: b\r\n", 20_000) + "\r\n"
	long := "GET /" + strings.Repeat("a", 200_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for what, text := range map[string]string{"headers": many, "path": long} {
		if got := a.raw(false, text); len(got) > 1 || len(got) == 1 && (got[0].status < 400 || got[0].status >= 500) {
			a.t.Errorf("too large %s: %+v", what, got)
		}
	}
}

// Other protocols on the port: what is not spoken is not answered.
func (a *attacked) protocols() {
	addr := net.JoinHostPort(lab.Address, a.port)
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		a.t.Fatal(err)
	}
	if p := conn.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		a.t.Errorf("%q is spoken: its resets are not tried here", p)
	}
	_ = conn.Close()
	if conn, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		_ = conn.Close()
		a.t.Error("TLS 1.1 is spoken")
	}
	// HTTP/2 without having been agreed on, with streams that are reset.
	h2 := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" + strings.Repeat("\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08", 1000)
	for _, secure := range []bool{true, false} {
		for i, got := range a.rawFor(time.Second, secure, h2) {
			if got.status < 400 {
				a.t.Errorf("HTTP/2, answer %d: %d", i, got.status)
			}
		}
		host := map[bool]string{true: addr, false: "localhost"}[secure]
		for _, path := range []string{"/", "/events", "/live", "/api/v1/events/stream"} {
			got := a.raw(secure, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: https://evil.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			if len(got) == 0 || got[0].status == http.StatusSwitchingProtocols || got[0].status < 400 {
				a.t.Errorf("WebSocket, %s: %+v", path, got)
			}
		}
	}
	for _, junk := range []string{"\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x05hello", "\x00\x00\x00", "SSH-2.0-x\r\n", "\x80\x2e\x01\x00\x02", "INVITE sip:x SIP/2.0\r\n\r\n", "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		for _, got := range a.rawFor(500*time.Millisecond, false, junk) {
			if got.status < 400 {
				a.t.Errorf("%q: %d", junk, got.status)
			}
		}
	}
	if got := a.raw(false, "GET /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); len(got) != 1 || got[0].status != http.StatusUnauthorized {
		a.t.Errorf("this machine, without a password: %+v", got)
	}
}

// Paths that lead out of what is served, or elsewhere.
func (a *attacked) paths() {
	host := net.JoinHostPort(lab.Address, a.port)
	for _, path := range []string{
		"/static/../../etc/passwd", "/static/..%2f..%2fetc%2fpasswd", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/..\\..\\etc\\passwd", "/static//etc/passwd", "/static/", "/static", "/static/page.css%00.js",
		"/static/page.css/", "/..;/config", "/login/..%2fconfig", "//config", "/./config", "/config/../config", "/%63onfig", "/config%20", "/config;x=y", "/CONFIG", "/config/versions/..%2f..%2fstate", "/config/versions/-1",
		"/config/versions/99999999999999999999", "/calls/..%2f..%2fetc/trace", "/calls/%00/trace", "/api/v1/../../config", "/api//v1/status", "*", "/\xff\xfe", "/%ff%fe", "/%", "/%zz", "/.git/config", "/intercom.toml", "/state/page/console",
	} {
		for _, got := range a.raw(true, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n") {
			at := got.header.Get("Location")
			switch {
			case strings.Contains(got.body, "root:") || strings.Contains(got.body, lab.Password("1000")):
				a.t.Errorf("%q: %q", path, got.body)
			case got.status == http.StatusOK:
				a.t.Errorf("%q is served to nobody", path)
			case at != "" && !ours(at):
				a.t.Errorf("%q leads to %q", path, at)
			}
		}
	}
	for _, path := range []string{"//evil.example", "//evil.example/..", "/\\evil.example", "/.//evil.example", "/%2f%2fevil.example", "/x/..//evil.example", "///evil.example/%2e%2e", "http://evil.example/", "/%0d%0aX-Evil:%201", "/./%5cevil.example/../.."} {
		for _, method := range []string{"GET", "POST"} {
			for _, got := range a.raw(true, method+" "+path+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") {
				if at := got.header.Get("Location"); at != "" && !ours(at) || got.header.Get("X-Evil") != "" {
					a.t.Errorf("%s %q leads to %q", method, path, at)
				}
			}
		}
		got := a.command("POST", "/login", url.Values{"name": {"admin"}, "password": {adminPassword}, "next": {path}}.Encode(), "Cookie", "", "Origin", a.site)
		if at := got.header.Get("Location"); got.status != http.StatusSeeOther || !ours(at) {
			a.t.Errorf("signed in, and on to %q: %d %q", path, got.status, at)
		}
	}
}

// ours says whether a browser stays at the page that leads it there.
func ours(location string) bool {
	u, err := url.Parse(location)
	return err == nil && u.Host == "" && u.Scheme == "" && strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//") && !strings.ContainsAny(location, "\\\r\n\t")
}

// Bodies that are too large, too deep, or not what they say.
func (a *attacked) bodies() {
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	list := strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000)
	for what, tc := range map[string]struct{ method, path, kind, body string }{
		"deep JSON":              {"POST", "/api/v1/press", "application/json", deep[:4000]},
		"deep JSON, large":       {"POST", "/api/v1/press", "application/json", deep},
		"a list in JSON":         {"POST", "/api/v1/dial", "application/json", list},
		"JSON of many keys":      {"POST", "/api/v1/dial", "application/json", "{" + strings.Repeat(`"a":1,`, 100_000) + `"b":1}`},
		"a deep configuration":   {"PUT", "/config", "application/toml", "a = " + list[:900_000]},
		"deep tables":            {"PUT", "/config", "application/toml", "a = " + strings.Repeat("{a=", 200_000)},
		"deep names":             {"PUT", "/config", "application/toml", strings.Repeat("a.", 200_000) + "a = 1"},
		"many sections":          {"PUT", "/config", "application/toml", strings.Repeat("[[a]]\n", 150_000)},
		"a large configuration":  {"PUT", "/config", "application/toml", strings.Repeat("# x\n", 1<<20)},
		"a configuration of NUL": {"PUT", "/config", "application/toml", strings.Repeat("\x00", 100_000)},
		"a long form":            {"POST", "/locate", "application/x-www-form-urlencoded", strings.Repeat("a=b&", 100_000)},
		"a form that is none":    {"POST", "/locate", "application/x-www-form-urlencoded", "%zz=%zz;;"},
		"a list without an end":  {"POST", "/people/import", "text/csv", "name,digits\n\"" + strings.Repeat("x", 300_000)},
		"a list of blanks":       {"POST", "/people/import", "text/csv", strings.Repeat("\n", 300_000)},
		"a certificate":          {"POST", "/access/certificate", "application/x-www-form-urlencoded", "certificate=" + strings.Repeat("A", 900_000)},
	} {
		begin := time.Now()
		got := a.command(tc.method, tc.path, tc.body, "Content-Type", tc.kind, "Origin", a.site)
		if got.status < 400 || got.status >= 500 {
			a.t.Errorf("%s: %d %.200q", what, got.status, got.body)
		}
		if took := time.Since(begin); took > 10*time.Second {
			a.t.Errorf("%s takes %v", what, took)
		}
	}
}

// Parts of files in great number, and commands that hide behind other methods.
func (a *attacked) rangesAndMethods() {
	size := len(a.ask("GET", "/static/page.css", "", "Accept-Encoding", "identity").body)
	for _, ranges := range []string{"bytes=0-" + strings.Repeat(",0-", 1200), "bytes=" + strings.Repeat("5-5,", 2000) + "6-6", "bytes=-1,99999999-", "bytes=0-18446744073709551616", "lines=1-2"} {
		for _, path := range []string{"/static/page.css", "/history?format=csv", "/"} {
			if got := a.ask("GET", path, "", "Range", ranges, "Accept-Encoding", "identity"); len(got.body) > 4*size+4096 || got.status >= 500 {
				a.t.Errorf("%s, Range of %d bytes: %d, %d bytes", path, len(ranges), got.status, len(got.body))
			}
		}
	}
	for _, head := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		if got := a.ask("GET", "/locate", "", head, "POST", "Origin", a.site); got.status != http.StatusMethodNotAllowed {
			a.t.Errorf("%s: %d", head, got.status)
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "post"} {
		path := "/door/open?_method=POST"
		if method == "CONNECT" {
			continue // Go's client takes its path for a host; tried raw
		}
		if got := a.ask(method, path, "", "Origin", a.site); got.status < 400 || strings.Contains(got.body, a.session) {
			a.t.Errorf("%s %s: %d %q", method, path, got.status, got.body)
		}
	}
}

// Changes of the configuration that come at the same time: one is tried, and the door has one configuration.
func (a *attacked) trials() {
	file, err := os.ReadFile(a.d.File)
	if err != nil {
		a.t.Fatal(err)
	}
	var running sync.WaitGroup
	codes := make([]int, 12)
	for i := range codes {
		running.Go(func() {
			text := strings.Replace(string(file), "\n[call]\n", fmt.Sprintf("\n[call]\nring_time = \"%ds\"\n", 30+i), 1)
			codes[i] = a.command("PUT", "/config", text, "Content-Type", "application/toml", "Origin", a.site).status
		})
	}
	running.Wait()
	taken := 0
	for _, c := range codes {
		if c < 400 {
			taken++
		} else if c != http.StatusConflict {
			a.t.Errorf("a trial beside another: %d", c)
		}
	}
	if taken != 1 {
		a.t.Errorf("%d trials at once: %v", taken, codes)
	}
	if got := a.command("POST", "/config/back", "x=", "Origin", a.site); got.status >= 400 {
		a.t.Errorf("back: %d %q", got.status, got.body)
	}
	waitFor(a.t, a.d, 20*time.Second, "back", func(st standing) bool { return st.Trial == nil && st.InForce.ID == 0 })
	if err := a.d.Registered(within(a.t, 20*time.Second)); err != nil {
		a.t.Error(err)
	}
}

// A list of people with formulas, HTML and text that turns around: names are names, and what can be written is text for
// a spreadsheet.
func (a *attacked) lists() {
	send := func(list string) answer {
		return a.command("POST", "/people/import", list, "Content-Type", "text/csv", "Origin", a.site)
	}
	for i, n := range []string{"=HYPERLINK(\"\"http://evil.example\"\")", "+1", "@SUM(1)", "|calc", "<script>alert(1)</script>", "＝1", "\u202egpj.exe", "a\x1b[2Jb", "x" + strings.Repeat("y", 9000), "two\nlines"} {
		got := send(fmt.Sprintf("name,digits\n\"%s\",%d\n", n, 481600+i))
		if got.status < 400 || got.status >= 500 {
			a.t.Errorf("%q: %d %q", n, got.status, got.body)
		}
		a.tame(n, got)
	}
	if got := send("name,digits,users\n-2x,481516,'+4930123 1001\n"); got.status >= 400 {
		a.t.Errorf("a list: %d %q", got.status, got.body)
	}
	page, csv := a.ask("GET", "/people", "").body, a.ask("GET", "/people.csv", "").body
	if !strings.Contains(csv, "\n'-2x,,'+4930123 1001,") {
		a.t.Errorf("a spreadsheet would run it, or it is not there: %q", csv)
	}
	if strings.Contains(page+csv, "4815") {
		a.t.Error("the list of people has a code")
	}
	a.tame("/people", answer{body: page})
}

// hostile is what a far end says of itself.
var hostile = []string{
	`<script>alert(1)</script><img src=x onerror=alert(1)>`, "\u202egpj.exe \u2066x", "\x1b]0;owned\x07\x1b[2J", "\u0085\u009b31m", "a\x00b\x7fc", strings.Repeat("W", 3_000), "=HYPERLINK(1)", "' onmouseover='alert(1)", "{{.}}`$(id)`%s%n", "\xff\xfe",
}

// Calls and texts whose names, reasons and programs are hostile: no page, log, list or interface passes on what steers
// a terminal or runs, nor is any of it as long.
func (a *attacked) hostileCalls() {
	c := dialSIP(a.t, a.s, "1001")
	if m := c.ask("REGISTER", "sip:"+lab.Domain, "<sip:1001@"+lab.Domain+">", "Expires: 600\r\n", ""); !strings.Contains(m.line, " 200 ") {
		a.t.Fatal(m.line)
	}
	door := "sip:1000@" + lab.Domain
	for _, h := range hostile {
		name := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x00", "").Replace(h)
		from := `"` + name + `" <sip:1001@` + lab.Domain + ">"
		c.ask("MESSAGE", door, from, "Content-Type: text/plain\r\nUser-Agent: "+name+"\r\n", strings.Repeat(h, 3))
		c.ask("INVITE", door, from, "User-Agent: "+name+"\r\nSubject: "+name+"\r\nContent-Type: application/sdp\r\n", "v=0\r\ns="+h+"\r\n")
		c.ask("OPTIONS", door, from, "User-Agent: "+name+"\r\n", "")
	}
	for _, h := range hostile[:4] {
		pressed, err := a.d.Press(within(a.t, 10*time.Second), "bell")
		if err != nil {
			a.t.Fatal(err)
		}
		reason := strings.NewReplacer("\x00", "", "\r", "", "\n", "").Replace(h)
		c.refuse(reason, "Server: "+reason+"\r\nWarning: 399 x \""+reason+"\"\r\nReason: Q.850;cause=17;text=\""+reason+"\"\r\n")
		if _, err := a.d.Over(within(a.t, 20*time.Second), pressed); err != nil {
			a.t.Error(err)
		}
	}
	st := a.status()
	if len(st.Calls) == 0 {
		a.t.Fatal("no call came: nothing was tried")
	}
	hostileName := false
	for _, r := range st.Calls {
		hostileName = hostileName || strings.Contains(r.Ending.Reason, "alert(1)") || strings.Contains(r.Ending.Reason, "owned")
	}
	if !hostileName {
		a.t.Errorf("no hostile reason arrived: nothing was tried: %+v", st.Calls)
	}
	paths := []string{"/", "/status.json", "/history", "/history?format=csv", "/history?format=json", "/history/events", "/history/events?format=csv", "/history/events?format=json", "/log", "/device", "/service", "/api/v1/status", "/api/v1/calls", "/api/v1/events", "/metrics"}
	for _, r := range st.Calls {
		paths = append(paths, "/calls/"+url.PathEscape(r.ID)+"/trace", "/api/v1/calls/"+url.PathEscape(r.ID))
	}
	for _, path := range paths {
		accept := "text/html"
		if strings.Contains(path, "json") || strings.Contains(path, "/api/") {
			accept = "application/json"
		}
		got := a.ask("GET", path, "", "Accept", accept)
		if got.status >= 500 {
			a.t.Errorf("%s: %d", path, got.status)
		}
		a.tame(path, got)
	}
	for i, line := range a.d.Output() {
		if bad := steering(line); bad != "" {
			a.t.Errorf("line %d of the log has %s: %.200q", i, bad, line)
		}
		if len(line) > 4000 {
			a.t.Errorf("line %d of the log has %d bytes: %.200q", i, len(line), line)
		}
	}
	if audit, err := os.ReadFile(filepath.Join(a.d.Config.Dir, "state", "audit.log")); err == nil {
		if bad := steering(strings.ReplaceAll(string(audit), "\n", "")); bad != "" {
			a.t.Errorf("audit.log has %s", bad)
		}
	}
}

// tame holds that an answer runs nothing, and that nothing in it steers what shows it.
func (a *attacked) tame(path string, got answer) {
	a.t.Helper()
	if bad := steering(got.body); bad != "" {
		a.t.Errorf("%s has %s", path, bad)
	}
	kind := got.header.Get("Content-Type")
	if !strings.HasPrefix(kind, "application/json") && (strings.Contains(got.body, "<img src=x") || strings.Contains(got.body, "<script>alert")) && !strings.HasPrefix(kind, "text/csv") {
		a.t.Errorf("%s runs what a caller says", path)
	}
	if long := strings.Repeat("W", 1000); strings.Contains(got.body, long) && !strings.HasSuffix(path, "/trace") { // which tells what was on the wire
		a.t.Errorf("%s passes on a name of thousands", path)
	}
	if strings.HasPrefix(kind, "application/json") {
		d := json.NewDecoder(strings.NewReader(got.body))
		for {
			tok, err := d.Token()
			if err != nil {
				if err != io.EOF {
					a.t.Errorf("%s is no JSON: %v", path, err)
				}
				break
			}
			if s, ok := tok.(string); ok {
				if bad := steering(s); bad != "" {
					a.t.Errorf("%s, decoded, has %s: %.100q", path, bad, s)
				}
			}
		}
	}
}

// steering names what in a text steers a terminal or turns text around, "" for nothing.
func steering(s string) string {
	for _, r := range s {
		if r != '\n' && r != '\t' && r != '\r' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

// slowClients begin to ask and never end: others are served meanwhile. What it returns holds that their places are
// free again.
func (a *attacked) slowClients() (gone func()) {
	var conns []net.Conn
	host := net.JoinHostPort(lab.Address, a.port)
	for i := range 300 {
		at := host
		if i%2 == 0 {
			at = net.JoinHostPort("127.0.0.1", a.port)
		}
		conn, err := net.DialTimeout("tcp", at, 5*time.Second)
		if err != nil {
			a.t.Fatal(err)
		}
		conns = append(conns, conn)
		_, _ = io.WriteString(conn, []string{"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "\x16\x03\x01\x02\x00", "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\nn"}[i%3])
	}
	begin := time.Now()
	for range 5 {
		a.status()
		if got := a.ask("GET", "/status.json", ""); got.status != http.StatusOK {
			a.t.Errorf("another client: %d", got.status)
		}
		for _, c := range conns { // a byte now and then
			_, _ = c.Write([]byte("a"))
		}
		time.Sleep(50 * time.Millisecond)
	}
	return func() {
		for i, c := range conns {
			_ = c.SetReadDeadline(begin.Add(40 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil && os.IsTimeout(err) {
				a.t.Errorf("client %d still has its place after 40 s", i)
			}
			_ = c.Close()
		}
	}
}

// Passwords and tokens that are guessed.
func (a *attacked) bruteForce() {
	guess := func(i int, password string) answer {
		return a.ask("POST", "/login", url.Values{"name": {"admin"}, "password": {password}}.Encode(), "Cookie", "", "Origin", a.site,
			"X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i), "X-Real-Ip", fmt.Sprintf("192.0.2.%d", i), "Forwarded", fmt.Sprintf("for=192.0.2.%d", i))
	}
	var codes []int
	for i := range 9 {
		got := guess(i, fmt.Sprintf("wrong %d", i))
		if codes = append(codes, got.status); got.status < 400 || got.header.Get("Set-Cookie") != "" {
			a.t.Fatalf("guess %d: %d %v", i, got.status, got.header)
		}
		time.Sleep(210 * time.Millisecond) // the pace of commands is another matter
	}
	if !slices.Contains(codes, http.StatusTooManyRequests) || slices.Index(codes, http.StatusTooManyRequests) > 5 {
		a.t.Errorf("guesses in a row: %v", codes)
	}
	if got := guess(20, adminPassword); got.status != http.StatusTooManyRequests {
		a.t.Errorf("the right one while nothing is tried: %d", got.status)
	}
	// At the machine itself nobody is locked out by that.
	form := url.Values{"name": {"admin"}, "password": {adminPassword}}.Encode()
	got := a.raw(false, fmt.Sprintf("POST /login HTTP/1.1\r\nHost: localhost:%s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", a.port, len(form), form))
	if len(got) != 1 || got[0].status != http.StatusSeeOther {
		a.t.Errorf("at the machine: %+v", got)
	}
	// Whoever is signed in stays so.
	if got := a.ask("GET", "/status.json", ""); got.status != http.StatusOK {
		a.t.Errorf("the session: %d", got.status)
	}
	for i := range 150 {
		token := fmt.Sprintf("Bearer %064x", i)
		if i%3 == 0 {
			token = "Bearer " + strings.Repeat("x", i*50)
		}
		if got := a.ask("GET", "/api/v1/status", "", "Cookie", "", "Authorization", token); got.status != http.StatusUnauthorized && got.status != http.StatusTooManyRequests {
			a.t.Errorf("token %d: %d", i, got.status)
		}
	}
	var running sync.WaitGroup
	for i := range 20 {
		running.Go(func() { // one is computed at a time, and nobody waits for long
			if got := guess(i, "wrong"); got.status < 400 {
				a.t.Errorf("%d", got.status)
			}
		})
	}
	running.Wait()
	if log := strings.Join(a.d.Output(), "\n"); strings.Contains(log, adminPassword) || regexp.MustCompile(`wrong \d`).MatchString(log) {
		a.t.Error("the log has a password")
	}
}
