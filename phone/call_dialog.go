package phone

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// onRequest answers a request of the far end inside the call.
func (c *Call) onRequest(tx *serverTx) {
	req := tx.req
	switch {
	case c.over || c.phase == idle, c.ended && req.Method != sip.BYE:
		if req.Method == sip.BYE && c.ended {
			tx.reply(200)
			return
		}
		tx.reply(481)
		return
	case !c.d.inOrder(req):
		tx.reply(500)
		return
	}
	switch req.Method {
	case sip.BYE:
		c.onBYE(tx)
	case sip.INVITE:
		c.onReinvite(tx)
	case sip.UPDATE:
		c.onUpdate(tx)
	case sip.PRACK:
		c.onPRACK(tx)
	case sip.INFO:
		c.onInfo(tx)
	case sip.OPTIONS:
		tx.reply(200, sip.NewHeader("Allow", allow), sip.NewHeader("Supported", supported), sip.NewHeader("Accept", "application/sdp"))
	case sip.NOTIFY:
		tx.reply(481) // we have subscribed to nothing
	case sip.REFER:
		c.onRefer(tx)
	case sip.MESSAGE:
		c.ua.onText(tx, c.id)
	case sip.SUBSCRIBE, sip.PUBLISH, sip.REGISTER:
		tx.reply(405, sip.NewHeader("Allow", allow))
	default:
		tx.reply(501, sip.NewHeader("Allow", allow))
	}
}

func (c *Call) onBYE(tx *serverTx) {
	tx.reply(200)
	if c.ended { // both hung up at once
		c.die()
		return
	}
	e := Ending{Cause: RemoteHangup}
	if r := parseReason(header(tx.req, "reason")); r.protocol != "" {
		e.Reason = r.text
		if r.protocol == "SIP" {
			e.Status = r.cause
		}
		if r.protocol == "Q.850" && r.cause == 88 || r.protocol == "SIP" && r.cause == 488 {
			e.Cause = NoCodec
		}
	}
	if c.phase == rings { // a caller may give up by BYE too (RFC 3261, 15)
		e.Cause = Cancelled
		c.refuse(e)
	}
	c.finish(e)
}

// onReinvite answers a change of the session: a refresh, hold, new addresses.
func (c *Call) onReinvite(tx *serverTx) {
	switch {
	case c.phase == rings:
		tx.reply(500, sip.NewHeader("Retry-After", "1"))
		return
	case c.changing, c.phase != up, c.pending != nil && c.pending.offers:
		tx.reply(491)
		return
	case len(tx.req.Body()) > 0 && sdpBody(tx.req) == nil:
		tx.reply(415, sip.NewHeader("Accept", "application/sdp"))
		return
	}
	offer := sdpBody(tx.req)
	sdp, err := c.describe(offer)
	if err != nil {
		c.refuseChange(tx, err)
		return
	}
	c.d.refresh(tx.req)
	c.learn(tx.req)
	res := c.inviteResponse(tx, 200)
	add(res, "Supported", supported)
	c.grantTimer(tx.req, res)
	setBody(res, "application/sdp", sdp)
	c.send200(tx, res, offer == nil)
	if offer != nil {
		c.negotiated()
	}
}

// refuseChange leaves the session as it was.
func (c *Call) refuseChange(tx *serverTx, err error) {
	c.log.Warn("the far end wants a change of media that is not possible", "err", err)
	status := 500
	if noCommonCodec(err) {
		status = 488
	}
	tx.reply(status)
}

// onUpdate answers UPDATE (RFC 3311): most often it only refreshes the session.
func (c *Call) onUpdate(tx *serverTx) {
	offer := sdpBody(tx.req)
	if offer != nil && (c.changing || c.phase != up || c.pending != nil && c.pending.offers) {
		tx.reply(491)
		return
	}
	res := newResponse(tx.req, 200, phrase(200), "")
	add(res, "Contact", c.ua.contact(tx.f))
	add(res, "Allow", allow)
	add(res, "Supported", supported)
	if offer != nil {
		sdp, err := c.session.Answer(offer)
		if err != nil {
			c.refuseChange(tx, err)
			return
		}
		setBody(res, "application/sdp", sdp)
	}
	c.d.refresh(tx.req)
	if c.phase == up {
		c.grantTimer(tx.req, res)
	}
	tx.respond(res)
	if offer != nil {
		c.negotiated()
	}
}

// onInfo takes DTMF as FreeSWITCH and others send it when RTP carries none.
func (c *Call) onInfo(tx *serverTx) {
	body := string(tx.req.Body())
	kind, _, _ := strings.Cut(header(tx.req, "content-type", "c"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/dtmf-relay":
		tx.reply(200)
		if key, ok := relayKey(body); ok {
			c.onDigit(key, true)
		}
	case "application/dtmf":
		tx.reply(200)
		if key, ok := dtmfKey(strings.TrimSpace(body)); ok {
			c.onDigit(key, true)
		}
	case "":
		tx.reply(200)
	default:
		tx.reply(415, sip.NewHeader("Accept", "application/dtmf-relay, application/dtmf"))
	}
}

// relayKey reads "Signal=5" out of an application/dtmf-relay body.
func relayKey(body string) (rune, bool) {
	for line := range strings.SplitSeq(strings.ReplaceAll(body, "\r", "\n"), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
			return dtmfKey(strings.TrimSpace(value))
		}
	}
	return 0, false
}

// dtmfKey reads a key written as itself or as an event number (RFC 4733, 3.2).
func dtmfKey(s string) (rune, bool) {
	switch s = strings.ToUpper(s); {
	case len(s) == 1 && strings.IndexByte("0123456789*#ABCD", s[0]) >= 0:
		return rune(s[0]), true
	case s == "10":
		return '*', true
	case s == "11":
		return '#', true
	case len(s) == 2 && s >= "12" && s <= "15":
		return rune('A' + s[1] - '2'), true
	}
	return 0, false
}

// reinvite offers our session anew: as a refresh, from a new connection, or with new
// addresses. There is one change at a time (RFC 3261, 14.1); what has to wait for
// another, for the answer to the call or for a connection is made up for by catchUp.
func (c *Call) reinvite(why string) {
	switch {
	case c.ended:
		return
	case c.phase != up, c.changing, c.away, c.pending != nil:
		c.want = why
		return
	}
	c.want = ""
	restarts := c.moved
	if err := c.restart(); err != nil {
		c.log.Warn("no new paths for the media; trying again", "err", err)
		c.after(restartRetry, func() { c.reinvite(why) })
		return
	}
	offer, err := c.session.Offer()
	if err != nil {
		c.log.Warn("no offer for a re-INVITE", "why", why, "err", err)
		return
	}
	c.changing = true
	c.log.Debug("re-INVITE", "why", why)
	c.request(sip.INVITE, func(req *sip.Request) {
		c.dressInvite(req, c.ua.flow.Load())
		c.askTimer(req)
		setBody(req, "application/sdp", offer)
	}, func(res *sip.Response, err error) {
		c.changing = false
		if c.ended {
			return
		}
		if err == nil && res.IsSuccess() {
			c.d.refresh(res)
			if sdp := sdpBody(res); sdp != nil {
				if err := c.session.Accept(sdp); err != nil {
					c.end(mediaEnding(err))
					return
				}
				c.negotiated()
			}
			if restarts {
				c.listen()
			}
			c.startTimer(res, true)
			c.catchUp()
			return
		}
		c.onChangeRefused(res, err, func() { c.reinvite(why) })
	})
}

// onChangeRefused decides what a failed re-INVITE or UPDATE means: the call is
// over (481, 408), another try (491), or nothing.
func (c *Call) onChangeRefused(res *sip.Response, err error, again func()) {
	switch {
	case errors.Is(err, errTimeout):
		c.end(Ending{Cause: NetworkLost, Status: 408, Reason: "the far end does not answer any more", Local: true})
	case err != nil: // the flow is lost; the next one brings the next try
		c.away = true
	case res.StatusCode == sip.StatusCallTransactionDoesNotExists, res.StatusCode == sip.StatusRequestTimeout, res.StatusCode == sip.StatusNotFound:
		c.end(Ending{Cause: NetworkLost, Status: res.StatusCode, Reason: "the far end does not know the call any more", Local: true})
	case res.StatusCode == sip.StatusRequestPending:
		c.after(glareWait(c.incoming), again)
	default:
		c.log.Warn("the far end refused a change", "status", res.StatusCode)
		c.catchUp()
	}
}

// glareWait is how long to wait after both ends changed the session at once: the
// one who made the call waits longer (RFC 3261, 14.1).
func glareWait(incoming bool) time.Duration {
	d := time.Duration(rand.N(200)) * 10 * time.Millisecond //nolint:gosec // spreads load, no secret
	if !incoming {
		d = 2100*time.Millisecond + d*19/20
	}
	return d
}
