package web

import (
	"strings"
	"time"

	"intercomd/station"
)

// panelView is the front of the door station as a picture.
type panelView struct {
	Show    bool
	Press   bool // the buttons can be pressed from here
	Driver  string
	Buttons []buttonView
	Lamps   []lampView
	Relays  []relayView
}

type buttonView struct {
	Input, Label, Target string
	Active               bool
}

type lampView struct {
	Name, Class, Words, Error string
}

type relayView struct {
	Name, Words, Error string
	On                 bool
}

type inputView struct {
	Name, Label, Target, State, Presses, Glitches, Error string
	Active, Noisy                                        bool
}

func newPanelView(snap *station.Snapshot, now time.Time, press bool) panelView {
	b := snap.Board
	v := panelView{
		Show:   len(b.Inputs)+len(b.Lamps)+len(b.Relays) > 0,
		Press:  press && b.Simulated,
		Driver: clean(b.Driver, maxName),
	}
	for _, in := range b.Inputs {
		label, target := meaning(snap.Buttons, in.Name)
		if label+target == "" && !v.Press {
			continue // a contact: the table has it
		}
		v.Buttons = append(v.Buttons, buttonView{
			Input: in.Name, Label: orElse(label, clean(in.Name, maxName)), Target: target, Active: in.Active,
		})
	}
	for _, l := range b.Lamps {
		class, words := patternWords(l.Pattern)
		v.Lamps = append(v.Lamps, lampView{
			Name: clean(l.Name, maxName), Class: class, Words: words, Error: sentence(l.Error),
		})
	}
	for _, r := range b.Relays {
		words := "off"
		if r.On {
			words = "on"
			if left := r.Until.Sub(now); !r.Until.IsZero() && left > 0 {
				words = "on for " + span(left+time.Second-time.Nanosecond)
			}
		}
		v.Relays = append(v.Relays, relayView{
			Name: clean(r.Name, maxName), Words: words, On: r.On, Error: sentence(r.Error),
		})
	}
	return v
}

func newInputViews(snap *station.Snapshot) []inputView {
	views := make([]inputView, 0, len(snap.Board.Inputs))
	for _, in := range snap.Board.Inputs {
		label, target := meaning(snap.Buttons, in.Name)
		if label == in.Name {
			label = ""
		}
		v := inputView{
			Name: clean(in.Name, maxName), Label: label, Target: orElse(target, none),
			State: "at rest", Active: in.Active,
			Presses: count(in.Presses), Glitches: count(in.Glitches), Error: sentence(in.Error),
			// More rejected edges than presses: cable, contact or debounce time want a look.
			Noisy: in.Glitches > 10 && in.Glitches > in.Presses,
		}
		switch {
		case in.Stuck:
			v.State = "stuck"
		case in.Active && label+target != "":
			v.State = "pressed"
		case in.Active:
			v.State = "active"
		}
		views = append(views, v)
	}
	return views
}

// meaning finds what pressing an input does.
func meaning(buttons []station.Button, input string) (label, target string) {
	for _, b := range buttons {
		if b.Input == input {
			return clean(b.Label, maxName), clean(b.Target, maxName)
		}
	}
	return "", ""
}

// patternWords gives the class that animates a lamp and says the same in words.
func patternWords(p station.Pattern) (class, words string) {
	switch p {
	case station.LampOff, "":
		return "off", "off"
	case station.LampOn:
		return "on", "on"
	case station.LampSlow:
		return "slow", "blinks slowly"
	case station.LampFast:
		return "fast", "blinks fast"
	case station.LampPulse:
		return "pulse", "short flashes"
	}
	if n, ok := strings.CutPrefix(string(p), "blink"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '9' {
		return "blink" + n, "fault code " + n
	}
	return "other", clean(string(p), maxName)
}
