package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/configs"
	"intercomd/provision"
)

// provisioned is a machine of a card image for one test.
func provisioned(t *testing.T) (h provisionHost, card string) {
	t.Helper()
	dir := t.TempDir()
	card = filepath.Join(dir, "card")
	for name, text := range map[string]string{"card/intercom.toml": usableConfig("1000"), "default.toml": "[sip]\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return provisionHost{
		onCard: true,
		mount:  func() (string, func(), error) { return card, func() {}, nil },
		places: provision.Places{Kept: filepath.Join(dir, "data/settings"), Run: filepath.Join(dir, "run"), Default: filepath.Join(dir, "default.toml"), Group: -1},
		notes:  filepath.Join(dir, "run/notes"), root: filepath.Join(dir, "root"),
		sethostname: func(string) error { return nil },
		judge:       func(*configs.Config) []configs.Fault { return nil },
	}, card
}

func usableConfig(user string) string {
	return "[sip]\nserver = \"wss://127.0.0.1:1\"\nuser = \"" + user + "\"\npassword = \"hunter22\"\n[call]\ntarget = \"1001\"\n"
}

func putText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A good card, a broken one, a good one again: what is in force, what the daemon shows, and
// what the console says.
func TestProvision(t *testing.T) {
	h, card := provisioned(t)
	for _, tc := range []struct {
		text, user, fault, console string
	}{
		{usableConfig("1000"), "1000", "", ""},
		{"[sip]\nuser = 1\n", "1000", "the configuration on the card has a fault and is not used; the last good one is: intercom.toml:2: sip.user: is a whole number", `put it between quotation marks: "1".`},
		{usableConfig("1001"), "1001", "", ""},
	} {
		putText(t, filepath.Join(card, "intercom.toml"), tc.text)
		var out, console bytes.Buffer
		if code := h.run(streams{out: &out, err: &console}); code != exitOK {
			t.Fatalf("exit code %d\n%s%s", code, out.String(), console.String())
		}
		cfg, err := configs.Load(filepath.Join(h.places.Run, "card/intercom.toml"))
		if err != nil || cfg.SIP.User != tc.user {
			t.Errorf("in force is %q, %v", cfg.SIP.User, err)
		}
		faults := systemNotes(h.notes, slog.New(slog.DiscardHandler))
		if tc.fault == "" && (len(faults) > 0 || console.Len() > 0) {
			t.Errorf("faults %v, console %q", faults, console.String())
		}
		if tc.fault != "" && (len(faults) != 1 || !strings.HasPrefix(faults[0].String(), tc.fault) || !strings.Contains(console.String(), tc.console)) {
			t.Errorf("faults %v, console %q", faults, console.String())
		}
		if strings.Contains(out.String()+console.String(), "hunter22") {
			t.Error("the password is shown")
		}
	}
}

// Whatever fails, there is something to start with and a note.
func TestProvisionNeverFailsTheStart(t *testing.T) {
	for what, spoil := range map[string]func(h *provisionHost){
		"no partition": func(h *provisionHost) {
			h.mount = func() (string, func(), error) { return "", func() {}, errors.New("no medium") }
		},
		"cannot be named":  func(h *provisionHost) { h.sethostname = func(string) error { return errors.New("refused") } },
		"breaks in set-up": func(h *provisionHost) { h.sethostname = func(string) error { panic("a bug of ours") } },
		"nothing kept":     func(h *provisionHost) { h.places.Kept = "/proc/none" },
	} {
		t.Run(what, func(t *testing.T) {
			h, _ := provisioned(t)
			spoil(&h)
			var out, console bytes.Buffer
			if code := h.run(streams{out: &out, err: &console}); code != exitOK {
				t.Errorf("exit code %d: %s", code, console.String())
			}
			if _, err := os.Stat(filepath.Join(h.places.Run, "card/intercom.toml")); err != nil {
				t.Error(err)
			}
			if faults := systemNotes(h.notes, slog.New(slog.DiscardHandler)); len(faults) != 1 || console.Len() == 0 {
				t.Errorf("faults %v, console %q", faults, console.String())
			}
		})
	}
	h, _ := provisioned(t)
	h.judge = func(*configs.Config) []configs.Fault { panic("a bug of ours") }
	var console bytes.Buffer
	if code := h.run(streams{out: &console, err: &console}); code != exitFailed {
		t.Errorf("without settings the exit code is %d", code)
	}
	h.onCard = false
	if code := h.run(streams{out: &console, err: &console}); code != exitFailed {
		t.Errorf("on another system the exit code is %d", code)
	}
}

// Notes come through their files as they are, however long they are.
func TestNotesOfProvisioning(t *testing.T) {
	long := provision.Note{Code: provision.NoteBroken, Params: []string{"place", "intercom.toml:3", "key", "sip.user", "detail", strings.Repeat("ä\n ", 2000), "why", "config-syntax-bare", "name", "user", "value", "a=b"}}
	text := noteText(long)
	m := parseNote(text)
	if len(text) > longestNote || !strings.HasPrefix(m.String(), "the configuration on the card") || m.Remedy() != `put text between quotation marks: user = "a=b"` {
		t.Errorf("%d bytes: %s; %s", len(text), m, m.Remedy())
	}
}
