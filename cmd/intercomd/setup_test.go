package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/configs"
	"intercomd/setup"
	"intercomd/words"
)

// quietDoor takes everything as it is.
type quietDoor struct{}

func (quietDoor) Registered() (bool, words.Message)     { return true, words.Message{} }
func (quietDoor) Anew()                                 {}
func (quietDoor) Live(_, _ *configs.Config) bool        { return true }
func (quietDoor) Told(_ setup.Outcome, _ setup.Version) {}

// Whoever is at the machine is told which configuration is in force, and has the file back.
func TestConfigCommand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	text := fmt.Sprintf("[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[state]\ndir = %q\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := command(t.Context(), args, streams{&out, &errs}); code != exitOK {
			t.Errorf("%v: %d, %s", args, code, &errs)
		}
		return out.String()
	}
	if got := run("config", file); got != "in force: "+file+"\n" {
		t.Errorf("without a change: %q", got)
	}
	f := loadInForce(file, nil)
	k := openSetup(f, slog.New(slog.DiscardHandler)).keeper
	k.Begun(quietDoor{})
	if _, err := k.Try([]byte(strings.Replace(text, "1001", "1002", 1)), setup.Who{Name: "anna"}, setup.ByPeople); err != nil {
		t.Fatal(err)
	}
	if got := run("config", "status", file); !strings.Contains(got, "in force: version 2 of the page") || !strings.Contains(got, "by anna") || !strings.Contains(got, "intercomd config reset") {
		t.Errorf("with a change: %q", got)
	}
	if got := run("check", "--lang", "en", file); !strings.Contains(got, "version 2, set up on the page") {
		t.Errorf("check: %q", got)
	}
	if got := run("config", "show", file); !strings.Contains(got, "1002") {
		t.Errorf("show: %q", got)
	}
	if c := loadKept(file).Config; c.Call.Target != "1002" {
		t.Errorf("other commands see %q", c.Call.Target)
	}
	run("config", "reset", file)
	if got := run("config", file); got != "in force: "+file+"\n" {
		t.Errorf("after the reset: %q", got)
	}
	if k := openSetup(loadInForce(file, nil), slog.New(slog.DiscardHandler)).keeper; k.Running() != nil || k.Status().Note.Code != "setup-reset" {
		t.Errorf("the next start: %+v", k.Status())
	}
}
