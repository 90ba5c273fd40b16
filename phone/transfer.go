package phone

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// transfer is a call that is being made because the far end of another one asked
// for it (RFC 3515).
type transfer struct {
	by       *Call  // who is told how it goes
	referred string // Referred-By
	replaces string // Replaces (RFC 3891), of an attended transfer
	event    string // Event of its notices
	silent   bool   // nobody wants notices (RFC 4488)
}

// mayPass reports whether the far end of this call may pass it on.
func (c *Call) mayPass() bool {
	switch c.ua.cfg.Transfers {
	case TransfersByPartner:
		return true
	case TransfersByCalled:
		return !c.incoming
	default:
		return false
	}
}

// onRefer passes the call on to where the far end sends it. Only the partner of an
// established call can ask for that: a REFER outside of calls never gets here. The
// new call is told by the [Transferred] event; the old one lives until the far end
// hangs it up.
func (c *Call) onRefer(tx *serverTx) {
	to := tx.req.GetHeaders("refer-to")
	if len(to) == 0 {
		to = tx.req.GetHeaders("r")
	}
	switch {
	case !c.mayPass() || c.phase != up || c.referring != nil:
		tx.reply(603)
		return
	case len(to) != 1:
		tx.reply(400)
		return
	}
	uri, replaces, err := referTo(to[0].Value(), tx.f.server.domain)
	if err != nil {
		c.log.Warn("unusable transfer target", "err", err)
		tx.reply(400)
		return
	}
	c.log.Info("call", "state", string(Transferred), "to", uri.String(), "attended", replaces != "")
	res := newResponse(tx.req, 202, phrase(202), "")
	add(res, "Contact", c.ua.contact(tx.f))
	t := &transfer{by: c, referred: header(tx.req, "referred-by", "b"), replaces: replaces, event: "refer"}
	if c.referred { // with more than one, each has its name (RFC 3515, 2.4.6)
		t.event += ";id=" + strconv.FormatUint(uint64(tx.req.CSeq().SeqNo), 10)
	}
	c.referred = true
	if t.silent = hasToken(tx.req, "false", "refer-sub"); t.silent {
		add(res, "Refer-Sub", "false")
	}
	tx.respond(res)
	next := newCall(c.ua, randomHex(12), false)
	next.remote = c.ua.partyReferred(uri)
	next.transfer = t
	if !c.ua.adopt(next) {
		return
	}
	c.referring = next
	c.notify(t, "SIP/2.0 100 Trying", false)
	c.emit(Event{Kind: Transferred, Call: next})
	next.do(func() { next.dial(uri, nil) })
}

// referTo reads a Refer-To value: the URI to call and, from its headers, Replaces.
// A telephone number is called at our own domain. Other headers are left out: nobody else writes our INVITE.
func referTo(value, domain string) (uri sip.Uri, replaces string, err error) {
	a, err := parseAddress(value)
	if err != nil {
		return uri, "", fmt.Errorf("Refer-To %q: %w", oneLine(value), err)
	}
	if uri, err = parseURI(a.uri); err != nil || uri.Wildcard {
		return uri, "", fmt.Errorf("Refer-To %q is not a URI", oneLine(a.uri))
	}
	if m, ok := uriParam(uri, "method"); ok && !strings.EqualFold(m, "INVITE") {
		return uri, "", fmt.Errorf("Refer-To asks for %q, not for a call", oneLine(m))
	}
	for _, kv := range uri.Headers {
		if !strings.EqualFold(kv.K, "replaces") {
			continue
		}
		if replaces, err = url.PathUnescape(kv.V); err != nil || oneLine(replaces) != replaces {
			return uri, "", fmt.Errorf("Refer-To with a malformed Replaces %q", oneLine(kv.V))
		}
	}
	uri, err = parseTarget(a.uri, domain) // leaves all headers out
	return withoutParam(uri, "method"), replaces, err
}

// partyReferred is whom a transfer leads to. The far end has chosen the URI: a user of
// another domain than ours must not pass for one of ours, who may have rights.
func (u *UA) partyReferred(uri sip.Uri) Party {
	p := partyOfURI(uri)
	for _, s := range u.servers {
		if strings.EqualFold(uri.Host, s.domain) {
			return p
		}
	}
	p.User += "@" + uri.Host
	return p
}

// progress tells the one who asked for a transfer how it goes.
func (c *Call) progress(status int, reason string) {
	t := c.transfer
	if t == nil {
		return
	}
	final := status >= 200
	if final {
		c.transfer = nil
	}
	line := fmt.Sprintf("SIP/2.0 %d %s", status, oneLine(reason))
	t.by.do(func() {
		if t.by.referring == c {
			t.by.notify(t, line, final)
			if final {
				t.by.referring = nil
				t.by.passed = status < 300
			}
		}
	})
}

// progressEnded tells that a transfer failed, if it was not told before.
func (c *Call) progressEnded(e Ending) {
	status := e.Status
	if status < 300 {
		status = 503
	}
	c.progress(status, e.Reason)
}

// notify sends a line of progress to the far end (RFC 3515, 2.4.4).
func (c *Call) notify(t *transfer, line string, final bool) {
	if c.phase != up || t.silent {
		return
	}
	c.request(sip.NOTIFY, func(req *sip.Request) {
		add(req, "Contact", c.ua.contact(c.ua.flow.Load()))
		add(req, "Event", t.event)
		state := "active;expires=60"
		if final {
			state = "terminated;reason=noresource"
		}
		add(req, "Subscription-State", state)
		setBody(req, "message/sipfrag;version=2.0", []byte(line+"\r\n"))
	}, func(res *sip.Response, err error) {
		if err == nil && res.StatusCode >= 300 { // whoever knows no such subscription gets no more (RFC 6665, 4.2.2)
			t.silent = true
		}
	})
}
