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
func Parse(name string, data []byte) (Config, Faults) {
	c := parse(name, data)
	c.faults.sort()
	return c.cfg, c.faults
}

func parse(name string, data []byte) *checker {
	cfg := Default()
	text, f := clean(name, data)
	if f != nil {
		return &checker{decoder: decoder{file: name, faults: Faults{*f}}, cfg: cfg}
	}
	tree, whole := parseTree(name, text)
	c := &checker{
		decoder: decoder{file: name, faults: tree.faults, lines: make(map[string]int)},
		cfg:     cfg,
		broken:  tree.broken,
	}
	if !whole {
		return c
	}
	c.table(reflect.ValueOf(&c.cfg).Elem(), tree.root, "")
	c.check()
	return c
}
