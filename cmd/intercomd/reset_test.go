package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"intercomd/door"
	"intercomd/station"
	"intercomd/store"
)

// A door that was to be reset starts as a new one: what was kept is gone, but for what keeps it shut.
func TestAResetDoorIsANewOne(t *testing.T) {
	dir := t.TempDir()
	state, err := store.Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{memoryFile: `{"used":["postman"],"doNotDisturb":true}`, auditFile: "{}\n", baselineFile: "{}", instanceFile: "0b6ba3ab-2e4f-4a0c-9d4c-5b7cbe3e1e49"} {
		if err := state.Replace(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pageOf := filepath.Join(dir, "state", "page")
	if err := os.MkdirAll(pageOf, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pageOf, accountsFile), []byte(`{"accounts":"none that can be read"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := state.WishReset(station.Principal{Via: station.ViaPage, Name: "anna"}); err != nil {
		t.Fatal(err)
	}
	d := startDoor(t, dir, "[sip]\nserver = \"wss://127.0.0.1:9\"\nuser = \"1000\"\npassword = \"x\"\n[call]\ntarget = \"1001\"\n[board]\ndriver = \"sim\"\n")
	d.snapshot("the door is there", func(s *station.Snapshot) bool { return s.State == station.Idle && !s.Door.DoNotDisturb })
	if !strings.Contains(d.log.String(), "it is a new one now") || !strings.Contains(d.log.String(), "anna") {
		t.Errorf("the log does not say who made a new door of it:\n%s", d.log)
	}
	var m station.Memory
	if err := state.Load(memoryFile, &m); err != nil || len(m.Used) != 1 {
		t.Errorf("a code that opens once may open again: %+v, %v", m, err)
	}
	if _, err := os.Stat(state.Path(baselineFile)); err == nil {
		t.Error("the acoustic baseline is still there")
	}
	if _, done, _ := door.Reset(door.Load(filepath.Join(dir, "door.toml")).Config); done {
		t.Error("the next start resets again")
	}
}
