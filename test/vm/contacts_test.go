package vm

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// exitAndLeaf are a button that opens the door from inside and a contact that is
// closed to ground while the door is. The chip's own pull-up would overrule what
// the tests play on a line when the daemon takes it.
const exitAndLeaf = `[[button]]
name = "exit"
line = 23
press = "open:door"
[[contact]]
name = "leaf"
label = "Front door"
line = 24
pull = "none"
after = "6s"
grace = "6s"
`

// exit presses the button that opens the door and returns when the relay is energised.
func (d *daemon) exit() event {
	d.Helper()
	n := d.mark(d.T)
	for range 3 {
		d.play(d.T, step{"exit", false, 100 * ms}, step{"exit", true, 0})
		if e, _, err := d.look(d.T, n, settle/6, drives("relay", 1)); err == nil {
			return e
		}
		d.Log("a press of the exit button got lost: the machine stood still") // gpio-sim drops edges that nobody has read
	}
	return d.saw(d.T, n, settle, drives("relay", 1))
}

// faults are the codes of all faults, with their parameters.
func (s status) faults() string { return fmt.Sprint(s.Faults) }

// TestHeldAndForcedDoor opens the door with and without leave.
func TestHeldAndForcedDoor(t *testing.T) {
	d := install(t)
	d.play(t, step{"contact", false, 0})
	d.run(config{more: exitAndLeaf})
	d.play(t, step{"exit", true, 0})
	opened := func(s status) bool { return strings.Contains(s.faults(), "alarm-forced") }
	held := func(s status) bool { return strings.Contains(s.faults(), "alarm-held") }
	calm := func(s status) bool { return !opened(s) && !held(s) }

	d.until("up", calm)
	d.exit()
	d.play(t, step{"contact", true, 500 * ms}, step{"contact", false, 200 * ms})
	if s := d.until("up", func(status) bool { return true }); !calm(s) {
		t.Errorf("a door that was released, opened and closed again is an alarm: %s", s.faults())
	}
	d.exit()
	d.play(t, step{"contact", true, 0})
	if s := d.until("telling that the door is held open", func(s status) bool { return !calm(s) }); !held(s) {
		t.Errorf("a door that is held open is another alarm: %s", s.faults())
	}
	d.play(t, step{"contact", false, 0})
	d.until("calm again", calm)

	d.play(t, step{"contact", false, 7 * time.Second}, step{"contact", true, 0}) // after the grace
	if s := d.until("telling that the door was forced", func(s status) bool { return !calm(s) }); !opened(s) {
		t.Errorf("a door that is forced is another alarm: %s", s.faults())
	}
	if out := d.log(200); !strings.Contains(out, "Front door") {
		t.Error("the log does not name the door")
	}
}
