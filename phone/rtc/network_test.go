package rtc

import (
	"context"
	"intercomd/phone"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"

	"intercomd/phone/rtc/sdpfix"
)

var candidateLines = regexp.MustCompile(`a=candidate:[^\r]*\r\n`)

// A browser may hide its addresses behind mDNS names. It reaches us, and that is
// enough.
func TestHiddenAddresses(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	offer, err := a.Offer()
	must(t, err)
	answer, err := b.Answer(offer)
	must(t, err)
	text := candidateLines.ReplaceAllString(string(answer), "")
	text = regexp.MustCompile(`m=audio \d+`).ReplaceAllString(text, "m=audio 9")
	text = regexp.MustCompile(`c=IN IP4 [\d.]+`).ReplaceAllString(text, "c=IN IP4 0.0.0.0")
	text = strings.Replace(text, "a=end-of", "a=candidate:1 1 udp 2122260223 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 5 typ host\r\na=end-of", 1)
	must(t, a.Accept([]byte(text)))
	awaitState(t, a, phone.MediaConnected)
	heard(t, a, b, 1)
	if a.OnHold() {
		t.Error("hidden addresses are no hold")
	}
}

func TestIPv6(t *testing.T) {
	f := testFactory(t, Config{})
	n, err := f.network()
	must(t, err)
	six := ""
	for _, addrs := range n.addrs {
		for _, a := range addrs {
			if a.Is6() {
				six = a.String()
			}
		}
	}
	if six == "" {
		t.Skip("this machine has no IPv6 address")
	}
	a, b := testSession(t, f), testSession(t, f)
	only := func(text []byte) []byte {
		return []byte(candidateLines.ReplaceAllStringFunc(string(text), func(l string) string {
			if strings.Contains(l, " "+six+" ") {
				return l
			}
			return ""
		}))
	}
	offer, err := a.Offer()
	must(t, err)
	answer, err := b.Answer(only(offer))
	must(t, err)
	must(t, a.Accept(only(answer)))
	awaitState(t, a, phone.MediaConnected)
	heard(t, a, b, 1)
	if p := a.Stats().Pair; !strings.HasPrefix(p, "["+six+"]:") {
		t.Errorf("connected by %s", p)
	}
}

// The far end may fall silent (FreeSWITCH does not answer STUN on hold) and come back.
func TestDisconnectAndRecover(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 8 s")
	}
	var cut atomic.Bool
	fa, fb := cutFactories(t, &cut)
	a, b := testSession(t, fa), testSession(t, fb)
	connect(t, a, b)
	heard(t, a, b, 1)
	cut.Store(true)
	awaitState(t, a, phone.MediaDisconnected)
	cut.Store(false)
	awaitState(t, a, phone.MediaConnected)
	heard(t, a, b, 2)
	heard(t, b, a, 3)
}

// The address of a running call goes, another is there: told, and repaired by a
// restart.
func TestAddressGoes(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	in := a.current.Load().localAddr()
	if m := f.mover(); m.moved(in, f.has) {
		t.Error("nothing has moved yet")
	}
	other, err := New(Config{Log: testLog(t)})
	must(t, err)
	defer func() { must(t, other.Close()) }()
	if n, err := other.network(); err != nil || len(n.addrs) == 0 {
		t.Skip("this machine has loopback only")
	}
	a.f = other // a machine without the loopback address
	if m := other.mover(); m.moved(in, other.has) != in.IsLoopback() {
		t.Errorf("connected by %v, moved: %t", in, !in.IsLoopback())
	}
	must(t, a.Restart())
	offer, err := a.Offer()
	must(t, err)
	if strings.Contains(string(offer), " 127.0.0.1 ") {
		t.Errorf("the old address is still offered:\n%s", offer)
	}
	answer, err := b.Answer(offer)
	must(t, err)
	must(t, a.Accept(answer))
	heard(t, a, b, 1)
	heard(t, b, a, 2)
}

// hide takes the addresses out of a description and puts names in their place, one for
// each port.
func hide(text []byte, host string) []byte {
	out := candidateLines.ReplaceAllStringFunc(string(text), func(l string) string {
		f := strings.Fields(l)
		f[4] = host
		return strings.Join(f, " ") + "\r\n"
	})
	out = regexp.MustCompile(`m=audio \d+`).ReplaceAllString(out, "m=audio 9")
	return []byte(regexp.MustCompile(`c=IN IP4 [\d.]+`).ReplaceAllString(out, "c=IN IP4 0.0.0.0"))
}

// blind leaves only the credentials: who gets it cannot reach us.
func blind(text []byte) []byte {
	return []byte(candidateLines.ReplaceAllString(string(hide(text, "x.local")), ""))
}

// The far end hides its addresses and cannot reach us: its names are looked for. What
// they lead to counts only if it is on the link.
func TestNamesAreFound(t *testing.T) {
	for name, tc := range map[string]struct {
		real  bool // over multicast DNS, on loopback
		found string
		up    bool
	}{
		"found":                 {false, "127.0.0.1", true},
		"found in real":         {true, "127.0.0.1", true},
		"found, but elsewhere":  {false, "192.0.2.1", false},
		"found after some time": {false, "later 127.0.0.1", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := testFactory(t, Config{})
			host := "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"
			asked := make(chan string, 10)
			switch addr, later := strings.CutPrefix(tc.found, "later "); {
			case tc.real:
				answerTo(t, host)
			default:
				f.find = func(ctx context.Context, _ network, names []string, tell func(string, netip.Addr)) {
					asked <- strings.Join(names, " ")
					if later {
						time.Sleep(300 * time.Millisecond)
					}
					tell(names[0], netip.MustParseAddr(addr))
					<-ctx.Done()
				}
			}
			a, b := testSession(t, f), testSession(t, testFactory(t, Config{}))
			offer, err := a.Offer()
			must(t, err)
			answer, err := b.Answer(blind(offer))
			must(t, err)
			must(t, a.Accept(hide(answer, host)))
			if !tc.up {
				if got := <-asked; got != host {
					t.Errorf("looked for %q", got)
				}
				select {
				case state := <-a.States():
					t.Errorf("the session is %s", state)
				case <-time.After(500 * time.Millisecond):
				}
				return
			}
			awaitState(t, a, phone.MediaConnected)
			heard(t, a, b, 1)
		})
	}
}

// answerTo answers to a name on loopback, as a browser does.
func answerTo(t *testing.T, host string) {
	t.Helper()
	group, err := net.ResolveUDPAddr("udp4", mdns.DefaultAddressIPv4)
	must(t, err)
	l, err := net.ListenUDP("udp4", group)
	must(t, err)
	lo, err := net.InterfaceByName("lo")
	must(t, err)
	c, err := mdns.NewServer(ipv4.NewPacketConn(l), nil, mdns.WithLocalNames(host), mdns.WithLocalAddress(net.IPv4(127, 0, 0, 1)),
		mdns.WithInterfaces(*lo), mdns.WithIncludeLoopback(true), mdns.WithLoggerFactory(pionLogs{testLog(t)}))
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
}

// The kernel is asked for its route, and says so when it has none.
func TestSourceFor(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	if got := sourceFor(local); got != local {
		t.Errorf("to %v from %v", local, got)
	}
	if got := sourceFor(netip.MustParseAddr("fe80::1")); got.IsValid() { // of no link
		t.Errorf("to nowhere from %v", got)
	}
}

func TestLinkNames(t *testing.T) {
	var in []sdpfix.Candidate
	for _, host := range []string{"A.local", "a.local", "b c.local", "x..local", "ü.local", "b.local", "c.local", "d.local", "e.local"} {
		in = append(in, sdpfix.Candidate{Host: host})
	}
	if got := strings.Join(linkNames(in), " "); got != "a.local b.local c.local d.local" {
		t.Errorf("%s", got)
	}
}

func TestOnLink(t *testing.T) {
	_, n4, _ := net.ParseCIDR("10.0.0.0/24")
	_, n6, _ := net.ParseCIDR("2001:db8:1::/64")
	l := newLink(net.Interface{Name: "eth0", Flags: net.FlagUp}, []net.Addr{
		&net.IPNet{IP: net.IPv4(10, 0, 0, 7), Mask: n4.Mask}, &net.IPNet{IP: net.ParseIP("2001:db8:1::7"), Mask: n6.Mask},
	})
	n := network{nets: l.nets}
	for addr, want := range map[string]bool{"10.0.0.200": true, "10.0.1.1": false, "2001:db8:1::9": true, "2001:db8:2::9": false, "127.0.0.1": false} {
		if n.onLink(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s is on the link: %t", addr, !want)
		}
	}
}
