package door

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/metrics"
	"intercomd/station"
)

// A door at which nothing happens for three days has as many goroutines, and as much in its heap, as
// after its first hour: state, history, audit, notices, mixer, sound and figures of a real door, and
// somebody who follows its events. Its telephone, which needs a network, is in [intercomd/phone].
func TestThreeDaysAtRest(t *testing.T) {
	const hours = 72
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "door.toml")
		text := "[audio]\ninput = \"none\"\noutput = \"none\"\n[board]\ndriver = \"sim\"\n[state]\ndir = \"" + t.TempDir() + "\"\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := New(t.Context(), Config{Settings: Load(file), Version: "test", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := d.Run(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
		figures := metrics.New(d.Station(), slog.New(slog.DiscardHandler))
		running.Go(func() { figures.Run(ctx) })
		var news int
		running.Go(func() {
			for range d.Station().Subscribe(ctx, 0) {
				news++
			}
		})
		look := func() (goroutines int, heap uint64) {
			synctest.Wait()
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return runtime.NumGoroutine(), m.HeapAlloc
		}
		time.Sleep(time.Hour)
		before, heap := look()
		time.Sleep(hours * time.Hour)
		after, more := look()
		t.Logf("%d h: %d goroutines, then %d; %d kB, then %d; %d events", hours, before, after, heap>>10, more>>10, news)
		if after != before {
			t.Errorf("%d goroutines after the first hour, %d after %d more", before, after, hours)
		}
		if more > heap+256<<10 {
			t.Errorf("%d kB after the first hour, %d after %d more", heap>>10, more>>10, hours)
		}
		if s := d.Station().Snapshot(); s.State != station.Idle {
			t.Errorf("the door is %v", s.State)
		}
		cancel()
		running.Wait()
	})
}
