package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"intercomd/station"
)

// tab is a page in a headless Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // it is the handle that chromedp gives to a tab
}

// browser opens a tab for the test, or skips it.
func browser(t *testing.T) tab {
	t.Helper()
	return browserFor(t, 3*time.Minute)
}

// browserFor is browser for a test that takes its time.
func browserFor(t *testing.T, limit time.Duration) tab {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on this machine")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1000, 1400))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	ctx, cancelAlloc := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancelAlloc)
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(cancelTab)
	return tab{t, ctx}
}

func (b tab) do(step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, step); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for a condition in JavaScript.
func (b tab) until(condition string) {
	b.t.Helper()
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+condition+")"))
		if ok {
			return
		}
		if b.ctx.Err() != nil {
			b.t.Fatalf("it never came to pass that %s (%v)", condition, err)
		}
		b.do(chromedp.Sleep(20 * time.Millisecond)) // a poll of another process: nothing tells of its changes
	}
}

// says waits until an element has the text.
func (b tab) says(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, text))
}

func (b tab) is(condition string) bool {
	b.t.Helper()
	ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](condition))
	if err != nil {
		b.t.Fatal(err)
	}
	return ok
}

// mouse presses or releases the left button over the middle of window.bell.
func (b tab) mouse(kind input.DispatchMouseEventType) {
	b.t.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Evaluate[[2]float64](`(() => {
		bell.scrollIntoView({block: "center"});
		const r = bell.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`))
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.MouseEvent(kind, at[0], at[1], chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

func (b tab) key(kind input.DispatchKeyEventType) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, input.DispatchKeyEvent,
		input.DispatchKeyEventParams{Type: kind, Key: " ", Code: "Space", WindowsVirtualKeyCode: 32})
	if err != nil {
		b.t.Fatal(err)
	}
}

// Sections change in place: the elements, the focus and the tab live on.
func TestBrowserUpdatesInPlace(t *testing.T) {
	b := browser(t)
	st := newStation(sample())
	base, stop := serving(t, newServer(st, newPanel()))
	b.do(chromedp.Navigate(base))
	b.says("#link", "live")
	b.says("#state h2", "Ready")
	b.is(`(window.bell = document.querySelector(".bell"), bell.focus(), true)`)

	st.publish(with(func(s *station.Snapshot) {
		s.State, s.Call = station.Calling, &station.Record{Pressed: time.Now(), Peer: station.Peer{User: "<i>1001</i>"}}
		s.Board.Lamps[0].Pattern = station.LampFast
	}))
	b.says("#state h2", "Calling <i>1001</i>")
	b.until(`document.querySelector(".lamp.fast")`)
	if !b.is(`document.querySelector(".bell") === bell && document.activeElement === bell`) {
		t.Error("the update replaced the button or took its focus")
	}
	if title, err := chromedp.Run(b.ctx, chromedp.Title()); err != nil || !strings.HasPrefix(title, "Calling") {
		t.Errorf("the tab says %q, %v", title, err)
	}
	if !b.is(`getComputedStyle(document.querySelector(".lamp.fast")).animationDuration === "0.2s"`) {
		t.Error("the lamp does not blink in its rhythm")
	}

	// What the door refuses is said.
	st.refuse(station.ErrNoCall)
	b.is(`(document.querySelector(".hangup").click(), true)`)
	b.until(`!document.getElementById("notice").hidden`)
	b.says("#notice", "No call is in progress.")
	b.do(chromedp.Navigate("about:blank"))
	stop()
}

// A button of the simulated panel is down from the press to the release, by
// mouse and by keyboard, whatever is published meanwhile.
func TestBrowserHoldsButtons(t *testing.T) {
	b := browser(t)
	st, panel := newStation(sample()), newPanel()
	base, stop := serving(t, newServer(st, panel))
	b.do(chromedp.Navigate(base))
	b.says("#link", "live")
	b.is(`(window.bell = document.querySelector(".bell"), bell.focus(), true)`)

	held := func(by string, down, up func()) {
		down()
		if m := panel.next(t); m != (move{input: "bell", down: true}) {
			t.Fatalf("%s down: %+v", by, m)
		}
		st.publish(with(func(s *station.Snapshot) { s.Board.Inputs[0].Active = true }))
		b.until(`document.querySelector(".bell.down.held")`)
		if n := len(panel.moves); n != 0 {
			t.Errorf("%s: %d moves while the button is held", by, n)
		}
		up()
		if m := panel.next(t); m != (move{input: "bell"}) {
			t.Fatalf("%s up: %+v", by, m)
		}
		st.publish(sample())
		b.until(`!document.querySelector(".bell.down") && !document.querySelector(".bell.held")`)
		if n := len(panel.moves); n != 0 {
			t.Errorf("%s: the press was followed by another", by)
		}
	}
	held("mouse",
		func() { b.mouse(input.DispatchMouseEventTypeMousePressed) },
		func() { b.mouse(input.DispatchMouseEventTypeMouseReleased) })
	held("keyboard",
		func() { b.key(input.DispatchKeyEventTypeKeyDown) },
		func() { b.key(input.DispatchKeyEventTypeKeyUp) })

	// A click that no finger made, as of a screen reader, is a short press.
	b.until(`(window.then ??= Date.now()) + 600 < Date.now()`)
	b.is(`(bell.click(), true)`)
	if m := panel.next(t); m != (move{input: "bell", hold: defaultHold}) {
		t.Errorf("click: %+v", m)
	}
	b.do(chromedp.Navigate("about:blank"))
	stop()
}

// A door that goes away is seen to be away, and its return is noticed; another
// version of the program brings its own page.
func TestBrowserNoticesLoss(t *testing.T) {
	b := browser(t)
	first := newServer(newStation(sample()), nil)
	base, stop := serving(t, first)
	b.do(chromedp.Navigate(base))
	b.says("#link", "live")
	b.is(`(window.mark = true)`)
	if b.is(`getComputedStyle(document.getElementById("lost")).display !== "none"`) {
		t.Error("lost while it is there")
	}

	stop()
	b.until(`getComputedStyle(document.getElementById("lost")).display !== "none"`)
	b.says("#link", "not live")
	b.says("#lost", "is lost")

	st := newStation(sample())
	_, stop = serving(t, New(Config{Listen: first.Addr(), Log: quiet()}, st, nil))
	b.until(`getComputedStyle(document.getElementById("lost")).display === "none"`)
	b.says("#link", "live")
	if !b.is(`window.mark === true`) {
		t.Error("the same program brought another page")
	}
	st.publish(with(func(s *station.Snapshot) { s.Version = "9.9.9" }))
	b.says("#foot", "9.9.9")
	b.until(`window.mark === undefined`)
	b.do(chromedp.Navigate("about:blank"))
	stop()
}

// Without JavaScript the page is read and its buttons work as forms.
func TestBrowserWithoutScript(t *testing.T) {
	b := browser(t)
	panel := newPanel()
	base, stop := serving(t, newServer(newStation(sample()), panel))
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(base))
	b.says("#state h2", "Ready")
	b.until(`document.querySelector("#link a")?.textContent === "Reload now"`)
	b.is(`(window.bell = document.querySelector(".bell"), true)`)
	b.mouse(input.DispatchMouseEventTypeMousePressed)
	b.mouse(input.DispatchMouseEventTypeMouseReleased)
	if m := panel.next(t); m != (move{input: "bell", hold: defaultHold}) {
		t.Errorf("the form gave %+v", m)
	}
	b.until(`location.pathname === "/" && document.querySelector("#state h2")`)
	b.do(chromedp.Navigate("about:blank"))
	stop()
}

// otherClock has pages tell another time of the door.
type otherClock struct {
	http.ResponseWriter
	by time.Duration
}

func (w otherClock) WriteHeader(status int) {
	w.Header().Set("Server-Timing", fmt.Sprintf("clock;dur=%d", time.Now().Add(w.by).UnixMilli()))
	w.ResponseWriter.WriteHeader(status)
}

// Pages that show times say if the door's clock is not that of the browser.
func TestBrowserTellsOfAnotherClock(t *testing.T) {
	b := browser(t)
	s := newServer(newStation(sample()), nil)
	for by, apart := range map[time.Duration]bool{0: false, time.Hour: true, -time.Minute: true} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.Handler().ServeHTTP(otherClock{w, by}, r)
		}))
		b.do(chromedp.Navigate(srv.URL + "/service"))
		b.until(`document.readyState === "complete" && document.getElementById("skew")`)
		if b.is(`!document.getElementById("skew").hidden`) != apart {
			t.Errorf("%v apart: said is %v", by, !apart)
		}
		if apart {
			b.says("#skew", "The clock of the door differs")
		}
		b.do(chromedp.Navigate("about:blank"))
		srv.Close()
	}
}
