package siptest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// Options say how the server behaves. The zero value is a friendly FreeSWITCH
// without passwords.
type Options struct {
	// TLS makes it wss; nil: ws.
	TLS *tls.Config
	// Pipe uses no sockets: give [Server.NetDial] to the phone.
	Pipe bool
	// Password, when set, is asked for (401 for REGISTER, 407 for calls).
	Password string
	// Algorithms of the challenges; default MD5.
	Algorithms []string
	// Expires is granted; default 120 s.
	Expires int
	// Register, when set, sees each REGISTER first; true means that it was handled.
	Register func(c *Conn, req *Msg) bool
	// Deaf accepts connections but never answers HTTP.
	Deaf bool
	// Mute answers no PING.
	Mute bool
	// HTTPStatus, when set, is answered in place of switching protocols.
	HTTPStatus int
	// Asked, when set, is answered to an OPTIONS that asks whether a call lasts.
	Asked int
	// Lists makes it a registrar by the book: it answers a REGISTER without Contact, and
	// lists every contact of the user (RFC 3261, 10.3). FreeSWITCH does neither.
	Lists bool
	// Proxy stands for a proxy or NAT in between: each connection comes from another address
	// and port, whatever the client's are.
	Proxy bool
}

// Server is a SIP server for one test.
type Server struct {
	tb    testing.TB
	o     Options
	ln    net.Listener
	conns chan *Conn
	wg    sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	nonce  int
	tags   int
	closed bool
	uses   map[string]int // highest nc of each nonce

	registers []*Msg // all REGISTERs with a Contact
	fetches   int    // and those without
	asked     int    // OPTIONS in calls
	dials     int

	down     bool // nobody listens
	port     int  // of the last client without sockets
	proxied  int  // connections that came through a proxy
	clients  map[netip.AddrPort]*addressed
	at       map[string]*Conn // by the client's address
	bindings []binding        // of the one user
	invites  map[string]*Leg  // by branch: transactions of the device
	calls    map[string]bool  // by Call-ID: whether they last
}

// binding is a contact of the user.
type binding struct {
	contact string
	expires int
	conn    *Conn // nil: somebody else's
}

// New starts a server. It ends with the test, or by [Server.Close].
func New(tb testing.TB, o Options) *Server {
	tb.Helper()
	if o.Expires == 0 {
		o.Expires = 120
	}
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{"MD5"}
	}
	s := &Server{tb: tb, o: o, conns: make(chan *Conn, 1024), open: map[net.Conn]struct{}{}, uses: map[string]int{},
		clients: map[netip.AddrPort]*addressed{}, at: map[string]*Conn{}, calls: map[string]bool{}, invites: map[string]*Leg{}}
	if !o.Pipe {
		ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		s.ln = ln
		s.wg.Go(s.accept)
	}
	tb.Cleanup(s.Close)
	return s
}

// Close ends all connections and goroutines of the server.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	if s.ln != nil {
		_ = s.ln.Close()
	}
	s.wg.Wait()
}

// tag makes the next tag of this server's side of a call.
func (s *Server) tag() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags++
	return fmt.Sprintf("fs%d", s.tags)
}

// URL is the server's address.
func (s *Server) URL() string {
	scheme := "ws"
	if s.o.TLS != nil {
		scheme = "wss"
	}
	if s.o.Pipe {
		return scheme + "://127.0.0.1:7443"
	}
	return scheme + "://" + s.ln.Addr().String()
}

// NetDial connects by a pipe, whose ends have addresses as those of a socket do.
func (s *Server) NetDial(_ context.Context, _, _ string, from netip.AddrPort) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	if s.closed || s.down {
		return nil, fmt.Errorf("the test's server is down: %w", syscall.ECONNREFUSED)
	}
	if !from.IsValid() {
		s.port++
		from = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(40000+s.port%20000))
	}
	if old := s.clients[from]; old != nil && !old.closed.Load() {
		return nil, syscall.EADDRNOTAVAIL
	}
	near, far := net.Pipe()
	ours, theirs := net.TCPAddrFromAddrPort(from), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7443}
	client, server := &addressed{Conn: near, local: ours, remote: theirs}, &addressed{Conn: far, local: theirs, remote: ours}
	s.clients[from] = client
	s.open[server] = struct{}{}
	s.wg.Go(func() { s.serve(server) })
	return client, nil
}

// addressed is one end of a pipe with addresses.
type addressed struct {
	net.Conn
	local, remote net.Addr
	closed        atomic.Bool
}

func (a *addressed) LocalAddr() net.Addr  { return a.local }
func (a *addressed) RemoteAddr() net.Addr { return a.remote }

// Close closes this end: its port is free again.
func (a *addressed) Close() error {
	a.closed.Store(true)
	return a.Conn.Close()
}

// Down is the death of the server: all connections break, nobody listens any more, and
// what it knew of calls, registrations and nonces is gone.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	for c := range s.open {
		_ = c.Close()
	}
	s.bindings, s.uses, s.invites, s.calls = nil, map[string]int{}, map[string]*Leg{}, map[string]bool{}
}

// Up starts it again.
func (s *Server) Up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// Refuse makes it refuse connections, or no longer; what is open stays, and nothing is
// forgotten.
func (s *Server) Refuse(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = on
}

// ForgetCalls ends all calls without a word to anybody.
func (s *Server) ForgetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = map[string]bool{}
}

// Flush drops every registration without a word, as FreeSWITCH does on flush_inbound_reg.
func (s *Server) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bindings = nil
}

// Take registers another device of the same user. Unless the server [Options.Lists]
// contacts, it takes the place of the door.
func (s *Server) Take(contact string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bind(binding{contact: contact, expires: 3600})
}

// Leave drops the contact of another device.
func (s *Server) Leave(contact string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bindings = slices.DeleteFunc(s.bindings, func(b binding) bool { return b.contact == contact })
}

// bind takes a contact in: the only one of its user, or one more.
func (s *Server) bind(b binding) {
	if !s.o.Lists {
		s.bindings = nil
	}
	s.bindings = slices.DeleteFunc(s.bindings, func(o binding) bool { return o.contact == b.contact })
	if b.expires > 0 {
		s.bindings = append(s.bindings, b)
	}
}

// Reached returns the connection over which a call to the user would reach the device, nil
// if that is not registered any more.
func (s *Server) Reached() *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bindings {
		if b.conn != nil {
			return b.conn
		}
	}
	return nil
}

// Asked counts the questions whether a call lasts.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Fetches counts the REGISTERs that only asked.
func (s *Server) Fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// connAt is the open connection of a client's address and port.
func (s *Server) connAt(addr string) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.at[addr]; c != nil && !c.IsGone() {
		return c
	}
	return nil
}

// Dials counts the connections that were tried.
func (s *Server) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// Registers returns all REGISTERs so far.
func (s *Server) Registers() []*Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Msg{}, s.registers...)
}

func (s *Server) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.dials++
		if s.closed || s.down {
			_ = c.Close()
		}
		s.open[c] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *Server) serve(raw net.Conn) {
	defer func() {
		_ = raw.Close()
		s.mu.Lock()
		delete(s.open, raw)
		s.mu.Unlock()
	}()
	nc := raw
	if s.o.TLS != nil {
		nc = tls.Server(raw, s.o.TLS)
	}
	if s.o.Deaf {
		_, _ = io.Copy(io.Discard, nc)
		return
	}
	if s.o.HTTPStatus != 0 {
		_, _ = bufio.NewReader(nc).ReadString('\n')
		fmt.Fprintf(nc, "HTTP/1.1 %d Nope\r\nContent-Length: 0\r\n\r\n", s.o.HTTPStatus)
		return
	}
	up := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == "sip" }}
	hs, err := up.Upgrade(nc)
	if err != nil || hs.Protocol != "sip" {
		return
	}
	c := &Conn{s: s, nc: nc, raw: raw, in: make(chan *Msg, 4096), gone: make(chan struct{}), addr: raw.RemoteAddr().String()}
	s.mu.Lock()
	if s.o.Proxy {
		s.proxied++
		c.addr = fmt.Sprintf("192.0.2.7:%d", 50000+s.proxied)
	}
	s.at[c.addr] = c
	s.mu.Unlock()
	select {
	case s.conns <- c:
	default: // more than any script looks at
	}
	c.read()
	s.mu.Lock()
	s.bindings = slices.DeleteFunc(s.bindings, func(b binding) bool { return b.conn == c }) // at once, as FreeSWITCH does
	s.mu.Unlock()
}

// Conn returns the next connection that was opened; it fails the test when none
// comes.
func (s *Server) Conn() *Conn {
	s.tb.Helper()
	select {
	case c := <-s.conns:
		return c
	case <-time.After(s.patience()):
		s.tb.Fatal("nobody connected")
		return nil
	}
}

// patience is long enough for a busy machine; under fake time it costs nothing.
func (s *Server) patience() time.Duration {
	if s.o.Pipe {
		return time.Hour
	}
	return 20 * time.Second
}

// Conn is the server's side of one connection. REGISTER is answered by the
// server; everything else waits for the script.
type Conn struct {
	s    *Server
	nc   net.Conn
	raw  net.Conn
	addr string // of the client
	in   chan *Msg
	gone chan struct{}

	mute atomic.Bool
	wmu  sync.Mutex

	mu    sync.Mutex
	pings int
	pongs []string
	ws    bool // closed by a CLOSE frame
}

func (c *Conn) read() {
	defer close(c.gone)
	for {
		h, err := ws.ReadHeader(c.nc)
		if err != nil {
			return
		}
		data := make([]byte, h.Length)
		if _, err := io.ReadFull(c.nc, data); err != nil {
			return
		}
		if !h.Masked {
			c.s.tb.Error("the client sent an unmasked frame")
		}
		ws.Cipher(data, h.Mask, 0)
		switch h.OpCode {
		case ws.OpClose:
			c.mu.Lock()
			c.ws = true
			c.mu.Unlock()
			return
		case ws.OpPing:
			c.mu.Lock()
			c.pings++
			c.mu.Unlock()
			if h.Length < 4 {
				c.s.tb.Errorf("PING with %d bytes of payload would confuse FreeSWITCH", h.Length)
			}
			if !c.s.o.Mute && !c.mute.Load() {
				c.Frame(ws.OpPong, data)
			}
		case ws.OpPong:
			c.mu.Lock()
			c.pongs = append(c.pongs, string(data))
			c.mu.Unlock()
		default:
			if len(data) == 0 {
				c.s.tb.Error("the client sent an empty frame")
			}
			if m := Parse(string(data)); m == nil {
				c.s.tb.Errorf("the client sent something that is not SIP: %q", data)
			} else {
				c.take(m)
			}
		}
	}
}

// lasts notes that a call is up, or over.
func (s *Server) lasts(m *Msg, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[m.Get("Call-ID")] = up
}

// take answers REGISTER, an INVITE that has come before, and the question whether a call
// lasts; it keeps everything else for the script.
func (c *Conn) take(m *Msg) {
	if m.Method() == "BYE" {
		c.s.lasts(m, false)
	}
	switch {
	case !m.IsResponse() && m.Method() == "OPTIONS" && Tag(m.Get("To")) != "":
		c.s.mu.Lock()
		up := c.s.calls[m.Get("Call-ID")]
		c.s.asked++
		c.s.mu.Unlock()
		switch {
		case c.s.o.Asked != 0:
			c.Respond(m, c.s.o.Asked, "No")
		case up:
			c.Respond(m, 200, "OK")
		default:
			c.Respond(m, 481, "Call Does Not Exist")
		}
		return
	case m.IsResponse():
		c.in <- m
		return
	case m.Method() == "INVITE":
		c.s.mu.Lock()
		l := c.s.invites[branchOf(m)]
		c.s.mu.Unlock()
		if l == nil {
			c.in <- m
		} else {
			l.again(c)
		}
		return
	case m.Method() != "REGISTER":
		c.in <- m
		return
	}
	c.s.mu.Lock()
	if m.Get("Contact") == "" {
		c.s.fetches++
	} else {
		c.s.registers = append(c.s.registers, m)
	}
	c.s.mu.Unlock()
	if c.s.o.Register != nil && c.s.o.Register(c, m) {
		return
	}
	c.Accept(m)
}

// Accept answers a REGISTER as FreeSWITCH does: 401, 403 for a wrong password, or
// 200 with the contact, less its instance.
func (c *Conn) Accept(m *Msg) {
	switch ok, asked := c.s.authorized(m, "Authorization"); {
	case !asked && c.s.o.Password != "":
		c.Challenge(m, 401)
		return
	case !ok:
		c.Respond(m, 403, "Forbidden")
		return
	}
	expires := c.s.o.Expires
	if n, err := strconv.Atoi(m.Get("Expires")); err == nil && n < expires {
		expires = n
	}
	c.s.mu.Lock()
	contact := URIOf(m.Get("Contact"))
	if contact != "" {
		c.s.bind(binding{contact, expires, c})
	}
	var list []string
	for _, b := range c.s.bindings {
		list = append(list, "Contact: <"+b.contact+">;expires="+strconv.Itoa(b.expires))
	}
	c.s.mu.Unlock()
	switch {
	case !c.s.o.Lists && contact == "":
		c.Respond(m, 400, "Missing Contact Header")
	default:
		c.Respond(m, 200, "OK", list...)
	}
}

// Addr is the address of the client.
func (c *Conn) Addr() string { return c.addr }

// Gone is closed when the connection has ended.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// IsGone reports whether the connection has ended.
func (c *Conn) IsGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// Pings counts the PINGs of the client; Pongs are the payloads of its PONGs.
func (c *Conn) Pings() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pings
}

// Pongs returns the payloads of the client's PONGs.
func (c *Conn) Pongs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.pongs...)
}

// ClosedProperly reports whether the client sent a CLOSE frame.
func (c *Conn) ClosedProperly() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ws
}

// Kill cuts the connection without a word.
func (c *Conn) Kill() { _ = c.raw.Close() }

// Reset cuts a TCP connection by RST.
func (c *Conn) Reset() {
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.raw.Close()
}

// Silence leaves PINGs without an answer from now on: a path that has died without a word.
func (c *Conn) Silence() { c.mute.Store(true) }

// Send writes a message as one text frame.
func (c *Conn) Send(text string) { c.Frame(ws.OpText, []byte(text)) }

// Frame writes one frame.
func (c *Conn) Frame(op ws.OpCode, payload []byte) {
	c.Raw(ws.MustCompileFrame(ws.NewFrame(op, true, payload)))
}

// Raw writes bytes as they are.
func (c *Conn) Raw(b []byte) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_, _ = c.nc.Write(b) // a dead connection shows elsewhere
}

// Next returns the next message that is no REGISTER; it fails the test when none
// comes.
func (c *Conn) Next() *Msg {
	c.s.tb.Helper()
	select {
	case m := <-c.in:
		return m
	default:
	}
	select {
	case m := <-c.in:
		return m
	case <-c.gone:
		select {
		case m := <-c.in:
			return m
		default:
		}
		c.s.tb.Fatal("the connection ended while a message was expected")
	case <-time.After(c.s.patience()):
		c.s.tb.Fatal("no message came")
	}
	return nil
}

// Quiet fails the test if a message arrives within d.
func (c *Conn) Quiet(d time.Duration) {
	c.s.tb.Helper()
	select {
	case m := <-c.in:
		c.s.tb.Fatalf("unexpected message:\n%s", m)
	case <-time.After(d):
	}
}

// Expect returns the next message, which must be a request of that method.
func (c *Conn) Expect(method string) *Msg {
	c.s.tb.Helper()
	m := c.Next()
	if m.IsResponse() || m.Method() != method {
		c.s.tb.Fatalf("expected %s, got:\n%s", method, m)
	}
	return m
}

// ExpectStatus returns the next message, which must be a response to method with
// that status.
func (c *Conn) ExpectStatus(method string, status int) *Msg {
	c.s.tb.Helper()
	m := c.Next()
	if m.Status() != status || m.Method() != method {
		c.s.tb.Fatalf("expected %d to %s, got:\n%s", status, method, m)
	}
	return m
}

// Response makes a response to a request. extra are header lines; a last element
// that begins with "\r\n" is the body.
func Response(req *Msg, status int, phrase, toTag string, extra ...string) *Msg {
	m := &Msg{Start: fmt.Sprintf("SIP/2.0 %d %s", status, phrase)}
	for _, v := range req.All("Via") {
		m.Headers = append(m.Headers, Header{"Via", v + "=37048;received=127.0.0.1"}) // ends in ;rport
	}
	for _, h := range []string{"From", "To", "Call-ID", "CSeq"} {
		v := req.Get(h)
		if h == "To" && toTag != "" && Tag(v) == "" && status > 100 {
			v += ";tag=" + toTag
		}
		m.Headers = append(m.Headers, Header{h, v})
	}
	m.Headers = append(m.Headers, Header{"User-Agent", "FreeSWITCH-mod_sofia/test"})
	m.apply(extra)
	return m
}

func (m *Msg) apply(extra []string) {
	for _, e := range extra {
		if body, ok := strings.CutPrefix(e, "\r\n"); ok {
			m.Body = body
			if m.Get("Content-Type") == "" {
				m.Headers = append(m.Headers, Header{"Content-Type", "application/sdp"})
			}
			continue
		}
		name, value, _ := strings.Cut(e, ":")
		if value = strings.TrimSpace(value); strings.HasPrefix(name, "=") { // replace
			m.Set(name[1:], value)
		} else {
			m.Headers = append(m.Headers, Header{name, value})
		}
	}
}

// Respond answers a request outside of a call.
func (c *Conn) Respond(req *Msg, status int, phrase string, extra ...string) {
	m := Response(req, status, phrase, "srv"+strconv.Itoa(req.Seq()), extra...)
	if host, port, err := net.SplitHostPort(c.addr); err == nil { // RFC 3581, section 4
		m.Set("Via", req.Get("Via")+"="+port+";received="+host)
	}
	c.Send(m.String())
}

// Poll returns a message that is there already, or nil.
func (c *Conn) Poll() *Msg {
	select {
	case m := <-c.in:
		return m
	default:
		return nil
	}
}
