package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func header(key ...string) http.Header { return http.Header{KeyHeader: key} }

func TestKey(t *testing.T) {
	for _, tc := range []struct {
		lines []string
		want  string
		bad   bool
	}{
		{nil, "", false},
		{[]string{"8e03978e"}, "8e03978e", false},
		{[]string{`"8e03978e"`}, "8e03978e", false},
		{[]string{` "a" `}, "a", false},
		{[]string{strings.Repeat("k", 128)}, strings.Repeat("k", 128), false},
		{[]string{strings.Repeat("k", 129)}, "", true},
		{[]string{""}, "", true},
		{[]string{`""`}, "", true},
		{[]string{`"`}, "", true},
		{[]string{`"a`}, "", true},
		{[]string{`a"b`}, "", true},
		{[]string{`"a\"b"`}, "", true},
		{[]string{"two words"}, "", true},
		{[]string{"ü"}, "", true},
		{[]string{"a", "a"}, "", true},
	} {
		h := http.Header{}
		if tc.lines != nil {
			h = header(tc.lines...)
		}
		got, bad := Key(h)
		if got != tc.want || (bad != nil) != tc.bad {
			t.Errorf("%q: %q, %v", tc.lines, got, bad)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add(`"x"`)
	f.Add(`x`)
	f.Fuzz(func(t *testing.T, s string) {
		key, bad := Key(header(s))
		if bad == nil && (key == "" || len(key) > mostKey || strings.ContainsAny(key, "\" \n\x00")) {
			t.Errorf("%q is taken from %q", key, s)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("first")
	f.Add("abc-17")
	f.Add("abc-9007199254740991")
	f.Add("--1")
	f.Fuzz(func(t *testing.T, s string) {
		from, bad := From(s, "abc")
		if bad != nil {
			return
		}
		if from > NoEvent {
			t.Errorf("%q is number %d", s, from)
		}
		if from > 0 && from < NoEvent {
			if again, bad := From(Cursor{"abc", from - 1}.String(), "abc"); bad != nil || again != from {
				t.Errorf("%q is %d, and then %d", s, from, again)
			}
		}
	})
}

// What could be read in two ways is not read.
func TestAmbiguousJSON(t *testing.T) {
	for body, want := range map[string]string{
		`{"on":true}`:                      "",
		`{"on":true,"users":["1","1"]}`:    "",
		`{"on":null}`:                      "",
		`{"name":"on","on":true}`:          "",
		`{}`:                               "",
		`{"on":true,"on":false}`:           `the field "on" is there twice`,
		`{"on":true,"o\u006e":false}`:      `the field "on" is there twice`,
		`{"On":true}`:                      `unknown field "On"`,
		`{"on":true,"ON":false}`:           `unknown field "ON"`,
		`{"on":true,"":1}`:                 `unknown field ""`,
		"{\"name\":\"\xff\"}":              "it is not UTF-8",
		`{"on":true}}`:                     "there is more than one object",
		`{"name":"a","users":["x"],"x":1}`: `unknown field "x"`,
	} {
		var v struct {
			fuzzed
			Users []string `json:"users"`
		}
		got := ""
		if bad := JSON(http.Header{"Content-Type": {"application/json"}}, []byte(body), &v); bad != nil {
			got = bad.Why.Params.Map()["detail"]
		}
		if got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}

type fuzzed struct {
	On   *bool  `json:"on"`
	Name string `json:"name"`
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"on":true}`))
	f.Add([]byte(`{"on":true}{}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"on":true,"on":false,"ON":1}`))
	f.Add([]byte("{\"name\":\"\xff\\ud800\"}"))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var v fuzzed
		if bad := JSON(http.Header{"Content-Type": {"application/json"}}, body, &v); bad == nil && len(strings.TrimSpace(string(body))) > 0 {
			var fields map[string]any
			if err := json.Unmarshal(body, &fields); err != nil {
				t.Errorf("%q is taken: %v", body, err)
			}
			if on, given := fields["on"].(bool); given != (v.On != nil) || given && on != *v.On {
				t.Errorf("%q is read as %v", body, v.On)
			}
			delete(fields, "on")
			delete(fields, "name")
			if len(fields) > 0 {
				t.Errorf("%q is taken with %v", body, fields)
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("limit=1&kind=a&kind=b")
	f.Fuzz(func(t *testing.T, raw string) {
		q, bad := ParseQuery(raw, "limit", "kind...")
		if bad != nil {
			return
		}
		if n, bad := q.Number("limit", 1, 9, 5); bad == nil && (n < 1 || n > 9) {
			t.Errorf("%q: %d", raw, n)
		}
	})
}

// Keys are bounded in number and time, and the answers of others stay theirs.
func TestKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k Keys
		n := 0
		send := func(who, key string, status int) {
			t.Helper()
			_, bad := k.Once(who, key, httptest.NewRequest(http.MethodPost, "/x", nil), nil, time.Now(), func() Reply {
				n++
				return Reply{Status: status}
			})
			if bad != nil {
				t.Error(bad)
			}
		}
		carriedOut := func(want int) {
			t.Helper()
			if n != want {
				t.Errorf("%d were carried out, want %d", n, want)
			}
			n = 0
		}
		send("a", "1", 202)
		send("a", "1", 202)
		carriedOut(1)
		send("b", "1", 202)
		carriedOut(1)
		time.Sleep(keyLasts)
		send("a", "1", 202)
		carriedOut(1)
		for _, busy := range []int{429, 500, 503} { // is to be tried again
			send("a", "busy", busy)
		}
		carriedOut(3)
		send("a", "busy", 409)
		send("a", "busy", 409)
		carriedOut(1)
		for i := range 3 * keysKept {
			send("a", "many"+strconv.Itoa(i), 202)
		}
		if len(k.all) > keysKept || len(k.line) > keysKept {
			t.Errorf("%d are kept", len(k.all))
		}
		n = 0
		send("a", "many"+strconv.Itoa(3*keysKept-1), 202)
		carriedOut(0)
		send("b", "precious", 202) // which others cannot push out
		for i := range 2 * keysKept {
			send("a", "more"+strconv.Itoa(i), 202)
		}
		n = 0
		send("b", "precious", 202)
		carriedOut(0)
	})
}

// A command that fell over may be sent again.
func TestKeyOfAPanic(t *testing.T) {
	var k Keys
	r := httptest.NewRequest(http.MethodPost, "/x", nil)
	func() {
		defer func() { _ = recover() }()
		_, _ = k.Once("a", "1", r, nil, time.Now(), func() Reply { panic("falls over") })
	}()
	if out, bad := k.Once("a", "1", r, nil, time.Now(), func() Reply { return Reply{Status: 202} }); bad != nil || out.Status != 202 {
		t.Errorf("%v, %v", out, bad)
	}
}

func TestDescriptionIsReadable(t *testing.T) {
	d := ReadDocument()
	if d.Title == "" || len(d.Groups) == 0 || len(d.Schemas) == 0 || len(d.Codes) == 0 {
		t.Fatalf("%+v", d)
	}
	for _, g := range d.Groups {
		if len(g.Operations) == 0 {
			t.Errorf("nothing is in %q", g.About)
		}
	}
}

// What a field must be is told in the words of its sender, and not in those of this program.
func TestMistyped(t *testing.T) {
	var ask struct {
		On      *bool    `json:"on"`
		Seconds *Int     `json:"seconds"`
		Name    string   `json:"name"`
		Users   []string `json:"users"`
	}
	for body, want := range map[string]string{
		`[]`: "it is no object", `5`: "it is no object", `null`: "it is no object", `"on"`: "it is no object",
		`{"on":"true"}`: `the field "on" must be true or false, and is string`, `{"seconds":1e999}`: `the field "seconds" must be a whole number, and is number 1e999`, `{"seconds":10.5}`: `the field "seconds" must be a whole number, and is number 10.5`,
		`{"seconds":"10"}`: "must be a whole number, and is string", `{"seconds":[1]}`: "must be a whole number, and is array", `{"seconds":true}`: "must be a whole number, and is bool",
		`{"seconds":{}}`: "must be a whole number, and is object", `{"seconds":4e9}`: "must be a whole number, and is number 4e9", `{"name":5}`: `the field "name" must be text, and is number`,
		`{"users":"1001"}`: `the field "users" must be a list, and is string`, `{"users":[5]}`: "must be text, and is number",
	} {
		bad := JSON(http.Header{"Content-Type": {"application/json"}}, []byte(body), &ask)
		var said struct{ Detail string }
		if bad != nil {
			_ = json.Unmarshal([]byte(bad.Why.Params), &said)
		}
		if bad == nil || bad.Why.Code != "bad-json" || !strings.Contains(said.Detail, want) || strings.Contains(said.Detail, "Go ") {
			t.Errorf("%s: %q, want %q", body, said.Detail, want)
		}
	}
}

// A number is read however it is written, and null as a field that is left out.
func TestNumbersAndNull(t *testing.T) {
	for body, want := range map[string]int{
		`{"seconds":10}`: 10, `{"seconds":10.0}`: 10, `{"seconds":1e1}`: 10, `{"seconds":100E-1}`: 10, `{"seconds":-0.0}`: 0, `{"seconds":-3}`: -3, `{"seconds":2147483647}`: 2147483647,
		`{"seconds":null}`: -1, `{"seconds":null,"id":null,"on":null,"name":null,"users":null}`: -1, `{}`: -1,
	} {
		var ask struct {
			fuzzed
			Seconds *Int     `json:"seconds"`
			ID      Int      `json:"id"`
			Users   []string `json:"users"`
		}
		if bad := JSON(http.Header{"Content-Type": {"application/json"}}, []byte(body), &ask); bad != nil {
			t.Errorf("%s: %v", body, bad)
			continue
		}
		got := -1
		if ask.Seconds != nil {
			got = int(*ask.Seconds)
		}
		if got != want || ask.ID != 0 || ask.On != nil || ask.Name != "" || ask.Users != nil {
			t.Errorf("%s: %d, want %d: %+v", body, got, want, ask)
		}
	}
}
