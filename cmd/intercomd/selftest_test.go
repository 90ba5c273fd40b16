package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"intercomd/audio"
	"intercomd/station"
	"intercomd/web"
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
	keep, err := openStore(t.TempDir())
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
	if err := os.WriteFile(c.keep.path(baselineFile), []byte("{"), 0o600); err != nil {
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
	whole, err := os.ReadFile(c.keep.path(lastTestFile))
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c.log = slog.New(slog.NewTextHandler(&said, nil))
	for _, broken := range []string{"", "{", "null,", "\x00\x00\x00\x00", string(whole[:len(whole)/2]), `{"last":{"state":"sunny"}}`, `{"last":{"state":"passed"},"failed":{"state":"failed"}}`, `[]`} {
		said.Reset()
		if err := os.WriteFile(c.keep.path(lastTestFile), []byte(broken), 0o600); err != nil {
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

// pageOfTests is a daemon's page whose station only tests.
type pageOfTests struct {
	mu   sync.Mutex
	snap station.Snapshot
	err  error
	told []station.Command
	tell func(*station.SelfTest) // what comes of the next test
}

func (p *pageOfTests) Snapshot() *station.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.snap
	if s.SelfTest.State == station.TestRunning { // the next look sees its end
		p.tell(&p.snap.SelfTest)
		p.snap.SelfTest.At = time.Now()
	}
	return &s
}

func (p *pageOfTests) Changed() <-chan struct{} { return nil }

func (p *pageOfTests) Do(_ context.Context, cmd station.Command) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, cmd)
	if p.err == nil {
		p.snap.SelfTest.State = station.TestRunning
	}
	return p.err
}

// The command asks the daemon, and says what comes of it.
func TestSelfTestCommand(t *testing.T) {
	p := &pageOfTests{}
	srv := httptest.NewServer(web.New(web.Config{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}, p, nil).Handler())
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	file := filepath.Join(t.TempDir(), "door.toml")
	text := "[sip]\nserver = \"wss://a\"\nuser = \"1\"\npassword = \"p\"\n[call]\ntarget = \"2\"\n[web]\nlisten = \"" + strings.TrimPrefix(srv.URL, "http://") + "\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		tell func(*station.SelfTest)
		err  error
		code int
		says []string
	}{
		{[]string{file}, func(s *station.SelfTest) { s.State, s.Chirps, s.Coupling = station.TestPassed, 1, -12 }, nil, exitOK,
			[]string{"passed", "coupling -12 dB", "selftest -commission"}},
		{[]string{"-commission", file}, func(s *station.SelfTest) { s.State, s.Commissioned = station.TestPassed, time.Now() }, nil, exitOK,
			[]string{"passed", "commissioned 20"}},
		{[]string{file}, func(s *station.SelfTest) {
			s.State, s.Problem = station.TestFailed, words.New("told", "detail", "it is deaf", "remedy", "mend it")
		}, nil, exitFailed,
			[]string{"failed: it is deaf", "remedy: mend it"}},
		{[]string{file}, nil, station.ErrNotIdle, exitFailed, []string{"the daemon says: The sound cannot be tested now"}},
		{[]string{"-loud"}, nil, nil, exitUsage, []string{"-commission"}},
		{[]string{"a", "b"}, nil, nil, exitUsage, []string{"one file at most"}},
	} {
		p.tell, p.err, p.told = c.tell, c.err, nil
		code, out := run(t, append([]string{"selftest"}, c.args...)...)
		if code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, code, c.code)
		}
		for _, s := range c.says {
			if !strings.Contains(out, s) {
				t.Errorf("%v: output lacks %q:\n%s", c.args, s, out)
			}
		}
		if want := len(c.args) > 1 && c.args[1] == file; len(p.told) > 0 && p.told[0].Commission != want {
			t.Errorf("%v: the station was told %+v", c.args, p.told)
		}
	}
}

// Without a daemon it must be known that there is none.
func TestSelfTestWithoutADaemon(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	listen := strings.TrimPrefix(srv.URL, "http://")
	srv.Close() // nobody listens there any more
	if _, err := askDaemon(t.Context(), listen, false); !errors.Is(err, errNoDaemon) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := askDaemon(t.Context(), "", false); !errors.Is(err, errNoDaemon) {
		t.Errorf("no page: %v", err)
	}
}

func (p *pageOfTests) Gauges() *station.Gauges { return nil }

func (p *pageOfTests) Since(uint64) ([]station.Event, <-chan struct{}) { return nil, nil }
