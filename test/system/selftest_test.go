package system

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// selftest runs the command beside the daemon and returns what it said.
func selftest(t *testing.T, d *lab.Door, args ...string) (out string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(within(t, 70*time.Second), d.Config.Binary, append(append([]string{"selftest"}, args...), d.File)...)
	cmd.Env = append(os.Environ(), d.Config.Card.Env()...)
	b, err := cmd.CombinedOutput()
	t.Logf("selftest %v: %s", args, b)
	return string(b), err == nil
}

// A door whose microphone hears its loudspeaker is commissioned; then the wire
// between them is cut. A press ends the test.
func TestAcousticSelfTest(t *testing.T) {
	s := need(t)
	d := startDoor(t, doorConfig(t, s, map[string]string{"call.target": `"1001"`}))
	if err := d.Registered(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	undo, err := d.Config.Card.Couple(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	coupled := true
	defer func() {
		if coupled {
			_ = undo()
		}
	}()
	// A busy machine tears holes into the sound; a chirp that fell into one is
	// repeated by hand here.
	for try := range 3 {
		if out, ok := selftest(t, d, "-commission"); ok && strings.Contains(out, "commissioned 20") {
			break
		} else if try == 2 {
			t.Fatal("a good door cannot be commissioned")
		}
	}
	if out, ok := selftest(t, d); !ok && !strings.Contains(out, "weaker") {
		t.Error("a good door fails")
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	coupled = false
	if out, ok := selftest(t, d); ok || !strings.Contains(out, "remedy:") {
		t.Error("nothing is heard, and it passes")
	}
	fault(t, d, "acoustic self-test", "broken, covered, or turned down")

	ended := make(chan string, 1)
	go func() {
		out, _ := selftest(t, d)
		ended <- out
	}()
	time.Sleep(2 * time.Second) // into the first chirps, of which there will be four
	begin, err := d.Press(within(t, 5*time.Second), "bell")
	if err != nil {
		t.Fatal(err)
	}
	if out := <-ended; !strings.Contains(out, "interrupted") {
		t.Error("a press does not end the test")
	}
	// Nobody is registered as 1001.
	if _, err := d.Over(within(t, 10*time.Second), begin); err != nil {
		t.Error(err)
	}
}
