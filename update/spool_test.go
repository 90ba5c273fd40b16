package update

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A bundle without end is cut off, and leaves nothing.
func TestEndlessBundle(t *testing.T) {
	s := NewSpool(nil, t.TempDir())
	left := int64(100 << 20)
	s.free = func(string) (int64, error) { left -= 10 << 20; return left, nil }
	err := s.write(endless{}, -1)
	entries, _ := os.ReadDir(s.dir)
	if !errors.Is(err, ErrNoRoom) || len(entries) != 0 {
		t.Errorf("%v, %d files", err, len(entries))
	}
	for size, want := range map[int64]error{mostBundle + 1: ErrTooLarge, 60 << 20: ErrNoRoom} {
		left = 100 << 20
		if err := s.write(endless{}, size); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// What lies there of a bundle that had not come whole when the power went is removed at the next start, and told. A
// bundle that was accepted before is kept.
func TestPowerCutWhileABundleComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		dir := t.TempDir()
		c := newCard()
		c.boot(false)
		agent := NewAgent(Config{Store: c, Installer: c, Machine: c, Version: "v1", Boot: "1", Limits: LimitsOf(0), Log: slog.New(slog.NewTextHandler(&log, nil))})
		s := NewSpool(agent, dir)
		c.record = Record{Stage: Wanted, Bundle: Bundle{Source: s.path()}}
		for _, path := range []string{s.path(), s.part()} {
			if err := os.WriteFile(path, []byte("bundle"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() { agent.Run(ctx) })
		runs.Go(func() { s.Run(ctx) })
		synctest.Wait()
		if _, err := os.Stat(s.part()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what had come is there still: %v", err)
		}
		if _, err := os.Stat(s.path()); err != nil {
			t.Errorf("the bundle that is to be installed: %v", err)
		}
		cancel()
		runs.Wait()
		if !strings.Contains(log.String(), "broke off") || !strings.Contains(log.String(), "bytes=6") {
			t.Errorf("the log says %q", log.String())
		}
	})
}
