package configs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func layered(t *testing.T, texts ...string) []Layer {
	t.Helper()
	dir := t.TempDir()
	var out []Layer
	for i, name := range []string{"default.toml", "1000.toml", "intercom.toml"} {
		if i >= len(texts) || texts[i] == "-" {
			continue
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(texts[i]), 0o600); err != nil {
			t.Fatal(err)
		}
		out = append(out, Layer{File: file, Name: name, Own: name == "intercom.toml"})
	}
	return out
}

const (
	sharedLayer = "[sip]\nserver = \"wss://pbx.example.lan\"\ndomain = \"example.lan\"\n[[button]]\nname = \"a\"\nline = 5\n[[button]]\nname = \"b\"\nline = 6\n[call]\ntarget = \"1001\"\n"
	doorLayer   = "[sip]\nuser = \"1000\"\npassword = \"hunter22\"\n"
	ownLayer    = "[fleet]\nurl = \"https://pbx.example.lan/doors\"\n[network]\nvlan = 7\n[sip]\nuser = \"of the card\"\n[audio]\nnonsense = 5\n"
)

// A door's configuration is what is shared, what is its own, and what only its own file may say.
func TestLayers(t *testing.T) {
	cfg, err := LoadLayers(layered(t, sharedLayer, doorLayer+"[call]\ntarget = \"1002\"\n[[button]]\nname = \"c\"\nline = 7\n", ownLayer))
	if err != nil {
		t.Fatal(err)
	}
	if s := cfg.SIP; s.User != "1000" || s.Password != "hunter22" || s.Domain != "example.lan" || s.Servers[0] != "wss://pbx.example.lan" {
		t.Errorf("account %+v", s)
	}
	if cfg.Call.Target != "1002" || len(cfg.Buttons) != 1 || cfg.Buttons[0].Name != "c" || cfg.Network.VLAN != 7 || !cfg.Fleet.Given {
		t.Errorf("%+v", cfg)
	}
}

func TestFaultsOfLayers(t *testing.T) {
	for what, tt := range map[string]struct {
		texts []string
		want  string // the beginning of the first fault
	}{
		"in what is shared":       {[]string{sharedLayer + "[log]\nlevel = \"loud\"\n", doorLayer, ownLayer}, "default.toml:13: log.level: "},
		"in the door's":           {[]string{sharedLayer, doorLayer + "[sipp]\n", ownLayer}, "1000.toml:4: sipp: unknown section"},
		"syntax":                  {[]string{sharedLayer, doorLayer + "[call]\ntarget = 10 01\n", ownLayer}, "1000.toml:5: "},
		"given twice in one":      {[]string{sharedLayer, doorLayer + "user = \"2\"\n", ownLayer}, "1000.toml:4: sip.user: is given twice; the first is in line 2"},
		"missing":                 {[]string{sharedLayer, "[sip]\nuser = \"1000\"\n", ownLayer}, "1000.toml:1: sip.password: is missing"},
		"network from afar":       {[]string{sharedLayer, doorLayer + "[network]\nvlan = 5\n", ownLayer}, "1000.toml:4: network: is read from the door's own file only"},
		"the fleet from afar":     {[]string{sharedLayer + "[fleet]\nurl = \"https://elsewhere\"\n", doorLayer, ownLayer}, "default.toml:12: fleet: is read from"},
		"state from afar":         {[]string{sharedLayer + "[state]\ndir = \"/tmp\"\n", doorLayer, ownLayer}, "default.toml:12: state: is read from"},
		"the door's own":          {[]string{sharedLayer, doorLayer, "\n[network]\nvlan = 5000\n"}, "intercom.toml:3: network.vlan: "},
		"a certificate not there": {[]string{sharedLayer, doorLayer + "ca_file = \"ca.pem\"\n", ownLayer}, "1000.toml:4: sip.ca_file: "},
		"no text":                 {[]string{sharedLayer, "\xff\xff", ownLayer}, "1000.toml:1: "},
		"between two":             {[]string{sharedLayer, doorLayer, "[fleet]\nurl = \"https://a\"\n[network]\naddress = \"10.0.0.2/8\"\n"}, "intercom.toml:4: network.address: without dns"},
	} {
		cfg, err := LoadLayers(layered(t, tt.texts...))
		list, ok := errors.AsType[Faults](err)
		wellSaid(t, list...)
		if !ok || cfg == nil || !strings.HasPrefix(list[0].String(), tt.want) {
			t.Errorf("%s: %v, want %s", what, err, tt.want)
		}
		if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: the password is shown", what)
		}
	}
}

// A door that gets its account from a server needs none in its file; one with a fault under
// [fleet] keeps what it has got.
func TestFleetOfOneFile(t *testing.T) {
	account := "[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1\"\n"
	for text, want := range map[string]struct {
		faults     int
		url, given bool
	}{
		"[fleet]\nurl = \"https://a/doors\"\n":     {0, true, true},
		"[fleet]\nurl = \"http://127.0.0.1:80\"\n": {0, true, true},
		account:                                                                                 {0, false, false},
		account + "[fleet]\ninterval = \"5m\"\n":                                                {0, false, false},
		account + "[fleet]\nserial = \"7\"\n":                                                   {1, false, true},
		account + "[update]\nchannel = \"stable\"\n":                                            {1, false, false},
		account + "[fleet]\nurl = \"http://a/doors\"\n":                                         {1, false, true},
		account + "[fleet]\nurl = \"https://a:b@c/doors\"\n":                                    {1, false, true},
		account + "[fleet]\nurl = \"https://c/doors?x\"\n":                                      {1, false, true},
		account + "[fleet]\nurl = https://c/doors\n":                                            {1, false, true},
		account + "[fleet]\nurl = \"https://c\"\nserial = \"../x\"\n":                           {1, false, true},
		account + "[fleet]\nurl = \"https://c\"\npins = [\"x\"]\n":                              {1, false, true},
		account + "[fleet]\nurl = \"https://c\"\ncert_file = \"a.pem\"\n":                       {1, false, true},
		account + "[fleet]\nurl = \"https://c\"\ncert_file = \"a.pem\"\nkey_file = \"b.pem\"\n": {1, false, true},
		account + "[fleet]\nurl = \"https://\"\n":                                               {1, false, true},
		account + "[fleet]\nurl = \"https://c\"\ninterval = \"1s\"\n":                           {1, false, true},
		account + "[fleet]\nurl = \"https://c\"\nca_file = \"not-there\"\n":                     {1, false, true},
		account + "[fleet]\nurl = \"https://c\"\n[update]\nchannel = \"a/b\"":                   {1, true, true},
		account + "[fleet]\nurl = \"https://c\"\n\"\" = 5\n":                                    {1, false, true},
	} {
		file := filepath.Join(t.TempDir(), "intercom.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(file)
		list := faultsIn(err)
		wellSaid(t, list...)
		if len(list) != want.faults || slices.ContainsFunc(list, func(f Fault) bool { return !f.Optional }) {
			t.Errorf("%q: %v", text, err)
		}
		if (cfg.Fleet.URL != "") != want.url || cfg.Fleet.Given != want.given || cfg.Fleet.Interval <= 0 {
			t.Errorf("%q: %+v", text, cfg.Fleet)
		}
	}
	if Default().Fleet.Interval != time.Hour {
		t.Error("the default interval")
	}
}

func TestFetched(t *testing.T) {
	layers := layered(t, sharedLayer+"[sip2]\n", "[sip]\nca_file = \"pki/ca.pem\"\npassword_file = \"../../etc/shadow\"\n[[notify]]\nca_file = \"/etc/ca.pem\"\nmessage = \"1\"\n", "[sip]\nca_file = \"own.pem\"\n")
	if got := Fetched(layers); !slices.Equal(got, []string{"pki/ca.pem"}) {
		t.Errorf("%q", got)
	}
}

func FuzzLayers(f *testing.F) {
	f.Add(sharedLayer, doorLayer, ownLayer)
	f.Add("[sip]\n[[sip]]\n", "sip = 5\n", "[fleet.x]\n")
	f.Fuzz(func(t *testing.T, a, b, own string) {
		cfg, _ := LoadLayers(layered(t, a, b, own))
		if cfg == nil || cfg.Fleet.Interval <= 0 {
			t.Error("no configuration")
		}
	})
}

// What stands in place of a door's own file cannot change what is read from that alone.
func TestSameOwn(t *testing.T) {
	const own = "[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[state]\ndir = \"/var/lib/door\"\n"
	file := filepath.Join(t.TempDir(), "intercom.toml")
	was, err := LoadText(file, []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadText(file, []byte(strings.Replace(own, "1001", "1002", 1)), SameOwn(was)); err != nil {
		t.Errorf("another target: %v", err)
	}
	for _, text := range []string{
		strings.Replace(own, "/var/lib/door", "/tmp", 1),
		strings.Replace(own, "[state]\ndir = \"/var/lib/door\"\n", "", 1),
		own + "[wlan]\nssid = \"x\"\ncountry = \"DE\"\n",
		own + "[system]\nhostname = \"x\"\n",
	} {
		_, err := LoadText(file, []byte(text), SameOwn(was))
		list, _ := errors.AsType[Faults](err)
		if len(list) == 0 || list[0].Code != "config-own-file-kept" || list[0].Optional {
			t.Errorf("%s: %v", text, err)
		}
		wellSaid(t, list...)
	}
}
