package beat

import (
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	for _, c := range []struct {
		now         time.Time
		every, want time.Duration
	}{
		{time.Unix(1000, 0), 2 * time.Second, 2 * time.Second},
		{time.Unix(1001, 250e6), 2 * time.Second, 750 * time.Millisecond},
		{time.Unix(1001, 250e6), 16 * time.Second, 6*time.Second + 750*time.Millisecond},
		{time.Unix(1, 1), time.Millisecond, time.Millisecond - 1},
	} {
		if got := Until(c.now, c.every); got != c.want {
			t.Errorf("from %v every %v: %v, want %v", c.now, c.every, got, c.want)
		}
	}
}
