package portaudio_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"intercomd/audio"
	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/portaudio"
	"intercomd/audio/receive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newDriver(t *testing.T) (*portaudio.Driver, *slog.Logger) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	d := portaudio.New(log)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, log
}

// newRing returns the queue of nobody.
func newRing() *device.Ring {
	t0 := time.Now()
	return device.NewRing(func() time.Duration { return time.Since(t0) }, func() {})
}

// A machine without sound says so, in a sentence and not in 85 lines.
func TestWithoutSound(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "asound.conf")
	if err := os.WriteFile(conf, []byte("pcm.ghost { type hw; card 31 }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{conf, "/dev/null"} {
		t.Setenv("ALSA_CONFIG_PATH", c)
		withoutSound(t)
	}
}

func withoutSound(t *testing.T) {
	t.Helper()
	d, _ := newDriver(t)
	printed := stderrOf(t, func() {
		for _, dir := range []device.Direction{device.In, device.Out} {
			for _, name := range []string{"default", "USB"} {
				s, err := d.Open(dir, name, newRing())
				if err == nil {
					_ = s.Close()
					t.Skip("this machine has sound")
				}
				if !errors.Is(err, device.ErrNotFound) {
					t.Errorf("%v %q: %v", dir, name, err)
				}
			}
		}
	})
	if printed != "" {
		t.Errorf("the libraries printed:\n%s", printed)
	}
	if d.Stale() {
		t.Error("stale without a stream")
	}
}

func TestDevicesByName(t *testing.T) {
	startPulse(t)
	d, _ := newDriver(t)
	list, err := d.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"door-mic", "door-speaker"} {
		if !slices.ContainsFunc(list, func(i device.Info) bool { return i.Name == want && i.System == "ALSA" }) {
			t.Errorf("%s is not listed in %+v", want, list)
		}
	}
	for name, want := range map[string]string{"door-mic": "door-mic", "-MIC": "door-mic", "speaker": "door-speaker"} {
		dir := device.In
		if want == "door-speaker" {
			dir = device.Out
		}
		s, err := d.Open(dir, name, newRing())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if i := s.Info(); i.Device != want || i.Rate != 48000 {
			t.Errorf("%s: %+v", name, i)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, part := range map[string]string{"door": "could be", "garage": "Found: door-"} {
		_, err := d.Open(device.In, name, newRing())
		if !errors.Is(err, device.ErrNotFound) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q in it", name, err, part)
		}
	}
}

// echoLink sends what it is given back: the far end hears itself.
type echoLink struct {
	packets chan []byte
	seq     uint16
}

func (l *echoLink) Codec() codec.Format {
	return codec.Format{Name: "opus", ClockRate: 48000, FEC: true}
}

func (l *echoLink) Write(p []byte, _ uint32, _ bool) error {
	select {
	case l.packets <- append([]byte(nil), p...):
	default:
	}
	return nil
}

func (l *echoLink) Receive(take func(*receive.Packet)) {
	for {
		select {
		case b := <-l.packets:
			take(&receive.Packet{SSRC: 1, Seq: l.seq, Timestamp: uint32(l.seq) * 960, Codec: l.Codec(), Payload: b, Arrival: time.Now()})
			l.seq++
		default:
			return
		}
	}
}

// A visitor whistles at the microphone, the far end sends it back, and the
// loudspeaker whistles: every device, ring and codec is in the way.
func TestThereAndBack(t *testing.T) {
	p := startPulse(t)
	d, log := newDriver(t)
	e, err := audio.New(audio.Config{Input: "door-mic", Output: "door-speaker", Log: log}, d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- e.Run(ctx) }()
	p.speak("visitor", 987)
	l := &echoLink{packets: make(chan []byte, 10)}
	e.Connect(l, true)

	var got float64
	for range 5 {
		if got = strongest(p.record("speaker.monitor", time.Second), 987); got > 0.15 {
			break
		}
	}
	t.Logf("987 Hz at %.3f (played at 0.244), %+v", got, e.Status())
	if got < 0.15 {
		t.Error("the tone did not come back")
	}
	e.Disconnect()
	cancel()
	if err := <-end; err != nil {
		t.Error(err)
	}
}
