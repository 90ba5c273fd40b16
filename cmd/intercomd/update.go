package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"intercomd/update"
	"intercomd/update/slot"
	"intercomd/words"
)

var errUpdateUsage = errors.New(`what is wanted is one of
  FILE|URL                    the same as install
  install [-now] [-hash HASH] FILE|URL
                              install a bundle; -now restarts outside of update.hours, too
  check FILE|URL              what a bundle is, and whether it is signed
  status                      how the update stands, and the ones before
  stick DEVICE                install the newest bundle of a USB stick (intercom-stick@.service)
  forget                      take the note of a failed update from the page
  agent [FILE]                be the update agent (intercom-update.service)`)

// updateCommand speaks with the update agent.
func updateCommand(ctx context.Context, args []string, io streams) int {
	err := update1(ctx, args, io)
	switch {
	case errors.Is(err, errUpdateUsage):
		fmt.Fprintln(io.err, "intercomd update:", err)
		return exitUsage
	case err != nil:
		fmt.Fprintln(io.err, "intercomd update:", err)
		return exitFailed
	}
	return exitOK
}

func update1(ctx context.Context, args []string, io streams) error {
	verb := "status"
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	agent := agentClient(updateSocket)
	switch verb {
	case "agent":
		return updateAgent(ctx, args, io)
	case "stick":
		if len(args) != 1 {
			return errUpdateUsage
		}
		return stickCommand(ctx, slot.ThisMachine(), args[0], io)
	case "status", "forget":
		if len(args) > 0 {
			return errUpdateUsage
		}
		if verb == "forget" {
			return agent.call(ctx, http.MethodPost, "/forget", nil, nil)
		}
		return agent.status(ctx, io.out)
	case "check":
		if len(args) != 1 {
			return errUpdateUsage
		}
		return agent.check(ctx, args[0], io.out)
	case "install":
	default:
		if strings.HasPrefix(verb, "-") || len(args) > 0 {
			return errUpdateUsage
		}
		if _, err := os.Stat(verb); err != nil && !strings.Contains(verb, "://") { //nolint:gosec // of whoever calls
			return fmt.Errorf("%w\n%q is neither a verb nor a file", errUpdateUsage, verb)
		}
		args = []string{verb}
	}
	flags := flag.NewFlagSet("install", flag.ContinueOnError)
	flags.SetOutput(io.err)
	var b update.Bundle
	flags.BoolVar(&b.Now, "now", false, "restart outside of update.hours, too")
	flags.StringVar(&b.Hash, "hash", "", "hash that the bundle's manifest must have")
	if err := flags.Parse(args); err != nil || flags.NArg() != 1 {
		return errUpdateUsage
	}
	var err error
	if b.Source, err = source(flags.Arg(0)); err != nil {
		return err
	}
	return agent.install(ctx, b, io.out)
}

// source is a bundle as the agent, whose folder is another one, can name it.
func source(arg string) (string, error) {
	if strings.Contains(arg, "://") {
		u, err := url.Parse(arg)
		if err != nil {
			return "", fmt.Errorf("the address of the bundle: %w", err)
		}
		if u.Scheme != "http" && u.Scheme != "https" {
			return "", fmt.Errorf("%s: bundles are fetched by https or http", arg)
		}
		return arg, nil
	}
	path, err := filepath.Abs(arg)
	if err == nil {
		_, err = os.Stat(path) //nolint:gosec // of whoever calls
	}
	if err != nil {
		return "", fmt.Errorf("the bundle: %w", err)
	}
	return path, nil
}

// agentClient is the socket of the agent.
type agentClient string

// Report hands over what the door reports.
func (c agentClient) Report(ctx context.Context, f update.Facts) (reply update.Reply, err error) {
	return reply, c.call(ctx, http.MethodPut, "/door", f, &reply)
}

// call is one request. out may be nil.
func (c agentClient) call(ctx context.Context, method, path string, in, out any) error {
	if in == nil {
		return c.send(ctx, method, path, nil, 0, out)
	}
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("asking the update agent: %w", err)
	}
	return c.send(ctx, method, path, bytes.NewReader(data), int64(len(data)), out)
}

// send is one request with a body of size bytes, -1 if that is not known.
func (c agentClient) send(ctx context.Context, method, path string, body io.Reader, size int64, out any) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", string(c))
	}, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body) //nolint:gosec // a socket of our own
	if err != nil {
		return fmt.Errorf("asking the update agent: %w", err)
	}
	if req.ContentLength = size; body == nil {
		req.Body = nil
	}
	resp, err := transport.RoundTrip(req)
	if errors.Is(err, fs.ErrNotExist) {
		return update.ErrNoAgent
	}
	if err != nil {
		return fmt.Errorf("asking the update agent: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		why := strings.TrimSpace(string(text))
		if m := words.New(why); words.English().Has("problem." + why) {
			return &words.Error{Message: m}
		}
		return errors.New(why)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("what the update agent says: %w", err)
	}
	return nil
}

func (c agentClient) check(ctx context.Context, arg string, out io.Writer) error {
	src, err := source(arg)
	if err != nil {
		return err
	}
	var info update.Info
	var st update.Status
	if err := c.call(ctx, http.MethodGet, "/inspect?source="+url.QueryEscape(src), nil, &info); err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodGet, "/status", nil, &st); err != nil {
		return err
	}
	fmt.Fprintf(out, "signed    by a key that this door knows\nversion   %s\nfor       %s\nhash      %s\nrunning   %s\n", info.Version, info.Compatible, info.Hash, st.Running)
	return nil
}

// status prints how things stand, and the last updates.
func (c agentClient) status(ctx context.Context, out io.Writer) error {
	var st update.Status
	var history []update.Entry
	if err := c.call(ctx, http.MethodGet, "/status", nil, &st); err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodGet, "/history", nil, &history); err != nil {
		return err
	}
	fmt.Fprintf(out, "running   %s in slot %s\n", st.Running, st.Slot)
	fmt.Fprintf(out, "update    %s\n", sentence(st))
	if !st.Waits.None() {
		fmt.Fprintf(out, "          %s\n", st.Waits)
	}
	if !st.Trouble.None() {
		fmt.Fprintf(out, "problem   %s\nremedy    %s\n", st.Trouble, st.Trouble.Remedy())
	}
	for _, e := range history[max(0, len(history)-10):] {
		line := fmt.Sprintf("%s  %s → %s: %s", e.At.Local().Format("2006-01-02 15:04"), e.Old, e.Version, e.Stage)
		if !e.Why.None() {
			line += ": " + e.Why.String()
		}
		fmt.Fprintln(out, line)
	}
	return nil
}

// sentence tells how far an update has come.
func sentence(st update.Status) string {
	switch st.Stage {
	case update.Nothing:
		return "none"
	case update.Wanted:
		return st.Source + " is to be installed"
	case update.Installing:
		return fmt.Sprintf("%s is being installed: %d %% (%s)", cmp.Or(st.Version, st.Source), st.Progress.Percent, st.Progress.Step)
	case update.Installed:
		return st.Version + " is installed; the next restart tries it"
	case update.OnTrial:
		return st.Version + " is on trial"
	case update.Committed:
		return st.Version + " is what starts"
	case update.WentBack:
		return st.Version + " was rolled back"
	case update.Failed:
		return st.Source + " was not installed"
	}
	return string(st.Stage)
}

// install asks for an installation and tells how it goes until that is over.
func (c agentClient) install(ctx context.Context, b update.Bundle, out io.Writer) error {
	if err := c.call(ctx, http.MethodPost, "/install", b, nil); err != nil {
		return err
	}
	last := ""
	for {
		var st update.Status
		if err := c.call(ctx, http.MethodGet, "/status", nil, &st); err != nil {
			return err
		}
		line := sentence(st)
		if !st.Waits.None() {
			line += "; " + st.Waits.String()
		}
		if line != last {
			fmt.Fprintln(out, line)
			last = line
		}
		switch st.Stage {
		case update.Wanted, update.Installing:
		case update.Failed:
			return fmt.Errorf("%s; %s", st.Why, st.Why.Remedy())
		default:
			return nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return errors.New("the installation goes on without this command; see intercomd update status")
		}
	}
}
