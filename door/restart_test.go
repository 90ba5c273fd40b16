package door

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
)

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
