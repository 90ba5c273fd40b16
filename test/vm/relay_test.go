package vm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// call presses the bell and waits until the door talks with the indoor station, and
// both can be heard: keys that are sent before that are lost.
func (d *daemon) call() {
	d.Helper()
	d.until("ready to call", func(s status) bool { return s.State == "idle" && s.Registration.State == "registered" })
	d.press()
	d.until("talking", func(s status) bool { return s.State == "talking" && s.Call != nil && !s.Call.MediaUp.IsZero() })
}

// open lets the indoor station send the key that opens the door and returns the
// time at which the relay was energised. n is the event to look from.
func (d *daemon) open(in *lab.Door, n int) event {
	d.Helper()
	if _, err := in.Press(within(d.T, settle), "key"); err != nil {
		d.Fatal(err)
	}
	return d.saw(d.T, n, settle, drives("relay", 1))
}

// TestPulse opens the door by a key of the indoor station and measures the pulse.
func TestPulse(t *testing.T) {
	const pulse = 2 * time.Second
	d := install(t)
	in := indoor(t, nil)
	d.run(config{target: indoorUser, key: "5", pulse: pulse.String()})
	d.call()
	for range 3 {
		n := d.mark(t)
		on := d.open(in, n)
		off := d.saw(t, on.N, settle, drives("relay", 0))
		length := off.At - on.At
		t.Logf("the relay was energised for %v", length)
		if length < pulse-50*ms || length > pulse+2*time.Second {
			t.Errorf("a pulse of %v lasted %v", pulse, length)
		}
		if d.level(t, "relay") != "0" {
			t.Error("the relay is still on")
		}
	}
}

// TestKilledWithRelayOn kills the daemon while the relay is energised. It must be
// driven to rest at the latest half a second after its pulse would have ended. The
// pulse is long, because an emulated processor needs seconds to start a program.
//
// What counts is that somebody drives the line: the simulated chip lets go of a line
// whose owner has died, that of a Raspberry Pi may keep the level.
func TestKilledWithRelayOn(t *testing.T) {
	const pulse = 15 * time.Second
	d := install(t)
	d.override("RestartSec=1h") // a new daemon would drive the relay to rest, too
	d.play(t, step{"contact", false, 0})
	d.run(config{pulse: pulse.String(), more: exitAndLeaf})
	var after []time.Duration
	for i := range *repeat {
		on := d.exit()
		uptime := d.sh(t, "cut -d' ' -f1 /proc/uptime; systemctl kill --kill-whom=main -s KILL intercomd")
		off := d.saw(t, on.N, settle, drives("relay", 0))
		if length := off.At - on.At; length > pulse+500*ms {
			t.Errorf("kill %d: the relay was driven to rest only %v after it was energised", i, length)
		}
		if d.level(t, "relay") != "0" {
			t.Errorf("kill %d: the relay is on", i)
		}
		if killed, err := time.ParseDuration(strings.TrimSpace(uptime) + "s"); err == nil {
			after = append(after, off.At-killed)
		}
		if n := i + 1; n%100 == 0 {
			t.Logf("%d kills", n)
		}
		d.sh(t, "systemctl restart intercomd")
	}
	slices.Sort(after)
	t.Logf("%d times killed with the relay on: driven to rest %v (median) to %v after the kill", *repeat, after[len(after)/2], after[len(after)-1])
}
