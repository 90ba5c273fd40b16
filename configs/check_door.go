package configs

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// This file checks what buttons and contacts bring about and who may open the door.

// usesOf says which actions mean something at a setting.
func usesOf(setting string) []string {
	switch setting {
	case "press":
		return []string{DoCall, DoAnswer, DoOpen, DoToggle, DoDisturb, DoNothing}
	case "in_call":
		return []string{DoAnswer, DoHangup, DoExtend, DoDTMF, DoOpen, DoToggle, DoDisturb, DoNothing}
	default: // a long press is the same in every state of the door
		return []string{DoCall, DoAnswer, DoHangup, DoExtend, DoDTMF, DoOpen, DoToggle, DoDisturb, DoNothing}
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
			c.bad(key+".target", "is called by no action of this button", `remove it, or write press = "call"`)
		}
		if !used {
			b.Target = ""
		}
	}
	if needed && c.cfg.Call.Target == "" && c.cfg.Board.Driver != "none" {
		c.missing("call.target", `say whom the button calls: target = "1001"`)
	}
}

// actionFits checks one action of a button.
func (c *checker) actionFits(button, name string, a Action) {
	key := button + "." + name
	if !slices.Contains(usesOf(name), a.Do) {
		remedy := "write it to in_call"
		if name == "in_call" {
			remedy = "write it to press or long"
		}
		c.bad(key, fmt.Sprintf("%q means nothing there", a), remedy)
		return
	}
	switch a.Do {
	case DoCall:
		c.callee(key, a.Target)
	case DoOpen:
		c.relay(key, a.Relay)
	case DoToggle:
		if r, ok := c.relay(key, a.Relay); ok && !r.Latching {
			c.bad(key, fmt.Sprintf("relay %q only gives pulses", a.Relay),
				fmt.Sprintf(`write "open:%s"; a light needs latching = true at its [[relay]], a door must not have it`, a.Relay))
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
	remedy := "there is no [[relay]] at all"
	if len(names) > 0 {
		remedy = choices(name, names)
	}
	c.bad(key, fmt.Sprintf("there is no relay %q", name), remedy)
	return Relay{}, false
}

// doorRelay is a relay for a key or a code: it must fall back by itself.
func (c *checker) doorRelay(key, name string) {
	if r, ok := c.relay(key, name); ok && r.Latching {
		c.bad(key, fmt.Sprintf("relay %q is latching and would not lock the door again by itself", name), "use a [[relay]] without latching")
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
			c.bad(key+".grace", "is for contacts that watch a door", "remove it")
		}
		if k.After > 0 && (k.Watches == "tamper" || k.Watches == "nothing") {
			c.bad(key+".after", fmt.Sprintf("is not for contacts that watch %q", k.Watches), "remove it")
		}
	}
}

func (c *checker) relays() {
	for i, r := range c.cfg.Relays {
		if r.Pulse > time.Minute && !r.Latching {
			c.bad(fmt.Sprintf("relay[%d].pulse", i), "is longer than a door should be open", "allowed: 100ms to 1m; a light has latching = true and up to 1h")
		}
	}
}

func (c *checker) door() {
	d := &c.cfg.Door
	c.users("door.key_users", d.KeyUsers)
	c.users("door.callers", d.Callers)
	switch {
	case d.Key == "" && len(d.KeyUsers) > 0 && !c.broken["door.key"] && !c.faulty("door.key"):
		c.bad("door.key_users", "there is no key", `give one: key = "5"`)
	case d.Key != "" && !isDigits(string(d.Key)):
		c.bad("door.key", "are not telephone keys", "write one to 16 of 0-9 * # A-D")
	case c.extends(string(d.Key)):
		c.bad("door.key", "has the key in it that extends the talk (extend_key under [call])", `choose another one, or write extend_key = "" under [call]`)
	}
	if d.Key != "" {
		c.doorRelay("door.relay", d.Relay)
	}
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
	first := -1 // code that the others are as long as
	seen := make(map[Secret]string)
	for i := range c.cfg.Codes {
		d := &c.cfg.Codes[i]
		key := fmt.Sprintf("code[%d]", i)
		place, taken := seen[d.Digits]
		switch digits := string(d.Digits); {
		case digits == "":
			c.missing(key+".digits", `give the digits of the code: digits = "..."`)
		case !isDigits(digits) || strings.Contains(digits, "*"):
			c.bad(key+".digits", "are not digits of a code", "write 4 to 16 of 0-9 # A-D; * begins anew")
		case len(digits) < minCode:
			c.bad(key+".digits", fmt.Sprintf("are only %d digits", len(digits)), fmt.Sprintf("write %d to 16", minCode))
		case c.extends(digits):
			c.bad(key+".digits", "have the key in them that extends the talk (extend_key under [call])", `choose others, or write extend_key = "" under [call]`)
		case first >= 0 && len(digits) != len(c.cfg.Codes[first].Digits):
			c.bad(key+".digits", fmt.Sprintf("are %d digits, those of code %q are %d", len(digits), c.cfg.Codes[first].Name, len(c.cfg.Codes[first].Digits)),
				"give all codes the same length: the door must know when one is complete")
		case taken:
			c.bad(key+".digits", "are those of the code "+place+" too", "choose others")
		case first < 0:
			first = i
		}
		seen[d.Digits] = c.place(key + ".digits")
		if d.Name == "key" {
			c.bad(key+".name", `"key" stands for the key under [door] in the audit log`, "choose another one")
		}
		if d.Relay == "" {
			d.Relay = c.cfg.Door.Relay
		}
		c.doorRelay(key+".relay", d.Relay)
		c.users(key+".users", d.Users)
		c.when(key+".when", d.When)
		zone := c.cfg.Time.Location()
		if from, until := d.From.In(zone), d.Until.In(zone); !until.IsZero() && !from.Before(until) {
			c.bad(key+".until", "is not after from", "check the dates")
		}
	}
	if len(c.cfg.Codes) > 0 && c.cfg.Door.Key != "" && len(c.cfg.Door.KeyUsers) == 0 {
		c.bad("door.key", "opens for everybody, so that no [[code]] is ever asked for",
			`say from whom it is taken: key_users = ["1001"]; or remove it`)
	}
}
