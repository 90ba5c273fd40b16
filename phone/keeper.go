package phone

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/emiago/sipgo/sip"

	"intercomd/words"
)

// WhenTaken says what to do when another device has taken the place of this one: most
// servers that keep one contact a user give it to whoever registered last.
type WhenTaken int

// What to do then.
const (
	TakeBack WhenTaken = iota // register again, as often as once a minute
	Yield                     // leave it to the other device until that goes
)

const (
	checkEvery = time.Minute      // from look to look whether the server still has us; up to checkMore later
	checkMore  = 15 * time.Second // so that not all doors look at once
	takenShown = 3 * time.Minute  // how long it is told that the registration had been taken
	absentMost = 2                // looks in a row that find nobody are believed
)

// keeper keeps one registration up on one connection. A registration can vanish without a
// word: an administrator flushes it, or another device takes its place. So the server is
// asked once a minute what it knows, by a REGISTER without Contact (RFC 3261, 10.2.3); one
// that does not answer that, as FreeSWITCH does not, is registered with anew, which mends
// what may have happened (docs/decisions/registration-lost.md). It belongs to UA.Run.
type keeper struct {
	u       *UA
	f       *flow
	expires time.Duration // to ask for

	since  time.Time // when it was first registered; zero: not yet
	until  time.Time // when the registration ends
	renew  time.Time // when it is refreshed
	listed bool      // the server names our contact as we wrote it
	absent int       // looks in a row that found nobody registered
	doubt  bool      // it may be gone: do not ask, register
	others int       // contacts of other devices
	taken  time.Time // when it was last found taken
	by     string    // by whom
	yields bool      // it is left to them
}

// keep registers, or looks whether that is needed. It returns when to do so again. Of ctx
// and try the latter bounds the first registration.
func (k *keeper) keep(ctx, try context.Context) (wait time.Duration, err error) {
	soon := k.doubt || !time.Now().Before(k.renew)
	if k.listed && (k.yields || !soon) && !k.u.mute[k.f.server.url] {
		settled, err := k.look(ctx)
		if err != nil || settled {
			return checkIn(), err
		}
	}
	return k.register(ctx, try)
}

// checkIn is when to look again.
func checkIn() time.Duration {
	return checkEvery + rand.N(checkMore) //nolint:gosec // spreads load, no secret
}

// look asks the server for the contacts of the user. It returns false if it is time to
// register.
func (k *keeper) look(ctx context.Context) (settled bool, err error) {
	u := k.u
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	res, err := u.exchange(ctx, k.f, func() *sip.Request { return u.fetchRequest(k.f) })
	switch {
	case errors.Is(err, errFlowLost), errors.Is(err, context.Canceled):
		return false, err
	case errors.Is(err, errTimeout):
		return false, nil // which shows whether it answers anything
	case err != nil || !res.IsSuccess():
		u.log.Debug("the server does not say who is registered; refreshing more often instead", "err", err)
		u.mute[k.f.server.url] = true
		return false, nil
	}
	b := u.granted(k.f, res, 0)
	switch {
	case b.ours:
		k.others, k.yields, k.absent = b.others, false, 0
		k.tell()
		return true, nil
	case b.others == 0 && k.yields:
		u.log.Info("the device that had taken the registration is gone; registering again")
		k.taken = time.Time{}
		return false, nil
	case b.others == 0 && k.absent >= absentMost:
		u.log.Info("the server accepts registrations but lists none when asked; refreshing more often instead")
		u.mute[k.f.server.url] = true
		return false, nil
	case b.others == 0:
		k.absent++
		u.log.Warn("the server dropped the registration without notice; registering again")
		return false, nil
	}
	k.isTaken(b)
	if k.yields = u.cfg.WhenTaken == Yield; k.yields {
		k.tell()
	}
	return k.yields, nil
}

func (k *keeper) isTaken(b binding) { k.taken, k.by, k.others = time.Now(), b.who, b.others }

// register registers, or refreshes that.
func (k *keeper) register(ctx, try context.Context) (wait time.Duration, err error) {
	u := k.u
	regCtx, cancel := context.WithTimeout(try, registerTimeout)
	defer cancel()
	b, err := u.register(regCtx, k.f, k.expires)
	now := time.Now()
	switch {
	case err == nil && b.granted <= 0:
		return 0, &regError{phrase: "registered for no time", status: 200}
	case err == nil:
	case ctx.Err() == nil && retrySoon(err) && time.Until(k.until) > registerTimeout:
		wait = jitter(registerTimeout / 2)
		u.log.Warn("registration refresh failed; trying again", "err", err, "in", wait.Round(time.Second))
		return wait, nil
	default:
		return 0, err
	}
	u.avoid, k.yields = "", false
	refresh := refreshIn(b.granted)
	k.expires, k.until, k.renew = max(k.expires, b.granted), now.Add(b.granted), now.Add(refresh)
	if k.since.IsZero() {
		k.since = now
	}
	k.f.outbound.Store(b.outbound)
	if b.alive > 0 {
		k.f.conn.PingWithin(b.alive / 2) // RFC 5626, 4.4 asks for 80 % of it; PINGs are only so exact
	}
	wait = min(refresh, checkIn())
	switch {
	case b.ours:
		k.listed, k.others = true, b.others
	case k.listed && b.others > 0: // accepted, and given to somebody else
		k.isTaken(b)
		k.until, wait = time.Time{}, takenWait
	default: // it rewrites contacts: one of them is ours
		k.others = max(0, b.others-1)
	}
	u.settleAt(k.f.conn)
	k.tell()
	return wait, nil
}

// tell publishes how the registration stands. Calls can be made in any case; those to the
// user arrive elsewhere while that is taken.
func (k *keeper) tell() {
	u := k.u
	r := Registration{State: Registered, Server: k.f.server.url, Since: k.since, Expires: k.until, RTT: k.f.rtt(), Others: k.others}
	if !k.taken.IsZero() && time.Since(k.taken) < takenShown {
		code := "registration-taken-back"
		if k.yields || k.until.IsZero() {
			code = "registration-taken"
			r.Retry, r.Expires = time.Now().Add(checkEvery), time.Time{}
		}
		r.Problem = words.New(code, "user", u.cfg.User, "by", k.by)
		r.Err = errors.New(r.Problem.String())
	}
	u.attached(k.f, r)
}

// fetchRequest asks for the contacts of the user and changes nothing (RFC 3261, 10.2.3).
func (u *UA) fetchRequest(f *flow) *sip.Request {
	req := u.registerFrame(f)
	req.SetBody(nil)
	return req
}
