package station

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func yes() bool { return true }

// keypad types strings into an access and reports the verdicts that are not
// Incomplete, such as "opens anna door" or "wrong".
type keypad struct {
	a   *access
	now time.Time
}

func newKeypad(cfg AccessConfig) *keypad {
	k := &keypad{a: newAccess(cfg, Memory{}, yes), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	k.a.begin(false)
	return k
}

func (k *keypad) types(user, digits string) string {
	var out []string
	for _, d := range digits {
		if d == ' ' { // a pause that ends the entry
			k.now = k.now.Add(entryPause + time.Second)
			continue
		}
		k.now = k.now.Add(200 * time.Millisecond)
		switch dec := k.a.digit(d, party{user: user, called: !strings.HasPrefix(user, "caller")}, k.now); dec.verdict {
		case Opens:
			out = append(out, "opens "+dec.name+" "+dec.action.Relay)
		case Wrong:
			out = append(out, "wrong")
		case WrongEndsCall:
			out = append(out, "ends")
		case Locked:
			out = append(out, "locked")
		case NotAllowed:
			out = append(out, "not allowed")
		case Incomplete:
		}
	}
	return strings.Join(out, ",")
}

func TestCodes(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	cfg := AccessConfig{
		Codes: []CodeConfig{
			{Name: "anna", Digits: "1234", Relay: "door"},
			{Name: "ben", Digits: "2345", Relay: "gate", Parties: []string{"1002"}},
			{Name: "parcel", Digits: "9999", Relay: "door", Once: true},
			{Name: "guest", Digits: "7777", Relay: "door", Until: noon.Add(time.Hour)},
			{Name: "old", Digits: "8888", Relay: "door", Until: noon},
			{Name: "night", Digits: "6666", Relay: "door", When: &Schedule{Windows: []Window{{Days: days(time.Monday), From: 22 * 60, To: 23 * 60}}}},
		},
		Callers: []string{"caller-ok"},
	}
	tests := []struct{ name, user, digits, want string }{
		{"opens its relay", "1001", "1234", "opens anna door"},
		{"after a correction", "1001", "12*1234", "opens anna door"},
		{"after a pause", "1001", "12 1234", "opens anna door"},
		{"half a code is nothing", "1001", "123", ""},
		{"wrong", "1001", "1235", "wrong"},
		{"not sliding: an attempt is an attempt", "1001", "01234", "wrong"},
		{"bound to another party", "1001", "2345", "wrong"},
		{"bound to this party", "1002", "2345", "opens ben gate"},
		{"single use", "1001", "99999999", "opens parcel door,wrong"},
		{"not over yet", "1001", "7777", "opens guest door"},
		{"over", "1001", "8888", "wrong"},
		{"out of hours", "1001", "6666", "wrong"},
		{"three wrong ones end the call", "1001", "000000000000", "wrong,wrong,ends"},
		{"a right one forgives", "1001", "0000000012340000", "wrong,wrong,opens anna door,wrong"},
		{"caller that is allowed", "caller-ok", "1234", "opens anna door"},
		{"caller that is not", "caller-x", "12", "not allowed,not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newKeypad(cfg).types(tt.user, tt.digits); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTimedCodesNeedAClock(t *testing.T) {
	a := newAccess(AccessConfig{Codes: []CodeConfig{
		{Name: "guest", Digits: "7777", Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Name: "anna", Digits: "1234"},
	}}, Memory{}, func() bool { return false })
	k := &keypad{a: a, now: time.Unix(100, 0)}
	if got := k.types("1001", "77771234"); got != "wrong,opens anna " {
		t.Errorf("got %q", got)
	}
}

func TestKey(t *testing.T) {
	cfg := AccessConfig{Keys: []KeyConfig{doorKey("5", "1001")}, Codes: []CodeConfig{{Name: "anna", Digits: "1234", Relay: "door"}}}
	for _, tt := range []struct{ user, digits, want string }{
		{"1001", "5", "opens key door"},
		{"1001", "1235", "opens key door"},
		{"1001", "1234", ""},
		{"1002", "5555", "wrong"},
		{"1002", "1234", "opens anna door"},
	} {
		if got := newKeypad(cfg).types(tt.user, tt.digits); got != tt.want {
			t.Errorf("%s types %s: got %q, want %q", tt.user, tt.digits, got, tt.want)
		}
	}
}

// A robot that calls again and again must not get through all codes: ten wrong
// ones in an hour lock the keypad for half an hour, restart or not.
func TestBruteForceIsStopped(t *testing.T) {
	cfg := AccessConfig{Codes: []CodeConfig{{Name: "anna", Digits: "4711", Relay: "door"}}}
	k := newKeypad(cfg)
	tried := 0
	start := k.now
	for code := 0; code < 10_000 && k.now.Sub(start) < 24*time.Hour; code++ {
		got := k.types("1001", fmt.Sprintf("%04d", code))
		switch {
		case strings.HasPrefix(got, "opens"):
			t.Fatalf("opened after %d tries, %v", tried, k.now.Sub(start))
		case got == "wrong":
			tried++
		case got == "ends":
			tried++
			k = &keypad{a: newAccess(cfg, k.a.mem, yes), now: k.now} // a restart between calls
		default: // locked
			code--
			k.now = k.now.Add(time.Minute)
		}
	}
	if tried > 24*60/30*10+10 {
		t.Errorf("%d codes could be tried in a day", tried)
	}
	k.now = k.now.Add(time.Hour)
	k.a.begin(false)
	if got := k.types("1001", "4711"); got != "opens anna door" {
		t.Errorf("after the lock: %q", got)
	}
}

func TestMistakesOfTheFutureAreForgotten(t *testing.T) {
	k := newKeypad(AccessConfig{Codes: []CodeConfig{{Name: "anna", Digits: "1234"}}})
	for range 9 {
		k.a.mem.Wrong = append(k.a.mem.Wrong, k.now.Add(24*time.Hour)) // typed before the clock was set back
	}
	if got := k.types("1001", "0000"); got != "wrong" {
		t.Errorf("got %q", got)
	}
}
