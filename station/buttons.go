package station

import "time"

// press is a finished press of a configured button.
type press struct {
	button ButtonConfig
	at     time.Time // of the edge
	long   bool
	action Action // what it means in the present state
}

// buttons turns edges into presses. A button without a long press fires on the
// edge itself, so that the visitor's lamp is on before the finger is off.
type buttons struct {
	cfg  []ButtonConfig
	down map[string]time.Time // waiting to become short or long
}

func newButtons(cfg []ButtonConfig) buttons {
	return buttons{cfg: cfg, down: map[string]time.Time{}}
}

func (b *buttons) find(input string) (ButtonConfig, bool) {
	for _, c := range b.cfg {
		if c.Input == input {
			return c, true
		}
	}
	return ButtonConfig{}, false
}

func (b *buttons) edge(e Edge) (press, bool) {
	c, ok := b.find(e.Input)
	if !ok {
		return press{}, false
	}
	since, held := b.down[e.Input]
	delete(b.down, e.Input)
	switch {
	case e.Active && c.Long.Do == Nothing:
		return press{button: c, at: e.At}, true
	case e.Active:
		b.down[e.Input] = e.At
		return press{}, false
	case held:
		return press{button: c, at: since}, true
	default:
		return press{}, false
	}
}

// due returns a press that has become long.
func (b *buttons) due(now time.Time) (press, bool) {
	for _, c := range b.cfg {
		if since, ok := b.down[c.Input]; ok && now.Sub(since) >= c.LongAfter {
			delete(b.down, c.Input)
			return press{button: c, at: since, long: true}, true
		}
	}
	return press{}, false
}

// next is when due has something to do; zero if nothing is held.
func (b *buttons) next() (t time.Time) {
	for _, c := range b.cfg {
		if since, ok := b.down[c.Input]; ok {
			if at := since.Add(c.LongAfter); t.IsZero() || at.Before(t) {
				t = at
			}
		}
	}
	return t
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
	case c.Press.Do == Release, c.Press.Do == Toggle, c.Press.Do == Disturb:
		return c.Press // an exit button opens, call or no call
	default:
		return c.InCall
	}
}
