package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/update/slot"
)

type closed struct{}

func (closed) Close() error { return nil }

// host is a machine with a card that nothing can be read from.
func deadCard(t *testing.T, boot string) slot.Host {
	t.Helper()
	dir := t.TempDir()
	h := slot.Host{
		Boot: filepath.Join(dir, "boot"), Reboot: filepath.Join(dir, "systemd", "reboot-param"), Lock: filepath.Join(dir, "lock"),
		Open: func(string) (slot.Device, io.Closer, error) { return nil, closed{}, errors.New("no such card") },
	}
	if boot != "" {
		if err := os.WriteFile(h.Boot, []byte(boot), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestSlotCommand(t *testing.T) {
	const boot = "slot=B\ntrial=1\ndisk=/dev/mmcblk0\nnote=\n"
	for _, c := range []struct {
		name, args, boot string
		code             int
		says             string
	}{
		{"no image", "get-current", "", exitFailed, "not started from a card image"},
		{"what is running", "get-current", boot, exitOK, "B\n"},
		{"damaged note", "get-current", "slot=\n", exitFailed, "does not say which slot"},
		{"card gone", "get-primary", boot, exitFailed, "no such card"},
		{"card gone, for people", "", boot, exitFailed, "no such card"},
		{"no such verb", "swap", boot, exitUsage, "set-primary A|B"},
		{"no slot", "set-primary", boot, exitUsage, "set-primary A|B"},
		{"no such slot", "set-primary C", boot, exitUsage, `"C" is not a slot`},
		{"too much", "get-current A", boot, exitUsage, "get-current"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			code := slotVerbs{deadCard(t, c.boot)}.command(strings.Fields(c.args), streams{out: &out, err: &out})
			if code != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit code %d, want %d: %s", code, c.code, out.String())
			}
		})
	}
}
