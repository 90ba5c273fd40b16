package phone

import (
	"context"
	"fmt"

	"github.com/emiago/sipgo/sip"
)

const (
	textSize = 8 << 10 // bytes of one text
)

// Text is a text message (RFC 3428).
type Text struct {
	From Party
	Body string
	Call string // the ID of the call that it came in, or ""
}

// SendText sends a text to a user or SIP URI and waits until the server has taken
// it, or ctx ends.
func (u *UA) SendText(ctx context.Context, target, text string) error {
	uri, err := parseTarget(target, u.servers[0].domain)
	if err != nil {
		return fmt.Errorf("text message: %w", err)
	}
	f := u.flow.Load()
	if f == nil {
		return fmt.Errorf("text message to %s: not registered with the server", uri.String())
	}
	from := nameAddr(u.cfg.DisplayName, u.cfg.aor(f.server.domain)) + ";tag=" + randomHex(6)
	callID, seq := randomHex(12), uint32(0)
	res, err := u.exchange(ctx, f, func() *sip.Request {
		seq++
		to, routes := routed(uri, f.serviceRoute())
		req := f.newRequest(sip.MESSAGE, to, from, "<"+uri.String()+">", callID, seq)
		addRoutes(req, routes)
		setBody(req, "text/plain; charset=utf-8", []byte(text))
		return req
	})
	if err == nil && !res.IsSuccess() {
		err = fmt.Errorf("the server said %d %s", res.StatusCode, oneLine(res.Reason))
	}
	if err != nil {
		return fmt.Errorf("text message to %s: %w", uri.String(), err)
	}
	return nil
}

// onText takes a text in, from outside of a call or within one.
func (u *UA) onText(tx *serverTx, call string) {
	req := tx.req
	text, ok := textBody(req)
	switch {
	case !ok && (len(req.Body()) > 0 || bodyPart(req).kind != "text/plain"):
		tx.reply(415, sip.NewHeader("Accept", "text/plain, multipart/mixed, multipart/alternative"))
		return
	case len(text) > textSize:
		tx.reply(513)
		return
	}
	if !u.cfg.Owner.Texted(Text{From: callerOf(req), Body: string(text), Call: call}) {
		tx.reply(480)
		return
	}
	tx.reply(200)
}
