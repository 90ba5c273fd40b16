package door

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
)

// Memory is given back after the start and after calls, and in none.
func TestAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		news := func(yield func(station.Event) bool) {
			for _, e := range []struct {
				after time.Duration
				news  station.News
			}{
				{time.Second, station.CallStarted{}}, {time.Minute, station.CallEnded{}}, // before it was at rest
				{2 * time.Second, station.CallStarted{}}, {time.Minute, station.CallEnded{}},
				{time.Minute, station.CallStarted{}}, {time.Minute, station.CallEnded{}}, {time.Second, nil},
			} {
				time.Sleep(e.after)
				if !yield(station.Event{News: e.news}) {
					return
				}
			}
		}
		atRest(news, func() { at = append(at, time.Since(begin)) })
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{123*time.Second + tidyAfter}; !slices.Equal(at, want) {
			t.Errorf("after %v, want %v", at, want)
		}
	})
}
