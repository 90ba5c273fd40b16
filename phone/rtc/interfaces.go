package rtc

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// link is a network interface as the choice sees it.
type link struct {
	name     string
	up       bool
	loopback bool
	addrs    []netip.Addr
	nets     []netip.Prefix // of the usable addresses
}

// systemLinks reads the interfaces of the machine.
func systemLinks() ([]link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	links := make([]link, 0, len(all))
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it vanished in between
		}
		links = append(links, newLink(i, addrs))
	}
	return links, nil
}

func newLink(i net.Interface, addrs []net.Addr) link {
	l := link{name: i.Name, up: i.Flags&net.FlagUp != 0, loopback: i.Flags&net.FlagLoopback != 0}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if addr, ok := netip.AddrFromSlice(n.IP); ok {
			addr = addr.Unmap()
			l.addrs = append(l.addrs, addr)
			if bits, _ := n.Mask.Size(); usable(addr) && bits > 0 {
				l.nets = append(l.nets, netip.PrefixFrom(addr, bits).Masked())
			}
		}
	}
	return l
}

// virtual tells interfaces that lead to containers and virtual machines of this
// machine: candidates on them cost time and mislead the far end.
func virtual(name string) bool {
	for _, prefix := range []string{"docker", "podman", "veth", "br-", "virbr", "vnet", "vboxnet", "vmnet", "cni", "cali", "flannel", "lxc", "lxdbr", "incusbr"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// usable reports whether an address may become a candidate. Link-local IPv6 is of
// no use in SDP (RFC 8445 §5.1.1.1), link-local IPv4 is: two boards on a cable. Of
// the loopback addresses pion takes IPv4 only.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() &&
		(a.Is4() || !a.IsLinkLocalUnicast() && !a.IsLoopback())
}

// choose returns the addresses to listen on, by interface. With a list of allowed
// names only these count; otherwise all but virtual ones, which are taken only if
// there is nothing else (a network namespace often has just a veth).
func choose(links []link, allowed []string, loopback bool) map[string][]netip.Addr {
	pick := func(take func(link) bool) map[string][]netip.Addr {
		out := map[string][]netip.Addr{}
		for _, l := range links {
			if !l.up || !take(l) {
				continue
			}
			for _, a := range l.addrs {
				if usable(a) {
					out[l.name] = append(out[l.name], a)
				}
			}
		}
		return out
	}
	if len(allowed) > 0 {
		return pick(func(l link) bool {
			return slices.Contains(allowed, l.name) || loopback && l.loopback
		})
	}
	outside := pick(func(l link) bool { return !l.loopback && !virtual(l.name) })
	if len(outside) == 0 {
		outside = pick(func(l link) bool { return !l.loopback })
	}
	if loopback {
		for name, addrs := range pick(func(l link) bool { return l.loopback }) {
			outside[name] = addrs
		}
	}
	return outside
}

// network is the state of the machine's addresses that candidates depend on.
type network struct {
	addrs map[string][]netip.Addr // by interface
	nets  []netip.Prefix          // whose neighbours they are
	first netip.Addr              // the one to name in c= and m=
	key   string                  // equal for equal addresses
}

func (f *Factory) network() (network, error) {
	links, err := f.links()
	if err != nil {
		return network{}, err
	}
	n := network{addrs: choose(links, f.conf.Interfaces, f.conf.IncludeLoopback)}
	var all []string
	for name, addrs := range n.addrs {
		for _, a := range addrs {
			all = append(all, name+" "+a.String())
		}
	}
	for _, l := range links {
		if len(n.addrs[l.name]) > 0 {
			n.nets = append(n.nets, l.nets...)
		}
	}
	slices.Sort(all)
	n.key = strings.Join(all, "\n")
	n.first = n.preferred(f.conf.IncludeLoopback, f.source)
	return n, nil
}

// has reports whether an address is one to listen on.
func (n network) has(want netip.Addr) bool {
	for _, addrs := range n.addrs {
		if slices.Contains(addrs, want) {
			return true
		}
	}
	return false
}

// preferred names the default address: loopback when the server is there, else
// the one that the default route uses, else any.
func (n network) preferred(loopback bool, source func(to netip.Addr) netip.Addr) netip.Addr {
	if local := netip.AddrFrom4([4]byte{127, 0, 0, 1}); loopback && n.has(local) {
		return local
	}
	if a := source(anywhere); n.has(a) {
		return a
	}
	return netip.Addr{}
}

// anywhere stands for a far end whose address is not known yet (RFC 5737).
var anywhere = netip.AddrFrom4([4]byte{192, 0, 2, 1}) //nolint:gochecknoglobals // a constant

// sourceFor is the address that the kernel would send from to another one; the zero Addr if
// there is no route. No packet is sent: connecting a datagram socket only looks it up.
func sourceFor(to netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = c.Close() }()
	if a, ok := c.LocalAddr().(*net.UDPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
