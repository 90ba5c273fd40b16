// Package boards knows the pin headers of boards: which line of which chip a pin is. It
// refuses to know what is connected to them.
package boards

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

//go:embed *.toml
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

// Names lists the names that profile under [board] can have, without "auto".
func Names() []string {
	entries, err := boardFiles.ReadDir(".")
	if err != nil {
		return nil // the folder is in the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}

// Load reads a profile. "auto" is all Raspberry Pis at once: their headers are the
// same, and the label of the chip that is there tells which one it is.
func Load(name string) (Profile, error) {
	if name == "auto" {
		return everyPi()
	}
	data, err := boardFiles.ReadFile(name + ".toml")
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
	for _, name := range Names() {
		if !strings.HasPrefix(name, "raspberry-pi-") {
			continue
		}
		p, err := Load(name)
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

// Find looks a name of the header up: "GPIO17", "gpio17", "pin 11".
func (p Profile) Find(name string) (Pin, bool) {
	for _, pin := range p.Header {
		if strings.EqualFold(name, "pin "+strconv.Itoa(pin.Pin)) || pin.Line != nil && strings.EqualFold(name, pin.Name) {
			return pin, true
		}
	}
	return Pin{}, false
}

// LooksLikeHeader tells a name that can only be meant for the header.
func LooksLikeHeader(name string) bool {
	for _, prefix := range []string{"gpio", "pin "} {
		if n, ok := strings.CutPrefix(strings.ToLower(name), prefix); ok {
			if _, err := strconv.Atoi(strings.Trim(n, " -_")); err == nil {
				return true
			}
		}
	}
	return false
}
