package setup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/configs"
	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a file, a folder and a door that is made anew of whatever the keeper says.
type house struct {
	t    *testing.T
	dir  string
	file string
	k    *Keeper
	d    *fakeDoor
	runs bool   // the keeper looks after trials by itself
	end  func() // that of the process before
}

const whole = "[sip]\nserver = \"wss://pbx.example.lan\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n"

type fakeDoor struct {
	house      *house
	registered bool
	live       bool // it can change as it is
	anew       int
	changes    []string // users of the door after each change
	told       []Outcome
}

func (d *fakeDoor) Registered() (bool, words.Message) {
	if d.registered {
		return true, words.Message{}
	}
	return false, words.New("not-registered-yet")
}
func (d *fakeDoor) Anew() { d.anew++ }
func (d *fakeDoor) Live(_, is *configs.Config) bool {
	if d.live {
		d.changes = append(d.changes, is.Call.Target)
	}
	return d.live
}
func (d *fakeDoor) Told(o Outcome, _ Version) { d.told = append(d.told, o) }

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: filepath.Join(t.TempDir(), "setup")}
	h.file = filepath.Join(t.TempDir(), "intercom.toml")
	h.write(whole)
	h.d = &fakeDoor{house: h, registered: true}
	h.start()
	return h
}

func (h *house) write(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// start is another process.
func (h *house) start() {
	h.k = Open(Config{Dir: h.dir, File: h.file, Log: slog.New(slog.DiscardHandler),
		Judge: func(text []byte) (*configs.Config, error) { return configs.LoadText(h.file, text) }})
	h.k.Begun(h.d)
	if h.end != nil {
		h.end()
	}
	h.end = func() {}
	if !h.runs {
		return
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	done, k := make(chan struct{}), h.k
	go func() { defer close(done); k.Run(ctx) }()
	h.end = func() { cancel(); <-done }
}

// again is another door in the same process.
func (h *house) again() { h.k.Begun(nil); h.k.Begun(h.d) }

// to is whole with another target.
func to(target string) string { return strings.Replace(whole, "1001", target, 1) }

// target is the target of the door that would be made now.
func (h *house) target() string {
	h.t.Helper()
	text := h.k.Running()
	if text == nil {
		text, _ = os.ReadFile(h.file)
	}
	cfg, _ := configs.Parse("", text)
	return cfg.Call.Target
}

func (h *house) try(text string) Version {
	h.t.Helper()
	v, err := h.k.Try([]byte(text), Who{Name: "anna"}, ByText)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) want(target string) {
	h.t.Helper()
	if got := h.target(); got != target {
		h.t.Errorf("the door calls %s, want %s", got, target)
	}
}

// story runs the keeper in virtual time.
func story(t *testing.T, tell func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.runs = true
		h.start()
		tell(h)
		h.end()
	})
}

func TestWhatIsKeptSurvives(t *testing.T) {
	story(t, func(h *house) {
		h.try(to("2"))
		h.want("2")
		if h.d.anew != 1 {
			t.Errorf("the door was made anew %d times", h.d.anew)
		}
		h.again()
		if _, err := h.k.Keep(0); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		h.want("2")
		h.start()
		h.want("2")
		s := h.k.Status()
		if s.InForce.Outcome != Kept || s.InForce.By.Name != "anna" || s.Trial != nil || len(s.Versions) != 2 || s.Versions[1].Outcome != Original {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatNobodyKeepsGoes(t *testing.T) {
	story(t, func(h *house) {
		h.try(to("2"))
		if _, err := h.k.Keep(0); !errors.Is(err, ErrNotYet) {
			t.Errorf("kept before the door has begun with it: %v", err)
		}
		if _, err := h.k.Try([]byte(to("3")), Who{}, ByText); !errors.Is(err, ErrOnTrial) {
			t.Errorf("two at a time: %v", err)
		}
		time.Sleep(time.Hour) // a long call
		h.want("2")
		h.again()
		time.Sleep(TrialLasts - 2*time.Second)
		h.want("2")
		time.Sleep(4 * time.Second)
		h.want("1001")
		if s := h.k.Status(); s.Trial != nil || s.Versions[0].Outcome != Back || s.Versions[0].Why.Code != "setup-unconfirmed" {
			t.Errorf("%+v", s)
		}
		if len(h.d.told) != 1 || h.d.anew != 2 {
			t.Errorf("told %v, anew %d", h.d.told, h.d.anew)
		}
	})
}

// A door that had a registration and has none with the change goes back soon: nobody can ring.
func TestWhatCostsTheRegistrationGoes(t *testing.T) {
	story(t, func(h *house) {
		h.try(to("2"))
		h.again()
		h.d.registered = false
		if _, err := h.k.Keep(0); !errors.Is(err, ErrNotRegistered) {
			t.Errorf("kept without registration: %v", err)
		}
		time.Sleep(BackAfter + 2*time.Second)
		h.want("1001")
		if s := h.k.Status(); s.Versions[0].Why.Code != "setup-no-registration" {
			t.Errorf("%+v", s.Versions[0])
		}
	})
	// One that had none has until the end, and may be kept.
	story(t, func(h *house) {
		h.d.registered = false
		h.try(to("2"))
		h.again()
		time.Sleep(BackAfter * 2)
		h.want("2")
		if _, err := h.k.Keep(0); err != nil {
			t.Error(err)
		}
	})
}

// A restart ends a trial, the file has the last word, and whoever is at the machine, too.
func TestWhatTakesPrecedence(t *testing.T) {
	story(t, func(h *house) {
		h.try(to("2"))
		h.start()
		h.want("1001")
		if s := h.k.Status(); s.Trial != nil || s.Versions[0].Why.Code != "setup-restarted" {
			t.Errorf("%+v", s)
		}
		h.keep(to("2"))
		h.start()
		h.want("2")
		h.write(to("7")) // the running door does not look
		h.want("2")
		h.start()
		h.want("7")
		if s := h.k.Status(); s.Note.Code != "setup-file-edited" || s.InForce.ID != 0 {
			t.Errorf("%+v", s)
		}
		h.keep(to("3"))
		if err := os.WriteFile(filepath.Join(h.dir, ResetFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		h.start()
		h.want("7")
		if s := h.k.Status(); s.Note.Code != "setup-reset" {
			t.Errorf("%+v", s.Note)
		}
		h.start() // and only once
		h.keep(to("3"))
		h.start()
		h.want("3")
		// A card that has lost some of it.
		if err := os.WriteFile(filepath.Join(h.dir, textName(h.k.Status().InForce.ID)), []byte("[sip"), 0o600); err != nil {
			t.Fatal(err)
		}
		h.start()
		h.want("7")
		if s := h.k.Status(); s.Note.Code != "setup-lost" {
			t.Errorf("%+v", s.Note)
		}
		if err := os.WriteFile(filepath.Join(h.dir, stateFile), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		h.start()
		h.want("7")
		if h.k.Status().Broken.None() {
			t.Error("nobody says that the state is broken")
		}
		h.keep(to("4"))
		if !h.k.Status().Broken.None() {
			t.Error("it is whole again")
		}
	})
}

func (h *house) keep(text string) {
	h.t.Helper()
	h.try(text)
	h.again()
	if _, err := h.k.Keep(0); err != nil {
		h.t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	story(t, func(h *house) {
		_, err := h.k.Try([]byte(strings.Replace(whole, "user =", "usr =", 1)), Who{}, ByText)
		if list, ok := errors.AsType[configs.Faults](err); !ok || list[0].Line != 3 || Code(err) != "setup-faults" {
			t.Errorf("%v", err)
		}
		if _, err := h.k.Try([]byte(whole), Who{}, ByText); !errors.Is(err, ErrSame) {
			t.Errorf("%v", err)
		}
		if _, err := h.k.Keep(0); !errors.Is(err, ErrNoTrial) {
			t.Errorf("%v", err)
		}
		if _, err := h.k.GoBack(0); !errors.Is(err, ErrNoTrial) {
			t.Errorf("%v", err)
		}
		// Whether a text could be tried is told without trying it.
		if err := h.k.Check([]byte(to("2"))); err != nil || h.k.Status().Trial != nil || h.d.anew != 0 {
			t.Errorf("%v, %+v", err, h.k.Status())
		}
		if err := h.k.Check([]byte(whole)); !errors.Is(err, ErrSame) {
			t.Errorf("%v", err)
		}
		if err := h.k.Check([]byte("x")); Code(err) != "setup-faults" {
			t.Errorf("%v", err)
		}
		// A fault that the door can do without is no reason.
		h.try(whole + "[audio]\ninput_gain = 99.0\n")
		// Nor is what somebody else has begun meanwhile what is meant.
		on := h.k.Status().Trial.ID
		if _, err := h.k.Keep(on - 1); !errors.Is(err, ErrOtherTrial) {
			t.Errorf("%v", err)
		}
		if _, err := h.k.GoBack(on + 1); !errors.Is(err, ErrOtherTrial) || h.k.Status().Trial == nil {
			t.Errorf("%v", err)
		}
		if _, err := h.k.GoBack(0); err != nil || h.d.anew != 2 {
			t.Errorf("%v", err)
		}
		h.want("1001")
		h.k.cfg.Elsewhere = true
		if _, err := h.k.Try([]byte(to("2")), Who{}, ByText); !errors.Is(err, ErrElsewhere) {
			t.Errorf("%v", err)
		}
	})
}

// What the running door can take needs no other door; people are kept at once.
func TestLiveChanges(t *testing.T) {
	story(t, func(h *house) {
		h.d.live = true
		h.try(to("2"))
		if s := h.k.Status(); s.Trial == nil || s.Trial.Until.IsZero() || h.d.anew != 0 {
			t.Errorf("%+v, anew %d", s.Trial, h.d.anew)
		}
		time.Sleep(TrialLasts + 2*time.Second)
		h.want("1001")
		if h.d.anew != 0 || strings.Join(h.d.changes, " ") != "2 1001" {
			t.Errorf("anew %d, changes %v", h.d.anew, h.d.changes)
		}
		if _, err := h.k.Try([]byte(to("3")), Who{}, ByPeople); err != nil {
			t.Error(err)
		}
		if s := h.k.Status(); s.Trial != nil || s.InForce.How != ByPeople {
			t.Errorf("%+v", s)
		}
		h.start()
		h.want("3")
	})
}

func TestHistoryIsBounded(t *testing.T) {
	story(t, func(h *house) {
		h.keep(to("1"))
		first := h.k.Status().InForce.ID
		for i := range 30 {
			h.try(to(strings.Repeat("9", i+1)))
			if _, err := h.k.GoBack(0); err != nil {
				t.Fatal(err)
			}
		}
		s := h.k.Status()
		if len(s.Versions) != kept10 || s.InForce.ID != first {
			t.Errorf("%d versions, in force %d", len(s.Versions), s.InForce.ID)
		}
		files, _ := filepath.Glob(filepath.Join(h.dir, "*"+textEnd))
		if len(files) != kept10 {
			t.Errorf("%d texts are kept", len(files))
		}
		for _, v := range s.Versions {
			if _, err := h.k.TextOf(v.ID); err != nil {
				t.Errorf("version %d: %v", v.ID, err)
			}
		}
		h.start()
		h.want("1")
	})
}

var errCut = errors.New("power cut")

// Wherever the power goes, the next start has what was in force before, or what was kept.
func TestPowerCuts(t *testing.T) {
	deeds := map[string]struct {
		do    func(*Keeper)
		after string // once all is written
	}{
		"a trial":       {func(k *Keeper) { _, _ = k.Try([]byte(to("3")), Who{}, ByText) }, "2"},
		"people":        {func(k *Keeper) { _, _ = k.Try([]byte(to("3")), Who{}, ByPeople) }, "3"},
		"to keep":       {func(k *Keeper) { _, _ = k.Try([]byte(to("3")), Who{}, ByText); k.Begun(k.door); _, _ = k.Keep(0) }, "3"},
		"to go back":    {func(k *Keeper) { _, _ = k.Try([]byte(to("3")), Who{}, ByText); k.Begun(k.door); _, _ = k.GoBack(0) }, "2"},
		"the first one": {func(k *Keeper) { _, _ = k.Try([]byte(to("3")), Who{}, ByText); k.Begun(k.door); _, _ = k.Keep(0) }, "3"},
	}
	for what, tt := range deeds {
		for cut := 1; ; cut++ {
			h := newHouse(t)
			h.d.live = what == "people"
			before := "1001"
			if what != "the first one" {
				h.keep(to("2"))
				before = "2"
			}
			step, done := 0, true
			h.k.cut = func(string) error {
				if step++; step >= cut {
					done = false
					return errCut
				}
				return nil
			}
			tt.do(h.k)
			h.start()
			if got := h.target(); got != before && got != tt.after || done && got != tt.after {
				t.Errorf("%s, cut at step %d: the door calls %s", what, cut, got)
			}
			if s := h.k.Status(); s.Trial != nil || !s.Broken.None() || !s.Note.None() {
				t.Errorf("%s, cut at step %d: %+v", what, cut, s)
			}
			h.keep(to("4")) // and all goes on
			h.start()
			h.want("4")
			if done {
				if cut < 3 {
					t.Errorf("%s: only %d steps", what, cut)
				}
				break
			}
		}
	}
}
