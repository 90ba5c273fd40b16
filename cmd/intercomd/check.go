package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"intercomd/board/gpio"
	"intercomd/configs"
	"intercomd/door"
	"intercomd/words"
)

// checkCommand reports every fault of a configuration file, in the language of whoever asks.
func checkCommand(_ context.Context, args []string, io streams) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.err)
	flags.Usage = func() {
		fmt.Fprintln(io.err, "usage: intercomd check [--lang LANGUAGE] FILE\nlanguages:", strings.Join(words.Languages(), ", "))
	}
	lang := flags.String("lang", "", "")
	switch err := flags.Parse(args); {
	case err != nil:
		return exitUsage // which is told already
	case flags.NArg() != 1, *lang != "" && !words.Has(*lang):
		flags.Usage()
		return exitUsage
	}
	language := words.In(*lang)
	if *lang == "" {
		language = words.Locale(os.Getenv)
	}
	path := flags.Arg(0)
	s := door.Load(path)
	defer func() {
		if _, v, ok := keptSetup(loadInForce(path, nil)); ok {
			fmt.Fprintln(io.out, language.Text("check.page", "id", strconv.Itoa(v.ID), "at", v.At.Local().Format("2006-01-02 15:04")))
		}
	}()
	if s.Err == nil {
		fmt.Fprintln(io.out, language.Text("check.good", "file", path))
		return exitOK
	}
	told := s.Err.Error()
	if list, ok := errors.AsType[configs.Faults](s.Err); ok {
		told = list.In(language)
	}
	fmt.Fprintln(io.out, told)
	if s.Usable() {
		fmt.Fprintln(io.out, language.Text("check.usable"))
	}
	return exitConfig
}

// lockCommand drives the relays to rest after a crash.
func lockCommand(_ context.Context, args []string, io streams) int {
	path, err := configPath(args)
	if err != nil {
		fmt.Fprintln(io.err, "intercomd lock:", err)
		return exitUsage
	}
	kept := loadKept(path)
	if kept.Err != nil { // what could be read of it is still the best there is
		fmt.Fprintln(io.err, "intercomd lock:", kept.Err)
	}
	return lock(kept.Config, gpio.Available(), io.err)
}

// lock makes the relays safe. missing says why there is no GPIO chip, or is nil. Only
// relays that may still be energised are a failure: a unit that failed where there is
// nothing to do would hide one that matters.
func lock(cfg *configs.Config, missing error, log io.Writer) int {
	relays := door.GPIORelays(cfg)
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
