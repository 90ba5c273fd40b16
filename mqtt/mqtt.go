// Package mqtt tells an MQTT broker how the door is and what happens there, in the way in which
// Home Assistant finds devices, and passes on what may be ordered through it.
//
// It follows the snapshots and events of a station and speaks MQTT 5 with Eclipse's client. The
// door never waits for it: one goroutine reads what the station keeps for its readers, and what a
// broker does not take in time is left out or told anew. The package decides nothing about the
// door; it knows neither SIP nor files.
package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// Door is what is told of, and ordered. All methods return at once but Do, which waits for the
// core of the door.
type Door interface {
	Snapshot() *station.Snapshot
	Changed() <-chan struct{}
	Since(from uint64) (events []station.Event, more <-chan struct{})
	Do(ctx context.Context, cmd station.Command) error
	SetFault(f station.Fault)
	ClearFault(key string)
}

// Config is a broker, and what it may do.
type Config struct {
	Server   string // URL: mqtts://host:port; mqtt:// is not encrypted
	User     string
	Password string
	// RootCAs are the authorities that the broker must be vouched for by; nil: those of the system.
	RootCAs     *x509.CertPool
	Certificate *tls.Certificate // by which the broker knows the door; nil: none

	Topic     string // what all topics begin with; "": nothing
	Serial    string // of the door: a level of all topics, and part of all names
	Discovery string // prefix of Home Assistant's discovery; "": it is not told
	Language  *words.Language
	Page      string   // address of the door's page for people; "": none
	Relay     string   // that opens the door that contacts watch
	Commands  []string // that may be ordered: kinds of [station.Command], and "open:" with a relay
	// Updates is how the system of the door is kept up to date; nil: it is not.
	Updates func(ctx context.Context) (Update, error)
	Log     *slog.Logger
}

// Update is how the system of a door stands.
type Update struct {
	Installed string // version
	Latest    string // version that is being installed, or the installed one
	Busy      bool   // it is being installed
	Percent   int    // of that
}

// How long things may take.
const (
	ackLimit   = 5 * time.Second  // of a broker, to confirm what it is told; then it is dialled anew
	freshFor   = 30 * time.Second // that a ring is worth telling of: nobody wants the bell of yesterday
	retryEvery = time.Minute      // of what a broker refuses
	patience   = 30 * time.Second // until a broker that is away is a fault
	lookEvery  = 15 * time.Second // for news of updates
	kept       = 32               // rings and other events that wait while the broker is away
)

// faultKey is where a broker that does not work is shown.
const faultKey = "mqtt"

// message is something to tell a broker.
type message struct {
	topic   string
	payload []byte
	retain  bool
	fresh   time.Time // until when it is worth telling; zero: always
}

// teller owns what is known of the broker. One goroutine has it: that of [Run].
type teller struct {
	cfg  Config
	door Door
	base string
	link *link
	log  *slog.Logger

	up      bool
	since   time.Time         // of up, or of its end
	shown   bool              // that the broker does not work is shown as a fault
	problem string            // that was logged last
	said    map[string]string // what the broker keeps, by topic
	retry   time.Time         // when what it refused is tried again
	next    uint64            // event that was not read yet
	waiting []message         // of events: momentary, not kept by the broker
	update  *Update           // nil: not known
}

// Run tells the broker of the door until ctx ends, and takes orders. An error is one of the
// configuration: the broker was never asked.
func Run(ctx context.Context, door Door, c Config) error {
	u, err := url.Parse(c.Server)
	if err != nil || u.Hostname() == "" {
		return errors.New("the server is no address")
	}
	t := &teller{cfg: c, door: door, base: base(c), log: c.Log.With("broker", u.Hostname()), since: time.Now(), said: map[string]string{},
		next: door.Snapshot().Events}
	if t.link, err = connect(ctx, c, u, t.base); err != nil {
		return err
	}
	own, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	orders := newOrders(c, door, t.base, u.Hostname(), t.log)
	beside.Go(func() { orders.run(own, t.link.orders) })
	updates := make(chan Update, 1)
	if c.Updates != nil {
		beside.Go(func() { lookForUpdates(own, c.Updates, updates) })
	}
	t.run(ctx, orders.refused, updates)
	stop()
	t.link.close()
	beside.Wait()
	return nil
}

// base is what the topics of a door begin with.
func base(c Config) string {
	if c.Topic == "" {
		return c.Serial
	}
	return c.Topic + "/" + c.Serial
}

// lookForUpdates tells how the system stands whenever that is another.
func lookForUpdates(ctx context.Context, ask func(context.Context) (Update, error), out chan<- Update) {
	var last Update
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if u, err := ask(ctx); err == nil && u != last {
			select {
			case out <- u:
				last = u
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// run is the loop of the owner.
func (t *teller) run(ctx context.Context, refused <-chan []byte, updates <-chan Update) {
	for ctx.Err() == nil {
		changed := t.door.Changed()
		events, more := t.door.Since(t.next)
		for _, e := range events {
			t.next = e.Seq + 1
			t.happened(e)
		}
		var again <-chan time.Time
		if t.up {
			t.tell(ctx)
			if !t.retry.IsZero() {
				again = time.After(time.Until(t.retry))
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-more:
		case <-again:
			t.retry = time.Time{}
		case payload := <-refused:
			t.wait(message{topic: t.base + "/refused", payload: payload, fresh: time.Now().Add(freshFor)})
		case u := <-updates:
			t.update = &u
		case <-t.link.born: // Home Assistant started, and knows nothing any more
			clear(t.said)
		case <-t.link.ups:
			t.connected(ctx)
		case err := <-t.link.errs:
			t.failed(err)
		}
	}
}

// connected begins anew: nobody knows what a broker that was away has kept.
func (t *teller) connected(ctx context.Context) {
	clear(t.said)
	t.up, t.since, t.retry, t.problem = true, time.Now(), time.Time{}, ""
	if err := t.link.subscribe(ctx, t.topicsToHear()); err != nil {
		if !errors.Is(err, errRefused) {
			t.failed(err)
			return
		}
		t.show("mqtt-refused", err)
	}
	t.log.Info("the MQTT broker is told what happens", "topic", t.base)
}

// topicsToHear are those that orders come on, and that on which Home Assistant says that it
// has started.
func (t *teller) topicsToHear() (out []string) {
	if len(t.cfg.Commands) > 0 {
		out = append(out, t.base+"/do/#")
	}
	if t.cfg.Discovery != "" {
		out = append(out, t.cfg.Discovery+"/status")
	}
	return out
}

// failed notes why the broker cannot be told anything. What passes by itself is no fault.
func (t *teller) failed(err error) {
	if t.up && t.link.alive() {
		return // it was of the connection before
	}
	if t.up {
		t.up, t.since = false, time.Now()
	}
	if text := err.Error(); text != t.problem {
		t.problem = text
		t.log.Warn("the MQTT broker is away", "error", err)
	}
	switch {
	case errors.Is(err, errRefused):
		t.show("mqtt-refused", err)
	case time.Since(t.since) >= patience:
		t.show("mqtt-unreachable", err)
	}
}

func (t *teller) show(code string, err error) {
	t.shown = true
	t.door.SetFault(station.Fault{Key: faultKey, Blinks: station.FaultUntold,
		Message: words.New(code, "host", t.link.host, "detail", err.Error(), "topic", t.base)})
}

// happened keeps what an event is worth until it can be told.
func (t *teller) happened(e station.Event) {
	for _, m := range t.messagesOf(e) {
		t.wait(m)
	}
}

// wait queues a momentary message; the oldest make room.
func (t *teller) wait(m message) {
	if len(t.waiting) >= kept {
		t.waiting = slices.Delete(t.waiting, 0, 1)
	}
	t.waiting = append(t.waiting, m)
}

// tell brings the broker up to date: first what it keeps, so that whoever hears a ring knows
// whose, then what happened.
func (t *teller) tell(ctx context.Context) {
	now := time.Now()
	if t.retry.IsZero() {
		state := t.retained()
		for _, topic := range slices.SortedFunc(maps.Keys(state), inOrder(t.base)) {
			if payload := state[topic]; t.said[topic] != payload {
				if !t.publish(ctx, message{topic: topic, payload: []byte(payload), retain: true}) {
					return
				}
				t.said[topic] = payload
			}
		}
		if t.shown && t.retry.IsZero() && t.problem == "" {
			t.shown = false
			t.door.ClearFault(faultKey)
		}
	}
	for len(t.waiting) > 0 {
		m := t.waiting[0]
		if m.fresh.IsZero() || now.Before(m.fresh) {
			if !t.publish(ctx, m) {
				return
			}
		}
		t.waiting = t.waiting[1:]
	}
}

// inOrder sorts topics: what the door consists of first, that it is there last.
func inOrder(base string) func(a, b string) int {
	rank := func(topic string) int {
		switch topic {
		case base + "/availability":
			return 2
		case base + "/state", base + "/update":
			return 1
		}
		return 0
	}
	return func(a, b string) int { return rank(a) - rank(b) }
}

// publish tells the broker one thing. It reports whether others may follow: not if the broker
// is gone. What it refuses is tried again later.
func (t *teller) publish(ctx context.Context, m message) bool {
	err := t.link.publish(ctx, m)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return false
	case errors.Is(err, errRefused):
		t.retry = time.Now().Add(retryEvery)
		if text := err.Error(); text != t.problem {
			t.problem = text
			t.log.Warn("the MQTT broker refuses what it is told", "topic", m.topic, "error", err)
		}
		t.show("mqtt-silent", err)
	default:
		t.failed(err)
		return false
	}
	return true
}
