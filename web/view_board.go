package web

import (
	"math"
	"slices"
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
	Contact []contactView // can be moved from here
	Lamps   []lampView
	Relays  []relayView
}

type buttonView struct {
	Input, Label, Does string
	Active             bool
}

type contactView struct {
	Input, Label, State, Move string
	Active                    bool
}

type lampView struct {
	Name, Class, Words, Error string
}

type relayView struct {
	Name, Words, Error string
	On                 bool
}

type inputView struct {
	Name, Label, Does, State, Presses, Glitches, Error string
	Pulses                                             []pulseBar
	Active, Noisy, Alarm                               bool
}

func newPanelView(snap *station.Snapshot, now time.Time, press bool) panelView {
	b := snap.Board
	v := panelView{
		Show:   len(b.Inputs)+len(b.Lamps)+len(b.Relays) > 0,
		Press:  press && b.Simulated,
		Driver: clean(b.Driver, maxName),
	}
	for _, in := range b.Inputs {
		if c, ok := contactOf(snap, in.Name); ok {
			if v.Press {
				v.Contact = append(v.Contact, newContactView(c, in.Active))
			}
			continue // the table has it
		}
		label, does := meaning(snap.Buttons, in.Name)
		if label+does == "" && !v.Press {
			continue
		}
		v.Buttons = append(v.Buttons, buttonView{
			Input: in.Name, Label: orElse(label, clean(in.Name, maxName)), Does: does, Active: in.Active,
		})
	}
	for _, l := range b.Lamps {
		class, words := patternWords(l.Pattern)
		if l.Colour != "" && class != "off" {
			words += ", " + clean(l.Colour, maxName)
		}
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
		label, does := meaning(snap.Buttons, in.Name)
		c, watched := contactOf(snap, in.Name)
		if watched {
			label, does = clean(c.Label, maxName), watchWords(c.Watches)
		}
		if label == in.Name {
			label = ""
		}
		v := inputView{
			Name: clean(in.Name, maxName), Label: label, Does: orElse(does, none),
			State: "at rest", Active: in.Active,
			Presses: count(in.Presses), Glitches: count(in.Glitches), Pulses: pulses(in.Widths), Error: sentence(in.Error),
			// More rejected edges than presses: cable, contact or debounce time want a look.
			Noisy: in.Glitches > 10 && in.Glitches > in.Presses,
		}
		switch {
		case in.Stuck:
			v.State = "stuck"
		case watched:
			v.State, v.Alarm = contactState(c, in.Active), c.Alarm != ""
		case in.Active && label+does != "":
			v.State = "pressed"
		case in.Active:
			v.State = "active"
		}
		views = append(views, v)
	}
	return views
}

// pulseBar is one bar of the histogram of an input's pulses.
type pulseBar struct {
	Limit       string // pulses are shorter than this
	Count       string
	Gap, Height int // of the drawing: above the bar, and of the bar
}

const pulseHeight = 20 // units of the drawing

// pulses draws how many pulses of an input had which length; nothing before the first.
// Heights go by the root, so that a few spikes are seen beside hundreds of presses.
func pulses(w station.Widths) []pulseBar {
	most := slices.Max(w[:])
	if most == 0 {
		return nil
	}
	bars := make([]pulseBar, len(w))
	for i, limit := range [len(w)]string{"<1 ms", "<3", "<10", "<30", "<100", "<300", "<1 s", "<3 s", "longer"} {
		h := int(math.Ceil(pulseHeight * math.Sqrt(float64(w[i])/float64(most))))
		bars[i] = pulseBar{Limit: limit, Count: count(w[i]), Gap: pulseHeight - h, Height: h}
	}
	return bars
}

// meaning finds what pressing an input does.
func meaning(buttons []station.Button, input string) (label, does string) {
	for _, b := range buttons {
		if b.Input != input {
			continue
		}
		target, relay := clean(orElse(b.TargetLabel, b.Target), maxName), clean(b.Relay, maxName)
		switch {
		case b.Does == "open" && relay != "":
			does = "opens " + relay
		case b.Does == "toggle" && relay != "":
			does = "switches " + relay
		case b.Does == "flash" && relay != "":
			does = "flashes " + relay
		case b.Does == "on" && relay != "":
			does = "switches " + relay + " on"
		case b.Does == "off" && relay != "":
			does = "switches " + relay + " off"
		case b.Does == "answer":
			does = "answers"
		case b.Does == "dnd":
			does = "do not disturb"
		case target != "":
			does = "calls " + target
		}
		return clean(b.Label, maxName), does
	}
	return "", ""
}

// contactOf finds the contact that an input is.
func contactOf(snap *station.Snapshot, input string) (station.Contact, bool) {
	for _, c := range snap.Contacts {
		if c.Input == input {
			return c, true
		}
	}
	return station.Contact{}, false
}

func newContactView(c station.Contact, active bool) contactView {
	v := contactView{Input: c.Input, Label: orElse(clean(c.Label, maxName), clean(c.Input, maxName)),
		State: contactState(c, active), Active: active}
	switch {
	case c.Watches == "door" && active:
		v.Move = "Close"
	case c.Watches == "door":
		v.Move = "Open"
	case active:
		v.Move = "Let go"
	default:
		v.Move = "Make contact"
	}
	return v
}

// contactState is how a contact is, and what is wrong about it.
func contactState(c station.Contact, active bool) string {
	switch {
	case c.Alarm == "held":
		return "held open"
	case c.Alarm == "forced":
		return "forced open"
	case c.Alarm != "":
		return "alarm"
	case c.Watches == "door" && active:
		return "open"
	case c.Watches == "door":
		return "closed"
	case active:
		return "active"
	}
	return "at rest"
}

func watchWords(watches string) string {
	switch watches {
	case "door":
		return "watches the door"
	case "tamper":
		return "watches the housing"
	case "alarm":
		return "raises an alarm"
	}
	return "is shown"
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
	case station.LampWink:
		return "wink", "on with short gaps"
	case station.LampHurry:
		return "hurry", "on with many gaps"
	case station.LampDouble:
		return "double", "double flashes"
	}
	if n, ok := strings.CutPrefix(string(p), "blink"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '9' {
		return "blink" + n, "fault code " + n
	}
	return "other", clean(string(p), maxName)
}
