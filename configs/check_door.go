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
			c.bad(key+".long", "cannot be told from a button that is held to talk", `write long = "none"`)
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
		switch name {
		case "in_call":
			remedy = "write it to press or long"
		case "does":
			remedy = `write "open:RELAY", "flash:RELAY", "toggle:RELAY", "on:RELAY" or "off:RELAY"`
		}
		c.bad(key, fmt.Sprintf("%q means nothing there", a), remedy)
		return
	}
	switch a.Do {
	case DoTalk:
		if c.cfg.Audio.Duplex != "push-to-talk" && !c.faulty("audio.duplex") && !c.broken["audio.duplex"] {
			c.bad(key, "is for push to talk", `write duplex = "push-to-talk" under [audio], or another action`)
		}
	case DoCall:
		c.callee(key, a.Target)
	case DoOpen, DoFlash, DoOff:
		c.relay(key, a.Relay)
	case DoToggle, DoOn:
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
		if k.Sound > 0 && k.Watches == "nothing" {
			c.bad(key+".sound", `is not for contacts that watch "nothing"`, "remove it")
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
		longest, words := time.Minute, "1m; a light has latching = true and up to 1h"
		if r.Latching {
			longest, words = time.Hour, "1h"
		}
		if all := time.Duration(r.Flashes) * (r.FlashOn + r.FlashOff); all > longest {
			c.bad(fmt.Sprintf("relay[%d].flashes", i), fmt.Sprintf("%d flashes of %v and %v apart are %v", r.Flashes, r.FlashOn, r.FlashOff, all), "allowed together: up to "+words)
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
	case c.turns(string(d.Key)):
		c.bad("door.key", "has the key in it that turns the direction of the talk (talk_key under [call])", "choose another one")
	case c.extends(string(d.Key)):
		c.bad("door.key", "has the key in it that extends the talk (extend_key under [call])", `choose another one, or write extend_key = "" under [call]`)
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
			c.missing(key+".digits", `give the keys: digits = "7"`)
		case !isDigits(digits):
			c.bad(key+".digits", "are not telephone keys", "write one to 16 of 0-9 * # A-D")
		case c.turns(digits):
			c.bad(key+".digits", "have the key in them that turns the direction of the talk (talk_key under [call])", "choose others")
		case c.extends(digits):
			c.bad(key+".digits", "have the key in them that extends the talk (extend_key under [call])", `choose others, or write extend_key = "" under [call]`)
		case c.hides(i):
			c.bad(key+".digits", "end another key, or are ended by one, that is taken from the same users", "choose others: the shorter one would always come first")
		}
		if k.Does.Do == "" {
			c.missing(key+".does", `say what it does: does = "toggle:light"`)
		} else {
			c.actionFits(key, "does", k.Does)
		}
		c.users(key+".users", k.Users)
		for _, u := range k.Users {
			// Whoever has a key is asked for no code: single digits mean something at once.
			if len(c.cfg.Codes) > 0 && (c.cfg.Door.Key == "" || !slices.Contains(c.cfg.Door.KeyUsers, u)) {
				c.bad(key+".users", fmt.Sprintf("%q could open the door with no [[code]] any more: who has a key is asked for none", u),
					"give them the key of the door, too (key and key_users under [door]), or leave them out")
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
		case c.turns(digits):
			c.bad(key+".digits", "have the key in them that turns the direction of the talk (talk_key under [call])", "choose others")
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
	for i, k := range c.cfg.Keys {
		if len(c.cfg.Codes) > 0 && len(k.Users) == 0 {
			c.bad(fmt.Sprintf("key[%d].users", i), "is empty: the key is taken from everybody, so that no [[code]] is ever asked for",
				`say from whom it is taken: users = ["1001"]`)
		}
	}
	if len(c.cfg.Codes) > 0 && c.cfg.Door.Key != "" && len(c.cfg.Door.KeyUsers) == 0 {
		c.bad("door.key", "opens for everybody, so that no [[code]] is ever asked for",
			`say from whom it is taken: key_users = ["1001"]; or remove it`)
	}
}
