package configs

import "reflect"

// Parse reads a configuration. name is for the faults. The Config is complete in any
// case: settings that are missing or at fault have their defaults, so that the daemon
// can start far enough to show the faults.
//
// After Parse, defaults that depend on other settings are filled in: SIP.Domain,
// SIP.AuthUser, labels, whom the actions of buttons call, the steps of targets with
// users, and the relays of codes. Files that the configuration names are not looked at;
// Load does that.
//
// What is at fault and can be done without is taken back, see [Fault.Optional]. Lamps and
// relays are left out whose lines are not known for sure.
func Parse(name string, data []byte) (Config, Faults) {
	c := parse(name, data)
	return c.cfg, c.faults.settle()
}

func parse(name string, data []byte) *checker {
	c := newChecker(name)
	text, f := clean(name, data)
	if f != nil {
		c.faults = Faults{*f}
		c.cfg.noOutputs()
		return c
	}
	tree, whole := parseTree(name, text)
	c.faults, c.broken = tree.faults, tree.broken
	if !whole {
		for i := range c.faults {
			c.faults[i].section = "" // which nobody can tell
		}
		c.cfg.noOutputs()
		return c
	}
	for _, f := range c.faults {
		c.marks[mark{f.Key, f.Line}] = true
	}
	c.table(reflect.ValueOf(&c.cfg).Elem(), tree.root, "")
	c.check()
	c.spare()
	return c
}

func newChecker(name string) *checker {
	return &checker{cfg: Default(), decoder: decoder{file: name,
		lines: make(map[string]int), marks: make(map[mark]bool), broken: make(map[string]bool)}}
}
