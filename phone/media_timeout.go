package phone

import (
	"fmt"
	"time"
)

// silence ends a call in which nothing comes from the far end any more. Neither ICE
// nor the session timer can tell: a server answers both for a phone whose battery
// has died, and falls silent to both while it holds a call.
//
// The time counts from the last packet of RTP or RTCP: participants are known by
// either (RFC 3550, 6.2.1), and one that is muted sends only the latter. Where there is none it counts from when one
// could have come first: the call is up, the media is connected, the far end has
// taken us back from hold.
type silence struct {
	from time.Time   // no earlier than this
	due  bool        // something should come
	at   *time.Timer // of the next look
}

// listen begins to count anew.
func (c *Call) listen() {
	if c.phase != up || c.ua.cfg.MediaTimeout <= 0 {
		return
	}
	_, c.silence.due = c.heard()
	c.silence.from = time.Now()
	c.look(c.ua.cfg.MediaTimeout)
}

// listenAgain begins to count anew if a new description makes audio due again.
func (c *Call) listenAgain() {
	if _, due := c.heard(); due != c.silence.due {
		c.listen()
	}
}

func (c *Call) look(in time.Duration) {
	if c.silence.at != nil {
		c.silence.at.Reset(in)
		return
	}
	c.silence.at = c.after(in, c.checkHeard)
}

func (c *Call) checkHeard() {
	if c.phase != up {
		return
	}
	last, due := c.heard()
	if !due {
		return // until listenAgain
	}
	last = later(later(last, c.session.LastReport()), c.silence.from)
	limit := c.ua.cfg.MediaTimeout
	if left := limit - time.Since(last); left > 0 {
		c.look(left)
		return
	}
	c.end(Ending{Cause: MediaFault, Reason: fmt.Sprintf("no audio came for %g s", limit.Seconds()), Local: true})
}

// heard says when the far end was last heard, and whether it should be.
func (c *Call) heard() (last time.Time, due bool) {
	if c.session == nil || c.held {
		return last, false
	}
	return c.session.Heard()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
