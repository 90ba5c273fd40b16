package rtc

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// addressNews is a socket by which the kernel tells that interfaces or addresses of this machine
// have changed (rtnetlink(7)). To read them all takes a socket and a list of all addresses for each interface.
type addressNews struct{ fd int }

// hearAddresses begins to listen; nil if the kernel does not let it.
func hearAddresses() *addressNews {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil
	}
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}) != nil {
		_ = unix.Close(fd)
		return nil
	}
	return &addressNews{fd}
}

// any reports whether something may have changed since the last time.
func (n *addressNews) any() bool {
	if n == nil {
		return true
	}
	var b [1]byte // what has changed is read anew
	for news := false; ; news = true {
		if _, _, err := unix.Recvfrom(n.fd, b[:], 0); err == unix.EAGAIN {
			return news
		} else if err != nil && err != unix.ENOBUFS && err != unix.EINTR { // too much has changed is news, too
			return true
		}
	}
}

func (n *addressNews) close() {
	if n != nil {
		_ = unix.Close(n.fd)
	}
}

// mover knows whether the address of a call has gone, and looks only when there are news.
type mover struct {
	news *addressNews
	here netip.Addr // was an address of this machine at the last look
}

// moved is told the address in use, and how to look whether this machine has it, or others. It reports
// whether it has only others.
func (m *mover) moved(local netip.Addr, look func(netip.Addr) (here, others bool)) bool {
	if news := m.news.any(); !local.IsValid() || local == m.here && !news {
		return false
	}
	m.here = netip.Addr{}
	here, others := look(local)
	if here {
		m.here = local
	}
	return !here && others
}
