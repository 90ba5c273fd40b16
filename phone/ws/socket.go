package ws

import (
	"net"
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
