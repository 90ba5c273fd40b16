package phone

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"intercomd/phone/ws"
)

const (
	hangUpTime  = 3 * time.Second        // for the BYEs of all calls when the phone is switched off
	goodbyeTime = 300 * time.Millisecond // for the answer to the last REGISTER
)

// UA is a SIP user agent with one user at one server. Its methods may be called
// from any goroutine.
type UA struct {
	cfg     Config
	servers []server
	log     *slog.Logger
	creds   *credentials
	trace   sipTrace
	host    string // our made-up host name

	// Owned by Run: the REGISTER requests, and the trouble that was logged last.
	regCallID, regTag string
	regSeq            uint32
	fault             string
	faultAt           time.Time
	mute              map[string]bool // servers (URL) that do not say who is registered
	home              netip.AddrPort  // where the server knows our calls, see from
	avoid             string          // machine of a server that took a connection and no registration

	reg  atomic.Pointer[Registration]
	flow atomic.Pointer[flow] // while registered

	hurried atomic.Int64  // until when somebody waits for a registration; Unix nanoseconds
	hurry   chan struct{} // somebody has begun to wait

	wg    sync.WaitGroup // calls and their helpers
	mu    sync.Mutex
	calls map[callKey]*Call
	down  bool // no more calls
}

type callKey struct{ callID, localTag string }

// New checks a configuration and makes the user agent for it. Nothing happens
// before [UA.Run].
func New(cfg Config) (*UA, error) {
	servers, err := cfg.check()
	if err != nil {
		return nil, err
	}
	u := &UA{
		cfg: cfg, servers: servers, log: cfg.Log,
		creds: newCredentials(cfg.AuthUser, cfg.Password),
		host:  randomHex(6) + ".invalid", regCallID: randomHex(12), regTag: randomHex(6),
		hurry: make(chan struct{}, 1),
		calls: map[callKey]*Call{}, mute: map[string]bool{},
	}
	u.trace.off = cfg.Untraced
	u.reg.Store(&Registration{State: Offline})
	return u, nil
}

// Registration is how the phone stands with its server now.
func (u *UA) Registration() Registration { return *u.reg.Load() }

// Trace returns the SIP messages of the last calls and the last of those outside of
// calls, oldest first, without secrets.
func (u *UA) Trace() []Message { return u.trace.all() }

// TraceOf returns the messages of one of the last calls by its Call-ID, nil if it is
// not known any more.
func (u *UA) TraceOf(callID string) []Message { return u.trace.of(callID) }

// Run connects, registers and keeps both up until ctx ends. Then it hangs up all
// calls (3 s at the most), takes the registration back without waiting longer
// than 300 ms for an answer, and returns when every goroutine of the phone has
// ended. It can be called once.
func (u *UA) Run(ctx context.Context) error {
	defer u.wg.Wait()
	var (
		pace  = pacer{spread: u.cfg.ReconnectSpread}
		order = newFailover(len(u.servers))
	)
	if u.cfg.Together && pace.spread > 0 {
		u.step(Connecting, u.servers[order.at])
		u.rest(ctx, pace.first(), nil)
	}
	for ctx.Err() == nil {
		s, began, avoided := u.servers[order.at], time.Now(), u.avoid
		since, err := u.attach(ctx, s, order.returnIn(began))
		if ctx.Err() != nil {
			break
		}
		again, wait := false, time.Duration(0)
		wasUp := !since.IsZero() && time.Since(since) >= steady
		switch {
		case errors.Is(err, errReturn):
			order.back()
			continue
		case errors.Is(err, ws.ErrMoved):
			again = true // nothing is wrong with the server
		case avoided == "" && u.avoid != "":
			again = true // another machine of the same server
		case wasUp:
			pace = pacer{spread: u.cfg.ReconnectSpread}
			order.up()
			again = len(u.servers) > 1 // the same once more, and then the others
		}
		if !since.IsZero() {
			pace.fall()
		}
		stay := !since.IsZero() && u.callCount() > 0 // where the calls are, as long as it takes us back
		if refused(err) {
			order.bar(time.Now().Add(refusedWait + rand.N(30*time.Second))) //nolint:gosec // spreads load, no secret
			again = false
		}
		if !again {
			var until time.Time
			if !stay {
				again, until = order.next(time.Now())
			}
			if !until.IsZero() {
				wait = time.Until(until)
			} else if !again {
				wait = pace.next(err, time.Since(began), u.urgent())
			}
		}
		if again && !u.urgent() {
			wait = pace.before(err)
		}
		u.fail(s, err, wait)
		if !again || wait > 0 {
			u.rest(ctx, wait, err)
		}
	}
	u.endCalls(nil)
	u.publish(Registration{State: Offline})
	return nil
}

// clockFault reports whether an error may come from a clock that is wrong.
func clockFault(err error) bool {
	var dial *ws.DialError
	return errors.As(err, &dial) && (dial.Cause == ws.NotYetValid || dial.Cause == ws.Expired)
}

// rest waits for d before the next try, less if somebody begins to wait for a
// registration or, where that is hoped for, has set the clock. A server that refused us
// is left alone whoever waits.
func (u *UA) rest(ctx context.Context, d time.Duration, err error) {
	began, limit := time.Now(), time.NewTimer(d)
	defer limit.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	hurry := u.hurry
	if refused(err) {
		hurry = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			return
		case <-hurry:
			return
		case <-tick.C:
			if now := time.Now(); clockFault(err) && clockSet(now.Round(0).Sub(began.Round(0)), now.Sub(began)) {
				return
			}
		}
	}
}

// Hurry says that somebody waits for a registration, for so long. The next try begins at
// once, and those that follow come without long pauses; so they do while there is a call.
// A server that has refused this user is left alone all the same.
func (u *UA) Hurry(d time.Duration) {
	u.hurried.Store(time.Now().Add(d).UnixNano())
	u.wake()
}

func (u *UA) wake() {
	select {
	case u.hurry <- struct{}{}:
	default:
	}
}

// urgent reports whether somebody waits for a registration, or talks without one.
func (u *UA) urgent() bool {
	return u.callCount() > 0 || time.Now().UnixNano() < u.hurried.Load()
}

// clockSet compares how far the wall clock went with how much time passed.
func clockSet(wall, passed time.Duration) bool { return (wall - passed).Abs() > 5*time.Second }

func (u *UA) contactURI(f *flow) string {
	return u.cfg.aor(f.host) + ";transport=ws"
}

// contact is our address in calls. "ob" asks a server that has outbound to send requests
// within the call over this flow, or the one that follows it (RFC 5626, 4.3).
func (u *UA) contact(f *flow) string {
	if f.outbound.Load() {
		return "<" + u.contactURI(f) + ";ob>"
	}
	return "<" + u.contactURI(f) + ">"
}

// Dial calls a target: "1001", "1001@host" or a SIP URI, and lets l hear what becomes of it. It
// returns at once; whatever goes wrong is told by the call's Ended event, perhaps before.
func (u *UA) Dial(target string, l Listener) *Call {
	c := newCall(u, randomHex(12), false)
	c.listener = l
	uri, err := parseTarget(target, u.servers[0].domain)
	c.remote = partyOfURI(uri)
	if err != nil {
		c.remote = Party{URI: oneLine(target), User: oneLine(target)}
	}
	if !u.adopt(c) {
		c.abort(Ending{Cause: Shutdown, Reason: "the phone is being switched off", Local: true})
		return c
	}
	c.do(func() { c.dial(uri, err) })
	return c
}

// adopt puts a call into the table and starts its goroutine.
func (u *UA) adopt(c *Call) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.down {
		return false
	}
	u.calls[callKey{c.id, c.localTag}] = c
	u.wg.Go(c.loop)
	return true
}

func (u *UA) release(c *Call) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.calls, callKey{c.id, c.localTag})
}

func (u *UA) find(callID, localTag string) *Call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls[callKey{callID, localTag}]
}

func (u *UA) callCount() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.calls)
}

func (u *UA) each(f func(*Call)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range u.calls {
		f(c)
	}
}

// endCalls hangs up and waits for the goroutines of all calls, 3 s at the most;
// without a flow there is nothing to wait for.
func (u *UA) endCalls(f *flow) {
	u.mu.Lock()
	u.down = true
	u.mu.Unlock()
	u.each(func(c *Call) { c.do(func() { c.end(Ending{Cause: Shutdown, Local: true}) }) })
	done := make(chan struct{})
	go func() { u.wg.Wait(); close(done) }()
	if f != nil {
		limit := time.NewTimer(hangUpTime)
		defer limit.Stop()
		select {
		case <-done:
		case <-limit.C:
		case <-f.lost():
		}
	}
	u.each(func(c *Call) { c.do(c.die) })
	<-done
}
