package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"intercomd/configs"
	"intercomd/door"
	"intercomd/fleet"
	"intercomd/station"
	"intercomd/update"
	"intercomd/update/slot"
	"intercomd/words"
)

// This file lets a door be fed by a server: which of the files that it has is in force, and
// the agent that asks for others.

// boardSerial is where the kernel tells the serial number of a board with a device tree.
const boardSerial = "/proc/device-tree/serial-number"

// serialOf is the number by which a door asks; "" if it has none.
func serialOf(c *configs.Config, file string) string {
	if c.Fleet.Serial != "" {
		return c.Fleet.Serial
	}
	data, err := os.ReadFile(file) //nolint:gosec // of the kernel
	if err != nil {
		return ""
	}
	s := strings.TrimRight(string(data), "\x00\n ")
	if s == "" || strings.Trim(strings.ToLower(s), "0123456789abcdefghijklmnopqrstuvwxyz-_") != "" {
		return ""
	}
	return s
}

// fleetDir is the folder of what was fetched.
func fleetDir(c *configs.Config) string { return filepath.Join(door.StateDir(c), "fleet") }

// inForce is the configuration of a door.
type inForce struct {
	door.Settings
	own     *configs.Config // of the door's own file
	running fleet.Choice    // zero: the door's own file
	alone   bool            // the door can call with its own file alone
	note    words.Message   // what was fetched last cannot be used
	noteErr error           // it could not be written down that it is tried
}

// loadKept reads what is in force now, without a change of what is.
func loadKept(path string) inForce {
	f := loadInForce(path, func(dir string) ([]fleet.Choice, error) { return fleet.Kept(dir), nil })
	if s, _, ok := keptSetup(f); ok {
		f.Settings = s
	}
	return f
}

// loadInForce reads a door's own file, and in its place what was fetched, if that can be used.
func loadInForce(path string, kept func(dir string) ([]fleet.Choice, error)) (f inForce) {
	f.Settings = door.Load(path)
	f.own = f.Config
	f.alone = f.Usable() && len(f.own.SIP.Servers) > 0
	if !f.own.Fleet.Given || kept == nil {
		return f
	}
	choices, err := kept(fleetDir(f.own))
	f.noteErr = err
	own := f
	for i, c := range choices {
		l := own
		l.running = c
		l.Settings = door.LoadLayers(path, fleet.Layers(c.Dir, serialOf(own.own, boardSerial), path))
		if i == 0 && !l.Usable() {
			own.note = words.New("fleet-not-used", "detail", strings.ReplaceAll(l.Err.Error(), "\n", "; "))
		}
		l.note = own.note
		if l.Usable() {
			return l
		}
		f = l // its faults are what people should see, if there is none that can be used
	}
	if f.running.Hash != "" && own.alone {
		return own
	}
	return f
}

// beginFleet is loadInForce for a door that starts.
func beginFleet(path string) inForce { return loadInForce(path, fleet.Begin) }

// fleetFaults are what a door has to say of its fleet before the agent runs.
func (f inForce) fleetFaults() (out []station.Fault) {
	if !f.note.None() {
		out = append(out, station.Fault{Key: "fleet.kept", Blinks: station.FaultLesser, Message: f.note})
	}
	if f.noteErr != nil {
		out = append(out, station.Fault{Key: "fleet.kept", Blinks: station.FaultLesser, Message: words.New("fleet-not-kept", "detail", f.noteErr.Error())})
	}
	return out
}

// feed asks the server of the fleet until ctx ends, if there is one.
func feed(ctx context.Context, d *door.Door, force inForce, log *slog.Logger) {
	c := force.Config
	if c.Fleet.URL == "" {
		return
	}
	fed := fedDoor{door: d, ctx: ctx}
	serial := serialOf(c, boardSerial)
	if serial == "" {
		fed.Show(fleet.PartServer, words.New("fleet-serial"))
		log.Error(words.New("fleet-serial").String())
		return
	}
	floor := d.Floor()
	client, err := fleet.NewClient(c.Fleet, func() time.Time {
		if now := time.Now(); now.After(floor) {
			return now
		}
		return floor
	})
	if err != nil {
		fed.Show(fleet.PartServer, words.Because(words.New("fleet-client"), err))
		log.Error("fleet", "error", err)
		return
	}
	defer client.Close()
	agent := fleet.NewAgent(fleet.Config{Dir: fleetDir(c), Own: force.Path, Alone: force.alone, Running: force.running, Serial: serial,
		Server: client, Interval: c.Fleet.Interval, Channel: c.Update.Channel, URLOf: func(name string) string { return client.URL(name).String() },
		Judge: func(layers []configs.Layer) error { s := door.LoadLayers(force.Path, layers); return s.Err },
		Door:  fed, Updates: fleetUpdates{agentClient(updateSocket)}, Log: log})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serveFleet(ctx, filepath.Join(fleetDir(c), fleetSocket), agent, log)
	}()
	agent.Run(ctx)
	<-ended
}

// fedDoor is a door as its fleet sees it.
type fedDoor struct {
	door *door.Door
	ctx  context.Context //nolint:containedctx // of what waits for the end of a call
}

func (f fedDoor) Registered() (bool, words.Message) {
	r := f.door.Station().Snapshot().Registration
	return r.State == station.RegRegistered, r.Problem
}

func (f fedDoor) Show(part string, m words.Message) {
	if m.None() {
		f.door.Station().ClearFault(part)
		return
	}
	blinks := station.FaultLesser
	if m.Code == "fleet-waiting" { // nobody can be called
		blinks = station.FaultConfig
	}
	f.door.Station().SetFault(station.Fault{Key: part, Blinks: blinks, Message: m})
}

func (f fedDoor) StartAnew(string) {
	go f.door.EndWhenIdle(f.ctx, errAnew)
}

// fleetUpdates is the update agent as the fleet sees it.
type fleetUpdates struct{ agent agentClient }

func (u fleetUpdates) Status(ctx context.Context) (st update.Status, err error) {
	err = u.agent.call(ctx, http.MethodGet, "/status", nil, &st)
	if errors.Is(err, update.ErrNoAgent) {
		err = fleet.ErrNoUpdates
	}
	return st, err
}

func (u fleetUpdates) Inspect(ctx context.Context, source string) (info update.Info, err error) {
	return info, u.agent.call(ctx, http.MethodGet, "/inspect?source="+url.QueryEscape(source), nil, &info)
}

func (u fleetUpdates) Install(ctx context.Context, b update.Bundle) error {
	return u.agent.call(ctx, http.MethodPost, "/install", b, nil)
}

// fleetSocket is where the daemon takes the questions of "intercomd fleet": in the folder that
// is for its user alone.
const fleetSocket = "socket"

// serveFleet answers "intercomd fleet" until ctx ends. Without it the door is fed all the same.
//
//	GET  /status   fleet.Status
//	POST /now
func serveFleet(ctx context.Context, path string, agent *fleet.Agent, log *slog.Logger) {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		if rerr := os.Remove(path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = rerr
		}
	}
	var l net.Listener
	if err == nil {
		l, err = (&net.ListenConfig{}).Listen(ctx, "unix", path)
	}
	if err != nil {
		log.Warn("intercomd fleet will get no answer", "error", err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, agent.Status(), nil) })
	mux.HandleFunc("POST /now", func(w http.ResponseWriter, _ *http.Request) { agent.Now(); answer(w, struct{}{}, nil) })
	server := &http.Server{Handler: mux, ReadTimeout: apiLimit, WriteTimeout: apiLimit, IdleTimeout: apiLimit, MaxHeaderBytes: 4096,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	<-ctx.Done()
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		log.Warn("intercomd fleet gets no answer", "error", err)
	}
}

// fleetCommand tells how a door is fed.
func fleetCommand(ctx context.Context, args []string, io streams) int {
	verb, rest := "status", args
	if len(args) > 0 && (args[0] == "status" || args[0] == "now") {
		verb, rest = args[0], args[1:]
	}
	path, err := configPath(rest)
	if err != nil {
		fmt.Fprintln(io.err, "usage: intercomd fleet [status|now] [FILE]")
		return exitUsage
	}
	if len(rest) == 0 && slot.OnCard() {
		path = cardConfig
	}
	if err := askFleet(ctx, verb, path, io); err != nil {
		fmt.Fprintln(io.err, "intercomd fleet:", err)
		return exitFailed
	}
	return exitOK
}

// cardConfig is where a card image has the configuration in force.
const cardConfig = "/run/intercom/card/intercom.toml"

func askFleet(ctx context.Context, verb, path string, io streams) error {
	cfg := door.Load(path).Config
	if !cfg.Fleet.Given {
		return fmt.Errorf("%s names no server: there is no url under [fleet]", path)
	}
	daemon := agentClient(filepath.Join(fleetDir(cfg), fleetSocket))
	var before, st fleet.Status
	if err := daemon.call(ctx, http.MethodGet, "/status", nil, &before); errors.Is(err, update.ErrNoAgent) {
		return errors.New("intercomd does not run, or this is not its configuration")
	} else if err != nil {
		return err
	}
	st = before
	if verb == "now" {
		if err := daemon.call(ctx, http.MethodPost, "/now", nil, nil); err != nil {
			return err
		}
		for st.Next.Equal(before.Next) { // it is asked anew at another time after each answer
			select {
			case <-time.After(300 * time.Millisecond):
			case <-ctx.Done():
				return errors.New("the server is being asked; see intercomd fleet status")
			}
			if err := daemon.call(ctx, http.MethodGet, "/status", nil, &st); err != nil {
				return errors.New("the door starts anew with what the server has; see intercomd fleet status")
			}
		}
	}
	printFleet(io, cfg, st)
	return nil
}

func printFleet(io streams, cfg *configs.Config, st fleet.Status) {
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(io.out, "%-10s%s\n", what, text)
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return "not yet"
		}
		return t.Local().Format("2006-01-02 15:04:05")
	}
	line("serial", st.Serial)
	line("server", cfg.Fleet.URL)
	inForce := "the door's own file alone"
	if st.InForce != "" {
		inForce = st.InForce
	}
	if st.Trial {
		inForce += ", on trial"
	}
	line("in force", inForce)
	if !st.Refused.None() {
		line("problem", st.Refused.String())
		line("remedy", st.Refused.Remedy())
	}
	line("reached", at(st.Reached))
	line("failed", st.Problem)
	line("next", at(st.Next))
	if st.Channel != "" {
		line("channel", strings.TrimSpace(st.Channel+" "+st.Version))
		if st.Version != "" {
			line("place", fmt.Sprintf("%.2f %% of the doors go first", st.Place))
		}
		line("update", st.Update)
		line("failed", st.NotTaken)
	}
}
