package door

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
)

// A chip that comes late ends the daemon, but no call.
func TestLateChipEndsTheDaemonBetweenCalls(t *testing.T) {
	atTheOffice(t, 9*time.Hour, func(o *officeDoor) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		d := &Door{station: o.st, end: make(chan error, 1), log: slog.New(slog.DiscardHandler)}
		var late atomic.Bool
		go d.watchChips(ctx, func() string {
			if late.Load() {
				return "/dev/gpiochip0"
			}
			return ""
		})
		time.Sleep(time.Hour)
		if len(d.end) > 0 {
			t.Fatal("ended without a reason")
		}
		o.press("bell", 100*time.Millisecond)
		if s := o.st.Snapshot().State; s != station.Calling {
			t.Fatalf("the door is %s", s)
		}
		late.Store(true)
		time.Sleep(2 * chipsEvery)
		synctest.Wait()
		if len(d.end) > 0 {
			t.Fatal("ended in a call")
		}
		time.Sleep(10 * time.Minute) // nobody answers
		synctest.Wait()
		if err := <-d.end; err == nil || !strings.Contains(err.Error(), "/dev/gpiochip0") {
			t.Errorf("ended with %v", err)
		}
	})
}

// An upgrade, or a new configuration, takes no call away.
func TestTheDoorEndsBetweenCalls(t *testing.T) {
	atTheOffice(t, 9*time.Hour, func(o *officeDoor) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		errAnew := errors.New("told to start anew")
		d := &Door{station: o.st, end: make(chan error, 1), log: slog.New(slog.DiscardHandler)}
		o.press("bell", 100*time.Millisecond)
		go d.EndWhenIdle(ctx, errAnew)
		synctest.Wait()
		if s := o.st.Snapshot().State; s != station.Calling || len(d.end) > 0 {
			t.Fatalf("the door is %s, and ends", s)
		}
		time.Sleep(10 * time.Minute) // nobody answers
		synctest.Wait()
		if err := <-d.end; !errors.Is(err, errAnew) {
			t.Errorf("ended with %v", err)
		}
	})
}
