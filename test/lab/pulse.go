package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Pulse is a private PulseAudio server whose cards exist only in memory. It
// serves the programs that are told of its socket and nobody else.
type Pulse struct {
	*Proc
	dir    string
	socket string
}

// Card is a virtual sound card: a microphone that hears what the lab plays and a
// loudspeaker that the lab listens to. ALSA programs see them by the names
// "NAME-mic" and "NAME-speaker".
type Card struct {
	Name  string
	pulse *Pulse
}

// StartPulse starts a server with the named cards and returns when it serves.
func StartPulse(ctx context.Context, dir string, cards ...string) (*Pulse, error) {
	p := &Pulse{dir: dir, socket: filepath.Join(dir, "socket")}
	if err := os.MkdirAll(filepath.Join(dir, "home"), 0o700); err != nil {
		return nil, fmt.Errorf("start pulseaudio: %w", err)
	}
	var script strings.Builder
	for _, c := range cards {
		for _, side := range []string{"mic", "speaker"} {
			// Without norewinds a monitor delivers its first sound almost two seconds late.
			fmt.Fprintf(&script, "load-module module-null-sink sink_name=%s-%s rate=%d channels=1 channel_map=mono format=s16le norewinds=1\n", c, side, Rate)
		}
		if err := os.WriteFile(p.alsaFile(c), []byte(p.alsa(c)), 0o644); err != nil {
			return nil, fmt.Errorf("start pulseaudio: %w", err)
		}
	}
	fmt.Fprintf(&script, "load-module module-native-protocol-unix auth-anonymous=1 socket=%s\n", p.socket)
	file := filepath.Join(dir, "start.pa")
	if err := os.WriteFile(file, []byte(script.String()), 0o644); err != nil {
		return nil, fmt.Errorf("start pulseaudio: %w", err)
	}
	proc, err := Start(Spec{
		Name: "pulseaudio", Env: p.env(),
		Args: []string{
			Tool("pulseaudio"), "-n", "-F", file, "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit",
			"--use-pid-file=no", "--realtime=no", "--high-priority=no", "--log-target=stderr", "--disable-shm=yes",
		},
	})
	if err != nil {
		return nil, err
	}
	p.Proc = proc
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := Poll(ctx, p.ready); err != nil {
		return nil, fmt.Errorf("start pulseaudio: %w\n%s", err, proc.Tail(20))
	}
	return p, nil
}

func (p *Pulse) ready() error {
	conn, err := net.Dial("unix", p.socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Card returns one of the cards that the server was started with.
func (p *Pulse) Card(name string) *Card { return &Card{Name: name, pulse: p} }

func (p *Pulse) env() []string {
	home := filepath.Join(p.dir, "home")
	return []string{
		"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "XDG_CONFIG_HOME=" + home, "PULSE_RUNTIME_PATH=" + home,
		"PULSE_SERVER=unix:" + p.socket, "PULSE_COOKIE=" + filepath.Join(home, "cookie"), "DBUS_SESSION_BUS_ADDRESS=",
	}
}

func (p *Pulse) alsaFile(card string) string { return filepath.Join(p.dir, card+".asound.conf") }

// alsa is a whole ALSA configuration in which only this card exists.
func (p *Pulse) alsa(card string) string {
	var b strings.Builder
	for side, device := range map[string]string{"mic": card + "-mic.monitor", "speaker": card + "-speaker"} {
		fmt.Fprintf(&b, "pcm.%s-%s {\n\ttype pulse\n\tserver \"unix:%s\"\n\tdevice \"%s\"\n\thint { show on description \"virtual %s of %s\" }\n}\n",
			card, side, p.socket, device, side, card)
	}
	// PortAudio asserts that there is a default device, as there is on every real machine.
	fmt.Fprintf(&b, "pcm.default {\n\ttype asym\n\tplayback.pcm \"%s-speaker\"\n\tcapture.pcm \"%s-mic\"\n}\n", card, card)
	return b.String()
}

// Env is the environment in which a program's ALSA sees this card and no other.
func (c *Card) Env() []string {
	return append(c.pulse.env(), "ALSA_CONFIG_PATH="+c.pulse.alsaFile(c.Name))
}

// Mic is the ALSA name of the microphone, Speaker that of the loudspeaker.
func (c *Card) Mic() string { return c.Name + "-mic" }

// Speaker is the ALSA name of the loudspeaker.
func (c *Card) Speaker() string { return c.Name + "-speaker" }

// Couple lets the microphone hear the loudspeaker, as in the housing of a door,
// until the returned function is called.
func (c *Card) Couple(ctx context.Context) (undo func() error, err error) {
	pactl := func(ctx context.Context, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, Tool("pactl"), args...)
		cmd.Env = append(os.Environ(), c.pulse.env()...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("pactl %s: %w: %s", args[0], err, out)
		}
		return strings.TrimSpace(string(out)), nil
	}
	module, err := pactl(ctx, "load-module", "module-loopback", "source="+c.Speaker()+".monitor", "sink="+c.Mic(), "latency_msec=40", "adjust_time=0")
	if err != nil {
		return nil, err
	}
	return func() error {
		_, err := pactl(context.WithoutCancel(ctx), "unload-module", module)
		return err
	}, nil
}

// Listeners is how many programs read a microphone of the server, whichever it is.
func (p *Pulse) Listeners(ctx context.Context) (int, error) {
	cmd := exec.CommandContext(ctx, Tool("pactl"), "list", "short", "source-outputs")
	cmd.Env = append(os.Environ(), p.env()...)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("pactl list source-outputs: %w", err)
	}
	return strings.Count(string(out), "\n"), nil
}
