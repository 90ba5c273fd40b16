package door

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"intercomd/audio"
	"intercomd/audio/codec"
	"intercomd/audio/receive"
	"intercomd/phone"
	"intercomd/phone/rtc"
	"intercomd/station"
	"intercomd/words"
)

// telephone lets the station place calls with the phone, and the phone tell the station.
type telephone struct {
	in     *station.Inbox
	engine *audio.Engine
	voice  *voice
	media  *rtc.Factory
	ua     *phone.UA
}

// Dial implements [station.Phone].
func (t *telephone) Dial(target string) station.Call {
	c := t.newCall()
	c.Call = t.ua.Dial(target, c)
	return c
}

// Hurry implements [station.Phone].
func (t *telephone) Hurry(d time.Duration) { t.ua.Hurry(d) }

// Registered implements [phone.Owner].
func (t *telephone) Registered(r phone.Registration) { t.in.SetRegistration(registration(r)) }

// Called implements [phone.Owner].
func (t *telephone) Called(pc *phone.Call) bool { return t.in.Offer(t.adopt(pc)) }

// Texted implements [phone.Owner].
func (t *telephone) Texted(m phone.Text) bool {
	return t.in.Text(station.Text{At: time.Now(), From: peer(m.From), Call: m.Call, Body: m.Body})
}

// adopt takes a call that the phone began.
func (t *telephone) adopt(pc *phone.Call) *call {
	c := t.newCall()
	c.Call = pc
	pc.Hear(c)
	return c
}

// call is a call of the phone as the station uses it, with its media.
type call struct {
	tel         *telephone
	*phone.Call // of one that the door places: not for the methods of [phone.Listener], which may come before
	session     atomic.Pointer[rtc.Session]

	got  receive.Packet // of Receive
	take func(*receive.Packet)
	pass func(*rtc.Packet) // made once: Receive is called for every frame
}

func (t *telephone) newCall() *call {
	c := &call{tel: t}
	c.pass = func(p *rtc.Packet) {
		c.got = receive.Packet{SSRC: p.SSRC, Seq: p.Seq, Timestamp: p.Timestamp, Marker: p.Marker, Copy: p.Copy,
			Codec: formatOf(p.Codec), Payload: p.Payload, Arrival: p.Arrival}
		c.take(&c.got)
	}
	return c
}

// NewMedia implements [phone.Listener].
func (c *call) NewMedia(ctx context.Context) (phone.MediaSession, error) {
	s, err := c.tel.media.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	s.OnPacket(c.tel.engine.Arrived)
	c.session.Store(s)
	return s, nil
}

// Happened implements [phone.Listener].
func (c *call) Happened(e phone.Event) {
	ev := station.CallEvent{Kind: station.CallEventKind(e.Kind), At: e.At, Digit: e.Digit, Ending: ending(e.Ending)}
	if e.Call != nil {
		ev.Call = c.tel.adopt(e.Call)
	}
	c.tel.in.CallEvent(c, ev)
}

// Open implements [station.Call].
func (c *call) Open(m station.VoiceMode) {
	c.tel.voice.opens(c)
	if m == station.Speak {
		c.tel.engine.Speak(c)
		return
	}
	c.tel.engine.Connect(c, m == station.Talk)
}

// Peer implements [station.Call].
func (c *call) Peer() station.Peer { return peer(c.Remote()) }

// How many characters of what the far end says of itself are passed on: to events, interfaces, history and log.
const (
	maxSaid = 128 // a name
	maxURI  = 256 // an address, or the reason of an ending
)

func peer(p phone.Party) station.Peer {
	return station.Peer{URI: words.Brief(p.URI, maxURI), User: words.Brief(p.User, maxSaid), Name: words.Brief(p.Name, maxSaid)}
}

// AnswerWish implements [station.Call].
func (c *call) AnswerWish() station.AnswerWish {
	after, auto := c.AnswerAfter()
	return station.AnswerWish{Auto: auto, After: after, Must: c.AnswerRequired()}
}

// End implements [station.Call].
func (c *call) End(why station.Cause) { c.Call.End(phone.Cause(why)) }

// ending says who ended a call. The causes of the phone are some of the station's.
func ending(e phone.Ending) station.Ending {
	out := station.Ending{Cause: station.Cause(e.Cause), By: station.ByPeer, Status: e.Status, Reason: words.Brief(e.Reason, maxURI), Remedy: e.Remedy}
	switch {
	case e.Local:
		out.By = station.ByDoor
	case e.Cause == phone.NetworkLost, e.Cause == phone.MediaFault, e.Cause == phone.NotRegistered:
		out.By = station.ByNet
	}
	return out
}

// registration translates how the phone stands with its server.
func registration(r phone.Registration) station.Registration {
	out := station.Registration{State: station.RegState(r.State), Server: r.Server, User: r.User,
		Since: r.Since, Expires: r.Expires, Retry: r.Retry, Problem: r.Problem}
	if r.State == phone.Offline {
		out.State = station.RegOff
	}
	return out
}

// Receive implements [audio.Link]: packets go between rtc and audio.
func (c *call) Receive(take func(*receive.Packet)) {
	s := c.session.Load()
	if s == nil {
		return
	}
	c.take = take
	_ = s.Receive(c.pass) // after Close nothing comes any more
}

// Write implements [audio.Link].
func (c *call) Write(payload []byte, samples uint32, marker bool) error {
	s := c.session.Load()
	if s == nil {
		return nil
	}
	return s.WriteFrame(payload, samples, marker)
}

// Codec implements [audio.Link].
func (c *call) Codec() codec.Format {
	s := c.session.Load()
	if s == nil {
		return codec.Format{}
	}
	return formatOf(s.Codec())
}

// heard says when the far end was last heard, by its packets, and whether any are due.
func (c *call) heard() (last time.Time, due bool) {
	s := c.session.Load()
	if s == nil || s.OnHold() {
		return last, false
	}
	return s.Heard()
}

func formatOf(c rtc.Codec) codec.Format {
	return codec.Format{
		Name: c.Name, ClockRate: c.ClockRate, Channels: c.Channels, Ptime: c.Ptime, FEC: c.FEC,
		MaxBitrate: c.MaxBitrate, Clean: c.Clean, Copies: c.Copies,
	}
}

// onThisMachine reports whether a server URL leads to loopback, so that the
// media must use loopback too.
func onThisMachine(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback()
}

var (
	_ station.Phone  = (*telephone)(nil)
	_ phone.Owner    = (*telephone)(nil)
	_ station.Call   = (*call)(nil)
	_ phone.Listener = (*call)(nil)
	_ audio.Link     = (*call)(nil)
)
