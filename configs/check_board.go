package configs

import (
	"fmt"

	"intercomd/configs/boards"
	"intercomd/words"
)

// profile fills in what the profile of the board knows: the chips, and the numbers of
// lines that are given by their names on the header.
func (c *checker) profile() {
	b := &c.cfg.Board
	p, err := boards.Load(b.Profile)
	if err != nil {
		c.bad("board.profile", choices("config-unknown-value", b.Profile, append([]string{"auto"}, boards.Names()...)))
		return
	}
	if _, given := c.lines["board.chips"]; !given || len(b.Chips) == 0 {
		b.Chips = p.Chips
	}
	setting := "line"
	resolve := func(section string, i int, chip string, l *Line) {
		key := fmt.Sprintf("%s[%d].%s", section, i, setting)
		if chip == "" && l.Name != "" {
			c.header(p, key, l)
		}
		if chip == "" && l.Name == "" && len(b.Chips) == 0 && (b.Driver == "gpio" || b.Driver == "auto") && !c.faulty("board.chips") {
			c.bad("board.chips", words.New("config-no-chips", "line", l.String()))
		}
	}
	for i := range c.cfg.Buttons {
		resolve("button", i, c.cfg.Buttons[i].Chip, &c.cfg.Buttons[i].Line)
	}
	for i := range c.cfg.Contacts {
		resolve("contact", i, c.cfg.Contacts[i].Chip, &c.cfg.Contacts[i].Line)
	}
	for i := range c.cfg.Lamps {
		var lines []*Line
		for setting, lines = c.cfg.Lamps[i].lines(); len(lines) > 0; lines = lines[1:] {
			resolve("lamp", i, c.cfg.Lamps[i].Chip, lines[0])
		}
	}
	setting = "line"
	for i := range c.cfg.Relays {
		resolve("relay", i, c.cfg.Relays[i].Chip, &c.cfg.Relays[i].Line)
	}
}

// header replaces a name of the header by the number of its line. Other names are left
// to the kernel.
func (c *checker) header(p boards.Profile, key string, l *Line) {
	pin, ok := p.Find(l.Name)
	switch {
	case ok && pin.Line != nil:
		*l = Line{Offset: *pin.Line}
	case ok:
		c.bad(key, words.New("config-pin-not-gpio", "pin", l.Name, "is", pin.Name))
	case len(p.Header) > 0 && boards.LooksLikeHeader(l.Name):
		c.bad(key, words.New("config-not-on-header", "pin", l.Name, "board", p.Name))
	}
}
