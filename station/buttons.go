package station

import "time"

// press is a finished press of a configured button.
type press struct {
	button ButtonConfig
	at     time.Time // of the edge
	long   bool
	down   bool      // of a button to talk: pressed, not let go
	who    Principal // if it was not pressed by a finger
	test   bool      // the call that it begins is a test
	action Action    // what it means in the present state
}

// buttons turns edges into presses. A button without a long press fires on the
// edge itself, so that the visitor's lamp is on before the finger is off.
type buttons struct {
	cfg  []ButtonConfig
	down map[string]held // waiting to become short or long
}

// held is a button that is down. How long it is held counts from when the door
// heard of it: edges that come late come one right after the other, and a short
// press must not become a long one between them.
type held struct {
	at, heard time.Time
}

func newButtons(cfg []ButtonConfig) buttons {
	return buttons{cfg: cfg, down: map[string]held{}}
}

func (b *buttons) find(input string) (ButtonConfig, bool) {
	for _, c := range b.cfg {
		if c.Input == input {
			return c, true
		}
	}
	return ButtonConfig{}, false
}

func (b *buttons) edge(e Edge, now time.Time) (press, bool) {
	c, ok := b.find(e.Input)
	if !ok {
		return press{}, false
	}
	was, down := b.down[e.Input]
	delete(b.down, e.Input)
	switch {
	case e.Active && c.Long.Do == Nothing:
		return press{button: c, at: e.At}, true
	case e.Active:
		b.down[e.Input] = held{at: e.At, heard: now}
		return press{}, false
	case down:
		return press{button: c, at: was.at, long: e.At.Sub(was.at) >= c.LongAfter}, true
	default:
		return press{}, false
	}
}

// due returns a press that has become long.
func (b *buttons) due(now time.Time) (press, bool) {
	for _, c := range b.cfg {
		if h, ok := b.down[c.Input]; ok && now.Sub(h.heard) >= c.LongAfter {
			delete(b.down, c.Input)
			return press{button: c, at: h.at, long: true}, true
		}
	}
	return press{}, false
}

// next is when due has something to do; zero if nothing is held.
func (b *buttons) next() (t time.Time) {
	for _, c := range b.cfg {
		if h, ok := b.down[c.Input]; ok {
			if at := h.heard.Add(c.LongAfter); t.IsZero() || at.Before(t) {
				t = at
			}
		}
	}
	return t
}

// by is who pressed.
func (p press) by() Principal {
	if p.who != (Principal{}) {
		return p.who
	}
	return Principal{Via: ViaButton, Name: p.button.Input}
}

// ending is that of a call which this press ended.
func (p press) ending(why Cause) Ending {
	if p.who == (Principal{}) {
		return Ending{Cause: why, By: ByDoor}
	}
	return Ending{Cause: why, By: ByCommand, Who: p.who}
}

// title is what people call the button.
func (c *ButtonConfig) title() string {
	if c.Label != "" {
		return c.Label
	}
	return c.Input
}

// meaning is what a press brings about in a state. While the door is called, a
// button that calls answers; every state leaves it to the state function to
// read Dial that way.
func (c *ButtonConfig) meaning(long bool, s State) Action {
	switch {
	case long:
		return c.Long
	case s == Idle, s == Ringing && (c.Press.Do == Dial || c.Press.Do == Answer):
		return c.Press
	case c.Press.Do.atAnyTime():
		return c.Press // an exit button opens, call or no call
	default:
		return c.InCall
	}
}

// atAnyTime reports whether a press does it in a call, too.
func (d ActionKind) atAnyTime() bool {
	switch d {
	case Release, Toggle, Disturb, Flash, SwitchOn, SwitchOff:
		return true
	default:
		return false
	}
}
