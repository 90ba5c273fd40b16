package words

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// hostile is what a call may bring: in a name, a reason, a User-Agent or a text.
var hostile = []string{
	"plain", "", "two\nlines\tof it\r", "a\x00b", "\x1b[2J\x1b]0;owned\a", "back\bspace\f", "\u202egpj.exe", "a\u2066b\u2069", "\u0085\u009b31m\u007f",
	"line\u2028and\u2029paragraph", `back\slash \\b \u0041 \\u0000`, "<b>&\"quoted\"</b>", "é ü 你好 🚪 שלום", "\xff\xfe",
}

// FuzzTame holds that what readers decode is fit for a terminal, is JSON still, and is the same
// but for what was taken out.
func FuzzTame(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		body, err := json.Marshal(map[string]string{"name": s, s: "key"})
		if err != nil {
			t.Skip()
		}
		var out map[string]string
		if err := json.Unmarshal(Tame(body), &out); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		want := strings.Map(func(r rune) rune {
			if unsafe(r) {
				return unicode.ReplacementChar
			}
			return r
		}, strings.ToValidUTF8(s, "\ufffd"))
		if got := out["name"]; got != want && s != "name" && utf8Same(s) {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
		for k, v := range out {
			if strings.ContainsFunc(k+v, unsafe) {
				t.Errorf("%q became %q: %q", s, k, v)
			}
		}
	})
}

// utf8Same says whether s is text: how many replacements stand for broken bytes is of no interest.
func utf8Same(s string) bool { return strings.ToValidUTF8(s, "") == s }

// unsafe says whether a terminal, or the direction of a line, obeys a character.
func unsafe(r rune) bool {
	switch r {
	case '\n', '\r', '\t':
		return false
	case '\u2028', '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}
func TestTame(t *testing.T) {
	for in, want := range map[string]string{
		"plain":             "plain",
		"a\x1b[2Jb":         "a\ufffd[2Jb",
		"a\u202eb\u2066c":   "a\ufffdb\ufffdc",
		"x\u0085\u009by":    "x\ufffd\ufffdy",
		`back\slash \u001b`: `back\slash \u001b`,
		"<&> \"q\"\n\t":     "<&> \"q\"\n\t",
		`\\\`:               `\\\`,
		"\\\x1b":            "\\\ufffd",
	} {
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(Tame(body), &got); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestBrief(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "abcd": "ab…", "äöü": "äöü", "你好吗": "你好吗", "你好吗？": "你好…", "\xff\xff\xff\xff": "\ufffd\ufffd…"} {
		if got := Brief(in, 3); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// A spreadsheet runs nothing of what stands in a table.
func TestCellsAreText(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "1001": "1001", "Kitchen": "Kitchen", "=1+1": "'=1+1", "+4930": "'+4930", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r\n=1": "'\r\n=1",
		"＝1": "'＝1", "\u202e=1": "'\u202e=1", "\u00a0=1": "'\u00a0=1", "a=1": "a=1", "|calc": "'|calc", "%0A": "'%0A", "'=1": "''=1", "' =1": "'' =1",
		"'quoted'": "'quoted'", "'": "'", "O'Neill": "O'Neill",
	} {
		if got := Cell(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if got := FromCell("'Tis"); got != "'Tis" {
		t.Errorf("an apostrophe that nobody put there: %q", got)
	}
}

// FuzzCell holds that every text comes back, and none begins like a formula.
func FuzzCell(f *testing.F) {
	for _, s := range append(hostile, "=1", "'=1", "''＝1", "'x", " =1", "'") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := Cell(s)
		if back := FromCell(c); back != s {
			t.Errorf("%q became %q and came back as %q", s, c, back)
		}
		if strings.IndexAny(strings.TrimSpace(c), "=+-@") == 0 {
			t.Errorf("%q became %q", s, c)
		}
	})
}
