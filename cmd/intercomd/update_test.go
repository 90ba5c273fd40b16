package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/station"
	"intercomd/update"
	"intercomd/update/slot"
	"intercomd/words"
)

// What a failed registration proves of the system that runs.
func TestStanding(t *testing.T) {
	for _, c := range []struct {
		code  string
		state station.RegState
		want  update.Reach
	}{
		{"dial-refused", station.RegFailed, update.ReachHost},
		{"dial-timeout", station.RegFailed, update.ReachSilent},
		{"dial-unreachable", station.RegFailed, update.ReachSilent},
		{"dial-name", station.RegFailed, update.ReachSilent},
		{"dial-not-websocket", station.RegFailed, update.ReachSilent},
		{"dial-unknown-ca", station.RegFailed, update.ReachServer},
		{"dial-wrong-pin", station.RegFailed, update.ReachServer},
		{"dial-other", station.RegFailed, update.ReachUnknown},
		{"dial-bad-url", station.RegFailed, update.ReachUnknown},
		{"registration-trouble", station.RegFailed, update.ReachSilent},
		{"registration-trouble", station.RegRefused, update.ReachServer},
	} {
		a := standing("door", station.Registration{State: c.state, Problem: words.New(c.code)})
		if a.Reach != c.want || a.Registered || a.Code == "" {
			t.Errorf("%s, %s: %+v, want %q", c.code, c.state, a, c.want)
		}
	}
	// Another device has taken the extension: that is no fault of the system.
	if a := standing("door", station.Registration{State: station.RegRegistered, Problem: words.New("x")}); !a.Registered {
		t.Errorf("%+v", a)
	}
}

func TestFactsOfTheDoor(t *testing.T) {
	d := &reporter{started: time.Now()}
	s := &station.Snapshot{State: station.Idle, Sound: station.Sound{Input: station.Device{OK: true}},
		Board: station.BoardState{Relays: []station.Relay{{Name: "door"}, {Name: "light", On: true}}},
		Faults: []station.Fault{{Key: "registration", Blinks: station.FaultRegistration}, {Key: "update", Blinks: station.FaultLesser},
			{Key: "alarm.a", Blinks: station.FaultAlarm}, {Key: "notify.1.webhook", Blinks: station.FaultUntold}, {Key: "web", Blinks: station.FaultLesser}}}
	f := d.facts(s)
	if !f.AtRest || len(f.Faults) != 1 || f.Faults[0].Key != "web" || len(f.Accounts) != 0 || len(f.Parts) != 4 || !f.Parts[0].OK || f.Parts[1].OK {
		t.Errorf("%+v", f)
	}
	s.Board.Relays[0] = station.Relay{Name: "door", On: true, Until: time.Now()}
	if d.facts(s).AtRest {
		t.Error("at rest with an open door")
	}
	s.Board.Relays[0] = station.Relay{}
	s.State = station.Talking
	if d.facts(s).AtRest {
		t.Error("at rest in a call")
	}
}

// stillMachine is a machine that nothing is asked of.
type stillMachine struct{}

func (stillMachine) Running() (string, bool)  { return "A", false }
func (stillMachine) Pending() (string, error) { return "", nil }
func (stillMachine) Try(string) error         { return nil }
func (stillMachine) Commit() error            { return nil }
func (stillMachine) GiveUp(string) error      { return nil }
func (stillMachine) Why() (string, error)     { return "", nil }
func (stillMachine) Restart() error           { return nil }

type unsigned struct{}

func (unsigned) Inspect(context.Context, string) (update.Info, error) {
	return update.Info{}, errors.New("signature verification failed")
}
func (unsigned) Install(context.Context, update.Bundle, func(update.Progress)) error { return nil }

// The command, the agent's socket and the agent, with a bundle that nobody signed.
func TestUpdateCommandAndAgent(t *testing.T) {
	dir := t.TempDir()
	socket := agentClient(filepath.Join(dir, "s"))
	bundle := filepath.Join(dir, "x.raucb")
	if err := os.WriteFile(bundle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := socket.status(t.Context(), io.Discard); !errors.Is(err, errNoAgent) {
		t.Errorf("without an agent: %v", err)
	}
	agent := update.NewAgent(update.Config{Store: update.Dir(dir), Installer: unsigned{}, Machine: stillMachine{}, Version: "v1",
		Limits: update.LimitsOf(time.Minute), Log: slog.New(slog.DiscardHandler)})
	l, err := listenUpdates(t.Context(), string(socket))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: updateAPI(agent, update.Dir(dir)), ReadHeaderTimeout: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { _ = server.Serve(l) })
	defer func() { _ = server.Close() }()
	all.Go(func() { agent.Run(ctx) })
	all.Go(func() { // a door at rest
		for ctx.Err() == nil {
			_ = socket.call(ctx, http.MethodPut, "/door", update.Facts{AtRest: true, Started: time.Unix(1, 0)}, new(update.Reply))
			time.Sleep(100 * time.Millisecond)
		}
	})

	if err := socket.check(ctx, bundle, io.Discard); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("check: %v", err)
	}
	src, err := source(bundle)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := socket.install(ctx, update.Bundle{Source: src}, &out); err == nil || !strings.Contains(err.Error(), "signature verification failed; check that") {
		t.Errorf("install: %v\n%s", err, out.String())
	}
	out.Reset()
	if err := socket.status(ctx, &out); err != nil || !strings.Contains(out.String(), "running   v1 in slot A") || !strings.Contains(out.String(), "problem   the update was not installed: signature") {
		t.Errorf("%v\n%s", err, out.String())
	}
	var reply update.Reply
	if err := socket.call(ctx, http.MethodPut, "/door", update.Facts{}, &reply); err != nil || reply.Trouble.Code != "update-failed" {
		t.Errorf("the door is told %+v, %v", reply, err)
	}
	if err := socket.call(ctx, http.MethodPost, "/forget", nil, nil); err != nil {
		t.Error(err)
	}
	reply = update.Reply{}
	if err := socket.call(ctx, http.MethodPut, "/door", update.Facts{}, &reply); err != nil || !reply.Trouble.None() {
		t.Errorf("after forget the door is told %+v, %v", reply, err)
	}
	w := httptest.NewRecorder()
	body := strings.NewReader(`{"version":"` + strings.Repeat("x", mostBody) + `"}`)
	if updateAPI(agent, update.Dir(dir)).ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/door", body)); w.Code != http.StatusConflict {
		t.Errorf("a report of any size is taken: %d", w.Code)
	}
}

func TestSourceOfBundles(t *testing.T) {
	for arg, ok := range map[string]bool{"https://a/b.raucb": true, "http://a/b": true, "ftp://a/b": false, "file:///etc/passwd": false, "/no/such/file": false, "update_test.go": true} {
		if got, err := source(arg); (err == nil) != ok {
			t.Errorf("%s: %q, %v", arg, got, err)
		}
	}
}

func TestUpdateUsage(t *testing.T) {
	for _, args := range []string{"install", "check", "status x", "-x", "nosuchverb", "install a b", "https://a b"} {
		var out strings.Builder
		if code := updateCommand(t.Context(), strings.Fields(args), streams{out: &out, err: &out}); code != exitUsage || !strings.Contains(out.String(), "install [-now]") {
			t.Errorf("%s: %d %s", args, code, out.String())
		}
	}
}

// A card that cannot be asked is an error, and no wrong answer.
func TestDeadCardOfTheAgent(t *testing.T) {
	h := deadCard(t, "slot=B\ntrial=1\ndisk=/dev/mmcblk0\nnote=\n")
	boot, err := h.started()
	if err != nil {
		t.Fatal(err)
	}
	c := cardMachine{h, boot}
	if name, trial := c.Running(); name != slot.B.String() || !trial {
		t.Errorf("%s runs, trial %t", name, trial)
	}
	_, err1 := c.Pending()
	_, err2 := c.Why()
	for i, err := range []error{err1, err2, c.Commit(), c.GiveUp("x"), c.Try("A"), c.Try("C")} {
		if err == nil {
			t.Errorf("%d: no error", i)
		}
	}
}
