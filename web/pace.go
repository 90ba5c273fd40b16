package web

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Paces: so many a second, and so many at once before. They keep a client that never stops
// asking from the processor, which calls need.
const (
	allPace, allBurst         = 300, 900 // of the network, and as much of this machine
	addrPace, addrBurst       = 50, 200  // of one address that is not this machine
	commandPace, commandBurst = 5, 30    // commands, of one address
	meetPace, meetBurst       = 50, 200  // connections, of one address of the network
	meetsPace, meetsBurst     = 150, 600 // of all
	paceAddrs                 = 1024     // that are told apart at a time
	paceForget                = time.Minute
)

// pace says no to those who ask too often; nil says no to nobody.
type pace struct {
	all, near *rate.Limiter // of the network, of this machine: neither takes from the other
	meets     *rate.Limiter

	mu     sync.Mutex
	addrs  map[netip.Addr]*pacing
	forgot time.Time // when the map was last gone through
}

type pacing struct {
	requests, commands, meets *rate.Limiter
	seen                      time.Time
}

func newPace() *pace {
	return &pace{all: rate.NewLimiter(allPace, allBurst), near: rate.NewLimiter(allPace, allBurst), meets: rate.NewLimiter(meetsPace, meetsBurst), addrs: make(map[netip.Addr]*pacing)}
}

// allow says whether a request of an address may be answered now.
func (p *pace) allow(r *http.Request, addr netip.Addr, now time.Time) bool {
	if p == nil {
		return true
	}
	// Its own pace first: what somebody may not ask takes nothing from what others may.
	of := p.of(addr, now)
	if of == nil {
		return false
	}
	if command(r) && !of.commands.AllowN(now, 1) {
		return false
	}
	if addr.IsLoopback() {
		return p.near.AllowN(now, 1)
	}
	return of.requests.AllowN(now, 1) && p.all.AllowN(now, 1)
}

// meet says whether another connection of an address of the network may be heard now.
func (p *pace) meet(addr netip.Addr, now time.Time) bool {
	if p == nil {
		return true
	}
	of := p.of(addr, now)
	return of != nil && of.meets.AllowN(now, 1) && p.meets.AllowN(now, 1)
}

// command says whether a request may change anything.
func command(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// of finds the paces of an address; nil if there are too many addresses to tell apart.
func (p *pace) of(addr netip.Addr, now time.Time) *pacing {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of, ok := p.addrs[addr]; ok {
		of.seen = now
		return of
	}
	if len(p.addrs) >= paceAddrs {
		if now.Sub(p.forgot) < time.Second {
			return nil
		}
		p.forgot = now
		for a, of := range p.addrs {
			if now.Sub(of.seen) >= paceForget {
				delete(p.addrs, a)
			}
		}
		if len(p.addrs) >= paceAddrs {
			return nil
		}
	}
	of := &pacing{requests: rate.NewLimiter(addrPace, addrBurst), commands: rate.NewLimiter(commandPace, commandBurst), meets: rate.NewLimiter(meetPace, meetBurst), seen: now}
	p.addrs[addr] = of
	return of
}
