package station

import "time"

// LampConfig says what a lamp shows.
type LampConfig struct {
	Name  string
	Shows LampRole
}

// LampRole is what a lamp is for.
type LampRole string

// What lamps can show.
const (
	ShowStatus LampRole = "status" // everything in one lamp, see statusPattern
	ShowReady  LampRole = "ready"  // registered: a press will work
	ShowCall   LampRole = "call"   // fast: pressed; slow: really ringing; on: talking
	ShowTalk   LampRole = "talk"   // a conversation is up
	ShowMic    LampRole = "mic"    // the microphone is live
	ShowDoor   LampRole = "door"   // the door is released
	ShowFault  LampRole = "fault"  // code of the gravest fault
	ShowAlarm  LampRole = "alarm"  // fast: a contact, tampering, too many wrong codes
	ShowDND    LampRole = "dnd"    // do-not-disturb is on
)

// facts is what lamps are decided by.
type facts struct {
	state      State
	ringing    bool // the far end really rings
	registered bool
	micLive    bool
	open       bool
	code       int // blink code of the gravest fault, 0 for none
	alarm      bool
	dnd        bool
}

// pattern decides what a lamp shows.
func (r LampRole) pattern(f facts) Pattern {
	switch r {
	case ShowStatus:
		return statusPattern(f)
	case ShowReady:
		return onIf(f.registered)
	case ShowCall:
		return callPattern(f)
	case ShowTalk:
		return onIf(f.state == Talking)
	case ShowMic:
		return onIf(f.micLive)
	case ShowDoor:
		return onIf(f.open)
	case ShowFault:
		if f.code > 0 {
			return Blink(f.code)
		}
	case ShowAlarm:
		if f.alarm {
			return LampFast
		}
	case ShowDND:
		return onIf(f.dnd)
	}
	return LampOff
}

// statusPattern puts everything into one lamp: the call first, then what keeps
// the door from working, then a sign of life.
func statusPattern(f facts) Pattern {
	switch {
	case f.state != Idle:
		return callPattern(f)
	case f.open:
		return LampOn
	case f.code > 0:
		return Blink(f.code)
	case !f.registered:
		return Blink(FaultRegistration)
	default:
		return LampPulse
	}
}

func callPattern(f facts) Pattern {
	switch f.state {
	case Calling:
		if f.ringing {
			return LampSlow
		}
		return LampFast
	case Ringing:
		return LampFast
	case Talking:
		return LampOn
	default:
		return LampOff
	}
}

func onIf(b bool) Pattern {
	if b {
		return LampOn
	}
	return LampOff
}

// showLamps brings every lamp up to date, touching only those that change.
func (s *Station) showLamps() {
	f := facts{
		state:      s.state,
		ringing:    s.rec != nil && (!s.rec.Ringing.IsZero() || !s.rec.Early.IsZero()),
		registered: s.reg.State == RegRegistered,
		micLive:    s.state == Talking,
		open:       time.Now().Before(s.doorOpenUntil()),
		code:       s.faults.code(),
		alarm:      s.faults.alarm(),
		dnd:        s.access.mem.DoNotDisturb,
	}
	for _, l := range s.cfg.Lamps {
		p := l.Shows.pattern(f)
		if s.lamps[l.Name] != p {
			s.lamps[l.Name] = p
			s.board.SetLamp(l.Name, p)
		}
	}
}
