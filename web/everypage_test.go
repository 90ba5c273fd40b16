package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"intercomd/station"
	"intercomd/words"
)

// Every page there is, for everybody who may ask for it, and every refusal: found in the table of
// the routes, so that a page that is new is looked at as well.

// inPaths is what stands for the variables of the paths in these tests. A page with a variable
// that is not here fails [TestEveryPageIsLookedAt].
var inPaths = map[string]string{"{$}": "", "{id}": "1", "{file}": "page.css"}

// streams are the routes that never end.
var streams = map[string]bool{"GET /events": true, "GET /live": true, "GET /api/v1/events/stream": true, "GET /log/live": true, "GET /api/v1/log/stream": true}

// everything is a door with all that a page can show.
func everything(t *testing.T) *people {
	t.Helper()
	p := withPeople(t)
	p.pace = nil
	cfg := p.cfg
	cfg.Names = []string{"door.example.lan"}
	cfg.Proxies = mustPrefixes("192.0.2.0/24")
	cfg.Starved = func(error) {}
	now := time.Now()
	cfg.Past = remembered(now)
	cfg.Updates = &fakeUpdates{st: UpdateStatus{Running: "1.2.3", Slot: "A", Stage: "failed", Source: "https://example.com/" + strings.Repeat("long", 40), Trouble: words.New("update-busy")}}
	cfg.Setup = &fakeSetup{text: "# a comment\n[sip]\nserver = \"wss://pbx.example.lan/" + strings.Repeat("long", 60) + "\"\n", list: []SetupPerson{{Name: "anna"}}}
	cfg.Trace = func(string) []SIPMessage {
		return []SIPMessage{{Text: "INVITE sip:1001@pbx " + strings.Repeat("x", 300)}}
	}
	p.Server = New(cfg, p.st, newPanel())
	p.pace = nil
	p.st.publish(with(func(s *station.Snapshot) {
		s.Time, s.Started = now, now.Add(-time.Hour)
		past, _ := cfg.Past.Calls() // of a fake that does not fail
		s.Calls = past
		s.Texts = []station.Text{{From: station.Peer{User: strings.Repeat("unbroken", 30)}, Body: strings.Repeat("W", 500), At: now}}
		s.Faults = []station.Fault{{Key: "sound.input", Message: words.New("told", "detail", strings.Repeat("unbroken", 60), "remedy", "Look.")}}
	}))
	return p
}

// page is one of those that are looked at.
type page struct{ pattern, path string }

// everyPage lists the pages of the table: what is there to be read and is HTML for an admin.
func everyPage(t *testing.T, p *people) (out []page) {
	t.Helper()
	for _, rt := range p.table() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		if method != http.MethodGet || streams[rt.pattern] {
			continue
		}
		for from, to := range inPaths {
			path = strings.ReplaceAll(path, from, to)
		}
		if strings.Contains(path, "{") {
			t.Errorf("%s: nobody says in inPaths what stands for its variable", rt.pattern)
			continue
		}
		w := p.as(p.session["admin"], http.MethodGet, path, "", "Accept", asHTML)
		if w.Code >= 300 && w.Code < 400 { // it has another page for an admin
			w = ask(p.Server, http.MethodGet, path, nil, "Accept", asHTML)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			out = append(out, page{rt.pattern, path})
		}
		if w.Code == http.StatusNotFound && rt.pattern != "GET /metrics" && !strings.HasPrefix(path, root) { // a stub; an interface has no pages
			t.Errorf("%s: these tests give it nothing to show: %d", rt.pattern, w.Code)
		}
	}
	return out
}

// What the page can have, it has in these tests, and none of its pages is left out.
func TestEveryPageIsLookedAt(t *testing.T) {
	p := everything(t)
	cfg := reflect.ValueOf(p.cfg)
	for i := range cfg.NumField() {
		switch cfg.Field(i).Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Func, reflect.Slice, reflect.Map:
			if cfg.Field(i).IsNil() {
				t.Errorf("Config.%s is not set in everything(): its pages are not looked at", cfg.Type().Field(i).Name)
			}
		}
	}
	if n := len(everyPage(t, p)); n < 12 {
		t.Errorf("%d pages", n)
	}
}

// visit is one page as somebody sees it.
type visit struct {
	name    string
	session string
	path    string
	form    url.Values // nil: it is opened; else sent to the path
	html    string     // what it was when it was found
}

var hidden = regexp.MustCompile(`<input type="hidden"[^>]*>`)

// visits lists every page by every role, and the refusals, each sight once.
func visits(t *testing.T, p *people) (out []visit) {
	t.Helper()
	seen := map[string]bool{}
	add := func(name, session, path string, form url.Values) {
		var w *httptest.ResponseRecorder
		if form == nil {
			w = p.as(session, http.MethodGet, path, "", "Accept", asHTML)
		} else {
			w = p.as(session, http.MethodPost, path, form.Encode()+"&x=", "Accept", asHTML)
		}
		sight := hidden.ReplaceAllString(w.Body.String(), "")
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || seen[sight] || w.Code >= 300 && w.Code < 400 {
			return
		}
		seen[sight] = true
		out = append(out, visit{name + " " + path, session, path, form, sight})
	}
	for _, role := range []string{"admin", "operator", "viewer", ""} {
		for _, pg := range everyPage(t, p) {
			add(role, p.session[role], pg.path, nil)
		}
	}
	admin := p.session["admin"]
	for path, form := range map[string]url.Values{
		"/login":                {"name": {strings.Repeat("W", 32)}, "password": {"wrong"}},
		"/account/password":     {"password": {"wrong"}, "new": {"x"}},
		"/access/accounts":      {"name": {"new"}, "role": {"viewer"}, "password": {"1"}},
		"/access/certificate":   {"certificate": {"none"}},
		"/call/mute":            {"muted": {"perhaps"}},
		"/config/again":         {"id": {"x"}},
		"/door/nowhere":         {},
		"/history/erase":        {"before": {"x"}},
		"/people":               {"name": {""}},
		"/panel/press":          {"input": {"none"}},
		"/access/tokens/revoke": {"id": {"none"}},
	} {
		add("refused", admin, path, form)
	}
	add("refused", "", "/setup", url.Values{"code": {"1"}, "name": {"x"}, "password": {"y"}})
	add("refused", admin, "/nowhere/"+strings.Repeat("long", 50), nil)
	return out
}

// ways to look at a page: widths in CSS pixels.
var widths = []int64{1280, 390, 320}

// stands names what stands out of the window, if anything does.
const stands = `(() => {
	const d = document.documentElement;
	if (d.scrollWidth <= d.clientWidth) return "";
	return d.scrollWidth + " px: " + [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > d.clientWidth + 0.5).slice(0, 6).map(e => e.outerHTML.slice(0, 90)).join(" | ");
})()`

// small names what a finger is to hit and can hardly (WCAG 2.2, 2.5.8 asks for 24 px; links in
// sentences need not).
const smallTargets = `[...document.querySelectorAll("button, summary, input:not([type=hidden],[type=checkbox],[type=radio]), select, nav a")].filter(e => e.checkVisibility({visibilityProperty: true})).filter(e => { const r = e.getBoundingClientRect(); return r.height < 24 || r.width < 24; }).map(e => e.outerHTML.slice(0, 90)).join(" | ")`

// unframed names what says by colour alone where it ends, which forced colours take away (P13).
const unframed = `[...document.querySelectorAll(".plate, .bell, .lamp, .badge, button:not([hidden]), input:not([type=hidden],[type=file],[type=checkbox],[type=radio],[type=range]), select, textarea")].filter(e => e.checkVisibility()).filter(e => { const s = getComputedStyle(e); return s.borderTopStyle === "none" || parseFloat(s.borderTopWidth) === 0 || s.borderTopColor === s.backgroundColor; }).map(e => e.outerHTML.slice(0, 90)).join(" | ")`

// deadControls names buttons that do nothing without a script.
const deadControls = `[...document.querySelectorAll("button")].filter(e => e.checkVisibility() && (!e.form || e.type !== "submit")).map(e => e.outerHTML.slice(0, 90)).join(" | ")`

// audit runs axe-core and names its findings.
const audit = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 120) + " (" + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? "") + ")").join(" | ")).join("\n"))`

// tabbable lists what the keyboard must reach: of radio buttons of one name the one that is chosen.
const tabbable = `window.left = new Set([...document.querySelectorAll("a[href], button:not([disabled]), input:not([type=hidden],[disabled]), select:not([disabled]), textarea:not([disabled]), summary, [tabindex='0']")].filter(e => e.checkVisibility({visibilityProperty: true}) && (e.type !== "radio" || e.checked))); left.size`

// focused takes what has the focus off that list, and tells what is wrong with it.
const focused = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body) return "end";
	left.delete(e);
	const s = getComputedStyle(e);
	const r = e.getBoundingClientRect();
	if ((s.outlineStyle === "none" || parseFloat(s.outlineWidth) === 0) && s.boxShadow === "none") return "no sign of the focus: " + e.outerHTML.slice(0, 90);
	if (r.bottom < 0 || r.top > innerHeight) return "out of sight: " + e.outerHTML.slice(0, 90);
	return "";
})()`

// text evaluates JavaScript that gives a text.
func (b tab) text(js string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b tab) wide(width int64) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1}); err != nil {
		b.t.Fatal(err)
	}
}

func (b tab) media(name, value string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: name, Value: value}}}); err != nil {
		b.t.Fatal(err)
	}
}

func (b tab) scripts(on bool) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		b.t.Fatal(err)
	}
}

// goes opens what is to be seen.
func (b tab) goes(base string, v visit) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: nearCookie, Value: v.session, URL: base})
	if v.session == "" {
		_, err = chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	if v.form == nil {
		b.do(chromedp.Navigate(base + v.path))
		return
	}
	b.do(chromedp.Navigate(base + "/static/icon.svg")) // a page of the same origin with nothing on it
	b.do(chromedp.Navigate(base + "/login?stay"))
	fields := ""
	for k, values := range v.form {
		fields += fmt.Sprintf("add(%q, %q);", k, values[0])
	}
	b.is(fmt.Sprintf(`(() => {
		window.before = true;
		const f = document.createElement("form");
		const add = (k, v) => { const i = document.createElement("input"); i.type = "hidden"; i.name = k; i.value = v; f.append(i); };
		f.method = "post"; f.action = %q; %s
		document.body.append(f);
		HTMLFormElement.prototype.submit.call(f);
		return true;
	})()`, v.path, fields))
	b.until(`window.before === undefined && document.readyState === "complete"`)
}

// picture keeps what is to be seen in the folder that INTERCOMD_PICTURES names, if it does.
func (b tab) picture(v visit, how string) {
	b.t.Helper()
	dir := os.Getenv("INTERCOMD_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(v.name), "-")
	if err := os.WriteFile(filepath.Join(dir, name[:min(len(name), 60)]+"-"+how+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// Every page, in every role, and every refusal: nothing for axe to find in light and in dark, no
// wider than its window, framed where colours are forced, of use without a script and by keyboard.
func TestBrowserEveryPage(t *testing.T) {
	if os.Getenv("INTERCOMD_PAGE") == "" {
		t.Skip("INTERCOMD_PAGE is not set: make test-page")
	}
	axe, err := os.ReadFile("../test/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	b := browserFor(t, 9*time.Minute)
	p := everything(t)
	base, stop := serving(t, p.Server)
	all := visits(t, p)
	began := time.Now()
	for _, v := range all {
		found := func(how, what string) {
			if what != "" {
				t.Errorf("%s, %s: %s", v.name, how, what)
			}
		}
		b.media("prefers-color-scheme", "light")
		b.wide(widths[0])
		b.goes(base, v)
		b.is(string(axe) + "\n;true")
		found("light", b.text(audit))
		for _, w := range widths {
			b.wide(w)
			found(fmt.Sprint(w, " px"), b.text(stands))
			b.picture(v, fmt.Sprint(w))
		}
		found("fingers", b.text(smallTargets))
		b.media("prefers-color-scheme", "dark")
		found("dark, 320 px", b.text(audit))
		b.wide(390)
		b.picture(v, "dark")
		b.media("forced-colors", "active")
		found("forced colours", b.text(unframed))
		b.picture(v, "forced")
		b.keyboard(v)
		if v.form == nil {
			b.scripts(false)
			b.do(chromedp.Navigate(base + v.path))
			found("without a script", b.text(deadControls))
			b.scripts(true)
		}
	}
	t.Logf("%d sights in %v", len(all), time.Since(began).Round(time.Second))
	b.do(chromedp.Navigate("about:blank"))
	stop()
}

// keyboard goes through the page with the tabulator: everything is reached, and one sees where
// one is.
func (b tab) keyboard(v visit) {
	b.t.Helper()
	b.is(`(document.querySelectorAll("details").forEach(d => d.open = true), document.activeElement?.blur(), window.getSelection().removeAllRanges(), scrollTo(0, 0), true)`)
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](tabbable))
	if err != nil {
		b.t.Fatal(err)
	}
	for range 8*n + 20 { // fields of times have several stops
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9}); err != nil {
				b.t.Fatal(err)
			}
		}
		what := b.text(focused)
		if what == "end" || b.is(`left.size === 0`) {
			break
		}
		if what != "" {
			b.t.Errorf("%s, keyboard: %s", v.name, what)
		}
	}
	if rest := b.text(`[...left].map(e => e.outerHTML.slice(0, 90)).join(" | ")`); rest != "" {
		b.t.Errorf("%s, keyboard: never reached: %s", v.name, rest)
	}
}
