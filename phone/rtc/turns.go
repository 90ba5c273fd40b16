package rtc

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

const (
	// turnTime is how long an address may try alone. Longer than a round trip on a bad
	// wireless network, and short enough for the third address to come in half a second.
	turnTime = 200 * time.Millisecond
	// missTime is how long it may try when the far end has reached us, but elsewhere.
	missTime = 50 * time.Millisecond
	// reachTime is how long the side that does not nominate waits to be reached.
	reachTime = 250 * time.Millisecond
	// nominateTime is how long a pair that works waits to be nominated.
	nominateTime = 2 * time.Second
	// maxTurns bounds what is remembered of destinations and checks.
	maxTurns = 64
)

// turns lets connectivity checks leave from one local address at a time.
//
// ICE checks all pairs at once, and both sides agree on one of those that work. FreeSWITCH
// keeps no check list: it sends to one address and moves to the source of the checks that
// come from elsewhere, at most once a second while DTLS is not ready, and drops DTLS from
// everywhere else. Checks from Ethernet and from Wi-Fi then lead it to one and us to the
// other, and nothing is heard for seconds. From one address at a time it can only be where
// we are.
//
// The first turn has the address that the kernel would send from: there media would go if
// there were no ICE. Without an answer within turnTime the next address has its turn, and
// in the end the first again. The first answer closes all others. What the far end does
// counts more: the address that it nominates may be checked from at any time (RFC 8445
// §7.3.1.4, triggered checks), and while the far end is the one to nominate it has
// reachTime to reach us before any turn begins, for where it checks there it is.
//
// Answers to the far end's checks are not held back, so it may check whatever it likes.
type turns struct {
	// source tells which local address the kernel would send from.
	source func(to netip.Addr) netip.Addr

	mu      sync.Mutex
	first   netip.Addr // preferred if that is of no help
	session string     // USERNAME of our checks: another one after an ICE restart
	begun   time.Time
	seen    map[netip.Addr]bool // destinations
	order   []netip.Addr        // addresses, as they take turns
	chosen  int                 // so many of them are sources of destinations
	turn    netip.Addr
	since   time.Time
	valid   netip.Addr           // the first one that had an answer
	validAt time.Time            // when it had
	last    map[netip.Addr]check // by address
	ids     [][stun.TransactionIDSize]byte
	reached map[netip.Addr]reach
}

// check is a connectivity check as it was sent.
type check struct {
	from    netip.Addr
	to      netip.AddrPort
	message []byte
}

// reach is what is known of the far end's checks to one of our addresses.
type reach struct {
	session   string // as of turns
	at        time.Time
	nominated bool
}

// isSTUN tells STUN from DTLS, RTP and RTCP (RFC 7983).
func isSTUN(b []byte) bool { return len(b) > 0 && b[0] < 4 && stun.IsMessage(b) }

// allow reports whether a STUN message may leave from one of the local addresses. All that
// are no connectivity checks may.
func (t *turns) allow(local netip.Addr, to netip.AddrPort, message []byte, locals []netip.Addr) bool {
	m := stun.Message{Raw: message}
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		return true
	}
	user, _ := m.Get(stun.AttrUsername)
	if len(user) == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.session != string(user) {
		t.session, t.begun = string(user), now
		t.seen, t.order, t.chosen, t.ids = map[netip.Addr]bool{}, nil, 0, nil
		t.turn, t.valid, t.last = netip.Addr{}, netip.Addr{}, map[netip.Addr]check{}
	}
	t.line(to.Addr().Unmap(), locals)
	// Not the length of t.order: the far end's other family may be about to join.
	if len(locals) > 1 && !t.may(local, now, m.Contains(stun.AttrICEControlled)) {
		return false
	}
	if len(t.ids) == maxTurns {
		t.ids = t.ids[1:]
	}
	t.ids = append(t.ids, m.TransactionID)
	t.last[local] = check{local, to, slices.Clone(message)}
	return true
}

// prefer names the address that comes first when there is no other reason.
func (t *turns) prefer(first netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first = first
}

// line puts the addresses in order that a destination can be reached from: after those
// that the kernel has chosen for destinations before it comes its choice for this one.
func (t *turns) line(to netip.Addr, locals []netip.Addr) {
	if t.seen[to] || len(t.seen) == maxTurns {
		return
	}
	t.seen[to] = true
	for _, a := range locals {
		if a.Is4() == to.Is4() && !slices.Contains(t.order, a) {
			t.order = append(t.order, a)
		}
	}
	best := t.source(to)
	if !slices.Contains(t.order, best) {
		best = t.first
	}
	if i := slices.Index(t.order, best); i >= t.chosen {
		t.order = slices.Insert(slices.Delete(t.order, i, i+1), t.chosen, best)
		t.chosen++
	}
}

func (t *turns) may(local netip.Addr, now time.Time, controlled bool) bool {
	reached := t.lastReached()
	switch r := t.reached[local]; {
	case r.session == t.session && r.nominated:
		if t.turn != local {
			t.turn, t.since = local, now
		}
		return true
	case t.valid.IsValid():
		return local == t.valid
	case !t.turn.IsValid() && controlled && !reached.IsValid() && now.Sub(t.begun) < reachTime:
		return false
	case !t.turn.IsValid():
		t.turn, t.since = t.order[0], now
		if controlled && reached.IsValid() {
			t.turn = reached
		}
	case reached.IsValid() && reached != t.turn && now.Sub(t.since) >= missTime && t.reached[t.turn].session != t.session,
		now.Sub(t.since) >= turnTime && reached.IsValid() && reached != t.turn:
		t.turn, t.since = reached, now
	case now.Sub(t.since) >= turnTime:
		t.turn, t.since = t.order[(slices.Index(t.order, t.turn)+1)%len(t.order)], now
	}
	return local == t.turn
}

// again is the last check from the address that has had an answer, if one has.
func (t *turns) again() (check, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.last[t.valid]
	return c, ok
}

// overdue reports whether an address has worked for so long that its pair should have been
// nominated.
func (t *turns) overdue(local netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.valid == local && time.Since(t.validAt) >= nominateTime
}

// lastReached is the address that the far end has checked last, if any.
func (t *turns) lastReached() (last netip.Addr) {
	for _, a := range t.order {
		if r := t.reached[a]; r.session == t.session && r.at.After(t.reached[last].at) {
			last = a
		}
	}
	return last
}

// heard takes note of a STUN message that came to a local address.
func (t *turns) heard(local netip.Addr, message []byte) {
	m := stun.Message{Raw: message}
	if m.Decode() != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch m.Type {
	case stun.BindingSuccess:
		if !t.valid.IsValid() && slices.Contains(t.ids, m.TransactionID) {
			t.valid, t.validAt = local, time.Now()
		}
	case stun.BindingRequest:
		user, _ := m.Get(stun.AttrUsername)
		ours, theirs, _ := strings.Cut(string(user), ":")
		session := theirs + ":" + ours
		if t.reached == nil {
			t.reached = map[netip.Addr]reach{}
		}
		was := t.reached[local]
		if was.session == t.session && session != t.session && t.session != "" {
			return // whoever does not know the session shall not change what is known
		}
		t.reached[local] = reach{
			session: session, at: time.Now(),
			nominated: m.Contains(stun.AttrUseCandidate) || was.nominated && was.session == session,
		}
	}
}
