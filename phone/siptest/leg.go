package siptest

import (
	"fmt"
	"strconv"
	"strings"
)

// Leg is the server's side of one call.
type Leg struct {
	c        *Conn
	Invite   *Msg   // the one that counts
	Tag      string // ours
	fromUs   bool
	remote   string // From or To value of the device, with tag
	local    string
	target   string // URI of the device
	seq      int
	invite   int // CSeq of the last INVITE of ours
	Contact  string
	branches int
}

// ExpectInvite takes a call of the device, asking for the password first if there
// is one.
func (c *Conn) ExpectInvite() *Leg {
	c.s.tb.Helper()
	m := c.Expect("INVITE")
	if ok, asked := c.s.authorized(m, "Proxy-Authorization"); !asked {
		c.Challenge(m, 407)
		c.Expect("ACK")
		m = c.Expect("INVITE")
		ok, _ = c.s.authorized(m, "Proxy-Authorization")
		if !ok {
			c.s.tb.Fatalf("wrong credentials:\n%s", m)
		}
	} else if !ok {
		c.s.tb.Fatalf("wrong credentials:\n%s", m)
	}
	return c.Leg(m)
}

// Leg makes the server's side of a call from its INVITE.
func (c *Conn) Leg(m *Msg) *Leg {
	tag := c.s.tag()
	return &Leg{
		c: c, Invite: m, Tag: tag, remote: m.Get("From"), local: m.Get("To") + ";tag=" + tag, target: URIOf(m.Get("Contact")),
		seq: 123109504, Contact: "<" + strings.TrimPrefix(m.URI(), "x") + ":5060;transport=udp>",
	}
}

// Fork makes another side of the same call, as a second device behind the server.
func (l *Leg) Fork() *Leg { return l.c.Leg(l.Invite) }

// Respond answers the INVITE. See [Response] for extra.
func (l *Leg) Respond(status int, phrase string, extra ...string) {
	l.c.Send(l.Response(status, phrase, extra...).String())
}

// TimeOut answers as FreeSWITCH does when it hears nothing of the telephone that it called.
func (l *Leg) TimeOut() {
	l.Respond(504, "Gateway Time-out", `Reason: Q.850;cause=102;text="RECOVERY_ON_TIMER_EXPIRE"`)
}

// Response makes an answer to the INVITE without sending it.
func (l *Leg) Response(status int, phrase string, extra ...string) *Msg {
	if status > 100 && status < 300 {
		extra = append([]string{"Contact: " + l.Contact, "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE", "Supported: timer"}, extra...)
	}
	return Response(l.Invite, status, phrase, l.Tag, extra...)
}

// Call makes a call to the device at the Contact that it registered.
func (c *Conn) Call(extra ...string) *Leg {
	c.s.tb.Helper()
	contact := ""
	for _, r := range c.s.Registers() {
		if r.Get("Contact") != "" {
			contact = URIOf(r.Get("Contact"))
		}
	}
	l := &Leg{
		c: c, Tag: c.s.tag(), fromUs: true, target: contact, seq: 123109908,
		Contact: "<sip:mod_sofia@127.0.0.1:5060>", remote: "<" + contact + ">",
	}
	l.local = `"Resident" <sip:9999@pbx.test>;tag=` + l.Tag
	l.Invite = l.Make("INVITE", append([]string{"Call-ID: in-" + l.Tag, "Contact: " + l.Contact, "Supported: timer, path, replaces"}, extra...)...)
	c.Send(l.Invite.String())
	return l
}

// Make makes the next request of the call without sending it.
func (l *Leg) Make(method string, extra ...string) *Msg {
	if method != "ACK" && method != "CANCEL" {
		l.seq++
	}
	seq := l.seq
	switch method {
	case "INVITE":
		l.invite = seq
	case "ACK", "CANCEL":
		seq = l.invite
	}
	l.branches++
	m := &Msg{Start: method + " " + l.target + " SIP/2.0"}
	m.Headers = []Header{
		{"Via", fmt.Sprintf("SIP/2.0/WSS 127.0.0.1:7443;branch=z9hG4bK-%s-%d", l.Tag, l.branches)},
		{"Max-Forwards", "70"},
		{"From", l.local},
		{"To", l.remote},
		{"CSeq", strconv.Itoa(seq) + " " + method},
	}
	if l.Invite != nil {
		m.Headers = append(m.Headers, Header{"Call-ID", l.Invite.Get("Call-ID")})
	}
	m.apply(extra)
	return m
}

// Request sends the next request of the call.
func (l *Leg) Request(method string, extra ...string) *Msg {
	m := l.Make(method, extra...)
	l.c.Send(m.String())
	return m
}

// Cancel cancels a call of ours that is not answered yet.
func (l *Leg) Cancel(extra ...string) {
	m := l.Make("CANCEL", extra...)
	m.Set("Via", l.Invite.Get("Via")).Set("CSeq", strconv.Itoa(l.Invite.Seq())+" CANCEL")
	l.c.Send(m.String())
}

// ExpectStatus takes a response of the device to our INVITE, and learns its tag.
func (l *Leg) ExpectStatus(status int) *Msg {
	l.c.s.tb.Helper()
	m := l.c.ExpectStatus("INVITE", status)
	if t := Tag(m.Get("To")); t != "" {
		l.remote = m.Get("To")
	}
	if status >= 200 && status < 300 {
		l.target = URIOf(m.Get("Contact"))
	}
	return m
}

// ACK acknowledges the device's answer: within the INVITE's transaction for a
// refusal, on its own for a 200.
func (l *Leg) ACK(status int, extra ...string) {
	m := l.Make("ACK", extra...)
	if status >= 300 {
		m.Set("Via", l.Invite.Get("Via"))
	}
	l.c.Send(m.String())
}

// RemoteTag is the device's tag.
func (l *Leg) RemoteTag() string { return Tag(l.remote) }
