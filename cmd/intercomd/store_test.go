package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"intercomd/configs"
	"intercomd/station"
)

func TestStoreKeepsMemory(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.memory(); err != nil || m.DoNotDisturb {
		t.Fatalf("fresh store: %+v, %v", m, err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	want := station.Memory{Wrong: []time.Time{now}, LockedUntil: now.Add(time.Hour), Used: []string{"parcel"}, DoNotDisturb: true}
	if err := s.saveMemory(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.memory()
	if err != nil {
		t.Fatal(err)
	}
	if !got.LockedUntil.Equal(want.LockedUntil) || !slices.Equal(got.Used, want.Used) || !got.DoNotDisturb || len(got.Wrong) != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if files, _ := os.ReadDir(s.dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestBrokenMemoryIsSaidAndNotUsed(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(memoryFile), []byte(`{"doNotDisturb":true,`), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := s.memory()
	if err == nil || !strings.Contains(err.Error(), memoryFile) || m.DoNotDisturb {
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
		d := &daemon{cfg: &cfg}
		if m := d.openStore(); !slices.Equal(m.Used, tt.used) {
			t.Errorf("%s: used %q, want %q", name, m.Used, tt.used)
		}
	}
}

func TestInstanceStaysTheSame(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.instance()
	if err != nil || !strings.HasPrefix(a, "urn:uuid:") {
		t.Fatalf("%q, %v", a, err)
	}
	if b, err := s.instance(); err != nil || a != b {
		t.Errorf("then %q, %v", b, err)
	}
	if err := os.WriteFile(s.path(instanceFile), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := s.instance(); err != nil || c == a || !strings.HasPrefix(c, "urn:uuid:") {
		t.Errorf("after damage %q, %v", c, err)
	}
}

func TestAuditAppends(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []audit{{User: "1001", How: "code", Name: "anna", OK: true}, {User: "1002", How: "code", Why: station.RefusedCode}} {
		if err := s.audit(a); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(s.path(auditFile))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(data)), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "wrong-code") {
		t.Errorf("audit log:\n%s", data)
	}
}

func TestAuditIsBounded(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := audit{User: strings.Repeat("1", 100_000), How: "code"}
	for range 40 {
		if err := s.audit(a); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(s.dir)
	if err != nil || len(files) != 2 {
		t.Errorf("files %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Size() > maxAudit+200_000 {
			t.Errorf("%s: %v, %v", f.Name(), info, err)
		}
	}
}

func TestStoreWithoutADirectory(t *testing.T) {
	if _, err := openStore(""); err == nil {
		t.Error("no error")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(filepath.Join(file, "state")); err == nil {
		t.Error("no error")
	}
}
