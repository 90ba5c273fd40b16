// Package sim is a board without hardware: its buttons are pressed by the status page
// or by a test, its lamps and relays can be watched in the board's state. Levels go
// through the same debouncing, patterns and pulses as those of a real board.
//
// It refuses to know who presses, and it never touches a device.
package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"intercomd/board"
)

// Board is a simulated board. Its methods may be called from any goroutine.
type Board struct {
	*board.Engine
	inputs map[string]*input
}

// MaxHold is the longest press that [Board.Press] takes.
const MaxHold = 10 * time.Minute

// ErrNoSuchInput is returned for an input that the board does not have.
var ErrNoSuchInput = errors.New("the simulated board has no such input")

// New starts a simulated board with the inputs, lamps and relays of cfg; their Open
// functions are not used. It ends with Close or ctx.
func New(ctx context.Context, cfg board.Config) *Board {
	b := &Board{inputs: make(map[string]*input)}
	cfg.Driver, cfg.Simulated = "sim", true
	ins := make([]board.InputConfig, len(cfg.Inputs))
	for i, c := range cfg.Inputs {
		in := newInput()
		b.inputs[c.Name] = in
		c.Open = func() (board.Source, error) { return in, nil }
		ins[i] = c
	}
	lamps := make([]board.LampConfig, len(cfg.Lamps))
	for i, c := range cfg.Lamps {
		c.SoftPWM = false // levels are shown as they are
		c.Open = openNothing
		colours := make([]func() (board.Output, error), len(c.RGB))
		for k := range colours {
			colours[k] = openNothing
		}
		c.RGB = colours
		lamps[i] = c
	}
	relays := make([]board.RelayConfig, len(cfg.Relays))
	for i, c := range cfg.Relays {
		c.Open = openNothing
		relays[i] = c
	}
	cfg.Inputs, cfg.Lamps, cfg.Relays = ins, lamps, relays
	b.Engine = board.Start(ctx, cfg)
	return b
}

// Press makes an input active and releases it after hold. A press during another one
// lasts until the later of the two ends. It returns at once; like a real button it
// counts as a press only if held for the debounce time.
func (b *Board) Press(name string, hold time.Duration) error {
	if hold <= 0 || hold > MaxHold {
		return fmt.Errorf("press %q: %v was asked for; more than 0 and up to %v is allowed", name, hold, MaxHold)
	}
	in, ok := b.inputs[name]
	if !ok {
		return fmt.Errorf("press %q: %w", name, ErrNoSuchInput)
	}
	return in.press(hold)
}

// Set makes an input active or releases it, for contacts and for tests.
func (b *Board) Set(name string, active bool) error {
	in, ok := b.inputs[name]
	if !ok {
		return fmt.Errorf("set %q: %w", name, ErrNoSuchInput)
	}
	return in.set(active)
}

// queued is how many changes an input keeps for its reader, like a kernel's queue.
const queued = 256

// input is the line of a simulated input.
type input struct {
	changes chan board.Change
	gone    chan struct{}

	mu      sync.Mutex
	active  bool
	closed  bool
	until   time.Time   // end of the running press
	release *time.Timer // which ends it
}

func newInput() *input {
	return &input{changes: make(chan board.Change, queued), gone: make(chan struct{})}
}

func (in *input) press(hold time.Duration) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.moveLocked(true); err != nil {
		return err
	}
	until := time.Now().Add(hold)
	if until.Before(in.until) {
		return nil
	}
	in.until = until
	if in.release != nil {
		in.release.Stop()
	}
	in.release = time.AfterFunc(hold, in.expire)
	return nil
}

// expire ends a press, unless it was extended just before.
func (in *input) expire() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if time.Now().Before(in.until) {
		return
	}
	_ = in.moveLocked(false) // the board is closed, or its reader is far behind
}

func (in *input) set(active bool) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.release != nil {
		in.release.Stop()
	}
	in.until = time.Time{}
	return in.moveLocked(active)
}

func (in *input) moveLocked(active bool) error {
	if in.closed {
		return board.ErrClosed
	}
	if active == in.active {
		return nil
	}
	select {
	case in.changes <- board.Change{Active: active, At: time.Now()}:
		in.active = active
		return nil
	default:
		return errors.New("too many changes of the input at once")
	}
}

// Next implements [board.Source].
func (in *input) Next(deadline time.Time) (board.Change, error) {
	select {
	case c := <-in.changes:
		return c, nil
	default:
	}
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case c := <-in.changes:
		return c, nil
	case <-t.C:
		return board.Change{}, board.ErrTimeout
	case <-in.gone:
		return board.Change{}, board.ErrClosed
	}
}

// Level implements [board.Source].
func (in *input) Level() (bool, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.active, nil
}

// Close implements [board.Source].
func (in *input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	in.closed = true
	if in.release != nil {
		in.release.Stop()
	}
	close(in.gone)
	return nil
}

// nothing is the line of a simulated lamp or relay: the engine's state is all of it.
type nothing struct{}

func openNothing() (board.Output, error) { return nothing{}, nil }

func (nothing) Set(float64) error { return nil }
func (nothing) Close() error      { return nil }
