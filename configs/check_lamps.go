package configs

import (
	"fmt"
	"slices"
	"strings"
)

// This file checks what lamps show and what they are made of.

// lines are those that the lamp has, under the name of their setting.
func (l *Lamp) lines() (setting string, lines []*Line) {
	if len(l.RGB) == 0 {
		return "line", []*Line{&l.Line}
	}
	for i := range l.RGB {
		lines = append(lines, &l.RGB[i])
	}
	return "rgb", lines
}

func (c *checker) lamps() {
	seen := false // a lamp that is lit while the microphone is live
	for i := range c.cfg.Lamps {
		l := &c.cfg.Lamps[i]
		key := fmt.Sprintf("lamp[%d]", i)
		c.colours(key, l)
		c.channels(key, l)
		seen = seen || l.showsMic()
		states := map[string]bool{}
		for _, look := range l.Looks {
			c.look(key+".looks", l, look)
			if states[look.State] {
				c.bad(key+".looks", fmt.Sprintf("says twice how %q looks", look.State), "remove one of them")
			}
			states[look.State] = true
		}
	}
	if len(c.cfg.Lamps) > 0 && !seen {
		c.bad("lamp", "no lamp is lit while the microphone is live: whoever stands at the door must see that",
			`let one show "status", "call", "talk" or "mic"`)
	}
}

// showsMic reports whether the lamp is lit while the microphone is live.
func (l *Lamp) showsMic() bool {
	return slices.Contains([]string{"status", "call", "talk", "mic"}, l.Shows)
}

// colours checks the three lines of a lamp with colours.
func (c *checker) colours(key string, l *Lamp) {
	if len(l.RGB) > 0 && len(l.RGB) != 3 {
		c.bad(key+".rgb", fmt.Sprintf("has %d lines", len(l.RGB)), "give three: red, green, blue")
	}
	if _, ok := c.lines[key+".line"]; ok && len(l.RGB) > 0 {
		c.bad(key+".line", "is given, and so is rgb", "a lamp has one line, or three in rgb")
	}
}

// channels checks the hardware PWM of a lamp.
func (c *checker) channels(key string, l *Lamp) {
	for _, ch := range l.PWM {
		if !isChannel(ch) {
			c.bad(key+".pwm", fmt.Sprintf("%q is not a PWM channel", ch), `write it like "pwmchip0/1": the chip in /sys/class/pwm, and its channel`)
		}
	}
	_, lines := l.lines()
	if want := len(lines); len(l.PWM) > 0 && len(l.PWM) != want {
		c.bad(key+".pwm", fmt.Sprintf("has %d channels, and the lamp %d lines", len(l.PWM), want), "give one for each line, in the order red, green, blue")
	}
}

func isChannel(s string) bool {
	chip, channel, ok := strings.Cut(s, "/")
	number, isChip := strings.CutPrefix(chip, "pwmchip")
	short := func(n string) bool { return n != "" && len(n) < 3 && strings.Trim(n, "0123456789") == "" }
	return ok && isChip && short(number) && short(channel)
}

// look checks one look of a lamp.
func (c *checker) look(key string, l *Lamp, look Look) {
	steady := []string{"on", "wink", "hurry"}
	talks := look.State == "talking" || look.State == "ending" || look.State == "open" && l.Shows == "status"
	if talks && l.showsMic() && look.Pattern != "" && !slices.Contains(steady, look.Pattern) {
		c.bad(key, fmt.Sprintf("%q is dark for too long: the lamp must be lit while the microphone is live", look.State+" "+look.Pattern),
			`use "on", "wink" or "hurry"`)
	}
	if look.Colour != 0 && len(l.RGB) == 0 {
		c.bad(key, fmt.Sprintf("gives a colour for %q, and the lamp has none", look.State), "a lamp with colours has three lines in rgb")
	}
	if look.Pattern == "code" && look.State != "fault" && look.State != "alarm" {
		c.bad(key, fmt.Sprintf("%q has no blink code", look.State), `"code" is for fault and alarm`)
	}
}
