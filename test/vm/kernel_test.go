package vm

import (
	"strings"
	"testing"
	"time"
)

// pi is a chip like that of a Raspberry Pi 4's header, with the lines of the tests.
var pi = chipConfig{
	Label: "pinctrl-bcm2711", Num: 28,
	Lines: map[string]int{"bell": 17, "exit": 23, "contact": 24, "lamp": 27, "relay": 22},
}

// simulated is the name of the chip of the tests. The arm64 machine has one of its own,
// as a Raspberry Pi has several: the daemon finds its lines by the label.
func simulated() string {
	if arch() == "arm64" {
		return "gpiochip1"
	}
	return "gpiochip0"
}

// TestMachine shows that the machine is what the other tests take it for: edges
// can be played, outputs are seen, there is a sound card.
func TestMachine(t *testing.T) {
	m := need(t)
	m.plug(t, pi)
	t.Log(m.sh(t, "uname -r; systemd-analyze time"))
	if out := m.sh(t, "systemctl --failed --no-legend"); out != "" {
		t.Error("units of the machine failed:\n", out)
	}
	if out := m.sh(t, "cat /proc/asound/cards"); !strings.Contains(out, "Loopback") {
		t.Error("there is no simulated sound card:\n", out)
	}
	m.play(t, step{"bell", true, 0})
	if out := m.sh(t, "gpioget --numeric -c "+simulated()+" 17"); out != "1\n" {
		t.Errorf("a line that is pulled up reads %q", out)
	}
	n := m.mark(t)
	m.sh(t, "gpioset -c "+simulated()+" -t 100ms,0 22=1")
	on := m.saw(t, n, 10*time.Second, drives("relay", 1))
	off := m.saw(t, on.N, 10*time.Second, drives("relay", 0))
	if d := off.At - on.At; d < 100*time.Millisecond || d > 5*time.Second {
		t.Errorf("a pulse of 100 ms was seen as %v", d)
	}
	times := m.play(t, step{"bell", false, 5 * time.Millisecond}, step{"bell", true, 30 * time.Millisecond}, step{"bell", false, 0})
	if d := times[2].At - times[1].At; d < 30*time.Millisecond {
		t.Errorf("a level of 30 ms lasted %v", d)
	}
}
