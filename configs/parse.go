package configs

import (
	"reflect"
	"strconv"
	"strings"

	"intercomd/configs/textfile"
	"intercomd/configs/toml"
	"intercomd/words"
)

const (
	maxFaults = 100     // that keep the phone off, and of the others: nobody reads more
	maxText   = 1 << 18 // bytes of a file, many times what a real one has
)

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
	tree, f := parseTree(name, data)
	if f != nil {
		c.faults = Faults{*f}
		c.cfg.noOutputs()
		return c
	}
	c.faults, c.broken = syntaxFaults(name, tree), tree.Broken
	if !tree.Whole {
		c.cfg.noOutputs()
		return c
	}
	for _, f := range c.faults {
		c.marks[mark{f.Key, f.Line}] = true
	}
	c.table(reflect.ValueOf(&c.cfg).Elem(), tree.Root, "")
	c.check()
	c.spare()
	return c
}

func newChecker(name string) *checker {
	return &checker{cfg: Default(), decoder: decoder{file: name,
		lines: make(map[string]int), marks: make(map[mark]bool), broken: make(map[string]bool)}}
}

// parseTree reads a document, whatever an editor has put around its text. A fault says that it
// is none.
func parseTree(name string, data []byte) (*toml.Tree, *Fault) {
	text, f := textfile.Document(data)
	switch {
	case f != nil:
		return nil, &Fault{File: name, Line: f.Line, Message: f.Message}
	case len(text) > maxText:
		return nil, &Fault{File: name, Message: words.New("config-file-large", "n", strconv.Itoa(len(text)))}
	}
	return toml.Parse(text, toml.Knowledge{
		Secret:     mayHoldSecret,
		Expendable: func(key string) bool { yes, _ := dispensable(key); return yes },
	}), nil
}

// syntaxFaults are the faults of a tree as those of a file.
func syntaxFaults(name string, tree *toml.Tree) (faults Faults) {
	for _, f := range tree.Faults {
		one := Fault{File: name, Line: f.Line, Key: f.Key, Message: f.Message}
		if tree.Whole { // else nobody can tell the section
			one.section = f.Section
		}
		faults = append(faults, one)
	}
	return faults
}

// mayHoldSecret tells lines that may have a password, a code or a token in them.
func mayHoldSecret(line string) bool {
	line = strings.ToLower(line)
	for _, word := range []string{"pass", "key", "digits", "code", "webhook"} {
		if strings.Contains(line, word) {
			return true
		}
	}
	return false
}

// CleanText makes UTF-8 with lines that end in \n of a text file that people have saved: see
// [Load] for what that may be. The error is of type [Faults], without a file.
func CleanText(data []byte) ([]byte, error) {
	text, _, fault := textfile.Clean(data)
	if fault != nil {
		return nil, Faults{{Line: fault.Line, Message: fault.Message}}
	}
	return text, nil
}
