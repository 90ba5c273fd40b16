package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Mosquitto is Eclipse's MQTT broker, with TLS, a user for the door and one for the house. It
// keeps nothing on disk: whoever starts it anew finds it empty.
type Mosquitto struct {
	*Proc
	Dir    string
	Port   int
	CAFile string

	pair []string // certificate and key of the house, where the broker asks for one
}

// MQTTDoor and MQTTHouse are the users of the broker. The door may write what is its own, and
// hear its orders.
const (
	MQTTDoor  = "door"
	MQTTHouse = "house"
)

// MQTTCertificates is the line by which the broker asks its clients for a certificate.
const MQTTCertificates = "require_certificate true"

// StartMosquitto starts a broker, or starts it anew in the same directory, with further lines of its
// configuration.
func StartMosquitto(ctx context.Context, dir string, ca *CA, port int, lines ...string) (*Mosquitto, error) {
	m := &Mosquitto{Dir: dir, Port: port, CAFile: ca.CertFile}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start mosquitto: %w", err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	if _, err := os.Stat(file("broker.crt")); err != nil {
		if _, _, err := ca.Issue(dir, "broker", "127.0.0.1"); err != nil {
			return nil, err
		}
	}
	for i, user := range []string{MQTTDoor, MQTTHouse} {
		args := []string{"-b", file("users"), user, Password(user)}
		if i == 0 {
			args = append([]string{"-c"}, args...)
		}
		if out, err := exec.CommandContext(ctx, Tool("mosquitto_passwd"), args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("mosquitto_passwd: %w: %s", err, out)
		}
	}
	acl := "user " + MQTTDoor + "\ntopic write intercomd/#\ntopic write homeassistant/device/#\ntopic read intercomd/+/do/#\ntopic read homeassistant/status\nuser " + MQTTHouse + "\ntopic readwrite #\ntopic read $SYS/broker/version\n"
	conf := fmt.Sprintf("listener %d 127.0.0.1\ncertfile %s\nkeyfile %s\ncafile %s\nallow_anonymous false\npassword_file %s\nacl_file %s\npersistence false\nuser root\nlog_dest stderr\nlog_type all\n%s\n",
		port, file("broker.crt"), file("broker.key"), ca.CertFile, file("users"), file("acl"), strings.Join(lines, "\n"))
	if slices.Contains(lines, MQTTCertificates) {
		cert, key, err := ca.IssueClient(dir, MQTTHouse, time.Now().AddDate(0, 0, 1))
		if err != nil {
			return nil, err
		}
		m.pair = []string{"--cert", cert, "--key", key}
	}
	for name, text := range map[string]string{"acl": acl, "mosquitto.conf": conf} {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("start mosquitto: %w", err)
		}
	}
	var err error
	if m.Proc, err = Start(Spec{Name: "mosquitto", Args: []string{Tool("mosquitto"), "-c", file("mosquitto.conf")}}); err != nil {
		return nil, err
	}
	if _, err = m.WaitLine(ctx, regexp.MustCompile(`running`)); err != nil {
		return nil, err
	}
	return m, nil
}

// Again starts the broker anew, after it was stopped.
func (m *Mosquitto) Again(ctx context.Context) error {
	var err error
	m.Proc, err = Start(Spec{Name: "mosquitto", Args: []string{Tool("mosquitto"), "-c", filepath.Join(m.Dir, "mosquitto.conf")}})
	if err == nil {
		_, err = m.WaitLine(ctx, regexp.MustCompile(`running`))
	}
	return err
}

// Hang stops the broker in the middle of what it does, or lets it go on.
func (m *Mosquitto) Hang(on bool) error {
	sig := syscall.SIGCONT
	if on {
		sig = syscall.SIGSTOP
	}
	return m.Signal(sig)
}

func (m *Mosquitto) client(args ...string) []string {
	return slices.Concat([]string{"-V", "mqttv5", "-h", "127.0.0.1", "-p", strconv.Itoa(m.Port), "--cafile", m.CAFile, "-u", MQTTHouse, "-P", Password(MQTTHouse)}, m.pair, args)
}

// Listen starts a mosquitto_sub that writes a line "TOPIC RETAINED PAYLOAD" for all that comes, and returns when
// it hears: of its broker's version, the first thing that comes to everybody.
func (m *Mosquitto) Listen(ctx context.Context, more ...string) (*Proc, error) {
	const first = "$SYS/broker/version"
	p, err := Start(Spec{Name: "mosquitto_sub", Args: append([]string{Tool("mosquitto_sub")}, m.client(append(more, "-t", "#", "-t", first, "-F", "%t %r %p")...)...)})
	if err != nil {
		return nil, err
	}
	if _, err := p.WaitLine(ctx, regexp.MustCompile(`^`+regexp.QuoteMeta(first))); err != nil {
		_ = p.Stop(0)
		return nil, err
	}
	return p, nil
}

// Kept is what the broker keeps below a topic: by topic, as a new client gets it.
func (m *Mosquitto) Kept(ctx context.Context, topic string) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, Tool("mosquitto_sub"), m.client("-t", topic, "--retained-only", "-W", "1", "-F", "%t %p")...).Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 27 { //nolint:errorlint // as it comes; 27: it has waited long enough
		err = nil
	}
	kept := map[string]string{}
	for line := range strings.Lines(string(out)) {
		at, payload, _ := strings.Cut(strings.TrimSpace(line), " ")
		kept[at] = payload
	}
	return kept, err
}

// Say publishes something as the house.
func (m *Mosquitto) Say(ctx context.Context, topic, payload string, more ...string) error {
	args := append([]string{"-q", "1", "-t", topic, "-m", payload}, more...)
	if out, err := exec.CommandContext(ctx, Tool("mosquitto_pub"), m.client(args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("mosquitto_pub: %w: %s", err, out)
	}
	return nil
}
