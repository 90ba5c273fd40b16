package station

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/words"
)

// tester is the sound that tries itself out.
type tester struct {
	mu         sync.Mutex  // guards the rest
	ended      func() bool // reports whether it was told to end
	done       func(SelfTestResult)
	commission bool
	runs       int
}

func (t *tester) test(ctx context.Context, commission bool, done func(SelfTestResult)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended, t.commission, t.done = func() bool { return ctx.Err() != nil }, commission, done
	t.runs++
}

// last is how things stand.
func (t *tester) last() (l struct {
	ended      func() bool
	done       func(SelfTestResult)
	commission bool
	runs       int
}) {
	synctest.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	l.ended, l.done, l.commission, l.runs = t.ended, t.done, t.commission, t.runs
	return l
}

// says ends the test.
func (t *tester) says(verdict string) {
	t.last().done(SelfTestResult{Verdict: verdict, Problem: words.New("told", "detail", "it is "+verdict, "remedy", "mend it"), Coupling: -12, Chirps: 2})
	synctest.Wait()
}

// testStory is a story of a door with a self-test daily at 0:30, which begins at
// midnight.
func testStory(t *testing.T, tell func(h *house, c *tester)) {
	t.Helper()
	c := &tester{}
	story(t, func(h *house) { tell(h, c) }, func(cfg *Config) {
		cfg.SelfTest = SelfTestConfig{Daily: true, Minute: 30}
		cfg.Ports.SelfTest = c.test
	})
}

func (h *house) tests(t *testing.T, state string, faults int) SelfTest {
	t.Helper()
	s := h.snap()
	if s.SelfTest.State != state || len(s.Faults) != faults {
		t.Fatalf("self-test %+v, faults %+v; want %s and %d", s.SelfTest, s.Faults, state, faults)
	}
	return s.SelfTest
}

func TestSelfTestEveryNight(t *testing.T) {
	testStory(t, func(h *house, c *tester) {
		h.tests(t, TestNever, 0)
		time.Sleep(29 * time.Minute)
		if c.last().runs != 0 {
			t.Fatal("too early")
		}
		time.Sleep(2 * time.Minute)
		h.tests(t, TestRunning, 0)
		c.says(TestPassed)
		time.Sleep(time.Second)
		s := h.tests(t, TestPassed, 0)
		if s.Coupling != -12 || s.Next.Sub(s.At) < 23*time.Hour || c.last().commission {
			t.Errorf("%+v", s)
		}
		by := func() {
			if err := h.st.Do(context.Background(), Command{Kind: CommandTest}); err != nil {
				t.Fatal(err)
			}
		}
		by()
		h.tests(t, TestRunning, 0)
		c.says(TestFailed)
		time.Sleep(time.Second)
		h.tests(t, TestFailed, 1)
		if f := h.snap().Faults[0]; f.Key != "sound.selftest" || f.String() != "acoustic self-test: it is failed" || f.Remedy() != "mend it" {
			t.Errorf("%+v", f)
		}
		by()
		h.tests(t, TestRunning, 1)
		c.says(TestPassed)
		time.Sleep(time.Second)
		h.tests(t, TestPassed, 0)
		if c.last().runs != 3 {
			t.Errorf("%d runs", c.last().runs)
		}
	})
}

func TestSelfTestWaitsForTheEndOfACall(t *testing.T) {
	testStory(t, func(h *house, c *tester) {
		time.Sleep(29 * time.Minute)
		h.press("bell")
		h.last().happens(Answered)
		time.Sleep(90 * time.Second)
		if c.last().runs != 0 {
			t.Fatal("a chirp in a call")
		}
		h.press("bell") // hangs up
		time.Sleep(9 * time.Minute)
		if c.last().runs != 0 {
			t.Fatal("at once")
		}
		time.Sleep(time.Minute)
		h.tests(t, TestRunning, 0)
	})
}

func TestWhoNeedsTheDoorEndsTheSelfTest(t *testing.T) {
	for name, need := range map[string]func(h *house){
		"press":  func(h *house) { h.press("bell") },
		"caller": func(h *house) { h.st.Offer(h.call("1001")) },
		"page": func(h *house) {
			if err := h.st.Do(context.Background(), Command{Kind: CommandPress, Button: "bell"}); err != nil {
				h.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			testStory(t, func(h *house, c *tester) {
				time.Sleep(31 * time.Minute)
				h.tests(t, TestRunning, 0)
				need(h)
				synctest.Wait()
				if !c.last().ended() || h.snap().SelfTest.State != TestInterrupted {
					t.Fatalf("it goes on: %+v", h.snap().SelfTest)
				}
				old := c.last().done
				c.says(TestFailed) // too late
				time.Sleep(5 * time.Minute)
				h.tests(t, TestInterrupted, 0)
				time.Sleep(6 * time.Minute)
				h.tests(t, TestRunning, 0)
				old(SelfTestResult{Verdict: TestFailed}) // later still
				time.Sleep(time.Second)
				h.tests(t, TestRunning, 0)
			})
		})
	}
}

// Noise all night: it is not tried for ever.
func TestSelfTestGivesUpForTheDay(t *testing.T) {
	testStory(t, func(h *house, c *tester) {
		time.Sleep(31 * time.Minute)
		for i := range testTries + 1 {
			if c.last().runs != i+1 {
				t.Fatalf("%d runs, want %d", c.last().runs, i+1)
			}
			c.says(TestUnclear)
			time.Sleep(10*time.Minute + time.Second)
		}
		if s := h.tests(t, TestUnclear, 0); c.last().runs != testTries+1 || s.Next.Sub(s.At) < 20*time.Hour {
			t.Errorf("%d runs, the next at %v", c.last().runs, s.Next)
		}
	})
}

func TestSelfTestByHand(t *testing.T) {
	testStory(t, func(h *house, c *tester) {
		do := func(commission bool) error {
			return h.st.Do(context.Background(), Command{Kind: CommandTest, Commission: commission})
		}
		if err := do(true); err != nil || !c.last().commission {
			t.Fatal(err, c.last().commission)
		}
		if err := do(false); !errors.Is(err, ErrNotIdle) {
			t.Errorf("two at a time: %v", err)
		}
		h.press("bell")
		if err := do(false); !errors.Is(err, ErrNotIdle) {
			t.Errorf("in a call: %v", err)
		}
		h.press("bell")
		time.Sleep(15 * time.Minute)
		h.tests(t, TestInterrupted, 0)
		if c.last().runs != 1 {
			t.Errorf("asked for once, ran %d times", c.last().runs)
		}
	})
	story(t, func(h *house) {
		if err := h.st.Do(context.Background(), Command{Kind: CommandTest}); !errors.Is(err, ErrNotKnown) {
			t.Errorf("a door that cannot: %v", err)
		}
	})
}

// At a time that is a guess nothing is played, and a clock that is set does not
// bring up what it has jumped over.
func TestSelfTestAndTheClock(t *testing.T) {
	var known atomic.Bool
	c := &tester{}
	story(t, func(*house) {
		time.Sleep(45 * time.Minute)
		if c.last().runs != 0 {
			t.Error("a chirp at a time that is a guess")
		}
		known.Store(true)
		time.Sleep(10 * time.Minute)
		if c.last().runs != 1 {
			t.Errorf("%d runs", c.last().runs)
		}
	}, func(cfg *Config) {
		cfg.SelfTest = SelfTestConfig{Daily: true, Minute: 30}
		cfg.Ports.SelfTest, cfg.Ports.ClockKnown = c.test, known.Load
	})
	s := Station{cfg: Config{SelfTest: SelfTestConfig{Daily: true, Minute: 210}}}
	s.test.due = time.Date(1970, 1, 1, 3, 30, 0, 0, time.UTC)
	s.testDue(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 11, 27, 3, 30, 0, 0, time.UTC); !s.test.due.Equal(want) || s.test.cancel != nil {
		t.Errorf("due %v", s.test.due)
	}
}

// The last test is shown after a restart, and a fault that it raised stays.
func TestSelfTestAcrossARestart(t *testing.T) {
	var kept []TestMemory
	keeps := func(cfg *Config) { cfg.Ports.PersistTest = func(m TestMemory) { kept = append(kept, m) } }
	run := func(c *tester, before TestMemory, tell func(h *house)) {
		story(t, tell, keeps, func(cfg *Config) {
			cfg.Ports.SelfTest = c.test
			cfg.SelfTest = SelfTestConfig{Commissioned: time.Unix(1, 0), Kept: before}
		})
	}
	by := func(h *house, c *tester, verdict string) {
		h.asks(Command{Kind: CommandTest})
		c.says(verdict)
		time.Sleep(time.Second)
	}
	c := &tester{}
	var first, last time.Time
	run(c, TestMemory{}, func(h *house) {
		h.tests(t, TestNever, 0)
		by(h, c, TestFailed)
		first = h.tests(t, TestFailed, 1).At
		by(h, c, TestFailed)
		by(h, c, TestUnclear)
		last = h.tests(t, TestUnclear, 1).At
		h.asks(Command{Kind: CommandTest})
		h.press("bell") // interrupts: that is no result
		h.tests(t, TestInterrupted, 1)
	})
	if len(kept) != 3 {
		t.Fatalf("kept %+v", kept)
	}
	if !kept[2].Since.Equal(first) {
		t.Errorf("kept %+v, failed first at %v", kept[2], first)
	}
	kept[2].Since = first.Add(-time.Hour) // each story begins at the same time
	run(c, kept[2], func(h *house) {
		if s := h.tests(t, TestUnclear, 1); !s.At.Equal(last) || s.Problem.String() != "it is unclear" || s.Coupling != -12 || s.Commissioned.Unix() != 1 {
			t.Errorf("%+v", s)
		}
		if f := h.snap().Faults[0]; f.Key != "sound.selftest" || f.String() != "acoustic self-test: it is failed" || f.Remedy() != "mend it" || !f.Since.Equal(kept[2].Since) {
			t.Errorf("%+v", f)
		}
		by(h, c, TestPassed)
		h.tests(t, TestPassed, 0)
	})
	if len(kept) != 4 {
		t.Fatalf("kept %+v", kept)
	}
	run(c, kept[3], func(h *house) { h.tests(t, TestPassed, 0) })
	// Where the sound cannot be tried, no test could take the fault back.
	story(t, func(h *house) { h.tests(t, TestUnclear, 0) }, func(cfg *Config) { cfg.SelfTest.Kept = kept[2] })
	// A clock that was set back meanwhile.
	kept[2].Since = time.Now().Add(1000 * time.Hour)
	run(c, kept[2], func(h *house) {
		if f := h.snap().Faults[0]; f.Since.After(time.Now()) {
			t.Errorf("%+v", f)
		}
	})
}
