package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
)

// Browser is a headless Chromium with a microphone that plays a WAV file.
type Browser struct {
	ctx  context.Context //nolint:containedctx // chromedp keeps the browser in its context
	stop []context.CancelFunc
}

// StartBrowser starts Chromium with its profile in dir and its microphone fed
// from the WAV file tone.
func StartBrowser(ctx context.Context, dir, tone string) (*Browser, error) {
	return startBrowser(ctx, dir, nil,
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-audio-capture", tone),
	)
}

// StartBrowserAt starts Chromium with its profile in dir and a virtual sound card,
// which must be the default of its server.
func StartBrowserAt(ctx context.Context, dir string, card *Card) (*Browser, error) {
	return startBrowser(ctx, dir, card.Env())
}

func startBrowser(ctx context.Context, dir string, env []string, more ...chromedp.ExecAllocatorOption) (*Browser, error) {
	// It leaves things behind in the folder for temporary files.
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.Env(append(env, "TMPDIR="+tmp)...),
		chromedp.ExecPath(Tool("chromium")), chromedp.UserDataDir(dir), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("headless", "new"), chromedp.WSURLReadTimeout(60 * time.Second),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}),
		// Its own certificate authority is none that a browser knows.
		chromedp.IgnoreCertErrors,
		// Microphone without asking, sound without a click, real addresses in candidates.
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns"),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
		// Nothing that talks to the network or throttles a page in the background.
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-default-apps", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(ctx, append(opts, more...)...)
	bctx, stopBrowser := chromedp.NewContext(alloc)
	b := &Browser{ctx: bctx, stop: []context.CancelFunc{stopBrowser, stopAlloc}}
	if err := chromedp.Do(bctx); err != nil {
		b.Stop()
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	return b, nil
}

// Pid is the process of the browser.
func (b *Browser) Pid() int { return chromedp.FromContext(b.ctx).Browser.Process().Pid }

// Stop ends the browser and waits for it.
func (b *Browser) Stop() {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	_ = chromedp.Cancel(ctx)
	for _, stop := range b.stop {
		stop()
	}
	chromedp.FromContext(b.ctx).Allocator.Wait()
}

// Page is one tab.
type Page struct {
	ctx  context.Context //nolint:containedctx // as above
	stop context.CancelFunc
}

// Open opens url in a tab of its own.
func (b *Browser) Open(url string) (*Page, error) {
	ctx, stop := chromedp.NewContext(b.ctx)
	p := &Page{ctx: ctx, stop: stop}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		stop()
		return nil, fmt.Errorf("open %s: %w", url, err)
	}
	return p, nil
}

// Close closes the tab.
func (p *Page) Close() { p.stop() }

// Do evaluates a JavaScript expression; a promise is waited for. out, if not nil,
// receives the value.
func (p *Page) Do(ctx context.Context, js string, out any) error {
	run, cancel := context.WithCancel(p.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	var value []byte
	var err error
	if out == nil {
		// The value may be anything, such as a whole telephone: it stays in the page.
		js = "(async () => { await (" + js + ") })()"
		_, err = chromedp.Run(run, chromedp.Evaluate[chromedp.Void](js, chromedp.EvalAwaitPromise))
	} else if value, err = chromedp.Run(run, chromedp.Evaluate[[]byte](js, chromedp.EvalAwaitPromise)); err == nil {
		err = json.Unmarshal(value, out)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("in the page, %.60q: %w", js, err)
	}
	return nil
}

// Until waits until a JavaScript expression is true.
func (p *Page) Until(ctx context.Context, js string) error {
	return Poll(ctx, func() error {
		var ok bool
		if err := p.Do(ctx, "!!("+js+")", &ok); err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("not yet: %s", js)
		}
		return nil
	})
}

// Screenshot takes a picture of the whole page (PNG) at a width in CSS pixels.
func (p *Page) Screenshot(width int64) ([]byte, error) {
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 900)); err != nil {
		return nil, err
	}
	return chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
}
