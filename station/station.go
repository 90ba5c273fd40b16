package station

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Station is the door. Make one with [New] and run it with [Station.Run]; its
// other methods may be called from any goroutine.
type Station struct {
	*Inbox // the way in

	cfg   Config
	phone Phone
	voice Voice
	board Board

	requests chan request
	done     chan struct{} // closed when Run has returned
	journal  journal
	pub      atomic.Pointer[publication]
	gauges   atomic.Pointer[Gauges]
	asked    atomic.Int64  // when somebody asked for gauges last, ns since the start
	poke     chan struct{} // buffered: somebody asks again
	walk     atomic.Pointer[Walk]

	// Below: owned by the goroutine in Run.
	now         state // what the door is doing; set by Run alone
	seq         uint64
	started     time.Time
	reg         Registration
	told        Sound    // devices as the journal has them
	waiting     []waiter // callers, the first first
	texts       []Text   // messages to the door, newest first
	calls       []Record
	deliveries  []Delivery // as [Inbox.SetDeliveries] was told last
	faults      faultSet
	xruns       minute // of the sound devices
	buttons     buttons
	meanings    []Button // of the buttons, for every snapshot
	targets     []Target // whom it may be told to call, likewise
	contacts    contacts
	access      *access
	test        selfTest
	trial       trial  // what somebody tries at the door
	tried       trial  // the check that a test call or a self-test belongs to
	after       *press // came while a test call was in its way
	canary      canary
	rested      map[string]time.Time // when each button may call again
	lamps       map[string]shown     // what each lamp shows
	failedUntil time.Time            // lamps show until then that the visitor reached nobody
	quietUntil  time.Time            // alarms are silent until then
	sounding    bool                 // the alarm tone was the last that was played
	persistedAt time.Time            // of the memory
	open        map[string]time.Time // end of the last pulse per relay
	livelyUntil time.Time            // something has happened: levels and counters are renewed often
	alarm       *time.Timer          // of the nearest deadline
}

// New makes a station; nothing happens before [Station.Run].
func New(cfg Config, phone Phone, voice Voice, board Board) *Station {
	if cfg.History <= 0 {
		cfg.History = 20
	}
	if cfg.Ports.ClockKnown == nil {
		cfg.Ports.ClockKnown = func() bool { return true }
	}
	cfg.complete()
	now := time.Now()
	if cfg.Inbox == nil {
		cfg.Inbox = NewInbox()
	}
	s := &Station{
		Inbox: cfg.Inbox, cfg: cfg, phone: phone, voice: voice, board: board,
		requests: make(chan request),
		poke:     make(chan struct{}, 1),
		done:     make(chan struct{}),
		started:  now,
		now:      halted{Idle},
		journal:  journal{next: 1},
		reg:      Registration{State: RegOff, Since: now},
		buttons:  newButtons(cfg.Buttons),
		meanings: meanings(&cfg),
		targets:  targets(&cfg),
		contacts: newContacts(cfg.Contacts),
		access:   newAccess(cfg.Door.Access, cfg.Memory.rebased(now, cfg.Ports.ClockKnown()), cfg.Ports.ClockKnown),
		test:     newSelfTest(cfg.SelfTest, now),
		rested:   map[string]time.Time{},
		lamps:    map[string]shown{},
		open:     map[string]time.Time{},
		canary:   newCanary(&cfg, now),
		calls:    slices.Clone(cfg.Calls[:min(len(cfg.Calls), cfg.History)]),
	}
	if cfg.Ports.SelfTest != nil { // else no test could ever take the fault back
		since := s.test.kept.Since
		if since.After(now) { // by another clock
			since = now
		}
		s.faults.change(s.test.kept.fault(), since)
	}
	s.faults.change(s.canary.shown.fault(), s.canary.shown.At)
	walk := cfg.Walk.with(checksOf(&cfg))
	s.walk.Store(&walk)
	for _, f := range cfg.Faults {
		s.faults.change(faultChange{fault: f, set: true}, now)
	}
	s.access.clamp(now, cfg.Door.TamperBlock)
	s.tell(Started{Name: cfg.Name, Version: cfg.Version})
	s.tell(ConfigRead{File: cfg.File, Faults: len(cfg.Faults)})
	sound, gauges := voice.Sound()
	state, counts := board.State()
	gauges.Time, gauges.Inputs = now, counts
	s.gauges.Store(&gauges)
	s.publish(now, sound, state)
	return s
}

const (
	// refreshEvery is how often the door looks at sound and board, and renews levels and
	// counters, while something happens, or somebody asks for them and there is sound.
	refreshEvery = 250 * time.Millisecond
	// askedEvery is how often it does while somebody asks and no sound runs.
	askedEvery = time.Second
	// restEvery is how often it does otherwise: each time costs a machine at rest some
	// wake-ups.
	restEvery = 2 * time.Second
	// lively is how long it does so often after something has happened, or after somebody has
	// asked.
	lively = 3 * time.Second
)

// Run owns the door until ctx ends. A running call is then ended on the usual
// path, lamps go dark, and Run returns. It must be called once.
func (s *Station) Run(ctx context.Context) {
	defer close(s.done)
	defer s.journal.close()
	s.alarm = time.NewTimer(0)
	defer s.alarm.Stop()
	s.survey()
	for next := state(idle{}); next != nil; next = next.run(ctx, s) {
		s.now = next
	}
	s.stop()
}

// survey takes note of contacts that are active at the start: their edges came
// before anybody listened.
func (s *Station) survey() {
	now := time.Now()
	board, _ := s.board.State()
	for _, in := range board.Inputs {
		if in.Active && s.contacts.has(in.Name) {
			e := Edge{Input: in.Name, Active: true, At: now}
			// A housing that was opened while the power was off. A block that runs goes on.
			if s.contacts.tamper(e) && !now.Before(s.access.mem.TamperUntil) {
				s.tampered(e)
			}
			s.contactEdge(e, now) // as if released just now: a door that stands open was not forced
		}
	}
}

// changeFault raises or clears a fault.
func (s *Station) changeFault(c faultChange) { s.faults.change(c, time.Now()) }

func (s *Station) registered(r Registration) {
	was := s.reg
	s.reg = r
	if r.State != was.State || r.Problem != was.Problem {
		s.tell(RegistrationChanged{r})
	}
}

// persist keeps what must survive a restart.
func (s *Station) persist() {
	s.persistedAt = time.Now()
	if s.cfg.Ports.Persist != nil {
		s.cfg.Ports.Persist(s.access.mem.stamped(s.persistedAt))
	}
}

// stop makes the door inert.
func (s *Station) stop() {
	s.refuseLetters()
	s.makeWay()
	s.dismiss()
	s.voice.Silence()
	for _, l := range s.cfg.Lamps {
		s.board.SetLamp(l.Name, LampOff, 0)
	}
	s.now = halted{Stopped}
	s.tell(Halted{})
	sound, _ := s.voice.Sound()
	board, _ := s.board.State()
	s.publish(time.Now(), sound, board)
}
