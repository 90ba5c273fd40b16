package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"intercomd/door"
	"intercomd/station"
)

const (
	selfTestLimit = time.Minute            // for a test, however many chirps
	selfTestPoll  = 200 * time.Millisecond // between looks at the daemon
)

// selfTestCommand tries out the sound of the door. A daemon that runs has the
// devices, and is asked to do it; else they are opened here.
func selfTestCommand(ctx context.Context, args []string, io streams) int {
	fs := flag.NewFlagSet("intercomd selftest", flag.ContinueOnError)
	fs.SetOutput(io.err)
	commission := fs.Bool("commission", false, "what is measured is what later tests are compared with")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	path, err := configPath(fs.Args())
	if err != nil {
		fmt.Fprintln(io.err, "intercomd selftest:", err)
		return exitUsage
	}
	settings := loadKept(path).Settings
	if settings.Err != nil {
		fmt.Fprintf(io.err, "intercomd selftest: %s has faults (intercomd check %s); what is right of it is used\n", path, path)
	}
	ctx, cancel := context.WithTimeout(ctx, selfTestLimit)
	defer cancel()
	r, err := askDaemon(ctx, consoleOf(settings.Config), *commission)
	if errors.Is(err, errNoDaemon) {
		r, err = door.TestSound(ctx, settings, *commission, slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	}
	if err != nil {
		fmt.Fprintln(io.err, "intercomd selftest:", err)
		return exitFailed
	}
	return printTest(io.out, r)
}

// printTest tells the result in words.
func printTest(w io.Writer, r station.SelfTest) int {
	fmt.Fprintf(w, "%s", r.State)
	if !r.Problem.None() {
		fmt.Fprintf(w, ": %s", r.Problem)
	}
	fmt.Fprintln(w)
	if remedy := r.Problem.Remedy(); remedy != "" {
		fmt.Fprintln(w, "remedy:", remedy)
	}
	if r.Chirps > 0 {
		fmt.Fprintf(w, "chirps %d, level %.0f dBFS, noise %.0f dBFS, coupling %.0f dB, delay %.0f ms\n", r.Chirps, r.Level, r.Noise, r.Coupling, r.DelayMS)
	}
	if r.Commissioned.IsZero() {
		fmt.Fprintln(w, "there is nothing to compare with yet: intercomd selftest -commission")
	} else {
		fmt.Fprintln(w, "commissioned", r.Commissioned.Local().Format("2006-01-02 15:04"))
	}
	if r.State != station.TestPassed {
		return exitFailed
	}
	return exitOK
}

// errNoDaemon: nothing listens where the page of the daemon would be.
var errNoDaemon = errors.New("no daemon")

// askDaemon lets the daemon that has the page run the test, and waits for it.
func askDaemon(ctx context.Context, page console, commission bool) (station.SelfTest, error) {
	if page.base == "" {
		return station.SelfTest{}, errNoDaemon
	}
	before, err := daemonTest(ctx, page)
	if err != nil {
		return before, errors.Join(errNoDaemon, err)
	}
	form := url.Values{}
	if commission {
		form.Set("commission", "true")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, page.base+"/selftest", strings.NewReader(form.Encode()))
	if err != nil {
		return before, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := page.do(req)
	if err != nil {
		return before, err
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	_ = resp.Body.Close() // read already
	if resp.StatusCode != http.StatusNoContent {
		var e struct{ Text string }
		if json.Unmarshal(answer, &e) != nil || e.Text == "" {
			e.Text = resp.Status
		}
		return before, fmt.Errorf("the daemon says: %s", e.Text)
	}
	tick := time.NewTicker(selfTestPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return before, fmt.Errorf("the daemon has not finished: %w", ctx.Err())
		case <-tick.C:
		}
		r, err := daemonTest(ctx, page)
		if err != nil {
			return r, err
		}
		if r.State != station.TestRunning && !r.At.Equal(before.At) {
			return r, nil
		}
	}
}

// daemonTest reads from the page how the last test went.
func daemonTest(ctx context.Context, page console) (station.SelfTest, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page.base+"/status.json", nil)
	if err != nil {
		return station.SelfTest{}, err
	}
	resp, err := page.do(req)
	if err != nil {
		return station.SelfTest{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var snap station.Snapshot
	if err := json.NewDecoder(resp.Body).Decode(&snap); err != nil {
		return station.SelfTest{}, fmt.Errorf("what listens at %s is no intercomd: %w", page.base, err)
	}
	return snap.SelfTest, nil
}
