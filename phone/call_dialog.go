package phone

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"intercomd/words"
)

// onRequest answers a request of the far end inside the call.
func (c *Call) onRequest(tx *serverTx) {
	req := tx.req
	theirs := &c.d.theirs
	if f := c.out.fork(tagOf(fromValue(req))); f != nil && c.phase == calling {
		theirs = &f.theirs
	}
	switch {
	case c.ended && req.Method == sip.BYE:
		tx.reply(200)
		if c.d.remoteTag != "" && c.knows(tagOf(fromValue(req))) {
			c.die() // both hung up at once
		}
		return
	case c.over, c.ended, c.phase == idle, !c.knows(tagOf(fromValue(req))): // or a fork that is not the one
		tx.reply(481)
		return
	case !theirs.next(req.CSeq().SeqNo):
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
		tx.reply(200, sip.NewHeader("Allow", allow), sip.NewHeader("Supported", supported), sip.NewHeader("Accept", acceptedBodies))
	case sip.NOTIFY:
		c.ua.onNotify(tx)
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
	why := reasonsOf(tx.req)
	e := why.ending()
	switch c.phase {
	case rings: // a caller may give up by BYE too (RFC 3261, 15)
		e.Cause = Cancelled
		if why.elsewhere() {
			e.Cause = AnsweredElsewhere
		}
		c.refuse(e)
	case calling: // and so may one far end of several, though it must not
		c.byeEarly(tagOf(fromValue(tx.req)), e)
		return
	}
	c.finish(e)
}

// byeEarly takes one of the far ends away that was called. When none is left, nobody
// will answer; the INVITE still gets its final response.
func (c *Call) byeEarly(tag string, e Ending) {
	c.out.forks = slices.DeleteFunc(c.out.forks, func(f *fork) bool { return f.tag == tag })
	if len(c.out.forks) > 0 {
		return
	}
	if e.Cause == HungUp {
		e.Cause = Refused
	}
	c.tell(e)
	c.phase = ending
	c.cancel(e)
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
	case strange(tx.req):
		tx.reply(415, sip.NewHeader("Accept", acceptedBodies), sip.NewHeader("Accept-Encoding", "identity"))
		return
	case tooShort(tx):
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
	c.log.Warn("the far end asked for a media change that is not possible", "err", err)
	status := 500
	if noCommonCodec(err) {
		status = 488
	}
	tx.reply(status)
}

// onUpdate answers UPDATE (RFC 3311): most often it only refreshes the session.
func (c *Call) onUpdate(tx *serverTx) {
	offer := sdpBody(tx.req)
	switch {
	case offer != nil && (c.changing || c.pending != nil && c.pending.offers || !c.settled(tagOf(fromValue(tx.req)))):
		tx.reply(491)
		return
	case strange(tx.req):
		tx.reply(415, sip.NewHeader("Accept", acceptedBodies), sip.NewHeader("Accept-Encoding", "identity"))
		return
	case tooShort(tx):
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

// settled reports whether our offer has its answer, so that the far end may make one:
// in a call that is up or, before that, from whom SDP came (RFC 3311, 5.1).
func (c *Call) settled(tag string) bool {
	return c.phase == up || c.phase == calling && c.accepts && tag == c.out.heardFrom
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
		c.log.Warn("no new media paths yet; trying again", "err", err)
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
			c.line.anew = false
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
		c.goneFor(flowPatience)
	case gone(res.StatusCode):
		c.end(c.unheard(res.StatusCode))
	case res.StatusCode == sip.StatusRequestPending:
		c.after(glareWait(c.incoming), again)
	case res.StatusCode == statusIntervalTooSmall && c.widen(res):
		again()
	case retryAfter(res) > 0:
		c.after(retryAfter(res), again)
	default:
		c.log.Warn("the far end refused a change", "status", res.StatusCode)
		c.refreshRefused()
		c.catchUp()
	}
}

// gone reports whether a status means that the far end knows the call no more
// (RFC 5057, section 5.1).
func gone(status int) bool {
	switch status {
	case 404, 408, 410, 481, 484, 485, 604:
		return true
	default:
		return false
	}
}

// goneEnding tells a far end that is out of reach from one that has hung up, which we
// were not told.
func goneEnding(status int) Ending {
	if status == sip.StatusRequestTimeout {
		return Ending{Cause: Unavailable, Status: status, Reason: "the far end does not answer any more", Side: CalledSide, Remedy: words.New(checkPhone)}
	}
	return Ending{Cause: HungUp, Status: status, Reason: "the far end does not know the call any more"}
}

// retryAfter is how soon a request may be sent again that came at a bad time
// (RFC 3261, 14.2 and 21.5.4); 0 if not at all, or not soon.
func retryAfter(res *sip.Response) time.Duration {
	n, ok := seconds(res, "retry-after")
	if !ok || n > 10 || res.StatusCode != sip.StatusInternalServerError && res.StatusCode != sip.StatusServiceUnavailable {
		return 0
	}
	return max(time.Duration(n)*time.Second, time.Second)
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
