// Package notify tells people who are not at the door what happens there.
//
// It follows the events of a station and delivers those that are worth a notice by the ways
// that it was given: web services, and whatever can send a text to a user. The door never
// waits for that: each way has a bounded queue and a goroutine of its own. What waits for a web
// service outlives a restart. The package knows nothing of SIP and of files, and decides nothing
// about the door.
package notify

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"intercomd/station"
	"intercomd/words"
)

const (
	textsKept   = 32 // that wait for one user; beyond that the oldest go
	postsKept   = 256
	noticeTries = 3 // of a text, and until a way that does not work is a fault
	// refusalTries are those of what a web service refuses by an answer of 4xx: it may be
	// configured wrongly for a while, and must not keep for ever what comes after.
	refusalTries = 10
	noticeLimit  = 5 * time.Second // of one try
	noticePause  = 2 * time.Second // before the second try; of a text five times that before the third
	longestPause = 5 * time.Minute // between two tries
	longestWish  = time.Hour       // that a web service may ask for between two tries
	postsFor     = 24 * time.Hour  // that a web service is given to take something
)

// notice is news for people who are not at the door: an event of some kinds, with a sentence
// for whoever forwards it to people.
type notice struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // "alarm", "missed" and the like, as the configuration has it
	Key  string    `json:"key"`  // of the alarm, or the ID of the call
	Over bool      `json:"over"` // an alarm or a fault that has ended
	Call string    `json:"call,omitempty"`
	words.Message
	Text  string `json:"text"`
	Event any    `json:"event,omitempty"` // as other interfaces have it; what was kept is read as it was written
}

// The kinds of notices, as the configuration has them.
const (
	noticeAlarm        = "alarm"  // held, forced, tamper, generic contact, locked keypad
	noticeMissed       = "missed" // a visitor rang and nobody came
	noticeRing         = "ring"   // a press that calls somebody
	noticeCall         = "call"   // begins, in either direction
	noticeAnswered     = "answered"
	noticeOpened       = "opened"
	noticeFault        = "fault"        // other than alarms and the registration
	noticeRegistration = "registration" // there is one, or there is none
)

// noticeOf is the notice that an event is worth, if it is.
func noticeOf(e station.Event) (n notice, ok bool) {
	n = notice{At: e.At, Kind: noticeAlarm, Call: e.Call}
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
	case station.Pressed:
		n.Kind, n.Key, n.Message = noticeRing, w.Button, words.New("visitor-rang", "label", w.Label)
		if w.Does != station.Dial {
			return n, false
		}
	case station.CallStarted:
		n.Kind, n.Key, n.Message = noticeCall, e.Call, words.New("call-placed", "peer", w.Peer.User)
		if w.Direction == station.Incoming {
			n.Message = words.New("call-came", "peer", w.Peer.User)
		}
	case station.CallStep:
		n.Kind, n.Key, n.Message = noticeAnswered, e.Call, words.New("call-taken")
		if w.Step != station.Answered {
			return n, false
		}
	case station.Released:
		n.Kind, n.Key, n.Message = noticeOpened, w.Relay, words.New("relay-released", "relay", w.Relay)
		if !w.OK {
			return n, false
		}
	default:
		if n, ok = faultNotice(n, e.News); !ok {
			return n, false
		}
	}
	n.Text = n.String()
	return n, true
}

// faultNotice is noticeOf for what is wrong, and for the registration.
func faultNotice(n notice, news station.News) (notice, bool) {
	switch w := news.(type) {
	case station.FaultRaised:
		n.Kind, n.Key, n.Message = noticeFault, w.Fault.Key, w.Fault.Message
		return n, !ownKind(w.Fault.Key)
	case station.FaultCleared:
		n.Kind, n.Key, n.Over, n.Message = noticeFault, w.Fault.Key, true, words.New("fault-over").Because(w.Fault.Message)
		return n, !ownKind(w.Fault.Key)
	case station.RegistrationChanged:
		n.Kind, n.Key = noticeRegistration, "registration"
		switch w.Registration.State {
		case station.RegRegistered:
			n.Over, n.Message = true, words.New("door-registered")
		case station.RegFailed, station.RegRefused:
			n.Message = words.New("not-registered-yet")
			if !w.Registration.Problem.None() {
				n.Message = words.New("not-registered").Because(w.Registration.Problem)
			}
		default: // on its way to one of these
			return n, false
		}
		return n, true
	}
	return n, false
}

// ownKind reports whether a fault is told as something else, or is of this package: a notice that
// is not delivered must not be a reason for another one.
func ownKind(key string) bool {
	return strings.HasPrefix(key, "notify.") || strings.HasPrefix(key, "alarm.") || key == "registration"
}

// courier delivers notices by one way.
type courier struct {
	key   string        // of its fault, such as "notify.1.webhook"
	dest  string        // tells what waits for it from what waits for another; "": nothing is kept
	to    words.Message // who it is, without secrets
	kinds []string      // that it takes
	send  func(ctx context.Context, e entry) error
	log   *slog.Logger
	queue *queue

	limit time.Duration // of one try
	pause time.Duration // before the second try

	office *Office
	mu     sync.Mutex
	shown  station.Delivery // without what waits
}

// lasting reports whether notices are kept until they are delivered.
func (c *courier) lasting() bool { return c.dest != "" }

// permanentError is a failure that another try would not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// refusedError is an answer that says no, and that may be another one later.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// laterError is a failure after which the far end wants to be left alone for a while.
type laterError struct {
	error
	wait time.Duration
}

func (e laterError) Unwrap() error { return e.error }

// Config is whom to tell, and as whom.
type Config struct {
	Door  string // display name of the door
	Agent string // User-Agent of web services, such as "intercomd/1.0"
	Ways  []Way
	// Keep is where notices wait for web services across restarts. Nil: they do not.
	Keep Keeper
	// Text sends a text to a user. Nil: users cannot be told.
	Text func(ctx context.Context, user, text string) error
	Log  *slog.Logger
}

// Way is one section [[notify]] of the configuration.
type Way struct {
	Kinds   []string // "alarm", "missed" and the like
	Webhook string   // address of a web service; "" for none
	// RootCAs are the authorities that the web service must be vouched for by; nil for those of
	// the system. With an error the web service is never asked.
	RootCAs func() (*x509.CertPool, error)
	Secret  string   // that signs what the web service gets, as Standard Webhooks writes it; "": nothing is signed
	Users   []string // who get texts
}

// Keeper keeps what waits. Both methods may take their time.
type Keeper interface {
	Load(v any) error
	Save(v any) error
}

// Faults is where a way that does not work is shown, by a key such as "notify.1.webhook", and
// how all of them fare.
type Faults interface {
	SetFault(f station.Fault)
	ClearFault(key string)
	SetDeliveries(list []station.Delivery)
}

// Office has a courier for each way out.
type Office struct {
	couriers []*courier
	keep     Keeper
	log      *slog.Logger
	faults   Faults
	changed  chan struct{} // something waits, or waits no longer; buffered
	showing  sync.Mutex
}

// New makes the couriers. A way that cannot be used is a fault and leaves the others.
func New(c Config) (*Office, []station.Fault) {
	o := &Office{keep: c.Keep, log: c.Log, changed: make(chan struct{}, 1)}
	var faults []station.Fault
	add := func(i int, way, dest string, kept int, to words.Message, send func(context.Context, entry) error) {
		key := fmt.Sprintf("notify.%d.%s", i+1, way)
		o.couriers = append(o.couriers, &courier{key: key, dest: dest, to: to, kinds: c.Ways[i].Kinds, send: send, office: o, shown: station.Delivery{Key: key, To: to},
			log: c.Log.With("to", words.English().Say("recipient", to)), queue: newQueue(kept), limit: noticeLimit, pause: noticePause})
	}
	for i, w := range c.Ways {
		if w.Webhook != "" {
			hook, err := newWebhook(w.Webhook, w.Secret, w.RootCAs, c.Door, c.Agent)
			if err == nil {
				sum := sha256.Sum256([]byte(w.Webhook))
				add(i, "webhook", hex.EncodeToString(sum[:12]), postsKept, words.New("webhook", "host", hook.host), hook.post)
			} else {
				faults = append(faults, station.Fault{Key: fmt.Sprintf("notify.%d.webhook", i+1), Blinks: station.FaultUntold,
					Message: words.Because(words.New("notify-unusable"), err)})
			}
		}
		for _, user := range w.Users {
			if c.Text != nil {
				add(i, user, "", textsKept, words.New("user", "user", user), func(ctx context.Context, e entry) error {
					return c.Text(ctx, user, c.Door+": "+e.Notice.Text)
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
	n.Event = &e
	for _, c := range o.couriers {
		c.tell(n)
	}
}

// Run delivers until ctx ends, and shows what could not be delivered.
func (o *Office) Run(ctx context.Context, f Faults) {
	if o.Idle() {
		return
	}
	o.showing.Lock() // somebody may tell already
	o.faults = f
	o.showing.Unlock()
	kept := o.restore()
	o.show()
	var all sync.WaitGroup
	all.Go(func() { o.save(ctx, kept) })
	for _, c := range o.couriers {
		all.Go(func() { c.run(ctx) })
	}
	all.Wait()
}

// waiting is what is kept, by who it is for.
type waiting map[string][]entry

// restore finds what waited when the program ended, and reports whether anything did. What waited
// for somebody who is not told any more is gone with the next save.
func (o *Office) restore() bool {
	if o.keep == nil {
		return false
	}
	var old waiting
	if err := o.keep.Load(&old); err != nil {
		o.log.Warn("what waited for web services before the start cannot be read", "error", err)
		return true
	}
	for _, c := range o.couriers {
		if c.lasting() && len(old[c.dest]) > 0 {
			c.queue.restore(old[c.dest])
		}
	}
	return len(old) > 0
}

// save keeps what waits, as often as the card lets it. kept tells that the card has something.
func (o *Office) save(ctx context.Context, kept bool) {
	if o.keep == nil {
		return
	}
	last, failed := "", ""
	if kept {
		last = "of before"
	}
	for {
		over := ctx.Err() != nil
		now := waiting{}
		ids := ""
		for _, c := range o.couriers {
			if c.lasting() {
				for _, e := range c.queue.all() {
					now[c.dest] = append(now[c.dest], e)
					ids += c.dest + e.ID
				}
			}
		}
		if ids != last {
			err := o.keep.Save(now)
			if last = ids; err != nil && err.Error() != failed {
				failed = err.Error()
				o.log.Warn("what waits for web services cannot be kept", "error", err)
			}
		}
		if over {
			return
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
		}
	}
}

// show publishes how the couriers fare, and has what waits kept.
func (o *Office) show() {
	o.showing.Lock()
	defer o.showing.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	if o.faults == nil {
		return
	}
	list := make([]station.Delivery, 0, len(o.couriers))
	for _, c := range o.couriers {
		c.mu.Lock()
		d := c.shown
		c.mu.Unlock()
		d.Waiting = c.queue.len()
		list = append(list, d)
	}
	o.faults.SetDeliveries(list)
}

// tell queues a notice if the courier takes its kind. It never blocks, and has
// one caller at a time.
func (c *courier) tell(n notice) {
	if !slices.Contains(c.kinds, n.Kind) {
		return
	}
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	for _, old := range c.queue.add(entry{ID: "msg_" + id.String(), Since: time.Now(), Notice: n}) {
		c.log.Error("notice dropped: too many are waiting", "kind", old.Notice.Kind, "key", old.Notice.Key)
	}
	c.office.show()
}

// run delivers until ctx ends, one after the other.
func (c *courier) run(ctx context.Context) {
	for {
		for e, ok := c.queue.first(); ok; e, ok = c.queue.first() {
			if c.deliver(ctx, e); ctx.Err() != nil {
				return
			}
			c.queue.done(e.ID)
			c.office.show()
		}
		select {
		case <-ctx.Done():
			return
		case <-c.queue.more:
		}
	}
}

// deliver delivers one notice, or gives it up, and shows how that goes.
func (c *courier) deliver(ctx context.Context, e entry) {
	n := e.Notice
	for try := 1; ; try++ {
		err := c.once(ctx, e)
		switch {
		case err == nil:
			c.log.Info("notice delivered", "kind", n.Kind, "key", n.Key, "try", try)
			c.note(0, nil)
			c.office.faults.ClearFault(c.key)
			return
		case ctx.Err() != nil:
			c.log.Warn("notice not delivered: shutting down", "kind", n.Kind, "key", n.Key)
			return
		}
		c.log.Warn("notice not delivered", "kind", n.Kind, "key", n.Key, "try", try, "error", err)
		c.note(try, err)
		over := c.givesUp(e, try, err)
		if over || try == noticeTries {
			m := words.Message{Code: "notice-undelivered", Params: c.to.Params}.With("to", c.to.Code)
			m = words.Because(m, err)
			c.office.faults.SetFault(station.Fault{Key: c.key, Blinks: station.FaultUntold, Message: m})
		}
		if over {
			return
		}
		pause := c.before(try + 1)
		if later, ok := errors.AsType[laterError](err); ok {
			pause = max(pause, later.wait)
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
}

// givesUp reports whether a notice is not worth another try.
func (c *courier) givesUp(e entry, try int, err error) bool {
	switch {
	case errors.As(err, new(permanentError)):
		return true
	case !c.lasting():
		return try >= noticeTries
	}
	return errors.As(err, new(refusedError)) && try >= refusalTries || time.Since(e.Since) > postsFor
}

// before is how long to wait before a try. Texts have two; what is kept is tried less and less often,
// and never by many doors at once.
func (c *courier) before(try int) time.Duration {
	if !c.lasting() {
		pause := c.pause
		for range try - 2 {
			pause *= 5
		}
		return pause
	}
	most := min(longestPause, c.pause<<min(try-2, 12))
	return most/2 + rand.N(most/2+1) //nolint:gosec // spreads load, no secret
}

// note keeps how the last try went, for people.
func (c *courier) note(tries int, err error) {
	c.mu.Lock()
	c.shown.Tries, c.shown.Problem = tries, words.Message{}
	if told, ok := words.Told(err); ok {
		c.shown.Problem = told
	} else if err != nil {
		c.shown.Problem = words.New("told", "detail", err.Error())
	} else {
		c.shown.Last = time.Now()
	}
	c.mu.Unlock()
	c.office.show()
}

// once is one try. A way out that breaks must not take the door along.
func (c *courier) once(ctx context.Context, e entry) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	return c.send(ctx, e)
}
