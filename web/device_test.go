package web

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
	"intercomd/web/logtail"
	"intercomd/web/machine"
)

type fakeSupport struct{}

func (fakeSupport) Configuration() string {
	return "sip.user = 1000\nfleet.url = https://me:canary-0@fleet.example/\n"
}
func (fakeSupport) Versions() string { return "intercomd 1.2.3\n" }
func (fakeSupport) Clean(text string) string {
	return logtail.Replacer([]string{"canary-1"}).Replace(text)
}

// withDevice is a page that has everything of this file.
func withDevice(t *testing.T) (*people, *slog.Logger) {
	t.Helper()
	p := withPast(t, remembered(time.Now()))
	p.cfg.Tail = logtail.New()
	p.cfg.Support = fakeSupport{}
	p.cfg.Machine = func() machine.Facts {
		return machine.Facts{Board: "Raspberry Pi 4 Model B", Host: "door", Temperature: 81.5, Supply: machine.Supply{Known: true, WasLow: true}, Memory: machine.Space{Total: 1 << 30, Free: 1 << 20},
			Interfaces: []machine.Interface{{Name: "eth0", MAC: "b8:27:eb:00:00:01", Addresses: []string{"192.0.2.20/24"}}}, Clock: machine.Clock{Time: time.Now(), Zone: "CET"},
			Storage: []machine.Storage{{Path: "/", Space: machine.Space{Total: 32 << 30, Free: 20 << 30}, ReadOnly: true}}}
	}
	// A handler that discards everything is asked for nothing.
	return p, slog.New(p.cfg.Tail.Handler(slog.NewTextHandler(io.Discard, nil))) //nolint:sloglint // see above
}

func TestDevice(t *testing.T) {
	p, _ := withDevice(t)
	page := p.as(p.session["viewer"], "GET", "/device", "", "Accept", asHTML).Body.String()
	for _, want := range []string{"Raspberry Pi 4 Model B", "192.0.2.20/24", "b8:27:eb:00:00:01", "no link", "81.5 °C", "too low since the start", "20 GB free of 32 GB · read-only", "not set by the network", "door · code-anna · 1001"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "/support") {
		t.Error("a viewer is offered a support bundle")
	}
	if w := p.as(p.session["viewer"], "GET", "/device", "", "Accept", "application/json"); !strings.Contains(w.Body.String(), `"mac":"b8:27:eb:00:00:01"`) {
		t.Errorf("%s", w.Body)
	}
}

// The live page tells at a glance what somebody far away asks first: who opened last, addresses, temperature, clock.
func TestMachineAtAGlance(t *testing.T) {
	p, _ := withDevice(t)
	read := 0
	facts := p.cfg.Machine
	p.cfg.Machine = func() machine.Facts { read++; return facts() }
	page := func() string {
		for _, n := range parse(t, p.as(p.session["viewer"], "GET", "/", "", "Accept", asHTML).Body.Bytes()).all("section") {
			if attr(n, "id") == "machine" {
				return textOf(n)
			}
		}
		return ""
	}
	got := page()
	for _, want := range []string{"Last opened", "1 min ago · ", "door · code-anna · 1001", "Raspberry Pi 4 Model B", "192.0.2.20/24", "b8:27:eb:00:00:01", "81.5 °C", "too low since the start", "20 GB free of 32 GB", "Clock of the door", "not set by the network"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	for _, not := range []string{"Load", "Serial number", "Offset"} {
		if strings.Contains(got, not) {
			t.Errorf("%q says %q", got, not)
		}
	}
	if page(); read != 1 {
		t.Errorf("the machine was read %d times", read)
	}
	// What happens shows when it has happened, and not with every look.
	now := time.Now()
	snap := with(func(s *station.Snapshot) { s.Events = 7 })
	old := p.cfg.Past.(*fakePast)
	old.events = append([]PastEvent{happened(now, "", station.Released{OK: true, Relay: "door", Name: "code-bert"})}, old.events...)
	for age, want := range map[time.Duration]string{time.Second: "code-anna", 3 * time.Second: "code-bert"} {
		p.glanced = glanced{read: now, looked: now, last: p.glanced.last}
		p.glanced.last.openedAt, p.glanced.last.opened = now, station.Released{OK: true, Name: "code-anna"}
		if g := p.glance(snap, now.Add(age)); g.opened.Name != want {
			t.Errorf("after %v: %q, want %q", age, g.opened.Name, want)
		}
	}
}

func TestLogPage(t *testing.T) {
	p, log := withDevice(t)
	log.With("part", "phone").Warn("<b>registration</b>\x1b[31m", "server", "pbx")
	log.With("part", "web").Info("up", "password", "canary-2")
	for query, want := range map[string]int{"": 2, "?level=warn": 1, "?part=web": 1, "?q=REGISTR": 1, "?level=error": 0, "?part=none": 0, "?level=nonsense": 2} {
		w := p.as(p.session["admin"], "GET", "/log"+query, "", "Accept", asHTML)
		text := w.Body.String()
		if n := strings.Count(text, "<time"); w.Code != 200 || n != want || strings.ContainsAny(text, "\x1b") || strings.Contains(text, "<b>reg") || strings.Contains(text, "canary-") {
			t.Errorf("%s: %d, %d lines\n%s", query, w.Code, n, text)
		}
	}
	if w := p.as(p.session["admin"], "GET", "/log?text", ""); strings.Count(w.Body.String(), "\n") != 2 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	for _, role := range []string{"viewer", "operator"} {
		for _, path := range []string{"/log", "/log/live?after=1"} {
			if w := p.as(p.session[role], "GET", path, ""); w.Code != http.StatusForbidden {
				t.Errorf("%s, %s: %d", role, path, w.Code)
			}
		}
	}
}

func TestLogLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, log := withDevice(t)
		log.Warn("before")
		w, leave := watch(t, p.Server, "/log/live?after=2&level=warn", "Cookie", nearCookie+"="+p.session["admin"])
		defer leave()
		w.got()
		log.Info("less")
		log.Warn("more")
		time.Sleep(time.Second)
		if got := w.got(); len(got) != 1 || got[0].name != "line" || got[0].id != "3" || !strings.Contains(got[0].data, `"text":"more"`) {
			t.Errorf("%+v", got)
		}
	})
}

// A bundle has what helps, and no secret, wherever it was.
func TestSupportBundle(t *testing.T) {
	p, log := withDevice(t)
	log.Info("a line with canary-1", "token", "canary-3")
	snap := sample()
	snap.Calls = remembered(time.Now()).calls
	snap.Texts = []station.Text{{Body: "canary-1"}}
	p.st.publish(snap)
	p.cfg.Trace = func(string) []SIPMessage {
		return []SIPMessage{{At: time.Now(), Text: "INVITE sip:x SIP/2.0\nX: canary-1\n"}}
	}
	if w := p.as(p.session["operator"], "POST", "/support", "x=y"); w.Code != http.StatusForbidden {
		t.Errorf("an operator gets %d", w.Code)
	}
	w := p.as(p.session["admin"], "POST", "/support", "x=y")
	z, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err, w.Body)
	}
	files := map[string]string{}
	in := tar.NewReader(z)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "intercomd-support/")] = string(body)
	}
	for name, want := range map[string]string{"README.txt": "without", "status.json": `"state"`, "configuration.txt": "sip.user = 1000", "versions.txt": "1.2.3", "machine.json": "Raspberry", "history.jsonl": "call.ended",
		"log.txt": "a line with (removed)", "sip/01.txt": "INVITE"} {
		if name == "history.jsonl" {
			want = "door.released"
		}
		if want == "without" {
			want = "Passwords"
		}
		if !strings.Contains(files[name], want) {
			t.Errorf("%s has no %q:\n%.500s", name, want, files[name])
		}
	}
	for name, body := range files {
		if strings.Contains(body, "canary-") || strings.Contains(body, password) {
			t.Errorf("%s has a secret:\n%s", name, body)
		}
	}
	if did := p.st.did(); len(did) != 1 || !strings.HasPrefix(did[0], "bundle-taken") {
		t.Errorf("told %q", did)
	}
	p.bundling.Lock()
	if w := p.as(p.session["admin"], "POST", "/support", "x=y"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a second one at a time: %d", w.Code)
	}
	p.bundling.Unlock()
}
