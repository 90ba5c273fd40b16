package station

import (
	"slices"
	"time"
)

// Blink codes of fault lamps: what an installer counts on the ladder. The
// smaller code is the graver fault and is shown first.
const (
	FaultConfig       = 1 // the configuration cannot be used
	FaultRegistration = 2 // no registration: network, server or password
	FaultSound        = 3 // no microphone or loudspeaker
	FaultBoard        = 4 // a button, lamp or relay cannot be used
	FaultAlarm        = 5 // a contact, or too many wrong codes
	FaultUntold       = 6 // a notice could not be delivered
	FaultLesser       = 7 // something that the door can do without: a recording, its page, its memory
)

// duplexPatience is how long the sound may have fallen back to one direction at a
// time before somebody should see to it.
const duplexPatience = 30 * time.Second

//nolint:gochecknoglobals // a table
var duplexFaults = map[string]struct{ text, remedy string }{
	"echo":     {"the far end's voice came back to it", "see whether the loudspeaker is broken or loose, and whether the microphone is sealed from it"},
	"howling":  {"a tone built up through both ends", "lower audio.output_gain, and see that no telephone of the call is near the door"},
	"clipping": {"the loudspeaker overdrives the microphone", "lower the microphone in the mixer, or audio.output_gain"},
}

type faultChange struct {
	fault Fault
	set   bool
}

// faultSet holds what is wrong now: faults that were reported, and those that
// follow from the state of registration, sound and board.
type faultSet struct {
	reported []Fault
	derived  []Fault
}

// change applies a report; a fault that is reported again keeps its Since.
func (fs *faultSet) change(c faultChange, now time.Time) {
	i := slices.IndexFunc(fs.reported, func(f Fault) bool { return f.Key == c.fault.Key })
	switch {
	case !c.set && i >= 0:
		fs.reported = slices.Delete(slices.Clone(fs.reported), i, i+1)
	case !c.set:
	case i >= 0:
		c.fault.Since = fs.reported[i].Since
		fs.reported = slices.Clone(fs.reported)
		fs.reported[i] = c.fault
	default:
		c.fault.Since = now
		fs.reported = append(slices.Clone(fs.reported), c.fault)
	}
}

// derive works the faults out that follow from the rest of the snapshot.
func (fs *faultSet) derive(reg Registration, snd Sound, b BoardState, d DoorState, now time.Time) {
	var out []Fault
	add := func(key string, code int, text, remedy string) {
		f := Fault{Key: key, Code: code, Since: now, Text: text, Remedy: remedy}
		if i := slices.IndexFunc(fs.derived, func(o Fault) bool { return o.Key == key }); i >= 0 {
			f.Since = fs.derived[i].Since
		}
		out = append(out, f)
	}
	switch {
	case reg.Error == "":
	case reg.State == RegRegistered: // and yet something is wrong: another device took the extension
		add("registration", FaultRegistration, reg.Error, reg.Remedy)
	default:
		add("registration", FaultRegistration, "not registered: "+reg.Error, reg.Remedy)
	}
	if snd.Input.Error != "" {
		add("sound.input", FaultSound, "no microphone: "+snd.Input.Error, snd.Input.Remedy)
	}
	if snd.Output.Error != "" {
		add("sound.output", FaultSound, "no loudspeaker: "+snd.Output.Error, snd.Output.Remedy)
	}
	if snd.MicSilent && snd.Input.Error == "" { // without a microphone that is why
		add("sound.silent", FaultSound, "the microphone hears nothing at all",
			"see whether it is muted in the mixer, plugged in, and the right one (intercomd devices)")
	}
	if d := snd.Duplex; d.Reason != "" && now.Sub(d.Since) >= duplexPatience {
		add("sound.duplex", FaultSound, "one direction at a time: "+duplexFaults[d.Reason].text, duplexFaults[d.Reason].remedy)
	}
	if b.Error != "" {
		add("board", FaultBoard, b.Error, b.Remedy)
	}
	for _, in := range b.Inputs {
		if in.Stuck {
			add("board."+in.Name+".stuck", FaultBoard, "input "+in.Name+" seems to be stuck: it has been active for long", "see whether something presses it, or whether its cable has a short")
		}
		if in.Error != "" {
			add("board."+in.Name, FaultBoard, "input "+in.Name+": "+in.Error, in.Remedy)
		}
	}
	for _, l := range b.Lamps {
		if l.Error != "" {
			add("board."+l.Name, FaultBoard, "lamp "+l.Name+": "+l.Error, l.Remedy)
		}
	}
	for _, r := range b.Relays {
		if r.Error != "" {
			add("board."+r.Name, FaultBoard, "relay "+r.Name+": "+r.Error, r.Remedy)
		}
	}
	if !d.LockedUntil.IsZero() {
		add("door.locked", FaultAlarm, "too many wrong codes: the keypad is locked until "+d.LockedUntil.Format("15:04"), "see in the audit log who called; the lock ends by itself")
	}
	if !d.BlockedUntil.IsZero() {
		add("door.blocked", FaultAlarm, "the door station was opened: relays are blocked until "+d.BlockedUntil.Format("15:04"), "inspect the door station; the block ends by itself")
	}
	fs.derived = out
}

// list returns all faults, the gravest first, the older first among equals.
func (fs *faultSet) list() []Fault {
	all := slices.Concat(fs.reported, fs.derived)
	slices.SortStableFunc(all, func(a, b Fault) int {
		if a.Code != b.Code {
			return a.Code - b.Code
		}
		return a.Since.Compare(b.Since)
	})
	return all
}

// alarm reports whether anything is an alarm.
func (fs *faultSet) alarm() bool {
	return slices.ContainsFunc(slices.Concat(fs.reported, fs.derived), func(f Fault) bool { return f.Code == FaultAlarm })
}

// code is the blink code of the gravest fault; 0 if all is well.
func (fs *faultSet) code() int {
	if all := fs.list(); len(all) > 0 {
		return all[0].Code
	}
	return 0
}
