package portaudio_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// pulse is a sound server of the test's own with virtual cards: what is played
// into the sink "visitor" is heard by the ALSA device door-mic, and what is played
// by the ALSA device door-speaker can be recorded.
type pulse struct {
	t   *testing.T
	env []string
}

// startPulse starts the server and points ALSA at it for the rest of the test.
func startPulse(t *testing.T) *pulse {
	t.Helper()
	for _, tool := range []string{"pulseaudio", "pacat", "pactl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s: install the packages pulseaudio, pulseaudio-utils and libasound2-plugins", tool)
		}
	}
	dir, err := os.MkdirTemp("", "pulse") //nolint:usetesting // a socket's path is limited to 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	p := &pulse{t: t, env: append(os.Environ(),
		"HOME="+dir, "XDG_RUNTIME_DIR="+dir, "PULSE_RUNTIME_PATH="+dir, "PULSE_SERVER=unix:"+socket)}

	cmd := exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes",
		"--use-pid-file=no", "--realtime=no", "--high-priority=no", "--log-level=error",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket,
		"-L", "module-null-sink sink_name=visitor norewinds=1 rate=48000 channels=1",
		"-L", "module-null-sink sink_name=speaker norewinds=1 rate=48000 channels=1")
	cmd.Env = p.env
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("pulseaudio: %s", log.String())
		}
	})
	for end := time.Now().Add(10 * time.Second); ; {
		c := exec.Command("pactl", "info")
		c.Env = p.env
		if c.Run() == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("pulseaudio does not answer: %s", log.String())
		}
	}
	conf := filepath.Join(dir, "asound.conf")
	// PortAudio ends the process if every device can be opened and none is called
	// default (assertion in its BuildDeviceList).
	text := "pcm.default { type hw; card 31 }\n"
	for name, dev := range map[string]string{"door-mic": "visitor.monitor", "door-speaker": "speaker"} {
		text += fmt.Sprintf("pcm.%s { type pulse; server \"unix:%s\"; device %q }\n", name, socket, dev)
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALSA_CONFIG_PATH", conf)
	t.Setenv("HOME", dir)
	return p
}

// speak plays a tone into a sink until the test ends.
func (p *pulse) speak(sink string, f float64) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "pacat", "--playback", "--raw", "--device="+sink,
		"--rate=48000", "--channels=1", "--format=s16le", "--latency-msec=50")
	cmd.Env = p.env
	in, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; {
			buf := make([]byte, 0, 960*2)
			for range 960 {
				buf = binary.LittleEndian.AppendUint16(buf, uint16(int16(8000*math.Sin(2*math.Pi*f*float64(i)/48000))))
				i++
			}
			if _, err := in.Write(buf); err != nil {
				return
			}
		}
	})
	p.t.Cleanup(func() { cancel(); _ = cmd.Wait(); wg.Wait() })
}

// record returns d of what a source hears, after it has begun to deliver.
func (p *pulse) record(source string, d time.Duration) []float32 {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, "pacat", "--record", "--raw", "--device="+source,
		"--rate=48000", "--channels=1", "--format=s16le", "--latency-msec=50")
	cmd.Env = p.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	raw := make([]byte, 2*int(d*48000/time.Second))
	if _, err := io.ReadFull(out, raw); err != nil {
		p.t.Fatalf("recording %s: %v", source, err)
	}
	x := make([]float32, len(raw)/2)
	for i := range x {
		x[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
	}
	return x
}

// strongest is the greatest amplitude of frequency f in any 200 ms of x: a busy
// machine may tear holes elsewhere.
func strongest(x []float32, f float64) (best float64) {
	const n = 9600
	for ; len(x) >= n; x = x[n/2:] {
		w := 2 * math.Pi * f / 48000
		var a, b float64
		for i, v := range x[:n] {
			a += float64(v) * math.Cos(w*float64(i))
			b += float64(v) * math.Sin(w*float64(i))
		}
		best = max(best, 2*math.Hypot(a, b)/n)
	}
	return best
}

// stderrOf runs f and returns what it made C libraries print.
func stderrOf(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	restore := redirect(t, file)
	f()
	restore()
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
