package phone

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// in is the state of a call that we got, until it is answered.
type in struct {
	tx      *serverTx
	status  int    // of the last provisional response
	rseq    uint32 // of our last reliable one; 0: none was out
	pracked bool   // it was acknowledged
	next    int    // status to send as soon as it is; 0: none
}

// invited takes an INVITE in. It runs before the call is known to anybody.
func (c *Call) invited(tx *serverTx) {
	req := tx.req
	c.in = in{tx: tx}
	c.made(tx.f)
	c.remoteTag = tagOf(fromValue(req))
	c.inviteSeq = req.CSeq().SeqNo
	c.answerAfter, c.answerMust = answerAfter(req)
	c.remote = callerOf(req)
	c.d = dialog{
		callID: c.id, local: toValue(req) + ";tag=" + c.localTag,
		remote: fromValue(req), remoteTag: c.remoteTag,
		routes: recordRoutes(req, false), theirs: order{seq: c.inviteSeq, known: true},
		localSeq: 1,
	}
	c.d.target, _ = uriOf(fromValue(req)) // for callers of the last century, who send no Contact
	c.d.refresh(req)
	c.phase = rings
	c.learn(req)
}

// answerAfter reads the ways in which callers ask for an automatic answer:
// Call-Info with answer-after (Polycom, Snom, FreeSWITCH's sip_auto_answer),
// Alert-Info, and Answer-Mode (RFC 5373), which may leave no other way. Negative: none.
func answerAfter(req *sip.Request) (after time.Duration, must bool) {
	for _, name := range []string{"answer-mode", "priv-answer-mode"} {
		v := header(req, name)
		mode, _, _ := strings.Cut(v, ";")
		if strings.EqualFold(strings.TrimSpace(mode), "auto") {
			_, must = param(v, "require")
			return 0, must
		}
	}
	for _, v := range append(headerValues(req, "call-info"), headerValues(req, "alert-info")...) {
		if s, ok := param(v, "answer-after"); ok {
			if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 3600 {
				return time.Duration(n) * time.Second, false
			}
			return 0, false
		}
		if low := strings.ToLower(v); strings.Contains(low, "alert-autoanswer") || strings.Contains(low, "auto answer") || strings.Contains(low, "ring-answer") {
			return 0, false
		}
	}
	return -1, false
}

// inviteResponse starts a response to the INVITE that opens or names the dialog.
func (c *Call) inviteResponse(tx *serverTx, status int) *sip.Response {
	res := newResponse(tx.req, status, phrase(status), c.localTag)
	if status < 300 {
		add(res, "Contact", c.ua.contact(tx.f))
		add(res, "Allow", allow)
	}
	return res
}

// provisionalAgain is how often a provisional response is repeated, since proxies give a
// call up after three minutes without one (RFC 3261, 13.3.1.1 and 16.6).
const provisionalAgain = time.Minute

// provisional sends 180 or 182, reliably where the caller insists on it (RFC 3262).
// A call that rings does not go back to waiting.
func (c *Call) provisional(status int) {
	if c.phase != rings || c.in.status == 180 || c.in.status == status {
		return
	}
	c.in.status = status
	c.sendProvisional(status)
}

func (c *Call) sendProvisional(status int) {
	reliable := hasToken(c.in.tx.req, "100rel", "require")
	if reliable && c.in.rseq != 0 && !c.in.pracked { // one at a time (RFC 3262, 3)
		c.in.next = status
		return
	}
	res := c.inviteResponse(c.in.tx, status)
	if reliable {
		c.in.rseq++
		c.in.pracked = false
		add(res, "Require", "100rel")
		add(res, "RSeq", strconv.FormatUint(uint64(c.in.rseq), 10))
		c.repeatProvisional(res, c.in.rseq, t1)
	}
	c.in.tx.respond(res)
	c.after(provisionalAgain, func() {
		if c.phase == rings && c.in.status == status {
			c.sendProvisional(status)
		}
	})
}

// repeatProvisional repeats a reliable response until it is acknowledged. A caller who
// never does so is refused (RFC 3262, 3).
func (c *Call) repeatProvisional(res *sip.Response, rseq uint32, wait time.Duration) {
	c.after(wait, func() {
		switch {
		case c.phase != rings || c.in.pracked || c.in.rseq != rseq:
		case wait >= timeoutB/2: // t1 + 2 t1 + 4 t1 ... are 64 t1 by now
			c.end(Ending{Cause: Failed, Status: 504, Reason: "the far end never acknowledged that it rings here", Local: true})
		default:
			c.in.tx.respond(res)
			c.repeatProvisional(res, rseq, 2*wait)
		}
	})
}

// onPRACK answers the acknowledgement of our reliable response.
func (c *Call) onPRACK(tx *serverTx) {
	want := strconv.FormatUint(uint64(c.in.rseq), 10) + " " + strconv.FormatUint(uint64(c.inviteSeq), 10) + " INVITE"
	if c.in.rseq == 0 || c.in.pracked || strings.Join(strings.Fields(header(tx.req, "rack")), " ") != want {
		tx.reply(481)
		return
	}
	c.in.pracked = true
	tx.reply(200)
	if next := c.in.next; next != 0 && c.phase == rings {
		c.in.next = 0
		c.sendProvisional(next)
	}
}

// answer accepts the call: 200 with our answer, or with an offer where the caller
// made none.
func (c *Call) answer() {
	if c.phase != rings {
		return
	}
	tx := c.in.tx
	if err := c.newSession(); err != nil {
		c.end(Ending{Cause: Failed, Status: 500, Reason: err.Error(), Local: true})
		return
	}
	offer := sdpBody(tx.req)
	sdp, err := c.describe(offer)
	if err != nil {
		c.end(mediaEnding(err))
		return
	}
	res := c.inviteResponse(tx, 200)
	add(res, "Supported", supported)
	c.grantTimer(tx.req, res)
	setBody(res, "application/sdp", sdp)
	c.phase = accepted
	c.send200(tx, res, offer == nil)
	if offer != nil {
		c.negotiated()
	}
	c.event(Answered)
}

// describe answers an offer, or makes one where there was none.
func (c *Call) describe(offer []byte) ([]byte, error) {
	if offer == nil {
		return c.session.Offer()
	}
	return c.session.Answer(offer)
}

// refuse gives the final answer to a call that rings here.
func (c *Call) refuse(e Ending) {
	status := 480
	switch e.Cause {
	case Busy:
		status = 486
	case Refused, HungUp:
		status = 603
		if e.Cause == Refused && c.answerMust { // RFC 5373, 4.3
			status = 403
		}
	case NotFound:
		status = 404
	case NoCodec:
		status = 488
	case Failed, MediaFault:
		status = 500
	case Cancelled, AnsweredElsewhere:
		status = 487
	}
	c.in.tx.respond(c.inviteResponse(c.in.tx, status))
}

// onCancel ends a call whose caller gave up, or that another device answered.
func (c *Call) onCancel(cancel *sip.Request) {
	if c.phase != rings {
		return
	}
	e := Ending{Cause: Cancelled, Status: 487}
	why := reasonsOf(cancel)
	if e.Reason = why.text; why.elsewhere() {
		e.Cause = AnsweredElsewhere
	}
	c.refuse(e)
	c.finish(e)
}

// pending2xx is a 200 of ours that is repeated until its ACK comes, on any
// transport (RFC 3261, 13.3.1.4).
type pending2xx struct {
	tx     *serverTx
	res    *sip.Response
	seq    uint32
	offers bool // it carried our offer: the ACK carries the answer
	done   bool
	timer  *time.Timer
}

func (p *pending2xx) stop() {
	p.done = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (c *Call) send200(tx *serverTx, res *sip.Response, offers bool) {
	if c.pending != nil {
		c.pending.stop()
	}
	p := &pending2xx{tx: tx, res: res, seq: tx.req.CSeq().SeqNo, offers: offers}
	c.pending = p
	tx.respond(res)
	c.repeat200(p, t1, time.Now().Add(timeoutB))
}

func (c *Call) repeat200(p *pending2xx, wait time.Duration, until time.Time) {
	p.timer = c.after(wait, func() {
		switch {
		case p.done:
		case time.Now().Before(until):
			p.tx.respond(p.res)
			c.repeat200(p, min(2*wait, t2), until)
		default:
			p.stop()
			c.phase = up // confirmed by time (RFC 3261, 13.3.1.4): hang up properly
			c.end(Ending{Cause: Failed, Reason: "the far end never acknowledged our answer", Local: true})
		}
	})
}

func (c *Call) onACK(ack *sip.Request) {
	p := c.pending
	if p == nil || p.done || ack.CSeq().SeqNo != p.seq {
		return
	}
	p.stop()
	c.pending = nil
	if c.ended { // it was hung up while this ACK was on its way
		c.bye(Ending{Cause: HungUp})
		return
	}
	first := c.phase != up
	c.phase = up
	if p.offers {
		sdp := sdpBody(ack)
		if sdp == nil {
			c.end(Ending{Cause: NoCodec, Reason: "the ACK holds no answer to our offer", Local: true})
			return
		}
		if err := c.session.Accept(sdp); err != nil {
			c.end(mediaEnding(err))
			return
		}
		c.negotiated()
	}
	if first {
		c.listen()
	}
	c.catchUp()
}
