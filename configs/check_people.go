package configs

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// This file checks whom the door calls, when, and whom it tells.

func (c *checker) zone() {
	z := c.cfg.Time.Zone
	if z == "" {
		return
	}
	if _, err := time.LoadLocation(z); err != nil || z == "Local" {
		c.bad("time.zone", fmt.Sprintf("%q is not a time zone", z), `write its name, such as "Europe/Berlin"`)
	}
}

func (c *checker) schedules() {
	for i, s := range c.cfg.Schedules {
		key := fmt.Sprintf("schedule[%d].windows", i)
		if len(s.Windows) == 0 && !c.faulty(key) {
			c.missing(key, `say when: windows = ["mon-fri 08:00-18:00"]`)
		}
	}
}

// when checks the name of a schedule.
func (c *checker) when(key, name string) {
	var names []string
	for _, s := range c.cfg.Schedules {
		names = append(names, s.Name)
	}
	if name == "" || slices.Contains(names, name) {
		return
	}
	remedy := "there is no [[schedule]] at all"
	if len(names) > 0 {
		remedy = choices(name, names)
	}
	c.bad(key, fmt.Sprintf("there is no schedule %q", name), remedy)
}

func (c *checker) targets() {
	for i := range c.cfg.Targets {
		t := &c.cfg.Targets[i]
		key := fmt.Sprintf("target[%d]", i)
		if t.Label == "" {
			t.Label = t.Name
		}
		switch {
		case len(t.Users) > 0 && len(t.Steps) > 0:
			c.bad(key+".users", "there are [[target.step]] too", "give one of them")
		case len(t.Users) == 0 && len(t.Steps) == 0 && !c.faulty(key+".users") && !c.faulty(key+".step"):
			c.missing(key+".users", `say whom it calls: users = ["1001", "1002"]`)
		}
		for _, u := range t.Users {
			c.dialable(key+".users", u)
			t.Steps = append(t.Steps, Step{User: u})
		}
		if len(t.Users) == 0 {
			for j, s := range t.Steps {
				c.step(fmt.Sprintf("%s.step[%d]", key, j), s)
			}
		}
		c.fallback(key+".fallback", t.Name, t.Fallback)
		switch {
		case t.Prompt == "":
		case !isName(t.Prompt):
			c.bad(key+".prompt", fmt.Sprintf("%q is not the name of a recording", t.Prompt), `write it without folder and ".wav": prompt = "closed"`)
		case c.cfg.Audio.Prompts == "" && (c.faulty("audio.prompts") || c.broken["audio.prompts"]):
			t.Prompt = "" // which is told there
		case c.cfg.Audio.Prompts == "":
			c.bad(key+".prompt", "there is no folder of recordings", `give one: prompts = "..." under [audio]`)
		}
	}
}

func (c *checker) step(key string, s Step) {
	if s.User == "" {
		c.missing(key+".user", `say whom it calls: user = "1001"`)
	} else {
		c.dialable(key+".user", s.User)
	}
	c.when(key+".when", s.When)
}

func (c *checker) fallback(key, own, name string) {
	var names []string
	for _, t := range c.cfg.Targets {
		if t.Name != own {
			names = append(names, t.Name)
		}
	}
	switch {
	case name == "" || slices.Contains(names, name):
	case name == own:
		c.bad(key, "is the target itself", "name another one, or remove it")
	default:
		c.bad(key, fmt.Sprintf("there is no target %q", name), strings.TrimSpace("a fallback is the name of another [[target]]; "+choices(name, names)))
	}
}

// callee checks what a button calls: the name of a target, a user or a SIP URI.
func (c *checker) callee(key, name string) {
	if name == "" {
		return
	}
	var names []string
	for _, t := range c.cfg.Targets {
		if t.Name == name {
			return
		}
		names = append(names, t.Name)
	}
	// Extensions are numbers nearly everywhere: a word that is nearly the name of a
	// target is a slip.
	if near := nearest(name, names); near != "" && strings.Trim(name, "0123456789*#") != "" && !strings.HasPrefix(name, "sip") {
		c.bad(key, fmt.Sprintf("there is no target %q", name), fmt.Sprintf("did you mean %q? A user of that name is written \"sip:%s@DOMAIN\"", near, name))
		return
	}
	c.dialable(key, name)
}

// dialable checks a user or SIP URI.
func (c *checker) dialable(key, t string) {
	if !isCallable(t) {
		c.bad(key, fmt.Sprintf("%q cannot be called", shown(t)), `write a user such as "1001" or a SIP URI such as "sip:1001@example.lan"`)
	}
}

// unused reports targets that no button leads to, and schedules that nothing follows: the
// name is written in another way somewhere.
func (c *checker) unused() {
	reached := map[string]bool{}
	visit := func(name string) {
		for name != "" && !reached[name] {
			reached[name] = true
			i := slices.IndexFunc(c.cfg.Targets, func(t Target) bool { return t.Name == name })
			if i < 0 {
				return
			}
			name = c.cfg.Targets[i].Fallback
		}
	}
	visit(c.cfg.Call.Target)
	for _, b := range c.cfg.Buttons {
		visit(b.Press.Target)
		visit(b.Long.Target)
	}
	whens := map[string]bool{}
	for i, t := range c.cfg.Targets {
		if t.Name != "" && !reached[t.Name] {
			c.bad(fmt.Sprintf("target[%d].name", i), fmt.Sprintf("nothing calls the target %q", t.Name),
				fmt.Sprintf("write target = %q at a [[button]] or under [call], or remove it", t.Name))
		}
		for _, s := range t.Steps {
			whens[s.When] = true
		}
	}
	for _, d := range c.cfg.Codes {
		whens[d.When] = true
	}
	for i, s := range c.cfg.Schedules {
		if s.Name != "" && !whens[s.Name] {
			c.bad(fmt.Sprintf("schedule[%d].name", i), fmt.Sprintf("nothing follows the schedule %q", s.Name),
				fmt.Sprintf("write when = %q at a [[target.step]] or a [[code]], or remove it", s.Name))
		}
	}
}

func (c *checker) notify() {
	for i, n := range c.cfg.Notify {
		key := fmt.Sprintf("notify[%d]", i)
		if n.Webhook == "" && len(n.Message) == 0 && !c.faulty(key+".webhook") && !c.faulty(key+".message") {
			c.missing(key+".webhook", `say who is told: webhook = "https://..." or message = ["1001"]`)
		}
		if n.Webhook != "" {
			if problem, remedy := webhook(string(n.Webhook)); problem != "" {
				c.bad(key+".webhook", problem, remedy)
			}
		}
		if n.CAFile != "" && n.Webhook == "" {
			c.bad(key+".ca_file", "there is no webhook", "remove it")
		}
		for _, u := range n.Message {
			c.dialable(key+".message", u)
		}
		if len(n.Kinds) == 0 && !c.faulty(key+".kinds") {
			c.bad(key+".kinds", "is empty", `name what is told: ["alarm", "missed"]`)
		}
	}
}

// webhook judges an address without showing it: its path is often a secret.
func webhook(raw string) (problem, remedy string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || !isHost(u.Hostname()) || !isPort(u.Port()):
		return "is not the address of a web service", `write it like "https://house.example.lan/notify"`
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return "", ""
	case u.Scheme == "http":
		return "http:// is not encrypted and is accepted for this machine only", "use https://"
	default:
		return "is not the address of a web service", "use https://"
	}
}
