package web

import (
	"slices"
	"strconv"
	"strings"

	"intercomd/station"
	"intercomd/words"
)

// newsWords is what an event tells beside its kind, and how good or bad that is.
func (t teller) newsWords(n station.News) (text string, how tone) {
	how = calm
	var say []string
	add := func(parts ...string) { say = append(say, parts...) }
	switch n := n.(type) {
	case station.Started:
		add(n.Version)
	case station.ConfigRead:
		add(n.File)
		if n.Faults > 0 {
			how = warn
			add(t.Text("page.faults") + ": " + strconv.Itoa(n.Faults))
		}
	case station.Pressed:
		add(orElse(n.Label, n.Button), t.whoElse(n.By))
	case station.PressIgnored:
		add(n.Button)
	case station.PressKept:
		how = warn
		add(n.Button, t.age(n.For))
	case station.CallStarted:
		add(t.way(n.Direction) + " " + t.peerName(n.Peer))
	case station.CallStep:
		add("+" + t.latency(n.After))
	case station.CallQueued:
		add(t.peerName(n.Peer))
	case station.CallPassedOn:
		add(n.By, "→ "+n.To)
	case station.CallNotPassedOn:
		how = warn
		add(n.To, t.endingWords(n.Ending))
	case station.CallEnded:
		how = endingTone(n.Record)
		add(t.way(n.Record.Direction)+" "+t.peerName(n.Record.Peer), t.endedWords(n.Record))
	case station.VisitorMissed:
		how = warn
		add(orElse(n.Label, n.Button), t.endingWords(n.Ending))
	case station.Muted:
		add(t.onOff(n.On), t.whoElse(n.By))
	case station.DisturbChanged:
		add(t.onOff(n.On), t.who(n.By))
	case station.Released:
		how = good
		add(n.Relay, n.Name, t.who(n.By))
		if !n.OK {
			how = bad
			add(t.refused(string(n.Why)), n.Detail)
		}
	case station.Switched:
		add(t.does(string(n.Does), n.Relay), t.who(n.By))
		if n.Detail != "" {
			how = bad
			add(n.Detail)
		}
	case station.KeypadLocked:
		how = warn
		add(clock(n.Until, n.Until), t.who(n.By))
	case station.RelaysBlocked:
		how = bad
		add(n.Input)
	case station.ContactChanged:
		add(orElse(n.Label, n.Input), t.contactState(station.Contact{Watches: n.Watches}, n.Active))
	case station.AlarmChanged:
		how = bad
		if n.Over {
			how = good
		}
		add(orElse(n.Label, n.Input), t.contactState(station.Contact{Alarm: n.Alarm}, true))
	case station.FaultRaised:
		how = bad
		add(t.faultWords(n.Fault))
	case station.FaultCleared:
		how = good
		add(t.faultWords(n.Fault))
	case station.RegistrationChanged:
		how = warn
		if n.Registration.State == station.RegRegistered {
			how = good
		}
		add(t.Text("registration."+string(n.Registration.State)), serverName(n.Registration.Server), t.problem(n.Registration.Problem))
	case station.DeviceChanged:
		role := t.Text("page.microphone")
		if n.Role == "output" {
			role = t.Text("page.loudspeaker")
		}
		add(role, orElse(n.Device.Name, n.Device.Wanted))
		if !n.Device.OK && !n.Device.Problem.None() {
			how = bad
			add(t.problem(n.Device.Problem))
		}
	case station.SelfTestStarted:
		if n.Commission {
			add(t.Text("history.commissioning"))
		}
		add(t.who(n.By))
	case station.SelfTestEnded:
		switch n.Result.State {
		case station.TestPassed:
			how = good
			add(t.Text("test.passed", "at", ""))
		case station.TestFailed:
			how = bad
		}
		add(t.problem(n.Result.Problem))
	case station.TextCame:
		add(t.peerName(n.From))
	case station.Commanded:
		add(t.Text("command."+string(n.Command)), n.Button, n.Relay, t.who(n.By))
		if n.Error != "" {
			how = warn
			add(t.Text("history.not-done", "why", t.refused(n.Error)))
		}
	case station.Administered:
		add(n.Of, t.who(n.By))
		if n.Why != "" {
			how = warn
			add(t.Text("history.not-done", "why", t.refused(n.Why)))
		}
	}
	for i := range say {
		say[i] = strings.TrimSuffix(clean(say[i], maxText), ".")
	}
	say = slices.DeleteFunc(say, func(s string) bool { return s == "" || s == none })
	return strings.Join(say, " · "), how
}

// who is who did something, and from where.
func (t teller) who(p station.Principal) string {
	if p == (station.Principal{}) {
		return ""
	}
	via := t.Say("via", words.Message{Code: string(p.Via)})
	switch {
	case p.Name == "":
		return join(via, p.From)
	case p.Via == station.ViaButton || p.Via == station.ViaCall:
		return p.Name
	}
	return join(p.Name+", "+via, p.From)
}

// whoElse is who did something that is usually done by the visitor; "" for the visitor.
func (t teller) whoElse(p station.Principal) string {
	if p.Via == station.ViaButton {
		return ""
	}
	return t.who(p)
}

func (t teller) way(direction string) string {
	if direction == station.Incoming {
		return t.Text("page.from")
	}
	return t.Text("page.to")
}

func (t teller) onOff(on bool) string {
	if on {
		return t.Text("page.on")
	}
	return t.Text("page.off")
}

func (t teller) does(code, relay string) string {
	return t.Say("does", words.Message{Code: code, Params: words.ParamsOf(map[string]string{"relay": relay})})
}

// refused is why something was not done.
func (t teller) refused(code string) string {
	for _, family := range []string{"refused", "error", "refusal"} {
		if text := t.Say(family, words.Message{Code: code}); text != code {
			return text
		}
	}
	return code
}

func (t teller) faultWords(f station.Fault) string {
	if f.Code == "config-fault" {
		text, _ := t.configFault(f.Message)
		return text
	}
	return orElse(t.problem(f.Message), f.Key)
}
