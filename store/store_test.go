package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T) *Dir {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type thing struct {
	Name string   `json:"name"`
	List []string `json:"list"`
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	s := open(t)
	var got thing
	if err := s.Load("thing.json", &got); err != nil || got.Name != "" {
		t.Fatalf("fresh store: %+v, %v", got, err)
	}
	want := thing{"parcel", []string{"a", "b"}}
	if err := s.Save("thing.json", want, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Load("thing.json", &got); err != nil || got.Name != want.Name || len(got.List) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	if files, _ := os.ReadDir(s.dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	put(t, s.Path("thing.json"), `{"name":"x",`)
	if err := s.Load("thing.json", &got); err == nil || !strings.Contains(err.Error(), "thing.json") {
		t.Errorf("half a file: %v", err)
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInstanceStaysTheSame(t *testing.T) {
	s := open(t)
	a, err := s.Instance()
	if err != nil || !strings.HasPrefix(a, "urn:uuid:") {
		t.Fatalf("%q, %v", a, err)
	}
	if b, err := s.Instance(); err != nil || a != b {
		t.Errorf("then %q, %v", b, err)
	}
	put(t, s.Path(instanceFile), "nonsense")
	if c, err := s.Instance(); err != nil || c == a || !strings.HasPrefix(c, "urn:uuid:") {
		t.Errorf("after damage %q, %v", c, err)
	}
}

func TestClockIsKept(t *testing.T) {
	s := open(t)
	if !s.Clock().IsZero() {
		t.Error("a time before any was kept")
	}
	now := time.Now().UTC().Truncate(time.Second)
	if err := s.SaveClock(now); err != nil || !s.Clock().Equal(now) {
		t.Errorf("%v, %v", s.Clock(), err)
	}
	put(t, s.Path(clockFile), "noon")
	if !s.Clock().IsZero() {
		t.Errorf("damage is read as %v", s.Clock())
	}
}

func TestStoreWithoutADirectory(t *testing.T) {
	if _, err := Open(""); err == nil {
		t.Error("no error")
	}
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, "")
	if _, err := Open(filepath.Join(file, "state")); err == nil {
		t.Error("no error")
	}
}

// Two programs on one directory: the second one leaves it alone and says who has it.
func TestDirectoryIsOneProgramsOwn(t *testing.T) {
	first := open(t)
	if err := first.Take(); err != nil {
		t.Fatal(err)
	}
	second, err := Open(first.dir)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("in use by another intercomd, process %d", os.Getpid())
	if err := second.Take(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the second one: %v", err)
	}
	first.Release()
	if err := second.Take(); err != nil {
		t.Errorf("after the first one's end: %v", err)
	}
	second.Release()
	third := open(t)
	if err := os.Mkdir(third.Path(lockFile), 0o700); err != nil { // no lock can be had
		t.Fatal(err)
	}
	if err := third.Take(); err != nil {
		t.Errorf("without a lock nothing is kept any more: %v", err)
	}
}
