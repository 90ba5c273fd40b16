package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/phone/siptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a phone in front of a scripted server, in fake time.
type stage struct {
	t     *testing.T
	srv   *siptest.Server
	ua    *UA
	conn  *siptest.Conn
	media *fakeMedia
	log   *safeBuffer
	stop  context.CancelFunc
	done  chan error
}

type option func(*Config)

// play runs a story: the phone is registered when it begins, and everything must
// have ended when it is over.
func play(t *testing.T, o siptest.Options, story func(s *stage), opts ...option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Pipe = true
		s := begin(t, siptest.New(t, o), opts...)
		s.conn = s.srv.Conn()
		s.state(Registered)
		story(s)
		s.quit()
	})
}

// begin starts a phone without waiting for anything.
func begin(t *testing.T, srv *siptest.Server, opts ...option) *stage {
	t.Helper()
	s := &stage{t: t, srv: srv, media: newFakeMedia(), log: &safeBuffer{}, done: make(chan error, 1)}
	cfg := Config{
		Servers: []string{srv.URL()}, User: "1000", Domain: "pbx.test", Password: "secret", DisplayName: "Front door",
		InstanceID: "urn:uuid:00000000-0000-4000-8000-000000001000", UserAgent: "intercomd/test",
		Owner: s.media, NetDial: srv.NetDial, Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, o := range opts {
		o(&cfg)
	}
	ua, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.ua = ua
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	go func() { s.done <- ua.Run(ctx) }()
	t.Cleanup(func() {
		if t.Failed() {
			for _, m := range ua.Trace() {
				t.Logf("%v sent=%v\n%s", m.At.Format("15:04:05.000"), m.Sent, strings.ReplaceAll(m.Text, "\r", ""))
			}
			t.Log(s.log.String())
		}
	})
	return s
}

// quit switches the phone off and waits for the last of its goroutines.
func (s *stage) quit() {
	s.t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Errorf("Run: %v", err)
	}
	s.srv.Close()
	for _, m := range s.media.all() {
		if !m.isClosed() {
			s.t.Error("a media session was left open")
		}
	}
	if strings.Contains(s.log.String(), "secret") {
		s.t.Error("the password is in the log")
	}
	for _, m := range s.ua.Trace() {
		if strings.Contains(m.Text, "response=") {
			s.t.Error("credentials are in the trace")
			break
		}
	}
}

// state waits for a state of the registration.
func (s *stage) state(want State) Registration {
	s.t.Helper()
	limit := time.After(time.Hour)
	if !s.fake() {
		limit = time.After(20 * time.Second)
	}
	for {
		select {
		case r := <-s.media.regs:
			if r.State == want {
				return r
			}
		case <-limit:
			s.t.Fatalf("registration never %s, it is %+v", want, s.ua.Registration())
		}
	}
}

func (s *stage) fake() bool { return strings.HasSuffix(s.srv.URL(), ":7443") }

// event takes the next event of a call, which must be of that kind.
func (s *stage) event(c *Call, want EventKind) Event {
	s.t.Helper()
	limit := time.Hour
	if !s.fake() {
		limit = 20 * time.Second
	}
	select {
	case e, ok := <-eventsOf(c):
		if !ok {
			s.t.Fatalf("wanted %v, but the call is over", want)
		}
		if e.Kind != want {
			s.t.Fatalf("wanted %v, got %v %+v", want, e.Kind, e.Ending)
		}
		return e
	case <-time.After(limit):
		s.t.Fatalf("no %v came", want)
	}
	return Event{}
}

func (s *stage) events(c *Call, want ...EventKind) {
	s.t.Helper()
	for _, k := range want {
		s.event(c, k)
	}
}

// ended takes the Ended event, the close of the channel, and checks the ending.
func (s *stage) ended(c *Call, cause Cause, status int) Ending {
	s.t.Helper()
	e := s.event(c, Ended).Ending
	if e.Cause != cause || e.Status != status {
		s.t.Errorf("ended with %s %d (%q), want %s %d", e.Cause, e.Status, e.Reason, cause, status)
	}
	if _, open := <-eventsOf(c); open {
		s.t.Error("something after Ended")
	}
	return e
}

// over waits until nothing of a call is left in the phone.
func (s *stage) over(c *Call) {
	s.t.Helper()
	<-c.gone
	if s.fake() {
		synctest.Wait() // a call that was refused at the same moment is leaving too
	}
	if n := s.ua.callCount(); n != 0 {
		s.t.Errorf("%d calls left", n)
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *safeBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *safeBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fakeMedia is whom the phone belongs to. It makes sessions whose SDP is a line of text.
type fakeMedia struct {
	incoming chan *Call
	regs     chan Registration // the latest that nobody has read yet
	texts    chan Text
	linger   chan struct{} // until it is closed nobody comes back from being told of a registration; nil: at once

	mu       sync.Mutex
	sessions []*fakeSession
	err      error
	able     bool // sessions know whether they are heard, and can restart
	keyless  bool // far ends take no keys in RTP
}

func newFakeMedia() *fakeMedia {
	return &fakeMedia{incoming: make(chan *Call, 8), regs: make(chan Registration, 1), texts: make(chan Text, 16)}
}

func (f *fakeMedia) Registered(r Registration) {
	for {
		select {
		case f.regs <- r:
			if f.linger != nil && r.State == Registered {
				<-f.linger
			}
			return
		default:
		}
		select {
		case <-f.regs:
		default:
		}
	}
}

func (f *fakeMedia) Called(c *Call) bool {
	c.Hear(f.listen())
	select {
	case f.incoming <- c:
		return true
	default:
		return false
	}
}

func (f *fakeMedia) Texted(t Text) bool {
	select {
	case f.texts <- t:
		return true
	default:
		return false
	}
}

func (f *fakeMedia) listen() *fakeListener {
	return &fakeListener{fakeMedia: f, events: make(chan Event, 64)}
}

// fakeListener keeps the events of a call.
type fakeListener struct {
	*fakeMedia
	events chan Event
}

func (l *fakeListener) Happened(e Event) {
	if e.Call != nil {
		e.Call.Hear(l.listen())
	}
	select {
	case l.events <- e:
	default:
	}
	if e.Kind == Ended {
		close(l.events)
	}
}

// eventsOf is what happened to a call. It is called by one goroutine at a time.
func eventsOf(c *Call) <-chan Event {
	got := make(chan Listener, 1)
	if !c.do(func() { got <- c.listener }) {
		return c.listener.(*fakeListener).events
	}
	select {
	case l := <-got:
		return l.(*fakeListener).events
	case <-c.gone:
		return c.listener.(*fakeListener).events
	}
}

func (s *stage) dial(target string) *Call { return s.ua.Dial(target, s.media.listen()) }

func (f *fakeMedia) NewMedia(context.Context) (MediaSession, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	s := &fakeSession{states: make(chan MediaState, 8), digits: make(chan rune, 8), able: f.able, keyless: f.keyless}
	f.sessions = append(f.sessions, s)
	return s, nil
}

func (f *fakeMedia) all() []*fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*fakeSession{}, f.sessions...)
}

func (f *fakeMedia) last() *fakeSession {
	all := f.all()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

type fakeSession struct {
	states  chan MediaState
	digits  chan rune
	able    bool // it can tell when it was last heard, and restart
	keyless bool

	mu      sync.Mutex
	offers  int
	accepts []string
	answers []string
	sent    string
	hold    bool
	closed  bool

	// Of one that is able:
	last     time.Time
	reported time.Time
	deaf     bool // by SDP
	restarts int
	stuck    int // so many restarts fail
}

func (s *fakeSession) Heard() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.able && !s.deaf
}

func (s *fakeSession) LastReport() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reported
}

func (s *fakeSession) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck > 0 {
		s.stuck--
		return errors.New("no network")
	}
	if s.able {
		s.restarts++
	}
	return nil
}

func (s *fakeSession) CanSendDigits() bool { return !s.keyless }

func (s *fakeSession) restarted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts > 0
}

// speak lets a packet arrive now.
func (s *fakeSession) speak() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
}

// report lets an RTCP report arrive now.
func (s *fakeSession) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported = time.Now()
}

type noCodecError struct{}

func (noCodecError) Error() string       { return "no codec in common" }
func (noCodecError) NoCommonCodec() bool { return true }

func (s *fakeSession) Offer() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers++
	if s.restarts > 0 {
		return fmt.Appendf(nil, "v=0 restart %d\r\n", s.restarts), nil
	}
	return fmt.Appendf(nil, "v=0 offer %d\r\n", s.offers), nil
}

func (s *fakeSession) take(sdp string) error {
	if s.closed {
		return errors.New("closed")
	}
	switch {
	case strings.Contains(sdp, "nocodec"):
		return noCodecError{}
	case strings.Contains(sdp, "broken"):
		return errors.New("broken SDP")
	case strings.Contains(sdp, "panic"):
		panic("media stumbled")
	}
	s.hold = strings.Contains(sdp, "sendonly")
	s.deaf = strings.Contains(sdp, "recvonly")
	return nil
}

func (s *fakeSession) Answer(offer []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(string(offer)); err != nil {
		return nil, err
	}
	s.answers = append(s.answers, string(offer))
	return fmt.Appendf(nil, "v=0 answer %d\r\n", len(s.answers)), nil
}

func (s *fakeSession) Accept(answer []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(string(answer)); err != nil {
		return err
	}
	s.accepts = append(s.accepts, string(answer))
	return nil
}

func (s *fakeSession) States() <-chan MediaState { return s.states }
func (s *fakeSession) Digits() <-chan rune       { return s.digits }

func (s *fakeSession) SendDigits(d string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += d
}

func (s *fakeSession) OnHold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hold
}

func (s *fakeSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *fakeSession) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

const sdp = "\r\nv=0 fs\r\n"

// twoServers runs a story with a phone that knows "first" and "second", which are
// the same scripted server behind two names.
func twoServers(t *testing.T, story func(s *stage, down, up func(i int), conn func() *siptest.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := siptest.New(t, siptest.Options{Pipe: true})
		names := []string{"127.0.0.1", "127.0.0.2"}
		var mu sync.Mutex
		dead := map[string]bool{}
		set := func(v bool) func(int) {
			return func(i int) {
				mu.Lock()
				defer mu.Unlock()
				dead[names[i]] = v
			}
		}
		s := begin(t, srv, func(c *Config) {
			c.Servers = []string{"ws://127.0.0.1:7443/first", "ws://127.0.0.2:7443/second"}
			c.NetDial = func(ctx context.Context, network, addr string, from netip.AddrPort) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				for name, d := range dead {
					if d && strings.HasPrefix(addr, name+":") {
						return nil, syscall.ECONNREFUSED
					}
				}
				return srv.NetDial(ctx, network, addr, from)
			}
		})
		story(s, set(true), set(false), srv.Conn)
		s.quit()
	})
}
