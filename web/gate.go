package web

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Places for connections. They are the page's own share of the descriptors of the process:
// whatever comes to the page, calls and notices find theirs.
const (
	maxConns   = 256 // at a time
	maxPerAddr = 32  // of one address; loopback, where tunnels end, and named proxies may have all
	maxTurned  = 16  // more that are told that the page is full, at a time
	minConns   = 8   // of a process that may have next to nothing
	// reserved descriptors are never the page's, however few the process may have: devices,
	// server, a call with ICE on every interface, files.
	reserved = 160
)

// turnedTimeout is how long somebody who is turned away may take to ask and to be told.
const turnedTimeout = 3 * time.Second

// gate lets connections in. It owns the port, counts who is inside, and makes room by closing
// those who ask for nothing: an open connection without a request is worth nothing to anybody.
// Who finds all places busy is passed to another server, which says so.
type gate struct {
	ln     net.Listener
	tls    *tls.Config           // nil: none is spoken
	limit  func() int            // places, now
	paced  *pace                 // of connections; nil: none
	trusts func(netip.Addr) bool // a proxy, which asks for many; nil: none
	inside chan net.Conn
	turned chan net.Conn
	done   chan struct{}
	end    sync.Once

	mu      sync.Mutex
	guests  []*guest // in the order of their last request, or of their coming
	byAddr  map[netip.Addr]int
	outside int // being turned away
}

// guest is a connection with a place.
type guest struct {
	net.Conn
	gate *gate
	addr netip.Addr
	many bool // asks for many: this machine, where tunnels end, or a proxy that is named
	out  bool // being told that the page is full
	once sync.Once

	// Set by the first Read.
	in     net.Conn // what is spoken: TLS, or nothing more than Conn
	secure bool

	// Guarded by gate.mu.
	busy int  // requests being answered
	gone bool // closed
}

func newGate(ln net.Listener) *gate {
	return &gate{
		ln: ln, limit: places, inside: make(chan net.Conn), turned: make(chan net.Conn),
		done: make(chan struct{}), byAddr: make(map[netip.Addr]int),
	}
}

// places is how many connections the page may have: maxConns, or what a process of few
// descriptors has to spare.
func places() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur >= maxConns+maxTurned+reserved {
		return maxConns
	}
	return min(maxConns, max(minConns, int(l.Cur)-maxTurned-reserved))
}

// run takes connections until the gate is closed. Errors of the kind that pass, such as no
// descriptors, are waited out; starved hears of those. It is the only caller of Accept.
func (g *gate) run(starved func(error)) error {
	defer g.Close()
	wait := time.Duration(0)
	for {
		c, err := g.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			if !passing(err) {
				return err
			}
			if noDescriptors(err) {
				starved(err)
			}
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(wait):
				continue
			case <-g.done:
				return nil
			}
		}
		wait = 0
		g.admit(c)
	}
}

// passing says whether accepting may work again in a while.
func passing(err error) bool {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR, syscall.EPROTO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func noDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// admit gives a connection a place, or has it told that there is none.
func (g *gate) admit(c net.Conn) {
	n := &guest{Conn: c, gate: g, addr: block(c.RemoteAddr())}
	n.many = n.addr.IsLoopback() || g.trusts != nil && g.trusts(address(c.RemoteAddr()))
	to := g.inside
	if !g.place(n) {
		if !g.turn(n) {
			_ = c.Close() // not even places to say no: a flood
			return
		}
		to = g.turned
	}
	select {
	case to <- n:
	case <-g.done:
		_ = n.Close()
	}
}

// place notes a guest if there is room, or if room can be made.
func (g *gate) place(n *guest) bool {
	g.mu.Lock()
	var leaves *guest
	switch own := g.byAddr[n.addr] >= maxPerAddr && !n.many; {
	case own:
		leaves = g.idle(n.addr)
	case len(g.guests) >= g.limit():
		leaves = g.idle(g.greediest())
		if leaves == nil {
			leaves = g.idle(netip.Addr{})
		}
	default:
		g.guests = append(g.guests, n)
		g.byAddr[n.addr]++
		g.mu.Unlock()
		return true
	}
	if leaves != nil {
		g.remove(leaves)
		g.guests = append(g.guests, n)
		g.byAddr[n.addr]++
	}
	g.mu.Unlock()
	if leaves == nil {
		return false
	}
	_ = leaves.Conn.Close() // its reader sees that and ends
	return true
}

// turn notes one who is turned away, if there are not too many.
func (g *gate) turn(n *guest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.outside >= maxTurned {
		return false
	}
	g.outside++
	n.out = true
	return true
}

// idle is the guest without a request for the longest time, of one address or, with none,
// of all; nil if all are busy.
func (g *gate) idle(of netip.Addr) *guest {
	for _, n := range g.guests {
		if n.busy == 0 && (!of.IsValid() || n.addr == of) {
			return n
		}
	}
	return nil
}

// greediest is the address with the most guests.
func (g *gate) greediest() (addr netip.Addr) {
	most := 0
	for a, n := range g.byAddr {
		if n > most {
			addr, most = a, n
		}
	}
	return addr
}

// remove takes a guest off the list. The caller has the lock.
func (g *gate) remove(n *guest) {
	if n.gone {
		return
	}
	n.gone = true
	if n.out {
		g.outside--
		return
	}
	for i, o := range g.guests {
		if o == n {
			g.guests = append(g.guests[:i], g.guests[i+1:]...)
			break
		}
	}
	if g.byAddr[n.addr]--; g.byAddr[n.addr] <= 0 {
		delete(g.byAddr, n.addr)
	}
}

// count is how many connections have a place.
func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.guests)
}

// Close closes the port, once. Guests stay until their server ends.
func (g *gate) Close() (err error) {
	g.end.Do(func() {
		close(g.done)
		err = g.ln.Close()
	})
	return err
}

// door is the gate as one of its servers sees it: a listener.
type door struct {
	*gate
	conns <-chan net.Conn
}

// Accept waits for the next connection.
func (d door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

// Addr is the address of the port.
func (d door) Addr() net.Addr { return d.ln.Addr() }

// recordHandshake is the first byte of TLS (RFC 8446, section 5.1); no method of HTTP begins so.
const recordHandshake = 0x16

// Read finds out what the client speaks by its first byte: both are served by one port, so that
// somebody who types http:// is led to https:// and not to an error.
func (n *guest) Read(b []byte) (int, error) {
	if n.in == nil {
		n.in = n.Conn
		if n.gate.tls != nil {
			first := make([]byte, 1)
			if _, err := n.Conn.Read(first); err != nil {
				return 0, err
			}
			n.in = &peeked{n.Conn, first}
			if err := n.await(); err != nil {
				return 0, err
			}
			if first[0] == recordHandshake {
				n.in, n.secure = tls.Server(n.in, n.gate.tls), true
			}
		}
	}
	return n.in.Read(b)
}

// mostWait is how long a connection waits for others, so that some of headerTimeout is left for it.
const mostWait = 3 * time.Second

// await waits until the client may be heard: a handshake costs as much as many requests.
func (n *guest) await() error {
	for end := time.Now().Add(mostWait); !n.many && !n.gate.paced.meet(n.addr, time.Now()); {
		n.gate.mu.Lock()
		gone := n.gone
		n.gate.mu.Unlock()
		if gone || time.Now().After(end) {
			return net.ErrClosed
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-n.gate.done:
			return net.ErrClosed
		}
	}
	return nil
}

// Write writes in what the client speaks.
func (n *guest) Write(b []byte) (int, error) {
	if n.in == nil {
		return n.Conn.Write(b)
	}
	return n.in.Write(b)
}

// peeked is a connection whose first bytes were read already.
type peeked struct {
	net.Conn
	first []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// Close frees the place.
func (n *guest) Close() error {
	var err error
	n.once.Do(func() {
		n.gate.mu.Lock()
		n.gate.remove(n)
		n.gate.mu.Unlock()
		err = n.Conn.Close()
	})
	return err
}

// begin notes that a request is answered, over that it was, or that it is waited for what the client has to
// say: in between nobody takes the place.
func (n *guest) begin() {
	n.gate.mu.Lock()
	n.busy++
	n.gate.mu.Unlock()
}

func (n *guest) over() {
	g := n.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	n.busy--
	if n.gone || n.out {
		return
	}
	for i, o := range g.guests { // to the end of the line
		if o == n {
			g.guests = append(append(g.guests[:i], g.guests[i+1:]...), n)
			return
		}
	}
}

// edge is the end of what the far end has room for, counted in bytes from the start of the
// connection: what it has acknowledged and its window (RFC 9293, section 3.3.1). It moves
// only as the program at the far end reads, so that one that reads nothing is found out
// although its system takes all that it is sent. ok is false where that cannot be told.
func (n *guest) edge() (at uint64, ok bool) {
	tcp, isTCP := n.Conn.(syscall.Conn)
	if !isTCP {
		return 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		info, e := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if e == nil && info.Snd_wnd > 0 {
			at, ok = info.Bytes_acked+uint64(info.Snd_wnd), true
		}
		if e == nil && info.Snd_wnd == 0 && info.Bytes_acked > 0 {
			at, ok = info.Bytes_acked, true // the window is shut
		}
	})
	return at, ok && err == nil
}

// block is the address by which a client is told from others: of IPv6 the network of 64 bits,
// of which everybody has as many addresses as they like.
func block(a net.Addr) netip.Addr {
	ip := address(a)
	if ip.Is6() && !ip.IsLoopback() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

func address(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap().WithZone("")
}

// guestKey finds the guest in the context of its requests.
type guestKey struct{}

// withGuest is [http.Server.ConnContext].
func withGuest(ctx context.Context, c net.Conn) context.Context {
	if n, ok := c.(*guest); ok {
		return context.WithValue(ctx, guestKey{}, n)
	}
	return ctx
}

// guestOf is the connection of a request; nil in tests without one.
func guestOf(r *http.Request) *guest {
	n, _ := r.Context().Value(guestKey{}).(*guest)
	return n
}
