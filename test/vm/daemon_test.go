package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/test/lab"
)

// settle is how long the daemon may take for anything that it does by itself. It
// only bounds the waits of the tests: an emulated processor is some thirty times
// slower than a real one.
const settle = 90 * time.Second

// daemon is the intercomd in the machine, seen from outside.
type daemon struct {
	*testing.T
	*machine
}

var installing sync.Once

// install puts what a system gets, by the one list of it, where a package would put it,
// and does what the package does then, in its order.
func install(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{t, need(t)}
	installing.Do(func() {
		root := t.TempDir()
		list := exec.CommandContext(t.Context(), "sh", "../../packaging/install.sh", guestProgram())
		list.Env = append(os.Environ(), "DESTDIR="+root, "PREFIX=")
		if _, err := output(list); err != nil {
			t.Fatal("install the daemon (make build makes it): ", err)
		}
		all := filepath.Join(root, "all.tar")
		if _, err := output(exec.CommandContext(t.Context(), "tar", "-C", root, "--owner=0", "--group=0", "-cf", all, "usr")); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{all: "/tmp/all.tar", box.ca.CertFile: "/etc/intercomd/ca.crt"} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			d.put(t, to, 0o644, data)
		}
		d.sh(t, `tar -C / -xf /tmp/all.tar && rm /tmp/all.tar
systemd-sysusers intercomd.conf && systemd-tmpfiles --create intercomd.conf
udevadm control --reload && udevadm trigger --action=change --subsystem-match=gpio --subsystem-match=pwm
systemctl daemon-reload`)
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", d.log(200))
		}
	})
	d.plug(t, pi)
	d.permit()
	return d
}

// permit waits until udev has given the chip to the group of the service.
func (d *daemon) permit() {
	d.Helper()
	d.sh(d.T, "chip=/dev/"+simulated()+`
for i in $(seq 50); do
	[ "$(stat -c %G $chip)" = gpio ] && exit 0
	[ $i = 20 ] && udevadm trigger --settle --subsystem-match=gpio
	sleep 0.2
done
ls -l $chip; getent group gpio; journalctl -q -u systemd-udevd -n 20; exit 1`)
}

// log returns the last lines of the daemon's journal.
func (d *daemon) log(lines int) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, _, err := d.script(ctx, fmt.Sprintf("journalctl -q -u intercomd -o short-monotonic --no-hostname -n %d", lines))
	if err != nil {
		return out + err.Error()
	}
	return out
}

// config is what a test says about the daemon's configuration.
type config struct {
	target string
	sound  string // name of the card; "" for none
	lamp   string // what the lamp shows; "" for the call
	key    string // that opens the door
	pulse  string // of the relay; "" for 2 s
	more   string // further tables
}

func (c config) toml() string {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	return fmt.Sprintf(`[sip]
server = "wss://%[1]s:7443"
user = "`+doorUser+`"
password = %[2]q
domain = %[3]q
ca_file = "ca.crt"
[call]
target = %[4]q
[door]
key = %[5]q
[audio]
input = %[6]q
output = %[6]q
echo_canceller = "off"
noise_suppression = "off"
agc = false
codecs = ["pcmu"]
[board]
driver = "gpio"
[[button]]
name = "bell"
line = 17
[[lamp]]
name = "lamp"
line = 27
shows = %[7]q
[[relay]]
name = "door"
line = 22
pulse = %[8]q
[log]
level = "info"
%[9]s`, hostAddress, lab.Password(doorUser), lab.Domain, or(c.target, nobody), c.key, or(c.sound, "none"), or(c.lamp, "call"), or(c.pulse, "2s"), c.more)
}

// run starts the daemon with a configuration and returns when systemd has heard
// from it that it is ready. It is stopped at the end of the test.
func (d *daemon) run(c config) {
	d.Helper()
	d.put(d.T, "/etc/intercomd/intercom.toml", 0o640, []byte(c.toml()))
	d.play(d.T, step{"bell", true, 0})
	d.sh(d.T, "chgrp intercomd /etc/intercomd/intercom.toml; systemctl restart intercomd")
	d.Cleanup(func() { d.sh(d.T, "systemctl stop intercomd; systemctl reset-failed intercomd 2>/dev/null || true") })
}

// override changes settings of the unit until the test ends.
func (d *daemon) override(settings ...string) {
	d.Helper()
	const dir = "/etc/systemd/system/intercomd.service.d"
	d.put(d.T, dir+"/test.conf", 0o644, []byte("[Service]\n"+strings.Join(settings, "\n")+"\n"))
	d.sh(d.T, "systemctl daemon-reload")
	d.Cleanup(func() { d.sh(d.T, "rm -r "+dir+" && systemctl daemon-reload") })
}

// status is the part of the daemon's JSON that these tests look at.
type status struct {
	lab.Status
	Board struct {
		Problem lab.Problem
		Inputs  []struct {
			Name          string
			Active, Stuck bool
			Problem       lab.Problem
		}
		Lamps []struct {
			Name, Pattern string
			Problem       lab.Problem
		}
		Relays []struct {
			Name    string
			Problem lab.Problem
			On      bool
		}
	} `json:"board"`
}

// status reads the snapshot of the moment.
func (d *daemon) status(ctx context.Context) (status, error) {
	var s status
	resp, err := d.ask(ctx, http.MethodGet, "/page/status.json", nil)
	if err != nil {
		return s, err
	}
	defer func() { _ = resp.Body.Close() }()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// until waits until a snapshot fulfils a condition, given in words for the message.
func (d *daemon) until(words string, ok func(status) bool) status {
	d.Helper()
	ctx := within(d.T, settle)
	var s status
	// Not often: each look costs the machine a good part of a tenth of a second.
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	var err error
	for ctx.Err() == nil {
		if s, err = d.status(ctx); err == nil && ok(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	text, _ := json.MarshalIndent(s, "", " ")
	d.Fatalf("the daemon was never %s: %v; the last snapshot:\n%s", words, err, text)
	return s
}

// registered waits for the registration.
func (d *daemon) registered() {
	d.Helper()
	d.until("registered", func(s status) bool { return s.Registration.State == "registered" })
}

// presses is how often the bell counted as pressed.
func (s status) presses() int {
	for _, in := range s.Gauges.Inputs {
		if in.Name == "bell" {
			return in.Presses
		}
	}
	return -1
}

// press presses the bell for 60 ms, without bouncing, and returns when that was by
// the guest's clock.
func (d *daemon) press() time.Duration {
	d.Helper()
	return d.play(d.T, step{"bell", false, 60 * ms}, step{"bell", true, 60 * ms})[0].At
}
