package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/words"
)

// This file checks what buttons and contacts bring about and who may open the door.

// usesOf says which actions mean something at a setting.
func usesOf(setting string) []string {
	switch setting {
	case "press":
		return []string{DoCall, DoAnswer, DoOpen, DoToggle, DoFlash, DoOn, DoOff, DoDisturb, DoNothing}
	case "does":
		return []string{DoOpen, DoToggle, DoFlash, DoOn, DoOff}
	case "in_call":
		return []string{DoAnswer, DoHangup, DoExtend, DoTalk, DoMute, DoDTMF, DoOpen, DoToggle, DoFlash, DoOn, DoOff, DoDisturb, DoNothing}
	default: // a long press is the same in every state of the door
		return []string{DoCall, DoAnswer, DoHangup, DoExtend, DoMute, DoDTMF, DoOpen, DoToggle, DoFlash, DoOn, DoOff, DoDisturb, DoNothing}
	}
}

func (c *checker) buttons() {
	needed := false // the target under [call]
	for i := range c.cfg.Buttons {
		b := &c.cfg.Buttons[i]
		key := fmt.Sprintf("button[%d]", i)
		if b.Label == "" {
			b.Label = b.Name
		}
		c.callee(key+".target", b.Target)
		own := b.Target
		if b.Target == "" {
			b.Target = c.cfg.Call.Target
		}
		if b.InCall.Do == DoTalk && b.Long.Do != DoNothing {
			c.bad(key+".long", words.New("config-long-while-talking"))
		}
		used := false
		for _, a := range []struct {
			name string
			act  *Action
		}{{"press", &b.Press}, {"long", &b.Long}, {"in_call", &b.InCall}} {
			c.actionFits(key, a.name, *a.act)
			if a.act.Do == DoCall && a.act.Target == "" {
				a.act.Target, used = b.Target, true
			}
		}
		if used && own == "" {
			needed = true
		}
		if !used && own != "" {
			c.bad(key+".target", words.New("config-target-unused"))
		}
		if !used {
			b.Target = ""
		}
	}
	if needed && c.cfg.Call.Target == "" && c.cfg.Board.Driver != "none" {
		c.missing("call.target", words.New("config-missing-target"))
	}
}

// actionFits checks one action of a button.
func (c *checker) actionFits(button, name string, a Action) {
	key := button + "." + name
	if !slices.Contains(usesOf(name), a.Do) {
		m := words.New("config-action-idle")
		switch name {
		case "in_call":
			m = words.New("config-action-in-call")
		case "does":
			m = words.New("config-action-key")
		}
		c.bad(key, m.With("value", a.String()))
		return
	}
	switch a.Do {
	case DoTalk:
		if c.cfg.Audio.Duplex != "push-to-talk" && !c.faulty("audio.duplex") && !c.broken["audio.duplex"] {
			c.bad(key, words.New("config-not-push-to-talk"))
		}
	case DoCall:
		c.callee(key, a.Target)
	case DoOpen, DoFlash, DoOff:
		c.relay(key, a.Relay)
	case DoToggle, DoOn:
		if r, ok := c.relay(key, a.Relay); ok && !r.Latching {
			c.bad(key, words.New("config-relay-pulses", "relay", a.Relay))
		}
	}
}

// relay finds a relay by its name, or reports that there is none.
func (c *checker) relay(key, name string) (Relay, bool) {
	var names []string
	for _, r := range c.cfg.Relays {
		if r.Name == name {
			return r, true
		}
		names = append(names, r.Name)
	}
	c.bad(key, choices("config-no-relay", name, names))
	return Relay{}, false
}

// doorRelay is a relay for a key or a code: it must fall back by itself.
func (c *checker) doorRelay(key, name string) {
	if r, ok := c.relay(key, name); ok && r.Latching {
		c.bad(key, words.New("config-relay-latching", "relay", name))
	}
}

func (c *checker) contacts() {
	for i := range c.cfg.Contacts {
		k := &c.cfg.Contacts[i]
		key := fmt.Sprintf("contact[%d]", i)
		if k.Label == "" {
			k.Label = k.Name
		}
		if k.Grace > 0 && k.Watches != "door" {
			c.bad(key+".grace", words.New("config-contact-grace"))
		}
		if k.Sound > 0 && k.Watches == "nothing" {
			c.bad(key+".sound", words.New("config-contact-setting", "watches", k.Watches))
		}
		if k.After > 0 && (k.Watches == "tamper" || k.Watches == "nothing") {
			c.bad(key+".after", words.New("config-contact-setting", "watches", k.Watches))
		}
	}
}

func (c *checker) relays() {
	for i, r := range c.cfg.Relays {
		if r.Pulse > time.Minute && !r.Latching {
			c.bad(fmt.Sprintf("relay[%d].pulse", i), words.New("config-pulse-too-long"))
		}
		longest, m := time.Minute, words.New("config-flashes-too-long")
		if r.Latching {
			longest, m = time.Hour, words.New("config-flashes-too-long-light")
		}
		if all := time.Duration(r.Flashes) * (r.FlashOn + r.FlashOff); all > longest {
			c.bad(fmt.Sprintf("relay[%d].flashes", i), m.With("n", strconv.Itoa(r.Flashes), "on", r.FlashOn.String(), "off", r.FlashOff.String(), "all", all.String()))
		}
	}
}

func (c *checker) door() {
	d := &c.cfg.Door
	c.users("door.key_users", d.KeyUsers)
	c.users("door.callers", d.Callers)
	switch {
	case d.Key == "" && len(d.KeyUsers) > 0 && !c.broken["door.key"] && !c.faulty("door.key"):
		c.bad("door.key_users", words.New("config-users-without-key"))
	case d.Key != "" && !isDigits(string(d.Key)):
		c.bad("door.key", words.New("config-not-keys"))
	case c.turns(string(d.Key)):
		c.bad("door.key", words.New("config-keys-turn"))
	case c.extends(string(d.Key)):
		c.bad("door.key", words.New("config-keys-extend"))
	}
	if d.Key != "" {
		c.doorRelay("door.relay", d.Relay)
	}
}

// keys checks the keys beside the one that opens the door.
func (c *checker) keys() {
	for i := range c.cfg.Keys {
		k := &c.cfg.Keys[i]
		key := fmt.Sprintf("key[%d]", i)
		switch digits := string(k.Digits); {
		case digits == "":
			c.missing(key+".digits", words.New("config-missing-keys"))
		case !isDigits(digits):
			c.bad(key+".digits", words.New("config-not-keys"))
		case c.turns(digits):
			c.bad(key+".digits", words.New("config-keys-turn"))
		case c.extends(digits):
			c.bad(key+".digits", words.New("config-keys-extend"))
		case c.hides(i):
			c.bad(key+".digits", words.New("config-keys-hidden"))
		}
		if k.Does.Do == "" {
			c.missing(key+".does", words.New("config-missing-does"))
		} else {
			c.actionFits(key, "does", k.Does)
		}
		c.users(key+".users", k.Users)
		for _, u := range k.Users {
			// Whoever has a key is asked for no code: single digits mean something at once.
			if len(c.cfg.Codes) > 0 && (c.cfg.Door.Key == "" || !slices.Contains(c.cfg.Door.KeyUsers, u)) {
				c.bad(key+".users", words.New("config-key-bars-code", "user", quotable(shown(u))))
			}
		}
	}
}

// hides reports whether a key cannot be told from one before it, or that of the door.
func (c *checker) hides(i int) bool {
	k := c.cfg.Keys[i]
	others := []Key{{Digits: c.cfg.Door.Key, Users: c.cfg.Door.KeyUsers}}
	for _, o := range append(others, c.cfg.Keys[:i]...) {
		a, b := string(o.Digits), string(k.Digits)
		same := len(o.Users) == 0 || len(k.Users) == 0 || slices.ContainsFunc(o.Users, func(u string) bool { return slices.Contains(k.Users, u) })
		if a != "" && same && (strings.HasSuffix(a, b) || strings.HasSuffix(b, a)) {
			return true
		}
	}
	return false
}

// turns reports whether digits would be taken for the wish to turn the direction of
// a talk.
func (c *checker) turns(digits string) bool {
	k := c.cfg.Call.TalkKey
	return c.cfg.Audio.Duplex == "push-to-talk" && k != "" && strings.Contains(digits, k)
}

// extends reports whether digits would be taken for the wish to talk on.
func (c *checker) extends(digits string) bool {
	k := c.cfg.Call.ExtendKey
	return k != "" && strings.Contains(digits, k)
}

// minCode is the least number of digits of a code: 10,000 possibilities and 20 attempts
// an hour at most.
const minCode = 4

func (c *checker) codes() {
	first := -1                  // code that the others are as long as
	seen := make(map[Secret]int) // and the line
	for i := range c.cfg.Codes {
		d := &c.cfg.Codes[i]
		key := fmt.Sprintf("code[%d]", i)
		line, taken := seen[d.Digits]
		switch digits := string(d.Digits); {
		case digits == "":
			c.missing(key+".digits", words.New("config-missing-code"))
		case !isDigits(digits) || strings.Contains(digits, "*"):
			c.bad(key+".digits", words.New("config-not-code"))
		case len(digits) < minCode:
			c.bad(key+".digits", words.New("config-code-short", "n", strconv.Itoa(len(digits)), "least", strconv.Itoa(minCode)))
		case c.turns(digits):
			c.bad(key+".digits", words.New("config-keys-turn"))
		case c.extends(digits):
			c.bad(key+".digits", words.New("config-keys-extend"))
		case first >= 0 && len(digits) != len(c.cfg.Codes[first].Digits):
			c.bad(key+".digits", words.New("config-code-length", "n", strconv.Itoa(len(digits)), "other", c.cfg.Codes[first].Name, "length", strconv.Itoa(len(c.cfg.Codes[first].Digits))))
		case taken:
			c.bad(key+".digits", words.New("config-code-taken", "first", strconv.Itoa(line)))
		case first < 0:
			first = i
		}
		seen[d.Digits] = c.lineOf(key + ".digits")
		if d.Name == "key" {
			c.bad(key+".name", words.New("config-code-named-key"))
		}
		if d.Relay == "" {
			d.Relay = c.cfg.Door.Relay
		}
		c.doorRelay(key+".relay", d.Relay)
		c.users(key+".users", d.Users)
		c.when(key+".when", d.When)
		zone := c.cfg.Time.Location()
		if from, until := d.From.In(zone), d.Until.In(zone); !until.IsZero() && !from.Before(until) {
			c.bad(key+".until", words.New("config-until-before-from"))
		}
	}
	for i, k := range c.cfg.Keys {
		if len(c.cfg.Codes) > 0 && len(k.Users) == 0 {
			c.bad(fmt.Sprintf("key[%d].users", i), words.New("config-key-for-all"))
		}
	}
	if len(c.cfg.Codes) > 0 && c.cfg.Door.Key != "" && len(c.cfg.Door.KeyUsers) == 0 {
		c.bad("door.key", words.New("config-door-key-for-all"))
	}
}
