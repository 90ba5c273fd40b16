package door

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/configs"
	"intercomd/station"
	"intercomd/store"
)

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStoreKeepsMemory(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	var got station.Memory
	if err := s.Load(memoryFile, &got); err != nil || got.DoNotDisturb {
		t.Fatalf("fresh store: %+v, %v", got, err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	want := station.Memory{Wrong: []time.Time{now}, LockedUntil: now.Add(time.Hour), Used: []string{"parcel"}, DoNotDisturb: true}
	if err := s.Save(memoryFile, want, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(memoryFile, &got); err != nil {
		t.Fatal(err)
	}
	if !got.LockedUntil.Equal(want.LockedUntil) || !slices.Equal(got.Used, want.Used) || !got.DoNotDisturb || len(got.Wrong) != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBrokenMemoryIsSaidAndNotUsed(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(memoryFile), []byte(`{"doNotDisturb":true,`), 0o600); err != nil {
		t.Fatal(err)
	}
	var m station.Memory
	if err := s.Load(memoryFile, &m); err == nil || !strings.Contains(err.Error(), memoryFile) {
		t.Errorf("memory %+v, error %v", m, err)
	}
}

// Without what was kept nobody knows which codes have opened once: they must not do so again.
func TestForgottenMemoryVoidsCodesThatOpenOnce(t *testing.T) {
	cfg := configs.Default()
	cfg.Codes = []configs.Code{{Name: "anna"}, {Name: "parcel", Once: true}}
	for name, tt := range map[string]struct {
		prepare func(dir string)
		used    []string
	}{
		"fresh":     {func(string) {}, nil},
		"kept":      {func(dir string) { put(t, filepath.Join(dir, memoryFile), `{"used":["old"]}`) }, []string{"old"}},
		"damaged":   {func(dir string) { put(t, filepath.Join(dir, memoryFile), `{"used":[`) }, []string{"parcel"}},
		"no folder": {func(dir string) { put(t, dir, "") }, []string{"parcel"}},
	} {
		cfg.State.Dir = filepath.Join(t.TempDir(), "state")
		tt.prepare(cfg.State.Dir)
		d := &Door{cfg: &cfg}
		if m := d.openState(); !slices.Equal(m.Used, tt.used) {
			t.Errorf("%s: used %q, want %q", name, m.Used, tt.used)
		}
	}
}

func TestAuditAppends(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []audit{{User: "1001", How: "code", Name: "anna", OK: true}, {User: "1002", How: "code", Why: station.RefusedCode}} {
		if err := s.Log(auditFile, maxAudit).Append(a); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(s.Path(auditFile))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(data)), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "wrong-code") {
		t.Errorf("audit log:\n%s", data)
	}
}

// The second of two doors on one state directory leaves it alone, and says who has it.
func TestStateDirectoryIsOneDoors(t *testing.T) {
	cfg := configs.Default()
	cfg.State.Dir = t.TempDir()
	first, second := &Door{cfg: &cfg}, &Door{cfg: &cfg}
	first.openState()
	defer first.release()
	second.openState()
	if first.keep == nil || len(first.faults) > 0 {
		t.Fatalf("the first one does not have its directory: %v", first.faults)
	}
	if second.keep != nil || len(second.faults) != 1 || !strings.Contains(second.faults[0].String(), "in use by another intercomd, process ") {
		t.Errorf("the second one has keep %v, faults %v", second.keep, second.faults)
	}
}
