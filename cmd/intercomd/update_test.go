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

	"intercomd/update"
)

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
	if err := socket.status(t.Context(), io.Discard); !errors.Is(err, update.ErrNoAgent) {
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
	if err := socket.status(ctx, &out); err != nil || !strings.Contains(out.String(), "running   v1 in slot A") || !strings.Contains(out.String(), "problem   the update was not installed: the update system says: signature") {
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
