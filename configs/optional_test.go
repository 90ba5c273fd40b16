package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A section that nobody has decided about must not decide about the bell.
func TestEverySectionIsClassed(t *testing.T) {
	for _, section := range keysOf(reflect.TypeFor[Config]()) {
		if _, known := dispensable(section); !known {
			t.Errorf("[%s]: can the door do without it? Say so in dispensable, and in docs/decisions/faults-and-the-bell.md", section)
		}
	}
	if yes, known := dispensable("nothing"); yes || known {
		t.Error("a section that does not exist can be done without")
	}
}

// What is wrong in one section, whatever it is, costs what that section is worth.
func TestWhatAFaultCosts(t *testing.T) {
	usual := Default()
	button := func(lines string) string { return "[[button]]\nname = \"b\"\nline = 5\n" + lines + "\n" }
	code := func(lines string) string { return "[[code]]\nname = \"c\"\n" + lines + "\n" }
	tests := []struct {
		text  string
		bell  bool             // does it ring?
		safe  func(Config) any // what is taken back
		value any
	}{
		{"[web]\nlisten = \"0.0.0.0\"", true, func(c Config) any { return c.Web }, usual.Web},
		{"[web]\nlisten = \":\"", true, func(c Config) any { return c.Web }, usual.Web},
		{"[web]\nlisten = 8080", true, func(c Config) any { return c.Web }, usual.Web},
		{"[web]\nlisten = 10.0.0.1:80", true, func(c Config) any { return c.Web }, usual.Web},
		{"[web]\nport = 8081", true, func(c Config) any { return c.Web }, usual.Web},
		{"[web]\nlisten = \"\"\nport = 8081", true, func(c Config) any { return c.Web }, Web{Announce: true}},
		{"[[web]]\nlisten = \"0.0.0.0\"", true, func(c Config) any { return c.Web }, usual.Web},
		{"[web]\n[web]\nlisten = \"0.0.0.0\"", true, func(c Config) any { return c.Web }, usual.Web},
		{"[log]\nlevel = \"loud\"\nformat = \"json\"", true, func(c Config) any { return c.Log }, Log{Level: "info", Format: "json"}},
		{"[log]\nlevel = info", true, func(c Config) any { return c.Log }, usual.Log},
		{"[state]\ndir = \"here\"", true, func(c Config) any { return c.State }, usual.State},
		{"[state]\ndir = 5\n" + code("digits = \"471100\"\nonce = true"), true, func(c Config) any { return len(c.Codes) }, 0},
		{"[state]\ndir = 5\n" + code("digits = \"471100\""), true, func(c Config) any { return len(c.Codes) }, 1},
		{"[audio]\ninput_gain = 99", true, func(c Config) any { return c.Audio }, usual.Audio},
		{"[audio]\ncodecs = []\ninput = \"\"", true, func(c Config) any { return c.Audio }, usual.Audio},
		{"[audio]\nduplex = \"ptt\"", true, func(c Config) any { return c.Audio }, usual.Audio},
		{"[audio]\nlanguage = \"deutsch\"\nprompts = 5", true, func(c Config) any { return c.Audio }, usual.Audio},
		{"[[mixer]]\ncontrol = \"A\"\nlevel = \"loud\"\n[[mixer]]\ncontrol = \"B\"\nlevel = \"5%\"", true, func(c Config) any { return len(c.Mixer) }, 1},
		{"mixer = 5", false, func(c Config) any { return len(c.Mixer) }, 0}, // it stands under [call]
		{"[[target]]\nname = \"t\"\nusers = \"1\"\nprompt = \"closed\"\n" + button("target = \"t\""), true, func(c Config) any { return c.Targets[0].Prompt }, ""},
		{"[[target]]\nname = \"t\"\nusers = \"1\"\nprompt = closed\n" + button("target = \"t\""), true, func(c Config) any { return c.Targets[0].Prompt }, ""},

		// A way to tell people is left out, whole: never with other authorities, to other users.
		{"[[notify]]\nwebhook = \"http://a/secret\"\nmessage = \"1\"\n[[notify]]\nmessage = \"2\"", true,
			func(c Config) any { return c.Notify }, []Notify{{}, {Message: []string{"2"}, Kinds: []string{"alarm", "missed"}}}},
		{"[[notify]]\nwebhook = \"https://a/secret\"\nca_file = /etc/ca.pem", true, func(c Config) any { return c.Notify }, []Notify{{}}},
		{"[[notify]]\nwebhook = \"https://a/secret\"\nca_fil = \"ca.pem\"", true, func(c Config) any { return c.Notify }, []Notify{{}}},
		{"[[notify]]\nwebhook = \"https://a:70000/secret\"", true, func(c Config) any { return c.Notify }, []Notify{{}}},
		{"[notify]\nwebhook = \"https://a/secret\"", true, func(c Config) any { return c.Notify }, []Notify{{}}},
		{"[[notify]]\nmessage = \"1\"\nkinds = [\"alarms\"]", true, func(c Config) any { return c.Notify }, []Notify{{}}},

		// A broker is not asked at all rather than with less than was meant.
		{"[mqtt]\nserver = \"mqtts://broker\"\ncommands = \"opne:door\"", true, func(c Config) any { return c.MQTT }, usual.MQTT},
		{"[mqtt]\nserver = \"mqtts://broker\"\nca_fil = \"ca.pem\"", true, func(c Config) any { return c.MQTT }, usual.MQTT},

		// Nothing is guessed where it matters.
		{"[[target]]\nname = \"t\"\nusers = \"1 2\"\n" + button("target = \"t\""), false, nil, nil},
		{"[[target]]\nname = \"t\"\nprompt = closed\nusers = 1 2\n" + button("target = \"t\""), false, nil, nil}, // the second fault of two in a row
		{"ring_time = \"5h\"", false, nil, nil},
		{"[sip]", false, nil, nil},
		{"[network]\ninterfaces = \"eth 0\"", false, nil, nil},
		{"[time]\nzone = \"Mars\"", false, nil, nil},
		{"[[schedule]]\nname = \"s\"", false, nil, nil},
		{"[incoming]\nanswer = \"yes\"", false, nil, nil},
		{"[door]\nkey = 5", false, nil, nil},
		{"[door]\nkey = 5x", false, nil, nil},
		{"[[key]]\ndigits = \"7\"", false, nil, nil},
		{code("digits = \"1\""), false, nil, nil},
		{"[board]\ndriver = \"usb\"", false, nil, nil},
		{button("pull = \"left\""), false, nil, nil},
		{"[[contact]]\nname = \"c\"", false, nil, nil},
		{"[[lamp]]\nname = \"l\"", false, nil, nil},
		{"[[relay]]\nname = \"r\"", false, nil, nil},
		{"[Web]\nlisten = \"127.0.0.1:80\"", false, nil, nil}, // who knows what it was to be
		{"[web", false, nil, nil},
		{"[[notify]]\nkinds = [\"alarm\"\n[door]\nkey = \"5\"", false, nil, nil}, // where does it end?
		{"[log]\nlevel = \"\"\"info\n[door]\nkey = \"5\"", false, nil, nil},
		{"[web]\nlisten = \"\x00\"", false, nil, nil},
	}
	for i, tc := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			cfg, faults := Parse("x", []byte(minimal+tc.text))
			rings := !slices.ContainsFunc(faults, func(f Fault) bool { return !f.Optional })
			if len(faults) == 0 || rings != tc.bell {
				t.Errorf("%s\ngives %+v", tc.text, faults)
			}
			if tc.safe != nil {
				if got := tc.safe(cfg); !reflect.DeepEqual(got, tc.value) {
					t.Errorf("%s\nleaves %+v, want %+v", tc.text, got, tc.value)
				}
			}
			if tc.bell && (cfg.Call.Target == "" || cfg.SIP.Password == "") {
				t.Errorf("%s\ntakes whom to call along: %+v", tc.text, cfg.Call)
			}
		})
	}
}

// No line is driven of which somebody has said something that cannot be read.
func TestLinesAreNotDrivenByGuess(t *testing.T) {
	relay := func(lines string) string {
		return "[[relay]]\nname = \"r\"\nline = 5\n" + lines + "\n[[relay]]\nname = \"s\"\nline = 6\n"
	}
	lamp := func(lines string) string {
		return "[[lamp]]\nname = \"l\"\nline = 5\n" + lines + "\n[[lamp]]\nname = \"m\"\nline = 6\n"
	}
	for text, want := range map[string][2]int{ // lamps and relays that are left
		"":                                   {1, 1},
		"[log]\nlevel = \"loud\"":            {1, 1},
		relay("pulse = \"9h\""):              {1, 2},
		relay("active = \"lwo\""):            {1, 1},
		relay("activ = \"low\""):             {1, 1},
		relay("active = low"):                {1, 1},
		relay("open_drain = 1"):              {1, 1},
		relay("line = 7"):                    {1, 1}, // given twice
		lamp("shows = \"x\""):                {2, 1},
		lamp("active = \"lwo\""):             {1, 1},
		lamp("active = lwo"):                 {1, 1},
		"[[relay]]\nname = \"r\"":            {1, 0},
		"[[relay]]\nname = \"r\"\nline = 27": {1, 0}, // that of the lamp
		"[board]\nchips = 5":                 {0, 0},
		"[board]\ndriver = gpio":             {0, 0},
		"[board]\nnight = \"x\"":             {1, 1},
		"[relay":                             {0, 0},
		"\x00":                               {0, 0},
	} {
		cfg, _ := Parse("x", []byte(minimal+text))
		if len(cfg.Lamps) != want[0] || len(cfg.Relays) != want[1] {
			t.Errorf("%q leaves %+v and %+v", text, cfg.Lamps, cfg.Relays)
		}
	}
	cfg, _ := Parse("x", []byte("relay = 5\nlamp = 5\n"+minimal))
	if len(cfg.Lamps)+len(cfg.Relays) > 0 {
		t.Errorf("%+v and %+v", cfg.Lamps, cfg.Relays)
	}
	if cfg, err := Load("none.toml"); err == nil || len(cfg.Lamps) != 1 || len(cfg.Relays) > 0 {
		t.Errorf("no file at all leaves %+v and %+v", cfg.Lamps, cfg.Relays)
	}
	if cfg, err := Load(t.TempDir()); err == nil || len(cfg.Lamps)+len(cfg.Relays) > 0 {
		t.Errorf("a file that cannot be read leaves %+v and %+v", cfg.Lamps, cfg.Relays)
	}
}

// However many faults there are, one that keeps the phone off is among those that are told.
func TestManyFaults(t *testing.T) {
	var b strings.Builder
	b.WriteString("[log]\n")
	for i := range 20000 {
		fmt.Fprintf(&b, "a%d = 1\n", i)
	}
	many := b.String()
	_, faults := Parse("x", []byte(minimal+many))
	wellSaid(t, faults...)
	if last := faults[len(faults)-1]; len(faults) != maxFaults+1 || !last.Optional || last.Message.String() != fmt.Sprintf("there are %d more faults", 20000-maxFaults) {
		t.Errorf("%d faults, the last %+v", len(faults), last)
	}
	_, faults = Parse("x", []byte(minimal+many+"[[notify]]\nwebhook = \"x\"\n[door]\nkey = 5\n"))
	if len(faults) != maxFaults+2 || !slices.ContainsFunc(faults, func(f Fault) bool { return f.Key == "door.key" && !f.Optional }) {
		t.Errorf("%d faults, the last %+v", len(faults), faults[len(faults)-1])
	}
	cfg, _ := Parse("x", []byte(minimal+many+"[[notify]]\nmessage = \"1\"\nwebhook = \"x\"\n"))
	if !reflect.DeepEqual(cfg.Notify, []Notify{{}}) {
		t.Errorf("a fault that is not told leaves %+v", cfg.Notify)
	}
	deep := ""
	for i := range 300 {
		deep += "[" + strings.Repeat("a.", i) + "a]\n"
	}
	if _, faults = Parse("x", []byte(minimal+deep)); len(faults) > maxFaults+1 {
		t.Errorf("%d faults", len(faults))
	}
}

// A password that somebody wrote in place of the name of its file is not shown.
func TestPasswordInPlaceOfItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "intercom.toml")
	if err := os.WriteFile(file, []byte(strings.Replace(minimal, `password = "secret"`, `password_file = "hunter2"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(file)
	wellSaid(t, faultsIn(err)...)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("fault %v", err)
	}
}
