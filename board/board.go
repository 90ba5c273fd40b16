// Package board is the hardware at the door: buttons and contacts, lamps, relays.
// It turns noisy levels into presses, plays lamp patterns and times relay pulses,
// so that a relay falls back whatever becomes of its user.
//
// It refuses to know what a press means, what a lamp tells or why a door opens:
// inputs, lamps and relays are names here. It does not know GPIO chips either;
// board/gpio and board/sim bring the lines, as [Source] and [Output].
package board

import (
	"errors"
	"time"

	"intercomd/words"
)

// Board is a set of inputs, lamps and relays. Methods may be called from any
// goroutine; none waits longer than a write to a line takes.
type Board interface {
	// SetLamp shows a pattern until the next one. The same pattern again does not
	// restart it. The error says that there is no such lamp, or why it cannot be lit.
	SetLamp(name string, p Pattern) error
	// ColourLamp shows a pattern in a colour; a lamp of one line ignores the colour.
	ColourLamp(name string, p Pattern, c Colour) error
	// PulseRelay energises a relay for d and then releases it, whatever becomes of the
	// caller. A running pulse is extended, never shortened; d = 0 releases at once.
	PulseRelay(name string, d time.Duration) error
	// FlashRelay gives count pulses of length on, off apart, and then leaves the relay
	// released, whatever becomes of the caller. It replaces what ran before; a pulse, a
	// switch or d = 0 of PulseRelay ends it.
	FlashRelay(name string, on, off time.Duration, count int) error
	// SwitchRelay switches a relay on until further notice, or off. Only a relay that is
	// configured as latching, such as that of a light, can be switched on so; Close
	// releases it like any other.
	SwitchRelay(name string, on bool) error
	// Dim scales the level of all lamps, 0 to 1: for the night.
	Dim(scale float64)
	// State reports inputs, lamps and relays as they are.
	State() State
	// Changed gets a token (at most one waits) when State has something new to tell.
	// It has one reader.
	Changed() <-chan struct{}
	// Close releases the relays, puts out the lamps, gives the lines back and returns
	// when all goroutines have ended. It may be called again.
	Close() error
}

// Edge is a change of an input that was stable for the input's debounce time.
type Edge struct {
	Input  string
	Active bool      // pressed, or contact made
	At     time.Time // when the stable level began, before debouncing
}

// Colour is a colour of light: 0xRRGGBB.
type Colour uint32

// White is all three colours in full.
const White Colour = 0xffffff

// part is how much of red, green or blue there is, 0 to 1.
func (c Colour) part(i int) float64 { return float64(c>>(16-8*i)&0xff) / 0xff }

// ErrClosed is returned by the methods of a board after its end.
var ErrClosed = errors.New("the board is closed")

// ErrNoSuch is returned for a name that the board does not have.
var ErrNoSuch = errors.New("the board has no such lamp or relay")

// ErrNotLatching is returned for a relay that may only give pulses.
var ErrNotLatching = errors.New("the relay gives pulses only and cannot be switched on")

// FaultError is something wrong with a line or a chip that a person can mend.
type FaultError struct {
	words.Message       // what is wrong, and by its code what to do about it
	Err           error // the cause, may be nil
}

// Error joins what is wrong and what to do about it, in English.
func (e *FaultError) Error() string {
	if remedy := e.Remedy(); remedy != "" {
		return e.String() + "; " + remedy
	}
	return e.String()
}

// Unwrap returns the cause.
func (e *FaultError) Unwrap() error { return e.Err }

// problem is what an error says is wrong; none of no error.
func problem(err error) words.Message {
	if err == nil {
		return words.Message{}
	}
	if f, ok := errors.AsType[*FaultError](err); ok {
		return f.Message
	}
	return words.New("line-error", "detail", err.Error())
}
