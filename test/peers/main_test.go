// Package peers calls with servers and telephones of all kinds, feature by feature,
// and keeps account of what worked with whom: docs/compatibility.md is written from
// it. It runs with INTERCOMD_SYSTEM=1 ("make peers"), in a network namespace of its
// own; without that every test here is skipped.
package peers

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"intercomd/test/lab"
)

func TestMain(m *testing.M) {
	if !lab.Wanted() {
		os.Exit(m.Run())
	}
	os.Exit(lab.InNamespace(func() int {
		defer place.stop()
		code := m.Run()
		if code != 0 || flag.Lookup("test.run").Value.String() != "" {
			return code
		}
		if err := results.settle(); err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			return 1
		}
		return 0
	}))
}

// Tones of the parties: nothing that happens by itself, no harmonics of each other.
const (
	doorTone   = 1000.0 // Hz, into the door's microphone
	pageTone   = 1700.0 // from a web phone's microphone
	indoorTone = 1300.0 // from baresip
	serverTone = 700.0  // from Asterisk's extension "tone"
	audible    = -45.0  // dBFS: heard at all; the tones are played at -12
	steady     = -22.0  // dBFS over half a second: heard without great gaps
)

// place is what all tests share; started once, when first asked for.
var place shared

type shared struct {
	once    sync.Once
	err     error
	site    *lab.Site
	browser *lab.Browser
	phones  *lab.Phones

	mu    sync.Mutex
	ports int
}

func (s *shared) stop() {
	if s.site != nil {
		s.site.Stop()
	}
}

func (s *shared) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	bin := os.Getenv("INTERCOMD_BIN")
	if bin == "" {
		bin = "../../bin/intercomd"
	}
	var err error
	if s.site, err = lab.StartSite(ctx, bin, lab.Address, 7443, "door"); err != nil {
		return err
	}
	if s.phones, err = lab.ServePhones(); err != nil {
		return err
	}
	s.site.Defer(s.phones.Stop)
	tone := filepath.Join(s.site.Dir, "page.wav")
	if err = lab.WriteTone(tone, 5, pageTone, -12); err != nil {
		return err
	}
	if s.browser, err = lab.StartBrowser(context.Background(), filepath.Join(s.site.Dir, "chromium"), tone); err != nil {
		return err
	}
	s.site.Defer(s.browser.Stop)
	return nil
}

// need starts the shared peers, or skips the test when none were asked for.
func need(t *testing.T) *shared {
	t.Helper()
	if !lab.Wanted() {
		t.Skip("needs Asterisk, Kamailio, rtpengine, baresip, Chromium, PulseAudio and a network namespace: run make peers")
	}
	place.once.Do(func() { place.err = place.start() })
	if place.err != nil {
		t.Fatal("start the peers: ", place.err)
	}
	return &place
}

// port hands out ports, one for each page.
func (s *shared) port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports++
	return 8200 + s.ports
}

// within is a context for one step of a test, or of its cleaning up.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}
