package station

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Command is what an admin may ask of the door through the page.
type Command struct {
	Kind   CommandKind
	Button string // of CommandPress: the input's name
}

// CommandKind names a command.
type CommandKind string

// The commands.
const (
	CommandPress  CommandKind = "press"  // as if the button had been pressed
	CommandAnswer CommandKind = "answer" // the call that rings at the door
	CommandHangup CommandKind = "hangup" // the running call, answered or not
)

// Errors of [Station.Do].
var (
	ErrNoCall   = errors.New("there is no call to do that to")
	ErrNoButton = errors.New("there is no such button")
	ErrNotKnown = errors.New("no such command")
	ErrStopped  = errors.New("the door has stopped")
)

type request struct {
	cmd   Command
	reply chan error // buffered: the station never waits for the asker
}

// Do asks the door to do something. The returned error is that of the asking:
// what becomes of the call is in the snapshot.
func (s *Station) Do(ctx context.Context, cmd Command) error {
	r := request{cmd: cmd, reply: make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.reply
	case <-s.done:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", cmd.Kind, ctx.Err())
	}
}

// serve turns a request into what the present state must decide about.
func (s *Station) serve(r request) (occurrence, bool) {
	o, err := s.translate(r.cmd)
	r.reply <- err
	return o, err == nil
}

func (s *Station) translate(cmd Command) (occurrence, error) {
	switch cmd.Kind {
	case CommandPress:
		b, ok := s.button(cmd.Button)
		if !ok {
			return occurrence{}, fmt.Errorf("press %q: %w", cmd.Button, ErrNoButton)
		}
		return occurrence{kind: pressed, press: b, at: time.Now()}, nil
	case CommandAnswer:
		if s.state != Ringing {
			return occurrence{}, fmt.Errorf("answer: %w", ErrNoCall)
		}
		return occurrence{kind: answer}, nil
	case CommandHangup:
		if s.rec == nil {
			return occurrence{}, fmt.Errorf("hang up: %w", ErrNoCall)
		}
		return occurrence{kind: hangup}, nil
	default:
		return occurrence{}, fmt.Errorf("%q: %w", cmd.Kind, ErrNotKnown)
	}
}
