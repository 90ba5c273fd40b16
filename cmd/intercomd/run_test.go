package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/station"
)

// logBook is a log that can be read while it is written.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// realDoor is `intercomd run` as systemd starts it, in this process, without hardware.
type realDoor struct {
	t    *testing.T
	page string
	log  *logBook
	stop context.CancelFunc
	code chan int
}

// startDoor runs the daemon with a configuration, which gets a page and a state directory
// unless it has its own. It returns when the page is there.
func startDoor(t *testing.T, dir, config string) *realDoor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &realDoor{t: t, page: "http://" + l.Addr().String(), log: &logBook{}, code: make(chan int, 1)}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(config, "[web]") {
		config += fmt.Sprintf("\n[web]\nlisten = %q\n", l.Addr())
	}
	if !strings.Contains(config, "[state]") {
		config += fmt.Sprintf("\n[state]\ndir = %q\n", filepath.Join(dir, "state"))
	}
	file := filepath.Join(dir, "door.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	d.stop = cancel
	go func() { d.code <- command(ctx, []string{"run", file}, streams{out: d.log, err: d.log}) }()
	t.Cleanup(d.ends)
	return d
}

// ends ends the daemon, which must take its time to say good-bye and no more.
func (d *realDoor) ends() {
	d.t.Helper()
	d.stop()
	select {
	case code := <-d.code:
		d.code <- code
		if code != exitOK {
			d.t.Errorf("exit code %d:\n%s", code, d.log)
		}
	case <-time.After(30 * time.Second):
		d.t.Fatalf("the daemon does not end:\n%s", d.log)
	}
}

// snapshot is what the page has, as soon as it satisfies ok.
func (d *realDoor) snapshot(what string, ok func(*station.Snapshot) bool) *station.Snapshot {
	d.t.Helper()
	var s station.Snapshot
	for range 600 {
		if res, err := http.Get(d.page + "/status.json"); err == nil {
			s = station.Snapshot{}
			err := json.NewDecoder(res.Body).Decode(&s)
			if err := res.Body.Close(); err != nil {
				d.t.Error(err)
			}
			if err == nil && ok(&s) {
				return &s
			}
		}
		select {
		case code := <-d.code:
			d.t.Fatalf("the daemon ended with %d:\n%s", code, d.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
	d.t.Fatalf("never came: %s; the page has %+v\n%s", what, s.Faults, d.log)
	return nil
}

func keysOf(faults []station.Fault) (keys []string) {
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	return keys
}

// However many faults a configuration has: the door runs, the page and the log have all of
// them, and a signal ends it.
func TestHundredsOfFaults(t *testing.T) {
	var b strings.Builder
	b.WriteString("[sip]\nserver = \"wss://127.0.0.1:9\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[board]\ndriver = \"sim\"\n")
	for i := range 70 {
		fmt.Fprintf(&b, "[[button]]\nname = \"b%d\"\nnonsense = 1\n", i)
	}
	d := startDoor(t, t.TempDir(), b.String())
	s := d.snapshot("70 faults", func(s *station.Snapshot) bool { return len(s.Faults) >= 70 })
	if !slices.Contains(keysOf(s.Faults), "config.70") {
		t.Errorf("faults %v", keysOf(s.Faults))
	}
	for _, n := range []int{11, 218} {
		if want := fmt.Sprintf("door.toml:%d: button.nonsense", n); !strings.Contains(d.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	d.ends()
}
