package station

import (
	"encoding/json"
	"time"
)

// Event is one thing that happened at the door. Events are numbered from 1 as long as
// the program runs; see docs/decisions/events.md. An event is a value and is never
// changed: any number of goroutines may have it.
type Event struct {
	Seq  uint64
	At   time.Time
	Call string // ID of the call that it belongs to; "" for none
	News News   // one of the types in news.go
}

// News is what an event tells: one of the types in news.go, and nothing else.
type News interface {
	// Kind names the type for programs, such as "call.answered".
	Kind() Kind
}

// Kind names what kind of thing happened: a stable code.
type Kind string

// MarshalJSON writes the event as programs get it: seq, at, kind, call, data.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Seq  uint64    `json:"seq"`
		At   time.Time `json:"at"`
		Kind Kind      `json:"kind"`
		Call string    `json:"call,omitempty"`
		Data News      `json:"data"`
	}{e.Seq, e.At, e.News.Kind(), e.Call, e.News})
}

// Principal is who did something: whoever pressed, typed or gave a command.
type Principal struct {
	Via  Via    `json:"via"`
	Name string `json:"name,omitempty"` // the input, the far end's user, or the account
	From string `json:"from,omitempty"` // network address
}

// Via is the way on which somebody reached the door.
type Via string

// The ways.
const (
	ViaButton Via = "button" // an input of the board
	ViaCall   Via = "call"   // a key in a call
	ViaPage   Via = "page"   // the status page and its interface
	ViaMQTT   Via = "mqtt"   // an MQTT broker, on behalf of whoever may publish there
	ViaDoor   Via = "door"   // by itself
)

// Ways lists the ways.
func Ways() []Via { return []Via{ViaButton, ViaCall, ViaPage, ViaMQTT, ViaDoor} }
