package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"intercomd/station"
)

// This file ends the daemon where only a new process can go on; systemd starts one.

const (
	permissionWait = 3 * time.Second // for udev to hand over chips at the start
	chipsEvery     = 5 * time.Second // between looks for chips that came late
)

// errAnew ends a daemon that was told to start anew; it is no failure.
var errAnew = errors.New("told to start anew")

// startAnew ends the daemon when hangUp says so, and no call is up: SIGHUP is what the
// service sends for "systemctl reload", after a new configuration and after an upgrade.
// Only a new process has the new program, so that nothing is read again in this one.
func (d *daemon) startAnew(ctx context.Context, hangUp <-chan os.Signal) {
	select {
	case <-hangUp:
		d.log.Info("told to start anew: doing so when no call is up")
		d.endWhenIdle(ctx, errAnew)
	case <-ctx.Done():
	}
}

// endWhenIdle ends the daemon as soon as no call is up.
func (d *daemon) endWhenIdle(ctx context.Context, why error) {
	for {
		changed := d.station.Changed()
		if s := d.station.Snapshot().State; s == station.Idle || s == station.Stopped {
			d.stop(why)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// watchChips ends the daemon when a GPIO chip has come that this process cannot use.
// It does so once for a chip: the next process finds it, see [gpio.Watch.Late].
func (d *daemon) watchChips(ctx context.Context, late func() string) {
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
			d.endWhenIdle(ctx, fmt.Errorf("GPIO chip %s can be used by a new process only", chip))
			return
		}
	}
}
