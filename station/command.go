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
	Relay  string // of CommandOpen
	User   string // who asks, for the audit log
	Muted  bool   // of CommandMute
	// Of CommandTest: what is measured is what later tests are compared with.
	Commission bool
}

// CommandKind names a command.
type CommandKind string

// The commands.
const (
	CommandPress  CommandKind = "press"  // as if the button had been pressed
	CommandAnswer CommandKind = "answer" // the call that rings at the door
	CommandHangup CommandKind = "hangup" // the running call, answered or not
	CommandMute   CommandKind = "mute"   // switch the microphone of the running call off (Muted), or on
	CommandOpen   CommandKind = "open"   // pulse Relay
	CommandDND    CommandKind = "dnd"    // switch do-not-disturb over
	CommandTest   CommandKind = "test"   // try out the sound
)

// Errors of [Station.Do].
var (
	ErrNoCall   = errors.New("there is no call to do that to")
	ErrNoButton = errors.New("there is no such button")
	ErrNoRelay  = errors.New("there is no such relay")
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
	return o, err == nil && o.kind != quit
}

// translate returns the occurrence that a command stands for. Its kind is quit
// if the command has been carried out already.
func (s *Station) translate(cmd Command) (occurrence, error) {
	switch cmd.Kind {
	case CommandPress:
		b, ok := s.buttons.find(cmd.Button)
		if !ok {
			return occurrence{}, fmt.Errorf("press %q: %w", cmd.Button, ErrNoButton)
		}
		o, _ := s.act(press{button: b, at: time.Now()})
		return o, nil
	case CommandOpen:
		if _, ok := s.cfg.Door.Pulses[cmd.Relay]; !ok {
			return occurrence{}, fmt.Errorf("open %q: %w", cmd.Relay, ErrNoRelay)
		}
		s.relay(Action{Do: Release, Relay: cmd.Relay}, Audit{User: cmd.User, How: "page"})
		return occurrence{}, nil
	case CommandDND:
		s.disturb()
		return occurrence{}, nil
	case CommandTest:
		if err := s.startTest(cmd.Commission); err != nil {
			return occurrence{}, fmt.Errorf("acoustic self-test: %w", err)
		}
		return occurrence{}, nil
	case CommandAnswer:
		if s.state != Ringing {
			return occurrence{}, fmt.Errorf("answer: %w", ErrNoCall)
		}
		return occurrence{kind: answer}, nil
	case CommandMute:
		if s.state != Talking {
			return occurrence{}, fmt.Errorf("mute: %w", ErrNoCall)
		}
		s.mute(cmd.Muted)
		return occurrence{}, nil
	case CommandHangup:
		if s.rec == nil {
			return occurrence{}, fmt.Errorf("hang up: %w", ErrNoCall)
		}
		return occurrence{kind: pressed, press: press{at: time.Now(), action: Action{Do: HangUp}}}, nil
	default:
		return occurrence{}, fmt.Errorf("%q: %w", cmd.Kind, ErrNotKnown)
	}
}
