// The agent runs inside the virtual machine of the tests and is their hand there:
// it plays levels on the lines of simulated GPIO chips with exact timing, sees what
// the kernel traces of all lines, writes files and runs commands. It knows nothing
// of the daemon and shares no code with it.
//
//	POST   /exec             runs the body as a shell script; trailer Exit-Code
//	PUT    /file/PATH        writes a file, with ?mode= in octal
//	PUT    /chip             makes a simulated chip, see chip
//	DELETE /chip             takes it away again
//	POST   /play             plays levels on lines, see step; answers the times
//	GET    /line/NAME        the level of a line: 0 or 1
//	*      /page/...         passes on to the daemon's page on 127.0.0.1:8080
//	GET    /events?from=N    what was traced from event N on; waits for one, up to ?wait=ms
//
// All times are nanoseconds of CLOCK_MONOTONIC.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	sim := &simulator{}
	tr, err := startTrace(ctx, sim)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /exec", runScript)
	mux.HandleFunc("PUT /file/{path...}", writeFile)
	page := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:8080"})
		r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/page")
		r.Out.Host = "127.0.0.1:8080"
	}}
	mux.Handle("/page/", page)
	mux.HandleFunc("PUT /chip", func(w http.ResponseWriter, r *http.Request) {
		var c chip
		answer(w, errors.Join(json.NewDecoder(r.Body).Decode(&c), sim.create(c)))
	})
	mux.HandleFunc("DELETE /chip", func(w http.ResponseWriter, _ *http.Request) { answer(w, sim.remove()) })
	mux.HandleFunc("POST /play", func(w http.ResponseWriter, r *http.Request) {
		var steps []step
		if err := json.NewDecoder(r.Body).Decode(&steps); err != nil {
			answer(w, err)
			return
		}
		times, err := sim.play(steps)
		if err != nil {
			answer(w, err)
			return
		}
		writeJSON(w, times)
	})
	mux.HandleFunc("GET /line/{name}", func(w http.ResponseWriter, r *http.Request) {
		level, err := sim.level(r.PathValue("name"))
		if err != nil {
			answer(w, err)
			return
		}
		_, _ = io.WriteString(w, level)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		wait, _ := strconv.Atoi(r.URL.Query().Get("wait"))
		ctx, cancel := context.WithTimeout(r.Context(), time.Duration(wait)*time.Millisecond)
		defer cancel()
		writeJSON(w, tr.from(ctx, from))
	})
	return http.ListenAndServe(":9000", mux)
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func writeFile(w http.ResponseWriter, r *http.Request) {
	path := "/" + r.PathValue("path")
	mode, err := strconv.ParseUint(r.URL.Query().Get("mode"), 8, 32)
	if err != nil {
		mode = 0o644
	}
	answer(w, func() error {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// A running program cannot be overwritten, but replaced.
		f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, os.FileMode(mode))
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r.Body)
		err = errors.Join(err, f.Chmod(os.FileMode(mode)), f.Close())
		if err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}())
}

// runScript runs a shell script and sends its output as it comes. The script ends
// with the request.
func runScript(w http.ResponseWriter, r *http.Request) {
	script, err := io.ReadAll(r.Body)
	if err != nil {
		answer(w, err)
		return
	}
	w.Header().Set("Trailer", "Exit-Code")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	cmd := exec.CommandContext(r.Context(), "/bin/sh", "-c", string(script))
	out := flusher{w, http.NewResponseController(w)}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // for what it left behind with its output open
	err = cmd.Run()
	code := cmd.ProcessState.ExitCode()
	if err != nil && cmd.ProcessState == nil {
		_, _ = fmt.Fprintln(w, err)
	}
	w.Header().Set("Exit-Code", strconv.Itoa(code))
}

type flusher struct {
	io.Writer
	rc *http.ResponseController
}

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	return n, errors.Join(err, f.rc.Flush())
}
