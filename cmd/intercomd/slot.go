package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"intercomd/update/slot"
)

// slotHost is the machine as slotCommand sees it.
type slotHost struct {
	boot   string // what the initrd has noted of this start
	reboot string // what systemd hands to the kernel with the next restart
	lock   string // held while the card is asked or changed
	open   func(disk string) (slot.Device, io.Closer, error)
}

// bootFacts is what the initrd of a card image has noted of this start.
const bootFacts = "/run/intercom/boot"

// onCard reports whether this machine was started from a card image.
func onCard() bool {
	_, err := os.Stat(bootFacts)
	return err == nil
}

func thisMachine() slotHost {
	return slotHost{
		boot:   bootFacts,
		reboot: "/run/systemd/reboot-param",
		lock:   "/run/intercom/slot.lock",
		open: func(path string) (slot.Device, io.Closer, error) {
			d, err := slot.OpenDisk(path)
			return d, d, err
		},
	}
}

// trialParameter is what the kernel module rpi_tryboot looks for.
const trialParameter = "0 tryboot"

// slotCommand is the boot loader as RAUC knows it (get-primary, set-primary, get-state,
// set-state, get-current: its custom boot loader interface), and the same for people.
func slotCommand(_ context.Context, args []string, io streams) int {
	return thisMachine().command(args, io)
}

var errSlotUsage = errors.New(`what is wanted is one of
  status                      both slots, for people
  get-primary                 the slot that the next restart is meant for
  set-primary A|B             start that slot next, on trial
  get-state A|B               good or bad
  set-state A|B good|bad      on trial, "good" of the running slot makes it the one that starts
  get-current                 the slot that is running
  start-good                  this start has come to a working door
  arm                         ask for a pending trial again`)

func (h slotHost) command(args []string, io streams) int {
	err := h.run(args, io)
	switch {
	case errors.Is(err, errSlotUsage):
		fmt.Fprintln(io.err, "intercomd slot:", err)
		return exitUsage
	case err != nil:
		fmt.Fprintln(io.err, "intercomd slot:", err)
		return exitFailed
	}
	return exitOK
}

func (h slotHost) run(args []string, io streams) error {
	verb := "status"
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	want := map[string]int{"status": 0, "get-primary": 0, "set-primary": 1, "get-state": 1, "set-state": 2, "get-current": 0, "start-good": 0, "arm": 0}
	if n, ok := want[verb]; !ok || n != len(args) {
		return errSlotUsage
	}
	var which slot.Slot
	if len(args) > 0 {
		var err error
		if which, err = slot.ParseSlot(args[0]); err != nil {
			return fmt.Errorf("%w: %w", errSlotUsage, err)
		}
	}

	boot, err := h.started()
	if err != nil {
		return err
	}
	if verb == "get-current" {
		fmt.Fprintln(io.out, boot.Slot)
		return nil
	}
	m, done, err := h.manager(boot)
	if err != nil {
		return err
	}
	defer done()

	switch verb {
	case "get-primary":
		s, err := m.Primary()
		if err != nil {
			return err
		}
		fmt.Fprintln(io.out, s)
		return nil
	case "set-primary":
		return m.SetPrimary(which)
	case "get-state":
		st, err := m.State(which)
		if err != nil {
			return err
		}
		if st != slot.Bad { // RAUC knows two states
			st = slot.Good
		}
		fmt.Fprintln(io.out, st)
		return nil
	case "set-state":
		switch args[1] {
		case "good":
			return m.MarkGood(which)
		case "bad":
			return m.MarkBad(which, "")
		}
		return errSlotUsage
	case "start-good":
		return m.StartIsGood()
	case "arm":
		armed, err := m.Rearm()
		if err == nil && !armed {
			fmt.Fprintln(io.out, "no trial is pending")
		}
		return err
	}
	st, err := m.Status()
	printSlots(io, boot, st)
	return err
}

// started is what the initrd has noted of this start.
func (h slotHost) started() (slot.Boot, error) {
	text, err := os.ReadFile(h.boot)
	if errors.Is(err, fs.ErrNotExist) {
		return slot.Boot{}, errors.New("this system was not started from a card image of intercomd: it has no slots")
	}
	if err != nil {
		return slot.Boot{}, err
	}
	boot, err := slot.ParseBoot(string(text))
	if err != nil {
		return slot.Boot{}, fmt.Errorf("%s: %w", h.boot, err)
	}
	return boot, nil
}

// manager is the card, which is ours alone until done is called.
func (h slotHost) manager(boot slot.Boot) (m *slot.Manager, done func(), err error) {
	unlock, err := lockFile(h.lock)
	if err != nil {
		return nil, nil, err
	}
	card, closer, err := h.open(boot.Disk)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return &slot.Manager{Card: card, Running: boot.Slot, Trial: boot.Trial, Arm: h.arm}, func() {
		_ = closer.Close()
		unlock()
	}, nil
}

func printSlots(io streams, boot slot.Boot, st slot.Status) {
	for _, s := range []slot.Slot{slot.A, slot.B} {
		state := st.Record.State(s)
		if state == "" {
			state = "unknown"
		}
		line := fmt.Sprintf("%s  %-7s", s, state)
		if s == st.Running {
			line += "  running"
			if st.Trial {
				line += " on trial"
			}
		}
		if s == st.Choice.Slot() {
			line += "  starts"
		}
		if s == st.Record.Pending {
			line += "  wanted next, on trial"
		}
		fmt.Fprintln(io.out, line)
	}
	if st.Record.Starts > 1 {
		fmt.Fprintf(io.out, "%d starts in a row without a working door; after %d the other slot gets its turn\n", st.Record.Starts, slot.StartsLimit)
	}
	if st.Record.Why != "" {
		fmt.Fprintln(io.out, "last change:", st.Record.Why)
	}
	if boot.Note != "" {
		fmt.Fprintln(io.out, "this start:", boot.Note)
	}
}

// arm leaves the wish for a trial start where systemd reads it at the next restart,
// whoever asks for that.
func (h slotHost) arm(trial bool) error {
	if !trial {
		if err := os.Remove(h.reboot); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.reboot), 0o755); err != nil { //nolint:gosec // as systemd makes it
		return err
	}
	return os.WriteFile(h.reboot, []byte(trialParameter+"\n"), 0o600)
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
