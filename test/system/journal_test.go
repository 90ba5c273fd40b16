package system

import (
	"errors"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// A real systemd-journald keeps what the daemon logs by its fields, and journalctl finds it by them.
func TestJournal(t *testing.T) {
	if !lab.Wanted() {
		t.Skip("needs systemd-journald and namespaces: run make system")
	}
	c := lab.DoorConfig{Binary: binary(t), Dir: t.TempDir(), User: "1000", Server: "wss://127.0.0.1:9", Port: nextPort()}
	file, err := c.File() // which names nobody to call: a fault
	if err != nil {
		t.Fatal(err)
	}
	p, err := lab.StartLogged(t.TempDir(), c.Binary, "run", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(6 * time.Second); err != nil {
			t.Errorf("%v\n%s", err, p.Tail(20))
		}
	})
	var found []map[string]string
	if err := lab.Poll(within(t, 30*time.Second), func() error {
		if found, err = p.Journal(within(t, 10*time.Second), "INTERCOMD_FAULT=config.1"); err == nil && len(found) == 0 {
			err = errors.New("the fault is not in the journal")
		}
		return err
	}); err != nil {
		t.Fatalf("%v\n%s", err, p.Tail(20))
	}
	for field, want := range map[string]string{"PRIORITY": "4", "SYSLOG_IDENTIFIER": "intercomd", "INTERCOMD_PART": "door", "_TRANSPORT": "journal", "_COMM": "intercomd"} {
		if found[0][field] != want {
			t.Errorf("%s is %q, want %q", field, found[0][field], want)
		}
	}
	if e := found[0]; !strings.Contains(e["INTERCOMD_TEXT"], "call.target") || !strings.Contains(e["MESSAGE"], "level=WARN msg=fault") || e["INTERCOMD_REMEDY"] == "" {
		t.Errorf("%v", e)
	}
	all, err := p.Journal(within(t, 10*time.Second), "-t", "intercomd")
	if err != nil || len(all) < 3 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, e := range all {
		if _, err := time.Parse(time.RFC3339Nano, e["INTERCOMD_TIME"]); err != nil || e["_TRANSPORT"] != "journal" {
			t.Errorf("%v", e)
		}
		if strings.Contains(e["MESSAGE"], lab.Password(c.User)) {
			t.Error("the password is in the journal")
		}
	}
}
