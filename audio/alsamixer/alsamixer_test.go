package alsamixer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startMixer starts a sound server of the test's own, whose card "door" ALSA sees
// with the controls Master and Capture.
func startMixer(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"pulseaudio", "pactl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s: install the packages pulseaudio, pulseaudio-utils and libasound2-plugins", tool)
		}
	}
	dir, err := os.MkdirTemp("", "mixer") //nolint:usetesting // a socket's path is limited to 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	env := append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "PULSE_RUNTIME_PATH="+dir, "PULSE_SERVER=unix:"+socket)
	cmd := exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes",
		"--use-pid-file=no", "--realtime=no", "--high-priority=no", "--log-level=error",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket,
		"-L", "module-null-sink sink_name=speaker", "-L", "module-null-source source_name=mic")
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for end := time.Now().Add(10 * time.Second); ; {
		c := exec.Command("pactl", "info")
		c.Env = env
		if c.Run() == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("pulseaudio does not answer")
		}
	}
	conf := filepath.Join(dir, "asound.conf")
	text := fmt.Sprintf("ctl.door { type pulse; server \"unix:%s\"; sink speaker; source mic }\n", socket)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALSA_CONFIG_PATH", conf)
	t.Setenv("HOME", dir)
}

// level reads one control.
func level(t *testing.T, name string) Control {
	t.Helper()
	list, err := Controls("door")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no %q in %+v", name, list)
	return Control{}
}

func TestLevels(t *testing.T) {
	startMixer(t)
	if c := level(t, "Master"); c.Playback < 0 || c.Capture >= 0 {
		t.Errorf("%+v", c)
	}
	for _, c := range []struct {
		s             Setting
		play, capture int // percent; less than 0: not looked at
		muted         bool
	}{
		{Setting{Control: "Master", Level: 40}, 40, -1, false},
		{Setting{Control: "Master", Side: Playback, Level: 100}, 100, -1, false},
		{Setting{Control: "Master", Off: true}, 100, -1, true},
		{Setting{Control: "Master", Level: 25}, 25, -1, false},
		{Setting{Control: "Capture", Level: 70}, -1, 70, false},
		{Setting{Control: "Capture", Side: Capture, Off: true}, -1, 70, true},
	} {
		if err := Set("door", c.s); err != nil {
			t.Errorf("%+v: %v", c.s, err)
			continue
		}
		got := level(t, c.s.Control)
		if c.play >= 0 && got.Playback != c.play || c.capture >= 0 && got.Capture != c.capture || got.Muted != c.muted {
			t.Errorf("%+v: %+v", c.s, got)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	startMixer(t)
	for _, c := range []struct {
		card string
		s    Setting
		err  error
		says string
	}{
		{"door", Setting{Control: "Speaker", Level: 50}, ErrNoControl, `there are Master, Capture`},
		{"door", Setting{Control: "Master,1", Level: 50}, ErrNoControl, `there are Master`},
		{"door", Setting{Control: "Master", Side: Capture, Level: 50}, ErrNoLevel, "Master"},
		{"door", Setting{Control: "Master", Decibel: true, Level: -6}, ErrNoLevel, "in percent"},
		{"garage", Setting{Control: "Master", Level: 50}, ErrNoCard, "`garage`"},
		{"hw:31", Setting{Control: "Master", Level: 50}, ErrNoCard, "`hw:31`"},
	} {
		err := Set(c.card, c.s)
		if !errors.Is(err, c.err) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s, %+v: %v", c.card, c.s, err)
		}
	}
}

// However many cards this machine has, each has an address and a name.
func TestCards(t *testing.T) {
	cards, names, err := Cards()
	if err != nil || len(cards) != len(names) {
		t.Errorf("%v, %v, %v", cards, names, err)
	}
}
