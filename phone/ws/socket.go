package ws

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// DialTCP opens a TCP connection, from a local address if one is given. It is what [Options.NetDial]
// is if nothing else is said.
//
// The kernel is asked to repeat what was lost at an even pace as long as little is under way
// (TCP_THIN_LINEAR_TIMEOUTS): SIP is a packet now and then, and every doubling of the pause
// is a visitor who waits. And it is asked to give a port again that was ours before
// (SO_REUSEADDR), for [Options.From].
func DialTCP(ctx context.Context, network, address string, from netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_THIN_LINEAR_TIMEOUTS, 1) // a kernel without it does as ever
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		})
	}}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(from)
	}
	return d.DialContext(ctx, network, address)
}

// abort closes a socket that is of no use any more without the usual farewell: by a reset,
// so that neither kernel remembers it and its port can be used again at once. A FIN would
// wait for its answer for minutes on a path that is dead, and linger in any case (TIME_WAIT).
func abort(nc net.Conn) {
	for {
		inner, ok := nc.(interface{ NetConn() net.Conn }) // what is below TLS
		if !ok {
			break
		}
		nc = inner.NetConn()
	}
	if tcp, ok := nc.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = nc.Close()
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
	if own.IsLoopback() {
		return false
	}
	addrs, err := all()
	if err != nil {
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
