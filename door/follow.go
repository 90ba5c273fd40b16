package door

import (
	"context"
	"sync"

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
		each(auditor(d.keep, d.kept))
	}
	if !d.notices.Idle() {
		each(d.notices.Tell)
	}
	return &all
}
