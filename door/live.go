package door

import (
	"context"
	"reflect"
	"slices"
	"time"

	"intercomd/configs"
)

// liveLimit is how long the core may take for a change: it takes milliseconds.
const liveLimit = 2 * time.Second

// Take changes the running door from one configuration to another where that needs no other
// door: people and codes, schedules, targets, what buttons mean and what lamps show. It reports
// whether all that differs is in force now; if not, nothing is.
func (d *Door) Take(ctx context.Context, was, is *configs.Config) bool {
	if !reflect.DeepEqual(fixed(*was), fixed(*is)) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, liveLimit)
	defer cancel()
	return d.station.Change(ctx, stationConfig(is)) == nil
}

// fixed is a configuration without what [station.Station.Change] changes: what only another door
// can have in another way.
func fixed(c configs.Config) configs.Config {
	c.Targets, c.Schedules, c.Keys, c.Codes, c.Door = nil, nil, nil, nil, configs.Door{}
	c.Time.Holidays = nil
	c.Incoming = configs.Incoming{}
	c.Call = configs.Call{MediaTimeout: c.Call.MediaTimeout, Transfers: c.Call.Transfers} // the phone's
	c.Buttons, c.Lamps, c.Relays = slices.Clone(c.Buttons), slices.Clone(c.Lamps), slices.Clone(c.Relays)
	for i := range c.Buttons {
		b := &c.Buttons[i]
		b.Label, b.Target, b.Press, b.Long, b.LongAfter, b.InCall, b.Pause = "", "", configs.Action{}, configs.Action{}, 0, configs.Action{}, 0
	}
	for i := range c.Lamps {
		c.Lamps[i].Shows, c.Lamps[i].Looks = "", nil
	}
	for i := range c.Relays {
		r := &c.Relays[i]
		r.Pulse, r.FlashOn, r.FlashOff, r.Flashes = 0, 0, 0, 0
	}
	return c
}
