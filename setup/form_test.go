package setup

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"intercomd/configs"
)

func document(t *testing.T, text string) *configs.Document {
	t.Helper()
	d, err := configs.NewDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const site = `# ours
[sip]
server = "wss://pbx.example.lan"
user = "1000"
password = "secret" # of 1000
[call]
target = "1001"
[[relay]]
name = "door"
line = 22
latching = false
[[relay]]
name = "gate" # at the street
line = "GPIO5"
`

// A form that is sent as it was shown changes nothing.
func TestFormUnchanged(t *testing.T) {
	d := document(t, site)
	sent := map[string]string{}
	for _, s := range Form(d) {
		for _, f := range s.Fields {
			sent[f.Path] = f.Value
			if f.Sort == configs.SortSecret && f.Value != "" {
				t.Errorf("%s shows a secret", f.Path)
			}
		}
	}
	get := func(path string) (string, bool) { v, ok := sent[path]; return v, ok }
	if _, err := Fill(d, get, func(string) bool { return false }); err != nil || string(d.Text()) != site {
		t.Errorf("%v:\n%s", err, d.Text())
	}
}

func TestFormFills(t *testing.T) {
	for what, tt := range map[string]struct {
		typed  map[string]string
		remove string
		old    string
		new    string
	}{
		"a text":         {map[string]string{"sip.user": " 1007 "}, "", `"1000"`, `"1007"`},
		"a list":         {map[string]string{"sip.server": "wss://a, wss://b"}, "", `"wss://pbx.example.lan"`, `["wss://a", "wss://b"]`},
		"a secret":       {map[string]string{"sip.password": "new"}, "", `"secret" #`, `"new" #`},
		"no secret":      {map[string]string{"sip.password": ""}, "", "", ""},
		"emptied":        {map[string]string{"call.target": ""}, "", "target = \"1001\"\n", ""},
		"a bool":         {map[string]string{"relay[0].latching": "true"}, "", "= false", "= true"},
		"a line":         {map[string]string{"relay[1].line": "17"}, "", `"GPIO5"`, "17"},
		"a line by name": {map[string]string{"relay[0].line": "GPIO17"}, "", "22", `"GPIO17"`},
		"a span":         {map[string]string{"relay[0].pulse": "5s"}, "", "= false\n", "= false\npulse = \"5s\"\n"},
		"one gone":       {nil, "relay[0]", "[[relay]]\nname = \"door\"\nline = 22\nlatching = false\n", ""},
		"one more":       {map[string]string{"relay[new].name": "bell", "relay[new].line": "6"}, "", "\"GPIO5\"\n", "\"GPIO5\"\n\n[[relay]]\nname = \"bell\"\nline = 6\n"},
		"the first one":  {map[string]string{"button[new].target": "1002"}, "", "\"GPIO5\"\n", "\"GPIO5\"\n\n[[button]]\nname = \"bell\"\nline = 17\ntarget = \"1002\"\n"},
		"a number":       {map[string]string{"audio.input_gain": "3,5"}, "", "\"GPIO5\"\n", "\"GPIO5\"\n\n[audio]\ninput_gain = 3.5\n"},
	} {
		d := document(t, site)
		_, err := Fill(d, func(path string) (string, bool) { v, ok := tt.typed[path]; return v, ok }, func(path string) bool { return path == tt.remove })
		if want := strings.Replace(site, tt.old, tt.new, 1); err != nil || string(d.Text()) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", what, err, d.Text(), want)
		}
	}
	// Where a fault of a new section is shown.
	d := document(t, site)
	added, err := Fill(d, func(path string) (string, bool) { return "x", path == "relay[new].name" }, func(string) bool { return false })
	if err != nil || added["relay[2]"] != "relay[new]" {
		t.Errorf("%v, %v", added, err)
	}
}

// Every field of the form is a setting, and what the form offers the loader takes.
func TestFormIsTrue(t *testing.T) {
	for _, key := range Keys() {
		sort, words, ok := configs.Describe(key)
		if !ok {
			t.Errorf("%s is no setting", key)
		}
		if (sort == configs.SortChoice) != (len(words) > 0 && sort != configs.SortList) {
			t.Errorf("%s: %s of %q", key, sort, words)
		}
	}
	if _, _, ok := configs.Describe("sip.nothing"); ok {
		t.Error("sip.nothing is a setting")
	}
}

const people = site + `
# Anna, of the second floor.
[[code]]
name = "anna"
digits = "4711"
users = ["1001", "1002"]
until = "2030-01-01"

[[code]]
name = "bert"
digits = "0815"
once = true
`

func TestPeople(t *testing.T) {
	d := document(t, people)
	if got := fmt.Sprint(People(d)); got != "[{anna   [1001 1002]  2030-01-01  false} {bert   []    true}]" {
		t.Error(got)
	}
	for what, err := range map[string]error{
		"taken":     Put(d, Person{Name: "anna", Digits: "1"}, true),
		"unknown":   Put(d, Person{Name: "cora"}, false),
		"no digits": Put(d, Person{Name: "cora"}, true),
		"no name":   Put(d, Person{}, true),
		"not there": Drop(d, "cora"),
	} {
		if Code(err) == "failed" || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if string(d.Text()) != people {
		t.Error("a refusal has changed the text")
	}
	err := errors.Join(Put(d, Person{Name: "anna", From: "2029-01-01"}, false), Drop(d, "bert"), Put(d, Person{Name: "cora", Digits: "1234", Once: true}, true))
	want := strings.Replace(people, "users = [\"1001\", \"1002\"]\nuntil = \"2030-01-01\"\n", "from = \"2029-01-01\"\n", 1)
	want, _, _ = strings.Cut(want, "[[code]]\nname = \"bert\"")
	want += "\n[[code]]\nname = \"cora\"\ndigits = \"1234\"\nonce = true\n"
	if err != nil || string(d.Text()) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, d.Text(), want)
	}
}

func TestImport(t *testing.T) {
	d := document(t, people)
	in, err := Import(d, []byte("\ufeffName;Digits;Users;Until;Once\r\nanna;;1003;;\r\n\"cora, Ms\";1234;1001 1002;2031-01-01;yes\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(People(d)); got != "[{anna   [1003]    false} {bert   []    true} {cora, Ms   [1001 1002]  2031-01-01  true}]" {
		t.Error(got)
	}
	if v, _ := d.Get("code[0].digits"); v != "4711" {
		t.Errorf("the digits of anna are %q", v)
	}
	if in.Line("code[2].until") != 3 || in.Line("code[0].users") != 2 || in.Line("sip.user") != 0 || in.Added != 1 || in.Changed != 1 {
		t.Errorf("%+v", in)
	}
	// What a list has no column for stays: a code that was good for a while does not become one for ever.
	plain := document(t, people)
	if _, err := Import(plain, []byte("name,digits\nanna,471100\nbert,\n")); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(People(plain)); got != "[{anna   [1001 1002]  2030-01-01  false} {bert   []    true}]" {
		t.Error(got)
	}
	if v, _ := plain.Get("code[0].digits"); v != "471100" {
		t.Errorf("the digits of anna are %q", v)
	}
	for list, want := range map[string]string{
		"":                                  "1: setup-bad-header",
		"digits\n1\n":                       "1: setup-bad-header",
		"name,colour\nx,red\n":              "1: setup-column",
		"name,digits\nx,1\nx,2\n":           "3: setup-twice",
		"name,digits\nx,1\ny\n,3\n":         "4: setup-no-name",
		"name,digits\nz,1\nnobody,\n":       "3: setup-no-digits",
		"name,digits\nx,1,2\n":              "2: setup-cells",
		"name,once\nanna,perhaps\n":         "2: setup-once",
		"name,digits\n\"x,1\n":              "2: setup-csv",
		"name\n" + strings.Repeat("a\n", 1): "ok",
	} {
		d := document(t, people)
		_, err := Import(d, []byte(list))
		got := "ok"
		if f, ok := errors.AsType[Faults](err); ok {
			got = fmt.Sprintf("%d: %s", f[0].Line, f[0].Code)
		}
		if list == "name\na\n" { // a new person without digits
			want = "2: setup-no-digits"
		}
		if got != want {
			t.Errorf("%q: %v, want %s", list, err, want)
		}
	}
	var many strings.Builder
	many.WriteString("name,digits\n")
	for i := range mostPeople {
		fmt.Fprintf(&many, "p%d,%06d\n", i, i)
	}
	if _, err := Import(d, []byte(many.String())); err != nil || len(People(d)) != mostPeople+3 {
		t.Errorf("%d people: %v", len(People(d)), err)
	}
	if _, err := Import(d, []byte(many.String()+"one,123456\n")); err == nil {
		t.Error("too many people are none")
	}
}

// What is exported comes in again as it was, and no spreadsheet takes a name for a formula.
func TestExport(t *testing.T) {
	d := document(t, people)
	for i, name := range []string{"=cmd()", "'=cmd()", "+49", "＝1", "|x", "%1", "'Tis", "a,\"b\";c"} {
		if err := Put(d, Person{Name: name, Digits: strconv.Itoa(1111 + i), Users: []string{"+4930", "-1"}, Once: i%2 == 0}, true); err != nil {
			t.Fatal(err)
		}
	}
	list := string(Export(d))
	if strings.Contains(list, "4711") || !strings.Contains(list, "anna,,1001 1002,,,2030-01-01,,\n") || !strings.Contains(list, "'=cmd(),,'+4930 -1,") {
		t.Error(list)
	}
	for line := range strings.Lines(list) {
		if strings.ContainsAny(line[:1], "=+-@|%") || strings.HasPrefix(line, "＝") {
			t.Errorf("a formula: %q", line)
		}
	}
	was := string(d.Text())
	if _, err := Import(d, []byte(list)); err != nil || string(d.Text()) != was {
		t.Errorf("%v\n%s\nwant\n%s", err, d.Text(), was)
	}
}

// A list of a thousand people who are there already is written in one go: what a text costs to be read,
// each of their fields would cost else.
func BenchmarkImport(b *testing.B) {
	var list, again strings.Builder
	list.WriteString("name,digits,users\n")
	again.WriteString("name,digits,users,until\n")
	for i := range mostPeople {
		fmt.Fprintf(&list, "p%d,%06d,1001\n", i, i)
		fmt.Fprintf(&again, "p%d,%06d,1002,2030-01-01\n", i, i+1000)
	}
	for b.Loop() {
		d, err := configs.NewDocument([]byte(people))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Import(d, []byte(list.String())); err != nil {
			b.Fatal(err)
		}
		if _, err := Import(d, []byte(again.String())); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add("name,digits\nx,1\n")
	f.Add("name;digits;once\n\"a\"\"b\";1;yes\n")
	f.Fuzz(func(t *testing.T, list string) {
		d := document(t, people)
		if _, err := Import(d, []byte(list)); err != nil {
			if _, ok := errors.AsType[Faults](err); !ok {
				t.Fatalf("%v", err)
			}
			return
		}
		document(t, string(d.Text())) // still one
		if len(People(d)) < 2 {
			t.Fatal("somebody is gone")
		}
	})
}

func TestCompare(t *testing.T) {
	show := func(old, fresh string) string {
		var b strings.Builder
		for _, l := range Compare([]byte(old), []byte(fresh)) {
			fmt.Fprintf(&b, "%c%d/%d %s|", l.Sign, l.Old, l.New, l.Text)
		}
		return b.String()
	}
	for _, tt := range []struct{ old, new, want string }{
		{site, site, ""},
		{"a = 1\nb = 1\nc = 1\n", "a = 1\nb = 2\nc = 1\n", " 1/1 a = 1|-2/0 b = 1|+0/2 b = 2| 3/3 c = 1|"},
		{"", "a = 1\n", "+0/1 a = 1|"},
		{"a = 1\n", "", "-1/0 a = 1|"},
		{"a = 1\r\n", "a = 1\n", ""},
		// A secret that is another one is told, and not shown.
		{"[sip]\npassword = \"one\"\n", "[sip]\npassword = \"two\"\n", " 1/1 [sip]|-2/0 password = \"•••\"|+0/2 password = \"•••\"|"},
		{"[sip\npassword = \"one\"\n", "[sip]\npassword = \"two\"\n", "-1/0 |-2/0 |+0/1 [sip]|+0/2 password = \"•••\"|"},
		{"x = 1\na = 1\nb = 1\n", "a = 1\nb = 1\nx = 1\n", "-1/0 x = 1| 2/1 a = 1| 3/2 b = 1|+0/3 x = 1|"},
	} {
		if got := show(tt.old, tt.new); got != tt.want {
			t.Errorf("%q, %q:\n%s\nwant\n%s", tt.old, tt.new, got, tt.want)
		}
	}
	// Far from a difference nothing is shown, and large texts do not take for ever.
	long := strings.Repeat("# x\n", 5000)
	if got := show(long+"a = 1\n"+long, long+"a = 2\n"+long); strings.Count(got, "|") != 2+2*around {
		t.Errorf("%d lines", strings.Count(got, "|"))
	}
	_ = Compare([]byte(strings.Repeat("# x\n# y\n", 20000)), []byte(strings.Repeat("# y\n# z\n", 20000)))
}
