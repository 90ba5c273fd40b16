package system

import (
	"errors"
	"html"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"intercomd/test/lab"
)

// Bad input of every kind: a clear sentence on the page and in the log, and the
// daemon lives on.

// fault waits until the page shows a problem in these words (any letter case),
// in the registration, a fault or a device.
func fault(t *testing.T, d *lab.Door, words ...string) lab.Status {
	t.Helper()
	var shown string
	_, err := d.Wait(within(t, 20*time.Second), "showing a fault with the words "+strings.Join(words, ", "), func(s lab.Status) bool {
		if len(s.Faults) == 0 {
			return false
		}
		page, err := d.Get(within(t, 5*time.Second), "")
		if err != nil {
			return false
		}
		shown = html.UnescapeString(page)
		for _, w := range words {
			if !strings.Contains(strings.ToLower(shown), strings.ToLower(w)) {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatalf("%v\nit shows: %s", err, shown)
	}
	st, err := d.Status(within(t, 5*time.Second)) // what the page had is there by now
	if err != nil {
		t.Fatal(err)
	}
	t.Log(st.Faults)
	return st
}

func register(m lab.Message) bool { return m.Method == "REGISTER" && m.Status == 0 && m.From == "1000" }

func TestWrongPasswordIsShownAndNotHammered(t *testing.T) {
	s := need(t)
	begin := time.Now()
	d := startDoor(t, doorConfig(t, s, map[string]string{"sip.password": `"wrong"`, "call.target": `"1001"`}))
	st := fault(t, d, "password")
	if st.Registration.State != "refused" {
		t.Errorf("the registration is %q, want refused", st.Registration.State)
	}
	// One try is two requests: with and without credentials. Nothing more may come.
	if m, err := s.kam.Wait(within(t, 4*time.Second), time.Now(), register); err == nil {
		t.Errorf("another REGISTER came at %s", m)
	}
	if n := s.kam.Count(begin, register); n > 2 {
		t.Errorf("%d REGISTER requests for one wrong password, want at most 2", n)
	}
}

func TestUntrustedCertificateIsRefused(t *testing.T) {
	s := need(t)
	begin := time.Now()
	c := doorConfig(t, s, map[string]string{"call.target": `"1001"`})
	c.CAFile = ""
	d := startDoor(t, c)
	fault(t, d, "certificate")
	if n := s.kam.Count(begin, register); n != 0 {
		t.Errorf("%d REGISTER requests went to a server that nobody vouches for", n)
	}
}

// The server's certificate is signed by nobody that the door knows. The fault tells the key
// that it shows; with that as a pin, the door is registered.
func TestPinIsCopiedFromTheFault(t *testing.T) {
	s := need(t)
	const wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	c := doorConfig(t, s, map[string]string{"call.target": `"1001"`, "sip.pins": `"` + wrong + `"`})
	c.CAFile = ""
	d := startDoor(t, c)
	st := fault(t, d, "a public key other than the pinned one")
	pin := st.Registration.Problem.Params["pin"]
	if len(pin) != len(wrong) || pin == wrong {
		t.Fatalf("no pin in %q", st.Registration.Problem)
	}
	c = doorConfig(t, s, map[string]string{"call.target": `"1001"`, "sip.pins": `"` + pin + `"`})
	c.CAFile = ""
	registered(t, c)
}

func TestUnknownSoundDeviceIsShownAndCallsStillWork(t *testing.T) {
	s := need(t)
	page := openPhone(t, s, "1001", "answer")
	c := doorConfig(t, s, map[string]string{"call.target": `"1001"`, "audio.input": `"no-such-microphone"`})
	d := startDoor(t, c)
	fault(t, d, "no-such-microphone")
	if _, err := d.Wait(within(t, 15*time.Second), "registered", func(s lab.Status) bool { return s.Registration.State == "registered" }); err != nil {
		t.Fatal(err)
	}
	ear, err := c.Card.Record()
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Stop()
	begin := time.Now()
	if _, err := d.Press(t.Context(), "bell"); err != nil {
		t.Fatal(err)
	}
	// Half a call is better than none: the visitor hears, and somebody comes.
	if _, err := ear.Heard(within(t, 20*time.Second), begin, pageTone, audible); err != nil {
		t.Error(err)
	}
	if err := page.Do(within(t, 5*time.Second), "phone.hangup()", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Over(within(t, 15*time.Second), begin); err != nil {
		t.Fatal(err)
	}
}

func TestTargetThatDoesNotExist(t *testing.T) {
	s := need(t)
	d := registered(t, doorConfig(t, s, map[string]string{"call.target": `"1999"`}))
	begin := time.Now()
	if _, err := d.Press(t.Context(), "bell"); err != nil {
		t.Fatal(err)
	}
	r, err := d.Over(within(t, 15*time.Second), begin)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ending.Cause != "not-found" || r.Ending.Status != 404 {
		t.Errorf("the record says %q (%d), want \"does not exist\" (404)", r.Ending.Cause, r.Ending.Status)
	}
}

func TestTargetThatIsNotRegistered(t *testing.T) {
	s := need(t)
	d := registered(t, doorConfig(t, s, map[string]string{"call.target": `"1003"`}))
	begin := time.Now()
	if _, err := d.Press(t.Context(), "bell"); err != nil {
		t.Fatal(err)
	}
	r, err := d.Over(within(t, 15*time.Second), begin)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ending.Cause != "unavailable" || r.Ending.Status != 480 {
		t.Errorf("the record says %q (%d), want \"not reachable\" (480)", r.Ending.Cause, r.Ending.Status)
	}
}

func TestConfigurationWithTypos(t *testing.T) {
	s := need(t)
	c := doorConfig(t, s, map[string]string{"call.target": `"1001"`, "call.rign_time": `"30s"`, "call.talk_time": `"9h"`})
	file, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), c.Binary, "check", file).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
		t.Errorf("check of a file with typos ends with %v, want an exit code", err)
	}
	text := string(out)
	for _, want := range []string{"rign_time", "ring_time", "talk_time", "intercom.toml:"} {
		if !strings.Contains(text, want) {
			t.Errorf("check does not say %q; it says:\n%s", want, text)
		}
	}
	if strings.Contains(text, lab.Password(c.User)) {
		t.Error("check prints the password")
	}
	d := startDoor(t, c)
	fault(t, d, "rign_time", "ring_time")
}

func TestCheckPassesAGoodFile(t *testing.T) {
	s := need(t)
	c := doorConfig(t, s, map[string]string{"call.target": `"1001"`})
	file, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), c.Binary, "check", file).CombinedOutput(); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
}

func TestServerRestartBringsTheRegistrationBack(t *testing.T) {
	s := need(t)
	cfg := s.server("restarted", 9443)
	kam, err := lab.StartKamailio(within(t, 20*time.Second), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := doorConfig(t, s, map[string]string{"call.target": `"1001"`})
	c.Server = "wss://" + lab.Address + ":9443"
	d := registered(t, c)
	_ = kam.Stop(5 * time.Second)
	if _, err := d.Wait(within(t, 15*time.Second), "missing its server", func(s lab.Status) bool { return s.Registration.State != "registered" }); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if kam, err = lab.StartKamailio(within(t, 20*time.Second), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kam.Stop(5 * time.Second) })
	if err := d.Registered(within(t, 45*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Logf("registered again %v after the server came back", time.Since(begin).Round(time.Millisecond))
}

func TestTerminatingInACallHangsUp(t *testing.T) {
	s := need(t)
	page := openPhone(t, s, "1001", "answer")
	d := registered(t, doorConfig(t, s, map[string]string{"call.target": `"1001"`}))
	if err := page.Incoming(t.Context(), "answer"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Press(t.Context(), "bell"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.InState(within(t, 15*time.Second), "talking"); err != nil {
		t.Fatal(err)
	}
	if err := page.Saw(within(t, 10*time.Second), "accepted"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := d.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := s.kam.Wait(within(t, 10*time.Second), begin, func(m lab.Message) bool { return m.Method == "BYE" && m.Status == 0 && m.From == "1000" }); err != nil {
		t.Fatal(err)
	}
	if err := page.Saw(within(t, 10*time.Second), "bye"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.Exited():
	case <-time.After(8 * time.Second):
		t.Fatal("the daemon is still there 8 s after SIGTERM")
	}
	if d.Err() != nil {
		t.Errorf("the daemon ended with %v, want exit code 0", d.Err())
	}
	t.Logf("ended %v after SIGTERM", time.Since(begin).Round(time.Millisecond))
}
