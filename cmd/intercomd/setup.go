package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/setup"
	"intercomd/station"
	"intercomd/store"
	"intercomd/update/slot"
	"intercomd/web/accounts"
	"intercomd/web/logtail"
	"intercomd/words"
)

// This file has the page's configuration tried on doors: what is in force, and the commands for
// whoever is at the machine.

// setupDir is the folder of what was set up on the page.
func setupDir(own *configs.Config) string { return filepath.Join(door.StateDir(own), "setup") }

// keptSetup is what the page has set up, if it is in force in place of the door's own file.
func keptSetup(f inForce) (s door.Settings, v setup.Version, ok bool) {
	file, err := store.ReadNamed(f.Path, maxOwn)
	if err != nil || f.own.Fleet.Given {
		return s, v, false
	}
	text, v, ok := setup.InForce(setupDir(f.own), file)
	if ok {
		s = door.LoadText(f.Path, text, f.own)
		ok = s.Usable()
	}
	return s, v, ok
}

// maxOwn is far above the size of any configuration.
const maxOwn = 1 << 20

// tuning is what outlives the doors that are made one after the other: what is set up on the
// page, and who is signed in to it.
type tuning struct {
	keeper *setup.Keeper
	own    *configs.Config
	path   string
	log    *slog.Logger
	tail   *logtail.Tail // the last lines of the log, for the page; nil: not kept

	// changing is held from reading the text that a change is made of until it is tried: of two people who
	// change something at the same time, none takes back what the other did.
	changing sync.Mutex

	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // of the door that runs
	door   *door.Door      // nil: none runs
	people *accounts.Book
	given  string // the password of the configuration that people has
	dir    string // that people are kept in
	spoilt error  // what is in force cannot be used
}

// errOtherDoor ends a door for another to be made.
var errOtherDoor = errors.New("the configuration is another one")

// openSetup reads what was set up.
func openSetup(f inForce, log *slog.Logger) *tuning {
	t := &tuning{own: f.own, path: f.Path, log: log}
	t.keeper = setup.Open(setup.Config{Dir: setupDir(f.own), File: f.Path, Elsewhere: f.own.Fleet.Given, Log: log,
		Judge: func(text []byte) (*configs.Config, error) {
			s := door.LoadText(f.Path, text, f.own)
			return s.Config, s.Err
		}})
	return t
}

// inForce is what the next door is made of.
func (t *tuning) inForce(f inForce) inForce {
	t.spoilt = nil
	text := t.keeper.Running()
	if text == nil {
		return f
	}
	s := door.LoadText(f.Path, text, f.own)
	if !s.Usable() { // it was when it was kept: another version of the program, or a file beside it is gone
		t.spoilt = s.Err
		t.log.Error("what was set up on the page cannot be used any more", "error", s.Err)
		return f
	}
	f.Settings = s
	return f
}

// faults are what a door has to say of what was set up.
func (t *tuning) faults() []station.Fault {
	if t.spoilt == nil {
		return nil
	}
	return []station.Fault{{Key: "setup", Blinks: station.FaultLesser, Message: words.New("setup-spoilt", "detail", t.spoilt.Error())}}
}

// begin tells that a door is at work until ctx ends.
func (t *tuning) begin(ctx context.Context, d *door.Door) {
	t.mu.Lock()
	t.ctx, t.door = ctx, d
	t.mu.Unlock()
	t.keeper.Begun(tunedDoor{t, d, ctx})
}

// end tells that it is not any more.
func (t *tuning) end() {
	t.keeper.Begun(nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.door = nil
}

// book opens the accounts of the page once for all doors, so that whoever sets up a door stays
// signed in.
func (t *tuning) book(dir *store.Dir, given string) (*accounts.Book, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.people != nil && t.given == given && t.dir == dir.Path("") {
		return t.people, nil
	}
	b, err := accounts.Open(book{dir}, given)
	if err == nil {
		t.people, t.given, t.dir = b, given, dir.Path("")
	}
	return b, err
}

// tunedDoor is a door as its keeper sees it.
type tunedDoor struct {
	t    *tuning
	door *door.Door
	ctx  context.Context //nolint:containedctx // of what waits for the end of a call
}

func (d tunedDoor) Registered() (bool, words.Message) { return fedDoor{door: d.door}.Registered() }

func (d tunedDoor) Anew() { go d.door.EndWhenIdle(d.ctx, errOtherDoor) }

func (d tunedDoor) Live(was, is *configs.Config) bool { return d.door.Take(d.ctx, was, is) }

func (d tunedDoor) Told(o setup.Outcome, v setup.Version) {
	if o == setup.Back {
		d.door.Station().Administer(station.Administered{Deed: station.SettingsTakenBack, Of: strconv.Itoa(v.ID), By: station.Principal{Via: station.ViaDoor}})
	}
}

// configCommand tells which configuration is in force, and gives the file its word back.
func configCommand(_ context.Context, args []string, io streams) int {
	verb, rest := "status", args
	if len(args) > 0 && (args[0] == "status" || args[0] == "show" || args[0] == "reset") {
		verb, rest = args[0], args[1:]
	}
	path, err := configPath(rest)
	if err != nil {
		fmt.Fprintln(io.err, "usage: intercomd config [status|show|reset] [FILE]")
		return exitUsage
	}
	if len(rest) == 0 && slot.OnCard() {
		path = cardConfig
	}
	f := loadInForce(path, nil)
	if err := configVerb(verb, f, io); err != nil {
		fmt.Fprintln(io.err, "intercomd config:", err)
		return exitFailed
	}
	return exitOK
}

func configVerb(verb string, f inForce, io streams) error {
	dir := setupDir(f.own)
	_, v, kept := keptSetup(f)
	switch verb {
	case "show":
		file, err := store.ReadNamed(f.Path, maxOwn)
		if err != nil {
			return err
		}
		if kept {
			file, _, _ = setup.InForce(dir, file)
		}
		_, err = io.out.Write(file)
		return err
	case "reset":
		if !kept {
			fmt.Fprintln(io.out, f.Path, "is in force already")
			return nil
		}
		// Whoever is root must leave nothing that the daemon could not remove: the folder is its own.
		if err := os.WriteFile(filepath.Join(dir, setup.ResetFile), nil, 0o600); err != nil {
			return err
		}
		fmt.Fprintln(io.out, f.Path, "is in force at the next start: systemctl reload intercomd")
		return nil
	}
	switch {
	case f.own.Fleet.Given:
		fmt.Fprintln(io.out, "the fleet's server has the configuration: see intercomd fleet")
	case kept:
		fmt.Fprintf(io.out, "in force: version %d of the page, of %s, by %s, in place of %s\n", v.ID, v.At.Local().Format("2006-01-02 15:04"), v.By.Name, f.Path)
		fmt.Fprintf(io.out, "to have the file back: intercomd config reset, or edit the file (the page's version is in %s)\n", dir)
	default:
		fmt.Fprintln(io.out, "in force:", f.Path)
	}
	return nil
}
