package slot

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemdLimit is how long systemd may take to answer.
const systemdLimit = 10 * time.Second

// Machine is the card and the board as an update agent sees them. Its methods may be called by
// several goroutines and processes: each holds the lock.
type Machine struct {
	Host Host
	Boot Boot // what [Host.Started] says
}

func (c Machine) with(do func(*Manager) error) error {
	m, done, err := c.Host.Manager(c.Boot)
	if err != nil {
		return err
	}
	defer done()
	return do(m)
}

// Running is the slot that was started, and whether on trial. A trial that was committed
// since then is none.
func (c Machine) Running() (string, bool) {
	trial := c.Boot.Trial
	if trial {
		_ = c.with(func(m *Manager) error {
			if choice, err := ReadChoice(m.Card); err == nil && choice.Slot() == c.Boot.Slot {
				trial = false
			}
			return nil
		})
	}
	return c.Boot.Slot.String(), trial
}

// Pending is the slot that the next restart tries.
func (c Machine) Pending() (name string, err error) {
	err = c.with(func(m *Manager) error {
		st, err := m.Status()
		if p := st.Record.Pending; p != 0 && !st.Record.Tried && p != c.Boot.Slot {
			name = p.String()
		}
		return err
	})
	return name, err
}

// Try makes the next restart a trial of a
func (c Machine) Try(name string) error {
	s, err := ParseSlot(name)
	if err != nil {
		return err
	}
	return c.with(func(m *Manager) error { return m.SetPrimary(s) })
}

// Commit makes the running slot the one that starts.
func (c Machine) Commit() error {
	return c.with(func(m *Manager) error { return m.MarkGood(c.Boot.Slot) })
}

// GiveUp notes why the running slot is not to be started any more.
func (c Machine) GiveUp(why string) error {
	return c.with(func(m *Manager) error { return m.MarkBad(c.Boot.Slot, why) })
}

// Why is why the last change came to nothing.
func (c Machine) Why() (why string, err error) {
	err = c.with(func(m *Manager) error {
		st, err := m.Status()
		why = st.Record.Why
		return err
	})
	return why, err
}

// Restart asks systemd for a restart in good order.
func (c Machine) Restart() error {
	ctx, cancel := context.WithTimeout(context.Background(), systemdLimit)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("asking systemd for a restart: %w", err)
	}
	defer func() { _ = conn.Close() }()
	systemd := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	if err := systemd.CallWithContext(ctx, "org.freedesktop.systemd1.Manager.StartUnit", 0, "reboot.target", "replace-irreversibly").Err; err != nil {
		return fmt.Errorf("asking systemd for a restart: %w", err)
	}
	return nil
}
