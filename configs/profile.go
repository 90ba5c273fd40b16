package configs

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"intercomd/words"
)

//go:embed boards/*.toml
var boardFiles embed.FS

// Profile is what is known about a kind of board.
type Profile struct {
	Name   string   `toml:"name"`
	Chips  []string `toml:"chips"`  // labels of the chips with the header, in the order to try
	Header []Pin    `toml:"header"` // pins of the header, in order
}

// Pin is a pin of a board's header.
type Pin struct {
	Pin  int    `toml:"pin"`  // as it is counted on the board, from 1
	Name string `toml:"name"` // such as "GPIO17" or "GND"
	Line *int   `toml:"line"` // of the chip; nil for power
}

// Profiles lists the names that profile under [board] can have, without "auto".
func Profiles() []string {
	entries, err := boardFiles.ReadDir("boards")
	if err != nil {
		return nil // the folder is in the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}

// LoadProfile reads a profile. "auto" is all Raspberry Pis at once: their headers are the
// same, and the label of the chip that is there tells which one it is.
func LoadProfile(name string) (Profile, error) {
	if name == "auto" {
		return everyPi()
	}
	data, err := boardFiles.ReadFile("boards/" + name + ".toml")
	if err != nil {
		return Profile{}, fmt.Errorf("board profile %q: %w", name, err)
	}
	var p Profile
	if err := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields().Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("board profile %q: %w", name, err)
	}
	return p, nil
}

func everyPi() (Profile, error) {
	all := Profile{Name: "Raspberry Pi"}
	for _, name := range Profiles() {
		if !strings.HasPrefix(name, "raspberry-pi-") {
			continue
		}
		p, err := LoadProfile(name)
		if err != nil {
			return all, err
		}
		all.Header = p.Header
		for _, c := range p.Chips {
			if !slices.Contains(all.Chips, c) {
				all.Chips = append(all.Chips, c)
			}
		}
	}
	return all, nil
}

// find looks a name of the header up: "GPIO17", "gpio17", "pin 11".
func (p Profile) find(name string) (Pin, bool) {
	for _, pin := range p.Header {
		if strings.EqualFold(name, "pin "+strconv.Itoa(pin.Pin)) || pin.Line != nil && strings.EqualFold(name, pin.Name) {
			return pin, true
		}
	}
	return Pin{}, false
}

// looksLikeHeader tells a name that can only be meant for the header.
func looksLikeHeader(name string) bool {
	for _, prefix := range []string{"gpio", "pin "} {
		if n, ok := strings.CutPrefix(strings.ToLower(name), prefix); ok {
			if _, err := strconv.Atoi(strings.Trim(n, " -_")); err == nil {
				return true
			}
		}
	}
	return false
}

// profile fills in what the profile of the board knows: the chips, and the numbers of
// lines that are given by their names on the header.
func (c *checker) profile() {
	b := &c.cfg.Board
	p, err := LoadProfile(b.Profile)
	if err != nil {
		c.bad("board.profile", choices("config-unknown-value", b.Profile, append([]string{"auto"}, Profiles()...)))
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
func (c *checker) header(p Profile, key string, l *Line) {
	pin, ok := p.find(l.Name)
	switch {
	case ok && pin.Line != nil:
		*l = Line{Offset: *pin.Line}
	case ok:
		c.bad(key, words.New("config-pin-not-gpio", "pin", l.Name, "is", pin.Name))
	case len(p.Header) > 0 && looksLikeHeader(l.Name):
		c.bad(key, words.New("config-not-on-header", "pin", l.Name, "board", p.Name))
	}
}
