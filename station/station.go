package station

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Station is the door. Make one with [New] and run it with [Station.Run]; its
// other methods may be called from any goroutine.
type Station struct {
	cfg   Config
	phone Phone
	voice Voice
	board Board
	log   *slog.Logger

	reports  *inbox
	offers   chan Call
	textsIn  chan Text
	requests chan request
	tests    chan tested
	done     chan struct{} // closed when Run has returned
	pub      atomic.Pointer[publication]

	// Below: owned by the goroutine in Run.
	seq         uint64
	started     time.Time
	state       State
	reg         Registration
	rec         *Record  // of the running call
	passing     *passing // call that is to take its place
	waiting     []waiter // callers, the first first
	texts       []Text   // messages to the door, newest first
	chosen      bool     // the door chose the far end of the running call itself, and trusts it to open
	calls       []Record
	faults      faultSet
	buttons     buttons
	meanings    []Button // of the buttons, for every snapshot
	contacts    contacts
	access      *access
	test        selfTest
	way         talkWay
	rested      map[string]time.Time // when each button may call again
	lamps       map[string]shown     // what each lamp shows
	ending      bool                 // the talk ends soon, and the visitor was told
	failedUntil time.Time            // lamps show until then that the visitor reached nobody
	quietUntil  time.Time            // alarms are silent until then
	sounding    bool                 // the alarm tone was the last that was played
	savedAt     time.Time            // of the memory
	open        map[string]time.Time // end of the last pulse per relay
	tick        *time.Ticker
	alarm       *time.Timer // of the nearest deadline
}

// New makes a station; nothing happens before [Station.Run].
func New(cfg Config, phone Phone, voice Voice, board Board) *Station {
	if cfg.History <= 0 {
		cfg.History = 20
	}
	if cfg.Door.TamperBlock <= 0 {
		cfg.Door.TamperBlock = 30 * time.Minute
	}
	if cfg.Ports.ClockKnown == nil {
		cfg.Ports.ClockKnown = func() bool { return true }
	}
	now := time.Now()
	s := &Station{
		cfg: cfg, phone: phone, voice: voice, board: board, log: cfg.Log,
		reports:  newInbox(),
		offers:   make(chan Call, 4),
		textsIn:  make(chan Text, 4),
		requests: make(chan request),
		tests:    make(chan tested, 4),
		done:     make(chan struct{}),
		started:  now,
		state:    Idle,
		reg:      Registration{State: RegOff, Since: now},
		buttons:  newButtons(cfg.Buttons),
		meanings: meanings(&cfg),
		contacts: newContacts(cfg.Contacts),
		access:   newAccess(cfg.Door.Access, cfg.Memory.rebased(now, cfg.Ports.ClockKnown()), cfg.Ports.ClockKnown),
		test:     newSelfTest(cfg.SelfTest, now),
		rested:   map[string]time.Time{},
		lamps:    map[string]shown{},
		open:     map[string]time.Time{},
	}
	if cfg.Ports.SelfTest != nil { // else no test could ever take the fault back
		since := s.test.kept.Since
		if since.After(now) { // by another clock
			since = now
		}
		s.faults.change(s.test.kept.fault(), since)
	}
	s.access.clamp(now, cfg.Door.TamperBlock)
	s.publish(now, voice.Sound(), board.State())
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
	s.alarm = time.NewTimer(0)
	defer s.alarm.Stop()
	s.survey()
	for next := stateFn(s.idle); next != nil; {
		next = next(ctx)
	}
	s.stop()
}

// survey takes note of contacts that are active at the start: their edges came
// before anybody listened.
func (s *Station) survey() {
	now := time.Now()
	for _, in := range s.board.State().Inputs {
		if in.Active && s.contacts.has(in.Name) {
			e := Edge{Input: in.Name, Active: true, At: now}
			// A housing that was opened while the power was off. A block that runs goes on.
			if s.contacts.tamper(e) && !now.Before(s.access.mem.TamperUntil) {
				s.tampered(e)
			}
			// As if released just now: a door that stands open was not forced.
			for _, a := range s.contacts.edge(e, now) {
				s.raise(a)
			}
		}
	}
}

// SetRegistration tells the door how it stands with its server. A running call
// is never touched by it. Like all reports it never waits, whether the station runs
// yet or not.
func (s *Station) SetRegistration(r Registration) { s.reports.registration(r) }

// Offer hands an incoming call to the door. It waits for the station to run and to
// take the call.
func (s *Station) Offer(c Call) { post(s, s.offers, c) }

// SetFault shows a fault until [Station.ClearFault] is called with its key. It never
// waits.
func (s *Station) SetFault(f Fault) { s.reports.fault(faultChange{fault: f, set: true}) }

// ClearFault takes a fault back; an unknown key is ignored. It never waits.
func (s *Station) ClearFault(key string) {
	s.reports.fault(faultChange{fault: Fault{Key: key}})
}

func post[T any](s *Station, to chan T, v T) {
	select {
	case to <- v:
	case <-s.done:
	}
}

func (s *Station) registered(r Registration) {
	if r.State != s.reg.State {
		s.log.Debug("registration", "state", r.State, "server", r.Server, "error", r.Error)
	}
	s.reg = r
}

// save keeps what must survive a restart.
func (s *Station) save() {
	s.savedAt = time.Now()
	if s.cfg.Ports.Save != nil {
		s.cfg.Ports.Save(s.access.mem.stamped(s.savedAt))
	}
}

func (s *Station) notify(kind NoticeKind, key, text string, over bool) {
	if s.cfg.Ports.Notify != nil {
		s.cfg.Ports.Notify(Notice{At: time.Now(), Kind: kind, Key: key, Text: text, Over: over})
	}
}

// stop makes the door inert.
func (s *Station) stop() {
	s.endTest()
	s.state = Stopped
	s.dismiss()
	s.voice.Silence()
	for _, l := range s.cfg.Lamps {
		s.board.SetLamp(l.Name, LampOff, Colour{})
	}
	s.publish(time.Now(), s.voice.Sound(), s.board.State())
}
