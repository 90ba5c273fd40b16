package gpio

import (
	"errors"
	"sync"
	"time"

	"intercomd/board"
)

// pin is what this package needs of a line.
type pin interface {
	// input takes the line and gives the queue of its edges.
	input(p Pull) (*queue, error)
	// high reads the level of a line that is an input.
	high() bool
	// output takes the line and drives it, at once at the given level.
	output(high, openDrain bool) (driver, error)
	// Close gives the line back, also after input or output failed.
	Close()
}

// driver changes the level of an output.
type driver interface {
	set(high bool) error
	close() error
}

// input is the line of a button.
type input struct {
	where     found
	activeLow bool
	queue     *queue

	mu  sync.Mutex // pin is closed by another goroutine than that which reads it
	pin pin        // nil when closed
}

func openInput(f found, in InputConfig) (*input, error) {
	p := f.chip.pin(f.offset)
	q, err := p.input(in.Pull)
	if err != nil {
		p.Close()
		return nil, refused(f, "input", err)
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
		return board.Change{}, refused(in.where, "input", err)
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
	return in.pin.high() != in.activeLow, nil
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

// output is the line of a lamp or a relay. The level is never read back.
type output struct {
	where     found
	pin       pin
	driver    driver // nil until the first Set
	activeLow bool
	openDrain bool
}

func openOutput(p *place, activeLow, openDrain bool) (board.Output, error) {
	f, err := p.find("output")
	if err != nil {
		return nil, err
	}
	return &output{where: f, pin: f.chip.pin(f.offset), activeLow: activeLow, openDrain: openDrain}, nil
}

// Set implements [board.Output]. The first one takes the line.
func (o *output) Set(level float64) error {
	high := level > 0 != o.activeLow
	var err error
	if o.driver == nil {
		o.driver, err = o.pin.output(high, o.openDrain)
		if err != nil {
			o.driver = nil // an interface that holds nothing
		}
	} else {
		err = o.driver.set(high)
	}
	if err != nil {
		return refused(o.where, "output", err)
	}
	return nil
}

// Close implements [board.Output].
func (o *output) Close() error {
	var err error
	if o.driver != nil {
		err = o.driver.close()
	}
	o.pin.Close()
	return err
}
