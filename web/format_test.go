package web

import (
	"encoding/json"
	"testing"
)

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
		if err := json.Unmarshal(tame(body), &got); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
