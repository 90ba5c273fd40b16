package phone

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// replaces is what an INVITE wants to take the place of (RFC 3891).
type replaces struct {
	callID         string
	toTag, fromTag string // ours, and that of the far end
	earlyOnly      bool   // not if it was answered
}

// parseReplaces reads the value of a Replaces header.
func parseReplaces(s string) (r replaces, ok bool) {
	parts := strings.Split(s, ";")
	r.callID = strings.TrimSpace(parts[0])
	for _, p := range parts[1:] {
		name, value, _ := strings.Cut(p, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "to-tag":
			r.toTag = value
		case "from-tag":
			r.fromTag = value
		case "early-only":
			r.earlyOnly = true
		}
	}
	return r, r.callID != "" && r.toTag != "" && r.fromTag != ""
}

// replaced finds the call that an INVITE wants to replace: nil if it wants none. A
// status other than 0 refuses it.
func (u *UA) replaced(req *sip.Request) (old *Call, r replaces, status int) {
	hs := req.GetHeaders("replaces")
	switch {
	case len(hs) == 0:
		return nil, r, 0
	case len(hs) > 1 || len(req.GetHeaders("join")) > 0:
		return nil, r, 400
	}
	r, ok := parseReplaces(hs[0].Value())
	if !ok {
		return nil, r, 400
	}
	if old = u.find(r.callID, r.toTag); old == nil {
		return nil, r, 481
	}
	return old, r, 0
}

// onReplaced lets another call take the place of this one: somebody passes us on to
// whoever makes it. It can only come from a party that was told all three names of
// the dialog, which are random; that this party may is what the policy says about
// the far end of this call. The new call is answered without ringing, since this end
// was in a call already, and told by the [Transferred] event.
func (c *Call) onReplaced(next *Call, r replaces) {
	status := 0
	switch {
	case !c.knows(r.fromTag), c.phase == idle, c.phase == rings: // an early dialog that we did not begin (RFC 3891, 3)
		status = 481
	case c.ended || c.over:
		status = 603
	case r.earlyOnly && c.phase != calling:
		status = 486
	case !c.mayPass():
		status = 403
	}
	if status != 0 {
		c.log.Info("a takeover of this call was refused", "status", status, "who", next.remote.URI)
		next.do(func() { next.turnDown(status) })
		return
	}
	c.log.Info("call", "state", string(Transferred), "to", next.remote.URI, "by", next.id[:min(len(next.id), 8)])
	c.emit(Event{Kind: Transferred, Call: next})
	next.do(next.answer)
}

// knows reports whether a tag is that of the far end, or of one of them while there
// is no answer.
func (c *Call) knows(tag string) bool {
	if c.d.remoteTag != "" || c.incoming { // who called us may be without one (RFC 2543)
		return tag == c.d.remoteTag
	}
	return c.out.fork(tag) != nil
}

// turnDown refuses a call that nobody was told of.
func (c *Call) turnDown(status int) {
	if c.phase != rings {
		return
	}
	c.in.tx.respond(c.inviteResponse(c.in.tx, status))
	c.finish(Ending{Cause: Refused, Status: status, Local: true})
}
