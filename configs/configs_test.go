package configs

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"intercomd/configs/boards"
	"intercomd/configs/toml"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		// With -run and the like only some faults are brought about.
		if run, list := flag.Lookup("test.run"), flag.Lookup("test.list"); code == 0 && run.Value.String() == "" && list.Value.String() == "" {
			for _, missing := range everyFaultWasSaid() {
				fmt.Println("no test brings this fault about:", missing)
				code = 1
			}
		}
		os.Exit(code)
	}))
}

const minimal = `[sip]
server = "wss://pbx.example.lan:7443"
user = "1000"
password = "secret"
[call]
target = "1001"
`

// The embedded file says what the code does: every setting is there, with its default.
func TestDefaultFile(t *testing.T) {
	cfg, faults := Parse("intercom.toml", []byte(DefaultFile))
	want := Default()
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("intercom.toml gives\n%+v\nDefault gives\n%+v", cfg, want)
	}
	var missing []string
	for _, f := range faults {
		missing = append(missing, f.Key+" "+f.Message.String())
	}
	if got := strings.Join(missing, ", "); got != "sip.server is missing, sip.user is missing, sip.password is missing, call.target is missing" {
		t.Errorf("faults of the defaults: %s", got)
	}
	full := exampleFile()
	p := parse("", []byte(full))
	if len(p.faults) > 0 {
		t.Errorf("with the examples: %v", p.faults)
	}
	given := make(map[string]bool)
	for key := range p.lines {
		given[plain(key)] = true
	}
	var walk func(t reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for f := range typ.Fields() {
			if f.Tag.Get("toml") == "" {
				continue // not of the file
			}
			key := toml.Join(path, f.Tag.Get("toml"))
			elem := f.Type
			if elem.Kind() == reflect.Slice {
				elem = elem.Elem()
			}
			if !given[key] {
				t.Errorf("%s is not in intercom.toml", key)
			}
			if elem.Kind() == reflect.Struct && elem.Field(0).Tag.Get("toml") != "" {
				walk(elem, key)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	above := ""
	for i, line := range strings.Split(full, "\n") {
		bare := line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(above, "#")
		above = line
		if bare {
			t.Errorf("line %d has no comment: %s", i+1, line)
		}
		if len(line) > 100 {
			t.Errorf("line %d is longer than 100 characters", i+1)
		}
	}
}

// exampleFile is the default file with its examples in force and nothing missing.
func exampleFile() string {
	var lines []string
	for line := range strings.SplitSeq(DefaultFile, "\n") {
		text, _ := setting(line)
		lines = append(lines, text)
	}
	return strings.NewReplacer("localhost only.\nserver = \"\"", "localhost only.\nserver = \"wss://a\"", "1.6. Empty: none.\nserver = \"\"", "1.6. Empty: none.\nserver = \"mqtts://a\"", "\nuser = \"\"", "\nuser = \"1\"", "of the user. Either this or password_file.\npassword = \"\"", "\npassword = \"p\"",
		"\ntarget = \"\"\n# How", "\ntarget = \"home\"\n# How",
		`prompts = ""`, `prompts = "sounds"`, `"flash:light"`, `"flash:door"`, "\nkey = \"\"", "\nkey = \"5\"", "key_users = []", "key_users = [\"1001\"]").Replace(strings.Join(lines, "\n"))
}

func TestMinimal(t *testing.T) {
	for name, text := range map[string]string{
		"plain":   minimal,
		"windows": "\ufeff" + strings.ReplaceAll(minimal, "\n", "\r\n"),
		"unicode": utf16Of(minimal, false),
		"big end": utf16Of(strings.ReplaceAll(minimal, "\n", "\r\n"), true),
		"old mac": strings.ReplaceAll(minimal, "\n", "\r"),
		"DOS":     strings.ReplaceAll(minimal, "\n", "\r\n") + "\x1a",
		"joined":  "\ufeff# head\r\n\ufeff" + minimal,
		"no end":  strings.TrimSpace(minimal),
		"at":      strings.Replace(minimal, `"1000"`, `"sip:1000@pbx.example.lan"`, 1),
	} {
		cfg, faults := Parse("x.toml", []byte(text))
		if len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
		want := Default()
		want.SIP.Servers = []string{"wss://pbx.example.lan:7443"}
		want.SIP.User, want.SIP.AuthUser, want.SIP.Password = "1000", "1000", "secret"
		want.SIP.Domain = "pbx.example.lan"
		want.Call.Target, want.Buttons[0].Target, want.Buttons[0].Press.Target = "1001", "1001", "1001"
		if !reflect.DeepEqual(cfg, want) {
			t.Errorf("%s gives\n%+v\nwant\n%+v", name, cfg, want)
		}
	}
}

func TestValues(t *testing.T) {
	cfg, faults := Parse("x.toml", []byte(`
sip.server = ["wss://a.lan:7443/ws", "ws://127.0.0.1:5066"]
sip.user = "door@example.lan"
sip.auth_user = "d"
sip.password = 'p#"=\'
call = {target = "sip:1001@example.lan", ring_time = "1m30s"}
[incoming]
answer = "auto"
auto_answer = "1001"   # one text is a list of one
auto_answer_delay = "500ms"
[door]
key = "*5"
relay = "gate"
[audio]
input_gain = -6
output_gain = 1.5
codecs = ["pcma"]
[board]
driver = "gpio"
[[button]]
name = "left"
line = "BELL"
chip = "gpiochip1"
in_call = "dtmf:5#"
[[button]]
name = "right"
line = 0x11
pull = "none"
active = "high"
target = "1002"
label = "Müller & Söhne"
[[relay]]
name = "gate"
line = 4
pulse = "0.1s"
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := Default()
	want.SIP = SIP{Servers: []string{"wss://a.lan:7443/ws", "ws://127.0.0.1:5066"}, User: "door", AuthUser: "d",
		Password: `p#"=\`, Domain: "example.lan", DisplayName: "Door", Expires: 10 * time.Minute, WhenTaken: "take-back"}
	want.Call.Target, want.Call.RingTime = "sip:1001@example.lan", 90*time.Second
	want.Incoming.Answer, want.Incoming.AutoAnswer, want.Incoming.AutoAnswerDelay = "auto", []string{"1001"}, 500*time.Millisecond
	want.Door.Key, want.Door.Relay = "*5", "gate"
	want.Audio.InputGain, want.Audio.OutputGain, want.Audio.Codecs = -6, 1.5, []string{"pcma"}
	want.Board.Driver = "gpio"
	left, right := newButton(), newButton()
	left.Name, left.Label, left.Chip, left.Line = "left", "left", "gpiochip1", Line{Name: "BELL"}
	left.Target, left.Press.Target, left.InCall = "sip:1001@example.lan", "sip:1001@example.lan", Action{Do: DoDTMF, Digits: "5#"}
	right.Name, right.Label, right.Line, right.Pull, right.Active = "right", "Müller & Söhne", Line{Offset: 17}, "none", "high"
	right.Target, right.Press.Target = "1002", "1002"
	want.Buttons = []Button{left, right}
	gate := newRelay()
	gate.Name, gate.Line, gate.Pulse = "gate", Line{Offset: 4}, 100*time.Millisecond
	want.Relays = []Relay{gate}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got\n%+v\nwant\n%+v", cfg, want)
	}
}

// TestFaults: each row is a text put after the minimal file (or alone, if it begins with
// "alone"), and the faults that it must give: line, key, part of the text.
func TestFaults(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", nil},
		{"[sip]\nuser = \"1\"\n", []string{
			"x:7: section [sip] already began in line 1; put its settings there",
			"x:8: sip.user: is given twice; the first is in line 3; remove one of them"}},
		{"rnig_time = \"10s\"", []string{`x:7: call.rnig_time: unknown setting; did you mean "ring_time"?`}},
		{"password_file = \"x\"", []string{"x:7: call.password_file: unknown setting; it belongs in [sip]"}},
		{"pulse = \"1s\"", []string{"it belongs in [[relay]]"}},
		{"Target = \"1\"", []string{`did you mean "target"?`}},
		{"moon = 1", []string{"this section has: target, ring_time, talk_time, talk_warning"}},
		{"[buttons]\nname=\"x\"", []string{`x:7: buttons: unknown section; did you mean "button"?`}},
		{"alone user = \"1\"", []string{"x: sip.server: is missing", "x: sip.user", "x: sip.password", "x: call.target",
			"x:1: user: a setting outside any section; it belongs in [sip]"}},
		{"ring_time = 30", []string{`x:7: call.ring_time: is a whole number; write it with its unit, between quotation marks: "30s"`}},
		{"ring_time = \"30\"", []string{`"30" is not a length of time; write it like`}},
		{"ring_time = \"4m\"", []string{`x:7: call.ring_time: "4m" is out of range; give a value from 5s to 3m`}},
		{"ring_time = \"-10s\"", []string{"out of range"}},
		{"ring_time = 12:00:00", []string{"is a date or time"}},
		{"[audio]\nself_test = \"at night\"", []string{`x:8: audio.self_test: "at night" is not a time of day; write it like "03:30"`}},
		{"[audio]\nself_test = \"24:00\"", []string{"is not a time of day"}},
		{"[audio]\nself_test = \"00:00\"", nil},
		{"[[mixer]]\ncontrol = \"Mic\"\nlevel = \"loud\"", []string{`x:9: mixer.level: "loud" is not a level; write it like "80%", "-6dB" or "off"`}},
		{"[[mixer]]\ncontrol = \"Mic\"\nlevel = \"101%\"", []string{`"101%" is not a level`}},
		{"[[mixer]]\ncontrol = \"Mic\"\nlevel = \"NaN%\"", []string{`"NaN%" is not a level`}},
		{"[[mixer]]\ncard = \"\"\nlevel = \"-6.5 dB\"", []string{"mixer.card: is empty", "mixer.control: is missing"}},
		{"[[mixer]]\ncontrol = \"Mic\"", []string{"mixer.level: is missing"}},
		{"[[mixer]]\ncontrol = \"Mic\"\nlevel = \"off\"\n[[mixer]]\ncontrol = \"Mic\"\nlevel = \"5%\"", []string{`x:11: mixer.control: "Mic" is set in line 8, too`}},
		{"[[mixer]]\ncontrol = \"Mic\"\nside = \"playback\"\nlevel = \"off\"\n[[mixer]]\ncontrol = \"Mic\"\nlevel = \"5%\"", nil},
		{"ring_time = [\"1s\"]\ntalk_time = true", []string{"x:7: call.ring_time: is a list", "x:8: call.talk_time: is true or false"}},
		{"[network]\naddress = \"DHCP\"\ndns = \"10.0.0.1\"", nil},
		{"[network]\naddress = \"192.168.1.20/24\"\ngateway = \"192.168.1.1\"\ndns = [\"192.168.1.1\", \"fd00::1\"]\nvlan = 12", nil},
		{"[network]\naddress = [\"10.1.2.3/8\", \"fd00::2/64\"]\ngateway = \"fe80::1\"\ndns = \"10.0.0.1\"", nil},
		{"[network]\naddress = \"192.168.1.20/24\"", []string{`x:8: network.address: without dns the address of pbx.example.lan cannot be found; give the name server`}},
		{"[network]\naddress = \"192.168.1.20\"\ndns = \"10.0.0.1\"", []string{`"192.168.1.20" lacks its prefix length; write it like "192.168.1.20/24"`}},
		{"[network]\naddress = \"192.168.1.20/255.255.255.0\"\ndns = \"10.0.0.1\"", []string{`has a mask instead of a prefix length; write "192.168.1.20/24"`}},
		{"[network]\naddress = \"192.168.1.0/24\"\ndns = \"10.0.0.1\"", []string{`is the network itself`}},
		{"[network]\naddress = \"192.168.1.255/24\"\ndns = \"10.0.0.1\"", []string{`broadcast address`}},
		{"[network]\naddress = \"127.0.0.1/8\"\ndns = \"10.0.0.1\"", []string{`127.0.0.1 cannot be the address of a door`}},
		{"[network]\naddress = \"192.168.1.256/24\"\ndns = \"10.0.0.1\"", []string{`"192.168.1.256/24" is not an address`}},
		{"[network]\naddress = [\"dhcp\", \"10.0.0.2/8\"]\ndns = \"10.0.0.1\"", []string{`x:8: network.address: "dhcp" is one of several addresses`}},
		{"[network]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.1.1\"\ndns = \"10.0.0.1\"", []string{`x:9: network.gateway: 10.0.1.1 is not in the network of the door, 10.0.0.0/24`}},
		{"[network]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.0.2\"\ndns = \"10.0.0.1\"", []string{`is the address of the door itself`}},
		{"[network]\ngateway = \"10.0.0.2\"", []string{`network.gateway: there is no address that belongs to it`}},
		{"[network]\ndns = \"dns.example.lan\"", []string{`x:8: network.dns: "dns.example.lan" is not the address of a name server`}},
		{"[network]\nvlan = 4095", []string{`x:8: network.vlan: 4095 is out of range; give a value from 0 to 4094`}},
		{"[system]\nhostname = \"door north\"", []string{`x:8: system.hostname: "door north" is not a name for a machine`}},
		{"[system]\nhostname = \"door.lan\"", []string{`without dots`}},
		{"[locale]\ntimezone = \"Berlin\"", []string{`x:8: locale.timezone: "Berlin" is not a time zone`}},
		{"[wlan]\nssid = \"Käse & Co\"\npassword = 'p#\"=\\word'\ncountry = \"de\"\nhidden = true", nil},
		{"[wlan]\nssid = \"äääääääääääääääää\"", []string{`x:8: wlan.ssid: has 34 bytes`}},
		{"[wlan]\nssid = \"a\"\npassword = \"short\"", []string{`x:9: wlan.password: has 5 characters; Wi-Fi passwords have 8 to 63`}},
		{"[wlan]\nssid = \"a\"\npassword = \"größeres\"", []string{`has a character in it`}},
		{"[wlan]\nssid = \"a\"\ncountry = \"Germany\"", []string{`"GERMANY" is not a country in two letters`}},
		{"[wlan]\npassword = \"longenough\"", []string{`x:7: wlan.ssid: is missing; name the network`}},
		{"[wlan]\npassword = longenough\nssid = \"a\"", []string{`x:8: this line cannot be understood; put the value between quotation marks`}},
		{"[wlan]\nssid = \"a\"\n[network]\nvlan = 3", []string{`x:10: network.vlan: is for cables`}},
		{"[eap]\nmethod = \"peap\"", []string{`eap.identity: is missing`, `eap.ca_file: is missing`, `eap.password: is missing`}},
		{"[eap]\nmethod = \"tls\"\nidentity = \"d\"\nca_file = \"ca.pem\"", []string{`eap.cert_file: is missing`, `eap.key_file: is missing`}},
		{"[eap]\nmethod = \"md5\"", []string{`x:8: eap.method: "md5" is not possible here`}},
		{"[network]\ngateway = \"router\"", []string{`x:8: network.gateway: "router" is not the address of a router`}},
		{"[network]\naddress = \"10.0.0.1/0\"\ndns = \"10.0.0.1\"", []string{`x:8: network.address: 10.0.0.1/0 has a prefix length of 0`}},
		{"[wlan]\nssid = \"a\"\n[eap]\nmethod = \"peap\"\nidentity = \"d\"\nca_file = \"ca.pem\"\npassword = \"p\"\nserver = \"a b\"", []string{
			`x:10: eap.method: is for cables`, `x:14: eap.server: "a b" is not the name of a host`}},
		{"[door]\nkey = \"5\\u200b\"", []string{`x:8: door.key: has an invisible character in it; type it again`}},
		{"[audio]\ninput_gain = 0x1F", []string{`x:8: audio.input_gain: 0x1F is not a decimal number`}},
		{"[[relay]]\nname = \"a\"\nline = 5\nlatching = true\nflashes = 100\nflash_on = \"10s\"\nflash_off = \"1m\"", []string{`take 1h56m40s; make it 1h at most`}},
		{"alone sip = 5\n[sip]\n[call]\ntarget = \"1\"", []string{`x:2: sip: is a section here and a value in line 1`, `x:1: sip: is a whole number`}},
		{"[log]\nlevel = \"info\"\nlevel.of = 1", []string{`x:9: log.level: is not a section: line 8 gives it a value`}},
		{"talk_time = \"10s\"", []string{"call.talk_warning: is not shorter than talk_time"}},
		{"[audio]\ninput_gain = 31", []string{"x:8: audio.input_gain: 31 is out of range; give a value from -30 to 30"}},
		{"[audio]\ninput_gain = nan", []string{"audio.input_gain: nan is out of range"}},
		{"[audio]\ninput_gain = \"3\"", []string{"is text; write a number without quotation marks"}},
		{"[audio]\ncodecs = [\"opus\", \"pcmo\"]", []string{`"pcmo" is not possible here; did you mean "pcmu"?`}},
		{"[audio]\ncodecs = [\"opus\", \"opus\"]", []string{`has "opus" twice`}},
		{"[audio]\ncodecs = []", []string{"audio.codecs: is empty"}},
		{"[audio]\ncodecs = 7\ninput = \"\"", []string{"x:8: audio.codecs: is a whole number", "x:9: audio.input: is empty"}},
		{"[audio]\necho_canceller = \"speex\"", []string{`did you mean "speexdsp"? The possible values are "kalman", "speexdsp", "off"`}},
		{"[audio]\ninput = \"a\\u0007b\"", []string{"audio.input: has a control character"}},
		{"[incoming]\nauto_answer = [\"10 01\", \"\"]", []string{"incoming.auto_answer: has an empty text"}},
		{"[incoming]\nauto_answer = [\"10 01\"]", []string{`"10 01" is not a SIP user`}},
		{"[network]\ninterfaces = [\"eth0\", \"eth 1\", \"a-name-too-long-0\"]", []string{
			`x:8: network.interfaces: "eth 1" is not the name of a network interface`, `"a-name-too-long-0" is not the name`}},
		{"[door]\nkey = \"5x\"", []string{`x:8: door.key: is not a sequence of telephone keys`}},
		{"[door]\nkey = \"5\"\nrelay = \"dor\"", []string{`x:9: door.relay: there is no relay "dor"; did you mean "door"?`}},
		{"[button]\nname = \"a\"\nline = 5", []string{"x:7: button: can occur several times; write [[button]]"}},
		{"button = 5", []string{"call.button: unknown setting"}},
		{"alone button = 5\n" + minimal, []string{"x:1: button: is a whole number; this is a section: write [[button]]"}},
		{"alone relay = []\nlamp = [{name = \"a\", line = 22}]\n" + minimal, nil},
		{"alone relay = [1]\n" + minimal, []string{"x:1: relay: is a list; this is a section: write [[relay]]"}},
		{"a.b.c.d.e.f.g.h.i = 1", []string{"x:7: a name of 9 parts", "x:7: call.b: unknown setting"}},
		{"alone sip = 5\n[call]\ntarget = \"1\"", []string{"x:1: sip: is a whole number; this is a section: write [sip]"}},
		{"[[button]]\nname = \"a\"\nline = 5\n[button]\n", []string{"x:10: [button] is a single section, but [[button]] in line 7 is one of several; write [[button]]"}},
		{"[[call]]\n", []string{"x:7: [[call]] is one of several, but line 5 has it as a single one"}},
		{"[[button]]\nline = 5", []string{"x:7: button.name: is missing"}},
		{"[[button]]\nname = \"a\"", []string{"x:7: button.line: is missing"}},
		{"[[button]]\nname = \"a\"\nline = \"\"", []string{"x:9: button.line: is empty"}},
		{"[[button]]\nname = \"a\"\nline = -1", []string{"x:9: button.line: -1 is out of range; give a value from 0 to 1023"}},
		{"[[button]]\nname = \"a\"\nline = 99999999999999999999", []string{"is out of range"}},
		{"[[button]]\nname = \"a\"\nline = 1.5", []string{"x:9: button.line: is a number"}},
		{"[[button]]\nname = \"A b\"\nline = 5", []string{`button.name: "A b" is not a name; use up to 32 of`}},
		{"[[button]]\nname = \"a\"\nline = 5\n[[button]]\nname = \"a\"\nline = 5", []string{
			`x:11: button.name: the name "a" is used in line 8, too`, `x:12: button.line: line 5 is used by button "a", too`}},
		{"[[button]]\nname = \"a\"\nline = 22", []string{`relay.line: line 22 is used by button "a", too`}},
		{"[board]\nprofile = \"raspberry-pi-6\"", []string{`did you mean "raspberry-pi-3"? The possible values are "auto", "raspberry-pi-zero-2-w"`}},
		{"[board]\nprofile = \"generic\"", []string{"x:7: board.chips: is empty, and line 17 has no chip of its own"}},
		{"[board]\nprofile = \"generic\"\nchips = \"gpiochip0\"", nil},
		{"[board]\nnight = \"22:00-06:00\"\nnight_level = 0.02", nil},
		{"[board]\nnight = \"22-6\"", []string{`x:8: board.night: "22-6" is not a part of the day; write it like "22:00-06:00"`}},
		{"[board]\nnight = \"22:00-22:00\"", []string{"is not a part of the day"}},
		{"[board]\nnight_level = 1.1", []string{"1.1 is out of range; give a value from 0.02 to 1"}},
		{"[[relay]]\nname = \"a\"\nline = \"pin 9\"", []string{`x:9: relay.line: "pin 9" is GND; choose a pin that is a GPIO line`}},
		{"[[relay]]\nname = \"a\"\nline = \"GPIO28\"", []string{`relay.line: "GPIO28" is not on the header of the Raspberry Pi`}},
		{"[[relay]]\nname = \"a\"\nline = \"pin 11\"", []string{`relay.line: line 17 is used by button "bell", too`}},
		{"[[relay]]\nname = \"a\"\nline = 5\nopen_drain = \"yes\"", []string{`x:10: relay.open_drain: is text; write true or false without quotation marks`}},
		{"[board]\ndriver=\"sim\"\n[[button]]\nname = \"a\"\nline = 22", nil},
		{"[[button]]\nname = \"a\"\nline = 5\nin_call = \"hang up\"\ntarget=\"two words\"", []string{
			`x:10: button.in_call: "hang up" is not possible here; did you mean "hangup"?`, `x:11: button.target: "two words" cannot be called`}},
		{"[[button]]\nname = \"a\"\nline = 5\nin_call = \"dtmf:\"", []string{`"dtmf:" is incomplete; add 1 to 16 of`}},
		{"[[button]]\nname = \"a\"\nline = 5\nin_call = \"dtmf:x\"", []string{`"x" is not a sequence of telephone keys`}},
		{"[[lamp]]\nname = \"a\"\nline = 5\nshows = \"calls\"", []string{`"calls" is not possible here; did you mean "call"?`}},
		{"[[relay]]\nname = \"a\"\nline = 5\npulse = \"2m\"", []string{"x:10: relay.pulse: is longer than a door should be open; give 100ms to 1m"}},
		{"[[relay]]\nname = \"a\"\nline = 5\nflashes = 100", []string{"x:10: relay.flashes: 100 flashes of 500ms, 500ms apart, take 1m40s; make it 1m at most"}},
		{"[[relay]]\nname = \"a\"\nline = 5\nflashes = 100\nlatching = true", nil},
		{"[[lamp]]\nname = \"a\"\nrgb = [5, \"GPIO6\", \"pin 33\"]\nlooks = [\"idle off\", \"talking wink #00ff80\"]\npwm = [\"pwmchip0/0\", \"pwmchip0/1\", \"pwmchip1/0\"]", nil},
		{"[[lamp]]\nname = \"a\"\nrgb = [5, 6]", []string{"x:9: lamp.rgb: has 2 lines; give three"}},
		{"[[lamp]]\nname = \"a\"\nrgb = 5", []string{"x:9: lamp.rgb: is a whole number; write a list of lines"}},
		{"[[lamp]]\nname = \"a\"\nrgb = [5, 6, 5]", []string{`lamp.rgb: line 5 is used by lamp "a", too`}},
		{"[[lamp]]\nname = \"a\"\nrgb = [5, 6, \"GPIO40\"]", []string{`lamp.rgb: "GPIO40" is not on the header`}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nrgb = [5, 6, 7]", []string{"x:9: lamp.line: is given, and so is rgb"}},
		{"[[lamp]]\nname = \"a\"", []string{"x:7: lamp.line: is missing"}},
		{"[[lamp]]\nname = \"a\"\nline = 4\npwm = [\"0/1\"]", []string{`"0/1" is not a PWM channel`}},
		{"[[lamp]]\nname = \"a\"\nline = 4\npwm = [\"pwmchip0/1\", \"pwmchip0/0\"]", []string{"has 2 channels, and the lamp has one line"}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nlooks = [\"talking slow\"]", []string{`"talking slow" is dark for too long`}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nlooks = [\"idle green\"]", []string{"the lamp has none; remove the colour: a lamp with colours has three lines"}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nlooks = [\"idle off\", \"idle on\"]", []string{`says twice how "idle" looks`}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nlooks = [\"idle code\"]", []string{`"idle" has no blink code`}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nlooks = [\"sleeping off\"]", []string{`"sleeping off" does not say how a lamp shows something; write it like`}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nlooks = [\"idle off #000000\"]", []string{"does not say how a lamp shows something"}},
		{"[[lamp]]\nname = \"a\"\nline = 4\nshows = \"ready\"", []string{`lamp: no lamp is lit while the microphone is live: visitors must be able to see that; let one show "status"`}},
		{"alone lamp = []\n" + minimal, nil},
		{"[web]\nlisten = \"0.0.0.0\"", []string{"web.listen: \"0.0.0.0\" is not an address with a port"}},
		{"[web]\nproxies = [\"10.0.0.0/8\", \"router\"]", []string{"web.proxies: \"router\" is not an address or a network"}},
		{"[web]\npassword = \"secret1\"", []string{"web.password: the password is too short"}},
		{"[web]\nlisten = \"8080\"", []string{"is not an address with a port"}},
		{"[web]\nlisten = \"127.0.0.1:http\"", []string{"is not an address with a port"}},
		{"[web]\nlisten = \"\"", nil},
		{"[web]\nlisten = \"[::1]:80\"", nil},
		{"[state]\ndir = \"here\"", []string{`"here" does not begin with /`}},
		{"[log]\nlevel = \"warning\"", []string{`did you mean "warn"?`}},

		// Syntax: every bad line is reported, and the rest of the file is judged too.
		{"ring_time = 30s", []string{`x:7: `}},
		{"ring_time = 30s # half a minute\n[log]\nlevel = \"loud\"", []string{
			`x:7: `, `x:9: log.level: "loud" is not possible here`}},
		{"ring_time = 30s\n# fine\ntalk_time = 2 minutes\n[log]\nlevel = \"loud\"", []string{
			`put text between quotation marks: ring_time = "30s"`, `x:9: `, `x:11: log.level: "loud" is not possible here`}},
		{"target", []string{"write a setting as name = value"}},
		{"display = “Door”", []string{`x:7: these are typographic quotation marks, as word processors and telephones make them; use straight ones: "`}},
		{"ring_time = \"1s\" \"2s\"", []string{`write a setting as name = value, alone on its line`}},
		{"[log]\nlevel = " + strings.Repeat("[", 20000), []string{"x:8: this line cannot be understood; close the list with ]"}},
		{"alone [SIP]\nserver = \"wss://a\"\n[call]\ntarget = \"1\"", []string{`x:1: SIP: unknown section; did you mean "sip"?`}},
		{"alone [[sip]]\nserver = \"wss://a\"\n[call]\ntarget = \"1\"", []string{`x:1: sip: is a list; this is a section: write [sip]`}},
		{"[[target]]\nname = \"t\"\nstep = [{user = \"1\", user = \"2\"}]\n[[button]]\nname = \"b\"\nline = 5\ntarget = \"t\"", []string{"x:9: target.step.user: is given twice; the first is in line 9"}},
		{"[board]\ndriver = \"sim\"\n[[button]]\nname = \"b\"\nline = 5\n[audio]\nduplex = \"ptt\"", []string{`audio.duplex: "ptt" is not possible here`}},
		{"[audio]\nduplex = ptt\n[[button]]\nname = \"b\"\nline = 5\nin_call = \"talk\"", []string{`x:8: `}},
		{"ring_time: 30s", []string{`x:7: this line cannot be understood; write = in place of the colon`}},
		{"ring_time = \"30s'", []string{`x:7: this line cannot be understood; begin and end the text with the same`}},
		{"ring_time = \"30s\",", []string{`x:7: this line cannot be understood; remove the comma at the end`}},
		{"[audio]\ninput_gain = 1,5", []string{`x:8: this line cannot be understood; write a point in place of the comma: input_gain = 1.5`}},
		{"[incoming]\nauto_answer = [\"1\",\n\"2\"\n[wlan]\nssid = \"x\"\nhidden = Yes", []string{`x:8: this line cannot be understood; close the list with ]`, `x:12: this line cannot be understood; write true or false in lower case`}},
		{"alone {\\rtf1 [sip]}", []string{`x:1: this is a document of a word processor; save it as plain text`}},
		{"alone  <!DOCTYPE html>\n<html>", []string{`x:1: this is a web page, not the file that it leads to`}},
		{"alone [sip]\nserver = \"wss://pbx.lan\"\nport = 7443\nuser = \"1\"\npassword = \"p\"\n[call]\ntarget = \"1\"", []string{`x:3: sip.port: unknown setting; the port is part of the address`}},
		{"; old", []string{"begin a comment with #"}},
		{"[sip", []string{"write a section as [name]"}},
		{"ring_time =", []string{`give a value, such as ring_time = "text"`}},
		{"ring_time = \"30s", []string{"add the closing quotation mark"}},
		{"ring_time = \"C:\\door\"", []string{"write \\\\ for each backslash"}},
		{"alone [sip]\nserver = \"wss://a\"\nuser = \"1\"\npassword = hunter2\n[call]\ntarget = \"1\"", []string{
			"x:4: this line cannot be understood; put the value between quotation marks"}},
		{"alone [sip]\nserver = \"wss://a\"\nuser = \"1\"\npassword = 12345\n[call]\ntarget = \"1\"", []string{
			"x:4: sip.password: is a whole number; put it between quotation marks"}},
		{"alone \xff\xfe[\x00s\x00", []string{"expected ']' to close table name"}},
		{"alone \xff\xfe[\x00s\x00]\x00\n\x00\x00", []string{"x:2: this is not UTF-16 text"}},
		{"alone [\x00s\x00]\x00\n\x00", []string{"x:1: it is saved as UTF-16 without a byte-order mark; save it as UTF-8"}},
		{"[log]\rlevel\u00a0= \"info\"", []string{"x:8: this line cannot be understood; type the line again: it contains a special space"}},
		{"alone [s]\x00", []string{"x:1: there is a NUL character in it, which text never has; the file may be damaged, as by a power cut"}},
		{"alone [\x00\x00\x00s\x00\x00\x00]\x00\x00\x00", []string{"x:1: it is saved as UTF-32; save it as UTF-8"}},
		{"alone [sip]\n# M\xfcller\n", []string{"x:2: this is not UTF-8 text; save the file as UTF-8"}},
	}
	for i, tc := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			text, alone := strings.CutPrefix(tc.text, "alone ")
			if !alone {
				text = minimal + tc.text
			}
			_, faults := Parse("x", []byte(text))
			wellSaid(t, faults...)
			got := faults.Error()
			if len(faults) != len(tc.want) {
				t.Errorf("%d faults, want %d\n%s\n%s", len(faults), len(tc.want), tc.text, got)
			}
			for _, w := range tc.want {
				if !strings.Contains(got, w) {
					t.Errorf("%s\ngives\n%s\nwant %q in it", tc.text, got, w)
				}
			}
			for _, f := range faults {
				if f.Remedy() == "" || f.File != "x" {
					t.Errorf("a fault without remedy or file: %v", f)
				}
			}
			if strings.Contains(got, "hunter") || strings.Contains(got, "12345") {
				t.Errorf("the password is in the fault: %s", got)
			}
		})
	}
}

func TestAccountFaults(t *testing.T) {
	tests := map[string]string{
		`server = "pbx.lan"`:                                                `"pbx.lan" is not the address of a WebSocket; write it like "wss://`,
		`server = "https://pbx.lan"`:                                        "https:// is not supported",
		`server = "ws://pbx.lan:5066"`:                                      "ws:// is not encrypted",
		`server = "wss://"`:                                                 "is not the address of a WebSocket",
		`server = "wss://wss://pbx.lan"`:                                    ":// occurs twice; begin the address once with wss://",
		`server = "wss://a:b@pbx.lan"`:                                      "has a user or password in it",
		`server = "wss://pbx.lan:99999"`:                                    "there is no port 99999",
		`server = ["wss://a", "wss://a"]`:                                   `has "wss://a" twice`,
		`server = ["wss://a", "sip:b"]`:                                     `"sip:b" is not the address of a WebSocket`,
		`server = 7443`:                                                     `is a whole number`,
		"server = \"wss://a\"\ndomain = \"b.lan\"\nuser=\"1@c\"":            `sip.domain: "b.lan" differs from the domain of user, "c"`,
		"server = \"wss://a\"\nuser = \"a b\"":                              `"a b" is not a SIP user`,
		"server = \"wss://a\"\nuser = 1000":                                 `is a whole number; put it between quotation marks: "1000"`,
		"server = \"wss://a\"\ndomain = \"a b\"":                            `"a b" is not a domain`,
		"server = \"wss://a\"\ndomain = \"tür_x.example\"":                  `sip.domain: "tür_x.example" is not a domain`,
		"server = \"wss://a\"\nuser = \"1@tür_x.example\"":                  `sip.user: "tür_x.example" is not a domain`,
		"server = \"wss://tür_x.example\"":                                  `sip.server: "tür_x.example" is not the name of a host; write it like`,
		"server = \"wss://pbx.a$b\"":                                        `sip.server: "pbx.a$b" is not the name of a host`,
		"server = \"wss://a\"\npins = [\"AAAA\"]":                           `sip.pins: "AAAA" is not the SHA-256 of a public key in base64; write its 44 characters`,
		"server = \"wss://a\"\nexpires = \"30s\"":                           "give a value from 1m to 24h",
		"server = \"wss://a\"\npassword_file = \"f\"":                       "password is given too",
		`server = "a:b:secret@pbx"`:                                         `"(hidden)" is not the address of a WebSocket`,
		`server = "wss://pbx.lan/ws?token=hunter2"`:                         "sip.server: has ? or # in it",
		`server = "wss://pbx.lan#a"`:                                        "sip.server: has ? or # in it",
		`server = "wss://2001:db8::1:7443"`:                                 `"2001:db8::1:7443" does not tell the port from the address; put an IPv6 address between brackets`,
		`server = "wss://[fe80::1%25eth0]:7443"`:                            `"fe80::1%eth0" is an address of one interface only`,
		`server = "wss://192.168.1.300"`:                                    `"192.168.1.300" is not the name of a host`,
		`server = "wss://-a.lan"`:                                           `"-a.lan" is not the name of a host`,
		`server = "wss://` + strings.Repeat("a", 64) + `.lan"`:              `is not the name of a host`,
		"server = \"wss://a\"\nuser = \"@pbx.lan\"":                         `sip.user: there is no user in "@pbx.lan"`,
		"server = \"wss://a\"\nuser = \"1000@\"":                            `sip.user: has nothing after its @`,
		"server = \"wss://a\"\nuser = \"1000:hunter2\"":                     `sip.user: "1000:(hidden)" is not a SIP user`,
		"server = \"wss://a\"\nuser = \"1000@pbx.lan:5060\"":                `sip.user: "pbx.lan:5060" is not a domain`,
		"server = \"wss://a\"\nuser = \"" + strings.Repeat("1", 256) + "\"": `is not a SIP user`,
	}
	for text, want := range tests {
		if !strings.Contains(text, "user") {
			text += "\nuser = \"1000\""
		}
		_, faults := Parse("x", []byte("[sip]\npassword = \"p\"\n"+text+"\n[call]\ntarget = \"1\""))
		wellSaid(t, faults...)
		if len(faults) != 1 || !strings.Contains(faults.Error(), want) {
			t.Errorf("%s\ngives\n%v\nwant %q alone", text, faults, want)
		}
		if strings.Contains(faults.Error(), "hunter") {
			t.Errorf("the password is in the fault: %v", faults)
		}
	}
}

// A setting that is at fault keeps its default, and the others are taken.
func TestFaultyConfigIsComplete(t *testing.T) {
	cfg, faults := Parse("x", []byte("[call]\nring_time = \"1h\"\ntalk_time = \"5m\"\n[web]\nlisten = \"127.0.0.1:9\"\n"))
	if len(faults) != 5 || cfg.Call.RingTime != 30*time.Second || cfg.Call.TalkTime != 5*time.Minute || cfg.Web.Listen != "127.0.0.1:9" {
		t.Errorf("%v\n%+v", faults, cfg)
	}
}

func TestManySyntaxFaults(t *testing.T) {
	_, faults := Parse("x", []byte(strings.Repeat("a b c\n\n", 500)))
	if len(faults) != toml.MaxFaults {
		t.Errorf("%d faults", len(faults))
	}
}

func TestProfiles(t *testing.T) {
	known := append([]string{"auto"}, boards.Names()...)
	field, _ := fieldOf(reflect.TypeFor[Board](), "profile")
	allowed := strings.Fields(field.Tag.Get("oneof"))
	slices.Sort(known)
	slices.Sort(allowed)
	if !slices.Equal(known, allowed) {
		t.Errorf("profiles %v, allowed %v", known, allowed)
	}
}

func TestHeaderNames(t *testing.T) {
	cfg, faults := Parse("x", []byte(minimal+`
[board]
profile = "raspberry-pi-5"
[[button]]
name = "a"
line = "GPIO4"
[[button]]
name = "b"
line = "PIN 40"
[[button]]
name = "c"
line = "GPIO4"
chip = "gpiochip9"
[[button]]
name = "d"
line = "BELL"
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := []Line{{Offset: 4}, {Offset: 21}, {Name: "GPIO4"}, {Name: "BELL"}}
	for i, b := range cfg.Buttons {
		if b.Line != want[i] {
			t.Errorf("button %s: line %v, want %v", b.Name, b.Line, want[i])
		}
	}
	if !slices.Equal(cfg.Board.Chips, []string{"pinctrl-rp1"}) {
		t.Errorf("chips %v", cfg.Board.Chips)
	}
}

func TestHours(t *testing.T) {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		h    Hours
		want string // the hours of the day that are in
	}{
		{Hours{}, ""},
		{Hours{22 * 60, 6 * 60}, "0 1 2 3 4 5 22 23"},
		{Hours{9 * 60, 11*60 + 1}, "9 10 11"},
		{Hours{23*60 + 30, 30}, "0"},
	} {
		var in []string
		for i := range 24 {
			if tc.h.Contain(day.Add(time.Duration(i) * time.Hour)) {
				in = append(in, fmt.Sprint(i))
			}
		}
		if got := strings.Join(in, " "); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.h, got, tc.want)
		}
	}
}

// Whatever the file, the time to read it is bounded.
func TestHugeFiles(t *testing.T) {
	for name, text := range map[string]string{
		"a long name":   "a" + strings.Repeat(".a", 100_000) + " = 1",
		"too large":     strings.Repeat("# nothing\n", 30_000),
		"many sections": strings.Repeat("[[button]]\n", 20_000),
		"deep lists":    "a = " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"too big":       strings.Repeat("#", maxText+1),
	} {
		_, faults := Parse("x", []byte(text))
		if name == "too large" {
			wellSaid(t, faults...)
		}
		if len(faults) == 0 || len(faults) > 2*maxFaults {
			t.Errorf("%s: %d faults", name, len(faults))
		}
	}
}

func TestSecret(t *testing.T) {
	cfg, _ := Parse("x", []byte(minimal))
	j, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v", cfg, cfg), string(j), cfg.SIP.Password.LogValue().String()} {
		if strings.Contains(s, "secret") {
			t.Errorf("the password is shown: %s", s)
		}
	}
	if string(cfg.SIP.Password) != "secret" || Secret("").String() != "" {
		t.Error("the password is lost")
	}
}

func TestReference(t *testing.T) {
	for file, want := range map[string]string{"../docs/configuration.md": Reference(), "../docs/man/intercom.toml.5": Manual()} {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(data) != want {
			t.Errorf("%s is stale: run go generate ./configs", file)
		}
	}
}

func TestExamples(t *testing.T) {
	var files []string
	_ = filepath.WalkDir("examples", func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".toml") {
			files = append(files, path)
		}
		return err
	})
	if len(files) < 4 {
		t.Errorf("only %d examples", len(files))
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, faults := Parse(f, data); len(faults) > 0 {
			t.Error(faults)
		}
	}
}

// The XML of the examples is well-formed, and the configuration in their README is right.
func TestFreeSWITCHExample(t *testing.T) {
	files, err := filepath.Glob("examples/freeswitch/*.xml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader(data))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, file := range []string{"examples/freeswitch/README.md", "../docs/configuration.md"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "```toml\n")
		text, _, ok := strings.Cut(rest, "```")
		if _, faults := Parse(file, []byte(text)); !ok || len(faults) > 0 {
			t.Errorf("%v\n%s", faults, text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(DefaultFile))
	f.Add([]byte("[[button]]\nname=\"a\"\n[button.x]\ny={z.w=[1,[2,{a=3}]]}\n"))
	f.Add([]byte("a.b=1\na.b.c=2\n[a]\n[[a]]\n[a.b]\n\"\"=1\n[\"\"]"))
	f.Add([]byte("x = \"\"\"\nopen\n[y\nz = [1,\n2"))
	f.Add([]byte("\ufeff[sip]\r\nuser = 1979-05-27\r"))
	f.Add([]byte("# a lone\rends a line\ns"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, faults := Parse("x", data)
		last := 0
		for _, one := range faults {
			if one.None() || one.Line < last || one.Line > strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+1 {
				t.Fatalf("fault %+v", one)
			}
			last = one.Line
		}
		if cfg.Call.RingTime < 5*time.Second || cfg.Call.RingTime > 3*time.Minute || cfg.Audio.InputGain > 30 {
			t.Fatalf("out of range: %+v", cfg)
		}
		if len(faults) == 0 && (cfg.SIP.User == "" || len(cfg.SIP.Servers) == 0) {
			t.Fatalf("incomplete without a fault: %+v", cfg)
		}
	})
}

// What becomes part of a URI: names of any script, users with marks, escapes in URIs only.
func TestUsersAndHosts(t *testing.T) {
	for _, host := range []string{"pbx.example.lan", "tür.example.org", "xn--tr-xka.example.org", "電話.jp", "192.0.2.1", "::1", "[::1]", "a_b.lan", "TÜR.example.org", "tu\u0308r.example.org", "tür。example.org"} {
		if !isHost(host) {
			t.Errorf("%q should be a host", host)
		}
	}
	for _, host := range []string{"", "a b", "a/b", "a@b", "tür_x.org", "-ü", "a..ü", "a$b", "\u200fü", "xn--ü"} {
		if isHost(host) {
			t.Errorf("%q should be no host", host)
		}
	}
	for _, target := range []string{"1001", "*21#1001", "9901#1", "tür", "Müller@tür.example:5070", "sip:*21%231001@pbx.lan", "sips:a@[::1]:5061", "sip:1001@pbx.lan;transport=ws", "tel:+49-30-555", "o'neil"} {
		if !isCallable(target) {
			t.Errorf("%q should be callable", target)
		}
	}
	for _, target := range []string{"", "a b", "1001,1002", "1001;1002", "1001@", "@pbx", "sip:", "1001@a b", "1001@h:0", "1001@h:x", "1001@h/p", "a@b@c", "tel:", "tel:x", "mailto:a@b", `"a"`, "a%b"} {
		if isCallable(target) {
			t.Errorf("%q should not be callable", target)
		}
	}
	for name, text := range map[string]string{
		"hash in the user":            "[sip]\nserver = \"wss://pbx.example.org:7443\"\nuser = \"9901#1\"\npassword = \"geheim\"\n\n[call]\ntarget = \"*21#1001\"\n",
		"umlaut in the server's name": "[sip]\nserver = \"wss://tür.example.org:7443\"\nuser = \"1000\"\npassword = \"geheim\"\n[call]\ntarget = \"1001@tür.example.org\"\n",
	} {
		c, faults := Parse("x", []byte(text))
		if len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
		if name == "umlaut in the server's name" && c.SIP.Domain != "tür.example.org" {
			t.Errorf("the domain is %q", c.SIP.Domain)
		}
	}
}
