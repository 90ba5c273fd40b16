package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"intercomd/configs"
	"intercomd/update"
	"intercomd/update/rauc"
	"intercomd/update/slot"
)

// This file is the update agent: a small process of its own, as root, on a card image. It
// outlives a daemon that does not work, which is what it is for, and can write to the
// card, which the daemon must not.

const (
	updateSocket = "/run/intercom/update.sock"
	updateDir    = "/data/updates"
	systemFile   = "/usr/lib/intercom/version"
)

// updateAgent runs until a signal ends it.
func updateAgent(ctx context.Context, args []string, io streams) error {
	path, err := configPath(args)
	if err != nil {
		return fmt.Errorf("%w: %w", errUpdateUsage, err)
	}
	kept := loadKept(path)
	cfg := kept.Config
	log := newLogger(io.err, cfg.Log)
	if kept.Err != nil {
		log.Warn("update: the configuration has faults; what is right in it is used", "config", path)
	}
	host := slot.ThisMachine()
	boot, err := host.Started()
	if err != nil {
		return err
	}
	version, err := os.ReadFile(systemFile)
	if err != nil {
		return fmt.Errorf("which system this is: %w", err)
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("which start this is: %w", err)
	}
	agent := update.NewAgent(update.Config{
		Store: update.Dir(updateDir), Installer: rauc.Client{CA: bundleCA(cfg, log)}, Machine: slot.Machine{Host: host, Boot: boot}, Version: strings.TrimSpace(string(version)),
		Boot: strings.TrimSpace(string(id)), Limits: update.LimitsOf(cfg.Update.Trial), Hours: welcome(path), Log: log,
	})
	listener, err := listenUpdates(ctx, updateSocket)
	if err != nil {
		return err
	}
	api := http.NewServeMux()
	api.Handle("/", updateAPI(agent, update.Dir(updateDir)))
	api.Handle("PUT /code", codeAPI(host))
	bundles := update.NewSpool(agent, updateDir+"/spool")
	api.Handle("PUT /bundle", bundleAPI(bundles))
	server := &http.Server{Handler: api, ReadTimeout: apiLimit, WriteTimeout: inspectLimit, IdleTimeout: time.Minute, MaxHeaderBytes: 4096,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	swept := make(chan struct{})
	go func() { bundles.Run(ctx); close(swept) }()
	agent.Run(ctx)
	<-swept
	err = server.Close()
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// hoursEvery is how often the hours of restarts are read again: a fleet may change them.
const hoursEvery = time.Minute

// welcome tells when the door may restart for an update, by the configuration that is in force then.
func welcome(path string) func(time.Time) bool {
	var cfg *configs.Config
	var read time.Time
	return func(t time.Time) bool {
		if cfg == nil || t.Sub(read) >= hoursEvery || t.Before(read) {
			cfg, read = loadKept(path).Config, t
		}
		hours := cfg.Update.Hours
		return hours == (configs.Hours{}) || hours.Contain(t.In(cfg.Time.Location()))
	}
}

// bundleCAFile is where RAUC, which fetches bundles as a user without rights, can read the
// authority of the fleet's server.
const bundleCAFile = "/run/intercom/bundle-ca.pem"

// bundleCA puts it there; "" are the authorities of the system.
func bundleCA(cfg *configs.Config, log *slog.Logger) string {
	if cfg.Fleet.URL == "" || cfg.Fleet.CAFile == "" {
		return ""
	}
	list, err := configs.ReadCertificates(cfg.Fleet.CAFile)
	var text []byte
	for _, c := range list {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if err == nil {
		err = os.WriteFile(bundleCAFile, text, 0o644) //nolint:gosec // it is public
	}
	if err != nil {
		log.Warn("update: bundles are fetched only from servers that the system's authorities know", "error", err)
		return ""
	}
	return bundleCAFile
}

// listenUpdates makes the socket, which the daemon may use beside root.
func listenUpdates(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket for updates: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket for updates: %w", err)
	}
	err = os.Chmod(path, 0o660) //nolint:gosec // the daemon's group reports here
	if g, gerr := user.LookupGroup("intercomd"); gerr == nil && err == nil {
		gid, _ := strconv.Atoi(g.Gid)
		err = os.Chown(path, 0, gid)
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("socket for updates: %w", err)
	}
	return l, nil
}

// Bounds of the agent's HTTP on its socket.
const (
	apiLimit     = 10 * time.Second
	inspectLimit = time.Minute // a bundle on a slow server
	mostBody     = 256 << 10
)

// updateAPI is how the daemon, the page and the command speak with the agent.
//
//	GET  /status            update.Status
//	GET  /history           []update.Entry
//	GET  /inspect?source=   update.Info
//	POST /install           update.Bundle
//	POST /forget
//	PUT  /door              update.Facts; answered with update.Reply
//
// Errors are text; of those that have a code it is the code.
func updateAPI(agent *update.Agent, kept update.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s, err := agent.Status(r.Context())
		answer(w, s, err)
	})
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, _ *http.Request) {
		h, err := kept.History()
		answer(w, h, err)
	})
	mux.HandleFunc("GET /inspect", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), inspectLimit)
		defer cancel()
		info, err := agent.Inspect(ctx, r.URL.Query().Get("source"))
		answer(w, info, err)
	})
	mux.HandleFunc("POST /install", func(w http.ResponseWriter, r *http.Request) {
		var b update.Bundle
		err := decode(w, r, &b)
		if err == nil {
			err = agent.Install(r.Context(), b)
		}
		answer(w, struct{}{}, err)
	})
	mux.HandleFunc("POST /forget", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, agent.Forget(r.Context()))
	})
	mux.HandleFunc("PUT /door", func(w http.ResponseWriter, r *http.Request) {
		var f update.Facts
		err := decode(w, r, &f)
		var reply update.Reply
		if err == nil {
			reply, err = agent.Report(r.Context(), f)
		}
		answer(w, reply, err)
	})
	return mux
}

func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(into); err != nil {
		return fmt.Errorf("the request cannot be read: %w", err)
	}
	return nil
}

func answer(w http.ResponseWriter, what any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) // to whoever is still there
}
