package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"intercomd/phone/ws"
)

const (
	incomingLen = 8
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
	ladder  ladder
	host    string // our made-up host name

	// Owned by Run: the REGISTER requests, and the trouble that was logged last.
	regCallID, regTag string
	regSeq            uint32
	fault             string
	faultAt           time.Time

	incoming chan *Call
	texts    chan Text
	regs     chan Registration // the latest that nobody has read yet
	reg      atomic.Pointer[Registration]
	flow     atomic.Pointer[flow] // while registered

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
		incoming: make(chan *Call, incomingLen), regs: make(chan Registration, 1), texts: make(chan Text, textsLen),
		calls: map[callKey]*Call{},
	}
	u.reg.Store(&Registration{State: Offline})
	return u, nil
}

// Registrations tells every change of the registration. Who reads slowly sees the
// latest one only.
func (u *UA) Registrations() <-chan Registration { return u.regs }

// Registration is how the phone stands with its server now.
func (u *UA) Registration() Registration { return *u.reg.Load() }

// Incoming delivers calls to this phone. Each one rings at nobody until
// [Call.Ring], and must be answered or ended.
func (u *UA) Incoming() <-chan *Call { return u.incoming }

// Ladder returns the last SIP messages, oldest first, without secrets.
func (u *UA) Ladder() []Message { return u.ladder.all() }

// Run connects, registers and keeps both up until ctx ends. Then it hangs up all
// calls (3 s at the most), takes the registration back without waiting longer
// than 300 ms for an answer, and returns when every goroutine of the phone has
// ended. It can be called once.
func (u *UA) Run(ctx context.Context) error {
	defer u.wg.Wait()
	var (
		pace pacer
		at   int // index of the server to try
		gone int // servers in a row that failed
	)
	for ctx.Err() == nil {
		s, began := u.servers[at], time.Now()
		since, err := u.attach(ctx, s, at > 0)
		if ctx.Err() != nil {
			break
		}
		if !since.IsZero() { // it was up
			gone = 0
			if time.Since(since) >= steady {
				pace = pacer{}
			}
		}
		if errors.Is(err, errReturn) {
			at, gone = 0, 0
			continue
		}
		if since.IsZero() || len(u.servers) == 1 {
			gone++
			at = (at + 1) % len(u.servers)
		}
		if len(u.servers) > 1 && gone < len(u.servers) {
			u.fail(s, err, 0, false)
			continue
		}
		gone = 0
		wait, refused := pace.next(err, time.Since(began))
		u.fail(s, err, wait, refused)
		sleep(ctx, wait, clockFault(err))
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

// sleep waits for d, until ctx ends or, where that is hoped for, until somebody
// has set the clock.
func sleep(ctx context.Context, d time.Duration, clock bool) {
	began, limit := time.Now(), time.NewTimer(d)
	defer limit.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			return
		case <-tick.C:
			if now := time.Now(); clock && clockSet(now.Round(0).Sub(began.Round(0)), now.Sub(began)) {
				return
			}
		}
	}
}

// clockSet compares how far the wall clock went with how much time passed.
func clockSet(wall, passed time.Duration) bool { return (wall - passed).Abs() > 5*time.Second }

// errReturn means that a better server is back.
var errReturn = errors.New("a server that comes first in the configuration is back")

// attach holds one connection to a server: connect, register, refresh. It returns
// when that is over, with the time since which it was registered (zero if never).
func (u *UA) attach(ctx context.Context, s server, standIn bool) (since time.Time, err error) {
	if st := u.Registration().State; st != FailedRetrying && st != RefusedRetrying { // else the fault stays in sight
		u.publish(Registration{State: Connecting, Server: s.url})
	}
	conn, err := ws.Dial(ctx, s.url, u.wsOptions())
	if err != nil {
		return since, err
	}
	f := newFlow(conn, s, u.host, u.cfg.UserAgent, u, &u.ladder, u.log)
	defer f.close()
	defer u.detach(f)
	defer func() {
		if ctx.Err() != nil {
			u.endCalls(f)
			u.goodbye(f)
		}
	}()
	u.publish(Registration{State: Registering, Server: s.url})
	expires := u.cfg.Expires
	var until time.Time
	for {
		regCtx, cancel := context.WithTimeout(ctx, registerTimeout)
		granted, others, err := u.register(regCtx, f, expires)
		cancel()
		now := time.Now()
		wait := refreshIn(granted)
		switch {
		case err == nil && granted <= 0:
			return since, &regError{phrase: "registered for no time", status: 200}
		case err == nil:
			expires, until = max(expires, granted), now.Add(granted)
			if since.IsZero() {
				since = now
			}
			u.attached(f, Registration{State: Registered, Server: s.url, Since: since, Expires: until, RTT: f.rtt(), Others: others})
		case ctx.Err() == nil && retrySoon(err) && time.Until(until) > registerTimeout:
			wait = jitter(registerTimeout / 2)
			u.log.Warn("registration not refreshed; trying again", "err", err, "in", wait.Round(time.Second))
		case ctx.Err() == nil:
			return since, err
		}
		if err := u.hold(ctx, f, wait, standIn); err != nil {
			return since, err
		}
	}
}

// retrySoon tells a server's trouble from a refusal and from a dead connection.
func retrySoon(err error) bool {
	var reg *regError
	return errors.As(err, &reg) && !reg.refused()
}

// hold waits until the registration must be refreshed (nil), the connection is
// lost, or the phone is to go.
func (u *UA) hold(ctx context.Context, f *flow, wait time.Duration, standIn bool) error {
	refresh := time.NewTimer(wait)
	defer refresh.Stop()
	var better <-chan time.Time
	if standIn {
		t := time.NewTicker(returnEvery)
		defer t.Stop()
		better = t.C
	}
	for {
		select {
		case <-refresh.C:
			return nil
		case <-f.lost():
			return fmt.Errorf("connection to %s lost: %w", f.server.url, f.conn.Err())
		case <-better:
			if u.firstIsBack(ctx) {
				u.goodbye(f)
				return errReturn
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// firstIsBack tries the first server while no call is up.
func (u *UA) firstIsBack(ctx context.Context) bool {
	if u.callCount() > 0 {
		return false
	}
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
		NetDial: u.cfg.NetDial, Log: u.log,
	}
}

// goodbye takes the registration back. Some servers never answer it.
func (u *UA) goodbye(f *flow) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	if _, _, err := u.register(ctx, f, 0); err != nil {
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

func (u *UA) fail(s server, err error, wait time.Duration, refused bool) {
	r := Registration{State: FailedRetrying, Server: s.url, Err: err, Retry: time.Now().Add(wait)}
	if refused {
		r.State = RefusedRetrying
	}
	var (
		dial *ws.DialError
		reg  *regError
	)
	switch {
	case errors.As(err, &dial):
		r.Remedy = dial.Remedy()
	case errors.As(err, &reg):
		r.Remedy = reg.remedy()
	default:
		r.Remedy = "Check network and server; this device keeps trying."
	}
	u.publish(r)
}

// publish tells a change, and logs it unless it is the same trouble as before.
func (u *UA) publish(r Registration) {
	r.User = u.cfg.User
	if s := u.servers[0]; s.domain != "" {
		r.User += "@" + s.domain
	}
	if r.Since.IsZero() {
		r.Since = time.Now()
	}
	before := u.reg.Swap(&r)
	u.logRegistration(*before, r)
	for {
		select {
		case u.regs <- r:
			return
		default:
		}
		select {
		case <-u.regs:
		default:
		}
	}
}

func (u *UA) logRegistration(before, r Registration) {
	attrs := []any{"state", string(r.State), "server", r.Server, "user", r.User}
	switch r.State {
	case FailedRetrying, RefusedRetrying:
		fault := string(r.State) + r.Server + fmt.Sprint(r.Err)
		if fault == u.fault && time.Since(u.faultAt) < sameFault {
			return
		}
		u.fault, u.faultAt = fault, time.Now()
		u.log.Warn("registration", append(attrs, "err", r.Err, "remedy", r.Remedy, "retry_in", time.Until(r.Retry).Round(time.Second))...)
	case Registered:
		if before.State == Registered {
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

func (u *UA) contactURI(f *flow) string {
	return "sip:" + u.cfg.User + "@" + f.host + ";transport=ws"
}

func (u *UA) contact(f *flow) string { return "<" + u.contactURI(f) + ">" }

// Dial calls a target: "1001", "1001@host" or a SIP URI. It returns at once;
// whatever goes wrong is told by the call's Ended event.
func (u *UA) Dial(target string) *Call {
	c := newCall(u, randomHex(12), false)
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

// onRequest takes what the server sends: into a call, or for the phone itself.
func (u *UA) onRequest(f *flow, tx *serverTx) {
	req := tx.req
	if tag := tagOf(toValue(req)); tag != "" {
		c := u.find(callIDOf(req), tag)
		if c == nil || !c.do(func() { c.onRequest(tx) }) {
			tx.reply(481)
		}
		return
	}
	switch req.Method {
	case sip.INVITE:
		u.onInvite(f, tx)
	case sip.OPTIONS:
		tx.reply(200, sip.NewHeader("Allow", allow), sip.NewHeader("Supported", supported), sip.NewHeader("Accept", "application/sdp"))
	case sip.NOTIFY:
		u.onNotify(tx)
	case sip.BYE, sip.INFO, sip.PRACK, sip.UPDATE:
		tx.reply(481)
	case sip.MESSAGE:
		u.onText(tx, "")
	case sip.REFER:
		tx.reply(403) // only the partner of a call may pass it on
	case sip.REGISTER, sip.SUBSCRIBE, sip.PUBLISH:
		tx.reply(405, sip.NewHeader("Allow", allow))
	default:
		tx.reply(501, sip.NewHeader("Allow", allow))
	}
}

// onNotify accepts what servers send unasked (message waiting) and refuses the rest.
func (u *UA) onNotify(tx *serverTx) {
	event, _, _ := strings.Cut(header(tx.req, "event", "o"), ";")
	switch strings.TrimSpace(event) {
	case "message-summary", "keep-alive":
		tx.reply(200)
	default:
		tx.reply(489, sip.NewHeader("Allow-Events", "message-summary"))
	}
}

func (u *UA) onInvite(f *flow, tx *serverTx) {
	req := tx.req
	switch {
	case !f.registered.Load():
		tx.reply(403) // calls come over the registered connection only
		return
	case u.merged(req):
		tx.reply(482)
		return
	case !acceptsSDP(req):
		tx.reply(406)
		return
	case len(req.Body()) > 0 && sdpBody(req) == nil:
		tx.reply(415, sip.NewHeader("Accept", "application/sdp"))
		return
	}
	if s, ok := seconds(req, "session-expires", "x"); ok && s < int(minSessionExpires/time.Second) && hasToken(req, "timer", "supported", "k") {
		tx.reply(422, sip.NewHeader("Min-SE", strconv.Itoa(int(minSessionExpires/time.Second))))
		return
	}
	c := newCall(u, callIDOf(req), true)
	c.invited(tx)
	tx.onCancel = func(cancel *sip.Request) { c.do(func() { c.onCancel(cancel) }) }
	if !u.adopt(c) {
		tx.reply(480)
		return
	}
	select {
	case u.incoming <- c:
		c.log.Info("call", "state", "incoming", "from", c.remote.URI)
	default:
		c.do(func() { c.end(Ending{Cause: Busy, Local: true, Reason: "too many calls at once"}) })
	}
}

// merged finds the same INVITE that came by another way (RFC 3261, 8.2.2.2).
func (u *UA) merged(req *sip.Request) bool {
	id, tag, seq := callIDOf(req), tagOf(fromValue(req)), req.CSeq().SeqNo
	found := false
	u.each(func(c *Call) {
		found = found || c.incoming && c.id == id && c.remoteTag == tag && c.inviteSeq == seq
	})
	return found
}

func (u *UA) onACK(_ *flow, ack *sip.Request) {
	if c := u.find(callIDOf(ack), tagOf(toValue(ack))); c != nil {
		c.do(func() { c.onACK(ack) })
	}
}

// onLate2xx ends a call that was answered when nobody waited for it any more, or
// by a second device behind a fork (RFC 3261, 13.2.2.4).
func (u *UA) onLate2xx(f *flow, res *sip.Response) {
	localTag := tagOf(fromValue(res))
	if c := u.find(callIDOf(res), localTag); c != nil {
		if c.do(func() { c.onLate2xx(f, res) }) {
			return
		}
	}
	u.byeTo(f, res)
}

// byeTo ends the dialog that a 2xx opened, from what stands in it.
func (u *UA) byeTo(f *flow, res *sip.Response) {
	if res.To() == nil || res.CSeq() == nil {
		return
	}
	d := dialog{callID: callIDOf(res), local: fromValue(res), target: res.To().Address, localSeq: res.CSeq().SeqNo + 100}
	d.answered(res)
	req := d.request(f, sip.BYE)
	req.SetBody(nil)
	if _, err := f.start(req, func(*sip.Response, error) {}); err != nil {
		u.log.Debug("BYE for a late answer not sent", "err", err)
	}
}
