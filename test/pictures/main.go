// Command pictures makes the pictures of the status page that the documents show: the
// page itself, as package web serves it, over doors that are made up here.
//
// It exists so that a change of the page can be looked at, at the widths of a telephone
// and of a desk, and so that the documents do not show a page of long ago.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"intercomd/station"
	"intercomd/web"
	"intercomd/words"
)

func main() {
	out := flag.String("out", "docs/img", "folder for the pictures")
	all := flag.Bool("all", false, "every scene at all widths and in all languages, not only those of the documents; fails where one is wider than its window")
	lang := flag.String("lang", strings.Join(words.Languages(), ","), "with -all: the languages")
	flag.Parse()
	var err error
	if *all {
		err = runAll(*out, strings.Split(*lang, ","))
	} else {
		err = run(*out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

const (
	desk  = 1280 // CSS pixels
	phone = 390
	small = 320         // the least that WCAG 2.2 asks for, 1.4.10
	limit = time.Minute // for one picture
)

// open starts a browser.
func open(out string) (browser context.Context, end func(), err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, fmt.Errorf("a browser is needed (make setup): %w", err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true))
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	browser, endBrowser := chromedp.NewContext(alloc)
	return browser, func() { endBrowser(); endAlloc() }, nil
}

// run makes the pictures of the documents.
func run(out string) error {
	browser, end, err := open(out)
	if err != nil {
		return err
	}
	defer end()
	for _, sc := range scenes() {
		width, name := int64(desk), "desktop"
		if sc.onPhone {
			width, name = phone, "phone"
		}
		png, _, err := sc.picture(browser, width, "en")
		if err != nil {
			return fmt.Errorf("%s at %d: %w", sc.name, width, err)
		}
		if png, err = smaller(png); err != nil {
			return fmt.Errorf("%s at %d: %w", sc.name, width, err)
		}
		if err := write(filepath.Join(out, fmt.Sprintf("status-%s-%s.png", sc.name, name)), png); err != nil {
			return err
		}
	}
	return nil
}

// runAll makes pictures of all scenes, to be looked at.
func runAll(out string, languages []string) error {
	browser, end, err := open(out)
	if err != nil {
		return err
	}
	defer end()
	bad := 0
	for _, sc := range scenes() {
		for _, lang := range languages {
			for _, width := range []int64{desk, phone, small} {
				png, wide, err := sc.picture(browser, width, lang)
				if err != nil {
					return fmt.Errorf("%s at %d: %w", sc.name, width, err)
				}
				file := filepath.Join(out, fmt.Sprintf("status-%s-%s-%d.png", sc.name, lang, width))
				if err := write(file, png); err != nil {
					return err
				}
				if wide != "" {
					bad++
					fmt.Printf("%s is too wide for %s\n", file, wide)
				}
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d pages are wider than their window", bad)
	}
	return nil
}

func write(file string, png []byte) error {
	fmt.Println(file)
	return os.WriteFile(file, png, 0o644)
}

// tooWide names what stands out of the window, if anything does.
const tooWide = `(() => {
	const d = document.documentElement;
	if (d.scrollWidth <= d.clientWidth) return "";
	const out = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > d.clientWidth + 0.5);
	return d.scrollWidth + " px: " + out.slice(0, 8).map(e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.className && e.className.split ? "." + e.className.split(" ").join(".") : "")).join(" ");
})()`

// picture serves a scene, opens it in a tab of its own and photographs the whole page. It
// names what is too wide for the window, too.
func (sc scene) picture(browser context.Context, width int64, lang string) (png []byte, wide string, err error) {
	ctx, cancel := context.WithTimeout(browser, limit)
	defer cancel()
	tab, closeTab := chromedp.NewContext(ctx)
	defer closeTab()

	server := web.New(web.Config{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}, door{sc.snapshot(time.Now()), make(chan struct{})}, panel{})
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Run(serving) }()
	base, err := address(ctx, server)
	if err != nil {
		return nil, "", err
	}
	scheme := "light"
	if sc.dark {
		scheme = "dark"
	}
	if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		return nil, "", err
	}
	for _, step := range []chromedp.Action[chromedp.Void]{
		chromedp.EmulateViewport(width, 900), chromedp.Navigate(base + "?lang=" + lang),
		chromedp.WaitReady("#state h2"), chromedp.Sleep(400 * time.Millisecond),
	} {
		if err := chromedp.Do(tab, step); err != nil {
			return nil, "", err
		}
	}
	if sc.lost {
		stop()
		if err := <-ended; err != nil {
			return nil, "", err
		}
		if err := chromedp.Do(tab, chromedp.Sleep(4*time.Second)); err != nil {
			return nil, "", err
		}
	}
	if wide, err = chromedp.Run(tab, chromedp.Evaluate[string](tooWide)); err != nil {
		return nil, "", err
	}
	png, err = chromedp.Run(tab, chromedp.FullScreenshot(100))
	return png, wide, err
}

// address waits for the server to listen.
func address(ctx context.Context, s *web.Server) (string, error) {
	for {
		if a := s.Addr(); a != "" && a != "127.0.0.1:0" {
			base := "http://" + a + "/"
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
			if err != nil {
				return "", err
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
				return base, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// door is a station at which nothing happens.
type door struct {
	snap    *station.Snapshot
	changed chan struct{}
}

func (d door) Snapshot() *station.Snapshot               { return d.snap }
func (d door) Changed() <-chan struct{}                  { return d.changed }
func (d door) Gauges() *station.Gauges                   { return nil }
func (d door) Administer(station.Administered)           {}
func (d door) Walk() *station.Walk                       { return &station.Walk{} }
func (d door) Do(context.Context, station.Command) error { return nil }
func (d door) Coming() uint64                            { return 1 }

// Since has nothing to tell: a picture stands still.
func (d door) Since(uint64) ([]station.Event, <-chan struct{}) { return nil, nil }

// panel is a front panel that nobody presses.
type panel struct{}

func (panel) Press(string, time.Duration) error { return nil }
func (panel) Set(string, bool) error            { return nil }
