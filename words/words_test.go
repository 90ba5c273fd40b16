package words

import (
	"encoding/json"
	"testing"
	"time"
)

func TestMessagesAreValues(t *testing.T) {
	a := New("line-busy", "line", "17", "chip", "gpiochip0", "user", "")
	b := New("line-busy", "chip", "gpiochip0", "line", "17")
	if a != b {
		t.Errorf("%v and %v say the same and are not equal", a, b)
	}
	data, err := json.Marshal(a)
	if want := `{"code":"line-busy","params":{"chip":"gpiochip0","line":"17"}}`; err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
	var back Message
	if err := json.Unmarshal([]byte(`{"code":"line-busy","params":{"line":"17","user":"","chip":"gpiochip0"}}`), &back); err != nil || back != a {
		t.Errorf("%v, %v", back, err)
	}
	if data, err := json.Marshal(struct {
		M Message `json:"m,omitzero"`
	}{}); err != nil || string(data) != "{}" {
		t.Errorf("nothing is %s, %v", data, err)
	}
	for _, bad := range []string{`{"params":[]}`, `{"params":{"a":1}}`, `{"params":"x"}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestReasonsComeAlong(t *testing.T) {
	why := New("line-busy", "line", "17", "chip", "gpiochip0", "user", "spi0")
	m := New("input-fails", "input", "bell").Because(why)
	if got, want := m.String(), "input bell: line 17 of gpiochip0 is in use by spi0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if m.Remedy() != why.Remedy() || why.Remedy() == "" {
		t.Errorf("remedy %q", m.Remedy())
	}
}

func TestFill(t *testing.T) {
	at := time.Date(2026, 11, 29, 14, 5, 0, 0, time.FixedZone("CET", 3600))
	params := New("", "name", "bell", "until", Time(at), "after", Span(90*time.Second), "why", "line-stuck", "odd", "{name}", "n", "3", "one", "1").Params.Map()
	for sentence, want := range map[string]string{
		"":                           "",
		"plain":                      "plain",
		"{name} rings":               "bell rings",
		"until {until:clock}":        "until 14:05",
		"for {after:span}":           "for 1 min 30 s",
		"because {why:problem}":      "because active for longer than 1 min 30 s",
		"a{name| ({})}b{none| ({})}": "a (bell)b",
		"{name|{none|x}{after| {}}}": " 1m30s",
		"{odd}":                      "{name}", // what a parameter holds is text
		"{none:clock}|{name:clock}":  "|bell",
		"{name:span}{name:nowhere}":  "bellbell",
		"{name":                      "bell",
		"{n?one thing|{} things}":    "3 things",
		"{one?{} thing|{} things}":   "1 thing",
		"{n?{}个}":                    "3个",
		"{none?a|b}{name?a|b}":       "bb",
		"{name|is it {}?}":           "is it bell?",
		"}{":                         "}",
		"{name|{":                    "bell",
	} {
		if got := English().fill(sentence, params); got != want {
			t.Errorf("%q: %q, want %q", sentence, got, want)
		}
	}
}

func TestLanguages(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "en-GB": "en", "de": "de", "de-AT,de;q=0.9,en;q=0.8": "de", "it, de;q=0.3": "de", "fr-CA": "fr", "es-MX, en": "es", "zh-CN,zh;q=0.9": "zh", "zh-TW": "zh", "en;q=0.9, de;q=0.8": "en", "xx": "en", "nonsense;;q=x": "en", "xx, en;q=0.5": "en",
	} {
		if got := Accept(header).Name(); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	if In("xx") != English() || English().Text("no.such.key") != "no.such.key" {
		t.Error("what is not there is not told")
	}
	if got := English().Count("page.ready-with-faults", 1) + "|" + English().Count("page.ready-with-faults", 3); got != "Ready, with 1 fault|Ready, with 3 faults" {
		t.Errorf("%q", got)
	}
}

func TestLocale(t *testing.T) {
	for _, tc := range []struct{ all, messages, lang, want string }{
		{"", "", "", "en"}, {"", "", "de_AT.UTF-8", "de"}, {"", "en_GB.UTF-8", "de_DE@euro", "en"}, {"C", "de_DE", "de_DE", "en"},
		{"POSIX", "", "", "en"}, {"", "", "de", "de"}, {"", "", "tlh.UTF-8", "en"}, {".@_", "", "", "en"},
	} {
		env := map[string]string{"LC_ALL": tc.all, "LC_MESSAGES": tc.messages, "LANG": tc.lang}
		if got := Locale(func(name string) string { return env[name] }).Name(); got != tc.want {
			t.Errorf("%v: %s", env, got)
		}
	}
}

func FuzzFill(f *testing.F) {
	for _, s := range []string{"{a}", "{a|{}}", "{a:span}", "}{|:{", "{a|{b|{}}}"} {
		f.Add(s, "x")
	}
	f.Fuzz(func(_ *testing.T, sentence, value string) {
		English().fill(sentence, map[string]string{"a": value, "why": value})
	})
}

// A sentence that asks for itself ends all the same.
func TestNoSentenceTellsItself(t *testing.T) {
	m := Message{Code: "phone-unusable", Params: ParamsOf(map[string]string{"why": "phone-unusable"})}
	if got, want := m.String(), "the phone cannot be set up: the phone cannot be set up"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
