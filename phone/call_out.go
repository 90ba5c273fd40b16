package phone

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"intercomd/words"
)

// out is the state of a call that we made, until it is answered.
type out struct {
	f           *flow
	invite      *sip.Request // the last one sent
	offer       []byte
	try         authTry
	stop        func()        // gives the INVITE transaction up
	expires     time.Duration // Session-Expires asked for
	minSE       time.Duration
	heard       bool // something was answered: the INVITE has arrived
	lost        bool // it was lost with its connection, and will be repeated on the next
	provisional bool // a 1xx came: CANCEL may go out
	cancelled   bool // CANCEL is out
	rang, early bool // told
	rseq        map[string]uint32
	answer      *sip.Response // the 200
	waits       func()        // calls as soon as there is a connection
	tried       []string      // addresses of redirections, so that none is tried twice
	forks       []*fork       // the early dialogs (RFC 3261, 12.1)
	heardFrom   string        // tag of the one whose SDP was applied last
}

// fork is one of the far ends of a call that is not answered yet.
type fork struct {
	tag    string
	res    *sip.Response // that made the dialog
	theirs order
}

// fork finds an early dialog by its tag.
func (o *out) fork(tag string) *fork {
	for _, f := range o.forks {
		if f.tag == tag {
			return f
		}
	}
	return nil
}

// dial starts the call.
func (c *Call) dial(target sip.Uri, bad error) {
	if c.ended {
		return
	}
	f := c.ua.flow.Load()
	switch {
	case bad != nil:
		c.finish(Ending{Cause: NotFound, Reason: bad.Error(), Local: true})
		return
	case f == nil:
		c.waitToDial(target)
		return
	}
	if err := c.newSession(); err != nil {
		c.finish(Ending{Cause: Failed, Reason: err.Error(), Local: true})
		return
	}
	offer, err := c.session.Offer()
	if err != nil {
		c.finish(Ending{Cause: Failed, Reason: fmt.Sprintf("making an offer: %v", err), Local: true})
		return
	}
	aor := c.ua.cfg.aor(f.server.domain)
	c.d = dialog{
		callID: c.id, local: nameAddr(c.ua.cfg.DisplayName, aor) + ";tag=" + c.localTag,
		remote: "<" + target.String() + ">", target: target, routes: f.serviceRoute(),
	}
	c.made(f)
	c.out = out{f: f, offer: offer, expires: c.ua.cfg.SessionExpires, rseq: map[string]uint32{}, tried: []string{redirect{uri: target}.String()}}
	c.phase = calling
	if c.invite() {
		c.log.Info("call", "state", string(Sent), "to", c.remote.URI)
		c.emit(Event{Kind: Sent})
	}
}

// waitToDial keeps a call until there is a connection: one that has just been lost is
// back before anybody notices.
func (c *Call) waitToDial(target sip.Uri) {
	none := Ending{Cause: NotRegistered, Reason: "not registered with the server", Local: true}
	if st := c.ua.Registration().State; st == RefusedRetrying || st == Offline {
		c.finish(none)
		return
	}
	if c.out.waits != nil {
		return
	}
	c.out.waits = func() { c.dial(target, nil) }
	c.ua.wake()
	c.after(retryTime, func() {
		if c.phase == idle {
			c.finish(none)
		}
	})
}

// invite sends the INVITE, the first one or again with what the last was lacking.
func (c *Call) invite() bool {
	f := c.out.f
	req := c.d.request(f, sip.INVITE)
	c.dressInvite(req, f)
	if c.out.expires > 0 {
		add(req, "Session-Expires", secondsText(c.out.expires)+";refresher=uas")
	}
	if c.out.minSE > 0 {
		add(req, "Min-SE", secondsText(c.out.minSE))
	}
	if t := c.transfer; t != nil {
		if t.referred != "" {
			add(req, "Referred-By", t.referred)
		}
		if t.replaces != "" {
			add(req, "Replaces", t.replaces)
		}
	}
	setBody(req, "application/sdp", c.out.offer)
	c.ua.creds.sign(req, &c.out.try, true)
	return c.launch(req)
}

// launch sends an INVITE and waits for its answers.
func (c *Call) launch(req *sip.Request) bool {
	f := c.out.f
	c.out.invite, c.out.heard, c.out.cancelled = req, false, false
	stop, err := f.start(req, func(res *sip.Response, err error) {
		if !c.do(func() { c.onInviteResponse(req, res, err) }) && res != nil && res.IsSuccess() {
			c.ua.byeTo(f, res)
		}
	})
	if err != nil { // the connection broke in this very moment
		c.onInviteLost()
		return false
	}
	c.out.stop = stop
	c.after(doubtTime, func() {
		if req == c.out.invite && !c.out.heard {
			f.conn.Probe(doubtTime)
		}
	})
	return true
}

// dressInvite adds what every INVITE of ours says about us.
func (c *Call) dressInvite(req *sip.Request, f *flow) {
	add(req, "Contact", c.ua.contact(f))
	add(req, "Allow", allow)
	add(req, "Supported", supported)
}

func secondsText(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func (c *Call) onInviteResponse(req *sip.Request, res *sip.Response, err error) {
	c.out.heard = c.out.heard || err == nil
	switch {
	case req != c.out.invite || c.over:
		if res != nil && res.IsSuccess() {
			c.ua.byeTo(c.out.f, res)
		}
	case err != nil:
		if errors.Is(err, errFlowLost) {
			c.onInviteLost()
			return
		}
		e := Ending{Cause: NetworkLost, Reason: err.Error()}
		if errors.Is(err, errTimeout) {
			e = Ending{Cause: Unavailable, Status: 408, Reason: err.Error()}
		}
		c.finish(e)
	case res.IsProvisional():
		c.onProvisional(res)
	case res.IsSuccess():
		c.onAnswer(res)
	default:
		c.onRefusal(res)
	}
}

// onInviteLost waits for the next connection when one was lost before the call was
// answered. The far end rings on meanwhile.
func (c *Call) onInviteLost() {
	if c.ended {
		c.line.last = c.cancelAgain
		c.lastWaits()
		return
	}
	if c.out.lost {
		return
	}
	lost := time.Now()
	c.out.lost, c.line.lost = true, lost
	c.log.Warn("connection lost before the call was answered; waiting for the next")
	c.after(retryTime, func() {
		if c.out.lost && c.line.lost.Equal(lost) && !c.ended {
			c.finish(Ending{Cause: NetworkLost, Reason: errFlowLost.Error()})
		}
	})
}

func (c *Call) onProvisional(res *sip.Response) {
	c.out.provisional = true
	if c.ended {
		c.sendCancel()
		return
	}
	if res.StatusCode == sip.StatusTrying || !c.acknowledge(res) {
		return
	}
	tag := tagOf(toValue(res))
	if tag != "" && len(c.out.forks) < maxForks && c.out.fork(tag) == nil {
		c.out.forks = append(c.out.forks, &fork{tag: tag, res: res})
	}
	if (res.StatusCode == sip.StatusRinging || res.StatusCode == sip.StatusSessionInProgress) && !c.out.rang {
		c.out.rang = true
		c.progress(180, "Ringing")
		c.event(Ringing)
	}
	sdp := sdpBody(res)
	if sdp == nil {
		return
	}
	if err := c.session.Accept(sdp); err != nil {
		// The 200 may bring a better one.
		c.log.Warn("early media not usable", "err", err)
		return
	}
	c.out.heardFrom = tag
	c.negotiated()
	if !c.out.early {
		c.out.early = true
		c.event(EarlyMedia)
	}
}

// acknowledge sends PRACK for a reliable provisional response (RFC 3262). It
// returns false for one that must be ignored: a repetition, or one too early.
func (c *Call) acknowledge(res *sip.Response) bool {
	if !hasToken(res, "100rel", "require") {
		return true
	}
	n, err := strconv.ParseUint(header(res, "rseq"), 10, 32)
	tag := tagOf(toValue(res))
	if err != nil || n == 0 || tag == "" {
		return true // not reliable after all
	}
	if last := c.out.rseq[tag]; last != 0 && uint32(n) != last+1 {
		return false
	}
	c.out.rseq[tag] = uint32(n)
	early := c.d
	early.answered(res)
	c.prack(&early, fmt.Sprintf("%d %d INVITE", n, res.CSeq().SeqNo), &authTry{})
	return true
}

// prack sends PRACK in an early dialog, again with credentials if it is asked for them.
func (c *Call) prack(early *dialog, rack string, try *authTry) {
	early.localSeq = c.d.localSeq
	req := early.request(c.out.f, sip.PRACK)
	c.d.localSeq = early.localSeq
	add(req, "RAck", rack)
	req.SetBody(nil)
	c.ua.creds.sign(req, try, false)
	_, err := c.out.f.start(req, func(res *sip.Response, err error) {
		if err != nil || res.StatusCode != sip.StatusUnauthorized && res.StatusCode != sip.StatusProxyAuthRequired {
			return
		}
		c.do(func() {
			if c.phase == calling && c.ua.creds.retry(sip.PRACK, res, try) == nil {
				c.prack(early, rack, try)
			}
		})
	})
	if err != nil {
		c.log.Debug("PRACK not sent", "err", err)
	}
}

func (c *Call) onAnswer(res *sip.Response) {
	c.out.answer = res
	c.d.answered(res)
	if f := c.out.fork(c.d.remoteTag); f != nil {
		c.d.theirs = f.theirs
	}
	c.out.stop = nil // the transaction stays, for repeated and other answers
	if c.ended {     // CANCEL and 200 have crossed
		c.bye(Ending{Cause: Cancelled})
		return
	}
	c.phase = up
	c.learn(res)
	if sdp := sdpBody(res); sdp != nil {
		if err := c.session.Accept(sdp); err != nil {
			c.end(mediaEnding(err))
			return
		}
		c.negotiated()
	}
	if !c.accepts {
		c.end(Ending{Cause: NoCodec, Reason: "the answer holds no media description", Local: true})
		return
	}
	c.progress(200, "OK") // before anybody ends the call that asked for this one
	c.event(Answered)
	c.listen()
	c.startTimer(res, false)
	if c.ua.flow.Load() != c.out.f {
		c.onFlowLost()
	}
	c.catchUp()
}

// mediaEnding tells a codec that is missing from other faults of an SDP.
func mediaEnding(err error) Ending {
	e := Ending{Cause: Failed, Reason: err.Error(), Local: true}
	if noCommonCodec(err) {
		e.Cause = NoCodec
	}
	return e
}

// learn notes what the far end can do.
func (c *Call) learn(m sip.Message) {
	if hasToken(m, "update", "allow") {
		c.update = true
	}
}

func (c *Call) onRefusal(res *sip.Response) {
	if c.ended {
		c.die()
		return
	}
	switch res.StatusCode {
	case sip.StatusUnauthorized, sip.StatusForbidden, sip.StatusProxyAuthRequired:
		err := c.ua.creds.retry(sip.INVITE, res, &c.out.try)
		if err == nil {
			c.invite()
			return
		}
		c.finish(refusal(res, err))
		return
	case statusIntervalTooSmall:
		least, ok := seconds(res, "min-se")
		if d := time.Duration(least) * time.Second; ok && d > c.out.expires && d <= time.Hour*24 && c.out.expires > 0 {
			c.out.expires, c.out.minSE = d, d
			c.invite()
			return
		}
	}
	c.redirected(res)
	if c.nextTarget() {
		return
	}
	c.finish(refusal(res, nil))
}

// maxForks is how many early dialogs of a call are told apart.
const maxForks = 16

// maxRedirects is how many addresses a call tries beside the one that was dialled.
const maxRedirects = 4

// redirected notes the addresses of a 3xx (RFC 3261, 8.1.3.4), the best first: by their q
// and, where that is equal, as the server wrote them.
func (c *Call) redirected(res *sip.Response) {
	if !res.IsRedirection() || res.StatusCode == statusAlternativeService { // which is told in its body
		return
	}
	for _, a := range addresses(res, "contact", "m") {
		if cut, _ := cutScheme(a.uri); cut == "" {
			continue // "*", or not for calling
		}
		uri, err := parseTarget(a.uri, c.out.f.server.domain)
		if method, ok := uriParam(uri, "method"); err != nil || ok && !strings.EqualFold(method, "INVITE") {
			continue
		}
		to := redirect{uri: withoutParam(uri, "method"), q: 1}
		if q, ok := a.param("q"); ok {
			if v, err := strconv.ParseFloat(q, 64); err == nil && v >= 0 && v < 1 {
				to.q = v
			}
		}
		if res.StatusCode == sip.StatusUseProxy {
			to.uri, to.by = c.d.target, []route{route(uri.String())}
		}
		if len(c.out.tried) < maxRedirects+1 && !slices.Contains(c.out.tried, to.String()) {
			c.out.tried = append(c.out.tried, to.String())
			c.redirects = append(c.redirects, to)
		}
	}
	slices.SortStableFunc(c.redirects, func(a, b redirect) int { return cmp.Compare(b.q, a.q) })
}

// redirect is one address of a redirection.
type redirect struct {
	uri sip.Uri
	by  []route // the proxy that the call must go through (305)
	q   float64 // the larger, the sooner (RFC 3261, 20.10)
}

func (r redirect) String() string { return fmt.Sprint(r.uri.String(), r.by) }

// nextTarget calls the next address of a redirection.
func (c *Call) nextTarget() bool {
	if len(c.redirects) == 0 {
		return false
	}
	to := c.redirects[0]
	c.d.target, c.redirects = to.uri, c.redirects[1:]
	c.d.routes = append(c.out.f.serviceRoute(), to.by...)
	c.out.try = authTry{}
	c.log.Info("call", "state", "redirected", "to", c.d.target.String())
	c.invite()
	return true
}

// refusal is how a call ended that got a final response. err is why a challenge could
// not be answered.
func refusal(res *sip.Response, err error) Ending {
	why := reasonsOf(res)
	v := why.refused(res.StatusCode)
	e := Ending{Cause: v.cause, Status: res.StatusCode, Reason: cmp.Or(why.text, warning(res), res.Reason), Side: v.side, Remedy: words.New(v.remedy)}
	if errors.Is(err, errWrongPassword) {
		e.Reason, e.Side, e.Remedy = err.Error(), DeviceSide, words.New(checkAccount)
	}
	if n, ok := seconds(res, "retry-after"); ok && n > 0 {
		e.Remedy = words.New("try-again", "after", words.Span(time.Duration(n)*time.Second)).Because(e.Remedy)
	}
	return e
}

// warning is the first text of the Warning headers (RFC 3261, 20.43): code, agent, text.
func warning(res *sip.Response) string {
	for _, h := range headerValues(res, "warning") {
		for _, v := range splitOutside(h, ',') {
			if i := strings.IndexByte(v, '"'); i >= 0 {
				if text := unquote(v[i:]); text != "" {
					return text
				}
			}
		}
	}
	return ""
}

// cancel ends a call that is not answered yet. CANCEL must wait for a first
// provisional response (RFC 3261, 9.1); the INVITE has its final answer then, or 32 s.
func (c *Call) cancel(e Ending) {
	c.after(timeoutB, c.die)
	if c.out.lost {
		c.line.last = c.cancelAgain
		c.lastWaits()
		return
	}
	if c.out.provisional {
		c.sendCancelWith(reasonHeader(e))
	}
}

func (c *Call) sendCancel() { c.sendCancelWith("") }

func (c *Call) sendCancelWith(reason string) {
	if c.out.cancelled {
		return
	}
	c.out.cancelled = true
	_, err := c.out.f.start(cancelOf(c.out.invite, reason, c.ua.cfg.UserAgent), func(*sip.Response, error) {})
	if err != nil {
		c.onInviteLost()
	}
}

// cancelOf makes the CANCEL of an INVITE (RFC 3261, 9.1).
func cancelOf(inv *sip.Request, reason, userAgent string) *sip.Request {
	req := sip.NewRequest(sip.CANCEL, inv.Recipient)
	req.SetTransport("WSS")
	req.AppendHeader(sip.HeaderClone(inv.Via()))
	add(req, "Max-Forwards", "70")
	add(req, "From", fromValue(inv))
	add(req, "To", toValue(inv))
	add(req, "Call-ID", callIDOf(inv))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: inv.CSeq().SeqNo, MethodName: sip.CANCEL})
	for _, h := range inv.GetHeaders("route") {
		req.AppendHeader(sip.HeaderClone(h))
	}
	if reason != "" {
		add(req, "Reason", reason)
	}
	add(req, "User-Agent", userAgent)
	req.SetBody(nil)
	return req
}

// onLate2xx is told every 200 after the first. The same dialog again needs no more
// than the ACK that it got; another one is a second device that answered.
func (c *Call) onLate2xx(f *flow, res *sip.Response) {
	if tag := tagOf(toValue(res)); tag == "" || tag != c.d.remoteTag {
		c.log.Warn("a second device answered; hanging up on it")
		c.ua.byeTo(f, res)
	}
}
