// Package notify tells people who are not at the door what happens there.
//
// It follows the events of a station and delivers those that are worth a notice by the ways
// that it was given: web services, and whatever can send a text to a user. The door never
// waits for that: each way has a bounded queue and a goroutine of its own. The package knows
// nothing of SIP, and decides nothing about the door.
package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"intercomd/station"
	"intercomd/words"
)

const (
	noticesKept = 32 // that wait for one way out; beyond that the oldest go
	noticeTries = 3
	noticeLimit = 5 * time.Second // of one try
	noticePause = 2 * time.Second // before the second try; five times that before the third
)

// notice is news for people who are not at the door: an event of some kinds, with a sentence
// for whoever forwards it to people.
type notice struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // "alarm" or "missed", as the configuration has it
	Key  string    `json:"key"`  // of the alarm, or the ID of the call
	Over bool      `json:"over"` // an alarm that has ended
	words.Message
	Text string `json:"text"`
}

// The kinds of notices.
const (
	noticeAlarm  = "alarm"  // held, forced, tamper, generic contact, locked keypad
	noticeMissed = "missed" // a visitor rang and nobody came
)

// noticeOf is the notice that an event is worth, if it is.
func noticeOf(e station.Event) (n notice, ok bool) {
	n = notice{At: e.At, Kind: noticeAlarm}
	switch w := e.News.(type) {
	case station.AlarmChanged:
		n.Key, n.Over, n.Message = "alarm."+w.Input, w.Over, w.Fault().Message
		if w.Over {
			n.Message = words.New("alarm-over", "label", w.Label)
		}
	case station.KeypadLocked:
		n.Key, n.Message = "codes", words.New("keypad-locked", "until", words.Time(w.Until))
	case station.VisitorMissed:
		if w.Quiet {
			return n, false
		}
		n.Kind, n.Key = noticeMissed, e.Call
		n.Message = words.New("visitor-missed", "label", w.Label, "cause", string(w.Ending.Cause))
	default:
		return n, false
	}
	n.Text = n.String()
	return n, true
}

// courier delivers notices by one way.
type courier struct {
	key   string        // of its fault, such as "notify.1.webhook"
	to    words.Message // who it is, without secrets
	kinds []string      // that it takes
	send  func(ctx context.Context, n notice) error
	log   *slog.Logger
	queue chan notice

	limit time.Duration // of one try
	pause time.Duration // before the second try

	faults Faults // where a notice that was not delivered is shown
}

// permanentError is a failure that another try would not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Config is whom to tell, and as whom.
type Config struct {
	Door  string // display name of the door
	Agent string // User-Agent of web services, such as "intercomd/1.0"
	Ways  []Way
	// Text sends a text to a user. Nil: users cannot be told.
	Text func(ctx context.Context, user, text string) error
	Log  *slog.Logger
}

// Way is one section [[notify]] of the configuration.
type Way struct {
	Kinds   []string // "alarm", "missed"
	Webhook string   // address of a web service; "" for none
	// RootCAs are the authorities that the web service must be vouched for by; nil for those of
	// the system. With an error the web service is never asked.
	RootCAs func() (*x509.CertPool, error)
	Users   []string // who get texts
}

// Faults is where a way that does not work is shown, by a key such as "notify.1.webhook".
type Faults interface {
	SetFault(f station.Fault)
	ClearFault(key string)
}

// Office has a courier for each way out.
type Office struct{ couriers []*courier }

// New makes the couriers. A way that cannot be used is a fault and leaves the others.
func New(c Config) (*Office, []station.Fault) {
	o := &Office{}
	var faults []station.Fault
	add := func(i int, way string, to words.Message, send func(context.Context, notice) error) {
		o.couriers = append(o.couriers, &courier{key: fmt.Sprintf("notify.%d.%s", i+1, way), to: to, kinds: c.Ways[i].Kinds, send: send,
			log: c.Log.With("to", words.English().Say("recipient", to)), queue: make(chan notice, noticesKept), limit: noticeLimit, pause: noticePause})
	}
	for i, w := range c.Ways {
		if w.Webhook != "" {
			hook, err := newWebhook(w.Webhook, w.RootCAs, c.Door, c.Agent)
			if err == nil {
				add(i, "webhook", words.New("webhook", "host", hook.host), hook.post)
			} else {
				faults = append(faults, station.Fault{Key: fmt.Sprintf("notify.%d.webhook", i+1), Blinks: station.FaultUntold,
					Message: words.Because(words.New("notify-unusable"), err)})
			}
		}
		for _, user := range w.Users {
			if c.Text != nil {
				add(i, user, words.New("user", "user", user), func(ctx context.Context, n notice) error {
					return c.Text(ctx, user, c.Door+": "+n.Text)
				})
			}
		}
	}
	return o, faults
}

// Idle reports whether there is nobody to tell.
func (o *Office) Idle() bool { return len(o.couriers) == 0 }

// Tell queues the notice that an event is worth, if it is, for everybody who takes its kind.
// It never blocks, and has one caller at a time.
func (o *Office) Tell(e station.Event) {
	n, ok := noticeOf(e)
	if !ok {
		return
	}
	for _, c := range o.couriers {
		c.tell(n)
	}
}

// Run delivers until ctx ends, and shows what could not be delivered.
func (o *Office) Run(ctx context.Context, f Faults) {
	var all sync.WaitGroup
	for _, c := range o.couriers {
		c.faults = f
		all.Go(func() { c.run(ctx) })
	}
	all.Wait()
}

// tell queues a notice if the courier takes its kind. It never blocks, and has
// one caller at a time.
func (c *courier) tell(n notice) {
	if !slices.Contains(c.kinds, n.Kind) {
		return
	}
	for {
		select {
		case c.queue <- n:
			return
		default:
		}
		select {
		case old := <-c.queue:
			c.log.Error("notice dropped: too many are waiting", "kind", old.Kind, "key", old.Key)
		default:
		}
	}
}

// run delivers until ctx ends.
func (c *courier) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-c.queue:
			c.deliver(ctx, n)
		}
	}
}

// deliver tries to deliver one notice, and shows how that went.
func (c *courier) deliver(ctx context.Context, n notice) {
	pause := c.pause
	for try := 1; ; try++ {
		err := c.once(ctx, n)
		switch {
		case err == nil:
			c.log.Info("notice delivered", "kind", n.Kind, "key", n.Key, "try", try)
			c.faults.ClearFault(c.key)
			return
		case ctx.Err() != nil:
			c.log.Warn("notice not delivered: shutting down", "kind", n.Kind, "key", n.Key)
			return
		}
		c.log.Warn("notice not delivered", "kind", n.Kind, "key", n.Key, "try", try, "error", err)
		if try == noticeTries || errors.As(err, new(permanentError)) {
			m := words.Message{Code: "notice-undelivered", Params: c.to.Params}.With("to", c.to.Code)
			m = words.Because(m, err)
			c.faults.SetFault(station.Fault{Key: c.key, Blinks: station.FaultUntold, Message: m})
			return
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		pause *= 5
	}
}

// once is one try. A way out that breaks must not take the door along.
func (c *courier) once(ctx context.Context, n notice) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	return c.send(ctx, n)
}
