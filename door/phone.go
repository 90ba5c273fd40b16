package door

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"intercomd/audio"
	"intercomd/phone"
	"intercomd/phone/rtc"
	"intercomd/station"
)

// dialer lets the station place calls with the phone.
type dialer struct {
	ua  *phone.UA
	log *slog.Logger
}

func (d dialer) Dial(target string) station.Call { return newCall(d.ua.Dial(target), d.log) }

func (d dialer) Hurry(t time.Duration) { d.ua.Hurry(t) }

// call lets the station use a call of the phone.
type call struct {
	*phone.Call
	log    *slog.Logger
	link   *link
	events chan station.CallEvent
	told   chan station.CallEvent // by the audio engine
	left   atomic.Bool            // the station has ended it and listens no more
}

const (
	eventsKept = 64 // of a call that the station has stopped to listen to
	toldKept   = 8
)

func newCall(pc *phone.Call, log *slog.Logger) *call {
	c := &call{Call: pc, log: log, link: newLink(pc),
		events: make(chan station.CallEvent, eventsKept), told: make(chan station.CallEvent, toldKept)}
	go c.translate()
	return c
}

// translate turns the phone's events into the station's until the call is over.
func (c *call) translate() {
	defer close(c.events)
	for {
		select {
		case e, ok := <-c.Call.Events():
			if !ok {
				return
			}
			ev := station.CallEvent{Kind: station.CallEventKind(e.Kind), At: e.At, Digit: e.Digit, Ending: ending(e.Ending)}
			if e.Call != nil {
				ev.Call = newCall(e.Call, c.log)
			}
			c.hand(ev)
		case e := <-c.told:
			c.pass(e)
		}
	}
}

// hand passes an event of the phone on, unless nobody listens any more.
func (c *call) hand(e station.CallEvent) {
	c.pass(e)
	if c.left.Load() {
		c.drop()
	}
}

// drop ends the calls that were to take the place of this one and that nobody will hear
// of: the far end passed on a call that the door has ended.
func (c *call) drop() {
	for {
		select {
		case e := <-c.events:
			if e.Call != nil {
				e.Call.End(station.CauseHangup)
			}
			if e.Kind == station.Ended || e.Kind == "" {
				return
			}
		default:
			return
		}
	}
}

// pass hands an event over. Nobody listens any more to a call that the door has
// ended, so what does not fit is dropped.
func (c *call) pass(e station.CallEvent) {
	select {
	case c.events <- e:
	default:
		if e.Call != nil {
			e.Call.End(station.CauseHangup)
		}
	}
}

// tell adds an event that the phone cannot know of. It never blocks.
func (c *call) tell(e station.CallEvent) {
	select {
	case c.told <- e:
	default:
	}
}

func (c *call) Peer() station.Peer { return peer(c.Remote()) }

func peer(p phone.Party) station.Peer { return station.Peer{URI: p.URI, User: p.User, Name: p.Name} }

func (c *call) AnswerWish() station.AnswerWish {
	after, auto := c.AnswerAfter()
	return station.AnswerWish{Auto: auto, After: after, Must: c.AnswerRequired()}
}

func (c *call) Events() <-chan station.CallEvent { return c.events }
func (c *call) End(why station.Cause) {
	c.Call.End(endReason(why))
	c.left.Store(true)
	c.drop()
}

// ending translates how a call ended. The causes of the phone are those of the station, but
// that the station tells who hung up beside the cause.
func ending(e phone.Ending) station.Ending {
	out := station.Ending{Cause: station.Cause(e.Cause), By: station.ByPeer, Status: e.Status, Reason: e.Reason, Remedy: e.Remedy}
	switch {
	case e.Cause == phone.LocalHangup, e.Cause == phone.RemoteHangup:
		out.Cause = station.CauseHangup
	case !slices.Contains(station.Causes(), out.Cause):
		out.Cause = station.CauseFailed
	}
	switch {
	case e.Local:
		out.By = station.ByDoor
	case e.Cause == phone.NetworkLost, e.Cause == phone.MediaFault, e.Cause == phone.NotRegistered:
		out.By = station.ByNet
	}
	return out
}

// endReason is what the far end and the phone's log are told; whatever the door ends a talk
// for is a hang-up to them.
func endReason(why station.Cause) phone.Cause {
	switch why {
	case station.CauseBusy, station.CauseRefused, station.CauseNoAnswer, station.CauseShutdown, station.CauseCancelled:
		return phone.Cause(why)
	default:
		return phone.LocalHangup
	}
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

// mediaFactory lets the phone make sessions of package rtc.
type mediaFactory struct{ *rtc.Factory }

func (f mediaFactory) NewSession(ctx context.Context) (phone.MediaSession, error) {
	return f.Factory.NewSession(ctx)
}

// link carries the packets of a call between rtc and audio.
type link struct {
	call *phone.Call
	in   audio.Packet // of Receive
	take func(*audio.Packet)
	pass func(*rtc.Packet) // made once: Receive is called for every frame
}

func newLink(c *phone.Call) *link {
	l := &link{call: c}
	l.pass = func(p *rtc.Packet) {
		l.in = audio.Packet{SSRC: p.SSRC, Seq: p.Seq, Timestamp: p.Timestamp, Marker: p.Marker,
			Codec: codec(p.Codec), Payload: p.Payload, Arrival: p.Arrival}
		l.take(&l.in)
	}
	return l
}

// session is the call's media; nil while nothing has been negotiated.
func (l *link) session() *rtc.Session {
	s, _ := l.call.Media().(*rtc.Session)
	return s
}

func (l *link) Receive(take func(*audio.Packet)) {
	s := l.session()
	if s == nil {
		return
	}
	l.take = take
	_ = s.Receive(l.pass) // after Close nothing comes any more
}

func (l *link) Write(payload []byte, samples uint32, marker bool) error {
	s := l.session()
	if s == nil {
		return nil
	}
	return s.WriteFrame(payload, samples, marker)
}

func (l *link) Codec() audio.Codec {
	s := l.session()
	if s == nil {
		return audio.Codec{}
	}
	return codec(s.Codec())
}

func codec(c rtc.Codec) audio.Codec {
	return audio.Codec{Name: c.Name, ClockRate: c.ClockRate, Channels: c.Channels, Ptime: c.Ptime, FEC: c.FEC}
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
	_ station.Phone = dialer{}
	_ station.Call  = (*call)(nil)
	_ audio.Link    = (*link)(nil)

	_ phone.Hearer      = (*rtc.Session)(nil)
	_ phone.Participant = (*rtc.Session)(nil)
	_ phone.Restarter   = (*rtc.Session)(nil)
)
