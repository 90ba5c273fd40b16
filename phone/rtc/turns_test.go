package rtc

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
)

// turnsCase drives turns with messages as they pass a socket.
type turnsCase struct {
	t          *testing.T
	turns      turns
	locals     []netip.Addr
	controlled bool
	user       string // of our checks
	sent       map[string]*stun.Message
}

const testFarEnd = "10.9.9.9"

func newTurnsCase(t *testing.T, controlled bool, locals ...string) *turnsCase {
	c := &turnsCase{t: t, controlled: controlled, user: "far:near", sent: map[string]*stun.Message{}}
	for _, a := range locals {
		c.locals = append(c.locals, netip.MustParseAddr(a))
	}
	c.turns.source = func(netip.Addr) netip.Addr { return netip.Addr{} }
	return c
}

// tick lets every address try to check the far end, as pion does, and returns which did.
func (c *turnsCase) tick(to string) (sent string) {
	for _, a := range c.locals {
		dest := netip.AddrPortFrom(netip.MustParseAddr(to), 5000)
		if a.Is4() != dest.Addr().Is4() {
			continue
		}
		role := stun.Setter(ice.AttrControlling(1))
		if c.controlled {
			role = ice.AttrControlled(1)
		}
		m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(c.user), role)
		must(c.t, err)
		if c.turns.allow(a, dest, m.Raw, c.locals) {
			c.sent[a.String()] = m
			sent += a.String() + " "
		}
	}
	return sent
}

func (c *turnsCase) wants(to, want string) {
	c.t.Helper()
	if want != "" {
		want += " "
	}
	if got := c.tick(to); got != want {
		c.t.Errorf("checked from %q, want %q", got, want)
	}
}

// answers lets the far end answer the last check from an address.
func (c *turnsCase) answers(local string) {
	m, err := stun.Build(c.sent[local], stun.BindingSuccess)
	must(c.t, err)
	c.turns.heard(netip.MustParseAddr(local), m.Raw)
}

// reaches lets a check of the far end arrive.
func (c *turnsCase) reaches(local, user string, more ...stun.Setter) {
	m, err := stun.Build(append([]stun.Setter{stun.BindingRequest, stun.TransactionID, stun.NewUsername(user)}, more...)...)
	must(c.t, err)
	c.turns.heard(netip.MustParseAddr(local), m.Raw)
}

func TestTurns(t *testing.T) {
	const one, two, three, six = "10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"
	for name, story := range map[string]func(t *testing.T){
		"round and round until one is answered": func(t *testing.T) {
			c := newTurnsCase(t, false, one, two, three)
			for _, want := range []string{one, two, three, one, two} {
				c.wants(testFarEnd, want)
				time.Sleep(turnTime - time.Nanosecond)
				c.wants(testFarEnd, want)
				time.Sleep(time.Nanosecond)
			}
			c.answers(one) // late, but the first
			for range 5 {
				c.wants(testFarEnd, one)
				time.Sleep(turnTime)
			}
		},
		"the route goes first": func(t *testing.T) {
			c := newTurnsCase(t, false, one, two, three)
			c.turns.prefer(c.locals[1])
			c.turns.source = func(to netip.Addr) netip.Addr {
				if to.String() == testFarEnd {
					return c.locals[2]
				}
				return netip.Addr{}
			}
			c.wants(testFarEnd, three)
			time.Sleep(turnTime)
			c.wants(testFarEnd, one)
			c.user = "other:near"
			c.wants("10.8.8.8", two)
		},
		"one address asks nobody": func(t *testing.T) {
			c := newTurnsCase(t, true, one)
			c.wants(testFarEnd, one)
			time.Sleep(10 * turnTime)
			c.wants(testFarEnd, one)
		},
		"the other family may join": func(t *testing.T) {
			c := newTurnsCase(t, true, one, six)
			c.wants("2001:db8::9", "")
			c.reaches(one, "near:far")
			c.wants("2001:db8::9", "")
			c.wants(testFarEnd, one)
			c.answers(one)
			time.Sleep(turnTime)
			c.wants("2001:db8::9", "")
		},
		"families take turns too": func(t *testing.T) {
			c := newTurnsCase(t, false, one, two, six)
			c.wants("2001:db8::9", six)
			c.wants(testFarEnd, "")
			time.Sleep(turnTime)
			c.wants("2001:db8::9", "")
			c.wants(testFarEnd, one)
		},
		"an answer nobody waits for": func(t *testing.T) {
			c := newTurnsCase(t, false, one, two)
			c.wants(testFarEnd, one)
			c.sent[two] = stun.MustBuild(stun.BindingRequest, stun.TransactionID)
			c.answers(two)
			c.wants(testFarEnd, one)
		},
		"the controlled side waits to be reached": func(t *testing.T) {
			c := newTurnsCase(t, true, one, two)
			c.wants(testFarEnd, "")
			time.Sleep(reachTime - time.Nanosecond)
			c.wants(testFarEnd, "")
			c.reaches(two, "near:far")
			c.wants(testFarEnd, two)
		},
		"but not for ever": func(t *testing.T) {
			c := newTurnsCase(t, true, one, two)
			c.wants(testFarEnd, "")
			time.Sleep(reachTime)
			c.wants(testFarEnd, one)
		},
		"reached before the first check": func(t *testing.T) {
			c := newTurnsCase(t, true, one, two)
			c.reaches(two, "near:far")
			c.wants(testFarEnd, two)
		},
		"a stranger reaches nothing": func(t *testing.T) {
			c := newTurnsCase(t, true, one, two)
			c.reaches(two, "near:stranger", ice.UseCandidate())
			c.wants(testFarEnd, "")
			c.reaches(one, "near:far", ice.UseCandidate())
			c.reaches(one, "near:stranger")
			c.wants(testFarEnd, one)
		},
		"reached elsewhere": func(t *testing.T) {
			c := newTurnsCase(t, false, one, two, three)
			c.wants(testFarEnd, one)
			c.reaches(three, "near:far")
			c.wants(testFarEnd, one)
			time.Sleep(missTime)
			c.wants(testFarEnd, three)
		},
		"reached here and elsewhere": func(t *testing.T) {
			c := newTurnsCase(t, false, one, two, three)
			c.wants(testFarEnd, one)
			c.reaches(one, "near:far")
			c.reaches(three, "near:far")
			time.Sleep(turnTime - time.Nanosecond)
			c.wants(testFarEnd, one)
		},
		"whom the far end nominates": func(t *testing.T) {
			c := newTurnsCase(t, true, one, two, three)
			time.Sleep(reachTime)
			c.tick(testFarEnd)
			time.Sleep(reachTime)
			c.wants(testFarEnd, one)
			c.answers(one)
			c.reaches(two, "near:far", ice.UseCandidate())
			c.reaches(two, "near:far") // once is enough
			c.wants(testFarEnd, one+" "+two)
		},
		"a restart begins anew": func(t *testing.T) {
			c := newTurnsCase(t, false, one, two)
			c.wants(testFarEnd, one)
			time.Sleep(turnTime)
			c.wants(testFarEnd, two)
			c.answers(two)
			c.user = "new:newer"
			c.wants(testFarEnd, one)
			if _, ok := c.turns.again(); ok {
				t.Error("what was answered before counts")
			}
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, story) })
	}
}

// All but checks passes at any time, and nothing that comes is too odd.
func TestTurnsAndOtherMessages(t *testing.T) {
	c := newTurnsCase(t, false, "10.0.0.1", "10.0.0.2")
	c.wants(testFarEnd, "10.0.0.1")
	other, to := c.locals[1], netip.MustParseAddrPort("10.9.9.9:5000")
	for name, m := range map[string]*stun.Message{
		"answer":     stun.MustBuild(stun.BindingSuccess, stun.TransactionID),
		"indication": stun.MustBuild(stun.NewType(stun.MethodBinding, stun.ClassIndication), stun.TransactionID),
	} {
		if !isSTUN(m.Raw) || !c.turns.allow(other, to, m.Raw, c.locals) {
			t.Errorf("%s is held back", name)
		}
	}
	for _, b := range [][]byte{nil, {0}, {128, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {22, 254, 253}} {
		if isSTUN(b) {
			t.Errorf("%v is no STUN", b)
		}
	}
}

func FuzzTurns(f *testing.F) {
	f.Add(stun.MustBuild(stun.BindingRequest, stun.TransactionID, stun.NewUsername("a:b"), ice.UseCandidate()).Raw)
	f.Add(stun.MustBuild(stun.BindingSuccess, stun.TransactionID).Raw)
	locals := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	f.Fuzz(func(_ *testing.T, b []byte) {
		turns := turns{source: func(netip.Addr) netip.Addr { return locals[1] }}
		for range 2 {
			turns.heard(locals[0], b)
			turns.allow(locals[0], netip.MustParseAddrPort("10.9.9.9:1"), b, locals)
			turns.again()
		}
	})
}
