package mdns

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"intercomd/station"
	"intercomd/words"
)

func TestInstance(t *testing.T) {
	if a, b := instance("Door", "10000000abcdef01"), instance("Door", "7"); a != "Door - cdef01" || b != "Door - 7" {
		t.Errorf("%q, %q", a, b)
	}
}

func TestText(t *testing.T) {
	for want, why := range map[string]words.Message{"not-ready": words.New("no-bell"), "ready": {}} {
		got := textOf(&station.Snapshot{Version: "1.0", NotReady: why}, "10000000abcdef01")
		if got["state"] != want || got["serial"] != "10000000abcdef01" || got["version"] != "1.0" {
			t.Errorf("%v", got)
		}
	}
}

// Interfaces that lead to the same network are one place, and what is told there is what Avahi would tell.
func TestPlaces(t *testing.T) {
	const here, site, link = unix.RT_SCOPE_UNIVERSE, unix.RT_SCOPE_SITE, unix.RT_SCOPE_LINK
	up := net.FlagUp | net.FlagMulticast
	ifaces := []net.Interface{{Index: 1, Name: "lo", Flags: net.FlagUp | net.FlagLoopback}, {Index: 2, Name: "eth0", Flags: up}, {Index: 3, Name: "wlan0", Flags: up},
		{Index: 4, Name: "off", Flags: net.FlagMulticast}, {Index: 5, Name: "vpn", Flags: up | net.FlagPointToPoint}}
	addr := func(iface int, ip string, scope, flags int) netlink.Addr {
		at, n, err := net.ParseCIDR(ip)
		if err != nil {
			t.Fatal(err)
		}
		return netlink.Addr{IPNet: &net.IPNet{IP: at, Mask: n.Mask}, Scope: scope, Flags: flags, LinkIndex: iface}
	}
	for name, row := range map[string]struct {
		has  []netlink.Addr
		want []string
	}{
		"nothing": {[]netlink.Addr{addr(1, "127.0.0.1/8", unix.RT_SCOPE_HOST, 0), addr(4, "10.4.0.1/24", here, 0), addr(5, "10.5.0.1/24", here, 0)}, nil},
		"a cable without a network": {[]netlink.Addr{addr(2, "fe80::1/64", link, 0), addr(2, "169.254.3.4/16", link, 0)},
			[]string{"eth0 169.254.3.4 fe80::1"}},
		"global beside link": {[]netlink.Addr{addr(2, "fe80::1/64", link, 0), addr(2, "10.0.0.7/24", here, 0), addr(2, "2001:db8::7/64", here, 0), addr(2, "fd00::7/64", site, 0)},
			[]string{"eth0 10.0.0.7 2001:db8::7 fd00::7"}},
		"each protocol by itself": {[]netlink.Addr{addr(2, "fe80::1/64", link, 0), addr(2, "10.0.0.7/24", here, 0)},
			[]string{"eth0 10.0.0.7 fe80::1"}},
		"one that ends, and one for privacy": {[]netlink.Addr{addr(2, "2001:db8::7/64", here, unix.IFA_F_DEPRECATED), addr(2, "2001:db8::8/64", here, unix.IFA_F_TEMPORARY)},
			[]string{"eth0 2001:db8::8"}},
		"cable and Wi-Fi in one network": {[]netlink.Addr{addr(2, "10.0.0.7/24", here, 0), addr(3, "10.0.0.8/24", here, 0)},
			[]string{"eth0 wlan0 10.0.0.7 10.0.0.8"}},
		"in two networks": {[]netlink.Addr{addr(2, "10.0.0.7/24", here, 0), addr(3, "10.0.1.8/24", here, 0)},
			[]string{"eth0 10.0.0.7", "wlan0 10.0.1.8"}},
		"one that waits for its lease": {[]netlink.Addr{addr(2, "10.0.0.7/24", here, 0), addr(3, "fe80::3/64", link, 0)},
			[]string{"eth0 10.0.0.7"}},
	} {
		var got []string
		for _, p := range placesOf(ifaces, row.has) {
			words := p.ifaces
			for _, ip := range p.ips() {
				words = append(words, ip.String())
			}
			got = append(got, strings.Join(words, " "))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}
