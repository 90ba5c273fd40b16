package vm

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"intercomd/test/lab"
)

// Types of the services of a door.
const (
	pageService = "_https._tcp"
	doorService = "_intercomd._tcp"
)

// What a door is called whose page is open to the network.
const (
	guestHost = "door.local" // test/vm/image.sh
	serial    = "10000000abcdef01"
	open      = "[web]\nlisten = \"0.0.0.0:8443\"\n[fleet]\nserial = \"" + serial + "\"\nurl = \"https://" + hostAddress + ":9/doors\"\n"
)

// Addresses of both sides that hold beyond their link.
const (
	hostAddress6  = "fd78::1"
	guestAddress6 = "fd78::2"
)

// TestFoundInTheNetwork asks from another machine for the door that runs under its unit: with all that the unit
// keeps from it, it is found with what it is, and is gone when the unit is stopped.
func TestFoundInTheNetwork(t *testing.T) {
	d := install(t)
	a := avahi(t)
	var ears []*lab.Proc
	for _, kind := range []string{doorService, pageService} {
		p, err := a.Watch(kind)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Stop(time.Second) })
		ears = append(ears, p)
	}
	d.run(config{more: open})
	if out := d.sh(t, "systemctl show -P MainPID intercomd | xargs -I{} sed -n 's/^Uid:\t\\([0-9]*\\).*/\\1/p; s/^\\(Seccomp\\|NoNewPrivs\\|CapEff\\):\t/\\1 /p' /proc/{}/status"); strings.HasPrefix(out, "0\n") || !strings.Contains(out, "Seccomp 2") || !strings.Contains(out, "NoNewPrivs 1") || !strings.Contains(out, "CapEff 0000000000000000") {
		t.Errorf("the daemon has more rights than its unit says:\n%s", out)
	}
	for _, kind := range []string{doorService, pageService} {
		f := found(t, a, kind)
		if f.Text["serial"] != serial || f.Text["version"] == "" || f.Text["state"] == "" || f.Port != 8443 || !f.At(guestAddress) || f.Host != guestHost {
			t.Errorf("%+v", f)
		}
	}
	resolves(t, a, guestHost)
	d.sh(t, "systemctl stop intercomd")
	for _, p := range ears {
		if _, err := p.WaitLine(within(t, settle), regexp.MustCompile(`^-;.*cdef01`)); err != nil {
			t.Errorf("nobody has heard that the door is gone: %v", err)
		}
	}
	if list, err := a.Browse(within(t, settle), doorService); err != nil || len(list) > 0 {
		t.Errorf("after its end there are %v, %v", list, err)
	}
}

// TestOtherResponders has another responder of multicast DNS on the door's machine, started before it and once
// more after it, where both have addresses that hold beyond the link and some that do not. Whatever is asked for,
// neither takes the name from the other.
func TestOtherResponders(t *testing.T) {
	const card = "../../image/root/usr/lib/systemd/"
	settings, err := os.ReadFile(card + "resolved.conf.d/10-intercom.conf")
	if err != nil {
		t.Fatal(err)
	}
	network, err := os.ReadFile(card + "network/80-wired.network")
	if err != nil {
		t.Fatal(err)
	}
	mode := regexp.MustCompile(`(?m)^MulticastDNS=(.*)$`).FindSubmatch(network)
	if mode == nil {
		t.Fatalf("the card says nothing of multicast DNS:\n%s", network)
	}
	for name, row := range map[string]struct{ unit, start, gaveUp string }{
		"avahi": {"avahi-daemon", "", "conflict"},
		// As the card image has it.
		"resolved": {"systemd-resolved", "resolvectl mdns eth0 " + string(mode[1]), "onflict|Changing mDNS"},
	} {
		t.Run(name, func(t *testing.T) {
			d := install(t)
			six(t, d)
			a := avahi(t)
			d.sh(t, "systemctl unmask "+row.unit+".service "+row.unit+".socket; systemctl start dbus.socket")
			d.put(t, "/etc/systemd/resolved.conf.d/10-intercom.conf", 0o644, settings)
			responder := func() {
				t.Helper()
				d.sh(t, "set -e\nsystemctl restart "+row.unit+"\n"+row.start+"\n")
			}
			responder()
			t.Cleanup(func() {
				if out, _, err := d.script(within(t, settle), "systemctl stop "+row.unit); err != nil {
					t.Error(err, out)
				}
			})
			d.run(config{more: open})
			for i, when := range []string{"before the door", "after the door"} {
				if i > 0 {
					responder()
				}
				found(t, a, doorService)
				t.Logf("%s started %s: answers %v", name, when, ask(t, guestHost))
				f := found(t, a, doorService)
				if f.Host != guestHost {
					t.Errorf("%s started %s: the door is on %s", name, when, f.Host)
				}
				resolves(t, a, guestHost)
				if out := d.sh(t, "journalctl -b -o cat -u "+row.unit+" | grep -E '"+row.gaveUp+"' || true"); out != "" {
					t.Errorf("%s started %s: %s", name, when, out)
				}
			}
		})
	}
}

// avahi is the responder of another machine in the network of the door.
func avahi(t *testing.T) *lab.Avahi {
	t.Helper()
	a, err := lab.StartAvahi(within(t, time.Minute), lab.AvahiConfig{Dir: filepath.Join(t.TempDir(), "avahi"), Host: "elsewhere", Iface: tap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Stop(3 * time.Second)
		if t.Failed() {
			t.Logf("log of Avahi:\n%s", a.Tail(60))
		}
	})
	return a
}

// found waits until Avahi has found a service of the door, with what is said of it.
func found(t *testing.T, a *lab.Avahi, kind string) lab.Found {
	t.Helper()
	f, err := a.Find(within(t, settle), kind, settle, func(f lab.Found) bool {
		return f.Protocol == "IPv4" && len(f.Text) > 1 && strings.HasSuffix(f.Name, " - cdef01")
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// resolves checks what Avahi finds under a name of the door's machine.
func resolves(t *testing.T, a *lab.Avahi, name string) {
	t.Helper()
	if got, err := a.Resolve(within(t, settle), name); err != nil || got != guestAddress {
		t.Errorf("%s is %q, %v; want %s", name, got, err, guestAddress)
	}
}

// six gives both sides an address by IPv6 until the test ends.
func six(t *testing.T, d *daemon) {
	t.Helper()
	do := func(verb string) {
		if out, err := output(exec.Command("ip", "addr", verb, hostAddress6+"/64", "dev", tap, "nodad")); err != nil {
			t.Error(err, out)
		}
		d.sh(t, "ip addr "+verb+" "+guestAddress6+"/64 dev eth0 nodad")
	}
	do("add")
	t.Cleanup(func() { do("del") })
}

// ask asks everybody for the addresses of a name, again and again and by both protocols, as the machines of a house
// do. The answers go to all. It returns how often each set of addresses was in one.
func ask(t *testing.T, name string) map[string]int {
	t.Helper()
	iface, err := net.InterfaceByName(tap)
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1000)
	var conns []*net.UDPConn
	var groups []*net.UDPAddr
	var readers sync.WaitGroup
	for _, to := range []string{"udp4 224.0.0.251", "udp6 ff02::fb"} {
		network, ip, _ := strings.Cut(to, " ")
		group := &net.UDPAddr{IP: net.ParseIP(ip), Port: 5353, Zone: tap}
		c, err := net.ListenMulticastUDP(network, iface, group)
		if err != nil {
			t.Fatal(err)
		}
		conns, groups = append(conns, c), append(groups, group)
		readers.Go(func() {
			for buf := make([]byte, 9000); ; {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if list := addresses(buf[:n], name); list != "" {
					said <- network + ": " + list
				}
			}
		})
	}
	for range 12 {
		for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeALL} {
			m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}}}
			packet, err := m.Pack()
			for i, c := range conns {
				if err == nil {
					_, err = c.WriteTo(packet, groups[i])
				}
			}
			if err != nil {
				t.Error(err)
			}
		}
		time.Sleep(400 * time.Millisecond)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	readers.Wait()
	close(said)
	count := map[string]int{}
	for list := range said {
		count[list]++
	}
	return count
}

// addresses are those that an answer has for a name, each once.
func addresses(packet []byte, name string) string {
	var m dnsmessage.Message
	if m.Unpack(packet) != nil || !m.Response {
		return ""
	}
	var list []string
	for _, r := range slices.Concat(m.Answers, m.Additionals) {
		if r.Header.Name.String() != name+"." {
			continue
		}
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			list = append(list, netip.AddrFrom4(b.A).String())
		case *dnsmessage.AAAAResource:
			list = append(list, netip.AddrFrom16(b.AAAA).String())
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}
