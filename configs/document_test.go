package configs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

const house = `# Of the house, by Anna.
relay = [] # none

[sip] # the account
server   =   "wss://pbx.example.lan" # since May
user = '1000'
password = "se#c\"ret"
#password = "old one"

[[target]]
name = "home"
  users = [ # both
  "1001",
  "1002", # upstairs
  ]

  [[target.step]]
  user = "a"

[[target]]
name = "porter"

# Anna's code.
[[code]]
name = "anna"
digits = "4711"

# Bert's code.
[[code]]
name = "bert"
digits = "0815"
[call]
target = "home"
audio = { x = 1 }
`

func docOf(t *testing.T, text string) *Document {
	t.Helper()
	d, err := NewDocument([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return d
}

// A change changes what it names and nothing else.
func TestDocumentChanges(t *testing.T) {
	set := func(path string, value any) func(*Document) error {
		return func(d *Document) error { return d.Set(path, value) }
	}
	remove := func(path string) func(*Document) error { return func(d *Document) error { return d.Remove(path) } }
	add := func(name string, more ...any) func(*Document) error {
		return func(d *Document) error {
			path, err := d.Add(name)
			for i := 0; i+1 < len(more) && err == nil; i += 2 {
				err = d.Set(path+"."+more[i].(string), more[i+1])
			}
			return err
		}
	}
	for what, tt := range map[string]struct {
		do       func(*Document) error
		old, new string // in house
	}{
		"a text":                 {set("sip.server", "wss://b.example.lan"), `"wss://pbx.example.lan" #`, `"wss://b.example.lan" #`},
		"a text by its bytes":    {set("sip.user", "a\"b\\c\u0001é"), `'1000'`, `"a\"b\\c\u0001é"`},
		"a list over lines":      {set("target[0].users", []string{"1", "2"}), "[ # both\n  \"1001\",\n  \"1002\", # upstairs\n  ]", `["1", "2"]`},
		"a new setting":          {set("sip.display_name", "North"), "\"se#c\\\"ret\"\n", "\"se#c\\\"ret\"\ndisplay_name = \"North\"\n"},
		"a new section":          {set("web.listen", ""), "audio = { x = 1 }\n", "audio = { x = 1 }\n\n[web]\nlisten = \"\"\n"},
		"a number":               {set("audio.input_gain", 3.0), "audio = { x = 1 }\n", "audio = { x = 1 }\n\n[audio]\ninput_gain = 3.0\n"},
		"one of many":            {set("code[1].digits", "1234"), `"0815"`, `"1234"`},
		"new in one of many":     {set("code[0].once", true), "\"4711\"\n", "\"4711\"\nonce = true\n"},
		"below one of many":      {set("target[0].step[0].ring_time", "5s"), "user = \"a\"\n", "user = \"a\"\nring_time = \"5s\"\n"},
		"behind a list of lines": {set("target[0].label", "Home"), "upstairs\n  ]\n", "upstairs\n  ]\nlabel = \"Home\"\n"},
		"in braces":              {set("call.audio.y", 2), "{ x = 1 }", "{ x = 1, y = 2 }"},
		"out of braces":          {remove("call.audio.x"), "{ x = 1 }", "{  }"},
		"out of a list":          {remove("target[0].users[0]"), "[ # both\n  \"1001\",\n  \"1002\"", "[ # both\n  \"1002\""},
		"a setting gone":         {remove("sip.user"), "user = '1000'\n", ""},
		"a long setting gone":    {remove("target[0].users"), "  users = [ # both\n  \"1001\",\n  \"1002\", # upstairs\n  ]\n", ""},
		"one of many gone":       {remove("code[0]"), "# Anna's code.\n[[code]]\nname = \"anna\"\ndigits = \"4711\"\n\n", ""},
		"the last one gone":      {remove("code[1]"), "# Bert's code.\n[[code]]\nname = \"bert\"\ndigits = \"0815\"\n", ""},
		"one with others in it":  {remove("target[0]"), house[strings.Index(house, "[[target]]"):strings.Index(house, "[[target]]\nname = \"porter\"")], ""},
		"nothing gone":           {remove("code[7]"), "", ""},
		"another one":            {add("code", "name", "cora"), "\"0815\"\n", "\"0815\"\n[[code]]\nname = \"cora\"\n\n"},
		"another one below":      {add("target[0].step", "user", "b"), "user = \"a\"\n\n", "user = \"a\"\n\n[[target.step]]\nuser = \"b\"\n\n"},
		"the first one below":    {add("target[1].step", "user", "b"), "name = \"porter\"\n\n", "name = \"porter\"\n\n[[target.step]]\nuser = \"b\"\n\n"},
		"the first of a kind":    {add("lamp", "name", "x"), "audio = { x = 1 }\n", "audio = { x = 1 }\n\n[[lamp]]\nname = \"x\"\n"},
	} {
		d := docOf(t, house)
		if err := tt.do(d); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if want := strings.Replace(house, tt.old, tt.new, 1); string(d.Text()) != want {
			t.Errorf("%s:\n%s\nwant\n%s", what, d.Text(), want)
		}
		// As Windows writes it.
		crlf := docOf(t, "\ufeff"+strings.ReplaceAll(house, "\n", "\r\n"))
		if err := tt.do(crlf); err != nil {
			t.Errorf("%s, with CRLF: %v", what, err)
		}
		if want := "\ufeff" + strings.ReplaceAll(string(d.Text()), "\n", "\r\n"); string(crlf.Text()) != want && !strings.Contains(what, "list of lines") {
			t.Errorf("%s, with CRLF:\n%q\nwant\n%q", what, crlf.Text(), want)
		}
	}
}

func TestDocumentOfOddShapes(t *testing.T) {
	for _, tt := range []struct {
		text, path string
		value      any
		want       string
	}{
		{"", "sip.user", "1", "[sip]\nuser = \"1\"\n"},
		{"# only words", "sip.user", "1", "# only words\n\n[sip]\nuser = \"1\"\n"},
		{"[sip]", "sip.user", "1", "[sip]\nuser = \"1\"\n"},
		{"sip.user = \"1\"", "sip.user", "2", "sip.user = \"2\""},
		{"sip.user = \"1\"", "sip.domain", "d", "sip.user = \"1\"\nsip.domain = \"d\"\n"},
		{"sip = {}", "sip.user", "1", "sip = { user = \"1\" }"},
		{"sip = { user = \"1\" }", "sip.domain", "d", "sip = { user = \"1\", domain = \"d\" }"},
		{"\"sip\".'user' = 1", "sip.user", "x", "\"sip\".'user' = \"x\""},
		{"[sip]\npassword = \"\"\"\na\"\"\"\nuser = 1", "sip.user", "x", "[sip]\npassword = \"\"\"\na\"\"\"\nuser = \"x\""},
		{"code = [{ name = \"a\" }, { name = \"b\" }]", "code[1].name", "c", "code = [{ name = \"a\" }, { name = \"c\" }]"},
		{"[[code]]\n[sip]\n", "relay", []string{}, "relay = []\n\n[[code]]\n[sip]\n"},
	} {
		d := docOf(t, tt.text)
		if err := d.Set(tt.path, tt.value); err != nil || string(d.Text()) != tt.want {
			t.Errorf("%q: %v, %q, want %q", tt.text, err, d.Text(), tt.want)
		}
	}
	d := docOf(t, "relay = []\n[sip]\nuser = \"1\"\n")
	if path, err := d.Add("relay"); err != nil || path != "relay[0]" || string(d.Text()) != "[sip]\nuser = \"1\"\n\n[[relay]]\n" {
		t.Errorf("in place of none: %s, %v, %q", path, err, d.Text())
	}
	if _, err := docOf(t, "code = [{}]").Add("code"); !errors.Is(err, ErrWritten) {
		t.Errorf("to a list in one line: %v", err)
	}
	if err := docOf(t, "").Set("code[0].name", "x"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("of a section that is not there: %v", err)
	}
	if _, err := NewDocument([]byte("[sip\n")); !errors.Is(err, ErrNotText) {
		t.Errorf("of what is no TOML: %v", err)
	}
	if _, err := NewDocument([]byte{0, 1}); err == nil {
		t.Error("of what is no text: no error")
	}
}

func TestDocumentRead(t *testing.T) {
	d := docOf(t, house)
	if v, ok := d.Get("sip.password"); v != `se#c"ret` || !ok {
		t.Errorf("%q, %v", v, ok)
	}
	if v, ok := d.List("target[0].users"); !ok || !reflect.DeepEqual(v, []string{"1001", "1002"}) {
		t.Errorf("%q, %v", v, ok)
	}
	if v, ok := d.List("sip.user"); !ok || !reflect.DeepEqual(v, []string{"1000"}) {
		t.Errorf("%q, %v", v, ok)
	}
	if d.Entries("code") != 2 || d.Entries("target[0].step") != 1 || d.Entries("relay") != 0 || !d.Has("relay") || !d.Has("call.audio") || d.Has("web") {
		t.Error("what is there is counted wrongly")
	}
	if _, ok := d.Get("sip.domain"); ok {
		t.Error("there is no domain")
	}
}

// Secrets do not leave, and come back where they were, whatever else was moved.
func TestMasks(t *testing.T) {
	d := docOf(t, house)
	masked := string(d.Masked())
	for _, secret := range []string{`se#c`, "old one", "4711", "0815"} {
		if strings.Contains(masked, secret) || strings.Contains(string(d.Hidden()), secret) {
			t.Errorf("%q is shown in\n%s", secret, masked)
		}
	}
	if strings.Count(masked, "\n") != strings.Count(house, "\n") {
		t.Error("lines have other numbers")
	}
	back := docOf(t, masked)
	if err := back.Unmask(d); err != nil || string(back.Text()) != house {
		t.Errorf("%v:\n%s", err, back.Text())
	}
	moved := docOf(t, masked)
	if err := errors.Join(moved.Remove("code[0]"), moved.Set("code[0].name", "berta"), moved.Unmask(d)); err != nil {
		t.Fatal(err)
	}
	if v, _ := moved.Get("code[0].digits"); v != "0815" {
		t.Errorf("the digits of berta are %q", v)
	}
	typed := docOf(t, strings.NewReplacer(`"=1"`, `"typed"`, `"=3"`, `"=9"`).Replace(masked))
	if err := typed.Unmask(d); err != nil {
		t.Fatal(err)
	}
	if v, _ := typed.Get("sip.password"); v != "typed" {
		t.Errorf("the password is %q", v)
	}
	_, faults := Parse("x", typed.Text())
	if !strings.Contains(faults.Error(), "code.digits") {
		t.Errorf("of a placeholder without a secret nobody speaks: %v", faults)
	}
	// What is no setting is not filled in.
	aimed := docOf(t, "[sip]\ndisplay_name = \"=1\"\n")
	if err := aimed.Unmask(d); err != nil || strings.Contains(string(aimed.Text()), "ret") {
		t.Errorf("%v: %s", err, aimed.Text())
	}
}

// Every secret that the loader knows is masked, in every way of writing it.
func TestEveryKindOfSecretIsMasked(t *testing.T) {
	for path := range secretPaths() {
		section, name, _ := strings.Cut(path, ".")
		for _, text := range []string{"[%s]\n%n = 'canary'", "[[%s]]\n%n = \"canary\"", "%s.%n = \"canary\"", "%s = { %n = \"canary\" }",
			"%s = [{ %n = 'canary' }]", "[%s]\n'%n' = '''canary'''", "# %n = canary", "[%s]\n%n = [\"canary\"]"} {
			d := docOf(t, strings.NewReplacer("%s", section, "%n", name).Replace(text))
			if bytes.Contains(d.Masked(), []byte("canary")) || bytes.Contains(d.Hidden(), []byte("canary")) {
				t.Errorf("%s is shown", d.Text())
			}
		}
	}
	if len(secretPaths()) < 8 {
		t.Errorf("only %d secrets are known", len(secretPaths()))
	}
}

// Sections that are changed each by itself become what they do when they are changed in the text.
func TestEach(t *testing.T) {
	for _, text := range []string{
		"", "[sip]\nuser = \"1\"\n", "# of anna\n[[code]] # she\nname = \"anna\"\n# of bert\n[[code]]\nname = \"bert\" # he",
		"[[code]]\r\nname = \"x\"\r\n\r\n[sip]\r\nuser = \"1\"\r\n[[code]]\r\nfrom = \"\"\r\n# end", "code = []\n", "code = [{ name = \"x\" }]\n",
	} {
		want, got := docOf(t, text), docOf(t, text)
		for i := range want.Entries("code") {
			path := fmt.Sprintf("code[%d]", i)
			if err := errors.Join(want.Set(path+".digits", strconv.Itoa(i)), want.Remove(path+".name")); err != nil {
				t.Fatal(err)
			}
		}
		err := got.Each("code", func(i int, one *Document) error {
			return errors.Join(one.Set("code[0].digits", strconv.Itoa(i)), one.Remove("code[0].name"))
		})
		if err != nil || !bytes.Equal(got.Text(), want.Text()) {
			t.Errorf("%v, %q\nbecame %q\nwant   %q", err, text, got.Text(), want.Text())
		}
		if v, _ := got.Get("code[0].digits"); want.Entries("code") > 0 && v != "0" {
			t.Errorf("%q is not indexed anew: %q", text, v)
		}
	}
	d, odd := docOf(t, "[[code]]\nname = \"a\"\n[[code]]\nname = \"b\"\n"), errors.New("odd")
	was := d.Text()
	err := d.Each("code", func(i int, one *Document) error {
		if i == 1 {
			return odd
		}
		return one.Set("code[0].name", "changed")
	})
	if !errors.Is(err, odd) || !bytes.Equal(d.Text(), was) {
		t.Errorf("%v, %s", err, d.Text())
	}
}

// FuzzDocument holds: a document is its text; masks come off again; what is set is there, and all
// else is as before.
func FuzzDocument(f *testing.F) {
	f.Add(house, "x")
	f.Add(DefaultFile, "\"")
	f.Add("sip = { user = \"1\" }\r\n[[code]]\r\n", "\\")
	files, _ := filepath.Glob("examples/*.toml")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "é\n")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		d, err := NewDocument([]byte(text))
		if err != nil {
			return
		}
		if again := docOf(t, string(d.Text())); !bytes.Equal(again.Text(), d.Text()) {
			t.Fatal("another text")
		}
		masked, err := NewDocument(d.Masked())
		if err != nil {
			t.Fatalf("masked: %v", err)
		}
		if err := masked.Unmask(d); err != nil {
			t.Fatal(err)
		}
		if was := bytes.TrimPrefix(d.Text(), []byte(byteOrderMark)); !bytes.Equal(masked.Text(), was) {
			t.Fatalf("%q came back as %q", was, masked.Text())
		}
		values := map[string]string{}
		for _, g := range d.index.values {
			values[g.path], _ = d.Get(g.path)
		}
		if d.Set("sip.display_name", value) != nil {
			return
		}
		if got, ok := d.Get("sip.display_name"); got != value || !ok {
			t.Fatalf("%q was set, and is %q", value, got)
		}
		for path, was := range values {
			if got, _ := d.Get(path); got != was && path != "sip.display_name" && path != "sip" {
				t.Fatalf("%s was %q and is %q", path, was, got)
			}
		}
		for _, name := range []string{"code", "target"} {
			n := d.Entries(name)
			path, err := d.Add(name)
			if err != nil {
				continue
			}
			if err := d.Set(path+".name", value); err != nil {
				t.Fatal(err)
			}
			if d.Entries(name) != n+1 {
				t.Fatalf("%d of %s, there were %d", d.Entries(name), name, n)
			}
			if err := d.Remove(path); err != nil || d.Entries(name) != n {
				t.Fatalf("%v, %d of %s, want %d", err, d.Entries(name), name, n)
			}
		}
	})
}
