package station

import (
	"cmp"
	"time"

	"intercomd/words"
)

// contacts watches the inputs that are not buttons and says what becomes an
// alarm, and when it is over.
type contacts struct {
	list []*contact
}

type contact struct {
	cfg    ContactConfig
	active bool
	since  time.Time
	alarm  Alarm     // that is on, "" for none
	sound  time.Time // until when the alarm sounds at the door
}

func newContacts(cfg []ContactConfig) contacts {
	var cs contacts
	for _, c := range cfg {
		if c.Label == "" {
			c.Label = c.Input
		}
		cs.list = append(cs.list, &contact{cfg: c})
	}
	return cs
}

func (cs *contacts) find(input string) *contact {
	for _, c := range cs.list {
		if c.cfg.Input == input {
			return c
		}
	}
	return nil
}

func (cs *contacts) has(input string) bool { return cs.find(input) != nil }

// tamper reports whether the edge is somebody opening the housing.
func (cs *contacts) tamper(e Edge) bool {
	c := cs.find(e.Input)
	return c != nil && c.cfg.Kind == TamperContact && e.Active
}

// edge takes a change of a contact. released is when the last door release
// ended, zero if there was none.
func (cs *contacts) edge(e Edge, released time.Time) (out []AlarmChanged) {
	c := cs.find(e.Input)
	c.active, c.since = e.Active, e.At
	if !e.Active {
		return c.end()
	}
	forced := c.cfg.Kind == DoorContact && c.cfg.Grace > 0 && e.At.After(released.Add(c.cfg.Grace))
	switch {
	case forced:
		return c.begin(AlarmForced, 0)
	case c.cfg.Kind == TamperContact:
		return c.begin(AlarmTamper, 0)
	case c.cfg.Kind == AlarmContact && c.cfg.After <= 0:
		return c.begin(AlarmActive, 0)
	default:
		return nil
	}
}

// due returns the alarms of contacts that have been active for too long.
func (cs *contacts) due(now time.Time) (out []AlarmChanged) {
	for _, c := range cs.list {
		if at := c.dueAt(); !at.IsZero() && !now.Before(at) {
			alarm := AlarmActive
			if c.cfg.Kind == DoorContact {
				alarm = AlarmHeld
			}
			out = append(out, c.begin(alarm, c.cfg.After)...)
		}
	}
	return out
}

// next is when due has something to do; zero if never.
func (cs *contacts) next() (t time.Time) {
	for _, c := range cs.list {
		if at := c.dueAt(); !at.IsZero() && (t.IsZero() || at.Before(t)) {
			t = at
		}
	}
	return t
}

// dueAt is when this contact will have been active for too long; zero if that
// is not in question.
func (c *contact) dueAt() time.Time {
	if watched := c.cfg.Kind == DoorContact || c.cfg.Kind == AlarmContact; !watched || !c.active || c.cfg.After <= 0 || (c.alarm != "" && c.alarm != AlarmForced) {
		return time.Time{}
	}
	return c.since.Add(c.cfg.After)
}

func (c *contact) begin(alarm Alarm, after time.Duration) []AlarmChanged {
	out := c.end() // a door that was forced and is now held: one alarm at a time
	c.alarm = alarm
	if c.cfg.Sound > 0 {
		c.sound = time.Now().Add(c.cfg.Sound)
	}
	return append(out, AlarmChanged{Input: c.cfg.Input, Label: c.cfg.Label, Alarm: alarm, After: after})
}

func (c *contact) end() []AlarmChanged {
	if c.alarm == "" {
		return nil
	}
	was := c.alarm
	c.alarm, c.sound = "", time.Time{}
	return []AlarmChanged{{Input: c.cfg.Input, Label: c.cfg.Label, Alarm: was, Over: true}}
}

// show is the contacts for a snapshot.
func (cs *contacts) show() (out []Contact) {
	for _, c := range cs.list {
		out = append(out, Contact{Input: c.cfg.Input, Label: c.cfg.Label, Watches: c.watches(), Active: c.active, Since: c.since, Alarm: c.alarm})
	}
	return out
}

func (c *contact) watches() ContactKind { return cmp.Or(c.cfg.Kind, PlainContact) }

// contactEdge takes a change of a contact.
func (s *Station) contactEdge(e Edge, released time.Time) {
	c := s.contacts.find(e.Input)
	s.tellAt(e.At, ContactChanged{Input: e.Input, Label: c.cfg.Label, Watches: c.watches(), Active: e.Active})
	for _, a := range s.contacts.edge(e, released) {
		s.raise(a)
	}
}

// raise shows and tells an alarm, or its end.
func (s *Station) raise(a AlarmChanged) {
	s.tell(a)
	s.faults.change(faultChange{fault: a.Fault(), set: !a.Over}, time.Now())
}

// Fault is how an alarm is shown while it is on.
func (a AlarmChanged) Fault() Fault {
	code := "alarm-" + string(a.Alarm)
	if a.Alarm == AlarmActive && a.After > 0 {
		code = "alarm-active-long"
	}
	return Fault{Key: "alarm." + a.Input, Blinks: FaultAlarm, Message: words.New(code, "label", a.Label, "after", words.Span(a.After))}
}

// soundUntil is how long an alarm is to be heard at the door; zero or past: none.
func (cs *contacts) soundUntil() (t time.Time) {
	for _, c := range cs.list {
		if c.sound.After(t) {
			t = c.sound
		}
	}
	return t
}

// sound begins or ends the alarm tone. Visitors and their calls go first: the alarm is
// heard while nobody is served.
func (s *Station) sound(now time.Time) {
	wanted := s.state() == Idle && !now.Before(s.quietUntil) && now.Before(s.contacts.soundUntil())
	switch {
	case wanted && !s.sounding:
		s.voice.Play(ToneAlarm)
	case !wanted && s.sounding && s.state() == Idle:
		s.voice.Silence()
	}
	s.sounding = wanted
}

// say plays a tone that an alarm must not drown.
func (s *Station) say(t Tone) {
	s.sounding = false
	if s.state() == Idle {
		s.quietUntil = time.Now().Add(failedFor)
	}
	s.voice.Play(t)
}
