package station

import (
	"context"
	"errors"
	"time"

	"intercomd/words"
)

// SelfTestConfig is when the door tries out its own sound.
type SelfTestConfig struct {
	Daily        bool
	Minute       int            // after midnight
	Zone         *time.Location // nil means UTC
	Commissioned time.Time      // when the door was last measured to be compared with; zero: never
	Kept         TestMemory     // as it was last saved
}

// TestMemory is what survives a restart of the self-tests so far.
type TestMemory struct {
	Last   SelfTest  `json:"last,omitzero"`   // the last one that came to something
	Failed SelfTest  `json:"failed,omitzero"` // the last one that failed; none once one has passed
	Since  time.Time `json:"since,omitzero"`  // when the first of these failed
}

// With is what is to be kept after another test. One that is unclear says nothing
// about a fault that another one found.
func (m TestMemory) With(t SelfTest) TestMemory {
	t.Next, t.Commissioned = time.Time{}, time.Time{} // others know better at the next start
	switch t.State {
	case TestPassed:
		return TestMemory{Last: t}
	case TestFailed:
		if m.Failed.State == "" {
			m.Since = t.At
		}
		m.Last, m.Failed = t, t
	case TestUnclear:
		m.Last = t
	}
	return m
}

// Valid reports whether [TestMemory.With] can have made it.
func (m TestMemory) Valid() bool {
	switch m.Last.State {
	case "", TestPassed:
		return m.Failed.State == ""
	case TestFailed:
		return m.Failed.State == TestFailed
	default:
		return m.Last.State == TestUnclear && (m.Failed.State == "" || m.Failed.State == TestFailed)
	}
}

// fault is the change of the fault that comes of it.
func (m TestMemory) fault() faultChange {
	return faultChange{set: m.Failed.State == TestFailed, fault: Fault{
		Key: "sound.selftest", Blinks: FaultSound, Message: words.New("selftest-failed").Because(m.Failed.Problem),
	}}
}

// SelfTestResult is what an acoustic self-test came to.
type SelfTestResult struct {
	Verdict      string        // one of the verdicts below
	Problem      words.Message // of one that did not pass
	Chirps       int
	Level        float64 // of the microphone while it heard the loudspeaker, dBFS
	Noise        float64 // dBFS
	Coupling     float64 // of loudspeaker and microphone, dB
	DelayMS      float64
	Commissioned time.Time
}

// Verdicts of a self-test, and its states in the snapshot.
const (
	TestNever       = "never"
	TestRunning     = "running"
	TestPassed      = "passed"
	TestFailed      = "failed"
	TestUnclear     = "unclear"     // too loud at the door, or no devices
	TestInterrupted = "interrupted" // by a call or a press
)

// ErrNotIdle refuses a self-test while the door is needed.
var ErrNotIdle = errors.New("not-idle")

const (
	testAgain   = 10 * time.Minute // after a scheduled test that came to nothing
	testTries   = 6                // of them in a row
	testTooLate = time.Hour        // after its time a test is not made up for: the clock was set
)

// tested is a result that comes in from outside.
type tested struct {
	seq    uint64
	result SelfTestResult
}

// selfTest is the test that runs, and the next one.
type selfTest struct {
	cancel    context.CancelFunc // nil: none runs
	seq       uint64
	scheduled bool // nobody asked for the one that runs
	tries     int  // of a scheduled test that came to nothing so far
	due       time.Time
	shown     SelfTest
	kept      TestMemory
}

func newSelfTest(cfg SelfTestConfig, now time.Time) selfTest {
	t := selfTest{shown: cfg.Kept.Last, kept: cfg.Kept}
	if t.shown.State == "" {
		t.shown.State = TestNever
	}
	t.shown.Commissioned = cfg.Commissioned
	t.due = cfg.next(now)
	return t
}

// next is the time of the next scheduled test; zero without a schedule.
func (c *SelfTestConfig) next(now time.Time) time.Time {
	if !c.Daily {
		return time.Time{}
	}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := now.In(zone).Date()
	at := time.Date(y, m, d, 0, c.Minute, 0, 0, zone)
	if !at.After(now) {
		at = time.Date(y, m, d+1, 0, c.Minute, 0, 0, zone)
	}
	return at
}

// testDue starts a scheduled test if it is time and the door is at rest.
func (s *Station) testDue(now time.Time) {
	t := &s.test
	if t.due.IsZero() || now.Before(t.due) {
		return
	}
	switch late := now.Sub(t.due); {
	case late > testTooLate:
		t.due, t.tries = s.cfg.SelfTest.next(now), 0
	case !s.cfg.Ports.ClockKnown() || s.startTest(false, Principal{Via: ViaDoor}) != nil:
		s.testLater(now)
	default:
		t.scheduled, t.due = true, s.cfg.SelfTest.next(now)
	}
}

// testLater tries a scheduled test again after a while, or tomorrow.
func (s *Station) testLater(now time.Time) {
	t := &s.test
	if t.tries++; t.tries > testTries {
		t.due, t.tries = s.cfg.SelfTest.next(now), 0
		return
	}
	t.due = now.Add(testAgain)
}

// startTest begins a test; commission makes its result the one to compare with.
func (s *Station) startTest(commission bool, by Principal) error {
	switch {
	case s.cfg.Ports.SelfTest == nil:
		return ErrNotKnown
	case s.state() != Idle || s.test.cancel != nil:
		return ErrNotIdle
	}
	s.tried = trial{}
	s.makeWay()
	s.tell(SelfTestStarted{Commission: commission, By: by})
	ctx, cancel := context.WithCancel(context.Background())
	t := &s.test
	t.seq++
	t.cancel, t.scheduled = cancel, false
	t.shown = SelfTest{State: TestRunning, At: t.shown.At, Commissioned: t.shown.Commissioned}
	seq := t.seq
	s.cfg.Ports.SelfTest(ctx, commission, func(r SelfTestResult) { s.tested(tested{seq, r}) })
	return nil
}

// endTest stops a running test: somebody needs the door.
func (s *Station) endTest() {
	if s.test.cancel != nil {
		s.testOver(tested{s.test.seq, SelfTestResult{Verdict: TestInterrupted}})
	}
}

// testOver takes a result; one of a test that was ended before is ignored.
func (s *Station) testOver(r tested) {
	t := &s.test
	if t.cancel == nil || r.seq != t.seq {
		return
	}
	t.cancel()
	now, res := time.Now(), r.result
	t.cancel = nil
	t.shown.State, t.shown.At = res.Verdict, now
	defer func() {
		s.tell(SelfTestEnded{t.shown})
		s.soundTried(res)
	}()
	if res.Verdict == TestInterrupted {
		if t.scheduled {
			s.testLater(now)
		}
		return
	}
	t.shown = SelfTest{State: res.Verdict, At: now, Problem: res.Problem, Chirps: res.Chirps, Commissioned: res.Commissioned,
		Level: res.Level, Noise: res.Noise, Coupling: res.Coupling, DelayMS: res.DelayMS}
	t.kept = t.kept.With(t.shown)
	s.faults.change(t.kept.fault(), now)
	if s.cfg.Ports.PersistTest != nil {
		s.cfg.Ports.PersistTest(t.kept)
	}
	switch res.Verdict {
	case TestFailed, TestPassed:
		t.tries = 0
	default:
		if t.scheduled {
			s.testLater(now)
		}
	}
}
