package slot

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

type closed struct{}

func (closed) Close() error { return nil }

// host is a machine with a card that nothing can be read from.
func deadCard(t *testing.T, boot string) Host {
	t.Helper()
	dir := t.TempDir()
	h := Host{
		Boot: filepath.Join(dir, "boot"), Reboot: filepath.Join(dir, "systemd", "reboot-param"), Lock: filepath.Join(dir, "lock"),
		Open: func(string) (Device, io.Closer, error) { return nil, closed{}, errors.New("no such card") },
	}
	if boot != "" {
		if err := os.WriteFile(h.Boot, []byte(boot), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestTrialIsAskedOfSystemd(t *testing.T) {
	h := deadCard(t, "")
	if err := h.arm(false); err != nil {
		t.Errorf("taking back what was not asked for: %v", err)
	}
	if err := h.arm(true); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(h.Reboot); err != nil || string(text) != "0 tryboot\n" {
		t.Errorf("systemd reads %q, %v", text, err)
	}
	if err := h.arm(false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(h.Reboot); err == nil {
		t.Error("it is still asked for")
	}
}

// A card that cannot be asked is an error, and no wrong answer.
func TestDeadCardOfTheAgent(t *testing.T) {
	h := deadCard(t, "slot=B\ntrial=1\ndisk=/dev/mmcblk0\nnote=\n")
	boot, err := h.Started()
	if err != nil {
		t.Fatal(err)
	}
	c := Machine{h, boot}
	if name, trial := c.Running(); name != B.String() || !trial {
		t.Errorf("%s runs, trial %t", name, trial)
	}
	_, err1 := c.Pending()
	_, err2 := c.Why()
	for i, err := range []error{err1, err2, c.Commit(), c.GiveUp("x"), c.Try("A"), c.Try("C")} {
		if err == nil {
			t.Errorf("%d: no error", i)
		}
	}
}
