package lab

import (
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"
)

//go:embed asterisk/*.conf
var asteriskConfig embed.FS

// HoldTone is what Asterisk plays to those on hold, Hz.
const HoldTone = 600.0

// AsteriskUser is a telephone that Asterisk knows.
type AsteriskUser struct {
	Name     string
	Password string
	Codecs   string   // such as "opus,ulaw"
	Options  []string // further lines of its endpoint, such as "moh_passthrough=yes"
}

// AsteriskConfig says where Asterisk listens and whom it knows.
type AsteriskConfig struct {
	Root                           string // of the unpacked packages, from test/tools/asterisk.sh
	Dir                            string // for its files; created
	Address                        string
	WSSPort, HTTPPort, ManagerPort int // secure WebSocket (/ws); HTTP; the manager's interface
	Users                          []AsteriskUser
	CertFile, KeyFile              string
}

// Modules is the folder with its modules.
func (c AsteriskConfig) Modules() string { return c.lib("asterisk", "modules") }

// Data is the folder with the documentation that it needs to start.
func (c AsteriskConfig) Data() string { return filepath.Join(c.Root, "usr", "share", "asterisk") }

// lib is a path below the folder of libraries, which is named after the machine.
func (c AsteriskConfig) lib(elem ...string) string {
	dirs, _ := filepath.Glob(filepath.Join(c.Root, "usr", "lib", "*-linux-gnu*", "asterisk"))
	if len(dirs) == 0 {
		return ""
	}
	return filepath.Join(append([]string{filepath.Dir(dirs[0])}, elem...)...)
}

// args starts a program of the unpacked packages with their own linker and C library.
func (c AsteriskConfig) args(args ...string) ([]string, error) {
	linkers, _ := filepath.Glob(c.lib("ld-linux*.so.*"))
	if len(linkers) == 0 {
		return nil, fmt.Errorf("no Asterisk in %q (test/tools/asterisk.sh fetches it)", c.Root)
	}
	return append([]string{linkers[0], "--library-path", c.lib(), filepath.Join(c.Root, "usr", "sbin", "asterisk")}, args...), nil
}

// Asterisk is a running Asterisk, which ends the media of every call itself.
type Asterisk struct {
	*Proc
	Config  AsteriskConfig
	Version string // as it says itself

	mu   sync.Mutex
	wire []Wire
	more chan struct{}
	// Parsing of the log: the message that is being read.
	open *Wire
}

// Wire is a SIP message that Asterisk received or sent, as it logged it.
type Wire struct {
	At   time.Time
	Sent bool
	Text string
}

// First is the first line of the message.
func (w Wire) First() string {
	line, _, _ := strings.Cut(w.Text, "\n")
	return line
}

// Header returns the value of a header, "" if there is none.
func (w Wire) Header(name string) string {
	for line := range strings.Lines(w.Text) {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// StartAsterisk starts Asterisk and returns when it accepts connections.
func StartAsterisk(ctx context.Context, c AsteriskConfig) (*Asterisk, error) {
	a := &Asterisk{Config: c, more: make(chan struct{})}
	version, err := c.args("-V")
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, version[0], version[1:]...).Output()
	if err != nil {
		return nil, fmt.Errorf("ask asterisk for its version: %w", err)
	}
	a.Version, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "Asterisk "), "+")
	if err := c.write(); err != nil {
		return nil, fmt.Errorf("start asterisk: %w", err)
	}
	return a, a.launch(ctx)
}

// Restart ends Asterisk without a word to anybody, as a crash does, and starts it
// anew with the same configuration when it has been away for that long. A door takes a
// server that is back within a second for one that never was away.
func (a *Asterisk) Restart(ctx context.Context, away time.Duration) error {
	_ = a.Signal(syscall.SIGKILL)
	<-a.Exited()
	select {
	case <-time.After(away):
	case <-ctx.Done():
		return ctx.Err()
	}
	return a.launch(ctx)
}

// launch starts the process and waits until it is ready.
func (a *Asterisk) launch(ctx context.Context) error {
	args, err := a.Config.args("-f", "-C", filepath.Join(a.Config.Dir, "asterisk.conf"))
	if err != nil {
		return err
	}
	if a.Proc, err = Start(Spec{Name: "asterisk", Args: args, Line: a.line}); err != nil {
		return err
	}
	for _, port := range []int{a.Config.WSSPort, a.Config.ManagerPort} {
		if err == nil {
			err = waitPort(ctx, a.Proc, net.JoinHostPort(a.Config.Address, strconv.Itoa(port)))
		}
	}
	// The ports are open before all modules are there.
	if err == nil {
		err = a.booted(ctx)
	}
	if err != nil {
		_ = a.Stop(time.Second)
		return fmt.Errorf("start asterisk: %w\n%s", err, a.Tail(20))
	}
	return nil
}

// booted waits until Asterisk says that it is ready.
func (a *Asterisk) booted(ctx context.Context) error {
	m, err := a.Manager(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	_, err = m.Event(ctx, func(e Packet) bool { return e["Event"] == "FullyBooted" })
	return err
}

// write writes its configuration.
func (c AsteriskConfig) write() error {
	for _, dir := range []string{"var", "spool", "run", "log", "moh"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	files, err := asteriskConfig.ReadDir("asterisk")
	if err != nil {
		return err
	}
	for _, f := range files {
		t, err := template.ParseFS(asteriskConfig, path.Join("asterisk", f.Name()))
		if err != nil {
			return err
		}
		var text strings.Builder
		if err := t.Execute(&text, c); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.Dir, f.Name()), []byte(text.String()), 0o600); err != nil {
			return err
		}
	}
	// Raw samples, which it knows by this ending.
	samples := make([]int16, 5*Rate)
	Sine(samples, 0, HoldTone, -12)
	var raw []byte
	for _, x := range samples {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(x))
	}
	return os.WriteFile(filepath.Join(c.Dir, "moh", "hold.sln48"), raw, 0o600)
}

var wireHead = regexp.MustCompile(`<--- (Received|Transmitting) SIP (request|response)`)

// line takes a line of the log and gathers SIP messages from it.
func (a *Asterisk) line(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := wireHead.FindStringSubmatch(s); m != nil {
		a.flush()
		a.open = &Wire{At: time.Now(), Sent: m[1] == "Transmitting"}
		return
	}
	if a.open == nil {
		return
	}
	// The end of a message shows only by what follows it.
	if strings.HasPrefix(s, "[") || strings.HasPrefix(s, "    -- ") || strings.HasPrefix(s, "  == ") || strings.HasPrefix(s, "       > ") {
		a.flush()
		return
	}
	a.open.Text += s + "\n"
	if strings.TrimSpace(s) == "" && !strings.Contains(a.open.Text, "\nContent-Length:  0") {
		return
	}
	close(a.more)
	a.more = make(chan struct{})
}

// flush ends the message that is being read.
func (a *Asterisk) flush() {
	if len(a.wire) >= keptLines {
		a.wire = slices.Delete(a.wire, 0, keptLines/10)
	}
	if a.open != nil && a.open.Text != "" {
		a.wire = append(a.wire, *a.open)
	}
	a.open = nil
}

// Since returns the messages since t; the last one may not be whole yet.
func (a *Asterisk) Since(t time.Time) []Wire {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Wire
	for _, w := range a.wire {
		if !w.At.Before(t) {
			out = append(out, w)
		}
	}
	if a.open != nil && !a.open.At.Before(t) {
		out = append(out, *a.open)
	}
	return out
}

// Wait waits for a message since t that matches.
func (a *Asterisk) Wait(ctx context.Context, t time.Time, match func(Wire) bool) (Wire, error) {
	for {
		a.mu.Lock()
		more := a.more
		a.mu.Unlock()
		for _, w := range a.Since(t) {
			if match(w) {
				return w, nil
			}
		}
		select {
		case <-more:
		case <-time.After(100 * time.Millisecond): // the rest of the last message
		case <-a.Exited():
			return Wire{}, fmt.Errorf("asterisk ended: %w\n%s", orClean(a.Err()), a.Tail(20))
		case <-ctx.Done():
			return Wire{}, fmt.Errorf("no such SIP message: %w; there were:\n%s", ctx.Err(), a.Ladder(t))
		}
	}
}

// Ladder writes the messages since t below each other.
func (a *Asterisk) Ladder(t time.Time) string {
	var b strings.Builder
	for _, w := range a.Since(t) {
		arrow := "->"
		if w.Sent {
			arrow = "<-"
		}
		fmt.Fprintf(&b, "  %s %s %s  %s\n", w.At.Format("15:04:05.000"), arrow, w.First(), w.Header("CSeq"))
	}
	return b.String()
}

// errNoAnswer stands for a connection that ended.
var errNoAnswer = errors.New("the manager's connection ended")
