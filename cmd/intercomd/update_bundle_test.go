package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/update"
)

// reader is an installer that takes for a bundle what begins with "version ".
type reader struct{ installed chan update.Bundle }

func (r reader) Inspect(_ context.Context, source string) (update.Info, error) {
	data, err := os.ReadFile(source)
	if err != nil {
		return update.Info{}, err
	}
	v, ok := strings.CutPrefix(string(data[:min(len(data), 40)]), "version ")
	if !ok {
		return update.Info{}, errors.New("no signature")
	}
	v, _, _ = strings.Cut(v, "\n")
	return update.Info{Version: v, Hash: "h" + v}, nil
}

func (r reader) Install(ctx context.Context, b update.Bundle, _ func(update.Progress)) error {
	r.installed <- b
	<-ctx.Done()
	return ctx.Err()
}

type noMachine struct{}

func (noMachine) Running() (string, bool)  { return "A", false }
func (noMachine) Pending() (string, error) { return "", nil }
func (noMachine) Try(string) error         { return nil }
func (noMachine) Commit() error            { return nil }
func (noMachine) GiveUp(string) error      { return nil }
func (noMachine) Why() (string, error)     { return "", nil }
func (noMachine) Restart() error           { return nil }

// bundleAgent is an agent with a spool behind a socket.
func bundleAgent(t *testing.T) (agentClient, string, *update.Agent) {
	t.Helper()
	dir := t.TempDir()
	agent := update.NewAgent(update.Config{Store: update.Dir(dir), Installer: reader{make(chan update.Bundle, 1)}, Machine: noMachine{}, Version: "1.0", Boot: "b",
		Limits: update.LimitsOf(time.Minute), Log: slog.New(slog.DiscardHandler)})
	ctx, end := context.WithCancel(t.Context())
	api := http.NewServeMux()
	api.Handle("/", updateAPI(agent, update.Dir(dir)))
	api.Handle("PUT /bundle", bundleAPI(update.NewSpool(agent, filepath.Join(dir, "spool"))))
	server := &http.Server{Handler: api, ReadHeaderTimeout: time.Minute, ReadTimeout: apiLimit, WriteTimeout: inspectLimit}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ran, served := make(chan struct{}), make(chan error, 1)
	go func() { agent.Run(ctx); close(ran) }()
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served; end(); <-ran })
	return agentClient(socket), filepath.Join(dir, "spool", "upload.raucb"), agent
}

func bundle(version string, size int) []byte {
	return append([]byte("version "+version+"\n"), bytes.Repeat([]byte("x"), size)...)
}

func TestUploadedBundle(t *testing.T) {
	for what, tt := range map[string]struct {
		data  []byte
		size  int64
		newer bool
		want  string // part of the error
	}{
		"newer":          {bundle("1.1", 5<<20), 5 << 20, true, ""},
		"size unknown":   {bundle("1.1", 5<<20), -1, true, ""},
		"older, by hand": {bundle("0.9", 100), -1, false, ""},
		"older":          {bundle("0.9", 100), -1, true, "is not newer"},
		"the same":       {bundle("1.0", 100), -1, true, "is not newer"},
		"not signed":     {[]byte("anything"), -1, false, "no signature"},
		"empty":          {nil, 0, false, "no signature"},
	} {
		t.Run(what, func(t *testing.T) {
			c, path, agent := bundleAgent(t)
			size := tt.size
			if size > 0 {
				size = int64(len(tt.data))
			}
			info, err := c.upload(t.Context(), bytes.NewReader(tt.data), size, tt.newer)
			st, serr := agent.Status(t.Context())
			if serr != nil {
				t.Fatal(serr)
			}
			_, there := os.Stat(path)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || st.Stage != update.Nothing || there == nil {
					t.Errorf("%v, stage %q, file %v", err, st.Stage, there)
				}
				return
			}
			if err != nil || st.Source != path || st.Hash != info.Hash || there != nil {
				t.Errorf("%v, %+v, file %v", err, st, there)
			}
			if _, err := c.upload(t.Context(), bytes.NewReader(bundle("2.0", 1)), -1, false); err == nil {
				t.Error("a second one is taken while the first one waits")
			}
			if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, tt.data) {
				t.Errorf("%d bytes, %v", len(data), err)
			}
		})
	}
}

func TestBundlesOnAStick(t *testing.T) {
	c, _, agent := bundleAgent(t)
	dir := t.TempDir()
	var out bytes.Buffer
	if err := c.fromStick(t.Context(), dir, streams{out: &out, err: &out}); err != nil || !strings.Contains(out.String(), "no bundle") {
		t.Errorf("%v: %s", err, out.String())
	}
	for _, v := range []string{"1.9", "1.10", "1.2"} {
		putText(t, filepath.Join(dir, fmt.Sprintf("intercomd-%s-arm64.RAUCB", v)), string(bundle(v, 10)))
	}
	putText(t, filepath.Join(dir, "._intercomd-9.9-arm64.raucb"), "what a Mac leaves")
	putText(t, filepath.Join(dir, "readme.txt"), "x")
	if err := os.Mkdir(filepath.Join(dir, "z.raucb"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.fromStick(t.Context(), dir, streams{out: &out, err: &out}); err != nil || !strings.Contains(out.String(), "version 1.10") {
		t.Errorf("%v: %s", err, out.String())
	}
	if st, err := agent.Status(t.Context()); err != nil || st.Hash != "h1.10" || st.Now {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestUpdateAddressOfThePage(t *testing.T) {
	c, _, _ := bundleAgent(t)
	for _, bad := range []string{"", "/etc/passwd", "file:///etc/passwd", "ftp://a/b", "https://"} {
		if err := (updatePage{c}).Install(t.Context(), bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if err := (updatePage{c}).Install(t.Context(), "https://example.org/b.raucb"); err != nil {
		t.Error(err)
	}
}
