package station

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Command is what an admin may ask of the door through the page.
type Command struct {
	Kind   CommandKind
	Button string    // of CommandPress: the input's name
	Relay  string    // of CommandOpen and CommandSwitch
	Target string    // of CommandDial: one of [Snapshot].Targets
	By     Principal // who asks
	Muted  bool      // of CommandMute
	On     bool      // of CommandSwitch
	// Of CommandTest: what is measured is what later tests are compared with.
	Commission bool
	Before     time.Time     // of CommandForget
	Test       bool          // of CommandDial: the call is marked as a test
	For        time.Duration // of CommandLocate; 0: the usual time
	Check      CheckKind     // of CommandCheck and CommandJudge
	Of         string        // of the check: the name of what is tried
	Result     CheckResult   // of CommandJudge: passed, failed or skipped
}

// CommandKind names a command.
type CommandKind string

// The commands.
const (
	CommandPress  CommandKind = "press"  // as if the button had been pressed
	CommandDial   CommandKind = "dial"   // call Target, without a visitor
	CommandAnswer CommandKind = "answer" // the call that rings at the door
	CommandHangup CommandKind = "hangup" // the running call, answered or not
	CommandMute   CommandKind = "mute"   // switch the microphone of the running call off (Muted), or on
	CommandOpen   CommandKind = "open"   // pulse Relay
	CommandSwitch CommandKind = "switch" // switch Relay, of a light, On or off
	CommandDND    CommandKind = "dnd"    // switch do-not-disturb over
	CommandTest   CommandKind = "test"   // try out the sound
	CommandForget CommandKind = "forget" // calls and texts from before Before are shown no more
	CommandLocate CommandKind = "locate" // show where the door is, by lamps and loudspeaker
	CommandCanary CommandKind = "canary" // call the echo extension now
	CommandWalk   CommandKind = "walk"   // begin commissioning anew
	CommandCheck  CommandKind = "check"  // try one thing of it
	CommandJudge  CommandKind = "judge"  // say how that went
)

// Errors of [Station.Do]. Their texts are codes; package words has the sentences.
var (
	ErrNoCall   = errors.New("no-call")
	ErrNoButton = errors.New("no-such-button")
	ErrNoRelay  = errors.New("no-such-relay")
	ErrNoTarget = errors.New("no-such-target")
	ErrOpens    = errors.New("relay-opens") // it opens something, and cannot be switched
	ErrBlocked  = errors.New("relays-blocked")
	ErrRelay    = errors.New("relay-fails")
	ErrNotKnown = errors.New("no-such-command")
	ErrStopped  = errors.New("door-stopped")
)

type request struct {
	cmd    Command
	change *Config    // in place of cmd
	reply  chan error // buffered: the station never waits for the asker
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

// serve turns a request into what the present state must decide about, if anything is left
// to decide.
func (s *Station) serve(r request) occurrence {
	if r.change != nil {
		s.change(r.change)
		r.reply <- nil
		return occurrence{}
	}
	o, err := s.translate(r.cmd)
	s.tell(Commanded{Command: r.cmd.Kind, By: r.cmd.By, Button: r.cmd.Button, Relay: r.cmd.Relay, Target: r.cmd.Target, Check: r.cmd.Check, Of: r.cmd.Of, Result: r.cmd.Result, Error: Code(err)})
	r.reply <- err
	return o
}

// Code is the code of an error of [Station.Do]: "" of none, "failed" of one that has none.
func Code(err error) string {
	for _, known := range []error{ErrNoCall, ErrNoButton, ErrNoRelay, ErrNoTarget, ErrOpens, ErrBlocked, ErrRelay, ErrNotKnown, ErrStopped, ErrNotIdle, ErrNoCheck, ErrNotAsked} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "failed"
	}
	return ""
}

// translate returns the occurrence that a command stands for; none if the command has been
// carried out already.
func (s *Station) translate(cmd Command) (none occurrence, err error) {
	switch cmd.Kind {
	case CommandPress:
		b, ok := s.buttons.find(cmd.Button)
		if !ok {
			return none, fmt.Errorf("press %q: %w", cmd.Button, ErrNoButton)
		}
		return s.act(press{button: b, at: time.Now(), who: cmd.By}), nil
	case CommandOpen:
		if _, ok := s.cfg.Door.Pulses[cmd.Relay]; !ok {
			return none, fmt.Errorf("open %q: %w", cmd.Relay, ErrNoRelay)
		}
		if err := s.relay(Action{Do: Release, Relay: cmd.Relay}, Released{By: cmd.By}); err != nil {
			return none, fmt.Errorf("open %q: %w", cmd.Relay, err)
		}
	case CommandSwitch:
		if err := s.switchable(cmd.Relay); err != nil {
			return none, fmt.Errorf("switch %q: %w", cmd.Relay, err)
		}
		if err := s.switchRelay(Action{Do: SwitchOff, Relay: cmd.Relay}, cmd.On, cmd.By); err != nil {
			return none, fmt.Errorf("switch %q: %w", cmd.Relay, err)
		}
	case CommandDial:
		switch {
		case !s.callable(cmd.Target):
			return none, fmt.Errorf("call %q: %w", cmd.Target, ErrNoTarget)
		case s.state() != Idle:
			return none, fmt.Errorf("call %q: %w", cmd.Target, ErrNotIdle)
		}
		s.tried = trial{}
		return s.order(cmd.Target, cmd.By, cmd.Test), nil
	case CommandDND:
		s.disturb(cmd.By)
	case CommandTest:
		if err := s.startTest(cmd.Commission, cmd.By); err != nil {
			return none, fmt.Errorf("acoustic self-test: %w", err)
		}
	case CommandForget:
		s.calls = slices.DeleteFunc(slices.Clone(s.calls), func(r Record) bool { return r.Ended.Before(cmd.Before) })
		s.texts = slices.DeleteFunc(slices.Clone(s.texts), func(m Text) bool { return m.At.Before(cmd.Before) })
	case CommandLocate:
		if err := s.locate(cmd.For); err != nil {
			return none, fmt.Errorf("locate: %w", err)
		}
	case CommandCanary:
		if err := s.tryCanary(); err != nil {
			return none, fmt.Errorf("canary call: %w", err)
		}
	case CommandWalk:
		s.walkAnew()
	case CommandCheck:
		o, err := s.try(cmd)
		if err != nil {
			return none, fmt.Errorf("check %s %q: %w", cmd.Check, cmd.Of, err)
		}
		return o, nil
	case CommandJudge:
		if err := s.judge(cmd); err != nil {
			return none, fmt.Errorf("check %s %q: %w", cmd.Check, cmd.Of, err)
		}
	case CommandAnswer:
		if s.state() != Ringing {
			return none, fmt.Errorf("answer: %w", ErrNoCall)
		}
		return occurrence{kind: answer}, nil
	case CommandMute:
		t, ok := s.now.(*talking)
		if !ok {
			return none, fmt.Errorf("mute: %w", ErrNoCall)
		}
		t.mute(s, cmd.Muted, cmd.By)
	case CommandHangup:
		if s.call() == nil {
			return none, fmt.Errorf("hang up: %w", ErrNoCall)
		}
		return occurrence{kind: pressed, press: press{at: time.Now(), action: Action{Do: HangUp}, who: cmd.By}}, nil
	default:
		return none, fmt.Errorf("%q: %w", cmd.Kind, ErrNotKnown)
	}
	return none, nil
}

// switchable says why a relay cannot be switched at will; nil if it can.
func (s *Station) switchable(relay string) error {
	switch _, known := s.cfg.Door.Pulses[relay]; {
	case !known:
		return ErrNoRelay
	case !slices.Contains(s.cfg.Door.Lights, relay):
		return ErrOpens
	}
	return nil
}

// callable says whether a name is of somebody whom the configuration has the door call.
func (s *Station) callable(target string) bool {
	return slices.ContainsFunc(s.targets, func(t Target) bool { return t.Name == target })
}

// targets lists whom the door may be told to call: the targets of the configuration, and whom its
// buttons call beside them.
func targets(cfg *Config) (out []Target) {
	for _, t := range cfg.Targets {
		out = append(out, Target{Name: t.Name, Label: t.Label})
	}
	for _, b := range cfg.Buttons {
		for _, a := range []Action{b.Press, b.Long} {
			if a.Do == Dial && a.Target != "" && !slices.ContainsFunc(out, func(t Target) bool { return t.Name == a.Target }) {
				out = append(out, Target{Name: a.Target})
			}
		}
	}
	return out
}
