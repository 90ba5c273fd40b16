package web

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"intercomd/station"
	"intercomd/words"
)

// evil is what a caller might name itself to get into the page.
const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)><b class="` + "\u202e\x00`"

// doc is a parsed page with a few questions to ask it.
type doc struct {
	t     *testing.T
	nodes []*html.Node // all elements
	text  string
}

func parse(t *testing.T, page []byte) *doc {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	d := &doc{t: t}
	var text strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			d.nodes = append(d.nodes, n)
		case html.TextNode:
			text.WriteString(n.Data + " ")
		}
	}
	d.text = strings.Join(strings.Fields(text.String()), " ")
	return d
}

func (d *doc) all(tag string) []*html.Node {
	return slices.DeleteFunc(slices.Clone(d.nodes), func(n *html.Node) bool { return n.Data != tag })
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var text strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			text.WriteString(c.Data)
		}
	}
	return strings.TrimSpace(text.String())
}

// sound holds for every page whatever the snapshot: nothing inline, nothing
// from elsewhere, ids unique, everything that can be operated has a name.
func (d *doc) sound() {
	d.t.Helper()
	ids := make(map[string]bool)
	for _, n := range d.nodes {
		if id := attr(n, "id"); id != "" && ids[id] {
			d.t.Errorf("two elements have the id %q", id)
		} else {
			ids[id] = true
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				d.t.Errorf("<%s %s=%q> is inline code", n.Data, a.Key, a.Val)
			}
			if (a.Key == "src" || a.Key == "href" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") {
				d.t.Errorf("<%s %s=%q> leads elsewhere", n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "script":
			if attr(n, "src") != "/static/page.js" || textOf(n) != "" {
				d.t.Error("a script that is not ours")
			}
		case "img", "iframe", "b", "object", "style":
			d.t.Errorf("<%s> is not one of our elements", n.Data)
		case "button":
			if textOf(n) == "" && attr(n, "aria-label") == "" {
				d.t.Error("a button has no name")
			}
		case "svg":
			if attr(n, "role") != "meter" || attr(n, "aria-label") == "" || attr(n, "aria-valuenow") == "" {
				d.t.Error("a meter does not tell its value")
			}
		}
	}
}

// states are snapshots of every kind of state that the page knows.
func states() map[string]*station.Snapshot {
	all := map[string]*station.Snapshot{"zero": {}, "sample": sample()}
	for _, reg := range append(station.RegStates(), "unheard-of") {
		for _, st := range []station.State{
			station.Idle, station.Calling, station.Ringing, station.Talking, station.Stopped, "unheard-of",
		} {
			for _, hostile := range []bool{false, true} {
				s := full(st, reg)
				if hostile {
					poison(s)
				}
				all[fmt.Sprintf("%s/%s/%v", st, reg, hostile)] = s
			}
		}
	}
	return all
}

// full has something in every field.
func full(st station.State, reg station.RegState) *station.Snapshot {
	s := sample()
	s.State, s.Registration.State = st, reg
	s.Registration.Problem = told("no route", "look at the cable")
	s.Registration.Retry, s.Registration.Expires = s.Time.Add(time.Minute), s.Time.Add(time.Hour)
	r := station.Record{
		ID: "a", Direction: station.Incoming, Peer: station.Peer{URI: "sip:1@x", User: "1", Name: "One"}, Button: "bell",
		Pressed: s.Time, Sent: s.Time, Ringing: s.Time, Early: s.Time, Answered: s.Time, MediaUp: s.Time,
		Heard: s.Time, Spoken: s.Time, Opened: s.Time, Ended: s.Time, Digits: 4,
		Ending: station.Ending{Cause: station.CauseRefused, By: station.ByPeer, Status: 603, Reason: "Decline"},
	}
	s.Call, s.Calls = &r, []station.Record{r, r}
	s.Sound.MicLive, s.Sound.Tone, s.Sound.Codec = true, station.ToneBusy, "Opus"
	s.Sound.Input = station.Device{Wanted: "USB", Problem: told("unplugged", "")}
	s.Gauges.Stats = station.AudioStats{Received: 100, Lost: 50, Xruns: 2}
	s.Sound.Output.OK, s.Gauges.Stats.Noise, s.Gauges.Stats.DoubleTalk = true, -52, 0.21
	s.Gauges.Runtime = station.Runtime{Goroutines: 20, HeapBytes: 7 << 20}
	s.Gauges.Inputs = []station.InputCount{{Name: "bell", Glitches: 900}}
	s.Board.Inputs = append(s.Board.Inputs, station.Input{Name: "contact", Active: true, Problem: told("taken", "")})
	s.Board.Inputs = append(s.Board.Inputs, station.Input{Name: "leaf", Active: true})
	s.Contacts = []station.Contact{{Input: "leaf", Label: "Main entrance", Watches: "door", Active: true, Since: s.Time, Alarm: "held"}}
	s.Board.Relays[0] = station.Relay{Name: "door", On: true, Until: s.Time.Add(time.Second), Problem: told("x", "")}
	s.Faults = []station.Fault{{Key: "sound.input", Message: told("no microphone", "plug it in"), Since: s.Time}}
	return s
}

// poison puts hostile text where text from outside can stand.
func poison(s *station.Snapshot) {
	s.Name, s.Version = evil, evil
	s.Registration.Server, s.Registration.User = evil, evil
	s.Registration.Problem = told(evil, evil)
	p := station.Peer{URI: evil, User: evil, Name: evil}
	e := station.Ending{Cause: evil, By: evil, Reason: evil, Status: -1}
	s.Call.Peer, s.Call.Ending = p, e
	s.Calls[0].Peer, s.Calls[0].Ending = p, e
	s.Calls[1].Peer.URI = "javascript:alert(1)"
	s.Sound.Input = station.Device{Name: evil, Problem: told(evil, evil)}
	s.Sound.Output = station.Device{Name: evil, OK: true}
	s.Sound.Tone, s.Sound.Codec = evil, evil
	s.Board.Driver = evil
	s.Board.Inputs[0].Name = `"><img src=x onerror=alert(1)>` // sent back as it is: only escaped
	s.Board.Lamps[0] = station.Lamp{Name: evil, Pattern: evil}
	s.Board.Relays[0].Name = evil
	s.Buttons[0] = station.Button{Input: evil, Label: evil, Target: evil, TargetLabel: evil, Does: evil, Relay: evil}
	s.Contacts[0] = station.Contact{Input: "leaf", Label: evil, Watches: evil, Alarm: evil}
	s.Faults[0] = station.Fault{Key: evil, Message: told(evil, evil)}
}

func TestEveryStateRenders(t *testing.T) {
	for _, press := range []bool{false, true} {
		r := newRenderer(words.English(), press)
		for name, snap := range states() {
			page, err := r.page(snap, nil, sample().Time, whoView{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			d := parse(t, page)
			d.sound()
			v := english.newView(snap, sample().Time, press)
			if heads := d.all("h2"); len(heads) == 0 || textOf(heads[0]) != v.State.Head {
				t.Errorf("%s: the first heading is not %q", name, v.State.Head)
			}
			if strings.ContainsAny(string(page), "\x00\u202e") {
				t.Errorf("%s: control characters on the page", name)
			}
			if t.Failed() {
				t.Fatalf("so far in state %s", name)
			}
		}
	}
}

// Every state can be told in every language, and no sentence is missing.
func TestEveryLanguageRenders(t *testing.T) {
	key := regexp.MustCompile(`\b(page|step|cause|tone|pattern|does|watches|registration|test|problem|remedy)\.[a-z-]+\b`)
	for _, name := range words.Languages() {
		r := newRenderer(words.In(name), true)
		for state, snap := range states() {
			page, err := r.page(snap, nil, sample().Time, whoView{})
			if err != nil {
				t.Fatalf("%s, %s: %v", name, state, err)
			}
			d := parse(t, page)
			d.sound()
			if raw := key.FindString(d.text); raw != "" {
				t.Errorf("%s, %s: the page says %q", name, state, raw)
			}
			if body := d.all("body")[0]; !strings.Contains(attr(body, "data-s"), "{n}") || !strings.Contains(attr(body, "data-min"), "{n}") {
				t.Errorf("%s: the script has nowhere to put the age of the page", name)
			}
			if got := attr(d.all("html")[0], "lang"); got != name {
				t.Errorf("%s: the page says that it is in %q", name, got)
			}
		}
	}
	german := ask(newServer(newStation(sample()), nil), "GET", "/", nil, "Accept-Language", "de-DE,de;q=0.9,en;q=0.5")
	if body := german.Body.String(); !strings.Contains(body, "Bereit") || !strings.Contains(body, "Registriert als 1000 bei pbx.example.lan.") {
		t.Errorf("a German reader gets\n%s", body)
	}
}

// A choice on the page counts more than the browser's settings, and is remembered.
func TestTheLanguageIsChosen(t *testing.T) {
	s := newServer(newStation(sample()), nil)
	for _, tc := range []struct {
		path, cookie, accept, want, kept string
	}{
		{path: "/", want: "en"},
		{path: "/", accept: "de-CH, fr;q=0.2", want: "de"},
		{path: "/?lang=de", accept: "en", want: "de", kept: "lang=de"},
		{path: "/?lang=de", cookie: "lang=en", want: "de", kept: "lang=de"},
		{path: "/", cookie: "lang=de", accept: "en", want: "de"},
		{path: "/", cookie: "lang=xx", accept: "de", want: "de"},
		{path: "/?lang=", cookie: "lang=de", accept: "en", want: "en", kept: "lang=;"},
		{path: "/?lang=%22%0d%0a", accept: "de", want: "de", kept: "lang=;"},
	} {
		head := []string{"Accept-Language", tc.accept}
		if tc.cookie != "" {
			head = append(head, "Cookie", tc.cookie)
		}
		a := ask(s, "GET", tc.path, nil, head...)
		if got := attr(parse(t, a.Body.Bytes()).all("html")[0], "lang"); got != tc.want {
			t.Errorf("%+v: the page is in %q", tc, got)
		}
		if got := a.Header().Get("Set-Cookie"); !strings.HasPrefix(got, tc.kept) || (got == "") != (tc.kept == "") {
			t.Errorf("%+v: the cookie is %q", tc, got)
		}
	}
	live := ask(s, "GET", "/nowhere?lang=de", nil, "Accept", "text/html")
	if live.Header().Get("Set-Cookie") != "" {
		t.Error("only the page remembers")
	}
}

// What people look for must be there as text.
func TestThePageTells(t *testing.T) {
	snap := full(station.Talking, station.RegRegistered)
	snap.Registration.Problem = words.Message{}
	page, err := newRenderer(words.English(), true).page(snap, nil, snap.Time.Add(34*time.Second), whoView{})
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, page)
	for _, want := range []string{
		"Talking with One (1)", "0:34", "Hang up", "microphone live", // the call
		"No microphone.", "Plug it in.", // faults
		"USB: does not work", "The reason is given above.", // sound
		"wss://pbx.example.lan", "1000", // registration
		"refused by the far end (603 Decline)", "Answer → heard", // ledger
		"Miller", "Main entrance", "held open", "900", "check cable and contact", "Taken.", // inputs
		"intercomd 0.1.0", "up 1 h", "7 MB heap", "21 %",
	} {
		if !strings.Contains(d.text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, n := range d.nodes {
		if attr(n, "role") == "status" && strings.Contains(textOf(n), "0:34") {
			t.Error("the running time stands in the live region: it would be read out every second")
		}
	}
}

func TestTheMicrophoneShowsWhenItIsLive(t *testing.T) {
	for _, live := range []bool{false, true} {
		page, err := newRenderer(words.English(), false).page(with(func(s *station.Snapshot) { s.Sound.MicLive = live }), nil, sample().Time, whoView{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(parse(t, page).text, "microphone live"); got != live {
			t.Errorf("microphone live: %v, shown: %v", live, got)
		}
	}
}

// Whoever wonders why nothing is heard finds that the microphone is muted, and the
// button that ends it.
func TestTheMuteButtonSwitchesOver(t *testing.T) {
	for muted, want := range map[bool]string{false: `name="muted" value="true"`, true: `name="muted" value="false"`} {
		page, err := newRenderer(words.English(), false).page(with(func(s *station.Snapshot) {
			s.State, s.Call, s.Sound.Muted = station.Talking, &station.Record{Answered: s.Time}, muted
		}), nil, sample().Time, whoView{})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), want) {
			t.Errorf("muted %v: no form with %s", muted, want)
		}
		if got := strings.Contains(parse(t, page).text, "microphone muted"); got != muted {
			t.Errorf("muted: %v, shown: %v", muted, got)
		}
	}
}

// Buttons can be pressed on a simulated board with a panel, and nowhere else.
func TestPanelButtons(t *testing.T) {
	for _, tc := range []struct{ press, simulated, want bool }{
		{true, true, true}, {true, false, false}, {false, true, false}, {false, false, false},
	} {
		snap := with(func(s *station.Snapshot) { s.Board.Simulated = tc.simulated })
		page, err := newRenderer(words.English(), tc.press).page(snap, nil, snap.Time, whoView{})
		if err != nil {
			t.Fatal(err)
		}
		var buttons int
		for _, n := range parse(t, page).all("button") {
			if attr(n, "data-hold") == "bell" {
				buttons++
			}
		}
		if (buttons == 1) != tc.want {
			t.Errorf("%+v: %d buttons", tc, buttons)
		}
	}
}

// One render serves all who watch in the same second; a new snapshot or second
// makes a new one.
func TestRenderIsShared(t *testing.T) {
	r, snap, now := newRenderer(words.English(), true), sample(), sample().Time
	render := func(s *station.Snapshot, at time.Time) *rendered {
		p, err := r.render(s, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := render(snap, now)
	if render(snap, now.Add(300*time.Millisecond)) != first {
		t.Error("made twice in one second")
	}
	if render(snap, now.Add(time.Second)) == first {
		t.Error("durations stand still")
	}
	if render(sample(), now.Add(time.Second)) == first {
		t.Error("a new snapshot is not shown")
	}
}

// Names come from the network: whatever they are, the page has our elements only.
func FuzzPage(f *testing.F) {
	f.Add("Kitchen", "1001", "sip:1001@pbx", "Busy Here")
	f.Add(evil, evil, evil, evil)
	f.Add("{{.}}", "</section>", "<!--", "]]>")
	r := newRenderer(words.English(), true)
	f.Fuzz(func(t *testing.T, name, user, uri, reason string) {
		snap := full(station.Talking, station.RegRegistered)
		snap.Call.Peer = station.Peer{Name: name, User: user, URI: uri}
		snap.Calls[0].Peer, snap.Calls[0].Ending.Reason = snap.Call.Peer, reason
		snap.Faults[0].Message, snap.Buttons[0].Label = told(reason, ""), name
		page, err := r.page(snap, nil, snap.Time, whoView{})
		if err != nil {
			t.Fatal(err)
		}
		parse(t, page).sound()
	})
}

// A section that is taken over from the page before is what would have been made anew, whatever has changed.
func TestSectionsAreTakenOver(t *testing.T) {
	kept, now := newRenderer(words.English(), true), sample().Time
	for i, snap := range []*station.Snapshot{
		sample(), sample(), full(station.Talking, station.RegRegistered),
		with(func(s *station.Snapshot) { s.Texts = []station.Text{{Body: "one", At: now}} }),
		with(func(s *station.Snapshot) {
			s.Deliveries = []station.Delivery{{To: words.New("told", "detail", "hook"), Waiting: 2}}
		}),
		with(func(s *station.Snapshot) { s.Calls = full(station.Idle, station.RegRegistered).Calls }),
		with(func(s *station.Snapshot) { s.Buttons[0].Label = "Other" }),
		with(func(s *station.Snapshot) { s.Gauges.Mic.Peak = -3 }),
		with(func(s *station.Snapshot) { s.Gauges.Inputs[0].Presses = 99 }),
		with(func(s *station.Snapshot) { s.Registration.User = "1009" }),
		with(func(s *station.Snapshot) { s.Faults = full(station.Idle, station.RegRegistered).Faults }),
		with(func(s *station.Snapshot) { s.Version = "9" }),
	} {
		now = now.Add(time.Minute)
		got, err := kept.render(snap, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		whole := kept.newView(snap, now, true)
		for _, id := range sections() {
			var want bytes.Buffer
			if err := kept.tmpl.execute(&want, id, whole); err != nil {
				t.Fatal(err)
			}
			if got.sections[id] != strings.TrimSpace(want.String()) {
				t.Errorf("page %d: %s is not what it would be by itself: %q, want %q", i, id, got.sections[id], want.String())
			}
		}
	}
	// Nothing else than a second more: nothing is made again.
	kept.tmpl.mu.Lock()
	kept.tmpl.parsed = template.New("none")
	kept.tmpl.mu.Unlock()
	if _, err := kept.render(kept.last.Load().snap, nil, now.Add(time.Second)); err != nil {
		t.Error(err)
	}
}

func BenchmarkRender(b *testing.B) {
	r, snap := newRenderer(words.English(), true), full(station.Talking, station.RegRegistered)
	for b.Loop() {
		r.last.Store(nil)
		if _, err := r.render(snap, nil, snap.Time); err != nil {
			b.Fatal(err)
		}
	}
}

// The templates are there for who looks, and forgotten when nobody does any more.
func TestTemplatesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, snap := newRenderer(words.English(), true), sample()
		kept := func() bool {
			r.tmpl.mu.Lock()
			defer r.tmpl.mu.Unlock()
			return r.tmpl.parsed != nil
		}
		for range 2 {
			if kept() {
				t.Error("there are templates, and nobody has looked at the page")
			}
			for range 3 {
				if _, err := r.page(snap, nil, time.Now(), whoView{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(unseen - time.Second)
				if !kept() {
					t.Error("there are no templates any more, and somebody looks at the page")
				}
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
	})
}
