package door

import (
	"context"
	"fmt"
	"time"

	"intercomd/station"
)

// This file ends the door where only a new process can go on; systemd starts one.

const (
	permissionWait = 3 * time.Second // for udev to hand over chips at the start
	chipsEvery     = 5 * time.Second // between looks for chips that came late
)

// EndWhenIdle ends the door as soon as no call is up, unless ctx ends before. Run returns why.
func (d *Door) EndWhenIdle(ctx context.Context, why error) {
	for {
		changed := d.station.Changed()
		if s := d.station.Snapshot().State; s == station.Idle || s == station.Stopped {
			select {
			case d.end <- why:
			default: // there is a reason already
			}
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// watchChips ends the door when a GPIO chip has come that this process cannot use.
// It does so once for a chip: the next process finds it, see [gpio.Watch.Late].
func (d *Door) watchChips(ctx context.Context, late func() string) {
	tick := time.NewTicker(chipsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if chip := late(); chip != "" {
			d.log.Warn("a GPIO chip came late: restarting when no call is up", "chip", chip)
			d.EndWhenIdle(ctx, fmt.Errorf("GPIO chip %s can be used by a new process only", chip))
			return
		}
	}
}
