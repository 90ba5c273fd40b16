package door

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"intercomd/audio"
	"intercomd/station"
	"intercomd/store"
	"intercomd/words"
)

// wire is a loudspeaker that the microphone hears 20 ms late.
type wire struct {
	gain float32
	err  error
}

func (w *wire) Probe(_ context.Context, play []float32) ([]float32, error) {
	if w.err != nil {
		return nil, w.err
	}
	rec := make([]float32, len(play))
	for i := 960; i < len(play); i++ {
		rec[i] = w.gain * play[i-960]
	}
	return rec, nil
}

func testerOf(t *testing.T, w *wire) *selfTester {
	t.Helper()
	keep, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return newSelfTester(w, keep, slog.New(slog.DiscardHandler))
}

func TestCommissioningIsKeptAndComparedWith(t *testing.T) {
	w := &wire{gain: 0.5}
	c := testerOf(t, w)
	if !c.commissioned().IsZero() {
		t.Error("commissioned before it was")
	}
	if r := c.run(t.Context(), false); r.Verdict != station.TestPassed || !r.Commissioned.IsZero() {
		t.Errorf("without a commissioning: %+v", r)
	}
	r := c.run(t.Context(), true)
	if r.Verdict != station.TestPassed || r.Commissioned.IsZero() || r.Coupling < -7 || r.Coupling > -5 || r.DelayMS < 19 || r.DelayMS > 21 {
		t.Errorf("commissioning: %+v", r)
	}
	w.gain = 0.05
	other := newSelfTester(w, c.keep, c.log) // after a restart
	if r := other.run(t.Context(), false); r.Verdict != station.TestFailed || !r.Commissioned.Equal(other.commissioned()) || r.Problem.Remedy() == "" {
		t.Errorf("20 dB weaker: %+v", r)
	}
	if r := other.run(t.Context(), true); r.Verdict != station.TestPassed {
		t.Errorf("commissioned anew: %+v", r)
	}
	if r := other.run(t.Context(), false); r.Verdict != station.TestPassed {
		t.Errorf("as it is now: %+v", r)
	}
	if err := os.WriteFile(c.keep.Path(baselineFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := other.run(t.Context(), false); r.Verdict != station.TestPassed || !r.Commissioned.IsZero() {
		t.Errorf("with a broken file: %+v", r)
	}
}

// What a test came to outlives the daemon; a file that no test can have left is
// forgotten.
func TestLastSelfTestIsKept(t *testing.T) {
	c := testerOf(t, &wire{})
	if m := c.last(); m != (station.TestMemory{}) {
		t.Errorf("before any test: %+v", m)
	}
	at := time.Now().UTC().Truncate(time.Second)
	failed := station.SelfTest{State: station.TestFailed, At: at, Problem: words.New("told", "detail", "deaf", "remedy", "mend it"), Chirps: 3, Level: -61.5}
	c.tell(failed)
	c.tell(station.SelfTest{State: station.TestUnclear, At: at.Add(time.Hour), Problem: words.New("told", "detail", "too loud")})
	want := station.TestMemory{Last: station.SelfTest{State: station.TestUnclear, At: at.Add(time.Hour), Problem: words.New("told", "detail", "too loud")}, Failed: failed, Since: at}
	if m := newSelfTester(nil, c.keep, c.log).last(); m != want {
		t.Errorf("after a restart: %+v, want %+v", m, want)
	}
	whole, err := os.ReadFile(c.keep.Path(lastTestFile))
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c.log = slog.New(slog.NewTextHandler(&said, nil))
	for _, broken := range []string{"", "{", "null,", "\x00\x00\x00\x00", string(whole[:len(whole)/2]), `{"last":{"state":"sunny"}}`, `{"last":{"state":"passed"},"failed":{"state":"failed"}}`, `[]`} {
		said.Reset()
		if err := os.WriteFile(c.keep.Path(lastTestFile), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if m := c.last(); m != (station.TestMemory{}) || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), lastTestFile) {
			t.Errorf("%q is read as %+v, and said as %q", broken, m, said.String())
		}
	}
	c.tell(station.SelfTest{State: station.TestPassed, At: at})
	if m := c.last(); m.Last.State != station.TestPassed || m.Failed.State != "" || !m.Since.IsZero() {
		t.Errorf("after one that passed: %+v", m)
	}
}

func TestSelfTestThatCannotBe(t *testing.T) {
	c := testerOf(t, &wire{err: audio.ErrProbeEnded})
	if r := c.run(t.Context(), false); r.Verdict != station.TestInterrupted {
		t.Errorf("a call came: %+v", r)
	}
	c.probe = &wire{err: audio.ErrProbeDeaf}
	if r := c.run(t.Context(), false); r.Verdict != station.TestUnclear || r.Problem.None() {
		t.Errorf("no devices: %+v", r)
	}
	c.probe, c.keep = &wire{gain: 1}, nil
	if r := c.run(t.Context(), true); r.Verdict != station.TestFailed || r.Problem.Remedy() == "" {
		t.Errorf("nowhere to keep it: %+v", r)
	}
}
