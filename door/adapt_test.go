package door

import (
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/audio/duplex"
	"intercomd/audio/selftest"
	"intercomd/board"
	"intercomd/configs"
	"intercomd/phone"
	"intercomd/station"
	"intercomd/words"
)

func TestEveryEndingHasItsWord(t *testing.T) {
	for _, c := range phone.Causes() {
		if got := ending(phone.Ending{Cause: c}).Cause; !slices.Contains(station.Causes(), got) {
			t.Errorf("%s means nothing to the door", got)
		}
	}
	if got := ending(phone.Ending{Cause: phone.Unavailable, Status: 504, Remedy: words.New("telephone")}); got.By != station.ByPeer || got.Remedy != words.New("telephone") {
		t.Errorf("a telephone out of reach became %+v", got)
	}
	if got := ending(phone.Ending{Cause: phone.NetworkLost}); got.By != station.ByNet {
		t.Errorf("a lost connection was ended by %q", got.By)
	}
	if got := ending(phone.Ending{Cause: phone.Shutdown, Local: true}); got.By != station.ByDoor {
		t.Errorf("a local end was ended by %q", got.By)
	}
}

// Rooms that say the same say it in the same words: nothing translates between them.
func TestPhoneAndSoundUseTheWordsOfTheDoor(t *testing.T) {
	for _, k := range phone.EventKinds() {
		if !slices.Contains(station.CallEventKinds(), station.CallEventKind(k)) {
			t.Errorf("%q of the phone means nothing to the door", k)
		}
	}
	for _, v := range []selftest.Verdict{selftest.Passed, selftest.Failed, selftest.Unclear} {
		if !slices.Contains([]string{station.TestPassed, station.TestFailed, station.TestUnclear}, string(v)) {
			t.Errorf("the verdict %q means nothing to the door", v)
		}
	}
}

func TestEveryPatternCanBeShown(t *testing.T) {
	patterns := []station.Pattern{station.LampOff, station.LampOn, station.LampSlow, station.LampFast, station.LampPulse,
		station.LampWink, station.LampHurry, station.LampDouble}
	for n := 1; n <= 9; n++ {
		patterns = append(patterns, station.Blink(n))
	}
	for _, p := range patterns {
		if _, ok := board.Named(string(p)); !ok {
			t.Errorf("no board knows the pattern %q", p)
		}
	}
}

func TestStationConfig(t *testing.T) {
	c, faults := configs.Parse("test.toml", []byte(`
[sip]
server = "wss://pbx.example.lan"
user = "1000"
password = "x"
[call]
target = "1001"
[incoming]
answer = "reject"
auto_answer = ["1002"]
[door]
key = "5"
relay = "gate"
[[button]]
name = "bell"
line = 1
[[button]]
name = "open"
line = 2
target = "1003"
in_call = "dtmf:5#"
[[relay]]
name = "gate"
line = 3
pulse = "5s"
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	s := stationConfig(&c)
	if b := s.Buttons[0]; b.Press != (station.Action{Do: station.Dial, Target: "1001"}) || b.InCall.Do != station.HangUp {
		t.Errorf("bell %+v", b)
	}
	if b := s.Buttons[1]; b.Press.Target != "1003" || b.InCall != (station.Action{Do: station.SendDTMF, Digits: "5#"}) {
		t.Errorf("open %+v", b)
	}
	if s.Incoming.Mode != station.AnswerReject || s.Incoming.Auto[0] != "1002" {
		t.Errorf("incoming %+v", s.Incoming)
	}
	if a := s.Door.Access; len(a.Keys) != 1 || a.Keys[0].Digits != "5" || a.Keys[0].Action.Relay != "gate" || s.Door.Pulses["gate"] != 5*time.Second {
		t.Errorf("door %+v", s.Door)
	}
}

func TestOnThisMachine(t *testing.T) {
	for url, want := range map[string]bool{
		"ws://127.0.0.1:5066": true, "wss://localhost": true, "wss://[::1]:7443/ws": true,
		"wss://pbx.example.lan:7443": false, "wss://10.0.0.1": false, "::": false,
	} {
		if got := onThisMachine(url); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}

func TestFaultsOfTheConfigurationReachTheDoor(t *testing.T) {
	err := configs.Faults{{File: "a.toml", Line: 3, Key: "sip.user", Message: words.New("config-missing-user")}, {File: "a.toml", Message: words.New("config-empty-line")}}
	got := (&Settings{Path: "a.toml", Err: err}).faults()
	if len(got) != 2 || got[0].String() != "a.toml:3: sip.user: is missing" || !strings.HasPrefix(got[0].Remedy(), "give the user") || got[1].Remedy() == "" || got[0].Key == got[1].Key {
		t.Errorf("faults %+v", got)
	}
	if (&Settings{Path: "a.toml"}).faults() != nil {
		t.Error("faults without an error")
	}
}

func TestEveryReasonForSwitchedDuplexHasItsFault(t *testing.T) {
	for _, why := range []duplex.Reason{duplex.Echo, duplex.Howling, duplex.Clipping} {
		d := duplexOf(duplex.Status{Switched: true, Reason: why, Since: time.Now()})
		if d.Mode != station.DuplexSwitched || d.Reason == "" || d.Since.IsZero() {
			t.Errorf("%s: %+v", why, d)
		}
	}
	for word, want := range map[string]duplex.Mode{"auto": duplex.Auto, "full": duplex.Full, "switched": duplex.Switched} {
		if got, err := duplexMode(word); got != want || err != nil {
			t.Errorf("%s: %v, %v", word, got, err)
		}
	}
	if _, err := duplexMode("half"); err == nil {
		t.Error("an unknown word was taken")
	}
}
