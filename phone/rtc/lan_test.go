package rtc

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pionnet "github.com/pion/transport/v4"
	"github.com/pion/transport/v4/deadline"
)

// lan is a network in memory, for IPv4 and IPv6: it has no clock but the time of its
// test, which may be synctest's, and loses what the test wants.
type lan struct {
	delay time.Duration                      // one way
	pass  func(from, to netip.AddrPort) bool // nil: everything arrives

	mu      sync.Mutex
	gone    map[netip.Addr]bool // addresses that nothing reaches
	ports   uint16
	sockets map[netip.AddrPort]*lanConn
}

func newLAN() *lan {
	return &lan{delay: time.Millisecond, sockets: map[netip.AddrPort]*lanConn{}, gone: map[netip.Addr]bool{}}
}

// cut makes an address one that nothing reaches.
func (w *lan) cut(addr string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[netip.MustParseAddr(addr)] = true
}

// host is a machine on the network with these addresses, each on an interface of its own.
func (w *lan) host(addrs ...string) *lanHost {
	h := &lanHost{lan: w}
	for i, a := range addrs {
		iface := pionnet.NewInterface(net.Interface{Index: i + 1, MTU: 1500, Name: "eth" + string(rune('0'+i)), Flags: net.FlagUp})
		addr := netip.MustParseAddr(a)
		iface.AddAddress(&net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen()-8, addr.BitLen())})
		h.interfaces = append(h.interfaces, iface)
	}
	return h
}

// lanHost is the network as one machine sees it. What pion does not need is missing.
type lanHost struct {
	pionnet.Net
	lan        *lan
	mu         sync.Mutex
	interfaces []*pionnet.Interface
	route      netip.Addr // what the kernel prefers to send from
}

func (h *lanHost) source(to netip.Addr) netip.Addr {
	if h.route.Is4() == to.Is4() {
		return h.route
	}
	return netip.Addr{}
}

func (h *lanHost) Interfaces() ([]*pionnet.Interface, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.interfaces), nil
}

// remove takes an address from the machine.
func (h *lanHost) remove(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.interfaces = slices.DeleteFunc(h.interfaces, func(i *pionnet.Interface) bool {
		addrs, _ := i.Addrs()
		return strings.HasPrefix(addrs[0].String(), addr+"/")
	})
}

func (h *lanHost) ListenUDP(_ string, laddr *net.UDPAddr) (pionnet.UDPConn, error) {
	return h.lan.listen(laddr.AddrPort().Addr().Unmap()), nil
}

func (w *lan) listen(addr netip.Addr) *lanConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports++
	c := &lanConn{
		lan: w, local: netip.AddrPortFrom(addr, 40000+w.ports),
		in: make(chan datagram, 1000), until: deadline.New(), done: make(chan struct{}),
	}
	w.sockets[c.local] = c
	return c
}

type datagram struct {
	from netip.AddrPort
	data []byte
}

// lanConn is a UDP socket on the network.
type lanConn struct {
	pionnet.UDPConn
	lan   *lan
	local netip.AddrPort
	in    chan datagram
	until *deadline.Deadline
	once  sync.Once
	done  chan struct{}
}

func (c *lanConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

func (c *lanConn) SetDeadline(t time.Time) error {
	c.until.Set(t)
	return nil
}

func (c *lanConn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

func (c *lanConn) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.until.Set(time.Time{})
		c.lan.mu.Lock()
		delete(c.lan.sockets, c.local)
		c.lan.mu.Unlock()
	})
	return nil
}

func (c *lanConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	case <-c.done:
		return 0, nil, net.ErrClosed
	case <-c.until.Done():
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (c *lanConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.send(b, to.(*net.UDPAddr).AddrPort()) //nolint:forcetypeassert // pion has no others
	return len(b), nil
}

func (c *lanConn) send(b []byte, to netip.AddrPort) {
	w := c.lan
	w.mu.Lock()
	lost := w.gone[c.local.Addr()] || w.gone[to.Addr()]
	w.mu.Unlock()
	if lost || w.pass != nil && !w.pass(c.local, to) {
		return
	}
	d := datagram{c.local, append([]byte(nil), b...)}
	time.AfterFunc(w.delay, func() {
		w.mu.Lock()
		there := w.sockets[to]
		w.mu.Unlock()
		if there != nil {
			select {
			case there.in <- d:
			default: // a full buffer
			}
		}
	})
}

// lanFactory makes media on a host of the wire.
func lanFactory(t testing.TB, h *lanHost) *Factory {
	t.Helper()
	f, err := New(Config{Log: testLog(t), net: h, source: h.source})
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}
