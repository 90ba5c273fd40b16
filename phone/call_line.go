package phone

import (
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	watchEvery = 4 * time.Second         // from PING to PING while there is a call
	watchWait  = 3 * time.Second         // for the PONG
	askEvery   = 1500 * time.Millisecond // from question to question where no BYE would reach us
	againEvery = time.Second             // the same for the answer to our INVITE

	restartTime = time.Second // no server is started anew in less
)

// newConnection is why a re-INVITE is sent after a connection was lost.
const newConnection = "new connection"

// line is how a call outlives its connection to the server (docs/decisions/reconnecting.md).
//
// FreeSWITCH sends all that belongs to a call to the address and port of the connection over
// which the call was made, for good. A new connection from the same port is found there; on
// any other the call is astray: it can ask, and is asked nothing.
type line struct {
	ends    string    // of the connection over which the call was made
	astray  bool      // the present connection has others
	lost    time.Time // when the last connection was lost
	refused bool      // since then nobody listened at the server
	anew    bool      // and it was started anew before we were back
	asking  bool      // whether the far end still knows the call
	deaf    bool      // the far end does not answer such questions
	last    func()    // sends again what must still go out in a call that is over for us
	waits   bool      // last is for the next connection
}

// made notes over which connection the call is made. While there is a call, one that dies
// without a word is noticed within seconds.
func (c *Call) made(f *flow) {
	c.line.ends = f.ends()
	c.every(watchEvery, func() bool {
		if f := c.ua.flow.Load(); f != nil {
			f.conn.Probe(watchWait)
		}
		return true
	})
}

// onFlowLost is told when the connection to the server is gone.
func (c *Call) onFlowLost() {
	c.line.refused = false
	switch c.phase {
	case calling:
		c.onInviteLost()
	case rings, accepted:
		c.goneFor(retryTime)
	case up:
		// The media does not need the connection. Whoever comes back in time goes on.
		c.log.Warn("connection lost in a call; the call goes on")
		c.goneFor(flowPatience)
	case ending:
		c.lastWaits()
	}
}

// goneFor ends the call if no connection comes within that time.
func (c *Call) goneFor(d time.Duration) {
	if c.away {
		return
	}
	lost := time.Now()
	c.away, c.line.lost = true, lost
	c.after(d, func() {
		if c.away && c.line.lost.Equal(lost) && !c.ended {
			c.finish(Ending{Cause: NetworkLost, Reason: errFlowLost.Error(), Local: true})
		}
	})
}

// onServerGone is told each time that a new connection is refused because no server is there.
func (c *Call) onServerGone() {
	c.line.refused = true
	c.checkGone()
}

// checkGone ends a call of which nothing is left: the server is gone and the media too. Where
// only the network is silent both may come back.
func (c *Call) checkGone() {
	if c.phase == up && c.away && c.line.refused && c.wasUp && !c.mediaUp && !c.held {
		c.finish(Ending{Cause: NetworkLost, Reason: "the server is gone", Local: true})
	}
}

// onFlow is told when a connection is registered.
func (c *Call) onFlow(f *flow) {
	c.line.astray = c.line.ends != "" && c.line.ends != f.ends()
	back := c.away
	c.line.anew = c.line.refused && time.Since(c.line.lost) >= restartTime
	c.away, c.line.refused = false, false
	switch c.phase {
	case idle:
		if c.out.waits != nil {
			c.out.waits()
		}
	case calling:
		if c.out.lost {
			c.repeatInvite(f)
		}
	case rings:
		if c.in.tx.f == f {
			break // it came in the very moment
		}
		c.in.tx = f.resume(c.in.tx)
		if c.in.status != 0 && !hasToken(c.in.tx.req, "100rel", "require") { // reliable ones are repeated anyway
			c.in.tx.respond(c.inviteResponse(c.in.tx, c.in.status))
		}
	case accepted:
		c.in.tx = f.resume(c.in.tx)
		c.repeatPending(f)
	case up:
		if back {
			if c.line.astray && c.out.answer != nil { // the ACK may have been lost, and the 200 is not repeated to us
				f.acknowledge(c.out.invite, c.out.answer)
			}
			c.repeatPending(f)
			c.takeRefresh()
			c.reinvite(newConnection)
			c.askOften(f)
		}
	case ending:
		if c.in.tx != nil {
			c.in.tx = f.resume(c.in.tx)
		}
		// A call that was made and hung up before it heard of the connection has sent it already.
		if last := c.line.last; last != nil && (back || c.line.waits) {
			c.line.waits = false
			last()
		}
	}
}

// repeatInvite sends the INVITE once more on a new connection, and the same to the last
// letter: for a server that knows it, it is a repetition to which the last answer is due
// (RFC 3261, 17.2.1); for one that was started anew in the meantime, it is a call.
func (c *Call) repeatInvite(f *flow) {
	same := c.out.f.server.url == f.server.url
	c.out.lost, c.out.f, c.out.try = false, f, authTry{}
	clear(c.out.rseq) // what was not acknowledged yet comes again
	c.log.Info("call", "state", "repeated", "to", c.remote.URI)
	if !same {
		c.d.routes = f.serviceRoute()
		c.line.ends, c.line.astray = f.ends(), false // nobody knows the call there
		c.invite()
		return
	}
	if c.launch(c.out.invite) {
		c.inviteAgain(c.out.invite, f)
	}
}

// inviteAgain repeats the INVITE while answers to it go where we are not any more: each is
// answered where it came from.
func (c *Call) inviteAgain(req *sip.Request, f *flow) {
	if !c.line.astray {
		return
	}
	c.every(againEvery, func() bool {
		if c.phase != calling || c.out.invite != req || c.out.f != f || c.out.lost {
			return false
		}
		_ = f.WriteMsg(req) // a lost flow shows elsewhere
		return true
	})
}

// repeatPending sends a 200 again whose ACK may have been lost with the connection. Where
// the ACK would not reach us it is taken for granted: the re-INVITE that follows shows.
func (c *Call) repeatPending(f *flow) {
	p := c.pending
	if p == nil || p.done || p.tx.f == f {
		return
	}
	p.tx = f.resume(p.tx)
	p.tx.respond(p.res)
	if !c.line.astray || p.offers {
		return
	}
	c.after(ackTime, func() {
		if c.pending == p && !p.done && (c.phase == accepted || c.phase == up) {
			p.stop()
			c.pending, c.phase = nil, up
			c.takeRefresh()
			c.reinvite(newConnection)
			c.askOften(f)
		}
	})
}

// ask asks the far end whether it still knows the call, which the media does not tell.
func (c *Call) ask() {
	if c.phase != up || c.away || c.line.asking || c.line.deaf {
		return
	}
	c.line.asking = true
	c.request(sip.OPTIONS, func(req *sip.Request) {
		add(req, "Accept", "application/sdp")
		req.SetBody(nil)
	}, func(res *sip.Response, err error) {
		c.line.asking = false
		switch {
		case c.ended, err != nil, res.IsSuccess():
		case res.StatusCode == sip.StatusRequestTimeout, res.StatusCode >= 500: // it does not say; media_timeout decides
		case gone(res.StatusCode):
			c.end(c.unheard(res.StatusCode))
		default:
			c.log.Debug("the far end does not say whether it knows the call", "status", res.StatusCode)
			c.line.deaf = true
		}
	})
}

// askOften asks for as long as a BYE would not reach us.
func (c *Call) askOften(f *flow) {
	if !c.line.astray {
		return
	}
	c.log.Info("the call continues on another local port, where the server may not find it; asking the server instead")
	c.every(askEvery, func() bool {
		c.ask()
		return c.phase == up && c.ua.flow.Load() == f
	})
}

// unheard is the end of a call that the far end does not know any more: it hung up, and its
// BYE did not reach us, unless the server has lost all calls.
func (c *Call) unheard(status int) Ending {
	if c.line.anew {
		return Ending{Cause: NetworkLost, Status: status, Reason: "the server was started anew and does not know the call", Local: true}
	}
	return goneEnding(status)
}

// lastWaits keeps what must still go out in a call that is over until there is a connection.
func (c *Call) lastWaits() {
	if c.line.last == nil {
		c.die()
		return
	}
	c.line.waits = true
	c.ua.wake()
	c.after(retryTime, c.die)
}

// cancelAgain takes an INVITE back over a new connection. An INVITE that was answered
// meanwhile cannot be cancelled; then whoever may have answered is hung up on
// (RFC 3261, 15: by BYE in the early dialogs).
func (c *Call) cancelAgain() {
	f := c.ua.flow.Load()
	if f == nil || c.out.f.server.url != f.server.url {
		c.lastWaits()
		return
	}
	c.out.f = f
	req := c.out.invite
	stop, err := f.await(req, func(res *sip.Response, err error) {
		if !c.do(func() { c.onInviteResponse(req, res, err) }) && res != nil && res.IsSuccess() {
			c.ua.byeTo(f, res)
		}
	})
	if err != nil {
		c.lastWaits()
		return
	}
	c.out.stop = stop
	c.out.cancelled = true
	_, err = f.start(cancelOf(req, "", c.ua.cfg.UserAgent), func(res *sip.Response, err error) {
		c.do(func() {
			switch {
			case errors.Is(err, errFlowLost):
				c.lastWaits()
			case err == nil && res.StatusCode == sip.StatusCallTransactionDoesNotExists:
				for _, fork := range c.out.forks {
					c.ua.byeTo(f, fork.res)
				}
				c.die()
			}
		})
	})
	if err != nil {
		c.lastWaits()
	}
}
