package phone

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sessionTimer watches that both ends still know the call (RFC 4028). Without it,
// a server keeps the channel of a dead device open for minutes.
type sessionTimer struct {
	interval time.Duration // 0: none
	least    time.Duration // that the far end has asked for by 422
	ours     bool          // we refresh
	until    time.Time     // the session ends then, unless refreshed
	at       *time.Timer
	wished   bool // by us only: the far end has agreed to none
}

// startTimer takes over what a 2xx to our INVITE or UPDATE says. ours is who
// refreshes when the answer does not say.
func (c *Call) startTimer(res *sip.Response, ours bool) {
	n, ok := seconds(res, "session-expires", "x")
	if !ok || n <= 0 {
		c.setTimer(0, false)
		return
	}
	who, told := param(header(res, "session-expires", "x"), "refresher")
	if told {
		ours = strings.EqualFold(who, "uac")
	}
	c.setTimer(time.Duration(n)*time.Second, ours)
}

// grantTimer answers the session timer that a request of the far end asks for: it
// may choose who refreshes, and does so itself if it leaves the choice to us.
func (c *Call) grantTimer(req *sip.Request, res *sip.Response) {
	n, ok := seconds(req, "session-expires", "x")
	if !ok || n <= 0 {
		if req.Method != sip.UPDATE {
			c.setTimer(0, false)
		}
		return
	}
	if !hasToken(req, "timer", "supported", "k") && !hasToken(req, "timer", "require") {
		// It passed a proxy that wants a timer, but the far end knows none: we refresh.
		add(res, "Session-Expires", secondsText(time.Duration(n)*time.Second)+";refresher=uas")
		c.setTimer(time.Duration(n)*time.Second, true)
		return
	}
	who, _ := param(header(req, "session-expires", "x"), "refresher")
	ours := strings.EqualFold(who, "uas")
	role := "uac"
	if ours {
		role = "uas"
	}
	add(res, "Session-Expires", secondsText(time.Duration(n)*time.Second)+";refresher="+role)
	add(res, "Require", "timer")
	c.setTimer(time.Duration(n)*time.Second, ours)
}

// tooShort refuses a session timer below what RFC 4028 allows, from a far end that can
// understand why.
func tooShort(tx *serverTx) bool {
	n, ok := seconds(tx.req, "session-expires", "x")
	if least := int(minSessionExpires / time.Second); ok && n < least && hasToken(tx.req, "timer", "supported", "k") {
		tx.reply(statusIntervalTooSmall, sip.NewHeader("Min-SE", strconv.Itoa(least)))
		return true
	}
	return false
}

// widen takes over the least interval that a 422 names. It returns false if that says
// nothing new.
func (c *Call) widen(res *sip.Response) bool {
	least, ok := seconds(res, "min-se")
	d := time.Duration(least) * time.Second
	if !ok || d <= c.timer.interval || d > 24*time.Hour {
		return false
	}
	c.timer.interval, c.timer.least = d, d
	return true
}

// askTimer keeps the running timer as it is in a re-INVITE or UPDATE of ours.
func (c *Call) askTimer(req *sip.Request) {
	if c.timer.interval <= 0 {
		return
	}
	role := "uas"
	if c.timer.ours {
		role = "uac"
	}
	add(req, "Session-Expires", secondsText(c.timer.interval)+";refresher="+role)
	if c.timer.least > 0 {
		add(req, "Min-SE", secondsText(c.timer.least))
	}
}

func (c *Call) setTimer(interval time.Duration, ours bool) {
	if c.timer.at != nil {
		c.timer.at.Stop()
	}
	c.timer = sessionTimer{interval: interval, least: c.timer.least, ours: ours, until: time.Now().Add(interval)}
	if interval <= 0 {
		return
	}
	if ours {
		c.timer.at = c.after(interval/2, c.refresh)
		return
	}
	// RFC 4028, section 10: hang up a little before the time is over.
	c.timer.at = c.after(interval-min(32*time.Second, interval/3), func() {
		c.end(Ending{Cause: NetworkLost, Status: 408, Reason: "the far end did not refresh the session", Local: true})
	})
}

// takeRefresh makes us the one who refreshes the session: the far end's requests may not
// reach us any more, and it would hang up when nobody does. A call that had no timer gets
// one, so that neither end keeps a call that the other has lost; if the far end does not
// agree, it has none.
func (c *Call) takeRefresh() {
	interval, wished := c.timer.interval, c.timer.wished
	if interval <= 0 {
		interval, wished = c.ua.cfg.SessionExpires, true
	}
	if interval > 0 {
		c.setTimer(interval, true)
		c.timer.wished = wished
	}
}

// refreshRefused is told that the far end has refused a change, from which follows that it
// still knows the call. A refresh is tried again while there is time (RFC 4028, 10).
func (c *Call) refreshRefused() {
	switch {
	case c.timer.wished:
		c.setTimer(0, false)
	case c.timer.interval > 0 && c.timer.ours:
		c.lookAgain(max(min(c.timeLeft(), c.timer.interval/8), 0))
	}
}

// timeLeft is how long the session can still be refreshed.
func (c *Call) timeLeft() time.Duration {
	return time.Until(c.timer.until) - min(10*time.Second, c.timer.interval/6)
}

// lookAgain puts off the next look at the timer; there is never more than one.
func (c *Call) lookAgain(in time.Duration) {
	if c.timer.at != nil {
		c.timer.at.Stop()
	}
	c.timer.at = c.after(in, c.refresh)
}

// refresh tells the far end that the call still lives: by UPDATE without SDP where
// it is known, since that touches no media, else by re-INVITE.
func (c *Call) refresh() {
	if c.phase != up || c.timer.interval <= 0 {
		return
	}
	left := c.timeLeft()
	if left <= 0 && c.timer.wished {
		c.setTimer(0, false)
		return
	}
	if left <= 0 {
		c.end(Ending{Cause: NetworkLost, Status: 408, Reason: "the session could not be refreshed", Local: true})
		return
	}
	if c.changing || c.away {
		c.lookAgain(min(left, 2*time.Second))
		return
	}
	c.lookAgain(left) // finds the time over, unless this try succeeds
	if !c.update {
		c.reinvite("session refresh")
		return
	}
	c.changing = true
	c.request(sip.UPDATE, func(req *sip.Request) {
		c.dressInvite(req, c.ua.flow.Load())
		c.askTimer(req)
		req.SetBody(nil)
	}, func(res *sip.Response, err error) {
		c.changing = false
		switch {
		case c.ended:
		case err == nil && res.IsSuccess():
			c.d.refresh(res)
			c.startTimer(res, true)
			c.catchUp()
		case err == nil && (res.StatusCode == sip.StatusMethodNotAllowed || res.StatusCode == sip.StatusNotImplemented || res.StatusCode == sip.StatusNotAcceptableHere):
			c.update = false
			c.reinvite("session refresh")
		default:
			c.onChangeRefused(res, err, c.refresh)
		}
	})
}
