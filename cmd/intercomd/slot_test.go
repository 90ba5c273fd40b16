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
func deadCard(t *testing.T, boot string) slotHost {
	t.Helper()
	dir := t.TempDir()
	h := slotHost{
		boot: filepath.Join(dir, "boot"), reboot: filepath.Join(dir, "systemd", "reboot-param"), lock: filepath.Join(dir, "lock"),
		open: func(string) (slot.Device, io.Closer, error) { return nil, closed{}, errors.New("no such card") },
	}
	if boot != "" {
		if err := os.WriteFile(h.boot, []byte(boot), 0o600); err != nil {
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
			code := deadCard(t, c.boot).command(strings.Fields(c.args), streams{out: &out, err: &out})
			if code != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit code %d, want %d: %s", code, c.code, out.String())
			}
		})
	}
}

func TestTrialIsAskedOfSystemd(t *testing.T) {
	h := deadCard(t, "")
	if err := h.arm(false); err != nil {
		t.Errorf("taking back what was not asked for: %v", err)
	}
	if err := h.arm(true); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(h.reboot); err != nil || string(text) != "0 tryboot\n" {
		t.Errorf("systemd reads %q, %v", text, err)
	}
	if err := h.arm(false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(h.reboot); err == nil {
		t.Error("it is still asked for")
	}
}
