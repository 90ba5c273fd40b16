package door

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"intercomd/audio"
	"intercomd/phone"
	"intercomd/station"
	"intercomd/words"
)

// Each step of a canary call has its time.
const (
	canaryAnswer = 20 * time.Second // an echo extension answers by itself
	canaryMedia  = 10 * time.Second // from the answer to a way for the sound
	canaryEcho   = 15 * time.Second // it may first say what it is there for
)

// canaryFile is how the last one went.
const canaryFile = "canary.json"

// canaries makes calls to an extension that sends back what it hears. They are calls of the phone,
// with media of their own, and none of the station: nothing of the sound engine has a part in them.
type canaries struct {
	tel   *telephone
	sound audio.Config
	log   *slog.Logger
	runs  sync.WaitGroup
}

// start calls beside whoever asks for it.
func (c *canaries) start(ctx context.Context, target string, done func(station.CanaryResult)) {
	c.runs.Go(func() {
		r := c.run(ctx, target)
		if ctx.Err() != nil {
			r = station.CanaryResult{Interrupted: true}
		}
		c.log.Debug("canary call", "target", target, "interrupted", r.Interrupted, "problem", r.Problem.Code, "answer", r.Answer, "echo", r.Echo)
		done(r)
	})
}

// wait returns when no call is made any more; each ends soon after its context.
func (c *canaries) wait() { c.runs.Wait() }

// canaryCall is a call that nobody at the door hears of.
type canaryCall struct {
	*call
	happened chan phone.Event
}

// Happened implements [phone.Listener]. Only the first few events matter.
func (c *canaryCall) Happened(e phone.Event) {
	if e.Call != nil { // an echo extension has nobody to pass the door on to
		c.tel.adopt(e.Call).End(station.CauseRefused)
	}
	select {
	case c.happened <- e:
	default:
	}
}

func (c *canaries) run(ctx context.Context, target string) (r station.CanaryResult) {
	l := &canaryCall{c.tel.newCall(), make(chan phone.Event, 16)}
	l.Call = c.tel.ua.Dial(target, l)
	defer l.Call.End(phone.HungUp)

	sent := time.Now()
	answered, problem := l.await(ctx, canaryAnswer, phone.Answered, "canary-not-answered")
	if r.Problem = problem; !problem.None() || ctx.Err() != nil {
		r.Interrupted = answered.Kind == phone.Ended && lost(answered.Ending)
		return r
	}
	r.Answer = answered.At.Sub(sent)
	up, problem := l.await(ctx, canaryMedia, phone.MediaUp, "canary-no-media")
	if r.Problem = problem; !problem.None() || ctx.Err() != nil {
		r.Interrupted = up.Kind == phone.Ended && lost(up.Ending)
		return r
	}
	trial, stop := context.WithTimeout(ctx, canaryEcho)
	defer stop()
	c.runs.Go(func() { // whoever hangs up, or is cut off, sends nothing back
		if e, _ := l.await(trial, canaryEcho, phone.Ended, ""); e.Kind == phone.Ended {
			stop()
		}
	})
	took, heard, err := audio.TryEcho(trial, c.sound, l)
	switch {
	case err != nil:
		r.Problem = words.Because(words.New("canary-sound"), err)
	case !heard:
		r.Problem = words.New("canary-no-echo")
	}
	r.Echo = took
	return r
}

// lost reports whether a call ended with the way to the server, which is a fault of its own already.
func lost(e phone.Ending) bool {
	switch e.Cause {
	case phone.NetworkLost, phone.NotRegistered, phone.Shutdown:
		return true
	default:
		return false
	}
}

// await waits for a step of the call. The problem is that it did not come to it.
func (c *canaryCall) await(ctx context.Context, limit time.Duration, step phone.EventKind, late string) (phone.Event, words.Message) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case e := <-c.happened:
			switch e.Kind {
			case step:
				return e, words.Message{}
			case phone.Ended:
				end := ending(e.Ending)
				status := ""
				if end.Status != 0 {
					status = strconv.Itoa(end.Status)
				}
				return e, words.New("canary-ended", "cause", string(end.Cause), "status", status)
			}
		case <-timer.C:
			return phone.Event{}, words.New(late, "span", words.Span(limit))
		case <-ctx.Done():
			return phone.Event{}, words.Message{}
		}
	}
}

var _ phone.Listener = (*canaryCall)(nil)
