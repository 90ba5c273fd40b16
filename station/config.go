package station

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Config is what the door means by its inputs, whom it calls, and how long
// things may take. It is read once, by [New]; the loader has checked it.
type Config struct {
	Name     string  // display name of the door
	Version  string  // of the program
	File     string  // that the configuration was read from
	Faults   []Fault // of the configuration; the door shows them as long as it runs
	Buttons  []ButtonConfig
	Contacts []ContactConfig
	Targets  []TargetConfig
	Lamps    []LampConfig
	Call     CallConfig
	Incoming IncomingConfig
	Door     DoorConfig
	SelfTest SelfTestConfig
	Canary   CanaryConfig
	Walk     Walk     // as it was last saved
	History  int      // finished calls kept in the snapshot; 0 means 20
	Inbox    *Inbox   // what happens at the door comes by; nil for one of its own
	Calls    []Record // finished calls of earlier starts, newest first
	Ports    Ports
	Memory   Memory // as it was last saved
}

// Ports are the station's ways out beside phone, voice and board. All may be
// nil, are called by the station's goroutine, and must not block.
type Ports struct {
	Persist func(Memory) // keep this across restarts
	// SelfTest tries out the sound until ctx ends, and calls done once, from any
	// goroutine; nil: it cannot be tried.
	SelfTest    func(ctx context.Context, commission bool, done func(SelfTestResult))
	PersistTest func(TestMemory) // keep this across restarts
	// Canary calls an extension that sends back what it hears, until ctx ends, and calls done once,
	// from any goroutine. It opens neither microphone nor loudspeaker. nil: there is no phone.
	Canary        func(ctx context.Context, target string, done func(CanaryResult))
	PersistCanary func(Canary) // keep this across restarts
	PersistWalk   func(Walk)   // keep this across restarts
	ClockKnown    func() bool  // reports whether the time of day can be trusted; nil: it can
}

// ButtonConfig says what one button does.
type ButtonConfig struct {
	Input     string // name of the board's input
	Label     string // what is written beside it
	Press     Action // when no call is up; a button that calls also answers
	Long      Action // held for LongAfter; with it, Press waits for the release
	LongAfter time.Duration
	InCall    Action        // short press while a call is up
	Pause     time.Duration // least time between the end of a call and the next one from this button
}

// Action is what a press brings about.
type Action struct {
	Do     ActionKind
	Target string // of Dial: a target's name, a user or a SIP URI
	Relay  string // of Release, Flash and the switches
	Digits string // of SendDTMF
}

// ActionKind is a kind of [Action]: a word of the configuration, and a stable code.
type ActionKind string

// The kinds of action.
const (
	Nothing   ActionKind = "none"   // what "" means, too
	Dial      ActionKind = "call"   // call Target; answers a call that rings at the door
	Answer    ActionKind = "answer" // answer a call that rings at the door, and nothing else
	HangUp    ActionKind = "hangup" // cancel, refuse or hang up
	Extend    ActionKind = "extend" // the talk time begins anew
	PushTalk  ActionKind = "talk"   // let the door talk while held, see CallConfig.PushToTalk
	Mute      ActionKind = "mute"   // switch the microphone off in a call, or on again
	SendDTMF  ActionKind = "dtmf"   // send Digits to the far end, once the call is answered
	Release   ActionKind = "open"   // pulse Relay: exit button, light
	Toggle    ActionKind = "toggle" // switch Relay over
	Disturb   ActionKind = "dnd"    // switch do-not-disturb over
	Flash     ActionKind = "flash"  // a train of pulses of Relay, see DoorConfig.Flashes
	SwitchOn  ActionKind = "on"     // switch Relay on until further notice
	SwitchOff ActionKind = "off"    // switch Relay off, or end its flashing
)

// complete has [Nothing] where nothing is said.
func (b ButtonConfig) complete() ButtonConfig {
	for _, a := range []*Action{&b.Press, &b.Long, &b.InCall} {
		a.Do = cmp.Or(a.Do, Nothing)
	}
	return b
}

// complete has what is left out of what [Station.Change] may change, in buttons of its own.
func (c *Config) complete() {
	c.Buttons = slices.Clone(c.Buttons)
	for i, b := range c.Buttons {
		c.Buttons[i] = b.complete()
	}
	if c.Door.TamperBlock <= 0 {
		c.Door.TamperBlock = 30 * time.Minute
	}
}

// TargetConfig is somebody to call: a person, a group that the server knows, or
// a list that is tried in order.
type TargetConfig struct {
	Name     string
	Label    string
	Steps    []StepConfig
	Fallback string // name of the target to try when all steps failed or none is due
	Prompt   Tone   // what the visitor hears in place of ToneNobody; "": that
	Untold   bool   // nobody is told of a visitor who reached nobody
}

// StepConfig is one call of a list.
type StepConfig struct {
	User string        // user or SIP URI
	Ring time.Duration // 0 means CallConfig.RingTime
	When *Schedule     // nil: always. While the time is not known, every step is due: a call too many beats none
}

// CallConfig bounds the calls of the door.
type CallConfig struct {
	RingTime    time.Duration // longest time that the far end, or the door, may ring
	TalkTime    time.Duration // longest conversation, from the answer
	TalkWarning time.Duration // how long before the end of TalkTime the warning tone sounds; 0 for none
	ExtendKey   rune          // DTMF digit of the far end that begins the talk time anew; 0 for none
	PushToTalk  bool          // one direction at a time, as buttons and keys say
	TalkKey     rune          // DTMF digit of the far end that turns the direction then; 0 for none
	Hold        time.Duration // how long a press without a registration is kept for it to return
}

// IncomingConfig says who may call the door and who is answered without a press.
type IncomingConfig struct {
	Mode  AnswerMode
	Auto  []string      // users that are answered automatically whatever the mode, AnswerReject included
	Delay time.Duration // of an automatic answer: the door rings that long
	Wish  []string      // users that are answered automatically, whatever the mode, if their telephone asks for it

	Queue     int           // callers who may wait while a call is up; 0: they hear busy
	QueueTime time.Duration // how long they may wait
}

// AnswerMode says how calls to the door are answered, in the words of the configuration.
type AnswerMode string

// How calls to the door are answered.
const (
	AnswerByButton AnswerMode = "button" // and the zero value
	AnswerAuto     AnswerMode = "auto"
	AnswerReject   AnswerMode = "reject"
)

// DoorConfig is the door release.
type DoorConfig struct {
	Access      AccessConfig
	Pulses      map[string]time.Duration // how long each relay stays energised
	Flashes     map[string]FlashConfig   // how each relay flashes
	Lights      []string                 // relays that open nothing: neither blocked nor audited
	HangupAfter time.Duration            // hang up so long after the door was opened in a call; 0: do not
	TamperBlock time.Duration            // how long relays are blocked after tampering; 0 means 30 min
}

// FlashConfig is a train of pulses.
type FlashConfig struct {
	On, Off time.Duration
	Count   int
}

// ContactConfig is an input that is not a button.
type ContactConfig struct {
	Input string
	Label string
	Kind  ContactKind
	After time.Duration // active for longer raises the alarm; of a DoorContact: held open, 0: never; of an AlarmContact 0: at once
	Grace time.Duration // of a DoorContact: an opening later than this after a release is forced; 0: never
	Sound time.Duration // how long the alarm sounds at the door, at most; 0: not at all
}

// ContactKind says what an input watches, in the words of the configuration.
type ContactKind string

// What inputs watch. Active means: open, tampered with, alarm.
const (
	PlainContact  ContactKind = "nothing" // it is shown; the zero value does the same
	DoorContact   ContactKind = "door"    // held open and forced open
	TamperContact ContactKind = "tamper"  // the housing of the door station: blocks relays
	AlarmContact  ContactKind = "alarm"   // anything else that is an alarm
)

// Alarm is what is wrong about a contact: a stable code.
type Alarm string

// The alarms.
const (
	AlarmHeld   Alarm = "held"   // a door has been open for too long
	AlarmForced Alarm = "forced" // a door was opened without a release
	AlarmTamper Alarm = "tamper" // the housing is open
	AlarmActive Alarm = "active" // anything else
)
