package rtc

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	pionnet "github.com/pion/transport/v4"
)

// sockets opens the UDP sockets of a transport. It can keep them open when pion
// closes them, and give them to the transport that comes after: when another fork
// of a call answers, the far end will send to the ports that we have offered.
type sockets struct {
	pionnet.Net // what is not about UDP sockets

	mu      sync.Mutex
	keeping bool
	kept    []pionnet.UDPConn
}

// ListenUDP implements pionnet.Net.
func (s *sockets) ListenUDP(network string, laddr *net.UDPAddr) (pionnet.UDPConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.kept {
		if have, ok := c.LocalAddr().(*net.UDPAddr); ok && laddr != nil && have.IP.Equal(laddr.IP) {
			s.kept = append(s.kept[:i], s.kept[i+1:]...)
			if err := c.SetDeadline(time.Time{}); err != nil {
				return nil, err
			}
			return newSocket(s, c), nil
		}
	}
	c, err := s.Net.ListenUDP(network, laddr)
	if err != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		markVoice(udp)
	}
	return newSocket(s, c), nil
}

// keep makes sockets that are closed from now on stay open for the next transport.
func (s *sockets) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeping = true
}

// release ends keeping, and closes what nobody took.
func (s *sockets) release() {
	s.mu.Lock()
	kept := s.kept
	s.kept, s.keeping = nil, false
	s.mu.Unlock()
	for _, c := range kept {
		_ = c.Close()
	}
}

// closed takes back a socket and reports whether it shall stay open.
func (s *sockets) closed(c pionnet.UDPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keeping {
		s.kept = append(s.kept, c)
	}
	return s.keeping
}

// socket is a UDP socket on loan to pion. After Close, or after another has taken
// over the real socket, it can do nothing more.
type socket struct {
	pionnet.UDPConn
	udp   *net.UDPConn // the same, if it is a real one: spares allocations
	owner *sockets
	gone  atomic.Bool
}

func newSocket(owner *sockets, c pionnet.UDPConn) *socket {
	udp, _ := c.(*net.UDPConn)
	return &socket{UDPConn: c, udp: udp, owner: owner}
}

// Close implements net.PacketConn.
func (s *socket) Close() error {
	if s.gone.Swap(true) {
		return nil
	}
	if s.owner.closed(s.UDPConn) {
		return nil
	}
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
		if err == nil {
			return n, from, nil
		}
		if s.gone.Load() {
			return 0, netip.AddrPort{}, net.ErrClosed
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

// WriteToAddrPort is what pion writes with when a socket has it.
func (s *socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if s.gone.Load() {
		return 0, net.ErrClosed
	}
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
