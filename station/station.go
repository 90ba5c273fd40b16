package station

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Config is what the door means by its inputs and how long things may take.
// It is read once, by [New].
type Config struct {
	Name     string         // display name of the door
	Version  string         // of the program
	Buttons  []ButtonConfig // an input without an entry here is only shown
	Lamps    []LampConfig
	Call     CallConfig
	Incoming IncomingConfig
	Door     DoorConfig
	History  int // finished calls kept in the snapshot; 0 means 20
	Log      *slog.Logger
}

// ButtonConfig says what one button does.
type ButtonConfig struct {
	Input  string // name of the board's input
	Label  string // what is written beside it
	Target string // whom it calls
	InCall InCall // what a press during a call does
	Digits string // DTMF digits of InCallDigits
}

// InCall is the meaning of a press while a call is up.
type InCall int

// The meanings of a press during a call.
const (
	InCallHangup InCall = iota // cancel, or hang up
	InCallNone                 // nothing
	InCallDigits               // send DTMF digits once the call is answered; before that, nothing
)

// CallConfig bounds the calls of the door.
type CallConfig struct {
	RingTime    time.Duration // longest time that the far end, or the door, may ring
	TalkTime    time.Duration // longest conversation, from the answer
	TalkWarning time.Duration // how long before the end of TalkTime the warning tone sounds; 0 for none
}

// IncomingConfig says who may call the door and who is answered without a press.
type IncomingConfig struct {
	Mode  AnswerMode
	Auto  []string      // users that are answered automatically whatever the mode, AnswerReject included
	Delay time.Duration // of an automatic answer: the door rings that long
}

// AnswerMode says how calls to the door are answered.
type AnswerMode int

// How calls to the door are answered.
const (
	AnswerByButton AnswerMode = iota
	AnswerAuto
	AnswerReject
)

// DoorConfig is the door release.
type DoorConfig struct {
	Key   string        // DTMF digits that open the door; "" for none
	Relay string        // the relay that opens it
	Pulse time.Duration // how long the relay stays energised
}

// Station is the door. Make one with [New] and run it with [Station.Run]; its
// other methods may be called from any goroutine.
type Station struct {
	cfg   Config
	phone Phone
	voice Voice
	board Board
	log   *slog.Logger

	regs     chan Registration
	offers   chan Call
	faultsIn chan faultChange
	requests chan request
	done     chan struct{} // closed when Run has returned
	pub      atomic.Pointer[publication]

	// Below: owned by the goroutine in Run.
	seq     uint64
	started time.Time
	state   State
	reg     Registration
	rec     *Record // of the running call
	calls   []Record
	faults  faultSet
	lamps   map[string]Pattern // last pattern shown per lamp
	opened  time.Time          // end of the last relay pulse
	digits  string             // entered towards the door key
	tick    *time.Ticker
}

// New makes a station; nothing happens before [Station.Run].
func New(cfg Config, phone Phone, voice Voice, board Board) *Station {
	if cfg.History <= 0 {
		cfg.History = 20
	}
	s := &Station{
		cfg: cfg, phone: phone, voice: voice, board: board, log: cfg.Log,
		regs:     make(chan Registration, 8),
		offers:   make(chan Call, 4),
		faultsIn: make(chan faultChange, 64),
		requests: make(chan request),
		done:     make(chan struct{}),
		started:  time.Now(),
		state:    Idle,
		reg:      Registration{State: RegOff, Since: time.Now()},
		lamps:    map[string]Pattern{},
	}
	s.publish(s.started, voice.Sound(), board.State())
	return s
}

// stateFn is a state: it returns the one that follows, nil to end Run.
type stateFn func(context.Context) stateFn

// refreshEvery is how often levels and counters in the snapshot are renewed.
const refreshEvery = 250 * time.Millisecond

// Run owns the door until ctx ends. A running call is then ended on the usual
// path, lamps go dark, and Run returns. It must be called once.
func (s *Station) Run(ctx context.Context) {
	defer close(s.done)
	s.tick = time.NewTicker(refreshEvery)
	defer s.tick.Stop()
	for next := stateFn(s.idle); next != nil; {
		next = next(ctx)
	}
	s.stop()
}

// SetRegistration tells the door how it stands with its server. A running call
// is never touched by it.
func (s *Station) SetRegistration(r Registration) { post(s, s.regs, r) }

// Offer hands an incoming call to the door.
func (s *Station) Offer(c Call) { post(s, s.offers, c) }

// SetFault shows a fault until [Station.ClearFault] is called with its key.
func (s *Station) SetFault(f Fault) { post(s, s.faultsIn, faultChange{fault: f, set: true}) }

// ClearFault takes a fault back; an unknown key is ignored.
func (s *Station) ClearFault(key string) {
	post(s, s.faultsIn, faultChange{fault: Fault{Key: key}})
}

func post[T any](s *Station, to chan T, v T) {
	select {
	case to <- v:
	case <-s.done:
	}
}

// occurrence is one thing that a state has to decide about.
type occurrence struct {
	kind  occurrenceKind
	press ButtonConfig // of pressed
	at    time.Time    // of pressed: the edge
	event CallEvent    // of happened
	call  Call         // of offered
}

type occurrenceKind int

const (
	quit     occurrenceKind = iota // ctx is over
	pressed                        // a configured button
	happened                       // to the call that was waited with
	offered                        // an incoming call
	elapsed                        // the deadline that was waited with
	hangup                         // the page wants the call ended
	answer                         // the page wants the call answered
)

// wait does the housekeeping (registration, faults, levels, lamps) and returns
// with the first thing that the present state must decide about. call and
// deadline may be nil.
func (s *Station) wait(ctx context.Context, call Call, deadline <-chan time.Time) occurrence {
	s.refresh()
	var events <-chan CallEvent
	if call != nil {
		events = call.Events()
	}
	for {
		select {
		case <-ctx.Done():
			return occurrence{kind: quit}
		case e, ok := <-s.board.Edges():
			if b, is := s.button(e.Input); ok && is && e.Active {
				s.log.Info("button pressed", "button", b.Input, "state", s.state)
				return occurrence{kind: pressed, press: b, at: e.At}
			}
		case ev, ok := <-events:
			if !ok { // a call that forgot to say that it ended
				ev = CallEvent{Kind: Ended, At: time.Now(), Ending: Ending{Cause: CauseFailed, By: ByNet}}
			}
			return occurrence{kind: happened, event: ev}
		case c := <-s.offers:
			return occurrence{kind: offered, call: c}
		case <-deadline:
			return occurrence{kind: elapsed}
		case r := <-s.requests:
			if o, ok := s.serve(r); ok {
				return o
			}
		case r := <-s.regs:
			s.registered(r)
		case f := <-s.faultsIn:
			s.faults.change(f, time.Now())
		case <-s.tick.C:
		}
		s.refresh()
	}
}

func (s *Station) button(input string) (ButtonConfig, bool) {
	for _, b := range s.cfg.Buttons {
		if b.Input == input {
			return b, true
		}
	}
	return ButtonConfig{}, false
}

func (s *Station) registered(r Registration) {
	if r.State != s.reg.State {
		s.log.Info("registration", "state", r.State, "server", r.Server, "error", r.Error)
	}
	s.reg = r
}

// stop makes the door inert.
func (s *Station) stop() {
	s.state = Stopped
	s.voice.Silence()
	for _, l := range s.cfg.Lamps {
		s.board.SetLamp(l.Name, LampOff)
	}
	s.publish(time.Now(), s.voice.Sound(), s.board.State())
}
