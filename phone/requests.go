package phone

import (
	"github.com/emiago/sipgo/sip"
	"strings"
)

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
	if !f.registered.Load() && req.Method != sip.OPTIONS {
		tx.reply(403) // whoever wants something of us comes over the registered connection only
		return
	}
	switch req.Method {
	case sip.INVITE:
		u.onInvite(tx)
	case sip.OPTIONS:
		tx.reply(200, sip.NewHeader("Allow", allow), sip.NewHeader("Supported", supported), sip.NewHeader("Accept", acceptedBodies))
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

// onNotify accepts what servers send unasked (message waiting) and refuses the rest:
// we have subscribed to nothing.
func (u *UA) onNotify(tx *serverTx) {
	event, _, _ := strings.Cut(header(tx.req, "event", "o"), ";")
	switch strings.ToLower(strings.TrimSpace(event)) {
	case "message-summary", "keep-alive":
		tx.reply(200)
	case "refer": // known, but nobody has asked for it
		tx.reply(481)
	default:
		tx.reply(489, sip.NewHeader("Allow-Events", "message-summary, refer"))
	}
}

func (u *UA) onInvite(tx *serverTx) {
	req := tx.req
	switch {
	case u.merged(req):
		tx.reply(482)
		return
	case !acceptsSDP(req):
		tx.reply(406)
		return
	case strange(req):
		tx.reply(415, sip.NewHeader("Accept", acceptedBodies), sip.NewHeader("Accept-Encoding", "identity"))
		return
	}
	if tooShort(tx) {
		return
	}
	old, r, status := u.replaced(req)
	if status != 0 {
		tx.reply(status)
		return
	}
	c := newCall(u, callIDOf(req), true)
	c.invited(tx)
	onCancel := func(cancel *sip.Request) { c.do(func() { c.onCancel(cancel) }) }
	tx.onCancel.Store(&onCancel)
	if !u.adopt(c) {
		tx.reply(480)
		return
	}
	if old != nil {
		if !old.do(func() { old.onReplaced(c, r) }) {
			c.do(func() { c.turnDown(481) })
		}
		return
	}
	if !u.cfg.Owner.Called(c) {
		c.do(func() { c.end(Ending{Cause: Busy, Local: true, Reason: "too many calls at once"}) })
		return
	}
	c.log.Info("call", "state", "incoming", "from", c.remote.URI)
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
	target, ok := uriOf(toValue(res)) // for those of the last century, who send no Contact
	if !ok || res.CSeq() == nil {
		return
	}
	d := dialog{callID: callIDOf(res), local: fromValue(res), target: target, localSeq: res.CSeq().SeqNo + 100}
	d.answered(res)
	req := d.request(f, sip.BYE)
	req.SetBody(nil)
	if _, err := f.start(req, func(*sip.Response, error) {}); err != nil {
		u.log.Debug("BYE for a late answer not sent", "err", err)
	}
}
