package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	t1           = 500 * time.Millisecond // RFC 3261, table 4
	t2           = 4 * time.Second
	timeoutB     = 64 * t1
	byeTime      = 8 * time.Second  // for the answer to a BYE: longer than it takes to see that the connection is dead
	ackTime      = 2 * time.Second  // for an ACK before we hang up all the same
	passTime     = 1 * time.Second  // for the BYE of whoever passed us on (RFC 5589, 6.1); one who gets ours first may take it for a failure
	mediaTime    = 2 * time.Second  // to make a media session
	doubtTime    = 2 * time.Second  // without any answer to an INVITE before we doubt the connection
	retryTime    = 15 * time.Second // for a new connection, before the call is up and after it was hung up
	flowPatience = 90 * time.Second // an established call waits so long for a new connection
)

// Call is one call. Its methods return at once, may be called from any goroutine
// and in any state; a call that is over ignores them.
type Call struct {
	ua       *UA
	log      *slog.Logger
	id       string
	localTag string
	incoming bool
	remote   Party // never changes once the call is known to anybody
	// Of an incoming call's INVITE; never change.
	remoteTag   string
	inviteSeq   uint32
	answerAfter time.Duration // negative: the caller does not ask for an automatic answer
	answerMust  bool          // the caller wants that or no call at all (RFC 5373)

	box  *inbox
	gone chan struct{} // closed when the call's goroutine has ended

	// Everything below belongs to the call's goroutine.
	listener Listener // nil: nobody knows of the call yet
	untold   []Event  // until there is a listener
	phase    phase
	over     bool // leave the loop
	ended    bool // Ended has been told
	byeSent  bool
	d        dialog
	session  MediaSession
	accepts  bool // an SDP answer has been applied
	mediaUp  bool
	wasUp    bool // the media was up before
	held     bool
	keys     keys
	unsent   []rune // keys that we send by INFO
	timers   []*time.Timer

	out out // of a call that we made
	in  in  // of a call that we got

	transfer  *transfer  // we were made by one
	referring *Call      // and this one is made by ours
	passed    bool       // the far end was told that it is up
	referred  bool       // there was a transfer before
	redirects []redirect // where else to try (3xx)

	pending  *pending2xx // our 200 that waits for its ACK
	timer    sessionTimer
	silence  silence
	changing bool   // our own re-INVITE or UPDATE is under way
	update   bool   // the far end knows UPDATE
	away     bool   // the connection was lost and the far end does not know the new one yet
	line     line   // what the loss of a connection does to the call
	moved    bool   // the address of our media has gone: it needs new paths
	want     string // why a re-INVITE is due that has to wait
}

type phase int

const (
	idle     phase = iota // nothing was sent
	calling               // our INVITE is out
	rings                 // an INVITE came and waits for Answer
	accepted              // our 200 is out, the ACK is not here yet
	up
	ending // Ended was told; the last request waits for its answer
)

func newCall(u *UA, id string, incoming bool) *Call {
	return &Call{
		ua: u, id: id, incoming: incoming, localTag: randomHex(6), answerAfter: -1,
		log: u.log.With("call", id[:min(len(id), 8)]),
		box: newInbox(), gone: make(chan struct{}),
	}
}

// ID is the SIP Call-ID.
func (c *Call) ID() string { return c.id }

// Remote is the far end: whom we called, or who calls.
func (c *Call) Remote() Party { return c.remote }

// Incoming reports whether the far end made the call.
func (c *Call) Incoming() bool { return c.incoming }

// AnswerAfter reports whether the caller asks for an automatic answer, and after
// what time (Call-Info, Alert-Info, RFC 5373). Whether to grant it is not the
// phone's business.
func (c *Call) AnswerAfter() (d time.Duration, ok bool) {
	return max(c.answerAfter, 0), c.answerAfter >= 0
}

// AnswerRequired reports whether the caller asks for an automatic answer and wants no
// call without it: where it is not granted the call should be ended with [Refused].
func (c *Call) AnswerRequired() bool { return c.answerMust }

// Hear says who hears what becomes of a call that the phone began: of an incoming one, in
// [Owner.Called], and of one that is to take the place of another, when [Transferred] is told.
// What happened before is told at once.
func (c *Call) Hear(l Listener) {
	if !c.do(func() { c.hear(l) }) { // it is over already
		l.Happened(Event{Kind: Ended, At: time.Now(), Ending: Ending{Cause: Cancelled}})
	}
}

func (c *Call) hear(l Listener) {
	c.listener = l
	for _, e := range c.untold {
		l.Happened(e)
	}
	c.untold = nil
}

// Ring tells the caller that the call rings here (180).
func (c *Call) Ring() { c.do(func() { c.provisional(180) }) }

// Queue tells the caller that the call has to wait (182). Ring may follow.
func (c *Call) Queue() { c.do(func() { c.provisional(182) }) }

// Answer accepts an incoming call (200).
func (c *Call) Answer() { c.do(c.answer) }

// End cancels, refuses or hangs up, whichever fits. why is told in the Ended
// event; for a call that rings here it chooses the refusal: Busy 486, Refused and
// HungUp 603 (Refused 403 if an automatic answer was required), NotFound 404,
// everything else 480. What is none of [Causes] is a hang-up to the far end.
func (c *Call) End(why Cause) {
	if !slices.Contains(Causes(), why) {
		why = HungUp
	}
	c.do(func() { c.end(Ending{Cause: why, Local: true}) })
}

// SendDigits sends DTMF keys once the call is answered: in RTP or, to a far end that
// takes none there, by INFO.
func (c *Call) SendDigits(digits string) { c.do(func() { c.sendKeys(digits) }) }

// do queues a task for the call's goroutine; false means that the call is over.
func (c *Call) do(task func()) bool { return c.box.put(task) }

// loop runs the tasks of the call. It ends when the call is over on the wire too.
func (c *Call) loop() {
	defer c.leave()
	for !c.over {
		<-c.box.wake
		for _, task := range c.box.take() {
			c.protect(task)
		}
	}
}

// protect runs a task; whatever the far end made it stumble over ends this call only.
func (c *Call) protect(task func()) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("internal error in a call; hanging up", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.finish(Ending{Cause: Failed, Reason: "internal error", Local: true})
		}
	}()
	task()
}

func (c *Call) leave() {
	for _, task := range c.box.close() {
		c.protect(task) // requests that came too late get their answer
	}
	if !c.ended {
		c.tell(Ending{Cause: Shutdown, Local: true})
	}
	for _, t := range c.timers {
		t.Stop()
	}
	if c.out.stop != nil {
		c.out.stop()
	}
	if c.in.tx != nil {
		c.in.tx.onCancel.Store(nil)
	}
	c.ua.release(c)
	close(c.gone)
}

// after runs a task in the call's goroutine when d has passed.
func (c *Call) after(d time.Duration, task func()) *time.Timer {
	t := time.AfterFunc(d, func() { c.do(task) })
	c.timers = append(c.timers, t)
	return t
}

// every runs a task in the call's goroutine again and again while it returns true.
func (c *Call) every(d time.Duration, task func() bool) {
	var t *time.Timer
	t = c.after(d, func() {
		if task() {
			t.Reset(d)
		}
	})
}

func (c *Call) emit(e Event) {
	if c.ended {
		return
	}
	e.At = time.Now()
	if c.listener == nil {
		c.untold = append(c.untold, e) // a few: nothing much happens before there is one
		return
	}
	c.listener.Happened(e)
}

func (c *Call) event(k EventKind) {
	c.log.Info("call", "state", string(k))
	c.emit(Event{Kind: k})
}

// abort ends a call that never had a goroutine.
func (c *Call) abort(e Ending) {
	c.tell(e)
	c.box.close()
	close(c.gone)
}

// tell tells the end of the call, once, and closes its media.
func (c *Call) tell(e Ending) {
	if c.ended {
		return
	}
	e.Reason = oneLine(e.Reason)
	switch e.Cause {
	case NetworkLost, MediaFault, NotRegistered:
		e.Local = false
	}
	c.progressEnded(e)
	c.log.Info("call", "state", "ended", "cause", string(e.Cause), "status", e.Status, "reason", e.Reason, "local", e.Local,
		"side", string(e.Side), "remedy", e.Remedy.Code, "peer", c.remote.URI)
	c.emit(Event{Kind: Ended, Ending: e})
	c.ended = true
	if s := c.session; s != nil {
		c.session = nil
		c.ua.wg.Go(func() {
			if err := s.Close(); err != nil {
				c.log.Debug("closing the media", "err", err)
			}
		})
	}
}

// end ends the call from this side: it is over for the user now, and for the far
// end as soon as it knows.
func (c *Call) end(e Ending) {
	if c.ended {
		return
	}
	before := c.phase
	c.tell(e)
	c.phase = ending
	switch before {
	case calling:
		c.cancel(e)
	case rings:
		c.line.last = func() { c.refuse(e); c.die() }
		if c.away {
			c.lastWaits()
			return
		}
		c.line.last()
	case accepted:
		c.line.last = func() { c.bye(e) }
		c.after(ackTime, func() { c.bye(e) }) // RFC 3261, 15: no BYE before the ACK
	case up:
		if c.passed && e.Cause != Shutdown {
			c.line.last = func() { c.bye(e) }
			c.after(passTime, func() { c.bye(e) })
			return
		}
		c.bye(e)
	default:
		c.die()
	}
}

// finish ends a call for which nothing is left to be sent.
func (c *Call) finish(e Ending) {
	c.tell(e)
	c.die()
}

// die lets the loop end after the tasks at hand.
func (c *Call) die() { c.phase, c.over = ending, true }

// bye hangs up an established call and waits a little for the answer.
func (c *Call) bye(e Ending) {
	if c.over || c.byeSent {
		return
	}
	c.phase, c.byeSent = ending, true
	if p := c.pending; p != nil {
		p.stop()
	}
	c.sendBYE(reasonHeader(e))
}

// sendBYE sends the BYE and waits a little for the answer. Without a connection it goes out
// on the next one, or the far end would talk on with nobody.
func (c *Call) sendBYE(reason string) {
	c.line.last = func() { c.sendBYE(reason) }
	giveUp := c.after(byeTime, c.die)
	c.request(sip.BYE, func(req *sip.Request) {
		if reason != "" {
			add(req, "Reason", reason)
		}
		req.SetBody(nil)
	}, func(_ *sip.Response, err error) {
		if errors.Is(err, errFlowLost) {
			giveUp.Stop()
			c.lastWaits()
			return
		}
		c.die()
	})
}

// reasonHeader tells the far end why (RFC 3326), where it is not just a hang-up.
func reasonHeader(e Ending) string {
	switch e.Cause {
	case MediaFault:
		return `Q.850;cause=41;text=` + quote(e.Reason)
	case NoCodec:
		return `SIP;cause=488;text="no common codec"`
	case NoAnswer:
		return `Q.850;cause=19;text="no answer"`
	case Failed:
		return `SIP;cause=500;text="failed"`
	case Shutdown:
		return `Q.850;cause=27;text="switched off"`
	default:
		return ""
	}
}

// request sends a request inside the dialog, answering challenges. on runs in the
// call's goroutine, with the final response or an error.
func (c *Call) request(method sip.RequestMethod, prepare func(*sip.Request), on func(*sip.Response, error)) {
	var try authTry
	var send func()
	send = func() {
		f := c.ua.flow.Load()
		if f == nil {
			on(nil, errFlowLost)
			return
		}
		req := c.d.request(f, method)
		prepare(req)
		c.ua.creds.sign(req, &try, false)
		answered := false
		_, err := f.start(req, func(res *sip.Response, err error) {
			if err == nil && res.IsProvisional() {
				return
			}
			c.do(func() {
				answered = true
				if err == nil && (res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired) && c.ua.creds.retry(method, res, &try) == nil {
					send()
					return
				}
				on(res, err)
			})
		})
		if err != nil {
			on(nil, err)
			return
		}
		c.doubt(f, &answered)
	}
	send()
}

// doubt asks whether a connection is still alive if a request on it has no answer soon.
func (c *Call) doubt(f *flow, answered *bool) {
	c.after(doubtTime, func() {
		if !*answered && c.ua.flow.Load() == f {
			f.conn.Probe(doubtTime)
		}
	})
}

// newSession makes the media of the call and watches it.
func (c *Call) newSession() error {
	ctx, cancel := context.WithTimeout(context.Background(), mediaTime)
	defer cancel()
	if c.listener == nil {
		return errors.New("making the media of a call: nobody listens to it")
	}
	s, err := c.listener.NewMedia(ctx)
	if err != nil {
		return fmt.Errorf("making the media of a call: %w", err)
	}
	c.session = s
	states, digits := s.States(), s.Digits()
	c.ua.wg.Go(func() {
		for states != nil || digits != nil {
			select {
			case w, ok := <-states:
				if !ok {
					states = nil
					continue
				}
				c.do(func() { c.onMedia(w) })
			case k, ok := <-digits:
				if !ok {
					digits = nil
					continue
				}
				c.do(func() { c.onDigit(k, false) })
			case <-c.gone:
				return
			}
		}
	})
	return nil
}

// negotiated tells a change of hold.
func (c *Call) negotiated() {
	if c.session == nil {
		return
	}
	c.accepts = true
	if hold := c.session.OnHold(); hold != c.held {
		c.held = hold
		if hold {
			c.event(Held)
		} else {
			c.event(Resumed)
		}
	}
	c.listenAgain()
}

func (c *Call) onMedia(state MediaState) {
	if c.ended {
		return
	}
	switch state {
	case MediaConnected:
		if !c.mediaUp {
			c.mediaUp = true
			c.event(MediaUp)
			if !c.wasUp {
				c.wasUp = true
				c.listen()
			}
		}
	case MediaDisconnected:
		if c.mediaUp {
			c.mediaUp = false
			c.event(MediaLost)
			c.checkGone()
			c.ask()
		}
	case MediaMoved:
		c.onMoved()
	case MediaFailed, MediaClosed:
		c.end(Ending{Cause: MediaFault, Reason: "the media " + string(state), Local: true})
	}
}
