package rtc

import (
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
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
	awaitState(t, a, StateConnected)
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
	awaitState(t, a, StateConnected)
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
	awaitState(t, a, StateDisconnected)
	cut.Store(false)
	awaitState(t, a, StateConnected)
	heard(t, a, b, 2)
	heard(t, b, a, 3)
}

// The address of a running call goes, another is there: told, and repaired by a
// restart.
func TestAddressGoes(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	if a.moved() {
		t.Error("nothing has moved yet")
	}
	other, err := New(Config{Log: testLog(t)})
	must(t, err)
	defer func() { must(t, other.Close()) }()
	if n, err := other.network(); err != nil || len(n.addrs) == 0 {
		t.Skip("this machine has loopback only")
	}
	in := a.current.Load().localAddr()
	a.f = other // a machine without the loopback address
	if got := a.moved(); got != in.IsLoopback() {
		t.Errorf("connected by %v, moved: %t", in, got)
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
