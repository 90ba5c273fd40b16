package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"intercomd/beat"
	"intercomd/station"
	"intercomd/words"
)

// Descriptors are files and connections that the process has open. A call needs some: without
// them a press fails, so that somebody must hear of it before.
const (
	descriptorsEvery = 10 * time.Second
	descriptorsHigh  = 0.8 // of the limit: a fault
	descriptorsFine  = 0.6 // and no longer
)

// watchDescriptors raises a fault while the process has nearly all the descriptors that it
// may have.
func watchDescriptors(ctx context.Context, st *station.Station) {
	for pause(ctx, descriptorsEvery) {
		lookAtDescriptors(st)
	}
}

// pause waits until the next multiple of d (see [beat.Until]). It reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(beat.Until(time.Now(), d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// lookAtDescriptors raises or clears the fault. It may be called by any goroutine.
func lookAtDescriptors(st *station.Station) {
	used, limit, err := descriptors("/proc/self/fd")
	switch {
	case err != nil || limit == 0:
	case float64(used) >= descriptorsHigh*float64(limit):
		st.SetFault(station.Fault{Key: "descriptors", Blinks: station.FaultLesser, Message: words.New("descriptors-low",
			"used", strconv.Itoa(used/50*50)+"+", "limit", strconv.Itoa(limit))})
	case float64(used) <= descriptorsFine*float64(limit):
		st.ClearFault("descriptors")
	}
}

// descriptors counts what is open, and says how many may be. That there are none left to count
// with is an answer, too.
func descriptors(dir string) (used, limit int, err error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, 0, err
	}
	limit = int(min(l.Cur, 1<<20))
	open, err := os.ReadDir(dir)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return limit, limit, nil
	}
	return len(open), limit, err
}
