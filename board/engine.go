package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Source is the line of one input. Next and Level are called by one goroutine,
// Close by another.
type Source interface {
	// Next returns the next change. It waits until deadline and then returns
	// [ErrTimeout]; a change that is already queued is returned even after the
	// deadline, or a stall would turn a spike into a press.
	Next(deadline time.Time) (Change, error)
	// Level reports whether the input is active now.
	Level() (bool, error)
	// Close ends a waiting Next and gives the line back. It may be called again.
	Close() error
}

// ErrTimeout is returned by [Source.Next] when nothing changed until the deadline.
var ErrTimeout = errors.New("no change until the deadline")

// Output is the line of a lamp or a relay. It is used by one goroutine.
type Output interface {
	// Set drives the line: 0 is inert, 1 is full. Lines that cannot be dimmed are
	// driven above 0.
	Set(level float64) error
	// Close gives the line back. It was set to 0 before.
	Close() error
}

// Config describes a board to [Start].
type Config struct {
	Driver    string // for State
	Simulated bool   // for State
	// Fault says what is wrong with the board as a whole, for State; it is asked again while
	// something is. Nil: nothing ever is.
	Fault  func() error
	Inputs []InputConfig
	Lamps  []LampConfig
	Relays []RelayConfig
	// Edge is told debounced changes of inputs, those of one input in the order in which they
	// happened, once State tells of them. It is called in the board's goroutine and must not
	// block. Nil: nobody wants to know.
	Edge func(Edge)
	Log  *slog.Logger // nil: none
}

// InputConfig describes an input.
type InputConfig struct {
	Name     string
	Debounce time.Duration // how long a level must be stable to count; 0: 25 ms
	Stuck    time.Duration // active for longer is a fault; 0: never
	// Open takes the line. It is tried again every 5 s while it fails.
	Open func() (Source, error)
}

// LampConfig describes a lamp.
type LampConfig struct {
	Name string
	// SoftPWM dims a lamp that can only be on and off, by switching it 100 times a
	// second. It costs some CPU time and flickers on a busy machine.
	SoftPWM bool
	Open    func() (Output, error) // like that of an input
	// RGB, in place of Open, is the lines of red, green and blue.
	RGB []func() (Output, error)
}

// RelayConfig describes a relay.
type RelayConfig struct {
	Name string
	Max  time.Duration // longest pulse; 0: 24 h, for gates and lights; a door needs seconds
	// Latching allows SwitchRelay: for a light, never for a door.
	Latching bool
	Open     func() (Output, error) // like that of an input
}

const (
	defaultDebounce = 25 * time.Millisecond
	defaultMaxPulse = 24 * time.Hour
	retryOpen       = 5 * time.Second        // between attempts to take a line
	retryRelease    = 100 * time.Millisecond // between attempts to release a relay
)

// Engine is the common part of every board. One goroutine owns lamps, relays and the
// state; one for each input reads its line.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	changed chan struct{}
	cmds    chan func()
	reports chan report
	cancel  context.CancelFunc
	done    chan struct{} // the engine's goroutine has ended
	workers sync.WaitGroup
	state   atomic.Pointer[State]

	// Owned by the engine's goroutine.
	inputs []InputState
	lamps  []*lamp
	relays []*relay
	dirty  bool
	fault  error // of the board as a whole, when it was last asked for
	scale  float64
}

// report is what an input's goroutine tells the engine.
type report struct {
	index int
	input InputState
	edge  Edge
	isNew bool // edge is to be delivered
}

var _ Board = (*Engine)(nil)

// Start opens all lines and returns the running board. Lines that cannot be opened
// are faults in its State and are tried again; Start itself never fails. The board
// ends with Close, or when ctx is done.
func Start(ctx context.Context, cfg Config) *Engine {
	ctx, cancel := context.WithCancel(ctx)
	e := &Engine{
		cfg:     cfg,
		log:     cfg.Log,
		changed: make(chan struct{}, 1),
		cmds:    make(chan func()),
		reports: make(chan report),
		cancel:  cancel,
		done:    make(chan struct{}),
		scale:   1,
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	now := time.Now()
	// Relays first: from here on they are known to be released.
	for _, c := range cfg.Relays {
		r := &relay{cfg: c, line: line{kind: "relay", name: c.Name, open: c.Open, log: e.log}}
		r.attach(now)
		e.relays = append(e.relays, r)
	}
	for _, c := range cfg.Lamps {
		e.lamps = append(e.lamps, newLamp(c, now, e.log))
	}
	readers := make([]*reader, len(cfg.Inputs))
	for i, c := range cfg.Inputs {
		readers[i] = newReader(i, c, e.log)
		readers[i].attach()
		e.inputs = append(e.inputs, readers[i].snapshot())
	}
	e.publish()
	for _, r := range readers {
		e.workers.Go(func() { r.run(ctx, e.reports) })
	}
	go e.run(ctx)
	return e
}

// Changed implements [Board].
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// State implements [Board].
func (e *Engine) State() State {
	s := *e.state.Load()
	return s // its slices are written once, before they are published
}

// SetLamp implements [Board].
func (e *Engine) SetLamp(name string, p Pattern) error { return e.ColourLamp(name, p, White) }

// ColourLamp implements [Board].
func (e *Engine) ColourLamp(name string, p Pattern, c Colour) error {
	return e.call(func() error {
		for _, l := range e.lamps {
			if l.cfg.Name == name {
				e.dirty = true
				return l.show(p, c, time.Now(), e.scale)
			}
		}
		return fmt.Errorf("lamp %q: %w", name, ErrNoSuch)
	})
}

// PulseRelay implements [Board].
func (e *Engine) PulseRelay(name string, d time.Duration) error {
	return e.relay(name, func(r *relay, now time.Time) error { return r.pulse(d, now) })
}

// FlashRelay implements [Board].
func (e *Engine) FlashRelay(name string, on, off time.Duration, count int) error {
	return e.relay(name, func(r *relay, now time.Time) error { return r.flash(on, off, count, now) })
}

// SwitchRelay implements [Board].
func (e *Engine) SwitchRelay(name string, on bool) error {
	return e.relay(name, func(r *relay, now time.Time) error { return r.latch(on, now) })
}

// relay runs f with a relay in the engine's goroutine.
func (e *Engine) relay(name string, f func(*relay, time.Time) error) error {
	return e.call(func() error {
		for _, r := range e.relays {
			if r.name == name {
				e.dirty = true
				return f(r, time.Now())
			}
		}
		return fmt.Errorf("relay %q: %w", name, ErrNoSuch)
	})
}

// Dim implements [Board].
func (e *Engine) Dim(scale float64) {
	_ = e.call(func() error { // only a closed board refuses, and that has no lamps
		e.scale = min(max(scale, 0), 1)
		now := time.Now()
		for _, l := range e.lamps {
			_ = l.light(now, e.scale) // kept in the state
		}
		e.dirty = true
		return nil
	})
}

// Close implements [Board].
func (e *Engine) Close() error {
	e.cancel()
	<-e.done
	return nil
}

// call runs f in the engine's goroutine. When it returns, State tells what f did.
func (e *Engine) call(f func() error) error {
	reply := make(chan error, 1)
	cmd := func() {
		err := f()
		e.publish()
		reply <- err
	}
	select {
	case e.cmds <- cmd:
		return <-reply
	case <-e.done:
		return ErrClosed
	}
}

func (e *Engine) run(ctx context.Context) {
	defer close(e.done)
	defer e.workers.Wait()
	defer e.cancel() // ends the readers, also when a driver panics
	defer e.inert()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		e.tick(now)
		e.publish()
		if next := e.next(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(next.Sub(now))
		}
		select {
		case <-ctx.Done():
			return
		case f := <-e.cmds:
			f()
		case r := <-e.reports:
			e.take(r)
		case <-timer.C:
		}
	}
}

func (e *Engine) take(r report) {
	e.inputs[r.index] = r.input
	e.dirty = true
	if r.isNew && e.cfg.Edge != nil {
		e.publish()
		e.cfg.Edge(r.edge)
	}
}

// tick does what is due.
func (e *Engine) tick(now time.Time) {
	for _, r := range e.relays {
		e.dirty = r.tick(now) || e.dirty
	}
	for _, l := range e.lamps {
		e.dirty = l.tick(now, e.scale) || e.dirty
	}
}

// next is when tick is needed again; zero: when something else happens.
func (e *Engine) next() time.Time {
	var t time.Time
	for _, r := range e.relays {
		t = earlier(t, r.due())
	}
	for _, l := range e.lamps {
		t = earlier(t, l.due())
	}
	return t
}

// inert releases the relays, then puts out the lamps and gives all lines back.
func (e *Engine) inert() {
	for _, r := range e.relays {
		r.on, r.latched, r.until, r.flashes = false, false, time.Time{}, flashes{}
		r.detach()
	}
	for _, l := range e.lamps {
		l.dark(time.Now())
	}
	e.dirty = true
	e.publish()
}

func (e *Engine) publish() {
	if !e.dirty && e.state.Load() != nil {
		return
	}
	e.dirty = false
	s := &State{Driver: e.cfg.Driver, Simulated: e.cfg.Simulated}
	if e.cfg.Fault != nil && (e.fault != nil || e.state.Load() == nil) {
		e.fault = e.cfg.Fault()
	}
	s.Problem = problem(e.fault)
	s.Inputs = append(s.Inputs, e.inputs...)
	for _, l := range e.lamps {
		s.Lamps = append(s.Lamps, l.snapshot())
	}
	for _, r := range e.relays {
		s.Relays = append(s.Relays, r.snapshot())
	}
	e.state.Store(s)
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// earlier is the earlier of two times of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
