package slot

import (
	"errors"
	"fmt"
	"strings"
)

// Manager is what may be asked of the card of the running system, in the words of RAUC's
// custom boot loader interface. It is not safe for use by several goroutines, nor by
// several processes: the caller holds a lock.
type Manager struct {
	Card    Device
	Running Slot // the slot that was started
	Trial   bool // on trial
	// Arm asks for a trial start, or no longer, at the next restart. The wish does not
	// survive a power cut; Pending in the record does.
	Arm func(trial bool) error
}

// Status is everything that there is to tell.
type Status struct {
	Running Slot
	Trial   bool
	Choice  Choice
	Record  Record
}

// Status reads the card. What can be read is returned even if there is an error.
func (m *Manager) Status() (Status, error) {
	st := Status{Running: m.Running, Trial: m.Trial}
	var err1, err2 error
	st.Choice, err1 = ReadChoice(m.Card)
	st.Record, err2 = ReadRecord(m.Card)
	return st, errors.Join(err1, err2)
}

// Primary is the slot that the next restart is meant for: the one on trial next, or the
// committed one.
func (m *Manager) Primary() (Slot, error) {
	st, err := m.Status()
	if err != nil {
		return 0, err
	}
	if st.Record.Pending != 0 {
		return st.Record.Pending, nil
	}
	if s := st.Choice.Slot(); s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("autoboot.txt starts partition %d, which is no slot", st.Choice.Start)
}

// SetPrimary wants s to be started next: on trial, unless it is the committed one, which
// takes back what was wanted before. autoboot.txt stays as it is.
func (m *Manager) SetPrimary(s Slot) error {
	st, err := m.Status()
	if err != nil {
		return err
	}
	r := st.Record
	if s == st.Choice.Slot() {
		r.Pending, r.Tried = 0, false
	} else {
		// A sector that was torn may name one slot twice; this mends it.
		if err := Commit(m.Card, st.Choice.Slot()); err != nil {
			return err
		}
		r.Pending, r.Tried, r.Why = s, false, ""
		r.SetState(s, New)
	}
	if err := WriteRecord(m.Card, r); err != nil {
		return err
	}
	return m.Arm(r.Pending != 0)
}

// Rearm asks for the pending trial again, after a power cut has come between the wish and
// the restart. It reports whether there was anything to ask for.
func (m *Manager) Rearm() (bool, error) {
	r, err := ReadRecord(m.Card)
	if err != nil || r.Pending == 0 || r.Tried || r.Pending == m.Running {
		return false, err
	}
	return true, m.Arm(true)
}

// State tells whether s can be started as far as is known.
func (m *Manager) State(s Slot) (State, error) {
	r, err := ReadRecord(m.Card)
	return r.State(s), err
}

// MarkGood notes that s works. On trial, and for the running slot, this is the commit.
func (m *Manager) MarkGood(s Slot) error {
	st, err := m.Status()
	if err != nil {
		return err
	}
	r := st.Record
	if s == m.Running && m.Trial && st.Choice.Slot() != s {
		// The sector first: a power cut before the note is mended at the next start.
		if err := Commit(m.Card, s); err != nil {
			return err
		}
		r.committed(s)
		r.Why = ""
		if err := WriteRecord(m.Card, r); err != nil {
			return err
		}
		return m.Arm(false)
	}
	r.SetState(s, Good)
	if s == m.Running && s == st.Choice.Slot() {
		r.Counted, r.Starts = s, 0
	}
	return WriteRecord(m.Card, r)
}

// MarkBad notes that s does not work, and why. A trial of it that was wanted is off. The
// committed slot is given up for the other one if that is known to work, and kept if not:
// a door that limps is better than one that does not start.
func (m *Manager) MarkBad(s Slot, why string) error {
	st, err := m.Status()
	if err != nil {
		return err
	}
	r := st.Record
	if s == st.Choice.Slot() {
		if r.State(s.Other()) != Good {
			return fmt.Errorf("slot %s stays: it is the one that starts, and slot %s is not known to work", s, s.Other())
		}
		if err := Commit(m.Card, s.Other()); err != nil {
			return err
		}
	}
	r.SetState(s, Bad)
	if r.Pending == s {
		r.Pending, r.Tried = 0, false
	}
	if why != "" {
		r.Why = why
	}
	if err := WriteRecord(m.Card, r); err != nil {
		return err
	}
	return m.Arm(r.Pending != 0)
}

// StartIsGood notes that this start has come to a working door, so that the starts of a
// committed system do not add up. On trial it does nothing: that is decided elsewhere.
func (m *Manager) StartIsGood() error {
	if m.Trial {
		return nil
	}
	return m.MarkGood(m.Running)
}

// Boot is what the initrd tells the system that it starts, in a file of its own.
type Boot struct {
	Slot  Slot
	Trial bool
	Disk  string // device of the whole card, such as /dev/mmcblk0
	Note  string // what was not as it should be, for people; empty if nothing was
}

// String is the file's text.
func (b Boot) String() string {
	trial := 0
	if b.Trial {
		trial = 1
	}
	return fmt.Sprintf("slot=%s\ntrial=%d\ndisk=%s\nnote=%s\n", b.Slot, trial, b.Disk, strings.ReplaceAll(b.Note, "\n", " "))
}

// ParseBoot reads it.
func ParseBoot(text string) (Boot, error) {
	var b Boot
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "slot":
			b.Slot, _ = ParseSlot(value)
		case "trial":
			b.Trial = value == "1"
		case "disk":
			b.Disk = value
		case "note":
			b.Note = value
		}
	}
	if b.Slot == 0 || b.Disk == "" {
		return b, errors.New("it does not say which slot of which card was started")
	}
	return b, nil
}
