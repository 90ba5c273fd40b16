package door

import (
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/board"
	"intercomd/configs"
	"intercomd/phone"
	"intercomd/station"
)

// office is the example with nearly everything in it.
func office(t *testing.T) *configs.Config {
	t.Helper()
	c, err := configs.Load("../configs/examples/office.toml")
	if faults, ok := err.(configs.Faults); !ok || len(faults) != 1 || faults[0].Key != "sip.password_file" { //nolint:errorlint // it is exactly that
		t.Fatalf("faults %v", err) // the password file is not on this machine
	}
	return c
}

// Everything that the file says reaches the station, and nothing else does.
func TestOfficeOnTheStation(t *testing.T) {
	c := office(t)
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
	flash := station.FlashConfig{On: 500 * time.Millisecond, Off: 500 * time.Millisecond, Count: 10}
	usual := map[station.LampState]station.Look{}
	want := station.Config{
		Name: "Main entrance",
		Buttons: []station.ButtonConfig{
			{Input: "bell", Label: "Example Ltd.", Press: station.Action{Do: station.Dial, Target: "office"},
				Long: station.Action{Do: station.Dial, Target: "porter"}, LongAfter: 2 * time.Second, InCall: hangUp, Pause: 3 * time.Second},
			{Input: "exit", Label: "Exit", Press: station.Action{Do: station.Release, Relay: "door"}, Long: station.Action{Do: station.Nothing}, LongAfter: time.Second, InCall: hangUp},
			{Input: "lamp", Label: "Light", Press: station.Action{Do: station.Toggle, Relay: "light"}, Long: station.Action{Do: station.Nothing}, LongAfter: time.Second, InCall: hangUp},
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
		Lamps: []station.LampConfig{{Name: "status", Shows: station.ShowStatus, Looks: usual}, {Name: "alarm", Shows: station.ShowAlarm, Looks: usual}},
		Call: station.CallConfig{RingTime: 20 * time.Second, TalkTime: 3 * time.Minute, TalkWarning: 10 * time.Second,
			ExtendKey: '#', Hold: 20 * time.Second},
		Incoming: station.IncomingConfig{Mode: station.AnswerByButton, Wish: []string{"1009"}, Queue: 3, QueueTime: 45 * time.Second},
		Door: station.DoorConfig{
			Access: station.AccessConfig{
				Keys:    []station.KeyConfig{{Digits: "5", Parties: []string{"1009"}, Action: station.Action{Do: station.Release, Relay: "door"}}},
				Callers: []string{"1009"}, PerCall: 3, PerHour: 10, Lock: 30 * time.Minute,
				Codes: []station.CodeConfig{
					{Name: "anna", Digits: "471100", Relay: "door", Parties: []string{"1001", "2000"}},
					{Name: "cleaners", Digits: "815081", Relay: "door", When: cleaning, Until: time.Date(2028, 1, 1, 0, 0, 0, 0, berlin)},
					{Name: "parcel", Digits: "240119", Relay: "gate", Once: true},
				},
			},
			Pulses:      map[string]time.Duration{"door": 4 * time.Second, "gate": time.Second, "light": 3 * time.Minute},
			Flashes:     map[string]station.FlashConfig{"door": flash, "gate": flash, "light": flash},
			Lights:      []string{"light"},
			HangupAfter: 10 * time.Second, TamperBlock: 30 * time.Minute,
		},
		SelfTest: station.SelfTestConfig{Daily: true, Minute: 210, Zone: berlin},
	}
	got := stationConfig(c)
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
	deeds := map[string]station.ActionKind{configs.DoNothing: station.Nothing, configs.DoCall: station.Dial, configs.DoAnswer: station.Answer,
		configs.DoHangup: station.HangUp, configs.DoExtend: station.Extend, configs.DoTalk: station.PushTalk, configs.DoMute: station.Mute,
		configs.DoDTMF: station.SendDTMF, configs.DoOpen: station.Release, configs.DoToggle: station.Toggle, configs.DoDisturb: station.Disturb,
		configs.DoFlash: station.Flash, configs.DoOn: station.SwitchOn, configs.DoOff: station.SwitchOff}
	for do, want := range deeds {
		if got := action(configs.Action{Do: do}).Do; got != want {
			t.Errorf("%q means %q", do, got)
		}
	}
	if !reflect.DeepEqual(configs.LampStates(), texts(station.LampStates())) {
		t.Errorf("the configuration knows the lamp states %v, the door %v", configs.LampStates(), station.LampStates())
	}
	for _, p := range configs.LampPatterns() {
		if _, ok := board.Named(p); !ok && p != string(station.LampCode) {
			t.Errorf("no board knows the pattern %q", p)
		}
	}
	for _, l := range []struct {
		of    reflect.Type
		field string
		want  []string
	}{
		{reflect.TypeFor[configs.Contact](), "Watches", texts([]station.ContactKind{station.DoorContact, station.TamperContact, station.AlarmContact, station.PlainContact})},
		{reflect.TypeFor[configs.Incoming](), "Answer", texts([]station.AnswerMode{station.AnswerByButton, station.AnswerAuto, station.AnswerReject})},
	} {
		f, _ := l.of.FieldByName(l.field)
		if got := strings.Fields(f.Tag.Get("oneof")); !slices.Equal(got, l.want) {
			t.Errorf("%s: the configuration knows %q, the door %q", l.field, got, l.want)
		}
	}
}

func texts[T ~string](list []T) (out []string) {
	for _, w := range list {
		out = append(out, string(w))
	}
	return out
}

func TestLampsWithColours(t *testing.T) {
	c, faults := configs.Parse("test.toml", []byte(`
[sip]
server = "wss://pbx.example.lan"
user = "1000"
password = "x"
[call]
target = "1001"
[[key]]
digits = "7"
does = "flash:gate"
users = ["1001"]
[[lamp]]
name = "ring"
rgb = ["GPIO12", 13, "BLUE"]
pwm = ["pwmchip0/0", "pwmchip0/1", "pwmchip2/0"]
looks = ["idle off", "talking on #00ff80", "ringing yellow"]
[[relay]]
name = "door"
line = 3
[[relay]]
name = "gate"
line = 4
flash_on = "1s"
flash_off = "2s"
flashes = 5
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	log := slog.New(slog.DiscardHandler)
	s := stationConfig(&c)
	if want := map[station.LampState]station.Look{
		station.LampIdle: {Pattern: station.LampOff}, station.LampTalking: {Pattern: station.LampOn, Colour: 0x00ff80},
		station.LampRinging: {Colour: 0xffc000}}; !reflect.DeepEqual(s.Lamps[0].Looks, want) {
		t.Errorf("looks %+v", s.Lamps[0].Looks)
	}
	if want := (station.KeyConfig{Digits: "7", Parties: []string{"1001"}, Action: station.Action{Do: station.Flash, Relay: "gate"}}); !reflect.DeepEqual(s.Door.Access.Keys[0], want) {
		t.Errorf("key %+v", s.Door.Access.Keys[0])
	}
	if f := s.Door.Flashes["gate"]; f != (station.FlashConfig{On: time.Second, Off: 2 * time.Second, Count: 5}) {
		t.Errorf("flash %+v", f)
	}
	g := gpioConfig(&c, log).Lamps[0]
	if len(g.RGB) != 3 || g.RGB[0].Offset != 12 || g.RGB[1].Offset != 13 || g.RGB[2].Name != "BLUE" || len(g.PWM) != 3 {
		t.Errorf("lamp %+v", g)
	}
	simulated, _ := openBoard(t.Context(), &configs.Config{Board: configs.Board{Driver: "sim"}, Lamps: c.Lamps}, nil, log)
	d := doorBoard{simulated}
	d.SetLamp("ring", station.LampWink, 0xff0010)
	state, _ := d.State()
	if l := state.Lamps[0]; l.Colour.String() != "#ff0010" || l.Pattern != station.LampWink {
		t.Errorf("lamp %+v", l)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestWordsOnThePhone(t *testing.T) {
	for word, want := range map[string]phone.Transfers{
		"partner": phone.TransfersByPartner, "called": phone.TransfersByCalled, "never": phone.TransfersNever,
	} {
		c := configs.Default()
		c.Call.Transfers = word
		got, err := PhoneConfig(&c, nil, "", time.Time{}, slog.New(slog.DiscardHandler))
		if err != nil || got.Transfers != want {
			t.Errorf("%s: %v, %v", word, got.Transfers, err)
		}
	}
	for word, want := range map[string]phone.WhenTaken{"take-back": phone.TakeBack, "yield": phone.Yield} {
		c := configs.Default()
		c.SIP.WhenTaken, c.SIP.ReconnectSpread = word, 40*time.Second
		if got, err := PhoneConfig(&c, nil, "", time.Time{}, slog.New(slog.DiscardHandler)); err != nil || got.WhenTaken != want || got.ReconnectSpread != 40*time.Second {
			t.Errorf("%s: %v, %v, %v", word, got.WhenTaken, got.ReconnectSpread, err)
		}
	}
	c := configs.Default() // a queue that is not asked for is none
	if in := stationConfig(&c).Incoming; in.Queue != 0 || in.Wish != nil {
		t.Errorf("%+v", in)
	}
}
