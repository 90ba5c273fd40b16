package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"golang.org/x/sys/unix"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/metrics"
	"intercomd/update/report"
	"intercomd/update/slot"
	"intercomd/web/logtail"
	"intercomd/words"
)

// runCommand is the daemon. A configuration that cannot be used does not keep it
// from running: the door then shows on its lamp and page what is wrong.
func runCommand(ctx context.Context, args []string, io streams) int {
	path, err := configPath(args)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd run:", err)
		return exitUsage
	}
	hangUp := make(chan os.Signal, 1) // before all else: the start takes seconds on some boards
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	force := beginFleet(path)
	by, isNew, resetErr := door.Reset(force.own)
	if isNew {
		force = beginFleet(path)
	}
	cfg := force.Config
	tail := logtail.New()
	log := slog.New(tail.Handler(newLogger(io.err, cfg.Log).Handler()))
	slog.SetDefault(log) // for libraries that write to the standard logger
	log.Info("starting", "version", buildVersion(), "config", path)
	switch {
	case isNew:
		log.Warn("the door was reset: it is a new one now", "by", by.Name, "from", by.From)
	case resetErr != nil:
		log.Error("the door could not be reset; the next start tries again", "error", resetErr)
	}
	if built().IsZero() {
		log.Warn("this build has no build time: a board without a battery clock may accept a date in the past",
			"remedy", "build it from a clone, or with SOURCE_DATE_EPOCH set")
	}
	if keys := cfg.ForCard(); len(keys) > 0 && !slot.OnCard() {
		log.Warn("machine settings are ignored: only the card image configures its machine", "settings", strings.Join(keys, ", "),
			"remedy", "set up name, network and time zone of this system by its own means, and remove them")
	}
	if err := runDoors(ctx, force, hangUp, log, tail); err != nil && !errors.Is(err, errAnew) {
		log.Error("stopped", "error", err)
		return exitFailed
	}
	log.Info("stopped")
	return exitOK
}

// runDoors runs one door after the other, each made of what the page has set up by then.
func runDoors(ctx context.Context, force inForce, hangUp <-chan os.Signal, log *slog.Logger, tail *logtail.Tail) error {
	beside, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	defer tellStopping()
	t := openSetup(force, log.With("part", "setup"))
	t.tail = tail
	running.Go(func() { t.keeper.Run(beside) })
	faults := append(systemNotes(notesDir, log), force.fleetFaults()...)
	for together := beganWithMachine(); ; together = false {
		now := t.inForce(force)
		d, err := door.New(ctx, door.Config{Settings: now.Settings, Faults: slices.Concat(faults, t.faults()), Version: buildVersion(), Built: built(), Together: together, Log: log})
		if err == nil {
			err = runDoor(ctx, d, now, t, hangUp, log)
		}
		if !errors.Is(err, errOtherDoor) {
			return err
		}
		log.Info("the door is made anew, with what was set up on the page")
	}
}

// bootTime is how long after the start of its machine a door is taken to have started because of that.
const bootTime = 3 * time.Minute

// beganWithMachine reports whether the machine has started just now, as all doors of a site do after a power
// cut. A daemon that is started anew on a running machine has a person before it, or is alone.
func beganWithMachine() bool {
	var up unix.Timespec
	return unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) == nil && time.Duration(up.Nano()) < bootTime
}

// runDoor runs a door and whatever a daemon has beside it: the page, systemd, the update agent.
// They are there until the door has come to rest.
func runDoor(ctx context.Context, d *door.Door, force inForce, t *tuning, hangUp <-chan os.Signal, log *slog.Logger) error {
	beside, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	running.Go(func() { tellSystemd(beside, d.Station(), log) })
	running.Go(func() { startAnew(beside, d, hangUp, log) })
	running.Go(func() { watchDescriptors(beside, d.Station()) })
	t.begin(beside, d)
	defer t.end()
	cfg := force.Config
	running.Go(func() { feed(beside, d, force, log.With("part", "fleet")) })
	account := ""
	if d.HasPhone() {
		account = cfg.SIP.User
	}
	running.Go(func() {
		report.Reporter{Station: d.Station(), Started: d.Started(), Account: account, Log: log}.Run(beside, agentClient(updateSocket))
	})
	running.Go(func() { tellBroker(beside, cfg, d, log.With("part", "mqtt")) })
	if cfg.Web.Listen != "" {
		figures := metrics.New(d.Station(), log.With("part", "metrics"))
		running.Go(func() { figures.Run(beside) })
		running.Go(func() { showPage(beside, cfg, d, t, figures.Handler(), log.With("part", "web")) })
		running.Go(func() { letBeFound(beside, cfg, d, log.With("part", "mdns")) })
	}
	return d.Run(ctx)
}

// errAnew ends a daemon that was told to start anew; it is no failure.
var errAnew = errors.New("told to start anew")

// startAnew ends the door when hangUp says so, and no call is up: SIGHUP is what the
// service sends for "systemctl reload", after a new configuration and after an upgrade.
// Only a new process has the new program, so that nothing is read again in this one.
func startAnew(ctx context.Context, d *door.Door, hangUp <-chan os.Signal, log *slog.Logger) {
	select {
	case <-hangUp:
		log.Info("asked to restart: doing so when no call is up")
		d.EndWhenIdle(ctx, errAnew)
	case <-ctx.Done():
	}
}

// newLogger writes to w as the configuration asks.
func newLogger(w io.Writer, c configs.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	opt := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(tamed{w}, opt))
	}
	if native, err := journal.StderrIsJournalStream(); err == nil && native && w == os.Stderr {
		return slog.New(newJournalHandler(w, level, journal.Send))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// tamed writes JSON without the characters that steer terminals, which the network may have sent:
// whoever follows the log sees them undone. Lines of text have them quoted.
type tamed struct{ io.Writer }

func (t tamed) Write(line []byte) (int, error) {
	if _, err := t.Writer.Write(words.Tame(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
