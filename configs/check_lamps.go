package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"intercomd/words"
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
				c.bad(key+".looks", words.New("config-look-twice", "state", look.State))
			}
			states[look.State] = true
		}
	}
	if len(c.cfg.Lamps) > 0 && !seen {
		c.bad("lamp", words.New("config-no-mic-lamp"))
	}
}

// showsMic reports whether the lamp is lit while the microphone is live.
func (l *Lamp) showsMic() bool {
	return slices.Contains([]string{"status", "call", "talk", "mic"}, l.Shows)
}

// colours checks the three lines of a lamp with colours.
func (c *checker) colours(key string, l *Lamp) {
	if len(l.RGB) > 0 && len(l.RGB) != 3 {
		c.bad(key+".rgb", words.New("config-rgb-lines", "n", strconv.Itoa(len(l.RGB))))
	}
	if _, ok := c.lines[key+".line"]; ok && len(l.RGB) > 0 {
		c.bad(key+".line", words.New("config-line-and-rgb"))
	}
}

// channels checks the hardware PWM of a lamp.
func (c *checker) channels(key string, l *Lamp) {
	for _, ch := range l.PWM {
		if !isChannel(ch) {
			c.bad(key+".pwm", words.New("config-not-pwm", "value", quotable(ch)))
		}
	}
	_, lines := l.lines()
	if want := len(lines); len(l.PWM) > 0 && len(l.PWM) != want {
		c.bad(key+".pwm", words.New("config-pwm-count", "n", strconv.Itoa(len(l.PWM)), "lines", strconv.Itoa(want)))
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
		c.bad(key, words.New("config-look-dark", "value", look.State+" "+look.Pattern))
	}
	if look.Colour != 0 && len(l.RGB) == 0 {
		c.bad(key, words.New("config-look-colour", "state", look.State))
	}
	if look.Pattern == "code" && look.State != "fault" && look.State != "alarm" {
		c.bad(key, words.New("config-look-code", "state", look.State))
	}
}
