package update

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// card is a board with two slots as the agent's [Machine], its [Store] and its [Installer]. It
// remembers what a card remembers, and forgets the rest when the power goes. The power can be
// cut before any of its writes.
type card struct {
	mu        sync.Mutex
	committed string            // what a plain start takes
	systems   map[string]string // slot to version
	pending   string
	tried     bool
	why       string
	record    Record
	history   []Entry
	cutAfter  int // writes; negative: never
	dead      bool

	// Of this start.
	running string
	trial   bool
	armed   bool
	restart chan struct{} // closed when a restart is asked for
	boots   int

	content string // what a bundle brings
	fails   error
}

func newCard() *card {
	return &card{committed: "A", systems: map[string]string{"A": "v1"}, cutAfter: -1, content: "v2"}
}

var errNoPower = errors.New("no power")

// write is one thing that reaches the card, or not any more.
func (c *card) write(do func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.cutAfter == 0 {
		if !c.dead {
			c.dead = true
			close(c.restart)
		}
		return errNoPower
	}
	if c.cutAfter > 0 {
		c.cutAfter--
	}
	do()
	return nil
}

// boot starts the machine as firmware and initrd do. clean: after a restart, not a cut.
func (c *card) boot(clean bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.trial = c.committed, false
	if clean && c.armed && c.pending != "" {
		c.running, c.trial = c.pending, true
		c.tried = true
	} else if c.pending != "" {
		switch {
		case c.pending == c.committed:
			c.pending, c.tried = "", false
		case c.tried:
			if c.why == "" {
				c.why = "the trial ended without a word"
			}
			c.pending, c.tried = "", false
		}
	}
	c.armed, c.dead = false, false
	c.restart = make(chan struct{})
	c.boots++
}

func (c *card) Running() (string, bool) { return c.running, c.trial }

func (c *card) Pending() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tried || c.pending == c.running {
		return "", nil
	}
	return c.pending, nil
}

func (c *card) Try(slot string) error {
	return c.write(func() { c.pending, c.tried, c.armed, c.why = slot, false, true, "" })
}

func (c *card) Commit() error {
	if err := c.write(func() { c.committed = c.running }); err != nil { // the sector
		return err
	}
	return c.write(func() { c.pending, c.tried, c.trial = "", false, false }) // the note
}

func (c *card) GiveUp(why string) error {
	return c.write(func() { c.why, c.pending, c.tried = why, "", false })
}

func (c *card) Why() (string, error) { return c.why, nil }

func (c *card) Restart() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return errNoPower
	}
	c.dead = true
	close(c.restart)
	return nil
}

func (c *card) Load() (Record, error) { return c.record, nil }

func (c *card) Save(r Record) error { return c.write(func() { c.record = r }) }

func (c *card) Append(e Entry) error { return c.write(func() { c.history = append(c.history, e) }) }

func (c *card) History() ([]Entry, error) { return c.history, nil }

func (c *card) Inspect(context.Context, string) (Info, error) {
	return Info{Version: c.content, Compatible: "door"}, c.fails
}

func (c *card) Install(ctx context.Context, _ Bundle, told func(Progress)) error {
	other := map[string]string{"A": "B", "B": "A"}[c.running]
	if err := c.write(func() { delete(c.systems, other) }); err != nil {
		return err
	}
	for i := range 3 {
		told(Progress{Percent: 30 * i, Step: "Copying"})
		select {
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := c.write(func() { c.systems[other] = c.content }); err != nil {
		return err
	}
	return c.Try(other)
}

// world is the card in a machine with a door that reports.
type world struct {
	t     *testing.T
	card  *card
	door  func(version string, up time.Duration) *Facts // what it reports; nil: nothing
	hours func(time.Time) bool
	agent *Agent
	last  Reply
}

// life runs starts of the machine until it has been up for settled without a restart, and
// returns how many there were. during, if not nil, is called once a second.
func (w *world) life(settled time.Duration, during func(up time.Duration)) (starts int) {
	w.t.Helper()
	clean := true
	for range 20 {
		w.card.boot(clean)
		starts++
		if w.run(settled, during) {
			return starts
		}
		if clean = w.card.cutAfter != 0; !clean {
			w.card.cutAfter = -1 // once
		}
	}
	w.t.Fatal("it restarts without end")
	return starts
}

// run is one start; true if it came to rest.
func (w *world) run(settled time.Duration, during func(time.Duration)) bool {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	begin := time.Now()
	version := w.card.systems[w.card.running]
	if version == "" {
		w.t.Fatalf("slot %s was started, and it is empty", w.card.running)
	}
	w.agent = NewAgent(Config{Store: w.card, Installer: w.card, Machine: w.card, Version: version, Boot: begin.String(),
		Limits: LimitsOf(10 * time.Minute), Hours: w.hours, Log: slog.New(slog.DiscardHandler)})
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { w.agent.Run(ctx) })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-w.card.restart:
			return false
		case <-tick.C:
		}
		up := time.Since(begin)
		if f := w.door(version, up); f != nil {
			f.Version = version
			if f.Started.IsZero() {
				f.Started = begin
			}
			r, err := w.agent.Report(ctx, *f)
			if err == nil {
				w.last = r
			}
		}
		if during != nil {
			during(up)
		}
		if up >= settled {
			return true
		}
	}
}

// working is the report of a door that is well.
func working() *Facts {
	return &Facts{AtRest: true, Accounts: []Account{{Name: "door", Registered: true}}, Parts: []Part{{Key: "sound.input", OK: true}, {Key: "board.bell", OK: true}}}
}

// without is the report of one that is not registered.
func without(reach Reach, code string) *Facts {
	f := working()
	f.Accounts = []Account{{Name: "door", Reach: reach, Code: code}}
	return f
}
