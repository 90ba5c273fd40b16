package station

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LampConfig says what a lamp shows.
type LampConfig struct {
	Name  string
	Shows LampRole
	Looks map[LampState]Look // in place of the usual ones
}

// Look is how a lamp shows a state.
type Look struct {
	Pattern Pattern // "": the usual one
	Colour  Colour  // zero: the usual one
}

// Colour is 0xRRGGBB. Lamps of one colour ignore it.
type Colour uint32

// String is the colour as the configuration has it: "#00ff00".
func (c Colour) String() string { return fmt.Sprintf("#%06x", uint32(c)) }

// MarshalText is String, for programs that read the snapshot.
func (c Colour) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Colour) UnmarshalText(text []byte) error {
	hex, ok := strings.CutPrefix(string(text), "#")
	n, err := strconv.ParseUint(hex, 16, 24)
	if !ok || err != nil {
		return fmt.Errorf("colour %q is not like #00ff00", text)
	}
	*c = Colour(n)
	return nil
}

// LampRole is what a lamp is for.
type LampRole string

// What lamps can show.
const (
	ShowStatus LampRole = "status" // everything in one lamp, see statusState
	ShowReady  LampRole = "ready"  // registered: a press will work
	ShowCall   LampRole = "call"   // fast: pressed; slow: really ringing; on: talking
	ShowTalk   LampRole = "talk"   // a conversation is up
	ShowMic    LampRole = "mic"    // the microphone is live
	ShowDoor   LampRole = "door"   // the door is released
	ShowFault  LampRole = "fault"  // code of the gravest fault
	ShowAlarm  LampRole = "alarm"  // fast: a contact, tampering, too many wrong codes
	ShowDND    LampRole = "dnd"    // do-not-disturb is on
)

// LampState is what a lamp tells at a moment.
type LampState string

// What lamps tell.
const (
	LampDark    LampState = ""        // nothing
	LampIdle    LampState = "idle"    // ready: a press will work
	LampCalling LampState = "calling" // pressed, or kept for the registration
	LampRinging LampState = "ringing" // the far end really rings
	LampCalled  LampState = "called"  // somebody calls the door
	LampTalking LampState = "talking" // a conversation is up, the microphone is live
	LampEnding  LampState = "ending"  // it ends soon
	LampOpen    LampState = "open"    // the door is released
	LampFailed  LampState = "failed"  // nobody came: for a few seconds
	LampFault   LampState = "fault"   // blink code
	LampOffline LampState = "offline" // not registered
	LampAlarm   LampState = "alarm"   // a contact, tampering, too many wrong codes
	LampDND     LampState = "dnd"     // do-not-disturb is on
)

// LampStates lists all that lamps tell, but nothing.
func LampStates() []LampState {
	return []LampState{LampIdle, LampCalling, LampRinging, LampCalled, LampTalking, LampEnding, LampOpen, LampFailed, LampFault, LampOffline, LampAlarm, LampDND}
}

// facts is what lamps are decided by.
type facts struct {
	state      State
	ringing    bool // the far end really rings
	mic        bool // the microphone reaches the far end
	ending     bool // the warning before the end of the talk was heard
	registered bool
	open       bool
	failed     bool // the visitor reached nobody, just now
	code       int  // blink code of the gravest fault, 0 for none
	alarm      bool
	dnd        bool
}

// tells decides what a lamp tells.
func (r LampRole) tells(f facts) LampState {
	switch r {
	case ShowStatus:
		return statusState(f)
	case ShowReady:
		return given(f.registered, LampIdle)
	case ShowCall:
		if f.failed && f.state == Idle {
			return LampFailed
		}
		return callState(f)
	case ShowTalk:
		return given(f.state == Talking, LampTalking)
	case ShowMic:
		return given(f.mic, LampTalking)
	case ShowDoor:
		return given(f.open, LampOpen)
	case ShowFault:
		return given(f.code > 0, LampFault)
	case ShowAlarm:
		return given(f.alarm, LampAlarm)
	case ShowDND:
		return given(f.dnd, LampDND)
	}
	return LampDark
}

// statusState puts everything into one lamp: what happens at the door, then what keeps
// it from working, then a sign of life.
func statusState(f facts) LampState {
	switch {
	case f.open:
		return LampOpen
	case f.state != Idle:
		return callState(f)
	case f.failed:
		return LampFailed
	case f.code > 0:
		return LampFault
	case !f.registered:
		return LampOffline
	default:
		return LampIdle
	}
}

func callState(f facts) LampState {
	switch f.state {
	case Calling:
		if f.ringing {
			return LampRinging
		}
		return LampCalling
	case Ringing:
		return LampCalled
	case Talking:
		if f.ending {
			return LampEnding
		}
		return LampTalking
	default:
		return LampDark
	}
}

func given(b bool, s LampState) LampState {
	if b {
		return s
	}
	return LampDark
}

// usual is the pattern of a state. A lamp that tells one thing only is simply on.
func (r LampRole) usual(s LampState, f facts) Pattern {
	switch s {
	case LampIdle:
		if r == ShowStatus {
			return LampPulse
		}
	case LampCalling, LampCalled, LampAlarm:
		return LampFast
	case LampRinging:
		return LampSlow
	case LampEnding:
		return LampHurry
	case LampOpen:
		if r == ShowStatus {
			return LampWink // the microphone may be live: never dark for long
		}
	case LampFailed:
		return LampDouble
	case LampFault:
		return Blink(f.code)
	case LampOffline:
		return Blink(FaultRegistration)
	case LampDark:
		return LampOff
	case LampTalking, LampDND:
	}
	return LampOn
}

// colour is the usual colour of a state: green for what is well, red for what is not,
// yellow and blue for what is on its way, so that no meaning hangs on red and green alone.
func (s LampState) colour() Colour {
	switch s {
	case LampCalling, LampEnding:
		return 0xffa000
	case LampRinging, LampCalled:
		return 0x0040ff
	case LampTalking, LampOpen:
		return 0x00ff00
	case LampFailed, LampFault, LampOffline, LampAlarm:
		return 0xff0000
	case LampDND:
		return 0xa000ff
	default:
		return 0xffffff
	}
}

// showsMic reports whether a lamp of this role is lit while the microphone is live.
func (r LampRole) showsMic() bool {
	return r == ShowStatus || r == ShowCall || r == ShowTalk || r == ShowMic
}

// shown is what a lamp was last told to show.
type shown struct {
	pattern Pattern
	colour  Colour
}

// look is how a lamp shows what it tells.
func (l *LampConfig) look(f facts) shown {
	state := l.Shows.tells(f)
	out := shown{l.Shows.usual(state, f), state.colour()}
	look, ok := l.Looks[state]
	switch {
	case !ok:
	case look.Pattern == LampCode:
		out.pattern = Blink(max(f.code, 1))
	case look.Pattern != "":
		out.pattern = look.Pattern
	}
	if look.Colour != 0 {
		out.colour = look.Colour
	}
	if f.mic && l.Shows.showsMic() && out.pattern == LampOff {
		out.pattern = LampOn // whoever stands there must see that the microphone is live
	}
	return out
}

// showLamps brings every lamp up to date, touching only those that change.
func (s *Station) showLamps() {
	now := time.Now()
	f := facts{
		state: s.state(), mic: s.micLive(),
		registered: s.reg.State == RegRegistered,
		open:       now.Before(s.doorOpenUntil()),
		failed:     now.Before(s.failedUntil),
		code:       s.faults.code(),
		alarm:      s.faults.alarm(),
		dnd:        s.access.mem.DoNotDisturb,
	}
	if c := s.call(); c != nil {
		f.ringing = !c.rec.Ringing.IsZero() || !c.rec.Early.IsZero()
	}
	if t, ok := s.now.(*talking); ok {
		f.ending = t.ending
	}
	for i := range s.cfg.Lamps {
		l := &s.cfg.Lamps[i]
		p := l.look(f)
		if t := s.trial; t.all || t.lamp == l.Name && t.lamp != "" {
			p = shown{LampOn, 0xffffff}
			if t.all {
				p.pattern = LampFast
			}
		}
		if s.lamps[l.Name] != p {
			s.lamps[l.Name] = p
			s.board.SetLamp(l.Name, p.pattern, p.colour)
		}
	}
}
