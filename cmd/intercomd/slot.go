package main

import (
	"context"
	"errors"
	"fmt"

	"intercomd/update/slot"
)

// slotVerbs are what may be asked of a machine.
type slotVerbs struct{ slot.Host }

// slotCommand is the boot loader as RAUC knows it (get-primary, set-primary, get-state,
// set-state, get-current: its custom boot loader interface), and the same for people.
func slotCommand(_ context.Context, args []string, io streams) int {
	return slotVerbs{slot.ThisMachine()}.command(args, io)
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

func (h slotVerbs) command(args []string, io streams) int {
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

func (h slotVerbs) run(args []string, io streams) error {
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

	boot, err := h.Started()
	if err != nil {
		return err
	}
	if verb == "get-current" {
		fmt.Fprintln(io.out, boot.Slot)
		return nil
	}
	m, done, err := h.Manager(boot)
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
