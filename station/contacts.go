package station

import (
	"fmt"
	"time"
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
	alarm  string    // kind of the running alarm, "" for none
	sound  time.Time // until when the alarm sounds at the door
}

// alarmChange is an alarm that began or ended.
type alarmChange struct {
	key, kind, text string
	remedy          string
	over            bool
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
func (cs *contacts) edge(e Edge, released time.Time) (out []alarmChange) {
	c := cs.find(e.Input)
	c.active, c.since = e.Active, e.At
	if !e.Active {
		return c.end()
	}
	forced := c.cfg.Kind == DoorContact && c.cfg.Grace > 0 && e.At.After(released.Add(c.cfg.Grace))
	switch {
	case forced:
		return c.begin("forced", fmt.Sprintf("%s was opened without a release", c.cfg.Label), "see who opened it, and whether the latch holds")
	case c.cfg.Kind == TamperContact:
		return c.begin("tamper", fmt.Sprintf("%s: the door station is open", c.cfg.Label), "inspect the door station and close it")
	case c.cfg.Kind == AlarmContact && c.cfg.After <= 0:
		return c.begin("active", fmt.Sprintf("%s is active", c.cfg.Label), "see what it is connected to")
	default:
		return nil
	}
}

// due returns the alarms of contacts that have been active for too long.
func (cs *contacts) due(now time.Time) (out []alarmChange) {
	for _, c := range cs.list {
		if at := c.dueAt(); !at.IsZero() && !now.Before(at) {
			kind, text, remedy := "active", fmt.Sprintf("%s has been active for %v", c.cfg.Label, c.cfg.After), "see what it is connected to"
			if c.cfg.Kind == DoorContact {
				kind, text, remedy = "held", fmt.Sprintf("%s has been open for %v", c.cfg.Label, c.cfg.After), "close the door, or see what holds it open"
			}
			out = append(out, c.begin(kind, text, remedy)...)
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
	if watched := c.cfg.Kind == DoorContact || c.cfg.Kind == AlarmContact; !watched || !c.active || c.cfg.After <= 0 || (c.alarm != "" && c.alarm != "forced") {
		return time.Time{}
	}
	return c.since.Add(c.cfg.After)
}

func (c *contact) begin(kind, text, remedy string) []alarmChange {
	out := c.end() // a door that was forced and is now held: one alarm at a time
	c.alarm = kind
	if c.cfg.Sound > 0 {
		c.sound = time.Now().Add(c.cfg.Sound)
	}
	return append(out, alarmChange{key: "alarm." + c.cfg.Input, kind: kind, text: text, remedy: remedy})
}

func (c *contact) end() []alarmChange {
	if c.alarm == "" {
		return nil
	}
	kind := c.alarm
	c.alarm, c.sound = "", time.Time{}
	return []alarmChange{{key: "alarm." + c.cfg.Input, kind: kind, text: c.cfg.Label + ": over", over: true}}
}

// show is the contacts for a snapshot.
func (cs *contacts) show() (out []Contact) {
	for _, c := range cs.list {
		out = append(out, Contact{Input: c.cfg.Input, Label: c.cfg.Label, Watches: c.cfg.Kind.word(), Active: c.active, Since: c.since, Alarm: c.alarm})
	}
	return out
}

// raise shows, logs and tells an alarm, or its end.
func (s *Station) raise(a alarmChange) {
	s.log.Warn("alarm", "key", a.key, "kind", a.kind, "text", a.text, "over", a.over)
	s.faults.change(faultChange{fault: Fault{Key: a.key, Code: FaultAlarm, Text: a.text, Remedy: a.remedy}, set: !a.over}, time.Now())
	s.notify(NoticeAlarm, a.key, a.text, a.over)
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
	wanted := s.state == Idle && !now.Before(s.quietUntil) && now.Before(s.contacts.soundUntil())
	switch {
	case wanted && !s.sounding:
		s.voice.Play(ToneAlarm)
	case !wanted && s.sounding && s.state == Idle:
		s.voice.Silence()
	}
	s.sounding = wanted
}

// say plays a tone that an alarm must not drown.
func (s *Station) say(t Tone) {
	s.sounding = false
	if s.state == Idle {
		s.quietUntil = time.Now().Add(failedFor)
	}
	s.voice.Play(t)
}
