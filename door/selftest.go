package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"intercomd/audio"
	"intercomd/audio/selftest"
	"intercomd/station"
	"intercomd/store"
	"intercomd/words"
)

// baseline is what a door sounded like when it was commissioned.
type baseline struct {
	At       time.Time            `json:"at"`
	Measured selftest.Measurement `json:"measured"`
}

const (
	baselineFile = "selftest.json"
	lastTestFile = "selftest-last.json"
)

// selfTester lets the station try out the sound.
type selfTester struct {
	probe selftest.Prober
	keep  *store.Dir // nil: nothing can be kept
	log   *slog.Logger
	runs  sync.WaitGroup
}

func newSelfTester(p selftest.Prober, keep *store.Dir, log *slog.Logger) *selfTester {
	return &selfTester{probe: p, keep: keep, log: log}
}

// wait returns when no test runs any more; each ends soon after its context.
func (t *selfTester) wait() { t.runs.Wait() }

// start runs a test beside whoever asks for it.
func (t *selfTester) start(ctx context.Context, commission bool, done func(station.SelfTestResult)) {
	t.runs.Go(func() { done(t.run(ctx, commission)) })
}

// run runs a test.
func (t *selfTester) run(ctx context.Context, commission bool) station.SelfTestResult {
	base, err := t.load()
	if err != nil {
		t.log.Warn("the commissioning measurement cannot be read; it is ignored", "error", err)
	}
	compare := &base.Measured
	if commission || base.At.IsZero() {
		compare = nil
	}
	r, err := selftest.Run(ctx, t.probe, compare)
	switch {
	case errors.Is(err, audio.ErrProbeEnded) || ctx.Err() != nil:
		return station.SelfTestResult{Verdict: station.TestInterrupted, Commissioned: base.At}
	case err != nil:
		return station.SelfTestResult{Verdict: station.TestUnclear, Problem: words.Because(words.New("test-broken"), err), Commissioned: base.At}
	}
	if commission && r.Verdict == selftest.Passed {
		base = baseline{At: time.Now().UTC(), Measured: r.Measured}
		if err := t.save(base); err != nil {
			return station.SelfTestResult{Verdict: station.TestFailed, Problem: words.Because(words.New("commissioning-not-kept"), err)}
		}
	}
	m := r.Measured
	return station.SelfTestResult{
		Verdict: string(r.Verdict), Problem: r.Problem, Chirps: r.Chirps, Commissioned: base.At,
		Level: m.Level, Noise: m.Noise, Coupling: m.Coupling, DelayMS: float64(m.Delay.Microseconds()) / 1000,
	}
}

// commissioned is when the door was measured to be compared with; zero if never.
func (t *selfTester) commissioned() time.Time {
	base, err := t.load()
	if err != nil {
		return time.Time{}
	}
	return base.At
}

// load reads the commissioning; none yet is no error.
func (t *selfTester) load() (b baseline, err error) {
	if err := t.read(baselineFile, &b); err != nil {
		return baseline{}, err
	}
	return b, nil
}

// save keeps the commissioning.
func (t *selfTester) save(b baseline) error { return t.write(baselineFile, b) }

// last is what was kept of the tests so far. What cannot be read is said and forgotten.
func (t *selfTester) last() (m station.TestMemory) {
	err := t.read(lastTestFile, &m)
	if err == nil && !m.Valid() {
		err = fmt.Errorf("%s: no test can have left this", t.keep.Path(lastTestFile))
	}
	if err != nil {
		t.log.Warn("the last self-test result cannot be read; it is ignored", "error", err)
		return station.TestMemory{}
	}
	return m
}

// saveLast keeps what came of the tests.
func (t *selfTester) saveLast(m station.TestMemory) error { return t.write(lastTestFile, m) }

// tell lets the daemon know of a test that was made without it, when it starts.
func (t *selfTester) tell(r station.SelfTest) {
	if err := t.saveLast(t.last().With(r)); err != nil {
		t.log.Warn("the result of this test could not be saved", "error", err)
	}
}

// read reads what write wrote; nothing yet is no error and leaves v as it is.
func (t *selfTester) read(name string, v any) error {
	if t.keep == nil {
		return nil
	}
	return t.keep.Load(name, v)
}

// write keeps something, readable for the daemon whoever made it.
func (t *selfTester) write(name string, v any) error {
	if t.keep == nil {
		return errors.New("there is no state directory")
	}
	return t.keep.Save(name, v, 0o644) // levels are no secret
}
