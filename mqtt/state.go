package mqtt

import (
	"encoding/json"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// What stands under availability, as Home Assistant takes it unless told otherwise.
const (
	online  = "online"
	offline = "offline"
)

// state is how the door is, as the broker keeps it: what entities are made from.
type state struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Started      time.Time         `json:"started"`
	State        station.State     `json:"state"`
	Ready        bool              `json:"ready"` // a press calls, and both are heard
	NotReady     string            `json:"notReady,omitempty"`
	Registration station.RegState  `json:"registration"`
	DoNotDisturb bool              `json:"doNotDisturb"`
	Peer         string            `json:"peer,omitempty"` // of the running call
	LastCall     string            `json:"lastCall"`       // how it ended, in words
	Open         bool              `json:"open"`           // the relay of the door is on, or its contact says so
	Contacts     map[string]bool   `json:"contacts"`       // open, tampered with, alarm
	Alarms       map[string]string `json:"alarms"`         // "" for none
	Relays       map[string]bool   `json:"relays"`
	Faults       []fault           `json:"faults"` // the gravest first
}

type fault struct {
	Key    string `json:"key"`
	Code   string `json:"code"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// maxFaults are told of; the page has all.
const maxFaults = 16

// stateOf is what a broker keeps of a snapshot.
func stateOf(s *station.Snapshot, relay string, l *words.Language) state {
	out := state{Name: s.Name, Version: s.Version, Started: s.Started, State: s.State, Ready: s.NotReady.None(), Registration: s.Registration.State,
		DoNotDisturb: s.Door.DoNotDisturb, Contacts: map[string]bool{}, Alarms: map[string]string{}, Relays: map[string]bool{}, Faults: []fault{}}
	if !out.Ready {
		out.NotReady = l.Say("problem", s.NotReady)
	}
	if s.Call != nil {
		out.Peer = s.Call.Peer.User
	}
	if len(s.Calls) > 0 {
		out.LastCall = l.Say("cause", words.New(string(s.Calls[0].Ending.Cause)))
	}
	for _, r := range s.Board.Relays {
		out.Relays[r.Name] = r.On
		out.Open = out.Open || r.Name == relay && r.On
	}
	for _, c := range s.Contacts {
		out.Contacts[c.Input], out.Alarms[c.Input] = c.Active, string(c.Alarm)
		out.Open = out.Open || c.Watches == station.DoorContact && c.Active
	}
	for _, f := range s.Faults {
		if f.Key == faultKey {
			continue // who reads this does not need to know, and each attempt would be news
		}
		if len(out.Faults) < maxFaults {
			out.Faults = append(out.Faults, fault{f.Key, f.Code, l.Say("problem", f.Message), l.Say("remedy", f.Message)})
		}
	}
	return out
}

// retained is all that the broker is to keep, by topic.
func (t *teller) retained() map[string]string {
	s := t.door.Snapshot()
	out := map[string]string{t.base + "/availability": online}
	put := func(topic string, v any) {
		if data, err := json.Marshal(v); err == nil {
			out[topic] = string(words.Tame(data))
		}
	}
	put(t.base+"/state", stateOf(s, t.cfg.Relay, t.cfg.Language))
	if t.update != nil {
		put(t.base+"/update", updateState{t.update.Installed, t.update.Latest, t.update.Busy, percent(t.update)})
	}
	if t.cfg.Discovery != "" {
		put(t.cfg.Discovery+"/device/"+objectID(t.cfg.Serial)+"/config", t.discovery(s))
	}
	return out
}

// updateState is what an update entity takes.
type updateState struct {
	Installed string `json:"installed_version"`
	Latest    string `json:"latest_version"`
	Busy      bool   `json:"in_progress"`
	Percent   *int   `json:"update_percentage"` // null: none is under way
}

func percent(u *Update) *int {
	if !u.Busy {
		return nil
	}
	return &u.Percent
}

// ring is what an event entity of the class doorbell takes.
type ring struct {
	Type   string    `json:"event_type"`
	Button string    `json:"button"`
	Label  string    `json:"label,omitempty"`
	At     time.Time `json:"at"`
	Seq    uint64    `json:"seq"` // tells a repetition from another ring
}

// messagesOf are what an event is worth: itself, and a ring if somebody rang.
func (t *teller) messagesOf(e station.Event) (out []message) {
	fresh := e.At.Add(freshFor)
	if data, err := json.Marshal(e); err == nil {
		out = append(out, message{topic: t.base + "/event/" + strings.ReplaceAll(string(e.News.Kind()), ".", "/"), payload: words.Tame(data), fresh: fresh})
	}
	p, ok := e.News.(station.Pressed)
	if !ok || p.Does != station.Dial || t.door.Snapshot().Door.DoNotDisturb {
		return out
	}
	if data, err := json.Marshal(ring{ringType, p.Button, p.Label, e.At, e.Seq}); err == nil {
		out = append(out, message{topic: t.base + "/ring/" + p.Button, payload: words.Tame(data), fresh: fresh})
	}
	return out
}
