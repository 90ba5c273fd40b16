package station

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/words"
)

var installer = Principal{Via: ViaPage, Name: "anna", From: "192.0.2.7"}

func (h *house) do(c Command) error {
	c.By = installer
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := h.st.Do(ctx, c)
	synctest.Wait()
	return err
}

func (h *house) must(c Command) {
	h.t.Helper()
	if err := h.do(c); err != nil {
		h.t.Fatalf("%+v: %v", c, err)
	}
}

// check is how a check of the walk stands.
func (h *house) check(k CheckKind, of string) Check {
	h.t.Helper()
	synctest.Wait()
	for _, c := range h.st.Walk().Checks {
		if c.Kind == k && c.Of == of {
			return c
		}
	}
	h.t.Fatalf("there is no check %s %q in %+v", k, of, h.st.Walk())
	return Check{}
}

func (h *house) checked(k CheckKind, of string, want CheckResult, code string) {
	h.t.Helper()
	if c := h.check(k, of); c.Result != want || c.Note.Code != code {
		h.t.Fatalf("%s %q is %s (%s), want %s (%s)", k, of, c.Result, c.Note.Code, want, code)
	}
}

func TestTheWalkIsEverythingThatCanBeTried(t *testing.T) {
	story(t, func(h *house) {
		var got []string
		for _, c := range h.st.Walk().Checks {
			got = append(got, strings.TrimSpace(string(c.Kind)+" "+c.Of))
		}
		want := []string{"button bell", "lamp status", "tone", "speak", "call 1001", "relay door"}
		if !slices.Equal(got, want) {
			t.Errorf("the walk is %q, want %q", got, want)
		}
		if got := h.snap().Targets; !slices.Equal(got, []Target{{Name: "reception", Label: "Reception"}, {Name: "1001"}}) {
			t.Errorf("targets %+v", got)
		}
	}, func(c *Config) { c.Targets = []TargetConfig{{Name: "reception", Label: "Reception"}} })
}

func TestAPressThatSomebodyWaitsForRingsAllTheSame(t *testing.T) {
	story(t, func(h *house) {
		h.must(Command{Kind: CommandCheck, Check: CheckButton, Of: "bell"})
		h.checked(CheckButton, "bell", CheckRunning, "")
		h.press("bell")
		h.checked(CheckButton, "bell", CheckPassed, "")
		h.expect("lamp status fast", "play calling", "dial 1001")
		if c := h.check(CheckButton, "bell"); c.By != installer || c.At.IsZero() {
			t.Errorf("%+v", c)
		}
		h.last().ends(Ending{Cause: CauseBusy})
		if len(news[VisitorMissed](h)) != 1 {
			t.Error("the press of the walk was no press")
		}
	})
}

func TestAButtonThatNobodyPressesFails(t *testing.T) {
	story(t, func(h *house) {
		h.must(Command{Kind: CommandCheck, Check: CheckButton, Of: "bell"})
		time.Sleep(pressWithin + time.Second)
		h.checked(CheckButton, "bell", CheckFailed, "check-not-pressed")
		h.press("bell")
		h.checked(CheckButton, "bell", CheckFailed, "check-not-pressed")
		h.last().ends(Ending{Cause: CauseBusy})
	})
}

func TestALampIsLitUntilSomebodySaysThatTheySawIt(t *testing.T) {
	story(t, func(h *house) {
		h.must(Command{Kind: CommandCheck, Check: CheckLamp, Of: "status"})
		h.checked(CheckLamp, "status", CheckAsked, "")
		h.expect("lamp status on")
		h.must(Command{Kind: CommandJudge, Check: CheckLamp, Of: "status", Result: CheckPassed})
		h.expect("lamp status pulse")
		h.checked(CheckLamp, "status", CheckPassed, "")
		if err := h.do(Command{Kind: CommandJudge, Check: CheckLamp, Of: "status", Result: CheckFailed}); Code(err) != "not-asked" {
			t.Error("judged twice: ", err)
		}
		// Nobody says anything: the lamp goes on with its work, and the question stays.
		h.must(Command{Kind: CommandCheck, Check: CheckLamp, Of: "status"})
		time.Sleep(lampFor + time.Second)
		h.expect("lamp status on", "lamp status pulse")
		h.checked(CheckLamp, "status", CheckAsked, "")
	})
}

func TestAVisitorEndsWhatIsTried(t *testing.T) {
	for _, k := range []CheckKind{CheckLamp, CheckTone, CheckSpeak} {
		t.Run(string(k), func(t *testing.T) {
			story(t, func(h *house) {
				of := map[CheckKind]string{CheckLamp: "status"}[k]
				h.must(Command{Kind: CommandCheck, Check: k, Of: of})
				h.forget()
				h.press("bell")
				got := h.take()
				if n := len(got); n < 3 || !slices.Equal(got[n-2:], []string{"play calling", "dial 1001"}) {
					t.Errorf("a press during a check: %q", got)
				}
				if k == CheckSpeak {
					h.checked(k, of, CheckOpen, "check-interrupted")
				}
				h.last().ends(Ending{Cause: CauseBusy})
			})
		})
	}
}

func TestTheMicrophoneIsHeardOnlyWhileSomebodySpeaks(t *testing.T) {
	for level, want := range map[float64]CheckResult{-20: CheckPassed, -60: CheckFailed} {
		story(t, func(h *house) {
			h.mu.Lock()
			h.gauges.Mic = Level{Peak: -100, RMS: -100}
			h.mu.Unlock()
			h.must(Command{Kind: CommandCheck, Check: CheckSpeak})
			if !h.prepared {
				t.Error("the microphone rests")
			}
			h.mu.Lock()
			h.gauges.Mic = Level{Peak: level, RMS: level}
			h.mu.Unlock()
			time.Sleep(speakFor / 2)
			h.mu.Lock()
			h.gauges.Mic = Level{Peak: -100, RMS: -100}
			h.mu.Unlock()
			time.Sleep(speakFor)
			if c := h.check(CheckSpeak, ""); c.Result != want || c.Note.Params.Map()["level"] == "" {
				t.Errorf("%v dBFS: %+v", level, c)
			}
			h.expect("microphone off")
		})
	}
}

func TestATestCallIsMarkedAndNobodyWasMissed(t *testing.T) {
	story(t, func(h *house) {
		h.must(Command{Kind: CommandDial, Target: "1001", Test: true})
		if s := h.snap(); s.State != Calling || !s.Call.Test {
			t.Errorf("%+v", s.Call)
		}
		h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
		if r := h.snap().Calls[0]; !r.Test || r.Button != "" {
			t.Errorf("%+v", r)
		}
		if n := news[VisitorMissed](h); len(n) > 0 {
			t.Errorf("nobody stood there, and people were told: %+v", n)
		}
		if err := h.do(Command{Kind: CommandDial, Target: "+49900123"}); Code(err) != "no-such-target" {
			t.Error("anybody can be called: ", err)
		}
	})
}

func TestAVisitorsPressEndsATestCallAndRings(t *testing.T) {
	for name, so := range map[string]func(c *fakeCall){"calling": func(*fakeCall) {}, "talking": func(c *fakeCall) { c.happens(Answered) }} {
		t.Run(name, func(t *testing.T) {
			story(t, func(h *house) {
				h.must(Command{Kind: CommandDial, Target: "1001", Test: true})
				so(h.last())
				h.press("bell")
				s := h.snap()
				if s.State != Calling || s.Call.Test || s.Call.Button != "bell" || len(h.calls) != 2 {
					t.Fatalf("after the press: %s, %+v, %d calls", s.State, s.Call, len(h.calls))
				}
				h.press("bell") // which ends an ordinary call, as always
				if s := h.snap(); s.State != Idle || len(h.calls) != 2 {
					t.Errorf("%s, %d calls", s.State, len(h.calls))
				}
			})
		})
	}
}

func TestTheCallOfTheWalk(t *testing.T) {
	story(t, func(h *house) {
		h.must(Command{Kind: CommandCheck, Check: CheckCall, Of: "1001"})
		h.checked(CheckCall, "1001", CheckRunning, "")
		h.last().ends(Ending{Cause: CauseNotFound, By: ByPeer, Status: 404})
		h.checked(CheckCall, "1001", CheckFailed, "check-called")
		h.must(Command{Kind: CommandCheck, Check: CheckCall, Of: "1001"})
		h.last().happens(Answered)
		time.Sleep(4 * time.Second)
		h.last().ends(Ending{Cause: CauseHangup, By: ByPeer})
		h.checked(CheckCall, "1001", CheckAsked, "check-talked")
		h.must(Command{Kind: CommandJudge, Check: CheckCall, Of: "1001", Result: CheckPassed})
		h.checked(CheckCall, "1001", CheckPassed, "check-talked")
		// A call from elsewhere says nothing about it.
		h.must(Command{Kind: CommandDial, Target: "1001", Test: true})
		h.last().ends(Ending{Cause: CauseBusy})
		h.checked(CheckCall, "1001", CheckPassed, "check-talked")
	})
}

func TestARelayOfABlockedDoorIsNotTried(t *testing.T) {
	story(t, func(h *house) {
		h.must(Command{Kind: CommandCheck, Check: CheckRelay, Of: "door"})
		h.checked(CheckRelay, "door", CheckAsked, "")
		h.must(Command{Kind: CommandJudge, Check: CheckRelay, Of: "door", Result: CheckFailed})
		h.st.Edge(Edge{Input: "lid", Active: true, At: time.Now()})
		synctest.Wait()
		h.forget()
		for _, c := range []Command{{Kind: CommandCheck, Check: CheckRelay, Of: "door"}, {Kind: CommandOpen, Relay: "door"}} {
			if err := h.do(c); Code(err) != "relays-blocked" {
				t.Errorf("%+v: %v", c, err)
			}
		}
		for _, l := range h.take() {
			if strings.HasPrefix(l, "relay door 3s") {
				t.Error("it was opened")
			}
		}
		h.checked(CheckRelay, "door", CheckFailed, "")
		if n := news[Released](h); len(n) != 3 || !n[0].OK || n[1].Why != RefusedBlocked {
			t.Errorf("%+v", n)
		}
	}, func(c *Config) { c.Contacts = []ContactConfig{{Input: "lid", Kind: TamperContact}} })
}

func TestTheSelfTestOfTheWalkIsTheBaseline(t *testing.T) {
	c := &tester{}
	story(t, func(h *house) {
		h.must(Command{Kind: CommandCheck, Check: CheckSound})
		if l := c.last(); !l.commission {
			t.Error("it is an ordinary test")
		}
		h.checked(CheckSound, "", CheckRunning, "")
		c.says(TestPassed)
		h.checked(CheckSound, "", CheckPassed, "check-sound")
		h.must(Command{Kind: CommandCheck, Check: CheckSound})
		h.press("bell")
		h.checked(CheckSound, "", CheckOpen, "check-interrupted")
		h.last().ends(Ending{Cause: CauseBusy})
	}, func(cfg *Config) { cfg.Ports.SelfTest = c.test })
}

func TestADoorShowsWhereItIs(t *testing.T) {
	story(t, func(h *house) {
		h.must(Command{Kind: CommandLocate, For: 5 * time.Second})
		h.expect("play locate", "lamp status fast")
		time.Sleep(6 * time.Second)
		h.expect("silence", "lamp status pulse")
		h.must(Command{Kind: CommandLocate, For: time.Hour})
		time.Sleep(locateMost + time.Second)
		h.expect("play locate", "lamp status fast", "silence", "lamp status pulse")
		h.press("bell")
		if err := h.do(Command{Kind: CommandLocate}); Code(err) != "not-idle" {
			t.Error(err)
		}
		h.last().ends(Ending{Cause: CauseBusy})
	})
}

// Results outlive a restart; what was under way does not, and what is not there any more neither.
func TestTheWalkOutlivesARestart(t *testing.T) {
	var kept Walk
	story(t, func(h *house) {
		h.must(Command{Kind: CommandCheck, Check: CheckLamp, Of: "status"})
		h.must(Command{Kind: CommandJudge, Check: CheckLamp, Of: "status", Result: CheckPassed})
		h.must(Command{Kind: CommandCheck, Check: CheckButton, Of: "bell"})
	}, func(c *Config) { c.Ports.PersistWalk = func(w Walk) { kept = w } })
	kept.Checks = append(kept.Checks, Check{Kind: CheckLamp, Of: "gone", Result: CheckPassed})
	story(t, func(h *house) {
		h.checked(CheckLamp, "status", CheckPassed, "")
		h.checked(CheckButton, "bell", CheckOpen, "")
		if n := len(h.st.Walk().Checks); n != 6 {
			t.Errorf("%d checks: %+v", n, h.st.Walk().Checks)
		}
		for _, c := range h.st.Walk().Checks {
			if !c.Result.Settled() {
				h.must(Command{Kind: CommandJudge, Check: c.Kind, Of: c.Of, Result: CheckSkipped})
			}
		}
		if w := h.st.Walk(); w.Ended.IsZero() || w.Passed() != 1 {
			t.Errorf("%+v", w)
		}
		h.must(Command{Kind: CommandWalk})
		if w := h.st.Walk(); !w.Ended.IsZero() || w.Passed() != 0 {
			t.Errorf("%+v", w)
		}
	}, func(c *Config) { c.Walk = kept })
}

// echo is an extension that says what came of canary calls: to the test, and called by the core.
type echo struct {
	mu    sync.Mutex
	count int
	ctx   context.Context //nolint:containedctx // of the call that runs
	tell  func(CanaryResult)
}

func (e *echo) calls(ctx context.Context, done func(CanaryResult)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count, e.ctx, e.tell = e.count+1, ctx, done
}

func (e *echo) runs() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

func (e *echo) over() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ctx.Err()
}

func (e *echo) done(r CanaryResult) {
	e.mu.Lock()
	tell := e.tell
	e.mu.Unlock()
	tell(r)
}

func canaryStory(t *testing.T, tell func(h *house, e *echo), change ...func(*Config)) {
	t.Helper()
	e := &echo{}
	story(t, func(h *house) { tell(h, e) }, append([]func(*Config){func(c *Config) {
		c.Canary = CanaryConfig{Target: "9196", Every: 6 * time.Hour}
		c.Ports.Canary = func(ctx context.Context, target string, done func(CanaryResult)) {
			if target != "9196" {
				t.Error("calls ", target)
			}
			e.calls(ctx, done)
		}
	}}, change...)...)
}

func TestTheCanaryCallsNowAndThen(t *testing.T) {
	canaryStory(t, func(h *house, e *echo) {
		time.Sleep(canaryFirst + canarySpread + time.Second)
		if s := h.snap(); e.runs() != 1 || s.Canary.State != CanaryRunning || s.State != Idle || s.Call != nil {
			t.Fatalf("%d runs, %+v", e.runs(), s.Canary)
		}
		e.done(CanaryResult{Problem: words.New("canary-no-echo")})
		s := h.snap()
		if len(s.Faults) != 1 || s.Faults[0].Key != "canary" || s.Canary.State != CanaryFailed || len(s.Calls) != 0 {
			t.Fatalf("%+v %+v", s.Canary, s.Faults)
		}
		time.Sleep(canaryAgain + time.Second)
		if e.runs() != 2 {
			t.Fatal("it is not tried again")
		}
		e.done(CanaryResult{Answer: 100 * time.Millisecond, Echo: 150 * time.Millisecond})
		if s := h.snap(); len(s.Faults) != 0 || s.Canary.State != CanaryPassed || s.Canary.EchoMS != 150 {
			t.Fatalf("%+v %+v", s.Canary, s.Faults)
		}
		time.Sleep(5 * time.Hour)
		if e.runs() != 2 {
			t.Error("too often")
		}
		time.Sleep(2 * time.Hour)
		if e.runs() != 3 {
			t.Error("not again")
		}
		e.done(CanaryResult{})
	})
}

func TestAPressEndsTheCanaryAtOnce(t *testing.T) {
	for name, somebody := range map[string]func(h *house){
		"press":  func(h *house) { h.press("bell") },
		"caller": func(h *house) { c := h.call("1001"); c.caller = true; h.st.Offer(c) },
	} {
		t.Run(name, func(t *testing.T) {
			canaryStory(t, func(h *house, e *echo) {
				h.must(Command{Kind: CommandCanary})
				if e.runs() != 1 {
					t.Fatal("it does not run")
				}
				somebody(h)
				synctest.Wait()
				if e.over() == nil || h.snap().State == Idle {
					t.Error("the canary goes on, or the door does not answer")
				}
				e.done(CanaryResult{Problem: words.New("canary-no-echo")}) // too late to count
				if s := h.snap(); len(s.Faults) > 0 {
					t.Errorf("%+v", s.Faults)
				}
				h.last().ends(Ending{Cause: CauseBusy})
			})
		})
	}
}

func TestTheCanaryWaitsUntilTheDoorIsAtRest(t *testing.T) {
	for name, busy := range map[string]func(h *house){
		"offline": func(h *house) { h.st.SetRegistration(Registration{State: RegFailed}) },
		"calling": func(h *house) { h.press("bell") },
	} {
		t.Run(name, func(t *testing.T) {
			canaryStory(t, func(h *house, e *echo) {
				busy(h)
				time.Sleep(20 * time.Second)
				if name == "calling" { // again and again, until after it was due
					for range 12 {
						h.last().ends(Ending{Cause: CauseBusy})
						h.press("bell")
						time.Sleep(20 * time.Second)
						if e.runs() > 0 {
							t.Fatal("beside a call")
						}
					}
					h.last().ends(Ending{Cause: CauseBusy})
				} else {
					time.Sleep(time.Hour)
					if e.runs() > 0 {
						t.Fatal("without a registration")
					}
					h.st.SetRegistration(Registration{State: RegRegistered})
				}
				time.Sleep(canaryLater + time.Minute)
				if e.runs() != 1 {
					t.Errorf("%d runs at rest", e.runs())
				}
				e.done(CanaryResult{})
			})
		})
	}
}

func TestTheCanaryKeepsItsHours(t *testing.T) {
	canaryStory(t, func(_ *house, e *echo) {
		time.Sleep(time.Hour) // it is midnight at the beginning
		if e.runs() != 0 {
			t.Error("at night")
		}
		time.Sleep(8 * time.Hour)
		if e.runs() != 1 {
			t.Error("not by day")
		}
		e.done(CanaryResult{})
	}, func(c *Config) { c.Canary.Within = func(t time.Time) bool { return t.UTC().Hour() >= 8 } })
}

func TestAFaultOfTheCanaryOutlivesARestart(t *testing.T) {
	var kept Canary
	canaryStory(t, func(h *house, e *echo) {
		h.must(Command{Kind: CommandCanary})
		e.done(CanaryResult{Problem: words.New("canary-no-echo")})
		synctest.Wait()
	}, func(c *Config) { c.Ports.PersistCanary = func(k Canary) { kept = k } })
	for target, want := range map[string]int{"9196": 1, "": 0} {
		canaryStory(t, func(h *house, _ *echo) {
			if s := h.snap(); len(s.Faults) != want {
				t.Errorf("%q: %+v", target, s.Faults)
			}
		}, func(c *Config) { c.Canary.Kept, c.Canary.Target = kept, target })
	}
	if err := func() (err error) {
		story(t, func(h *house) { err = h.do(Command{Kind: CommandCanary}) })
		return err
	}(); Code(err) != "no-such-command" {
		t.Error("a door without one: ", err)
	}
}
