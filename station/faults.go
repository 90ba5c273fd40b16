package station

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/words"
)

// Blink codes of fault lamps: what an installer counts on the ladder. The
// smaller code is the graver fault and is shown first.
const (
	FaultConfig       = 1 // the configuration cannot be used
	FaultRegistration = 2 // no registration: network, server or password
	FaultSound        = 3 // no microphone or loudspeaker
	FaultBoard        = 4 // a button, lamp or relay cannot be used
	FaultAlarm        = 5 // a contact, or too many wrong codes
	FaultUntold       = 6 // somebody could not be told: a notice, a broker
	FaultLesser       = 7 // something that the door can do without: a recording, its page, its memory
)

// duplexPatience is how long the sound may have fallen back to one direction at a
// time before somebody should see to it.
const duplexPatience = 30 * time.Second

type faultChange struct {
	fault Fault
	set   bool
}

// faultSet holds what is wrong now: faults that were reported, and those that
// follow from the state of registration, sound and board.
type faultSet struct {
	reported []Fault
	derived  []Fault
	told     []Fault // as the journal has them
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
	add := func(key string, blinks int, m words.Message) {
		f := Fault{Key: key, Blinks: blinks, Since: now, Message: m}
		if i := slices.IndexFunc(fs.derived, func(o Fault) bool { return o.Key == key }); i >= 0 {
			f.Since = fs.derived[i].Since
		}
		out = append(out, f)
	}
	// because adds a fault whose reason somebody else has found, if there is one.
	because := func(key string, blinks int, m, why words.Message) {
		if !why.None() {
			add(key, blinks, m.Because(why))
		}
	}
	if reg.State == RegRegistered && !reg.Problem.None() { // and yet something is wrong: another device took the extension
		add("registration", FaultRegistration, reg.Problem)
	} else {
		because("registration", FaultRegistration, words.New("not-registered"), reg.Problem)
	}
	because("sound.input", FaultSound, words.New("no-microphone"), snd.Input.Problem)
	because("sound.output", FaultSound, words.New("no-loudspeaker"), snd.Output.Problem)
	if snd.MicSilent && snd.Input.Problem.None() { // without a microphone that is why
		add("sound.silent", FaultSound, words.New("microphone-silent"))
	}
	if d := snd.Duplex; d.Reason != "" && now.Sub(d.Since) >= duplexPatience {
		add("sound.duplex", FaultSound, words.New("one-direction-"+d.Reason))
	}
	if !b.Problem.None() {
		add("board", FaultBoard, b.Problem)
	}
	for _, in := range b.Inputs {
		if in.Stuck {
			add("board."+in.Name+".stuck", FaultBoard, words.New("input-stuck", "input", in.Name))
		}
	}
	for i, l := range brokenLines(b) {
		switch {
		case l.why == b.Problem: // the board as a whole says it
		case len(l.names) == 1:
			because("board."+l.names[0], FaultBoard, words.New(l.code, l.kind, l.names[0]), l.why)
		case i == 0:
			because("board.lines", FaultBoard, words.New("lines-fail", "names", strings.Join(l.names, ", ")), l.why)
		default:
			because("board.lines."+strconv.Itoa(i+1), FaultBoard, words.New("lines-fail", "names", strings.Join(l.names, ", ")), l.why)
		}
	}
	if t := d.LockedUntil; !t.IsZero() {
		add("door.locked", FaultAlarm, words.New("keypad-locked", "until", words.Time(t)))
	}
	if t := d.BlockedUntil; !t.IsZero() {
		add("door.blocked", FaultAlarm, words.New("relays-blocked", "until", words.Time(t)))
	}
	fs.derived = out
}

// lines are those of the board that cannot be used for one and the same reason.
type lines struct {
	why        words.Message
	names      []string
	code, kind string // of a single one
}

// brokenLines gathers the lines that cannot be used by why not: one cause is one fault.
func brokenLines(b BoardState) (out []lines) {
	note := func(name, code, kind string, why words.Message) {
		if why.None() {
			return
		}
		if i := slices.IndexFunc(out, func(l lines) bool { return l.why == why }); i >= 0 {
			out[i].names = append(out[i].names, name)
			return
		}
		out = append(out, lines{why, []string{name}, code, kind})
	}
	for _, in := range b.Inputs {
		note(in.Name, "input-fails", "input", in.Problem)
	}
	for _, l := range b.Lamps {
		note(l.Name, "lamp-fails", "lamp", l.Problem)
	}
	for _, r := range b.Relays {
		note(r.Name, "relay-fails", "relay", r.Problem)
	}
	return out
}

// news is what has changed since the last look: faults that came, or say something else
// now, and faults that went.
func (fs *faultSet) news() (out []News) {
	now := fs.list()
	for _, f := range now {
		if !slices.ContainsFunc(fs.told, f.same) {
			out = append(out, FaultRaised{f})
		}
	}
	for _, f := range fs.told {
		if !slices.ContainsFunc(now, func(o Fault) bool { return o.Key == f.Key }) {
			out = append(out, FaultCleared{f})
		}
	}
	fs.told = now
	return out
}

// list returns all faults, the gravest first, the older first among equals.
func (fs *faultSet) list() []Fault {
	all := slices.Concat(fs.reported, fs.derived)
	slices.SortStableFunc(all, func(a, b Fault) int {
		if a.Blinks != b.Blinks {
			return a.Blinks - b.Blinks
		}
		return a.Since.Compare(b.Since)
	})
	return all
}

// alarm reports whether anything is an alarm.
func (fs *faultSet) alarm() bool {
	return slices.ContainsFunc(slices.Concat(fs.reported, fs.derived), func(f Fault) bool { return f.Blinks == FaultAlarm })
}

// code is the blink code of the gravest fault; 0 if all is well.
func (fs *faultSet) code() int {
	if all := fs.list(); len(all) > 0 {
		return all[0].Blinks
	}
	return 0
}
