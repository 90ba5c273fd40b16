package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"intercomd/phone/siptest"
	"intercomd/simulate"
)

// What cannot be understood is refused before anything is read or connected to; above all a simulation whose
// server nobody has named.
func TestSimulateRefuses(t *testing.T) {
	t.Setenv(simulatePassword, "secret")
	for name, tt := range map[string]struct{ args, says string }{
		"no server":              {"-account door%d 5", "no server is named"},
		"nothing":                {"", "how many doors"},
		"no account":             {"-server wss://127.0.0.1:9 5", "-account is missing"},
		"one account for all":    {"-server wss://127.0.0.1:9 -account door 5", "not a pattern"},
		"a pattern of words":     {"-server wss://127.0.0.1:9 -account door%s 5", "not a pattern"},
		"two numbers":            {"-server wss://127.0.0.1:9 -account door%d%d 5", "not a pattern"},
		"a very wide number":     {"-server wss://127.0.0.1:9 -account door%999999d 5", "not a pattern"},
		"no doors":               {"-server wss://127.0.0.1:9 -account door%d 0", "1 to 20000"},
		"too many":               {"-server wss://127.0.0.1:9 -account door%d 20001", "1 to 20000"},
		"not a number":           {"-server wss://127.0.0.1:9 -account door%d many", "not a number"},
		"a password as argument": {"-server wss://127.0.0.1:9 -account door%d -password x 5", "not defined"},
		"nobody to call":         {"-server wss://127.0.0.1:9 -account door%d -presses 5 5", "somebody to call"},
		"negative time":          {"-server wss://127.0.0.1:9 -account door%d -for -1s 5", "not negative"},
	} {
		var out, told bytes.Buffer
		if code := command(t.Context(), append([]string{"simulate"}, strings.Fields(tt.args)...), streams{&out, &told}); code != exitUsage || !strings.Contains(told.String(), tt.says) {
			t.Errorf("%s: %d %q", name, code, told.String())
		}
	}
	for name, tt := range map[string]struct{ args, says string }{
		"no encryption":     {"-server ws://pbx.example.lan -account door%d 5", "ws://"},
		"no such authority": {"-server wss://127.0.0.1:9 -ca /nowhere -account door%d 5", "/nowhere"},
		"no such passwords": {"-server wss://127.0.0.1:9 -password-file /nowhere -account door%d 5", "/nowhere"},
		"no configuration":  {"-config /nowhere -account door%d 5", "/nowhere"},
	} {
		var out, told bytes.Buffer
		if code := command(t.Context(), append([]string{"simulate"}, strings.Fields(tt.args)...), streams{&out, &told}); code != exitFailed || !strings.Contains(told.String(), tt.says) {
			t.Errorf("%s: %d %q", name, code, told.String())
		}
	}
}

// Passwords are in a file, one for all or one for each, or in the environment.
func TestSimulatePasswords(t *testing.T) {
	none := func(string) string { return "" }
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "passwords")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, tt := range map[string]struct {
		file, env string
		want      string // of door2; "" for an error
	}{
		"one for all":            {file: write("a secret\n"), want: "a secret"},
		"one for each":           {file: write("door1 one\r\ndoor2 two words\r\n\r\n"), want: "two words"},
		"environment":            {env: "secret", want: "secret"},
		"the file wins":          {file: write("a"), env: "b", want: "a"},
		"none":                   {},
		"empty file":             {file: write("\n")},
		"an account without one": {file: write("door1 one\ndoor2\n")},
		"not that account":       {file: write("door1 one\ndoor3 three\n")},
	} {
		s := simulation{passwords: tt.file}
		got := ""
		password, err := s.passwordsOf(func(key string) string {
			if key == simulatePassword {
				return tt.env
			}
			return none(key)
		})
		if err == nil {
			got, err = password("door2")
		}
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && strings.Contains(err.Error(), "one") && strings.Contains(err.Error(), "three") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// How wide the doors spread their return is that of the configuration that is named, or fits their number.
func TestSimulateSpread(t *testing.T) {
	file := filepath.Join(t.TempDir(), "default.toml")
	if err := os.WriteFile(file, []byte("[sip]\nserver = \"wss://127.0.0.1:9\"\nreconnect_spread = \"7s\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]time.Duration{
		"-server wss://127.0.0.1:9 -account d%d 1000":           50 * time.Second,
		"-server wss://127.0.0.1:9 -account d%d 1001":           51 * time.Second,
		"-server wss://127.0.0.1:9 -account d%d 50":             0,
		"-server wss://127.0.0.1:9 -spread 0s -account d%d 900": 0,
		"-config " + file + " -account d%d 1000":                7 * time.Second,
		"-config " + file + " -spread 3s -account d%d 1000":     3 * time.Second,
	} {
		s, err := parseSimulation(strings.Fields(args), &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		if c, err := s.settings(); err != nil || c.SIP.ReconnectSpread != want || len(c.SIP.Servers) != 1 {
			t.Errorf("%s: %v", args, err)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.toml")
	if err := os.WriteFile(bad, []byte("[sip]\nserver = \"http://127.0.0.1:9\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := parseSimulation([]string{"-config", bad, "-account", "d%d", "1"}, &bytes.Buffer{})
	if _, err := s.settings(); err == nil {
		t.Error("a wrong server was taken")
	}
}

// simulateUntil runs a simulation until the server has had so many REGISTERs more, a second has passed since and
// somebody ends it.
func simulateUntil(t *testing.T, srv *siptest.Server, registers int, args string, io streams) int {
	t.Helper()
	before := len(srv.Registers())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for len(srv.Registers()) < before+registers {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(1200 * time.Millisecond)
		cancel()
	}()
	return command(ctx, append([]string{"simulate", "-server", srv.URL()}, strings.Fields(args)...), io)
}

// A whole run: doors register, press, tell so in text and in JSON, and the password is nowhere.
func TestSimulateRuns(t *testing.T) {
	t.Setenv(simulatePassword, "very-secret")
	srv := siptest.New(t, siptest.Options{Password: "very-secret"})
	for _, form := range []string{"", "-json "} {
		var out, told bytes.Buffer
		code := simulateUntil(t, srv, 10, form+"-account door%02d -arrive 100ms 5", streams{&out, &told})
		if code != exitOK || told.Len() > 0 || strings.Contains(out.String(), "very-secret") {
			t.Errorf("%d\n%s%s", code, out.String(), told.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if form == "" {
			for _, says := range []string{"5 doors at " + srv.URL() + ", from door01 to door05", "5 of 5 registered at the end", "taking the registrations back", "kB a door"} {
				if !strings.Contains(out.String(), says) {
					t.Errorf("not told: %s\n%s", says, out.String())
				}
			}
			continue
		}
		for i, line := range lines {
			var r jsonReport
			if err := json.Unmarshal([]byte(line), &r); err != nil || (r.Kind == "summary") != (i == len(lines)-1) || r.Doors != 5 {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
}

// A simulation in which doors do not register, or presses do not ring, has failed.
func TestSimulateFails(t *testing.T) {
	t.Setenv(simulatePassword, "wrong")
	srv := siptest.New(t, siptest.Options{Password: "secret"})
	var out, told bytes.Buffer
	if code := simulateUntil(t, srv, 4, "-account door%02d 2", streams{&out, &told}); code != exitFailed || !strings.Contains(out.String(), "registration-refused-account") {
		t.Errorf("%d\n%s%s", code, out.String(), told.String())
	}
}

// The summary says what happened, and draws it.
func TestSimulateSummary(t *testing.T) {
	var out bytes.Buffer
	cfg := simulate.Config{Doors: make([]simulate.Account, 1000)}
	sh := &shower{w: &out, cfg: cfg, peak: 60 << 20}
	r := simulate.Report{At: 125, Doors: 1000, Registered: 1000, Registrations: 2000, Most: 41, Faults: map[string]int{"dial-refused": 12},
		Falls: []simulate.Fall{{At: 65.2, Lost: 1000, First: 68.4, All: 108.1, Most: 41, Curve: []int{20, 41, 0, 1}}, {At: 110, Lost: 700}}}
	r.Presses = simulate.Presses{Made: 100, Rang: 98, Failed: map[string]int{"unavailable 480": 2}, P50: 0.012, P95: 0.031, Longest: 0.2}
	sh.summary(r)
	for _, says := range []string{"1000 of 1000 registered at the end, after 2:05", "2000, at most 41 in a second", "at 1:05: 1000 doors; the first back 3.2 s later, all 39.7 s after the first; at most 41 in a second",
		"▄█ ▁  0 to 4 s, 41/s", "at 1:50: 700 doors; none is back", "12 × dial-refused", "100, 98 rang; press to ringing 12 ms (median), 31 ms (95 %), 200 ms (longest)", "2 × unavailable 480", "60 MB at most, 61 kB a door"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("not told: %s\n%s", says, out.String())
		}
	}
}
