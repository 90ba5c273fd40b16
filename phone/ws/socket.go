package ws

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialer opens TCP connections. The kernel is asked to repeat what was lost at an even pace
// as long as little is under way (TCP_THIN_LINEAR_TIMEOUTS): SIP is a packet now and then,
// and every doubling of the pause is a visitor who waits.
func dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_THIN_LINEAR_TIMEOUTS, 1) // a kernel without it does as ever
		})
	}}
}

// addressGone reports whether the address of a connection is no longer one of this machine
// while there are others: nothing can come through it, and the kernel does not say so.
// Without others the cable may be out for a moment, which TCP survives.
func addressGone(local net.Addr, all func() ([]net.Addr, error)) bool {
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	own := tcp.AddrPort().Addr().Unmap().WithZone("")
	addrs, err := all()
	if err != nil || own.IsLoopback() {
		return false
	}
	others := false
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, _ := netip.AddrFromSlice(n.IP)
		if addr = addr.Unmap(); addr == own {
			return false
		}
		others = others || addr.IsGlobalUnicast()
	}
	return others
}
