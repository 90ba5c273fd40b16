package configs

import "time"

// This file has the settings about people: whom the door calls and when, who may open
// it, and who is told. The comments of the fields are in [DefaultFile].

// Target is somebody to call.
type Target struct {
	Name     string   `toml:"name"`
	Label    string   `toml:"label"` // the name if the file gives none
	Users    []string `toml:"users"` // short for Steps with nothing but a user; after Parse they are in Steps
	Steps    []Step   `toml:"step"`
	Fallback string   `toml:"fallback"` // name of a Target
	Prompt   string   `toml:"prompt"`   // name of a WAV file in the prompts of Audio, without ".wav"
	Notify   bool     `toml:"notify"`
}

// Step is one call of a target.
type Step struct {
	User     string        `toml:"user"`
	RingTime time.Duration `toml:"ring_time" range:"5s..3m"` // 0: that of Call
	When     string        `toml:"when"`                     // name of a Schedule; "" is always
}

// Time is how the door reads the clock.
type Time struct {
	Zone     string `toml:"zone"` // IANA name; "" is that of the system
	Holidays []Day  `toml:"holidays"`
}

// Location is the zone of the door.
func (t Time) Location() *time.Location {
	if t.Zone == "" {
		return time.Local
	}
	loc, err := time.LoadLocation(t.Zone)
	if err != nil {
		return time.Local // Parse has reported it
	}
	return loc
}

// Schedule is a part of the week.
type Schedule struct {
	Name    string   `toml:"name"`
	Windows []Window `toml:"windows"`
}

// Window is a part of some days of the week.
type Window struct {
	Days     [7]bool // indexed by time.Weekday; not on holidays
	Holidays bool
	From, To int // minutes since midnight; To is out; To <= From ends on the next day
}

// Day is a date; Year 0 is every year.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

// Moment is a minute in the zone of the door; the zero value is none.
type Moment struct {
	Year   int
	Month  time.Month
	Day    int
	Minute int // since midnight; 24 * 60 is the end of the day
}

// In is the moment in a zone; the zero Time if there is none.
func (m Moment) In(zone *time.Location) time.Time {
	if m == (Moment{}) {
		return time.Time{}
	}
	return time.Date(m.Year, m.Month, m.Day, 0, m.Minute, 0, 0, zone)
}

// Door is how the door is opened.
type Door struct {
	Key          Secret        `toml:"key"` // DTMF digits; "" is off
	KeyUsers     []string      `toml:"key_users"`
	Callers      []string      `toml:"callers"`
	Relay        string        `toml:"relay"` // name of a Relay
	WrongPerCall int           `toml:"wrong_per_call" range:"1..10"`
	WrongPerHour int           `toml:"wrong_per_hour" range:"3..100"`
	Lock         time.Duration `toml:"lock" range:"1m..24h"`
	HangupAfter  time.Duration `toml:"hangup_after" range:"0s..2m"`
	TamperBlock  time.Duration `toml:"tamper_block" range:"1m..24h"`
}

// Key is keys of a telephone that do something at once.
type Key struct {
	Digits Secret   `toml:"digits"`
	Does   Action   `toml:"does"`
	Users  []string `toml:"users"`
}

// Code is a code that opens the door.
type Code struct {
	Name   string   `toml:"name"`
	Digits Secret   `toml:"digits"`
	Relay  string   `toml:"relay"` // that of Door if the file gives none
	Users  []string `toml:"users"`
	From   Moment   `toml:"from"`
	Until  Moment   `toml:"until" day:"end"` // a date alone includes the day
	When   string   `toml:"when"`            // name of a Schedule; "" is always
	Once   bool     `toml:"once"`
}

// Notify is a way to tell people who are not at the door.
type Notify struct {
	Webhook Secret `toml:"webhook"` // URL; it may have a token in it
	CAFile  string `toml:"ca_file"` // after Load a path that can be opened
	Secret  Secret `toml:"secret"`  // "whsec_" and a key in base64; also from SecretFile, after Load
	// SecretFile is relative to the configuration.
	SecretFile string   `toml:"secret_file"`
	Message    []string `toml:"message"` // users
	Kinds      []string `toml:"kinds" oneof:"ring call answered missed opened alarm fault registration"`
}

func newNotify() Notify { return Notify{Kinds: []string{"alarm", "missed"}} }

// Contact is an input that is not a button.
type Contact struct {
	Name     string        `toml:"name"`
	Label    string        `toml:"label"` // the name if the file gives none
	Chip     string        `toml:"chip"`
	Line     Line          `toml:"line"`
	Pull     string        `toml:"pull" oneof:"up down none"`
	Active   string        `toml:"active" oneof:"low high"`
	Debounce time.Duration `toml:"debounce" range:"5ms..10s"`
	Watches  string        `toml:"watches" oneof:"door tamper alarm nothing"`
	After    time.Duration `toml:"after" range:"0s..24h"`
	Grace    time.Duration `toml:"grace" range:"0s..5m"`
	Sound    time.Duration `toml:"sound" range:"0s..10m"`
}

func newContact() Contact {
	return Contact{Pull: "up", Active: "high", Debounce: 50 * time.Millisecond, Watches: "door"}
}
