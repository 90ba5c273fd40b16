package configs

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"intercomd/words"
)

// This file checks whom the door calls, when, and whom it tells.

func (c *checker) zone() {
	z := c.cfg.Time.Zone
	if z == "" {
		return
	}
	if _, err := time.LoadLocation(z); err != nil || z == "Local" {
		c.bad("time.zone", words.New("config-not-zone", "value", quotable(z)))
	}
}

func (c *checker) schedules() {
	for i, s := range c.cfg.Schedules {
		key := fmt.Sprintf("schedule[%d].windows", i)
		if len(s.Windows) == 0 && !c.faulty(key) {
			c.missing(key, words.New("config-missing-windows"))
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
	c.bad(key, choices("config-no-schedule", name, names))
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
			c.bad(key+".users", words.New("config-both", "other", "[[target.step]]"))
		case len(t.Users) == 0 && len(t.Steps) == 0 && !c.faulty(key+".users") && !c.faulty(key+".step"):
			c.missing(key+".users", words.New("config-missing-users"))
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
			c.bad(key+".prompt", words.New("config-not-recording", "value", quotable(t.Prompt)))
		case c.cfg.Audio.Prompts == "" && (c.faulty("audio.prompts") || c.broken["audio.prompts"]):
			t.Prompt = "" // which is told there
		case c.cfg.Audio.Prompts == "":
			c.bad(key+".prompt", words.New("config-no-recordings"))
		}
	}
}

func (c *checker) step(key string, s Step) {
	if s.User == "" {
		c.missing(key+".user", words.New("config-missing-step-user"))
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
		c.bad(key, words.New("config-fallback-itself"))
	default:
		c.bad(key, choices("config-no-fallback", name, names))
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
		c.bad(key, words.New("config-no-target", "value", quotable(name), "near", near))
		return
	}
	c.dialable(key, name)
}

// dialable checks a user or SIP URI.
func (c *checker) dialable(key, t string) {
	if !isCallable(t) {
		c.bad(key, words.New("config-not-callable", "value", quotable(shown(t))))
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
			c.bad(fmt.Sprintf("target[%d].name", i), words.New("config-unused-target", "value", quotable(t.Name)))
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
			c.bad(fmt.Sprintf("schedule[%d].name", i), words.New("config-unused-schedule", "value", quotable(s.Name)))
		}
	}
}

func (c *checker) notify() {
	for i, n := range c.cfg.Notify {
		key := fmt.Sprintf("notify[%d]", i)
		if n.Webhook == "" && len(n.Message) == 0 && !c.faulty(key+".webhook") && !c.faulty(key+".message") {
			c.missing(key+".webhook", words.New("config-missing-recipient"))
		}
		if n.Webhook != "" {
			if m := webhook(string(n.Webhook)); !m.None() {
				c.bad(key+".webhook", m)
			}
		}
		if n.CAFile != "" && n.Webhook == "" {
			c.bad(key+".ca_file", words.New("config-ca-without-webhook"))
		}
		c.signing(key, n)
		for _, u := range n.Message {
			c.dialable(key+".message", u)
		}
		if len(n.Kinds) == 0 && !c.faulty(key+".kinds") {
			c.bad(key+".kinds", words.New("config-empty-kinds"))
		}
	}
}

// signing checks the key of a webhook.
func (c *checker) signing(key string, n Notify) {
	switch {
	case n.Webhook == "" && (n.Secret != "" || n.SecretFile != "") && !c.faulty(key+".webhook"):
		c.bad(key+".secret", words.New("config-ca-without-webhook"))
	case n.Secret != "" && n.SecretFile != "":
		c.bad(key+".secret_file", words.New("config-both", "other", "secret"))
	case n.Secret != "" && n.Secret != sealed && !isWebhookKey(string(n.Secret)):
		c.bad(key+".secret", words.New("config-not-webhook-key"))
	}
}

// isWebhookKey reports whether s is a key as Standard Webhooks has it: "whsec_" and 24 to 64 bytes in
// base64 (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
func isWebhookKey(s string) bool {
	text, ok := strings.CutPrefix(s, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	return ok && err == nil && len(key) >= 24 && len(key) <= 64
}

// webhook judges an address without showing it: its path is often a secret.
func webhook(raw string) words.Message {
	u, err := url.Parse(raw)
	switch {
	case err != nil || !isHost(u.Hostname()) || !isPort(u.Port()):
		return words.New("config-not-webhook")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return words.Message{}
	case u.Scheme == "http":
		return words.New("config-webhook-plain")
	default:
		return words.New("config-not-webhook-scheme")
	}
}
