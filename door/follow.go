package door

import (
	"context"
	"iter"
	"sync"
	"time"

	"intercomd/memory"
	"intercomd/station"
)

// This file is who follows the events of the door: each a loop in a goroutine of its own, which
// ends when the door has stopped and it has read all. What they do delays nobody but
// themselves.

// follow starts everybody who follows the events. It returns at once; the group is done when
// they are.
func (d *Door) follow() *sync.WaitGroup {
	var all sync.WaitGroup
	each := func(do func(station.Event)) {
		all.Go(func() {
			for e := range d.station.Subscribe(context.Background(), 0) {
				do(e)
			}
		})
	}
	each(logger(d.log.With("part", "door")))
	if d.keep != nil {
		each(auditor(d.keep, days(d.cfg.History.Days), clockKnown(d.floor()), d.kept))
		all.Go(func() { d.past.Follow(d.station) })
	}
	if !d.notices.Idle() {
		each(d.notices.Tell)
	}
	all.Go(d.tidy)
	return &all
}

// tidyAfter is how long after a call, or after the start, its memory is given back.
const tidyAfter = 5 * time.Second

// tidy gives memory back to the machine when nobody talks any more. By itself Go does so little by
// little, for minutes, and wakes up for it.
func (d *Door) tidy() {
	atRest(d.station.Subscribe(context.Background(), 0), func() { memory.Rest() })
}

// atRest calls rest after the start and after each call, but never in one, until the news end.
func atRest(news iter.Seq[station.Event], rest func()) {
	t := time.AfterFunc(tidyAfter, rest)
	defer t.Stop()
	for e := range news {
		switch e.News.(type) {
		case station.CallStarted:
			t.Stop()
		case station.CallEnded:
			t.Reset(tidyAfter)
		}
	}
}
