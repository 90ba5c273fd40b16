package vm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// nap puts the whole machine to sleep for a time and returns when it was woken.
// Meanwhile timers stand still, sound cards lose their streams, and nothing is answered
// on the network. The first time it is ACPI S3, from which qemu wakes it. After that
// qemu 7.2 has lost the registers of its power management, and the kernel does all that
// belongs to S3 but the last step (pm_test): there it waits.
func (d *daemon) nap(length time.Duration) (back time.Time) {
	d.Helper()
	ctx := within(d.T, length+2*settle)
	if d.slept {
		back = time.Now().Add(length)
		d.suspend(ctx, fmt.Sprintf("echo core > /sys/power/pm_test; echo %.0f > /sys/module/suspend/parameters/pm_test_delay", length.Seconds()))
		return back
	}
	d.slept = true
	woken := make(chan time.Time, 1)
	go func() { woken <- d.wake(ctx, length) }()
	d.suspend(ctx, "true")
	back = <-woken
	if back.IsZero() {
		d.Fatal("the machine did not sleep")
	}
	return back
}

// suspend sleeps from the machine's side of it.
func (d *daemon) suspend(ctx context.Context, prepare string) {
	d.Helper()
	out, code, err := d.script(ctx, prepare+" && echo mem > /sys/power/state")
	if err != nil || code != 0 {
		d.Fatalf("the machine did not sleep well: exit code %d, %v\n%s", code, err, out)
	}
}

// wake lets the machine sleep for a time once it does so, and wakes it. It returns the
// zero time if it did not sleep.
func (d *daemon) wake(ctx context.Context, length time.Duration) (at time.Time) {
	asleep := lab.Poll(ctx, func() error {
		said, err := d.command(ctx, "info status")
		if err == nil && !strings.Contains(said, "suspended") {
			err = errors.New(said)
		}
		return err
	})
	if asleep != nil {
		return at
	}
	time.Sleep(length) // what happens meanwhile is what is tested
	at = time.Now()
	if _, err := d.command(ctx, "system_wakeup"); err != nil {
		d.Error("wake the machine: ", err)
	}
	return at
}

var sinceBoot = regexp.MustCompile(`(?m)^\[ *([0-9.]+)\].*(PM: suspend exit|msg="sound device open")`)

// awake looks at what became of the daemon after the last nap: it is the same one, and
// has opened both devices anew. How soon is a figure, not a limit.
func (d *daemon) awake() {
	d.Helper()
	if n := d.sh(d.T, "systemctl show -p NRestarts --value intercomd"); n != "0\n" {
		d.Errorf("the daemon was started anew: %s", n)
	}
	var woke, open float64
	opened := 0
	for _, m := range sinceBoot.FindAllStringSubmatch(d.sh(d.T, "journalctl -q -o short-monotonic --no-hostname -t kernel -t intercomd"), -1) {
		at, _ := strconv.ParseFloat(m[1], 64)
		if m[2] == "PM: suspend exit" {
			woke, opened = at, 0
		} else {
			open = at
			opened++
		}
	}
	if opened != 2 {
		d.Errorf("%d sound devices were opened after the sleep", opened)
	}
	d.Logf("both sound devices were open %.2f s after the return", open-woke)
}

// TestSleepInACall lets the machine sleep for some seconds in a call while the door is
// open: the far end holds on, and so does the call.
func TestSleepInACall(t *testing.T) {
	const pulse = 12 * time.Second
	d := install(t)
	in, ear := indoorVoice(t)
	d.run(config{target: indoorUser, sound: card, key: "5", pulse: pulse.String()})
	d.hum()
	d.until("in possession of the sound card", func(s status) bool { return s.Sound.Input.OK && s.Sound.Output.OK })
	begin := time.Now()
	d.call()
	if _, err := ear.Heard(within(t, settle), begin, doorTone, audible); err != nil {
		t.Errorf("before the sleep: %v", err)
	}
	on := d.open(in, d.mark(t))
	back := d.nap(8 * time.Second)
	at, err := ear.Heard(within(t, settle), back, doorTone, audible)
	if err != nil {
		t.Errorf("after the sleep: %v", err)
	}
	t.Logf("the indoor station hears the door again %.2f s after the return", at.Sub(back).Seconds())
	err = lab.Poll(within(t, settle), func() error {
		heard := d.hear("2")
		level := lab.Level(heard, indoorTone)
		t.Logf("the door plays the indoor station at %.1f dBFS (%d samples recorded, %.1f s after the return)", level, len(heard), time.Since(back).Seconds())
		if level < audible {
			return fmt.Errorf("%.1f dBFS", level)
		}
		return nil
	})
	if err != nil {
		t.Errorf("after the sleep the door does not play the indoor station: %v", err)
	}
	d.awake()
	off := d.saw(t, on.N, settle, drives("relay", 0))
	t.Logf("the relay was on for %v of waking time", off.At-on.At)
	if long := off.At - on.At; long > pulse+2*time.Second {
		t.Errorf("a pulse of %v lasted %v of waking time", pulse, long)
	}
	if s := d.until("up", func(status) bool { return true }); s.State != "talking" || !s.Sound.MicLive {
		t.Errorf("the call did not live through the sleep: %s, %+v", s.State, s.Calls)
	}
	d.press()
	if over, err := in.Over(within(t, settle), begin); err != nil || over.Ending.Cause != "hung-up" {
		t.Errorf("the call ended with %q, %v", over.Ending.Cause, err)
	}
}

// TestLongSleep lets the machine sleep for longer than a far end without sound waits:
// the call ends and says why, the registration is made anew, and the next press calls.
func TestLongSleep(t *testing.T) {
	d := install(t)
	kam := server(t)
	indoor(t, nil)
	d.run(config{target: indoorUser, sound: card})
	d.until("in possession of the sound card", func(s status) bool { return s.Sound.Input.OK && s.Sound.Output.OK })
	d.call()
	before := time.Now()
	back := d.nap(25 * time.Second)
	_, err := kam.Wait(within(t, settle), before, func(m lab.Message) bool {
		return m.Method == "REGISTER" && m.Status == 0 && m.From == doorUser
	})
	if err != nil {
		t.Errorf("the registration is not made anew: %v", err)
	}
	s := d.until("done with the call", func(s status) bool {
		return s.State == "idle" && s.Registration.State == "registered" && len(s.Calls) > 0
	})
	t.Logf("the call ended %.1f s after the return: %+v", time.Since(back).Seconds(), s.Calls[0].Ending)
	if e := s.Calls[0].Ending; e.Cause != "hung-up" && e.Cause != "failed" && e.Cause != "media-lost" || e.Reason == "" {
		t.Errorf("the call ended with %+v", e)
	}
	d.awake()
	d.call()
}
