package vm

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDevices asks the program, as the user of the service, for what there is.
func TestDevices(t *testing.T) {
	d := install(t)
	out := d.sh(t, "setpriv --reuid=intercomd --regid=intercomd --init-groups -- intercomd devices")
	t.Log(out)
	for _, want := range []string{"pinctrl-bcm2711", "/dev/" + simulated(), "line = 17", "Loopback"} {
		if !strings.Contains(out, want) {
			t.Errorf("intercomd devices does not show %q", want)
		}
	}
	d.sh(t, "gpioset -z -c "+simulated()+" 22=1")
	defer d.sh(t, "pkill gpioset")
	if out := d.sh(t, "intercomd devices"); !strings.Contains(out, "in use by gpioset") {
		t.Errorf("intercomd devices does not show who uses a line:\n%s", out)
	}
}

// TestWithoutPermission runs the program as somebody who may not use the devices.
func TestWithoutPermission(t *testing.T) {
	d := install(t)
	out, code, err := d.script(within(t, settle), "setpriv --reuid=nobody --regid=nogroup --clear-groups -- intercomd devices")
	if err != nil {
		t.Fatal(err)
	}
	if code == 0 || !strings.Contains(out, "no permission to open GPIO chip /dev/"+simulated()) || !strings.Contains(out, "group gpio") {
		t.Errorf("intercomd devices without permission: exit code %d\n%s", code, out)
	}
	d.put(t, "/tmp/nobody.toml", 0o644, []byte(strings.Replace(config{}.toml(), "ca_file", "# ca_file", 1)))
	out, code, err = d.script(within(t, settle), "mkdir -p /tmp/state && chown nobody /tmp/state && cd /tmp && "+
		"STATE_DIRECTORY=/tmp/state timeout --preserve-status 15 setpriv --reuid=nobody --regid=nogroup --clear-groups -- intercomd run /tmp/nobody.toml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "no permission to open GPIO chip") || !strings.Contains(out, "group gpio") {
		t.Errorf("intercomd run without permission does not say what to do:\n%s", out)
	}
	if code != 0 && code != 143 {
		t.Errorf("it ended with code %d when told to end", code)
	}
}

// TestTakenLine starts the daemon while another program has the lamp: everything
// else works, the fault says who it is, and the lamp works once it is free.
func TestTakenLine(t *testing.T) {
	d := install(t)
	d.sh(t, "gpioset -z -c "+simulated()+" 27=1")
	freed := false
	free := func() {
		if !freed {
			d.sh(t, "pkill gpioset")
			freed = true
		}
	}
	defer free()
	d.run(config{})
	s := d.until("telling of the lamp", func(s status) bool { return s.Board.Lamps[0].Problem.Code != "" })
	if l := s.Board.Lamps[0]; l.Problem.Code != "line-busy" || l.Problem.Params["user"] != "gpioset" {
		t.Errorf("the fault says %q", l.Problem)
	}
	if !strings.Contains(fmt.Sprint(s.Faults), "gpioset") {
		t.Errorf("the line is not among the faults: %v", s.Faults)
	}
	if e := s.Board.Inputs[0].Problem.Code + s.Board.Relays[0].Problem.Code; e != "" {
		t.Errorf("other lines have faults too: %s", e)
	}
	d.press()
	d.until("pressed", func(s status) bool { return s.presses() == 1 })
	free()
	d.until("in possession of the lamp", func(s status) bool { return s.Board.Lamps[0].Problem.Code == "" })
}

// TestMissingChip starts the daemon without any chip.
func TestMissingChip(t *testing.T) {
	d := install(t)
	d.unplug(t)
	defer d.plug(t, pi)
	d.put(t, "/etc/intercomd/intercom.toml", 0o640, []byte(config{}.toml()))
	d.sh(t, "chgrp intercomd /etc/intercomd/intercom.toml; systemctl restart intercomd")
	defer d.sh(t, "systemctl stop intercomd")
	s := d.until("telling of the chip", func(s status) bool { return s.Board.Problem.Code != "" })
	if s.Board.Problem.Code != "no-gpio" || len(s.Faults) == 0 {
		t.Errorf("the fault says %q; faults %v", s.Board.Problem, s.Faults)
	}
	if out, code, err := d.script(within(t, settle), "intercomd lock"); err != nil || code != 0 || !strings.Contains(out, "nothing to make safe") {
		t.Errorf("lock without a chip: exit code %d, %v\n%s", code, err, out)
	}
	d.plug(t, pi)
	d.play(t, step{"bell", true, 0})
	d.until("in possession of the chip", func(s status) bool { return s.Board.Problem.Code == "" })
	d.press()
	d.until("pressed", func(s status) bool { return s.presses() == 1 && s.Board.Problem.Code == "" })
	if out := d.sh(t, "systemctl show -p NRestarts --value intercomd"); out != "0\n" {
		t.Errorf("restarted %q times", out)
	}
}

// TestLatePermission starts the daemon before udev has handed the chip over.
func TestLatePermission(t *testing.T) {
	d := install(t)
	chip := "/dev/" + simulated()
	d.sh(t, "chown root:root "+chip)
	defer d.sh(t, "chown root:gpio "+chip)
	d.run(config{})
	s := d.until("telling of the permission", func(s status) bool { return s.Board.Problem.Code != "" })
	if s.Board.Problem.Code != "chip-forbidden" || s.Board.Problem.Params["chip"] != chip {
		t.Errorf("the fault says %q", s.Board.Problem)
	}
	if out := d.sh(t, "systemctl show -p NRestarts --value intercomd"); out != "0\n" {
		t.Errorf("restarted %q times before there was a reason", out)
	}
	d.sh(t, "chown root:gpio "+chip)
	d.until("in possession of the chip", func(s status) bool {
		return s.Board.Problem.Code == "" && len(s.Board.Inputs) > 0 && s.Board.Inputs[0].Problem.Code == ""
	})
	d.press()
	d.until("pressed", func(s status) bool { return s.presses() == 1 })
	if out := d.sh(t, "systemctl show -p NRestarts --value intercomd"); out != "0\n" {
		t.Errorf("restarted %q times", out)
	}
}

// TestRemovedChip takes the chip away while the daemon runs.
func TestRemovedChip(t *testing.T) {
	d := install(t)
	d.run(config{})
	d.until("up", func(status) bool { return true })
	d.unplug(t)
	// Not before the daemon has let go of it: the new chip would get another number.
	defer func() { d.sh(t, "systemctl stop intercomd || true"); d.plug(t, pi) }()
	s := d.until("telling that the bell is gone", func(s status) bool { return s.Board.Inputs[0].Problem.Code != "" })
	if in := s.Board.Inputs[0]; in.Problem.Code != "chip-gone" {
		t.Errorf("the fault says %q", in.Problem)
	}
	if out := d.sh(t, "systemctl is-active intercomd; systemctl show -p NRestarts --value intercomd"); out != "active\n0\n" {
		t.Errorf("the daemon did not live on: %s", out)
	}
}

// TestWrongLines names lines and chips that are not there.
func TestWrongLines(t *testing.T) {
	d := install(t)
	d.run(config{more: "[[button]]\nname = \"other\"\nchip = \"no-such-chip\"\nline = 3\n[[lamp]]\nname = \"far\"\nline = 99\nshows = \"ready\"\n"})
	s := d.until("up", func(status) bool { return true })
	for _, in := range s.Board.Inputs {
		if in.Name == "other" && (in.Problem.Code != "chip-unknown" || !strings.Contains(in.Problem.Params["wanted"], "no-such-chip")) {
			t.Errorf("a chip that is not there: %q", in.Problem)
		}
	}
	for _, l := range s.Board.Lamps {
		if l.Name == "far" && (l.Problem.Code != "line-number-unknown" || l.Problem.Params["line"] != "99") {
			t.Errorf("a line that is not there: %q", l.Problem)
		}
	}
	d.press()
	d.until("pressed", func(s status) bool { return s.presses() == 1 })
}

// TestRestart restarts the service and looks at its lines between and after.
func TestRestart(t *testing.T) {
	d := install(t)
	d.run(config{})
	for range 3 {
		d.sh(t, "systemctl stop intercomd")
		if out := d.sh(t, "grep -c intercomd /sys/kernel/debug/gpio || true; gpioinfo -c "+simulated()+" | grep -c 'consumer=' || true"); out != "0\n0\n" {
			t.Errorf("lines are still taken after the end of the service: %s", out)
		}
		d.sh(t, "systemctl start intercomd")
		d.press()
		d.until("pressed", func(s status) bool { return s.presses() == 1 })
	}
	if out := d.log(500); strings.Contains(out, "panic") {
		t.Error("the log shows a panic")
	}
}

// TestWatchdog stops the daemon where it stands: systemd must notice and start a
// new one, and the lines must be taken again.
func TestWatchdog(t *testing.T) {
	d := install(t)
	d.override("WatchdogSec=8", "TimeoutAbortSec=2", "RestartSec=1")
	d.run(config{})
	d.until("up", func(status) bool { return true })
	begin := time.Now()
	d.sh(t, "systemctl kill --kill-whom=main -s STOP intercomd")
	if out := d.sh(t, "for i in $(seq 60); do [ $(systemctl show -p NRestarts --value intercomd) = 0 ] || break; sleep 0.5; done; systemctl show -p NRestarts --value intercomd"); out != "1\n" {
		t.Fatalf("a daemon that hangs was restarted %q times", out)
	}
	t.Logf("restarted within %.1f s, with WatchdogSec=8", time.Since(begin).Seconds())
	if out := d.log(1000); !strings.Contains(out, "Failed with result 'watchdog'") {
		t.Error("it was not the watchdog")
	}
	d.sh(t, "for i in $(seq 60); do systemctl is-active -q intercomd && break; sleep 0.5; done")
	d.press()
	d.until("pressed", func(s status) bool { return s.presses() == 1 })
}
