package gpio

import (
	"errors"
	"sync"
	"time"

	pgpio "periph.io/x/conn/v3/gpio"

	"intercomd/board"
)

// pin is what this package needs of a line of periph.
type pin interface {
	In(pull pgpio.Pull, edge pgpio.Edge) error
	Out(l pgpio.Level) error
	// Read must be called for inputs only: an output would become an input.
	Read() pgpio.Level
	// Close gives the line back.
	Close()
	// events opens the queue of edges of a line that is an input.
	events() (*queue, error)
}

// input is the line of a button.
type input struct {
	where     found
	activeLow bool
	queue     *queue

	mu  sync.Mutex // pin is closed by another goroutine than that which reads it
	pin pin        // nil when closed
}

func openInput(f found, in Input) (*input, error) {
	p := f.chip.pin(f.offset)
	pull := map[Pull]pgpio.Pull{PullUp: pgpio.PullUp, PullDown: pgpio.PullDown}[in.Pull]
	if in.Pull == PullNone {
		pull = pgpio.PullNoChange
	}
	if err := p.In(pull, pgpio.BothEdges); err != nil {
		p.Close()
		return nil, refused(f, "an input that reports edges", err)
	}
	q, err := p.events()
	if err != nil {
		p.Close()
		return nil, refused(f, "an input that reports edges", err)
	}
	return &input{where: f, activeLow: in.ActiveLow, queue: q, pin: p}, nil
}

// Next implements [board.Source].
func (in *input) Next(deadline time.Time) (board.Change, error) {
	e, err := in.queue.next(deadline)
	if errors.Is(err, board.ErrTimeout) || errors.Is(err, board.ErrClosed) {
		return board.Change{}, err
	}
	if err != nil {
		return board.Change{}, refused(in.where, "an input", err)
	}
	return board.Change{Active: e.high != in.activeLow, At: e.at}, nil
}

// Level implements [board.Source].
func (in *input) Level() (bool, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pin == nil {
		return false, board.ErrClosed
	}
	return bool(in.pin.Read()) != in.activeLow, nil
}

// Close implements [board.Source].
func (in *input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pin == nil {
		return nil
	}
	err := in.queue.close()
	in.pin.Close()
	in.pin = nil
	return err
}

// output is the line of a lamp or a relay. The level is never read back: reading
// would make the line an input.
type output struct {
	where     found
	pin       pin
	activeLow bool
	openDrain bool
}

func openOutput(h host, l Line, chips []string, activeLow, openDrain bool) (board.Output, error) {
	f, err := h.find(l, chips)
	if err != nil {
		return nil, err
	}
	return &output{where: f, pin: f.chip.pin(f.offset), activeLow: activeLow, openDrain: openDrain}, nil
}

// Set implements [board.Output].
func (o *output) Set(level float64) error {
	high := level > 0 != o.activeLow
	var err error
	if o.openDrain && high {
		err = o.pin.In(pgpio.Float, pgpio.NoEdge)
	} else {
		err = o.pin.Out(pgpio.Level(high))
	}
	if err != nil {
		return refused(o.where, "an output", err)
	}
	return nil
}

// Close implements [board.Output].
func (o *output) Close() error {
	o.pin.Close()
	return nil
}
