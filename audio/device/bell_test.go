package device

import (
	"testing"
	"testing/synctest"
	"time"
)

// A bell that was rung before the wait ends it, once; else time does, or the next ring.
func TestBell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBell()
		wait := func(d, want time.Duration) {
			t.Helper()
			begun := time.Now()
			if b.Wait(d); time.Since(begun) != want {
				t.Errorf("a wait of %v ends after %v, want %v", d, time.Since(begun), want)
			}
		}
		b.Ring()
		b.Ring()
		wait(time.Hour, 0)
		wait(time.Second, time.Second)
		time.AfterFunc(time.Minute, b.Ring)
		wait(ForEver, time.Minute)
		time.AfterFunc(time.Second, b.Ring)
		wait(time.Minute, time.Second)
		wait(time.Minute, time.Minute)
	})
}
