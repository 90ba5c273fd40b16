package main

import (
	"log/slog"
	"reflect"
	"testing"
	"time"

	"intercomd/configs"
	"intercomd/station"
)

// office is the example with nearly everything in it.
func office(t *testing.T) *configs.Config {
	t.Helper()
	c, err := configs.Load("../../configs/examples/office.toml")
	if faults, ok := err.(configs.Faults); !ok || len(faults) != 1 || faults[0].Key != "sip.password_file" { //nolint:errorlint // it is exactly that
		t.Fatalf("faults %v", err) // the password file is not on this machine
	}
	return c
}

// Everything that the file says reaches the station, and nothing else does.
func TestOfficeOnTheStation(t *testing.T) {
	c := office(t)
	log := slog.New(slog.DiscardHandler)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	work := [7]bool{false, true, true, true, true, true, false}
	holidays := []station.Day{{Month: 1, Day: 1}, {Month: 5, Day: 1}, {Month: 10, Day: 3}, {Month: 12, Day: 25}, {Month: 12, Day: 26},
		{Year: 2026, Month: 4, Day: 3}, {Year: 2026, Month: 4, Day: 6}}
	open := &station.Schedule{Windows: []station.Window{{Days: work, From: 480, To: 1080}}, Holidays: holidays, Zone: berlin}
	cleaning := &station.Schedule{Windows: []station.Window{{Days: work, From: 1080, To: 1320}, {Days: [7]bool{6: true}, To: 1440}},
		Holidays: holidays, Zone: berlin}
	hangUp := station.Action{Do: station.HangUp}
	want := station.Config{
		Name: "Main entrance", Version: buildVersion(), Log: log,
		Buttons: []station.ButtonConfig{
			{Input: "bell", Label: "Example Ltd.", Press: station.Action{Do: station.Dial, Target: "office"},
				Long: station.Action{Do: station.Dial, Target: "porter"}, LongAfter: 2 * time.Second, InCall: hangUp, Pause: 3 * time.Second},
			{Input: "exit", Label: "Exit", Press: station.Action{Do: station.Release, Relay: "door"}, LongAfter: time.Second, InCall: hangUp},
			{Input: "lamp", Label: "Light", Press: station.Action{Do: station.Toggle, Relay: "light"}, LongAfter: time.Second, InCall: hangUp},
		},
		Contacts: []station.ContactConfig{
			{Input: "leaf", Label: "Main entrance", Kind: station.DoorContact, After: time.Minute, Grace: 15 * time.Second},
			{Input: "housing", Label: "Door station", Kind: station.TamperContact},
		},
		Targets: []station.TargetConfig{
			{Name: "office", Label: "Example Ltd.", Fallback: "porter",
				Steps: []station.StepConfig{{User: "1001", Ring: 15 * time.Second, When: open}, {User: "2000", When: open}}},
			{Name: "porter", Label: "Porter", Steps: []station.StepConfig{{User: "1009"}, {User: "sip:porter@example.org"}}},
		},
		Lamps: []station.LampConfig{{Name: "status", Shows: station.ShowStatus}, {Name: "alarm", Shows: station.ShowAlarm}},
		Call: station.CallConfig{RingTime: 20 * time.Second, TalkTime: 3 * time.Minute, TalkWarning: 10 * time.Second,
			ExtendKey: '#', Hold: 20 * time.Second},
		Incoming: station.IncomingConfig{Mode: station.AnswerByButton},
		Door: station.DoorConfig{
			Access: station.AccessConfig{
				Key: "5", KeyParties: []string{"1009"}, Relay: "door", Callers: []string{"1009"}, PerCall: 3, PerHour: 10, Lock: 30 * time.Minute,
				Codes: []station.CodeConfig{
					{Name: "anna", Digits: "471100", Relay: "door", Parties: []string{"1001", "2000"}},
					{Name: "cleaners", Digits: "815081", Relay: "door", When: cleaning, Until: time.Date(2028, 1, 1, 0, 0, 0, 0, berlin)},
					{Name: "parcel", Digits: "240119", Relay: "gate", Once: true},
				},
			},
			Pulses:      map[string]time.Duration{"door": 4 * time.Second, "gate": time.Second, "light": 3 * time.Minute},
			Lights:      []string{"light"},
			HangupAfter: 10 * time.Second, TamperBlock: 30 * time.Minute,
		},
	}
	got := stationConfig(c, log)
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"buttons", got.Buttons, want.Buttons}, {"contacts", got.Contacts, want.Contacts}, {"targets", got.Targets, want.Targets},
		{"lamps", got.Lamps, want.Lamps}, {"call", got.Call, want.Call}, {"incoming", got.Incoming, want.Incoming}, {"door", got.Door, want.Door},
		{"all", got, want},
	} {
		if !reflect.DeepEqual(f.got, f.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", f.name, f.got, f.want)
		}
	}
}

// The boards get contacts that are never stuck, doors that fall back, lights that stay.
func TestOfficeOnTheBoards(t *testing.T) {
	c := office(t)
	log := slog.New(slog.DiscardHandler)
	g, s := gpioConfig(c, log), simConfig(c, log)
	if len(g.Inputs) != 5 || len(s.Inputs) != 5 {
		t.Fatalf("inputs %+v, %+v", g.Inputs, s.Inputs)
	}
	if in := g.Inputs[3]; in.Name != "leaf" || in.Line.Offset != 24 || in.ActiveLow || in.Debounce != 50*time.Millisecond || in.Stuck != 0 {
		t.Errorf("contact %+v", in)
	}
	if in := s.Inputs[3]; in.Name != "leaf" || in.Debounce != 50*time.Millisecond || in.Stuck != 0 {
		t.Errorf("simulated contact %+v", in)
	}
	for i, want := range []struct {
		latching bool
		max      time.Duration
	}{{false, time.Minute}, {false, time.Minute}, {true, 0}} {
		if g.Relays[i].Latching != want.latching || g.Relays[i].Max != want.max || s.Relays[i].Latching != want.latching || s.Relays[i].Max != want.max {
			t.Errorf("relay %+v, simulated %+v", g.Relays[i], s.Relays[i])
		}
	}
}

// Every word of the configuration means something to the station.
func TestWordsAreKnown(t *testing.T) {
	seen := map[station.Deed]bool{}
	for _, d := range deeds {
		seen[d] = true
	}
	if len(deeds) != 9 || len(seen) != 9 {
		t.Errorf("deeds %v", deeds)
	}
	f, _ := reflect.TypeFor[configs.Contact]().FieldByName("Watches")
	if words := f.Tag.Get("oneof"); words != "door tamper alarm nothing" || len(contactKinds) != 4 {
		t.Errorf("words %q, kinds %v", words, contactKinds)
	}
}
