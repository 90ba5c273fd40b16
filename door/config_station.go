package door

import (
	"slices"
	"time"
	_ "time/tzdata" // small systems have no zones of their own

	"intercomd/configs"
	"intercomd/station"
)

// This file maps the configuration onto the station.

func stationConfig(c *configs.Config) station.Config {
	out := station.Config{
		Name: c.SIP.DisplayName,
		Call: station.CallConfig{RingTime: c.Call.RingTime, TalkTime: c.Call.TalkTime, TalkWarning: c.Call.TalkWarning,
			Hold: c.Call.HoldPress},
		Incoming: station.IncomingConfig{Auto: c.Incoming.AutoAnswer, Delay: c.Incoming.AutoAnswerDelay, Wish: c.Incoming.AnswerOnRequest},
		Door:     doorConfig(c),
		SelfTest: station.SelfTestConfig{Daily: c.Audio.SelfTest.Given, Minute: c.Audio.SelfTest.Minute, Zone: c.Time.Location()},
	}
	if k := c.Canary; k.Target != "" {
		zone := c.Time.Location()
		out.Canary = station.CanaryConfig{Target: k.Target, Every: k.Every}
		if k.Hours != (configs.Hours{}) {
			out.Canary.Within = func(t time.Time) bool { return k.Hours.Contain(t.In(zone)) }
		}
	}
	out.Call.PushToTalk = c.Audio.Duplex == "push-to-talk"
	if k := c.Call.TalkKey; k != "" && out.Call.PushToTalk {
		out.Call.TalkKey = rune(k[0])
	}
	if k := c.Call.ExtendKey; k != "" {
		out.Call.ExtendKey = rune(k[0]) // one key of a telephone, all of which are ASCII
	}
	out.Incoming.Mode = station.AnswerMode(c.Incoming.Answer) // the same words
	if c.Incoming.Second == "queue" {
		out.Incoming.Queue, out.Incoming.QueueTime = c.Incoming.QueueLength, c.Incoming.QueueTime
	}
	for _, b := range c.Buttons {
		out.Buttons = append(out.Buttons, station.ButtonConfig{Input: b.Name, Label: b.Label, Press: action(b.Press),
			Long: action(b.Long), LongAfter: b.LongAfter, InCall: action(b.InCall), Pause: b.Pause})
	}
	for _, k := range c.Contacts {
		out.Contacts = append(out.Contacts, station.ContactConfig{Input: k.Name, Label: k.Label, Kind: station.ContactKind(k.Watches),
			After: k.After, Grace: k.Grace, Sound: k.Sound})
	}
	for _, t := range c.Targets {
		out.Targets = append(out.Targets, target(c, t))
	}
	for _, l := range c.Lamps {
		out.Lamps = append(out.Lamps, lamp(l))
	}
	return out
}

func lamp(l configs.Lamp) station.LampConfig {
	out := station.LampConfig{Name: l.Name, Shows: station.LampRole(l.Shows), Looks: map[station.LampState]station.Look{}}
	for _, k := range l.Looks {
		out.Looks[station.LampState(k.State)] = station.Look{Pattern: station.Pattern(k.Pattern),
			Colour: station.Colour(k.Colour)}
	}
	return out
}

func doorConfig(c *configs.Config) station.DoorConfig {
	d := c.Door
	out := station.DoorConfig{
		Access:      station.AccessConfig{Callers: d.Callers, PerCall: d.WrongPerCall, PerHour: d.WrongPerHour, Lock: d.Lock},
		Pulses:      map[string]time.Duration{},
		Flashes:     map[string]station.FlashConfig{},
		HangupAfter: d.HangupAfter, TamperBlock: d.TamperBlock,
	}
	if d.Key != "" {
		out.Access.Keys = append(out.Access.Keys, station.KeyConfig{Digits: string(d.Key), Parties: d.KeyUsers,
			Action: station.Action{Do: station.Release, Relay: d.Relay}})
	}
	for _, k := range c.Keys {
		out.Access.Keys = append(out.Access.Keys, station.KeyConfig{Digits: string(k.Digits), Parties: k.Users, Action: action(k.Does)})
	}
	zone := c.Time.Location()
	for _, k := range c.Codes {
		out.Access.Codes = append(out.Access.Codes, station.CodeConfig{Name: k.Name, Digits: string(k.Digits), Relay: k.Relay,
			Parties: k.Users, From: k.From.In(zone), Until: k.Until.In(zone), When: schedule(c, k.When), Once: k.Once})
	}
	for _, r := range c.Relays {
		out.Pulses[r.Name] = r.Pulse
		out.Flashes[r.Name] = station.FlashConfig{On: r.FlashOn, Off: r.FlashOff, Count: r.Flashes}
		if r.Latching {
			out.Lights = append(out.Lights, r.Name)
		}
	}
	return out
}

func target(c *configs.Config, t configs.Target) station.TargetConfig {
	out := station.TargetConfig{Name: t.Name, Label: t.Label, Fallback: t.Fallback, Prompt: station.Tone(t.Prompt), Untold: !t.Notify}
	for _, s := range t.Steps {
		out.Steps = append(out.Steps, station.StepConfig{User: s.User, Ring: s.RingTime, When: schedule(c, s.When)})
	}
	return out
}

// schedule finds a schedule by its name; nil is always.
func schedule(c *configs.Config, name string) *station.Schedule {
	i := slices.IndexFunc(c.Schedules, func(s configs.Schedule) bool { return s.Name == name })
	if name == "" || i < 0 {
		return nil
	}
	out := &station.Schedule{Zone: c.Time.Location()}
	for _, w := range c.Schedules[i].Windows {
		out.Windows = append(out.Windows, station.Window(w))
	}
	for _, d := range c.Time.Holidays {
		out.Holidays = append(out.Holidays, station.Day(d))
	}
	return out
}

// action is an action of the configuration, whose words are those of the station.
func action(a configs.Action) station.Action {
	return station.Action{Do: station.ActionKind(a.Do), Target: a.Target, Relay: a.Relay, Digits: a.Digits}
}
