package update

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installV2 asks for the update in the first seconds of the first start.
func (w *world) installV2(b Bundle) func(time.Duration) {
	asked := false
	return func(up time.Duration) {
		if asked || up < 20*time.Second {
			return
		}
		asked = true
		if err := w.agent.Install(w.t.Context(), b); err != nil && !errors.Is(err, errNoPower) {
			w.t.Errorf("asking for the update: %v", err)
		}
	}
}

// runs checks which version starts, and what became of the update.
func (w *world) runs(version string, stage Stage, why string) {
	w.t.Helper()
	c := w.card
	if got := c.systems[c.committed]; got != version || c.systems[c.running] != version || c.trial {
		w.t.Errorf("%s starts, %s runs (trial %t), want %s", got, c.systems[c.running], c.trial, version)
	}
	if c.record.Stage != stage || c.record.Why.Code != why {
		w.t.Errorf("the record says %s because of %+v, want %s because of %q", c.record.Stage, c.record.Why, stage, why)
	}
}

func story(t *testing.T, tell func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, card: newCard(), door: func(string, time.Duration) *Facts { return working() }}
		tell(t, w)
	})
}

func TestGoodUpdateIsCommitted(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		if n := w.life(20*time.Minute, w.installV2(Bundle{Source: "x"})); n != 2 {
			t.Errorf("%d starts", n)
		}
		w.runs("v2", Committed, "")
		if len(w.card.history) != 1 || w.card.history[0].Old != "v1" || w.card.history[0].Version != "v2" {
			t.Errorf("history: %+v", w.card.history)
		}
		if !w.last.Trouble.None() {
			t.Errorf("the door shows %v", w.last.Trouble)
		}
	})
}

// What is wrong with the new system, and what the door then says.
func TestBadUpdateGoesBack(t *testing.T) {
	fault := func(key, code string) *Facts {
		f := working()
		f.Faults = []Fault{{Key: key, Message: words.New(code)}}
		return f
	}
	for name, c := range map[string]struct {
		why string
		new func(up time.Duration) *Facts
	}{
		"the door does not start": {"trial-door-silent", func(time.Duration) *Facts { return nil }},
		"the door ends again and again": {"trial-door-restarts", func(up time.Duration) *Facts {
			f := working()
			f.Started = time.Unix(int64(up/(20*time.Second)), 0)
			return f
		}},
		"no registration for no reason": {"trial-not-registered", func(time.Duration) *Facts { return without(ReachUnknown, "broken") }},
		"the server refuses it":         {"trial-not-registered", func(time.Duration) *Facts { return without(ReachServer, "403") }},
		"no configuration":              {"trial-no-account", func(time.Duration) *Facts { f := working(); f.Accounts = nil; return f }},
		"no microphone": {"trial-part-missing", func(time.Duration) *Facts {
			f := working()
			f.Parts[0].OK = false
			return f
		}},
		"a new fault":        {"trial-new-fault-told", func(time.Duration) *Facts { return fault("page", "page-off") }},
		"another fault":      {"trial-new-fault-told", func(time.Duration) *Facts { return fault("system.data", "card-data-lost") }},
		"registers for 50 s": {"trial-not-registered", func(up time.Duration) *Facts { return flapping(up, 50*time.Second, 70*time.Second) }},
		"self-test fails": {"trial-self-test-failed", func(up time.Duration) *Facts {
			f := working()
			f.SelfTest = SelfTest{Wanted: true, At: time.Unix(int64(up/(30*time.Second)), 0), Result: "failed"}
			return f
		}},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				w.door = func(v string, up time.Duration) *Facts {
					if v == "v2" {
						return c.new(up)
					}
					return fault("system.data", "card-data-full") // which the old one has always
				}
				begin := time.Now()
				if n := w.life(50*time.Minute, w.installV2(Bundle{Source: "x"})); n != 3 {
					t.Errorf("%d starts, want 3", n)
				}
				w.runs("v1", WentBack, c.why)
				if d := time.Since(begin) - 50*time.Minute; d > 40*time.Minute {
					t.Errorf("the trial took %v", d)
				}
				if w.last.Trouble.Code != "update-went-back" || !strings.Contains(w.last.Trouble.String(), "v2") || w.last.Trouble.Remedy() == "" {
					t.Errorf("the door shows %q, remedy %q", w.last.Trouble, w.last.Trouble.Remedy())
				}
				if h := w.card.history; len(h) != 1 || h[0].Why.Code != c.why {
					t.Errorf("history: %+v", h)
				}
			})
		})
	}
}

// flapping is registered for on of every period, and refused for the rest.
func flapping(up, on, period time.Duration) *Facts {
	if up%period < on {
		return working()
	}
	return without(ReachServer, "503")
}

// A process that ends and starts anew has to prove itself from the beginning.
func TestRestartsOfTheDoorDoNotAddUp(t *testing.T) {
	tr := NewTrial(time.Time{}, working(), LimitsOf(10*time.Minute))
	f := working()
	for s := range 600 {
		now := time.Time{}.Add(time.Duration(s) * time.Second)
		if s%45 == 0 {
			f.Started = now.Add(time.Hour)
		}
		if j := tr.Look(now, f); j.Verdict == Commit {
			t.Fatalf("committed after %d s, with a process of %d s", s, s%45)
		}
	}
}

// What the old system had as well is no fault of the new one.
func TestOldFaultsDoNotCount(t *testing.T) {
	old := working()
	old.Parts[0].OK = false
	old.Faults = []Fault{{Key: "sound.input", Message: words.New("no-microphone", "device", "a")}}
	old.SelfTest = SelfTest{Wanted: true, Result: "failed", At: time.Unix(1, 0)}
	old.Accounts = []Account{{Name: "door", Code: "403", Reach: ReachServer}}
	story(t, func(_ *testing.T, w *world) {
		w.door = func(v string, up time.Duration) *Facts {
			f := *old
			if v == "v2" {
				f.Faults = []Fault{{Key: "sound.input", Message: words.New("no-microphone", "device", "b")}}
				f.SelfTest.At = time.Unix(2+int64(up/time.Minute), 0)
			}
			return &f
		}
		w.life(20*time.Minute, w.installV2(Bundle{Source: "x"}))
		w.runs("v2", Committed, "")
	})
}

// A server that is down is no fault of the new system, however long it takes.
func TestServerThatIsDown(t *testing.T) {
	down := func(from, to time.Duration, reach Reach) func(begin time.Time) func(string, time.Duration) *Facts {
		return func(begin time.Time) func(string, time.Duration) *Facts {
			return func(_ string, up time.Duration) *Facts {
				switch d := time.Since(begin); {
				case d < from || d >= to:
					return working()
				case up%(20*time.Second) < 5*time.Second:
					return without("", "") // between two tries
				default:
					return without(reach, "dial-"+string(reach))
				}
			}
		}
	}
	for name, c := range map[string]struct {
		from, to time.Duration
		reach    Reach
		starts   int
	}{
		"its host answers":                {time.Minute, 90 * time.Minute, ReachHost, 2},
		"nobody answers for a while":      {time.Minute, 25 * time.Minute, ReachSilent, 2},
		"nobody answers, nor did before":  {0, 90 * time.Minute, ReachSilent, 2},
		"nobody answers for a night":      {time.Minute, 90 * time.Minute, ReachSilent, 4},
		"nobody answers until we go back": {time.Minute, 39 * time.Minute, ReachSilent, 4},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				w.door = down(c.from, c.to, c.reach)(time.Now())
				if n := w.life(3*time.Hour, w.installV2(Bundle{Source: "x"})); n != c.starts {
					t.Errorf("%d starts, want %d", n, c.starts)
				}
				w.runs("v2", Committed, "")
			})
		})
	}
}

// Nobody answers the new system, and the old one registers at once: the new one was why.
func TestOldSystemIsTheControl(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.door = func(v string, up time.Duration) *Facts {
			if v == "v2" || up < 30*time.Second {
				return without(ReachSilent, "dial-timeout")
			}
			return working()
		}
		asked := false
		n := w.life(time.Hour, func(up time.Duration) {
			if up > 2*time.Minute && !asked {
				asked = true
				if err := w.agent.Install(t.Context(), Bundle{Source: "x"}); err != nil {
					t.Error(err)
				}
			}
		})
		if n != 3 {
			t.Errorf("%d starts", n)
		}
		w.runs("v1", WentBack, "trial-not-registered")
	})
}

// Never in a call, never beside a released relay, and only in the hours.
func TestRestartWaits(t *testing.T) {
	for name, c := range map[string]struct {
		now  bool
		want time.Duration // at least
	}{"for the hours": {false, 3 * time.Hour}, "for the end of the call only": {true, time.Hour}} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				begin := time.Now()
				w.hours = func(now time.Time) bool { return now.Sub(begin) > 3*time.Hour }
				w.door = func(_ string, _ time.Duration) *Facts {
					f := working()
					d := time.Since(begin)
					f.AtRest = d < 40*time.Second || d > time.Hour
					return f
				}
				var first time.Duration
				seen := map[string]bool{}
				ask := w.installV2(Bundle{Source: "x", Now: c.now})
				w.life(4*time.Hour, func(up time.Duration) {
					ask(up)
					if s, err := w.agent.Status(t.Context()); err == nil {
						seen[s.Waits.Code] = true
					}
					if w.card.boots == 2 && first == 0 {
						first = time.Since(begin)
					}
				})
				if first < c.want || first > c.want+2*time.Minute {
					t.Errorf("restarted after %v, want %v", first, c.want)
				}
				w.runs("v2", Committed, "")
			})
		})
	}
}

func TestInstallationThatFails(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.card.fails = fmt.Errorf("signature verification failed")
		if n := w.life(10*time.Minute, w.installV2(Bundle{Source: "x"})); n != 1 {
			t.Errorf("%d starts", n)
		}
		w.runs("v1", Failed, "update-not-installed")
		if w.last.Trouble.Code != "update-failed" {
			t.Errorf("the door shows %v", w.last.Trouble)
		}
	})
}

// A password in an address would be in status, history and log.
func TestAddressWithASecret(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		var err error
		w.life(time.Minute, func(time.Duration) {
			if err == nil {
				err = w.agent.Install(t.Context(), Bundle{Source: "https://door:canary@example.org/v2.raucb"})
			}
		})
		if !errors.Is(err, ErrSecret) {
			t.Errorf("%v", err)
		}
		w.runs("v1", Nothing, "")
	})
}

// Wherever the power goes, the door ends in the old or the new system, which of the two is
// written down, and nothing restarts for ever.
func TestPowerCuts(t *testing.T) {
	for name, good := range map[string]bool{"good update": true, "bad update": false} {
		t.Run(name, func(t *testing.T) {
			ends := map[string]int{}
			cuts := 0
			for ; ; cuts++ {
				over := false
				story(t, func(t *testing.T, w *world) {
					w.card.cutAfter = cuts
					w.door = func(v string, _ time.Duration) *Facts {
						if v == "v2" && !good {
							return without(ReachServer, "403")
						}
						return working()
					}
					w.life(40*time.Minute, w.installV2(Bundle{Source: "x"}))
					c := w.card
					over = c.cutAfter > 0
					v := c.systems[c.committed]
					if c.running != c.committed || v == "" {
						t.Errorf("cut %d: %s runs, %s starts, versions %v", cuts, c.running, c.committed, c.systems)
					}
					switch {
					case v == "v2" && (c.record.Stage != Committed || !good):
						t.Errorf("cut %d: v2 runs, the record says %+v", cuts, c.record)
					case v == "v1" && c.record.Stage != Failed && c.record.Stage != WentBack && c.record.Stage != Nothing:
						t.Errorf("cut %d: v1 runs, the record says %+v", cuts, c.record)
					}
					if v == "v1" && c.record.Stage != Nothing && w.last.Trouble.None() {
						t.Errorf("cut %d: v1 runs, and the door does not say why", cuts)
					}
					ends[fmt.Sprint(v, " ", c.record.Stage, " ", c.record.Why.Code)]++
				})
				if over || t.Failed() {
					break
				}
			}
			t.Logf("%d cuts: %v", cuts, ends)
			if cuts < 9 {
				t.Errorf("only %d places to cut", cuts)
			}
		})
	}
}

func TestHistoryIsBounded(t *testing.T) {
	d := Dir(t.TempDir())
	if r, err := d.Load(); err != nil || r.Stage != Nothing {
		t.Errorf("a new one has %+v, %v", r, err)
	}
	for i := range 400 {
		if err := d.Append(Entry{Stage: Committed, Version: fmt.Sprint("v", i), Source: strings.Repeat("x", 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	h, err := d.History()
	if err != nil || len(h) < 20 || len(h) > 70 || h[len(h)-1].Version != "v399" {
		t.Errorf("%d entries, %v", len(h), err)
	}
	want := Record{Stage: Installed, Before: working(), Why: words.New("x", "a", "b"), At: time.Unix(1e9, 0).UTC()}
	if err := d.Save(want); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Load(); err != nil || got.Stage != want.Stage || got.Before.Parts[0] != want.Before.Parts[0] || got.Why != want.Why {
		t.Errorf("%+v, %v", got, err)
	}
}

// A fault that a new system brings is told in whatever language, with its own parameters; of
// one with a reason, the reason.
func TestNewFaultIsTold(t *testing.T) {
	for want, m := range map[string]words.Message{
		"x: GPIO chip c cannot be used: gone; the old system did not have this fault":          words.New("chip-fails", "chip", "c", "detail", "gone"),
		"x: another program is using the sound device; the old system did not have this fault": words.New("no-microphone").Because(words.New("device-busy")),
	} {
		got := words.New("update-went-back", "version", "v2").Because(newFault(Fault{Key: "x", Message: m})).String()
		if !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
