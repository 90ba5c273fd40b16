package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// errRefused is what a broker says that works and does not want what it is asked for.
var errRefused = errors.New("refused")

const (
	keepAlive   = 30 // seconds: a broker that says nothing for longer is gone
	dialLimit   = 10 * time.Second
	writeLimit  = 10 * time.Second
	longestWait = time.Minute // between attempts
	// steadyAfter is how long a connection must last to count as one: two doors under one name
	// throw each other out for ever.
	steadyAfter = 30 * time.Second
	closeLimit  = 2 * time.Second
	// thrownOut is how often in a row the broker may hang up without a word before that is a fault.
	thrownOut = 2
	// maxPacket is what a broker may send at a time, in bytes (MQTT 5.0, 3.1.2.11.4).
	maxPacket = 16 << 10
	// ordersWaiting is how many orders may wait; those beyond are dropped.
	ordersWaiting = 8
)

// order is what came on a topic.
type order struct {
	topic, payload string
	retained       bool
}

// link is the connection to a broker, which is made anew for as long as it takes. Its channels
// are written without waiting.
type link struct {
	host    string
	manager *autopaho.ConnectionManager
	conn    atomic.Pointer[session] // the running one; nil: none yet

	ups    chan struct{} // a connection is up
	errs   chan error    // why there is none; the newest
	born   chan struct{} // Home Assistant has started
	orders chan order

	tries  atomic.Int32 // since a connection was steady
	upAt   atomic.Int64 // Unix nanoseconds
	cancel context.CancelFunc
}

// session is one connection. What waits for the broker's word on it waits no longer when it is
// over: the client would go on waiting for the next one.
type session struct {
	net.Conn
	over chan struct{}
	once sync.Once
	why  sync.Once // it is told why it ended
}

// Close ends the connection and whatever waits on it.
func (s *session) Close() error {
	s.once.Do(func() { close(s.over) })
	return s.Conn.Close()
}

// connect begins to connect. The link is open until it is closed.
func connect(ctx context.Context, c Config, server *url.URL, base string) (*link, error) {
	l := &link{host: server.Hostname(), ups: make(chan struct{}, 1), errs: make(chan error, 1), born: make(chan struct{}, 1), orders: make(chan order, ordersWaiting)}
	address := *server
	address.Host = net.JoinHostPort(server.Hostname(), cmp.Or(server.Port(), map[string]string{"mqtts": "8883"}[server.Scheme], "1883"))
	var secure *tls.Config
	if server.Scheme != "mqtt" {
		secure = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: server.Hostname(), RootCAs: c.RootCAs}
		if c.Certificate != nil {
			secure.Certificates = []tls.Certificate{*c.Certificate}
		}
	}
	expiry := uint32(0)
	packet := uint32(maxPacket)
	conf := autopaho.ClientConfig{
		ServerUrls: []*url.URL{&address}, KeepAlive: keepAlive, ConnectTimeout: dialLimit,
		ConnectUsername: c.User, ConnectPassword: []byte(c.Password),
		ReconnectBackoff: l.pause,
		AttemptConnection: func(ctx context.Context, _ autopaho.ClientConfig, u *url.URL) (net.Conn, error) {
			return l.dial(ctx, u.Host, secure)
		},
		WillMessage:    &paho.WillMessage{Topic: base + "/availability", Payload: []byte(offline), QoS: 1, Retain: true},
		WillProperties: &paho.WillProperties{},
		// Orders that came while the door was away are not for later (section 3.1.2.4).
		ConnectPacketBuilder: func(p *paho.Connect, _ *url.URL) (*paho.Connect, error) {
			p.CleanStart = true
			p.Properties = &paho.ConnectProperties{SessionExpiryInterval: &expiry, MaximumPacketSize: &packet}
			return p, nil
		},
		// 4: with the last will (section 3.14.2.1), for a door that ends is not there either.
		DisconnectPacketBuilder: func() *paho.Disconnect { return &paho.Disconnect{ReasonCode: 4} },
		OnConnectionUp: func(*autopaho.ConnectionManager, *paho.Connack) {
			l.upAt.Store(time.Now().UnixNano())
			signal(l.ups)
		},
		OnConnectionDown: func() bool { l.drop(l.conn.Load()); return true },
		OnConnectError:   func(err error) { l.failed(why(err)) },
		ClientConfig: paho.ClientConfig{
			ClientID: "intercomd-" + c.Serial, PacketTimeout: ackLimit,
			OnClientError:      func(err error) { l.broken(l.hungUp(why(err))) },
			OnServerDisconnect: func(d *paho.Disconnect) { l.broken(disconnected(d)) },
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
				l.received(p.Packet, c.Discovery)
				return true, nil
			}},
		},
	}
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if l.manager, err = autopaho.NewConnection(ctx, conf); err != nil {
		l.cancel()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return l, nil
}

// close ends the connection, with the last will, and everything that belongs to it.
func (l *link) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = l.manager.Disconnect(ctx) // or it is gone already
	l.drop(l.conn.Load())
	l.cancel()
	<-l.manager.Done()
}

// drop ends a connection, nil being none; another one is made.
func (l *link) drop(s *session) {
	if s != nil {
		_ = s.Close()
	}
}

// limit is a context for what the broker has to confirm on a connection.
func (s *session) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, ackLimit)
	if s == nil {
		return ctx, cancel
	}
	stop := make(chan struct{})
	go func() {
		select {
		case <-s.over:
			cancel()
		case <-stop:
		}
	}()
	return ctx, sync.OnceFunc(func() { close(stop); cancel() })
}

// pause is how long to wait before an attempt: nothing before the first, then longer and longer,
// and never the same for many doors.
func (l *link) pause(attempt int) time.Duration {
	if attempt == 0 && l.upAt.Load() == 0 {
		return 0
	}
	if up := l.upAt.Load(); attempt == 0 && time.Since(time.Unix(0, up)) > steadyAfter {
		l.tries.Store(0)
	}
	return backoff(int(l.tries.Add(1)))
}

// backoff is a part of a second that doubles with each try, up to longestWait.
func backoff(try int) time.Duration {
	most := min(longestWait, time.Second<<min(try-1, 10))
	return most/2 + rand.N(most/2) //nolint:gosec // spreads load, no secret
}

// dial makes a connection that no write waits on for ever.
func (l *link) dial(ctx context.Context, address string, secure *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := net.Conn(limited{raw})
	if secure != nil {
		wrapped := tls.Client(conn, secure)
		if err := wrapped.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		conn = wrapped
	}
	s := &session{Conn: conn, over: make(chan struct{})}
	l.conn.Store(s)
	return packets.NewThreadSafeConn(s), nil
}

// limited is a connection whose writes end.
type limited struct{ net.Conn }

func (c limited) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// broken ends the running connection, and leaves word why. Of several reasons the first counts: a broker that
// says goodbye hangs up as well.
func (l *link) broken(err error) {
	s := l.conn.Load()
	l.drop(s)
	if s == nil {
		l.failed(err)
		return
	}
	s.why.Do(func() { l.failed(err) })
}

// alive reports whether the last connection that was made is not over.
func (l *link) alive() bool {
	s := l.conn.Load()
	if s == nil {
		return false
	}
	select {
	case <-s.over:
		return false
	default:
		return true
	}
}

// failed leaves word why there is no connection.
func (l *link) failed(err error) {
	for {
		select {
		case l.errs <- err:
			return
		default:
		}
		select {
		case <-l.errs: //nolint:errcheck // an older one, which counts no more
		default:
		}
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// received sorts what the broker sends.
func (l *link) received(p *paho.Publish, discovery string) {
	if discovery != "" && p.Topic == discovery+"/status" {
		if string(p.Payload) == online && !p.Retain {
			signal(l.born)
		}
		return
	}
	select {
	case l.orders <- order{p.Topic, string(p.Payload), p.Retain}:
	default: // whoever sends so many does not get more by it
	}
}

// subscribe asks for topics: only what comes from now on (retain handling 2, section 3.8.3.1), and
// with the mark of what the broker was told to keep.
func (l *link) subscribe(ctx context.Context, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	s := &paho.Subscribe{}
	for _, topic := range topics {
		s.Subscriptions = append(s.Subscriptions, paho.SubscribeOptions{Topic: topic, QoS: 1, RetainHandling: 2, RetainAsPublished: true})
	}
	on := l.conn.Load()
	ctx, cancel := on.limit(ctx)
	defer cancel()
	ack, err := l.manager.Subscribe(ctx, s)
	if err != nil && ack != nil {
		return fmt.Errorf("%w: it does not let the door read %s", errRefused, strings.Join(topics, ", "))
	}
	if err != nil {
		l.drop(on)
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// publish tells the broker something, and waits for its confirmation. A broker that does not
// give one in time is dialled anew.
func (l *link) publish(ctx context.Context, m message) error {
	p := &paho.Publish{Topic: m.topic, Payload: m.payload, Retain: m.retain, QoS: 1}
	if !m.fresh.IsZero() {
		left := uint32(max(time.Until(m.fresh), time.Second) / time.Second)
		p.Properties = &paho.PublishProperties{MessageExpiry: &left}
	}
	on := l.conn.Load()
	ctx, cancel := on.limit(ctx)
	defer cancel()
	reply, err := l.manager.Publish(ctx, p)
	switch {
	case err == nil:
		return nil
	case reply != nil, errors.Is(err, paho.ErrInvalidArguments): // too much for what the broker can do
		return fmt.Errorf("%w: it does not let the door write %s", errRefused, m.topic)
	case errors.Is(err, context.DeadlineExceeded):
		l.drop(on)
		return fmt.Errorf("it did not confirm within %v", ackLimit)
	case errors.Is(err, autopaho.ConnectionDownError), errors.Is(err, context.Canceled):
		return errors.New("the connection is down")
	}
	l.drop(on)
	return fmt.Errorf("publish: %w", err)
}

// why is what is wrong, for people: without the address, which is said already.
func why(err error) error {
	if refusal, ok := errors.AsType[*autopaho.ConnackError](err); ok {
		return fmt.Errorf("%w: %s", errRefused, reason(refusal.ReasonCode, refusal.Reason))
	}
	if alert, ok := certificateAlert(err); ok {
		return fmt.Errorf("%w: it does not take the door's certificate (%s)", errRefused, alert)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errShut
	}
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
		if _, ok := next.(*net.OpError); ok { //nolint:errorlint // the outermost of its kind
			break
		}
		if _, ok := next.(*tls.CertificateVerificationError); ok { //nolint:errorlint // as above
			break
		}
	}
	return err
}

// errShut is a broker that hangs up in place of an answer, as Mosquitto does when it has as many connections as
// it may have.
var errShut = errors.New("it closes the connection without a word: it may have too many, or not speak with this machine")

// hungUp is why a connection ended that the broker had taken. Mosquitto does not tell those that it throws out for
// another device of the same name: whoever is hung up on again and again should look for one.
func (l *link) hungUp(err error) error {
	switch {
	case !errors.Is(err, errShut):
		return err
	case l.tries.Load() < thrownOut:
		return errors.New("it hung up")
	}
	return fmt.Errorf("%w: it hangs up soon after each connection: another device may have connected under the name of this door", errRefused)
}

// certificateAlert is what a broker says of the certificate that the door shows, or does not show
// (RFC 8446, 6.2).
func certificateAlert(err error) (string, bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return "", false
	}
	text := strings.TrimPrefix(op.Err.Error(), "tls: ")
	return text, strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure")
}

// disconnected is why a broker ends a connection.
func disconnected(d *paho.Disconnect) error {
	text := ""
	if d.Properties != nil {
		text = d.Properties.ReasonString
	}
	err := errors.New(reason(d.ReasonCode, text))
	if d.ReasonCode == packets.DisconnectSessionTakenOver || d.ReasonCode == packets.DisconnectNotAuthorized {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}

// reason says what a reason code means (MQTT 5.0, section 2.4).
func reason(code byte, text string) string {
	known := map[byte]string{0x84: "it does not speak MQTT 5", 0x85: "the name of the door is not allowed", 0x86: "wrong user or password", 0x87: "the user may not do this",
		0x88: "it is out of order", 0x89: "it is busy", 0x8a: "the door is banned", 0x8b: "it shuts down", 0x8c: "it wants another kind of sign-in", 0x8e: "another device has connected under the name of this door",
		0x97: "the quota is used up", 0x9f: "too many connections"}
	what := known[code]
	if what == "" {
		what = fmt.Sprintf("reason 0x%02x", code)
	}
	if text != "" {
		what += " (" + text + ")"
	}
	return what
}
