package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// fakeSetup is a configuration that takes whatever err says.
type fakeSetup struct {
	mu    sync.Mutex
	err   error
	trial *SetupVersion
	begun bool
	did   []string
	text  string
	by    station.Principal
	list  []SetupPerson
}

func (f *fakeSetup) do(what string, by station.Principal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did, f.by = append(f.did, what), by
	return f.err
}

func (f *fakeSetup) Status() SetupStatus {
	old := SetupVersion{ID: 1, At: time.Unix(1e9, 0), By: "anna", How: "text", Outcome: "back", Why: words.New("setup-unconfirmed")}
	return SetupStatus{Trial: f.trial, Begun: f.begun, Until: time.Now().Add(4*time.Minute + 5*time.Second), Versions: []SetupVersion{old}}
}
func (f *fakeSetup) Text() (text, mark string) { return f.text, "m" }
func (f *fakeSetup) Try(text []byte, mark string, by station.Principal, how string) error {
	return f.do(how+" "+mark+" "+string(text), by)
}
func (f *fakeSetup) Keep(id int) error {
	return f.do(strings.TrimSuffix(fmt.Sprint("keep ", id), " 0"), station.Principal{})
}
func (f *fakeSetup) GoBack(id int) error {
	return f.do(strings.TrimSuffix(fmt.Sprint("back ", id), " 0"), station.Principal{})
}
func (f *fakeSetup) Again(_ int, by station.Principal) error         { return f.do("again", by) }
func (f *fakeSetup) Backup() []byte                                  { return []byte("password = \"canary\"") }
func (f *fakeSetup) DropPerson(n string, by station.Principal) error { return f.do("drop "+n, by) }
func (f *fakeSetup) ExportPeople() []byte                            { return []byte("name\n") }
func (f *fakeSetup) Compare(id int) ([]SetupLine, error) {
	if id != 1 {
		return nil, errors.New("none")
	}
	return []SetupLine{{" ", 1, "[sip]"}, {"-", 2, "a = 1"}, {"+", 2, "<b> = 2"}, {" ", 9, "[x]"}}, nil
}
func (f *fakeSetup) Form() (sections []SetupSection, mark string) {
	return []SetupSection{
		{Name: "sip", Path: "sip", Fields: []SetupField{{Key: "sip.server", Path: "sip.server", Sort: "list", Value: "wss://x"}, {Key: "sip.password", Path: "sip.password", Sort: "secret", Given: true}}},
		{Name: "relay", Path: "relay[0]", Many: true, Fields: []SetupField{{Key: "relay.name", Path: "relay[0].name", Sort: "text", Value: "door"}, {Key: "relay.active", Path: "relay[0].active", Sort: "choice", Words: []string{"low", "high"}, Value: "low", Default: "high"}}},
		{Name: "relay", Path: "relay[new]", Many: true, Fields: []SetupField{{Key: "relay.name", Path: "relay[new].name", Sort: "text"}}},
	}, "m"
}
func (f *fakeSetup) Fill(mark string, get func(string) (string, bool), remove func(string) bool, by station.Principal) error {
	v, _ := get("sip.server")
	p, _ := get("sip.password")
	what := "fill " + mark + " " + v + " " + p
	if remove("relay[0]") {
		what += " -relay[0]"
	}
	return f.do(what, by)
}
func (f *fakeSetup) People() SetupPeople {
	return SetupPeople{People: f.list, Relays: []string{"door", "gate"}, Schedules: []string{"office"}}
}
func (f *fakeSetup) PutPerson(p SetupPerson, fresh bool, by station.Principal) error {
	body, _ := json.Marshal(p)
	what := "change "
	if fresh {
		what = "add "
	}
	return f.do(what+string(body), by)
}
func (f *fakeSetup) ImportPeople(list []byte, dry bool, by station.Principal) (SetupImport, error) {
	if dry {
		return SetupImport{Added: 1}, f.err
	}
	return SetupImport{Added: 1}, f.do("import "+string(list), by)
}

func setting(t *testing.T) (*people, *fakeSetup) {
	t.Helper()
	p := withPeople(t)
	f := &fakeSetup{text: "[sip]\nuser = \"1000\"\npassword = \"=1\"\n"}
	p.cfg.Setup = f
	return p, f
}

func TestSetupCommands(t *testing.T) {
	p, f := setting(t)
	admin, operator := p.session["admin"], p.session["operator"]
	for _, tt := range []struct {
		session, method, path, body string
		status                      int
		did                         string
	}{
		{admin, "POST", "/config/text", "mark=m&text=a%0D%0Ab%0D%0A", 303, "text m a\nb\n"},
		{admin, "POST", "/config/form", "mark=m&sip.server=wss%3A%2F%2Fy&sip.password=p&remove=relay[0]", 303, "fill m wss://y p -relay[0]"},
		{admin, "POST", "/config/keep", "", 303, "keep"},
		{admin, "POST", "/config/keep", "id=7", 303, "keep 7"},
		{admin, "POST", "/config/back", "id=7", 200, "back 7"},
		{admin, "POST", "/config/keep", "id=x", 400, ""},
		{admin, "POST", "/config/back", "", 200, "back"},
		{admin, "POST", "/config/again", "id=1", 303, "again"},
		{admin, "POST", "/config/again", "id=x", 400, ""},
		{operator, "POST", "/config/keep", "", 403, ""},
		{operator, "POST", "/people", "name=anna&digits=4711&users=1001,1002&once=yes", 303, `add {"Name":"anna","Digits":"4711","Relay":"","Users":["1001","1002"],"From":"","Until":"","When":"","Once":true}`},
		{operator, "POST", "/people", "name=anna&change=yes", 303, `change {"Name":"anna","Digits":"","Relay":"","Users":[],"From":"","Until":"","When":"","Once":false}`},
		{operator, "POST", "/people/remove", "name=anna", 303, "drop anna"},
	} {
		f.did = nil
		w := p.as(tt.session, tt.method, tt.path, tt.body, "Accept", asHTML)
		if w.Code != tt.status || strings.Join(f.did, "|") != tt.did {
			t.Errorf("%s %s: %d, did %q, want %q", tt.path, tt.body, w.Code, f.did, tt.did)
		}
		if tt.did != "" && tt.status < 400 {
			last, ok := p.st.events[len(p.st.events)-1].News.(station.Administered)
			if !ok || last.By.Name == "" || last.Why != "" {
				t.Errorf("%s: nobody is told who did it: %+v", tt.path, last)
			}
		}
	}
	// A text with the ends of lines of Windows keeps them.
	f.text, f.did = "[sip]\r\n", nil
	p.as(admin, "POST", "/config/text", "text=a%0D%0Ab", "Accept", asHTML)
	if len(f.did) != 1 || f.did[0] != "text  a\r\nb" {
		t.Errorf("%q", f.did)
	}
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, _ := m.CreateFormFile("list", "people.csv")
	_, _ = part.Write([]byte("name\n"))
	_ = m.Close()
	w := ask(p.Server, "POST", "/people/import", &body, "Cookie", nearCookie+"="+operator, "Content-Type", m.FormDataContentType(), "Accept", asHTML)
	if w.Code != 303 || f.did[len(f.did)-1] != "import name\n" {
		t.Errorf("%d, %q", w.Code, f.did)
	}
	w = ask(p.Server, "PUT", "/config", strings.NewReader("[sip]\n"), "Authorization", "Bearer "+p.token["admin"], "Accept", "application/json")
	if w.Code != 200 || f.did[len(f.did)-1] != "text  [sip]\n" || f.by.Name != "token t-admin" {
		t.Errorf("%d, %q, by %v", w.Code, f.did, f.by)
	}
	if w = ask(p.Server, "PUT", "/config", strings.NewReader(strings.Repeat("x", setupSize+1)), "Authorization", "Bearer "+p.token["admin"]); w.Code != 413 {
		t.Errorf("what is too large: %d", w.Code)
	}
}

// What was typed is not lost, and what is wrong is said where it is.
func TestSetupFaultsAreShown(t *testing.T) {
	p, f := setting(t)
	f.err = SetupFaults{{Line: 2, Key: "sip.server", Path: "sip.server", Message: told("no <b>good</b>", "do better")}, {Line: 3, Key: "sip.password", Path: "x", Message: told("bad", "")}}
	w := p.as(p.session["admin"], "POST", "/config/text", "mark=m&text="+"[sip]%0Aserver+%3D+1%0Apassword+%3D+%22canary%22", "Accept", asHTML)
	page := w.Body.String()
	for _, want := range []string{"Line 2", "No &lt;b&gt;good&lt;/b&gt;. Do better.", "<pre>server = 1</pre>", "server = 1\npassword = &#34;canary&#34;</textarea>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if w.Code != 422 || strings.Contains(page, "<pre>password") {
		t.Errorf("%d\n%s", w.Code, page)
	}
	w = p.as(p.session["admin"], "POST", "/config/form", "sip.server=typed&sip.password=canary", "Accept", asHTML)
	page = w.Body.String()
	for _, want := range []string{`value="typed" placeholder="" maxlength="1000" autocomplete="off" autocapitalize="none" spellcheck="false" aria-invalid="true"`, "No &lt;b&gt;good", "Bad.", "<details open>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the form lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "canary") {
		t.Error("the form shows a password")
	}
	f.err = &SetupError{words.New("setup-on-trial")}
	for _, path := range []string{"/config/text", "/config/form", "/config/keep", "/config/back", "/people"} {
		w := p.as(p.session["admin"], "POST", path, "id=1&name=x", "Accept", "application/json")
		if w.Code != 409 || !strings.Contains(w.Body.String(), `"code":"setup-on-trial"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := p.as(p.session["admin"], "POST", path, "id=1&name=x", "Accept", asHTML); w.Code != 409 || !strings.Contains(w.Body.String(), "A change is on trial") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	last := p.st.events[len(p.st.events)-1].News.(station.Administered)
	if last.Why != "setup-on-trial" {
		t.Errorf("%+v", last)
	}
}

func TestSetupPages(t *testing.T) {
	p, f := setting(t)
	f.list = []SetupPerson{{Name: "anna <b>", Users: []string{"1001"}, From: "2026-01-01", Until: "2026-02-01", When: "office", Once: true, Relay: "gate"}, {Name: "bert"}}
	get := func(who, path string) string {
		t.Helper()
		w := p.as(p.session[who], "GET", path, "", "Accept", asHTML)
		if w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
		return w.Body.String()
	}
	for path, wants := range map[string][]string{
		"/config":            {"The installer&#39;s file.", "Nobody kept it within five minutes.", `action="/config/again"`, `href="/config/text"`},
		"/config/text":       {"<textarea id=\"text\" name=\"text\" rows=\"12\" spellcheck=\"false\" autocapitalize=\"none\" autocomplete=\"off\" wrap=\"off\">\n[sip]\n", `name="mark" value="m"`},
		"/config/form":       {`<option selected>low</option>`, "default: high", `name="remove" value="relay[0]"`, `name="relay[new].name"`, "set; type to change it"},
		"/config/versions/1": {"&lt;b&gt; = 2", `class="new"`, `class="old"`, `class="gap"`},
		"/people":            {"anna &lt;b&gt;", "2026-01-01 – 2026-02-01 · office · once", "For: 1001", "always", "everybody who may open the door", `<option selected>gate</option>`},
	} {
		who := "admin"
		if path == "/people" {
			who = "operator"
		}
		page := get(who, path)
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, page)
			}
		}
	}
	f.trial, f.begun = &SetupVersion{ID: 2, How: "form", Outcome: "trial"}, true
	if page := get("admin", "/config"); !strings.Contains(page, "4:0") || !strings.Contains(page, `action="/config/keep"`) || strings.Contains(page, `action="/config/again"`) {
		t.Errorf("the trial:\n%s", page)
	}
	f.begun = false
	if page := get("admin", "/config"); strings.Contains(page, `action="/config/keep"`) || !strings.Contains(page, `action="/config/back"`) {
		t.Errorf("a trial that has not begun:\n%s", page)
	}
	if w := p.as(p.session["admin"], "POST", "/config/text", "text=x", "Accept", asHTML); w.Code != 200 || w.Header().Get("Refresh") != "5; url=/config" {
		t.Errorf("the door is made anew: %d, %q", w.Code, w.Header().Get("Refresh"))
	}
	if w := p.as(p.session["admin"], "GET", "/config/versions/7", "", "Accept", asHTML); w.Code != http.StatusNotFound {
		t.Errorf("a version that is not there: %d", w.Code)
	}
}

// The backup has secrets in it: for an admin, and only right after the password.
func TestBackup(t *testing.T) {
	p, _ := setting(t)
	if w := p.as(p.session["admin"], "POST", "/config/backup", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "canary") || !strings.HasPrefix(w.Header().Get("Content-Disposition"), `attachment; filename="front-door-`) {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if w := ask(p.Server, "POST", "/config/backup", nil, "Authorization", "Bearer "+p.token["admin"]); w.Code != 403 {
		t.Errorf("a program: %d", w.Code)
	}
	if w := p.as(p.session["operator"], "POST", "/config/backup", ""); w.Code != 403 {
		t.Errorf("an operator: %d", w.Code)
	}
	if w := p.as(p.session["admin"], "POST", "/config/confirm", "password=wrong", "Accept", asHTML); w.Code != 401 {
		t.Errorf("a wrong password: %d", w.Code)
	}
}

// Before there is a password nobody changes the configuration, on this machine either.
func TestSetupNeedsAPassword(t *testing.T) {
	f := &fakeSetup{}
	s := New(Config{Listen: "127.0.0.1:0", Setup: f, Log: quiet()}, newStation(sample()), nil)
	for _, rt := range s.setupRoutes() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		if w := ask(s, method, strings.Replace(path, "{id}", "1", 1), nil, "Accept", "application/json"); w.Code != 403 {
			t.Errorf("%s: %d", rt.pattern, w.Code)
		}
	}
	if len(f.did) > 0 {
		t.Errorf("done: %v", f.did)
	}
}
