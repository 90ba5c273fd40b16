package phone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"intercomd/beat"
	"intercomd/phone/ws"
	"intercomd/words"
)

// errReturn means that a better server is back.
var errReturn = errors.New("a server that comes first in the configuration is back")

// attach holds one connection to a server: connect, register, refresh. It returns
// when that is over, with the time since which it was registered (zero if never). Where
// returnIn is set, the server stands in for the first one, which is looked for so often.
func (u *UA) attach(ctx context.Context, s server, returnIn time.Duration) (since time.Time, err error) {
	u.step(Connecting, s)
	u.creds.use(s.url)
	try, cancel := u.oneTry(ctx)
	defer cancel()
	conn, err := ws.Dial(try, s.url, u.wsOptions())
	if err != nil {
		return since, err
	}
	target, others := conn.Target()
	if others {
		try, cancel = context.WithTimeout(ctx, tryTime)
		defer cancel()
		u.avoid = target // until it takes the registration
	}
	f := newFlow(conn, s, u.host, u.cfg.UserAgent, u, &u.trace, u.log)
	defer f.close()
	defer u.detach(f)
	defer func() {
		if ctx.Err() != nil {
			u.endCalls(f)
			u.goodbye(f)
		}
	}()
	u.step(Registering, s)
	var better <-chan time.Time // when to look whether the first server is back
	if returnIn > 0 {
		t := time.NewTicker(returnIn)
		defer t.Stop()
		better = t.C
	}
	k := keeper{u: u, f: f, expires: u.cfg.Expires}
	for {
		wait, err := k.keep(ctx, try)
		try = ctx // the others need not hurry
		if err != nil {
			return k.since, err
		}
		slept, err := u.hold(ctx, f, wait, better)
		if err != nil {
			return k.since, err
		}
		k.doubt = slept
	}
}

// oneTry bounds connecting and the first registration where another server waits.
func (u *UA) oneTry(ctx context.Context) (context.Context, context.CancelFunc) {
	if len(u.servers) == 1 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, tryTime)
}

// retrySoon tells a server's trouble from a refusal and from a dead connection.
func retrySoon(err error) bool {
	var reg *regError
	return errors.As(err, &reg) && !reg.refused()
}

// lookEvery is how often the phone looks whether the machine has slept.
const lookEvery = 2 * time.Second

// hold waits until the registration must be looked at (nil), the connection is
// lost, or the phone is to go. A machine that sleeps stops our timers and not the
// server's: after that it is refreshed at once, which also shows whether the
// connection is still there. Whoever only sets the clock causes one REGISTER too many.
func (u *UA) hold(ctx context.Context, f *flow, wait time.Duration, better <-chan time.Time) (slept bool, err error) {
	refresh, look := time.NewTimer(wait), time.NewTimer(beat.Until(time.Now(), lookEvery))
	defer refresh.Stop()
	defer look.Stop()
	looked, wall := time.Now(), u.cfg.wall().Round(0)
	for {
		select {
		case <-refresh.C:
			return false, nil
		case <-look.C:
			look.Reset(beat.Until(time.Now(), lookEvery))
			gone, passed := u.cfg.wall().Round(0).Sub(wall), time.Since(looked)
			looked, wall = looked.Add(passed), wall.Add(gone)
			if gone > passed && clockSet(gone, passed) {
				u.log.Info("the machine has slept, or its clock was set: registering again", "for", (gone - passed).Round(time.Second))
				return true, nil
			}
		case <-f.lost():
			return false, fmt.Errorf("connection to %s lost: %w", f.server.url, f.conn.Err())
		case <-better:
			if u.firstIsBack(ctx) {
				u.goodbye(f)
				return false, errReturn
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// firstIsBack tries the first server while no call is up.
func (u *UA) firstIsBack(ctx context.Context) bool {
	if u.callCount() > 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	conn, err := ws.Dial(ctx, u.servers[0].url, u.wsOptions())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return u.callCount() == 0
}

func (u *UA) wsOptions() ws.Options {
	return ws.Options{
		RootCAs: u.cfg.RootCAs, Pins: u.cfg.Pins, Now: u.cfg.now, UserAgent: u.cfg.UserAgent,
		NetDial: u.cfg.NetDial, Locate: u.cfg.Locate, Avoid: u.avoid, From: u.from(), Log: u.log,
	}
}

// from is where to connect from: while there are calls, the address and port at which the
// server knows them.
func (u *UA) from() netip.AddrPort {
	if u.callCount() == 0 {
		return netip.AddrPort{}
	}
	return u.home
}

// settleAt notes where the calls of a connection are known, unless there are older ones.
func (u *UA) settleAt(c *ws.Conn) {
	if tcp, ok := c.LocalAddr().(*net.TCPAddr); ok && (!u.home.IsValid() || u.callCount() == 0) {
		u.home = tcp.AddrPort()
	}
}

// goodbye takes the registration back. Some servers never answer it.
func (u *UA) goodbye(f *flow) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	if _, err := u.register(ctx, f, 0); err != nil {
		u.log.Debug("no answer to the last REGISTER", "err", err)
	}
}

// attached makes f the flow of all calls.
func (u *UA) attached(f *flow, r Registration) {
	fresh := u.flow.Swap(f) != f
	u.publish(r)
	if fresh {
		u.each(func(c *Call) { c.do(func() { c.onFlow(f) }) })
	}
}

// detach takes f away from the calls, if it was theirs.
func (u *UA) detach(f *flow) {
	if u.flow.CompareAndSwap(f, nil) {
		u.each(func(c *Call) { c.do(c.onFlowLost) })
	}
}

func (u *UA) fail(s server, err error, wait time.Duration) {
	r := Registration{State: FailedRetrying, Server: s.url, Err: err, Retry: time.Now().Add(wait)}
	if refused(err) {
		r.State = RefusedRetrying
	}
	var (
		dial *ws.DialError
		reg  *regError
	)
	switch {
	case errors.As(err, &dial):
		r.Problem = dial.Message()
		if dial.Answered() && dial.Absent() {
			u.each(func(c *Call) { c.do(c.onServerGone) })
		}
	case errors.As(err, &reg):
		r.Problem = reg.message()
	default:
		r.Problem = words.New("registration-lost", "detail", err.Error())
	}
	u.publish(r)
}

// step tells how far a try is. After a failure it is not told: the fault, and what to
// do about it, stays in sight until a try succeeds.
func (u *UA) step(st State, s server) {
	if !u.Registration().State.failed() {
		u.publish(Registration{State: st, Server: s.url})
	}
}

// publish tells a change, and logs it unless it is the same trouble as before.
func (u *UA) publish(r Registration) {
	r.User = u.cfg.User
	if s := u.servers[0]; s.domain != "" {
		r.User += "@" + s.domain
	}
	if r.Since.IsZero() {
		r.Since = time.Now()
		if before := u.reg.Load(); r.State.failed() && before.State.failed() {
			r.Since = before.Since
		}
	}
	before := u.reg.Swap(&r)
	u.logRegistration(*before, r)
	u.cfg.Owner.Registered(r)
}

// faultText is equal for equal trouble. The text of a failed dial may hold a port of
// ours, which changes from try to try.
func faultText(err error) string {
	var dial *ws.DialError
	if errors.As(err, &dial) && dial.Cause != ws.Other {
		return string(dial.Cause)
	}
	return fmt.Sprint(err)
}

func (u *UA) logRegistration(before, r Registration) {
	attrs := []any{"state", string(r.State), "server", r.Server, "user", r.User}
	switch {
	case r.Err != nil:
		fault := string(r.State) + r.Server + faultText(r.Err)
		if fault == u.fault && time.Since(u.faultAt) < sameFault {
			return
		}
		u.fault, u.faultAt = fault, time.Now()
		u.log.Warn("registration", append(attrs, "error", r.Err, "remedy", r.Problem.Remedy(), "retry_in", time.Until(r.Retry).Round(time.Second))...)
	case r.State == Registered:
		if before.State == Registered && before.Err == nil {
			u.log.Debug("registration refreshed", "expires_in", time.Until(r.Expires).Round(time.Second))
			return
		}
		u.fault = ""
		u.log.Info("registration", append(attrs, "expires_in", time.Until(r.Expires).Round(time.Second))...)
		if r.Others > 0 {
			u.log.Warn("other devices are registered as the same user", "user", r.User, "others", r.Others)
		}
	default:
		u.log.Debug("registration", attrs...)
	}
}
