package mdns

import (
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// place is a network that the machine is in: by which interfaces, and the addresses by which it is found.
type place struct {
	ifaces []string
	nets   []*net.IPNet // with the addresses of the machine in them
}

func (p place) ips() (out []net.IP) {
	for _, n := range p.nets {
		out = append(out, n.IP)
	}
	return out
}

func (p place) equal(q place) bool {
	return slices.Equal(p.ifaces, q.ifaces) && slices.EqualFunc(p.ips(), q.ips(), net.IP.Equal)
}

// meets reports whether two interfaces are in the same network, such as the cable and the Wi-Fi of a house.
func (p place) meets(q place) bool {
	return slices.ContainsFunc(p.nets, func(a *net.IPNet) bool {
		return slices.ContainsFunc(q.nets, func(b *net.IPNet) bool { return a.Contains(b.IP) || b.Contains(a.IP) })
	})
}

// places are all networks that the machine is in.
func places() ([]place, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	all, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list the addresses of the machine: %w", err)
	}
	return placesOf(ifaces, all), nil
}

// placesOf sorts interfaces by networks. Two responders in one network would take each other for another
// machine: interfaces that meet are one place, and those that have an address on their link only, which tells
// nothing about where they lead, count where there are no others.
func placesOf(ifaces []net.Interface, all []netlink.Addr) (out []place) {
	var linked []place
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(all), func(a netlink.Addr) bool { return a.LinkIndex != i.Index })
		nets, wide := published(own)
		p := place{[]string{i.Name}, nets}
		switch {
		case wide:
			out = join(out, p)
		case len(nets) > 0:
			linked = append(linked, p)
		}
	}
	if len(out) == 0 {
		return linked
	}
	return out
}

// join adds an interface to the places that it is in.
func join(list []place, p place) []place {
	var apart []place
	for _, q := range list {
		if q.meets(p) {
			p = place{append(q.ifaces, p.ifaces...), append(q.nets, p.nets...)}
			continue
		}
		apart = append(apart, q)
	}
	return append(apart, p)
}

// published are the addresses of an interface that are told: of each protocol those that hold beyond its
// link, and if there are none, those that hold there. wide is whether any holds beyond.
//
// It is what Avahi publishes, which may run on the same machine, under the same name: an address that Avahi
// does not publish itself is a conflict to it, and then it gives the name up.
func published(own []netlink.Addr) (out []*net.IPNet, wide bool) {
	for _, four := range []bool{true, false} {
		var far, near []*net.IPNet
		for _, a := range own {
			switch {
			case (a.IP.To4() != nil) != four:
			case a.Scope != unix.RT_SCOPE_UNIVERSE && a.Scope != unix.RT_SCOPE_SITE:
				near = append(near, a.IPNet)
			case a.Flags&unix.IFA_F_DEPRECATED == 0:
				far = append(far, a.IPNet)
			}
		}
		wide = wide || len(far) > 0
		if len(far) == 0 {
			far = near
		}
		out = append(out, far...)
	}
	return out, wide
}
