package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"intercomd/board/gpio"
	"intercomd/configs"
	"intercomd/station"
	"intercomd/words"
)

// checkCommand reports every fault of a configuration file.
func checkCommand(_ context.Context, args []string, io streams) int {
	path, err := configPath(args)
	if err != nil || len(args) == 0 {
		fmt.Fprintln(io.err, "usage: intercomd check FILE")
		return exitUsage
	}
	_, _, err = loadConfig(path)
	if err == nil {
		fmt.Fprintf(io.out, "%s: no faults\n", path)
		return exitOK
	}
	fmt.Fprintln(io.out, err)
	if usable(err) {
		fmt.Fprintln(io.out, "The door runs all the same: it can do without what is at fault.")
	}
	return exitConfig
}

// usable reports whether the door can call in spite of what Load complains of.
func usable(err error) bool {
	var list configs.Faults
	return err == nil || errors.As(err, &list) && !slices.ContainsFunc(list, func(f configs.Fault) bool { return !f.Optional })
}

// faultsOf turns what Load complains of into faults of the door.
func faultsOf(path string, err error) []station.Fault {
	if err == nil {
		return nil
	}
	var list configs.Faults
	if !errors.As(err, &list) {
		return []station.Fault{{Key: "config", Blinks: station.FaultConfig, Message: words.New("config-unreadable", "detail", err.Error())}}
	}
	var out []station.Fault
	for i, f := range list {
		blinks := station.FaultConfig
		if f.Optional {
			blinks = station.FaultLesser
		}
		m := words.New("config-fault", "place", f.Place(), "key", f.Key, "detail", f.Problem,
			"remedy", cmp.Or(f.Remedy, "correct "+path+" and restart intercomd"))
		out = append(out, station.Fault{Key: fmt.Sprintf("config.%d", i+1), Blinks: blinks, Message: m})
	}
	return out
}

// lockCommand drives the relays to rest after a crash.
func lockCommand(_ context.Context, args []string, io streams) int {
	path, err := configPath(args)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd lock:", err)
		return exitUsage
	}
	cfg, err := configs.Load(path)
	if err != nil { // what could be read of it is still the best there is
		fmt.Fprintln(io.err, "intercomd lock:", err)
	}
	return lock(cfg, gpio.Available(), io.err)
}

// lock makes the relays safe. missing says why there is no GPIO chip, or is nil. Only
// relays that may still be energised are a failure: a unit that failed where there is
// nothing to do would hide one that matters.
func lock(cfg *configs.Config, missing error, log io.Writer) int {
	relays := gpioRelays(cfg)
	switch driver := cfg.Board.Driver; {
	case driver != "gpio" && driver != "auto":
		fmt.Fprintf(log, "intercomd lock: nothing to make safe: no relay is on GPIO lines (board.driver is %q)\n", driver)
		return exitOK
	case len(relays) == 0:
		fmt.Fprintln(log, "intercomd lock: nothing to make safe: there is no relay")
		return exitOK
	case errors.Is(missing, fs.ErrNotExist):
		fmt.Fprintln(log, "intercomd lock: nothing to make safe:", missing)
		return exitOK
	}
	if err := gpio.Lock(relays, cfg.Board.Chips); err != nil {
		fmt.Fprintln(log, "intercomd lock:", err)
		return exitFailed
	}
	return exitOK
}
