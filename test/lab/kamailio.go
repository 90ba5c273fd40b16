package lab

import (
	"cmp"
	"context"
	_ "embed" // the configuration below
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"
)

//go:embed kamailio.cfg
var kamailioConfig string

// Domain is the SIP domain of the lab.
const Domain = "door.test"

// Password is the password of a user of the lab.
func Password(user string) string { return "pw-" + user }

// KamailioConfig says where the SIP server listens and whom it knows.
type KamailioConfig struct {
	Dir                      string            // for its files; created
	Addresses                []string          // addresses to listen on
	SIPPort, WSPort, WSSPort int               // UDP and TCP; WebSocket; secure WebSocket
	Users                    map[string]string // user: password
	CertFile, KeyFile        string            // of the secure WebSocket
	Domain                   string
	SessionTimer             int    // that it adds to calls which have none (RFC 4028), seconds; 0 for none
	Memory                   int    // shared among its processes, MB; 0: 16, which is enough for a few dozen connections
	RTPEngine                string // "udp:address:port" of an rtpengine that anchors all media; "" for none
}

// Listen is Addresses as the server's configuration has them.
func (c KamailioConfig) Listen() (out []string) {
	for _, a := range c.Addresses {
		if strings.Contains(a, ":") {
			a = "[" + a + "]"
		}
		out = append(out, a)
	}
	return out
}

// Message is one SIP message that the server received, with the time at which it
// did: the witness of what was on the wire.
type Message struct {
	At     time.Time
	Proto  string // "ws", "wss", "tcp", "udp"
	Method string // of the request, also in responses
	Status int    // 0 in requests
	From   string // user of the From header
	To     string // user of the request URI; in responses of the To header
	CallID string
}

// String shows a message as a line of a ladder.
func (m Message) String() string {
	what := m.Method
	if m.Status != 0 {
		what = strconv.Itoa(m.Status) + " (" + m.Method + ")"
	}
	return fmt.Sprintf("%s %-4s %s %s->%s %s", m.At.Format("15:04:05.000"), m.Proto, what, m.From, m.To, m.CallID)
}

// Kamailio is a running SIP server.
type Kamailio struct {
	*Proc
	Config  KamailioConfig
	Version string // as it says itself

	mu    sync.Mutex
	trace []Message
	sent  []Message // stateless answers of the server itself: challenges, refusals
	more  chan struct{}
}

var kamailioVersion = regexp.MustCompile(`kamailio ([0-9.]+)`)

// StartKamailio starts the server and returns when it accepts connections.
func StartKamailio(ctx context.Context, c KamailioConfig) (*Kamailio, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("start kamailio: %w", err)
	}
	var text strings.Builder
	if err := template.Must(template.New("kamailio").Parse(kamailioConfig)).Execute(&text, c); err != nil {
		return nil, fmt.Errorf("fill in kamailio.cfg: %w", err)
	}
	tls := fmt.Sprintf("[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\ncertificate = %s\nprivate_key = %s\n"+
		"[client:default]\nverify_certificate = no\nrequire_certificate = no\n", c.CertFile, c.KeyFile)
	for name, data := range map[string]string{"kamailio.cfg": text.String(), "tls.cfg": tls} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(data), 0o600); err != nil {
			return nil, fmt.Errorf("start kamailio: %w", err)
		}
	}
	version, err := exec.CommandContext(ctx, Tool("kamailio"), "-v").Output()
	if err != nil {
		return nil, fmt.Errorf("ask kamailio for its version: %w", err)
	}
	k := &Kamailio{Config: c, more: make(chan struct{})}
	if m := kamailioVersion.FindSubmatch(version); m != nil {
		k.Version = string(m[1])
	}
	p, err := Start(Spec{Name: "kamailio", Line: k.line, Args: []string{
		Tool("kamailio"), "-DD", "-E", "-f", filepath.Join(c.Dir, "kamailio.cfg"), "-m", strconv.Itoa(cmp.Or(c.Memory, 16)), "-M", strconv.Itoa(4 + c.Memory/16),
		"-w", c.Dir, "-Y", c.Dir, "-P", filepath.Join(c.Dir, "kamailio.pid")}})
	if err != nil {
		return nil, err
	}
	k.Proc = p
	for _, port := range []int{c.WSPort, c.WSSPort} {
		if err := waitPort(ctx, p, net.JoinHostPort(c.Addresses[0], strconv.Itoa(port))); err != nil {
			return nil, fmt.Errorf("start kamailio: %w\n%s", err, p.Tail(20))
		}
	}
	return k, nil
}

// waitPort waits until something accepts connections at addr.
func waitPort(ctx context.Context, p *Proc, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return Poll(ctx, func() error {
		select {
		case <-p.Exited():
			cancel()
			return fmt.Errorf("%s ended: %w", p.Name, p.Err())
		default:
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// line takes a line of the server's log and keeps it if it is a traced message.
func (k *Kamailio) line(s string) {
	if _, rest, ok := strings.Cut(s, "TRACE|"); ok {
		if f := strings.Split(rest, "|"); len(f) >= 8 {
			k.note(&k.trace, Message{At: unixTime(f[0]), Proto: f[1], Method: f[2], Status: number(f[3]), From: f[4], To: f[5], CallID: f[6]})
		}
	} else if _, rest, ok := strings.Cut(s, "SENT|"); ok {
		if f := strings.Split(rest, "|"); len(f) >= 6 {
			k.note(&k.sent, Message{At: unixTime(f[0]), Method: f[1], Status: number(f[2]), From: f[3], To: f[4], CallID: f[5]})
		}
	}
}

func (k *Kamailio) note(to *[]Message, m Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	*to = append(*to, m)
	close(k.more)
	k.more = make(chan struct{})
}

// Trace returns every message received so far, oldest first.
func (k *Kamailio) Trace() []Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trace[:len(k.trace):len(k.trace)]
}

// Sent returns every answer that the server gave by itself so far, oldest first.
func (k *Kamailio) Sent() []Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sent[:len(k.sent):len(k.sent)]
}

// Since returns the messages received at or after t.
func (k *Kamailio) Since(t time.Time) []Message {
	var out []Message
	for _, m := range k.Trace() {
		if !m.At.Before(t) {
			out = append(out, m)
		}
	}
	return out
}

// Count counts the messages since t that match.
func (k *Kamailio) Count(t time.Time, match func(Message) bool) int {
	n := 0
	for _, m := range k.Since(t) {
		if match(m) {
			n++
		}
	}
	return n
}

// Wait waits for the first message since t that matches.
func (k *Kamailio) Wait(ctx context.Context, t time.Time, match func(Message) bool) (Message, error) {
	for {
		k.mu.Lock()
		more := k.more
		k.mu.Unlock()
		for _, m := range k.Since(t) {
			if match(m) {
				return m, nil
			}
		}
		select {
		case <-more:
		case <-k.Exited():
			return Message{}, fmt.Errorf("kamailio ended: %w\n%s", k.Err(), k.Tail(20))
		case <-ctx.Done():
			return Message{}, fmt.Errorf("no such SIP message: %w; there were:\n%s", ctx.Err(), Ladder(k.Since(t)))
		}
	}
}

// Ladder writes messages below each other, for messages of failed tests.
func Ladder(ms []Message) string {
	var b strings.Builder
	for _, m := range ms {
		b.WriteString("  " + m.String() + "\n")
	}
	return b.String()
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// unixTime reads "seconds.microseconds".
func unixTime(s string) time.Time {
	sec, us, _ := strings.Cut(s, ".")
	return time.Unix(int64(number(sec)), int64(number(us))*1000)
}
