package store

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestResetForgetsWhatWasWishedAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"memory.json", "audit.log"} {
		if err := s.Replace(name, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "page", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	var who string
	if done, err := Reset(dir, &who, "memory.json"); done || err != nil || len(names(t, dir)) != 3 {
		t.Fatalf("nobody wished it: %v %v %q", done, err, names(t, dir))
	}
	if err := s.WishReset("anna"); err != nil {
		t.Fatal(err)
	}
	if done, err := Reset(dir, &who, "memory.json"); !done || err != nil || who != "anna" {
		t.Fatalf("%v %v %q", done, err, who)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"memory.json"}) {
		t.Errorf("left: %q", got)
	}
	if done, _ := Reset(dir, &who); done || len(names(t, dir)) != 1 {
		t.Error("once is enough")
	}
	if done, err := Reset(filepath.Join(dir, "nowhere"), &who); done || err != nil {
		t.Error(done, err)
	}
}

// While the wish is there, something may be left; a start goes on with it, whatever is in the wish.
func TestResetGoesOnAfterAPowerCut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", resetFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var v struct{}
	if done, err := Reset(dir, &v); !done || err != nil || len(names(t, dir)) != 0 {
		t.Fatal(done, err, names(t, dir))
	}
}
