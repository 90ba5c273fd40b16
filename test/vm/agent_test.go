package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// chipConfig, step and event are the agent's words, see test/vm/agent.
type chipConfig struct {
	Label string
	Num   int
	Lines map[string]int
	Named bool
}

type step struct {
	Line string
	High bool
	Hold time.Duration
}

type event struct {
	N     int
	At    time.Duration // of the guest's monotonic clock
	Line  string
	Kind  string // "set", "get", "in", "out"
	Value int
}

func (e event) String() string {
	return fmt.Sprintf("%10.3f ms %s %s %d", float64(e.At)/1e6, e.Line, e.Kind, e.Value)
}

// ask sends a request to the agent.
func (m *machine) ask(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+guestAddress+":9000"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		return nil, fmt.Errorf("agent: %s %s: %s", method, path, strings.TrimSpace(string(text)))
	}
	return resp, nil
}

// tell sends a value as JSON and reads the answer into out unless that is nil.
func (m *machine) tell(ctx context.Context, method, path string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, err := m.ask(ctx, method, path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// script runs a shell script in the guest and returns its output and exit code.
func (m *machine) script(ctx context.Context, text string) (string, int, error) {
	resp, err := m.ask(ctx, http.MethodPost, "/exec", strings.NewReader(text))
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return string(out), 0, err
	}
	code, err := strconv.Atoi(resp.Trailer.Get("Exit-Code"))
	return string(out), code, err
}

// sh runs a shell script that must succeed.
func (m *machine) sh(t *testing.T, text string) string {
	t.Helper()
	out, code, err := m.script(within(t, 3*time.Minute), text)
	if err != nil || code != 0 {
		t.Fatalf("in the machine: %s\nexit code %d, %v\n%s", text, code, err, out)
	}
	return out
}

// put writes a file of the guest.
func (m *machine) put(t *testing.T, path string, mode os.FileMode, data []byte) {
	t.Helper()
	resp, err := m.ask(within(t, time.Minute), http.MethodPut, "/file"+path+"?mode="+url.QueryEscape(strconv.FormatUint(uint64(mode), 8)), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// plug makes the simulated chip, in place of the one that is there.
func (m *machine) plug(t *testing.T, c chipConfig) {
	t.Helper()
	if m.sim.Num == c.Num && m.sim.Label == c.Label {
		return
	}
	m.unplug(t)
	if err := m.tell(within(t, 30*time.Second), http.MethodPut, "/chip", c, nil); err != nil {
		t.Fatal(err)
	}
	m.sim = c
}

// unplug takes the chip away.
func (m *machine) unplug(t *testing.T) {
	t.Helper()
	if m.sim.Num == 0 {
		return
	}
	if err := m.tell(within(t, 30*time.Second), http.MethodDelete, "/chip", nil, nil); err != nil {
		t.Fatal(err)
	}
	m.sim = chipConfig{}
}

// played is when a step was begun and when the kernel had taken it.
type played struct{ At, Done time.Duration }

// play plays levels.
func (m *machine) play(t *testing.T, steps ...step) []played {
	t.Helper()
	var times []played
	if err := m.tell(within(t, 2*time.Minute), http.MethodPost, "/play", steps, &times); err != nil {
		t.Fatal(err)
	}
	return times
}

// fair reports whether steps were played so that it is certain which of them were
// shorter than debounce and which were not. On a busy host the machine stands still
// now and then, between any two instructions.
func fair(steps []step, times []played, debounce time.Duration) bool {
	for i := range times[1:] {
		least, most := times[i+1].At-times[i].Done, times[i+1].Done-times[i].At
		if steps[i].Hold < debounce && most >= debounce || steps[i].Hold >= debounce && least <= debounce {
			return false
		}
	}
	return true
}

// events returns what was traced from event n on; it waits up to d for one.
func (m *machine) events(ctx context.Context, n int, d time.Duration) ([]event, error) {
	var list []event
	err := m.tell(ctx, http.MethodGet, fmt.Sprintf("/events?from=%d&wait=%d", n, d.Milliseconds()), nil, &list)
	return list, err
}

// mark returns the number of the next event, to look for events from here on.
func (m *machine) mark(t *testing.T) int {
	t.Helper()
	list, err := m.events(within(t, 30*time.Second), m.marked, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.marked += len(list)
	return m.marked
}

// saw waits for an event from number n on that matches.
func (m *machine) saw(t *testing.T, n int, d time.Duration, match func(event) bool) event {
	t.Helper()
	e, others, err := m.look(t, n, d, match)
	if err != nil {
		t.Fatalf("no such event: %v; there were:\n%s", err, strings.Join(others, "\n"))
	}
	return e
}

// look is saw for what need not happen; others is what did.
func (m *machine) look(t *testing.T, n int, d time.Duration, match func(event) bool) (found event, others []string, err error) {
	t.Helper()
	ctx := within(t, d)
	for {
		list, err := m.events(ctx, n, time.Second)
		if err != nil {
			return event{}, others, err
		}
		for _, e := range list {
			if match(e) {
				return e, others, nil
			}
			others = append(others, e.String())
			n = e.N + 1
		}
	}
}

// drives matches an output that is set to a level.
func drives(line string, level int) func(event) bool {
	return func(e event) bool { return e.Line == line && e.Kind == "set" && e.Value == level }
}

// level reads the level of a line.
func (m *machine) level(t *testing.T, line string) string {
	t.Helper()
	resp, err := m.ask(within(t, 10*time.Second), http.MethodGet, "/line/"+line, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
