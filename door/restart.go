package door

import (
	"context"

	"intercomd/station"
)

// This file ends the door where only a new process can go on; systemd starts one.

// EndWhenIdle ends the door as soon as no call is up, unless ctx ends before. Run returns why.
func (d *Door) EndWhenIdle(ctx context.Context, why error) {
	for {
		changed := d.station.Changed()
		if s := d.station.Snapshot().State; s == station.Idle || s == station.Stopped {
			d.End(why)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// End ends the door at once; a call that is up is hung up. Run returns why.
func (d *Door) End(why error) {
	select {
	case d.end <- why:
	default: // there is a reason already
	}
}
