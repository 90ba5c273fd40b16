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

	"intercomd/station"
	"intercomd/web"
	"intercomd/words"
)

// pageOfTests is a daemon's page whose station only tests.
type pageOfTests struct {
	mu   sync.Mutex
	snap station.Snapshot
	err  error
	told []station.Command
	tell func(*station.SelfTest) // what comes of the next test
}

func (p *pageOfTests) Administer(station.Administered) {}
func (p *pageOfTests) Walk() *station.Walk             { return nil }
func (p *pageOfTests) Coming() uint64                  { return 1 }

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
	if _, err := askDaemon(t.Context(), console{base: "http://" + listen}, false); !errors.Is(err, errNoDaemon) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := askDaemon(t.Context(), console{}, false); !errors.Is(err, errNoDaemon) {
		t.Errorf("no page: %v", err)
	}
}

func (p *pageOfTests) Gauges() *station.Gauges { return nil }

func (p *pageOfTests) Since(uint64) ([]station.Event, <-chan struct{}) { return nil, nil }
