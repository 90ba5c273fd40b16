package siptest

import (
	"fmt"
	"strconv"
	"strings"
)

// Leg is the server's side of one call.
type Leg struct {
	c        *Conn  // over which it was made
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
	last     *Msg // answer to the INVITE of the device
	repeats  int  // of that INVITE
}

// conn is where FreeSWITCH sends what belongs to a call: to the address and port over which
// the call was made, for good. It is nil when the client is not there any more.
func (l *Leg) conn() *Conn { return l.c.s.connAt(l.c.addr) }

// Addr is that address and port.
func (l *Leg) Addr() string { return l.c.addr }

func (l *Leg) send(m *Msg) {
	if c := l.conn(); c != nil {
		c.Send(m.String())
	}
}

// again answers a repeated INVITE, over the connection on which it came.
func (l *Leg) again(c *Conn) {
	l.c.s.mu.Lock()
	l.repeats++
	last := l.last
	l.c.s.mu.Unlock()
	if last != nil {
		c.Send(last.String())
	}
}

// Repeats counts the repetitions of the INVITE.
func (l *Leg) Repeats() int {
	l.c.s.mu.Lock()
	defer l.c.s.mu.Unlock()
	return l.repeats
}

func branchOf(m *Msg) string {
	_, b, _ := strings.Cut(m.Get("Via"), ";branch=")
	b, _, _ = strings.Cut(b, ";")
	return b
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
	l := &Leg{
		c: c, Invite: m, Tag: tag, remote: m.Get("From"), local: m.Get("To") + ";tag=" + tag, target: URIOf(m.Get("Contact")),
		seq: 123109504, Contact: "<" + strings.TrimPrefix(m.URI(), "x") + ":5060;transport=udp>",
	}
	c.s.lasts(m, true)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.invites[branchOf(m)] == nil {
		c.s.invites[branchOf(m)] = l
	}
	return l
}

// Fork makes another side of the same call, as a second device behind the server.
func (l *Leg) Fork() *Leg { return l.c.Leg(l.Invite) }

// Respond answers the INVITE. See [Response] for extra.
func (l *Leg) Respond(status int, phrase string, extra ...string) {
	m := l.Response(status, phrase, extra...)
	l.c.s.mu.Lock()
	if tx := l.c.s.invites[branchOf(l.Invite)]; tx != nil { // forks share it
		tx.last = m
	}
	l.c.s.mu.Unlock()
	l.send(m)
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
	c.s.lasts(l.Invite, true)
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
	if method == "BYE" { // whether it arrives or not
		l.c.s.lasts(m, false)
	}
	l.send(m)
	return m
}

// Cancel cancels a call of ours that is not answered yet.
func (l *Leg) Cancel(extra ...string) {
	m := l.Make("CANCEL", extra...)
	m.Set("Via", l.Invite.Get("Via")).Set("CSeq", strconv.Itoa(l.Invite.Seq())+" CANCEL")
	l.send(m)
}

// ExpectStatus takes a response of the device to our INVITE, and learns its tag.
func (l *Leg) ExpectStatus(status int) *Msg {
	l.c.s.tb.Helper()
	c := l.c
	if now := l.conn(); now != nil {
		c = now
	}
	m := c.ExpectStatus("INVITE", status)
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
	l.send(m)
}

// RemoteTag is the device's tag.
func (l *Leg) RemoteTag() string { return Tag(l.remote) }
