package configs

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"intercomd/configs/textfile"
)

const openText = `# The door
[sip]
server = "wss://pbx.example.lan"
user = "1000"
password = "hunter22" # of the PBX
[call]
target = "1001"
[wlan]
ssid = "doors"
password = 'a\b"c d!'
[[code]]
name = "anna"
digits = "471100"
[[code]]
digits = "9"
name = "x"
[[notify]]
webhook = "https://example.org/token"
[door]
key = "7"
`

func wideText(s string, order binary.AppendByteOrder) []byte {
	out := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

func TestSeal(t *testing.T) {
	want := map[string]string{"sip.password": "hunter22", "wlan.password": `a\b"c d!`, "code[anna].digits": "471100", "code[x].digits": "9",
		"notify[#1].webhook": "https://example.org/token", "door.key": "7"}
	for what, data := range map[string][]byte{
		"plain":     []byte(openText),
		"Windows":   []byte("\ufeff" + strings.ReplaceAll(openText, "\n", "\r\n")),
		"old Mac":   []byte(strings.ReplaceAll(openText, "\n", "\r")),
		"accents":   []byte("# Tür 😀\n" + openText + "# ü\x1a"),
		"UTF-16":    wideText("# Tür 😀\r\n"+openText, binary.LittleEndian),
		"UTF-16 BE": wideText(openText, binary.BigEndian),
	} {
		text, secrets, before, err := Seal(data)
		if err != nil || len(text) != len(data) || len(before) > 0 || !maps.Equal(secrets, want) {
			t.Errorf("%s: %v, %q, %q", what, err, secrets, before)
			continue
		}
		clean, _, _ := textfile.Clean(text)
		for _, s := range []string{"hunter22", "471100", "token", `c d!`} {
			if bytes.Contains(clean, []byte(s)) {
				t.Errorf("%s: %q is still there:\n%s", what, s, clean)
			}
		}
		if !strings.Contains(string(clean), "# of the PBX") || !strings.Contains(string(clean), `password = "="  `) {
			t.Errorf("%s:\n%s", what, clean)
		}
		back, err := Unseal(text, secrets)
		is, faults := Parse("", back)
		if err != nil || is.SIP.Password != "hunter22" || is.WLAN.Password != `a\b"c d!` || is.Codes[1].Digits != "9" {
			t.Errorf("%s: %v %v", what, err, faults)
		}
		// A second time there is nothing to take out; one that was typed anew is.
		again, none, before, err := Seal(text)
		if err != nil || !bytes.Equal(again, text) || len(none) > 0 || len(before) != len(want) {
			t.Errorf("%s, again: %v, %q, %q", what, err, none, before)
		}
	}
	text, _, _, _ := Seal([]byte(openText))
	changed := strings.Replace(string(text), `password = "="     `, `password = "another"`, 1)
	_, secrets, before, err := Seal([]byte(changed))
	if err != nil || !maps.Equal(secrets, map[string]string{"sip.password": "another"}) || !slices.Contains(before, "code[anna].digits") {
		t.Errorf("after an edit: %v, %q, %q", err, secrets, before)
	}
}

// Without what was taken out, the loader says what to do.
func TestSealedElsewhere(t *testing.T) {
	text, _, _, err := Seal([]byte(openText))
	if err != nil {
		t.Fatal(err)
	}
	_, faults := Parse("f", text)
	wellSaid(t, faults...)
	if len(faults) < 4 || !strings.Contains(faults[0].String(), "f:5: sip.password: is sealed, and only the door that sealed it can read it; type it again") {
		t.Errorf("%v", faults)
	}
}

func TestSealRefuses(t *testing.T) {
	for what, text := range map[string]string{
		"in a comment":      openText + "# old: hunter22\n",
		"inline":            "sip = { password = \"hunter22\" }\n",
		"twice":             "[[code]]\nname = \"a\"\ndigits = \"1234\"\n[[code]]\nname = \"a\"\ndigits = \"5678\"\n",
		"not text":          "[sip]\npassword = \"hunter22\"\n\xff",
		"in another string": "[sip]\npassword = \"hunter22\"\nuser = \"hunter22\"\n",
	} {
		if text, secrets, _, err := Seal([]byte(text)); err == nil {
			t.Errorf("%s: %q\n%s", what, secrets, text)
		} else if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: the error shows it: %v", what, err)
		}
	}
}

func FuzzSeal(f *testing.F) {
	f.Add([]byte(openText))
	f.Add(wideText(openText, binary.LittleEndian))
	f.Add([]byte("sip.password=\"a\"\r\n[wlan]\rpassword='''\nb'''"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, secrets, _, err := Seal(data)
		if err != nil {
			return
		}
		if len(text) != len(data) {
			t.Fatal("another length")
		}
		if _, err := Unseal(text, secrets); err != nil {
			t.Fatal(err)
		}
		if _, again, _, err := Seal(text); err != nil || len(again) > 0 {
			t.Fatalf("a second time %q, %v", again, err)
		}
	})
}
