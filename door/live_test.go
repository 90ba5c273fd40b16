package door

import (
	"reflect"
	"testing"

	"intercomd/configs"
)

const livePlain = `[sip]
server = "wss://pbx.example.lan"
user = "1000"
password = "secret"
[call]
target = "1001"
[time]
zone = "Europe/Berlin"
`

// What the running door can take, and what needs another one.
func TestFixed(t *testing.T) {
	read := func(text string) configs.Config {
		t.Helper()
		cfg, faults := configs.Parse("", []byte(text))
		if len(faults) > 0 {
			t.Fatalf("%v in\n%s", faults, text)
		}
		return cfg
	}
	const button = "[[button]]\nname = \"bell\"\nline = 17\n"
	for text, live := range map[string]bool{
		"": true,
		"[[code]]\nname = \"anna\"\ndigits = \"4711\"\n":                                  true,
		"[[target]]\nname = \"home\"\nusers = [\"1\"]\n" + button + "target = \"home\"\n": true,
		button + "label = \"Other\"\nlong = \"open:door\"\n":                              true,
		"[door]\nkey = \"5\"\n":                                            true,
		"[incoming]\nanswer = \"auto\"\n":                                  true,
		"[[relay]]\nname = \"door\"\nline = 22\npulse = \"5s\"\n":          true,
		"[[lamp]]\nname = \"status\"\nline = 27\nlooks = [\"idle off\"]\n": true,
		"[[button]]\nname = \"bell\"\nline = 18\n":                         false,
		button + "[[button]]\nname = \"two\"\nline = 18\n":                 false,
		"[[relay]]\nname = \"door\"\nline = 23\n":                          false,
		"[[relay]]\nname = \"door\"\nline = 22\nlatching = true\n":         false,
		"[audio]\ninput_gain = 3.0\n":                                      false,
		"[web]\nlisten = \"127.0.0.1:8081\"\n":                             false,
		"[[notify]]\nmessage = [\"1001\"]\n":                               false,
		"[log]\nlevel = \"debug\"\n":                                       false,
		"[board]\nnight = \"22:00-06:00\"\n":                               false,
	} {
		was, is := fixed(read(livePlain)), fixed(read(livePlain+text))
		if got := reflect.DeepEqual(was, is); got != live {
			t.Errorf("live is %v for\n%s", got, text)
		}
	}
	for text, live := range map[string]bool{"media_timeout = \"30s\"\n": false, "transfers = \"never\"\n": false, "ring_time = \"20s\"\n": true} {
		full := livePlain[:len(livePlain)-len("[time]\nzone = \"Europe/Berlin\"\n")]
		if got := reflect.DeepEqual(fixed(read(full)), fixed(read(full+text))); got != live {
			t.Errorf("live is %v for %s", got, text)
		}
	}
}
