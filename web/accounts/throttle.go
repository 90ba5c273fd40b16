package accounts

import (
	"net/netip"
	"time"
)

// Failures cost time: the first few nothing, then twice as long each.
const (
	freeFailures = 5
	firstDelay   = 5 * time.Second
	longestDelay = 5 * time.Minute
	localDelay   = 20 * time.Second // at most, at the machine itself: nobody is locked out there
	forgetAfter  = time.Hour
	maxFailures  = 1024 // names and addresses that are remembered
	knownAddrs   = 16   // of an account
)

// throttle remembers who failed. An address from which somebody has signed in before does not
// suffer from failures that others have with the name, so that nobody can be kept out by them.
type throttle struct {
	names map[string]*failures
	addrs map[netip.Addr]*failures
	known map[string][]netip.Addr
}

type failures struct {
	n    int
	last time.Time
}

func newThrottle() throttle {
	return throttle{names: map[string]*failures{}, addrs: map[netip.Addr]*failures{}, known: map[string][]netip.Addr{}}
}

func (f *failures) wait(now time.Time, most time.Duration) time.Duration {
	if f == nil || f.n < freeFailures || now.Sub(f.last) >= forgetAfter {
		return 0
	}
	d := most
	if n := f.n - freeFailures; n < 16 {
		d = min(most, firstDelay<<n)
	}
	return f.last.Add(d).Sub(now)
}

// wait is how long nothing is tried.
func (t *throttle) wait(name string, from netip.Addr, now time.Time) time.Duration {
	if from.IsLoopback() {
		return t.addrs[from].wait(now, localDelay)
	}
	d := t.addrs[from].wait(now, longestDelay)
	for _, a := range t.known[name] {
		if a == from {
			return d
		}
	}
	return max(d, t.names[name].wait(now, longestDelay))
}

func (t *throttle) failed(name string, from netip.Addr, now time.Time) {
	note(t.addrs, from, now)
	if !from.IsLoopback() {
		note(t.names, name, now)
	}
}

func note[K comparable](m map[K]*failures, k K, now time.Time) {
	f := m[k]
	if f == nil {
		if len(m) >= maxFailures {
			forget(m, now)
		}
		f = &failures{}
		m[k] = f
	}
	if now.Sub(f.last) >= forgetAfter {
		f.n = 0
	}
	f.n, f.last = f.n+1, now
}

// forget makes room: what is over, else whatever failed longest ago.
func forget[K comparable](m map[K]*failures, now time.Time) {
	var oldest K
	var at time.Time
	for k, f := range m {
		if now.Sub(f.last) >= forgetAfter {
			delete(m, k)
		} else if at.IsZero() || f.last.Before(at) {
			oldest, at = k, f.last
		}
	}
	if len(m) >= maxFailures {
		delete(m, oldest)
	}
}

func (t *throttle) worked(name string, from netip.Addr) {
	delete(t.addrs, from)
	delete(t.names, name)
	for _, a := range t.known[name] {
		if a == from {
			return
		}
	}
	t.known[name] = append(t.known[name], from)
	if n := len(t.known[name]); n > knownAddrs {
		t.known[name] = t.known[name][n-knownAddrs:]
	}
}
