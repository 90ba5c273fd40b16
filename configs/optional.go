package configs

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"intercomd/words"
)

// This file decides what a fault costs. A door that can tell whom to call, who may open and
// what its lines do is worth more than none: whatever else is wrong is shown, taken back to
// what is safe, and the bell rings. In what decides these things nothing is guessed.

// dispensable reports whether the door can do without a setting, such as "web.listen", or
// without a whole section. Every section must be known here: one that was forgotten is
// none that the door can do without.
func dispensable(key string) (yes, known bool) {
	section, setting, _ := strings.Cut(key, ".")
	switch section {
	case "audio", "mixer", "notify", "mqtt", "web", "log", "state", "history", "system", "update", "fleet", "canary":
		return true, true
	case "target":
		return setting == "prompt", true // what is played, not whom it calls
	case "sip", "network", "call", "time", "schedule", "incoming", "door", "key", "code", "board", "button", "contact", "lamp", "relay", "wlan", "eap", "locale":
		return false, true
	}
	return false, false
}

// spare takes back what the file says where that is at fault and the door can do without:
// single settings to their defaults, sections of many are left out.
func (c *checker) spare() {
	def := Default()
	for _, f := range c.faults {
		key := cmp.Or(f.Key, f.section)
		if yes, _ := dispensable(key); !yes {
			continue
		}
		switch section, setting, _ := strings.Cut(key, "."); section {
		case "notify":
			// Their places stay, by which their settings and faults are known.
			for i := range c.sectionsAt(section, f.Line, len(c.cfg.Notify)) {
				c.cfg.Notify[i] = Notify{}
			}
		case "mixer":
			for i := range c.sectionsAt(section, f.Line, len(c.cfg.Mixer)) {
				c.cfg.Mixer[i] = Mixer{}
			}
		case "mqtt":
			// Nor would half of this be what was meant: who may order what, and whom to trust.
			c.cfg.MQTT = def.MQTT
		case "fleet":
			// Half of it would trust others than it was meant to. What was fetched stays in force.
			c.cfg.Fleet = Fleet{Interval: def.Fleet.Interval, Given: c.cfg.Fleet.Given}
		case "target":
			for i := range c.sectionsAt(section, f.Line, len(c.cfg.Targets)) {
				c.cfg.Targets[i].Prompt = ""
			}
		default:
			restore(reflect.ValueOf(&c.cfg).Elem(), reflect.ValueOf(def), section, setting)
			if section == "state" {
				// Which of the codes that open once have been used is written elsewhere, or nowhere.
				c.cfg.Codes = slices.DeleteFunc(c.cfg.Codes, func(d Code) bool { return d.Once })
			}
		}
	}
	c.release()
	c.cfg.Mixer = slices.DeleteFunc(c.cfg.Mixer, func(m Mixer) bool { return m == Mixer{} })
	if len(c.cfg.Mixer) == 0 {
		c.cfg.Mixer = nil
	}
}

// release leaves out lamps and relays of which nobody knows for sure on which line they are,
// and which level is rest there: a line that is driven by guess opens a door.
func (c *checker) release() {
	lamps, relays := map[int]bool{}, map[int]bool{}
	for _, f := range c.faults {
		switch section, setting, _ := strings.Cut(cmp.Or(f.Key, f.section), "."); section {
		case "board":
			if setting != "night" && setting != "night_level" {
				c.cfg.noOutputs()
				return
			}
		case "lamp":
			if !slices.Contains([]string{"", "name", "shows", "looks", "dim"}, setting) {
				for i := range c.sectionsAt(section, f.Line, len(c.cfg.Lamps)) {
					lamps[i] = true
				}
			}
		case "relay":
			if !slices.Contains([]string{"", "name", "pulse", "flash_on", "flash_off", "flashes", "latching"}, setting) {
				for i := range c.sectionsAt(section, f.Line, len(c.cfg.Relays)) {
					relays[i] = true
				}
			}
		}
	}
	c.cfg.Lamps = without(c.cfg.Lamps, lamps)
	c.cfg.Relays = without(c.cfg.Relays, relays)
}

func without[T any](list []T, out map[int]bool) []T {
	if len(out) == 0 {
		return list
	}
	var kept []T
	for i, one := range list {
		if !out[i] {
			kept = append(kept, one)
		}
	}
	return kept
}

// noOutputs is a configuration that could not be read: nobody knows what the lines do.
func (c *Config) noOutputs() { c.Lamps, c.Relays = nil, nil }

// restore sets one setting of a section to what def has.
func restore(cfg, def reflect.Value, section, setting string) {
	s, ok := fieldOf(cfg.Type(), section)
	if !ok {
		return
	}
	if f, ok := fieldOf(s.Type, setting); ok {
		cfg.FieldByIndex(s.Index).FieldByIndex(f.Index).Set(def.FieldByIndex(s.Index).FieldByIndex(f.Index))
	}
}

// sectionsAt gives the numbers of those of n [[sections]] that a line is in: several if they
// share it.
func (c *checker) sectionsAt(name string, line, n int) func(yield func(int) bool) {
	begin := 0
	for i := range n {
		if at := c.lines[fmt.Sprintf("%s[%d]", name, i)]; at <= line {
			begin = at
		}
	}
	return func(yield func(int) bool) {
		for i := range n {
			if c.lines[fmt.Sprintf("%s[%d]", name, i)] == begin && !yield(i) {
				return
			}
		}
	}
}

// settle sorts the faults, tells which the door can do without, and leaves out what nobody
// would read any more. It never leaves out all that keep the phone off.
func (f Faults) settle() Faults {
	f.sort()
	var out Faults
	var over Fault // instead of those that are left out
	var kept [2]int
	left := 0
	for _, one := range f {
		one.Optional, _ = dispensable(cmp.Or(one.Key, one.section))
		one.Optional = one.Optional && one.Code != notHere
		one.Message = printableMessage(one.Message)
		class := 0
		if one.Optional {
			class = 1
		}
		if kept[class]++; kept[class] <= maxFaults {
			out = append(out, one)
			continue
		}
		if left++; left == 1 {
			over = Fault{File: one.File, Line: one.Line, Optional: true}
		}
		over.Optional = over.Optional && one.Optional
	}
	if left > 0 {
		over.Message = words.New("config-more-faults", "n", strconv.Itoa(left))
		out = append(out, over)
		out.sort()
	}
	return out
}
