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

func (t teller) newPanelView(snap *station.Snapshot, now time.Time, press bool) panelView {
	b := snap.Board
	v := panelView{
		Show:   len(b.Inputs)+len(b.Lamps)+len(b.Relays) > 0,
		Press:  press && b.Simulated,
		Driver: clean(b.Driver, maxName),
	}
	for _, in := range b.Inputs {
		if c, ok := contactOf(snap, in.Name); ok {
			if v.Press {
				v.Contact = append(v.Contact, t.newContactView(c, in.Active))
			}
			continue // the table has it
		}
		label, does := t.meaning(snap.Buttons, in.Name)
		if label+does == "" && !v.Press {
			continue
		}
		v.Buttons = append(v.Buttons, buttonView{
			Input: in.Name, Label: orElse(label, clean(in.Name, maxName)), Does: does, Active: in.Active,
		})
	}
	for _, l := range b.Lamps {
		class, words := t.patternWords(l.Pattern)
		if l.Colour != 0 && class != "off" {
			words += ", " + l.Colour.String()
		}
		v.Lamps = append(v.Lamps, lampView{
			Name: clean(l.Name, maxName), Class: class, Words: words, Error: t.problem(l.Problem),
		})
	}
	for _, r := range b.Relays {
		words := t.Text("page.off")
		if r.On {
			words = t.Text("page.on")
			if left := r.Until.Sub(now); !r.Until.IsZero() && left > 0 {
				words = t.Text("page.on-for", "span", t.Span(left+time.Second-time.Nanosecond))
			}
		}
		v.Relays = append(v.Relays, relayView{
			Name: clean(r.Name, maxName), Words: words, On: r.On, Error: t.problem(r.Problem),
		})
	}
	return v
}

func (t teller) newInputViews(snap *station.Snapshot) []inputView {
	views := make([]inputView, 0, len(snap.Board.Inputs))
	for _, in := range snap.Board.Inputs {
		label, does := t.meaning(snap.Buttons, in.Name)
		n := snap.Gauges.Counts(in.Name)
		c, watched := contactOf(snap, in.Name)
		if watched {
			label, does = clean(c.Label, maxName), t.watchWords(c.Watches)
		}
		if label == in.Name {
			label = ""
		}
		v := inputView{
			Name: clean(in.Name, maxName), Label: label, Does: orElse(does, none),
			State: t.Text("page.not-pressed"), Active: in.Active,
			Presses: count(n.Presses), Glitches: count(n.Glitches), Pulses: t.pulses(n.Widths), Error: t.problem(in.Problem),
			// More rejected edges than presses: cable, contact or debounce time want a look.
			Noisy: n.Glitches > 10 && n.Glitches > n.Presses,
		}
		switch {
		case in.Stuck:
			v.State = t.Text("page.stuck")
		case watched:
			v.State, v.Alarm = t.contactState(c, in.Active), c.Alarm != ""
		case in.Active && label+does != "":
			v.State = t.Text("page.pressed")
		case in.Active:
			v.State = t.Text("page.active")
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
func (t teller) pulses(w station.Widths) []pulseBar {
	most := slices.Max(w[:])
	if most == 0 {
		return nil
	}
	bars := make([]pulseBar, len(w))
	for i, limit := range [len(w)]string{"<1 ms", "<3", "<10", "<30", "<100", "<300", "<1 s", "<3 s", t.Text("page.longer")} {
		h := int(math.Ceil(pulseHeight * math.Sqrt(float64(w[i])/float64(most))))
		bars[i] = pulseBar{Limit: limit, Count: count(w[i]), Gap: pulseHeight - h, Height: h}
	}
	return bars
}

// meaning finds what pressing an input does.
func (t teller) meaning(buttons []station.Button, input string) (label, does string) {
	for _, b := range buttons {
		if b.Input != input {
			continue
		}
		target, relay := clean(orElse(b.TargetLabel, b.Target), maxName), clean(b.Relay, maxName)
		switch b.Does {
		case station.Dial:
			if target != "" {
				does = t.Text("does.call", "target", target)
			}
		case station.Answer:
			does = t.Text("does.answer")
		case station.Disturb:
			does = t.Text("does.dnd")
		case station.Release, station.Toggle, station.Flash, station.SwitchOn, station.SwitchOff:
			does = t.Text("does."+string(b.Does), "relay", relay)
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

func (t teller) newContactView(c station.Contact, active bool) contactView {
	v := contactView{Input: c.Input, Label: orElse(clean(c.Label, maxName), clean(c.Input, maxName)),
		State: t.contactState(c, active), Active: active}
	switch {
	case c.Watches == "door" && active:
		v.Move = t.Text("page.close")
	case c.Watches == "door":
		v.Move = t.Text("page.open")
	case c.Watches == "tamper" && active:
		v.Move = t.Text("page.close-housing")
	case c.Watches == "tamper":
		v.Move = t.Text("page.open-housing")
	case active:
		v.Move = t.Text("page.let-go")
	default:
		v.Move = t.Text("page.make-contact")
	}
	return v
}

// contactState is how a contact is, and what is wrong about it.
func (t teller) contactState(c station.Contact, active bool) string {
	switch {
	case c.Alarm == station.AlarmHeld:
		return t.Text("page.held-open")
	case c.Alarm == station.AlarmForced:
		return t.Text("page.forced-open")
	case c.Alarm != "":
		return t.Text("page.alarm")
	case c.Watches == "door" && active:
		return t.Text("page.is-open")
	case c.Watches == "door":
		return t.Text("page.closed")
	case active:
		return t.Text("page.active")
	}
	return t.Text("page.at-rest")
}

func (t teller) watchWords(watches station.ContactKind) string {
	switch watches {
	case "door":
		return t.Text("watches.door")
	case "tamper":
		return t.Text("watches.tamper")
	case "alarm":
		return t.Text("watches.alarm")
	}
	return t.Text("watches.nothing")
}

// patternWords gives the class that animates a lamp and says the same in words.
func (t teller) patternWords(p station.Pattern) (class, words string) {
	switch p {
	case station.LampOff, "":
		return "off", t.Text("pattern.off")
	case station.LampOn:
		return "on", t.Text("pattern.on")
	case station.LampSlow:
		return "slow", t.Text("pattern.slow")
	case station.LampFast:
		return "fast", t.Text("pattern.fast")
	case station.LampPulse:
		return "pulse", t.Text("pattern.pulse")
	case station.LampWink:
		return "wink", t.Text("pattern.wink")
	case station.LampHurry:
		return "hurry", t.Text("pattern.hurry")
	case station.LampDouble:
		return "double", t.Text("pattern.double")
	}
	if n, ok := strings.CutPrefix(string(p), "blink"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '9' {
		return "blink" + n, t.Text("pattern.blink", "n", n)
	}
	return "other", clean(string(p), maxName)
}
