package phone

import "time"

// restartRetry is the time to the next try when new paths could not be prepared.
const restartRetry = 2 * time.Second

// onMoved is told when the address that our media uses has gone from this machine
// while there is another: a cable was pulled, a lease has changed. The media has to
// find new paths, which the far end must be told. The connection to the server had
// the old address too, most likely, but its socket may not know.
func (c *Call) onMoved() {
	c.log.Warn("the local address of the call is gone; offering another")
	c.moved = true
	if f := c.ua.flow.Load(); f != nil {
		f.conn.Probe(doubtTime)
	}
	c.reinvite("new address")
}

// restart prepares the media for new paths, if that is due.
func (c *Call) restart() error {
	if !c.moved {
		return nil
	}
	if err := c.session.Restart(); err != nil {
		return err
	}
	c.moved = false
	return nil
}

// catchUp sends the re-INVITE that had to wait for something else.
func (c *Call) catchUp() {
	if why := c.want; why != "" {
		c.reinvite(why)
	}
}
