package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
)

// A chip that comes late ends the daemon, but no call.
func TestLateChipEndsTheDaemonBetweenCalls(t *testing.T) {
	atTheOffice(t, 9*time.Hour, func(o *officeDoor) {
		ctx, stop := context.WithCancelCause(context.Background())
		defer stop(nil)
		d := &daemon{station: o.st, stop: stop, log: slog.New(slog.DiscardHandler)}
		var late atomic.Bool
		go d.watchChips(ctx, func() string {
			if late.Load() {
				return "/dev/gpiochip0"
			}
			return ""
		})
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			t.Fatal("ended without a reason")
		}
		o.press("bell", 100*time.Millisecond)
		if s := o.st.Snapshot().State; s != station.Calling {
			t.Fatalf("the door is %s", s)
		}
		late.Store(true)
		time.Sleep(2 * chipsEvery)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("ended in a call")
		}
		time.Sleep(10 * time.Minute) // nobody answers
		synctest.Wait()
		if err := context.Cause(ctx); err == nil || !strings.Contains(err.Error(), "/dev/gpiochip0") {
			t.Errorf("ended with %v", err)
		}
	})
}

// An upgrade, or a new configuration, takes no call away.
func TestHangUpSignalStartsAnewBetweenCalls(t *testing.T) {
	atTheOffice(t, 9*time.Hour, func(o *officeDoor) {
		ctx, stop := context.WithCancelCause(context.Background())
		defer stop(nil)
		d := &daemon{station: o.st, stop: stop, log: slog.New(slog.DiscardHandler)}
		hangUp := make(chan os.Signal, 1)
		go d.startAnew(ctx, hangUp)
		o.press("bell", 100*time.Millisecond)
		hangUp <- syscall.SIGHUP
		synctest.Wait()
		if s := o.st.Snapshot().State; s != station.Calling || ctx.Err() != nil {
			t.Fatalf("the door is %s, and ended with %v", s, context.Cause(ctx))
		}
		time.Sleep(10 * time.Minute) // nobody answers
		synctest.Wait()
		if err := context.Cause(ctx); !errors.Is(err, errAnew) {
			t.Errorf("ended with %v", err)
		}
	})
}
