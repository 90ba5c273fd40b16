package slot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Host is the machine that the card is in.
type Host struct {
	Boot   string // file: what the initrd has noted of this start
	Reboot string // file: what systemd hands to the kernel with the next restart
	Lock   string // file: held while the card is asked or changed
	Open   func(disk string) (Device, io.Closer, error)
}

// BootFacts is what the initrd of a card image has noted of this start.
const BootFacts = "/run/intercom/boot"

// OnCard reports whether this machine was started from a card image.
func OnCard() bool {
	_, err := os.Stat(BootFacts)
	return err == nil
}

// ThisMachine is the one that the program runs on.
func ThisMachine() Host {
	return Host{
		Boot:   BootFacts,
		Reboot: "/run/systemd/reboot-param",
		Lock:   "/run/intercom/slot.lock",
		Open: func(path string) (Device, io.Closer, error) {
			d, err := OpenDisk(path)
			return d, d, err
		},
	}
}

// trialParameter is what the kernel module rpi_tryboot looks for.
const trialParameter = "0 tryboot"

// Started is what the initrd has noted of this start.
func (h Host) Started() (Boot, error) {
	text, err := os.ReadFile(h.Boot)
	if errors.Is(err, fs.ErrNotExist) {
		return Boot{}, errors.New("this system was not started from a card image of intercomd: it has no slots")
	}
	if err != nil {
		return Boot{}, err
	}
	boot, err := ParseBoot(string(text))
	if err != nil {
		return Boot{}, fmt.Errorf("%s: %w", h.Boot, err)
	}
	return boot, nil
}

// Manager is the card, which is ours alone until done is called.
func (h Host) Manager(boot Boot) (m *Manager, done func(), err error) {
	unlock, err := lockFile(h.Lock)
	if err != nil {
		return nil, nil, err
	}
	card, closer, err := h.Open(boot.Disk)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return &Manager{Card: card, Running: boot.Slot, Trial: boot.Trial, Arm: h.arm}, func() {
		_ = closer.Close()
		unlock()
	}, nil
}

// arm leaves the wish for a trial start where systemd reads it at the next restart,
// whoever asks for that.
func (h Host) arm(trial bool) error {
	if !trial {
		if err := os.Remove(h.Reboot); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.Reboot), 0o755); err != nil { //nolint:gosec // as systemd makes it
		return err
	}
	return os.WriteFile(h.Reboot, []byte(trialParameter+"\n"), 0o600)
}

// lockFile waits for a lock among processes.
func lockFile(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as systemd makes it
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our own lock
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
}
