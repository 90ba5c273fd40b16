package phone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"intercomd/phone/digest"
	"intercomd/phone/ws"
	"intercomd/words"
)

// State says how far a registration is.
type State string

// The states of a registration.
const (
	Connecting  State = "connecting"
	Registering State = "registering"
	Registered  State = "registered"
	// FailedRetrying is told when a try has failed, and stays until one succeeds; Retry
	// says when the next one is.
	FailedRetrying State = "failed"
	// RefusedRetrying is told when the server does not want this user: the next try
	// is minutes away, because hammering helps nobody.
	RefusedRetrying State = "refused"
	// Offline is told when the phone is switched off.
	Offline State = "offline"
)

// failed reports whether tries fail.
func (s State) failed() bool { return s == FailedRetrying || s == RefusedRetrying }

// Registration is how the phone stands with its server.
type Registration struct {
	State  State
	Server string // URL
	User   string // address of record, "1000@pbx.example.com"
	// Since is when this state began. A registration that is refreshed goes on, and so
	// does a failure through all the tries that follow it.
	Since   time.Time
	Expires time.Time     // of Registered: when it ends unless refreshed
	Retry   time.Time     // of failed and refused: when the next try begins
	RTT     time.Duration // to the server, as last measured
	Others  int           // other devices registered as the same user, as far as the server tells
	Err     error         // why it failed; of Registered: why calls may not arrive
	Problem words.Message // the same in a code, for people
}

const (
	registerTimeout = 10 * time.Second
	refusedWait     = 5 * time.Minute
	backoffMin      = time.Second
	backoffMax      = 30 * time.Second
	absentEvery     = 2500 * time.Millisecond // from try to try where there is no server, which bothers nobody
	absentWait      = 300 * time.Millisecond  // and between the end of one and the next
	brokenMax       = 4 * time.Second         // at a server that takes us and drops us again
	brokenFew       = 6                       // so many times in a row
	urgentEvery     = 400 * time.Millisecond  // from try to try while somebody waits
	urgentMax       = 2 * time.Second         // the same at a server that is there and does not take us
	sameFault       = 10 * time.Minute        // before the same trouble is logged again
	steady          = 30 * time.Second        // a registration that lived so long ends the backoff
	retryAfterMax   = 5 * time.Minute
	returnEvery     = time.Minute
	tryTime         = 4 * time.Second // to connect and register, where another server waits
	whoMax          = 100             // bytes that are told of another device's contact
	takenWait       = time.Minute     // before we take the registration back from another device
)

// binding is what a server says about the registration (RFC 3261, 10.3).
type binding struct {
	granted time.Duration
	ours    bool   // our contact is listed
	others  int    // contacts of other devices
	who     string // one of these

	outbound bool          // the server knows RFC 5626
	alive    time.Duration // Flow-Timer: it gives a flow up that is silent for longer
}

// statusLacksOutbound is "First Hop Lacks Outbound Support" (RFC 5626, 11.6); sipgo has no
// name for it.
const statusLacksOutbound = 439

// regError is a registration that the server did not accept.
type regError struct {
	status int
	phrase string
	after  time.Duration // Retry-After
	err    error
}

func (e *regError) Error() string {
	s := "the server did not accept the registration"
	if e.status != 0 {
		s += fmt.Sprintf(": %d %s", e.status, oneLine(e.phrase))
	}
	if e.err != nil {
		s += ": " + e.err.Error()
	}
	return s
}

func (e *regError) Unwrap() error { return e.err }

// refused reports whether trying again soon is useless.
func (e *regError) refused() bool {
	switch e.status {
	case 401, 403, 404, 405, 407, 410, 604:
		return true
	default:
		return errors.Is(e.err, digest.ErrDowngrade)
	}
}

// refused reports whether a registration failed in a way that lasts.
func refused(err error) bool {
	var reg *regError
	return errors.As(err, &reg) && reg.refused()
}

// message is the refusal in a code: package words has the sentence, and what to do about it.
func (e *regError) message() words.Message {
	more := ""
	switch {
	case errors.Is(e.err, digest.ErrDowngrade):
		more = "-downgrade"
	case errors.Is(e.err, digest.ErrNoChallenge):
		more = "-challenge"
	default:
		switch e.status {
		case 401, 403, 407:
			more = "-account"
		case 404, 410, 604:
			more = "-unknown"
		case 405:
			more = "-method"
		case 503:
			more = "-busy"
		}
	}
	status, detail := "", ""
	if e.status != 0 {
		status = strconv.Itoa(e.status)
	}
	if e.err != nil {
		detail = e.err.Error()
	}
	return words.New("registration-refused"+more, "status", status, "phrase", oneLine(e.phrase), "detail", detail)
}

// pacer decides how long to wait before the next try.
type pacer struct {
	spread time.Duration // over how long the phones of a site come back, see [Config.ReconnectSpread]

	fails  int
	lost   time.Time // when what is tried to mend began, as far as this phone saw it
	fell   bool      // there was a registration, and no wait since it was lost
	placed bool      // it has its place within the spread
	denied int       // tries in a row at a server that was there and did not take us
}

// next is the wait after a try that took so long and failed. Only where a server is there
// and does not take us do the pauses grow: one that comes back must not wait for a pause
// of half a minute, and neither must a person. urgent says that somebody waits.
//
// All pauses are spread widely, for when a server comes back all doors of a town have lost
// it in the same moment (docs/decisions/reconnecting.md). A site with many of them spreads
// them wider (docs/decisions/reconnect-spread.md).
func (p *pacer) next(err error, took time.Duration, urgent bool) time.Duration {
	p.mark(err, took)
	d := p.alone(err, took, urgent)
	if p.spread == 0 || urgent {
		return d
	}
	return p.among(err, took, d)
}

// kind tells apart what failed: nothing could be connected to, a server did not take us, or a
// connection broke that had worked.
func kind(err error) (dial *ws.DialError, reg *regError, broke bool) {
	isDial, isReg := errors.As(err, &dial), errors.As(err, &reg)
	return dial, reg, !isDial && !isReg && !errors.Is(err, errTimeout)
}

// mark notes since when something is wrong.
func (p *pacer) mark(err error, took time.Duration) {
	if _, _, broke := kind(err); broke {
		p.lost = time.Now()
	} else if p.lost.IsZero() {
		p.lost = time.Now().Add(-took)
	}
}

// alone is the wait of a phone that need not think of others.
func (p *pacer) alone(err error, took time.Duration, urgent bool) time.Duration {
	dial, reg, broke := kind(err)
	first := p.fails == 0
	switch {
	case dial != nil && dial.Absent() && urgent:
		return jitter(max(urgentEvery-took, absentWait))
	case dial != nil && dial.Absent():
		return max(jitter(absentWait), absentEvery-took-rand.N(absentEvery/2)) //nolint:gosec // spreads load, no secret
	}
	p.fails++
	d := min(backoffMin<<min(p.fails-1, 10), backoffMax)
	switch {
	case urgent && broke:
		if first {
			return 0
		}
		return jitter(urgentEvery)
	case urgent:
		d = min(d, urgentMax)
	case broke && first:
		return rand.N(backoffMin) //nolint:gosec // spreads load, no secret
	case broke && p.fails <= brokenFew:
		d = min(d, brokenMax)
	}
	if reg != nil {
		d = max(d, min(reg.after, retryAfterMax))
	}
	return jitter(d)
}

// among is the wait of one phone of many, which would have waited for d alone: first some part
// of the spread, by chance, and then all of it from try to try, so that whenever a server
// returns, just as many come in each second.
func (p *pacer) among(err error, took, d time.Duration) time.Duration {
	window := p.window(err)
	switch {
	case errors.Is(err, ws.ErrSilent):
		return d // whether it is more than a path that was forgotten, the next try tells
	case window < p.spread:
		return max(window/2+rand.N(window/2)-took, jitter(absentWait)) //nolint:gosec // spreads load, no secret
	case d > window:
		return d // who is told to stay away for longer does
	case !p.placed:
		p.placed, p.fell = true, false
		return rand.N(window) //nolint:gosec // spreads load, no secret
	}
	if dial, _, broke := kind(err); broke || dial != nil && dial.Absent() {
		p.denied = 0
		return max(window-took, absentWait)
	}
	// One try that a server in its first moments had no time for shall not cost all of the spread.
	p.denied++
	window >>= max(3-p.denied, 0)
	return max(d, window/4+rand.N(window-window/4)) //nolint:gosec // spreads load, no secret
}

// window is over how long phones that failed like this one come back. What only this one may
// have lost is looked for sooner, by how long it is gone: a wireless network that blinked costs
// as long again at the most.
func (p *pacer) window(err error) time.Duration {
	if dial, _, _ := kind(err); dial != nil && !dial.Answered() {
		return min(max(time.Since(p.lost), absentEvery), p.spread)
	}
	return p.spread
}

// fall notes that there was a registration, and that it is lost.
func (p *pacer) fall() { p.fell, p.placed = true, false }

// first is the wait before the first try of a phone that starts together with others.
func (p *pacer) first() time.Duration {
	p.placed = true
	return rand.N(p.spread) //nolint:gosec // spreads load, no secret
}

// before is the wait before a try that need not wait for any pause, such as at another server:
// the other phones that were registered here turn there in the same moment.
func (p *pacer) before(err error) time.Duration {
	if p.spread == 0 || !p.fell || errors.Is(err, ws.ErrMoved) || errors.Is(err, ws.ErrSilent) {
		return 0
	}
	window := p.window(err)
	if window == p.spread {
		p.placed, p.fell = true, false
	}
	return rand.N(window) //nolint:gosec // spreads load, no secret
}

func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1) //nolint:gosec // spreads load, no secret
}

// refreshIn is when to refresh a registration: well before it ends, and not all
// devices of a house in the same second.
func refreshIn(granted time.Duration) time.Duration {
	d := granted*7/10 + rand.N(granted/10+1) //nolint:gosec // spreads load, no secret
	return max(d, time.Second)
}

// register sends REGISTER and returns what the server granted. expires 0 takes
// the registration back.
func (u *UA) register(ctx context.Context, f *flow, expires time.Duration) (binding, error) {
	for range 3 {
		res, err := u.exchange(ctx, f, func() *sip.Request { return u.registerRequest(f, expires) })
		if err != nil {
			return binding{}, err
		}
		if res.IsSuccess() {
			f.useServiceRoute(res)
			return u.granted(f, res, expires), nil
		}
		if res.StatusCode == statusLacksOutbound && !f.plain {
			f.plain = true
			continue
		}
		least, ok := seconds(res, "min-expires")
		if res.StatusCode != sip.StatusIntervalToBrief || !ok || time.Duration(least)*time.Second <= expires {
			e := &regError{status: res.StatusCode, phrase: phraseOf(res)}
			if s, ok := seconds(res, "retry-after"); ok {
				e.after = time.Duration(s) * time.Second
			}
			return binding{}, e
		}
		expires = time.Duration(least) * time.Second
	}
	return binding{}, &regError{status: 423, phrase: "Interval Too Brief"}
}

// registerFrame is what all our REGISTERs have in common.
func (u *UA) registerFrame(f *flow) *sip.Request {
	u.regSeq++
	aor := u.cfg.aor(f.server.domain)
	var uri sip.Uri
	_ = sip.ParseUri("sip:"+f.server.domain, &uri) // checked when the configuration was
	return f.newRequest(sip.REGISTER, uri, nameAddr(u.cfg.DisplayName, aor)+";tag="+u.regTag, "<"+aor+">", u.regCallID, u.regSeq)
}

func (u *UA) registerRequest(f *flow, expires time.Duration) *sip.Request {
	req := u.registerFrame(f)
	secs := strconv.Itoa(int(expires / time.Second))
	flow, knows := ";reg-id=1", "path, outbound"
	if f.plain {
		flow, knows = "", "path"
	}
	add(req, "Contact", fmt.Sprintf(`<%s>;expires=%s%s;+sip.instance="<%s>"`, u.contactURI(f), secs, flow, u.cfg.InstanceID))
	add(req, "Expires", secs)
	add(req, "Supported", knows)
	add(req, "Allow", allow)
	req.SetBody(nil)
	return req
}

// granted reads the expiry of our contact out of a 200 and counts the others.
func (u *UA) granted(f *flow, res *sip.Response, asked time.Duration) binding {
	b := binding{granted: asked, outbound: hasToken(res, "outbound", "require")}
	if s, ok := seconds(res, "flow-timer"); ok {
		b.alive = time.Duration(s) * time.Second
	}
	if s, ok := seconds(res, "expires"); ok {
		b.granted = time.Duration(s) * time.Second
	}
	for _, c := range addresses(res, "contact", "m") {
		if uri, err := parseURI(c.uri); err != nil || !strings.EqualFold(uri.Host, f.host) {
			inst, _ := c.param("+sip.instance")
			if !strings.Contains(inst, u.cfg.InstanceID) { // else it is ours, from an earlier start
				b.others++
				b.who = oneLine(c.uri)
				b.who = b.who[:min(len(b.who), whoMax)]
			}
			continue
		}
		b.ours = true
		if v, ok := c.param("expires"); ok {
			if s, err := strconv.Atoi(v); err == nil && s >= 0 {
				b.granted = time.Duration(s) * time.Second
			}
		}
	}
	return b
}

// exchange sends a request outside of any call and waits for its final answer.
// Challenges are answered; build is called for each try.
func (u *UA) exchange(ctx context.Context, f *flow, build func() *sip.Request) (*sip.Response, error) {
	var try authTry
	for {
		req := build()
		u.creds.sign(req, &try, true)
		res, err := f.roundTrip(ctx, req)
		if err != nil {
			return nil, err
		}
		switch res.StatusCode {
		case sip.StatusUnauthorized, sip.StatusForbidden, sip.StatusProxyAuthRequired:
			if err := u.creds.retry(req.Method, res, &try); err != nil {
				return nil, &regError{status: res.StatusCode, phrase: phraseOf(res), err: authFault(res, err)}
			}
		default:
			return res, nil
		}
	}
}

// phraseOf is the phrase of a refusal and what the server added to it.
func phraseOf(res *sip.Response) string {
	if more := cmp.Or(reasonsOf(res).text, warning(res)); more != "" && more != res.Reason {
		return res.Reason + " (" + more + ")"
	}
	return res.Reason
}

// authFault leaves out what only repeats the status line.
func authFault(res *sip.Response, err error) error {
	if res.StatusCode == sip.StatusForbidden {
		return nil
	}
	return err
}

// roundTrip sends a request and waits for its final response.
func (f *flow) roundTrip(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	type answer struct {
		res *sip.Response
		err error
	}
	final := make(chan answer, 1)
	cancel, err := f.start(req, func(res *sip.Response, err error) {
		if err != nil || !res.IsProvisional() {
			final <- answer{res, err}
		}
	})
	if err != nil {
		return nil, err
	}
	defer cancel()
	select {
	case a := <-final:
		return a.res, a.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, errTimeout
		}
		return nil, ctx.Err()
	}
}
