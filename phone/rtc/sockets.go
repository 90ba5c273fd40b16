package rtc

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	pionnet "github.com/pion/transport/v4"
)

// sockets opens the UDP sockets of a transport and lends them to pion. It can take
// them back, to lend them to the transport that comes after: when another fork of a
// call answers, the far end will send to the ports that we have offered.
type sockets struct {
	pionnet.Net // what is not about UDP sockets
	turns       turns

	mu   sync.Mutex
	to   *transport        // whose pion they are lent to
	lent []*socket         // in the order in which pion asked for them
	back []pionnet.UDPConn // taken back, open
}

// lendTo names the transport whose pion asks for sockets from now on.
func (s *sockets) lendTo(t *transport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = t
}

// ListenUDP implements transport.Net of pion.
func (s *sockets) ListenUDP(network string, laddr *net.UDPAddr) (pionnet.UDPConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.back {
		if have, ok := c.LocalAddr().(*net.UDPAddr); ok && laddr != nil && have.IP.Equal(laddr.IP) {
			if err := c.SetDeadline(time.Time{}); err != nil {
				return nil, err
			}
			s.back = append(s.back[:i], s.back[i+1:]...)
			return s.lend(c), nil
		}
	}
	c, err := s.Net.ListenUDP(network, laddr)
	if err != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		markVoice(udp)
	}
	return s.lend(c), nil
}

func (s *sockets) lend(c pionnet.UDPConn) *socket {
	udp, _ := c.(*net.UDPConn)
	k := &socket{UDPConn: c, udp: udp, owner: s, to: s.to}
	if a, ok := c.LocalAddr().(*net.UDPAddr); ok {
		k.local = a.AddrPort().Addr().Unmap()
	}
	s.lent = append(s.lent, k)
	return k
}

// takeBack takes all sockets from pion, which sees them as closed.
func (s *sockets) takeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.lent {
		if !k.gone.Swap(true) {
			_ = k.UDPConn.SetDeadline(time.Now()) // wakes the reader
			s.back = append(s.back, k.UDPConn)
		}
	}
	s.lent = nil
}

// release closes the sockets that were taken back and that nobody wanted.
func (s *sockets) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.back {
		_ = c.Close()
	}
	s.back = nil
}

func (s *sockets) closed(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent = slices.DeleteFunc(s.lent, func(have *socket) bool { return have == k })
}

// locals are the addresses that pion has sockets on.
func (s *sockets) locals() []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]netip.Addr, 0, len(s.lent))
	for _, k := range s.lent {
		out = append(out, k.local)
	}
	return out
}

// checkAgain sends the last check again that left from an address which works. pion checks
// a pair no more when it knows that it works, although the side that does not nominate
// depends on being noticed: FreeSWITCH comes after the fourth check from one address.
func (s *sockets) checkAgain() {
	c, ok := s.turns.again()
	if !ok {
		return
	}
	s.mu.Lock()
	var from *socket
	for _, k := range s.lent {
		if k.local == c.from {
			from = k
		}
	}
	s.mu.Unlock()
	if from != nil {
		_, _ = from.write(c.message, c.to) // it comes again
	}
}

// socket is a UDP socket on loan to pion. After Close, and after it was taken back,
// it can do nothing more.
type socket struct {
	pionnet.UDPConn
	udp   *net.UDPConn // the same, if it is a real one: spares allocations
	local netip.Addr
	owner *sockets
	to    *transport
	gone  atomic.Bool
}

// Close implements net.PacketConn.
func (s *socket) Close() error {
	if s.gone.Swap(true) {
		return nil
	}
	s.owner.closed(s)
	return s.UDPConn.Close()
}

// SetDeadline implements net.PacketConn. pion wakes its reader with it.
func (s *socket) SetDeadline(t time.Time) error {
	if s.gone.Load() {
		return net.ErrClosed
	}
	return s.UDPConn.SetDeadline(t)
}

// ReadFromAddrPort is what pion reads with when a socket has it.
func (s *socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := s.read(b)
		if s.gone.Load() {
			// A datagram that came in between is lost, as others on the way may be.
			return 0, netip.AddrPort{}, net.ErrClosed
		}
		if err == nil {
			if isSTUN(b[:n]) {
				s.owner.turns.heard(s.local, b[:n])
			} else if short := s.to.short.Load(); short != nil && short.take(b[:n], time.Now()) {
				continue
			}
			return n, from, nil
		}
		// The far end's host may tell that a port is closed (ICMP). That is for one
		// datagram only; pion would stop listening for good.
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return 0, netip.AddrPort{}, err
		}
	}
}

func (s *socket) read(b []byte) (int, netip.AddrPort, error) {
	if s.udp != nil {
		return s.udp.ReadFromUDPAddrPort(b)
	}
	n, addr, err := s.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	if u, ok := addr.(*net.UDPAddr); ok {
		return n, u.AddrPort(), nil
	}
	return 0, netip.AddrPort{}, net.UnknownNetworkError(addr.Network())
}

// WriteToAddrPort is what pion writes with when a socket has it. A check of ICE that has
// to wait for its turn is not sent; pion repeats it.
func (s *socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if s.gone.Load() {
		return 0, net.ErrClosed
	}
	if isSTUN(b) && !s.owner.turns.allow(s.local, to, b, s.owner.locals()) {
		return len(b), nil
	}
	return s.write(b, to)
}

func (s *socket) write(b []byte, to netip.AddrPort) (int, error) {
	if s.udp != nil {
		return s.udp.WriteToUDPAddrPort(b, to)
	}
	return s.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// markVoice asks the network for the treatment of voice: DSCP EF (RFC 8837 §5).
// Networks may ignore it, and so may the kernel.
func markVoice(c *net.UDPConn) {
	const ef = 0xb8 // 46 << 2
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS, ef)
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, ef)
	})
}
