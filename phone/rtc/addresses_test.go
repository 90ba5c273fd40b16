package rtc

import (
	"errors"
	"fmt"
	"intercomd/phone"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/webrtc/v4"
)

// talkTime lets a session and a follower talk and returns when both have heard each other,
// counted from the moment both descriptions were known to both and the follower was awake.
func talkTime(t *testing.T, s *Session, f *follower, doorCalls bool) (time.Duration, error) {
	t.Helper()
	if doorCalls {
		offer, err := s.Offer()
		must(t, err)
		answer := f.answer(offer)
		must(t, s.Accept(answer))
	} else {
		answer, err := s.Answer(f.describe("actpass"))
		must(t, err)
		f.accept(answer)
	}
	begun := time.Now().Add(f.late)
	heard := make(chan struct{})
	go func() {
		if _, err := reads(s).next(); err == nil {
			close(heard)
		}
	}()
	speech := time.NewTicker(20 * time.Millisecond)
	defer speech.Stop()
	limit := time.After(patience)
	us, them := (<-chan struct{})(heard), (<-chan struct{})(f.sound)
	for us != nil || them != nil {
		select {
		case <-us:
			us = nil
		case <-them:
			them = nil
		case <-speech.C:
			must(t, s.WriteFrame(make([]byte, 160), 160, false))
		case <-limit:
			return patience, errors.New("they never talked")
		}
	}
	return time.Since(begun), nil
}

// A far end that follows the source of checks is talked to within half a second, however
// many addresses this machine has, whichever of them work, and whoever calls.
func TestFarEndThatFollows(t *testing.T) {
	addresses := map[string]struct {
		door, far []string
		dead      string // of the door's addresses
		route     string // the kernel's choice
	}{
		"one":                    {door: []string{"10.0.0.1"}, far: []string{"10.0.0.9"}},
		"two":                    {door: []string{"10.0.0.1", "10.0.0.2"}, far: []string{"10.0.0.9"}},
		"two, route by second":   {door: []string{"10.0.0.1", "10.0.0.2"}, far: []string{"10.0.0.9"}, route: "10.0.0.2"},
		"three":                  {door: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, far: []string{"10.0.0.9"}},
		"three, route by third":  {door: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, far: []string{"10.0.0.9"}, route: "10.0.0.3"},
		"two IPv6":               {door: []string{"2001:db8::1", "2001:db8::2"}, far: []string{"2001:db8::9"}},
		"both families":          {door: []string{"10.0.0.1", "10.0.0.2", "2001:db8::1"}, far: []string{"10.0.0.9", "2001:db8::9"}},
		"IPv6 first":             {door: []string{"10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"}, far: []string{"2001:db8::9", "10.0.0.9"}},
		"both here, one there":   {door: []string{"10.0.0.1", "10.0.0.2", "2001:db8::1"}, far: []string{"2001:db8::9"}},
		"two, the first is dead": {door: []string{"10.0.0.1", "10.0.0.2"}, far: []string{"10.0.0.9"}, dead: "10.0.0.1"},
		"route by a dead one":    {door: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, far: []string{"10.0.0.9"}, dead: "10.0.0.3", route: "10.0.0.3"},
		"IPv6 is dead":           {door: []string{"10.0.0.1", "10.0.0.2", "2001:db8::1"}, far: []string{"2001:db8::9", "10.0.0.9"}, dead: "2001:db8::1"},
	}
	for name, a := range addresses {
		for _, h := range []habits{
			{patience: 3},
			{patience: 3, last: true},
			{patience: 3, late: 400 * time.Millisecond},
			{stubborn: true},
			{stubborn: true, last: true},
			{patience: 3, stubborn: true, last: true},
			{patience: 3, astray: true},
		} {
			for _, doorCalls := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%+v/door calls %t", name, h, doorCalls), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := newLAN()
						if a.dead != "" {
							n.cut(a.dead)
						}
						door := n.host(a.door...)
						if a.route != "" {
							door.route = netip.MustParseAddr(a.route)
						}
						h.addrs = a.far
						f := newFollower(t, n, h)
						s := testSession(t, lanFactory(t, door))
						took, err := talkTime(t, s, f, doorCalls)
						limit := 500 * time.Millisecond
						if unheard := h.astray || a.dead != ""; unheard && !doorCalls {
							// It nominates when it checks, once a second, and where it checks first
							// nobody may be.
							limit = 1100 * time.Millisecond
						}
						if err != nil || took > limit {
							t.Errorf("talking after %v (%v); it followed %d times, %d DTLS packets came from elsewhere; we talk by %s, it to %v",
								took, err, f.moves, f.foreign, s.Stats().Pair, f.where().remote)
						}
						if used := s.Stats().Pair; doorCalls && a.route != "" && a.route != a.dead && !strings.HasPrefix(used, a.route) {
							t.Errorf("the route goes by %s, the call by %s", a.route, used)
						}
					})
				})
			}
		}
	}
}

// Peers that do not do their part in ICE are talked to all the same: sooner or later, for
// they check once a second.
func TestFarEndWithOddICE(t *testing.T) {
	const soon, second = 500 * time.Millisecond, 1100 * time.Millisecond
	for name, tc := range map[string]struct {
		habits
		called, calls time.Duration // how long it may take when the door is called, when it calls
	}{
		"ICE lite": {habits{lite: true}, soon, soon},
		// Both would nominate, or both would wait for it: the smaller number has to give way.
		"same role, and gives way":         {habits{clash: true, tie: 1}, second, soon},
		"same role, and does not give way": {habits{clash: true, tie: ^uint64(0)}, second, second},
		"never nominates":                  {habits{silent: true}, nominateTime + second, soon},
	} {
		for _, door := range [][]string{{"10.0.0.1"}, {"10.0.0.1", "10.0.0.2"}} {
			for _, doorCalls := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%d/door calls %t", name, len(door), doorCalls), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := newLAN()
						h := tc.habits
						h.addrs, h.patience = []string{"10.0.0.9"}, 3
						f := newFollower(t, n, h)
						s := testSession(t, lanFactory(t, n.host(door...)))
						limit := tc.called
						if doorCalls {
							limit = tc.calls
						}
						if took, err := talkTime(t, s, f, doorCalls); err != nil || took > limit {
							t.Errorf("talking after %v (%v), by %s", took, err, s.Stats().Pair)
						}
					})
				})
			}
		}
	}
}

// A bad network makes it slower, not deaf.
func TestFarEndThatFollowsWithLoss(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 1))
			n := newLAN()
			n.delay = 15 * time.Millisecond
			n.pass = func(_, _ netip.AddrPort) bool {
				mu.Lock()
				defer mu.Unlock()
				return random.Float64() >= 0.05
			}
			f := newFollower(t, n, habits{addrs: []string{"10.0.0.9"}, patience: 3, last: seed%2 == 0})
			s := testSession(t, lanFactory(t, n.host("10.0.0.1", "10.0.0.2", "10.0.0.3")))
			if took, err := talkTime(t, s, f, seed%4 < 2); err != nil || took > 5*time.Second {
				t.Errorf("seed %d: talking after %v (%v)", seed, took, err)
			}
		})
	}
}

// Full ICE peers, with several addresses on both sides, of which some do not reach each
// other, find a pair as fast as ever.
func TestFullPeersWithManyAddresses(t *testing.T) {
	apart := func(from, to netip.AddrPort) bool { // 10/8 and 192/8 do not meet
		return from.Addr().Is4() == to.Addr().Is4() && (from.Addr().Is6() || from.Addr().As4()[0] == to.Addr().As4()[0])
	}
	for name, tc := range map[string]struct {
		one, other []string
		route      string
	}{
		"one network":      {[]string{"10.0.0.1", "10.0.0.2"}, []string{"10.0.0.8", "10.0.0.9"}, ""},
		"second meets":     {[]string{"192.168.0.1", "10.0.0.2"}, []string{"10.0.0.9"}, ""},
		"route leads away": {[]string{"192.168.0.1", "10.0.0.2"}, []string{"10.0.0.9"}, "192.168.0.1"},
		"only IPv6 meets":  {[]string{"10.0.0.1", "2001:db8::1"}, []string{"192.168.0.9", "2001:db8::9"}, "10.0.0.1"},
		"third meets":      {[]string{"192.168.0.1", "192.168.0.2", "10.0.0.3"}, []string{"10.0.0.9"}, ""},
	} {
		for _, peer := range []string{"session", "pion"} {
			for _, calls := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/calls %t", name, peer, calls), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := newLAN()
						n.pass = apart
						door := n.host(tc.one...)
						if tc.route != "" {
							door.route = netip.MustParseAddr(tc.route)
						}
						s := testSession(t, lanFactory(t, door))
						far := n.host(tc.other...)
						begun := time.Now()
						switch {
						case peer == "session" && calls:
							connect(t, s, testSession(t, lanFactory(t, far)))
						case peer == "session":
							connect(t, testSession(t, lanFactory(t, far)), s)
						case calls:
							p := newServer(t, webrtc.MimeTypeOpus, far)
							offer, err := s.Offer()
							must(t, err)
							must(t, s.Accept(p.answer(offer)))
							awaitState(t, s, phone.MediaConnected)
							p.connected()
						default:
							p := newServer(t, webrtc.MimeTypeOpus, far)
							answer, err := s.Answer(p.offer())
							must(t, err)
							p.accept(answer)
							awaitState(t, s, phone.MediaConnected)
							p.connected()
						}
						// pion's own peers wait a second for addresses that they were not told.
						if took := time.Since(begun); took > 1700*time.Millisecond {
							t.Errorf("connected after %v", took)
						}
					})
				})
			}
		}
	}
}

// The cable is pulled, another address is there: the call goes on.
func TestAddressGoesAndAnotherStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newLAN()
		door := n.host("10.0.0.1", "10.0.0.2")
		door.route = netip.MustParseAddr("10.0.0.1")
		a := testSession(t, lanFactory(t, door))
		b := testSession(t, lanFactory(t, n.host("10.0.0.8", "10.0.0.9")))
		connect(t, a, b)
		if !strings.HasPrefix(a.Stats().Pair, "10.0.0.1:") {
			t.Errorf("connected by %s", a.Stats().Pair)
		}
		n.cut("10.0.0.1")
		door.remove("10.0.0.1")
		awaitState(t, a, phone.MediaMoved)
		begun := time.Now()
		must(t, a.Restart())
		offer, err := a.Offer()
		must(t, err)
		answer, err := b.Answer(offer)
		must(t, err)
		must(t, a.Accept(answer))
		heard(t, a, b, 1)
		heard(t, b, a, 2)
		if took := time.Since(begun); took > 500*time.Millisecond || !strings.HasPrefix(a.Stats().Pair, "10.0.0.2:") {
			t.Errorf("talking after %v, by %s", took, a.Stats().Pair)
		}
	})
}
