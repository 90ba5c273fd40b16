package system

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/test/lab"
)

// binary is the daemon under test: INTERCOMD_BIN, or what "make build" made.
func binary(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("INTERCOMD_BIN")
	if bin == "" {
		bin = "../../bin/intercomd"
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatal("the daemon is not built; run make build: ", err)
	}
	return bin
}

// ports hands out ports for pages, one per daemon.
var ports struct {
	sync.Mutex
	last int
}

func nextPort() int {
	ports.Lock()
	defer ports.Unlock()
	ports.last++
	return 8100 + ports.last
}

// doorConfig is a complete configuration of a door with sound, user 1000.
func doorConfig(t *testing.T, s *shared, keys map[string]string) lab.DoorConfig {
	t.Helper()
	return lab.DoorConfig{
		Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: s.wss(), CAFile: s.ca.CertFile,
		Port: nextPort(), Card: s.pulse.Card("door"), Keys: keys,
	}
}

// startDoor starts a daemon that ends with the test. Its log is shown when the
// test fails.
func startDoor(t *testing.T, c lab.DoorConfig) *lab.Door {
	t.Helper()
	d, err := lab.StartDoor(within(t, 30*time.Second), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(6 * time.Second); err != nil {
			t.Errorf("the daemon did not end cleanly: %v", err)
		}
		log := strings.Join(d.Output(), "\n")
		if strings.Contains(log, "panic:") || strings.Contains(log, "DATA RACE") {
			t.Error("the daemon's log shows a panic or a race")
		}
		if strings.Contains(log, lab.Password(c.User)) {
			t.Error("the password is in the log")
		}
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", log)
		}
	})
	return d
}

// registered starts a daemon and waits until it is registered with its sound open.
func registered(t *testing.T, c lab.DoorConfig) *lab.Door {
	t.Helper()
	d := startDoor(t, c)
	if err := d.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	return d
}

// openPhone opens a web phone that ends with the test.
func openPhone(t *testing.T, s *shared, user, incoming string) *lab.WebPhone {
	t.Helper()
	p, err := s.browser.OpenPhone(within(t, 30*time.Second), s.phones.URL, s.wss(), user, incoming)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
