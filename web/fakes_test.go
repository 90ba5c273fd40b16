package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"intercomd/station"
	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStation shows what tests publish and remembers what it is told to do.
type fakeStation struct {
	mu      sync.Mutex
	snap    *station.Snapshot
	changed chan struct{}
	gauges  *station.Gauges // nil: those of the snapshot
	events  []station.Event
	more    chan struct{}
	told    []station.Command
	err     error // of Do
	walk    *station.Walk
}

func newStation(snap *station.Snapshot) *fakeStation {
	return &fakeStation{snap: snap, changed: make(chan struct{}), more: make(chan struct{})}
}

func (f *fakeStation) Snapshot() *station.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap
}

func (f *fakeStation) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeStation) Gauges() *station.Gauges {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gauges
}

// measure renews the gauges.
func (f *fakeStation) measure(g station.Gauges) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gauges = &g
}

func (f *fakeStation) Since(from uint64) ([]station.Event, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := uint64(len(f.events))
	switch {
	case from > last+1:
		return append([]station.Event{{News: station.Missed{From: from, Next: 1}}}, f.events...), f.more
	case from == 0:
		from = 1
	}
	return f.events[from-1:], f.more
}

func (f *fakeStation) Coming() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.events)) + 1
}

// happens adds an event.
func (f *fakeStation) happens(n station.News) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, station.Event{Seq: uint64(len(f.events)) + 1, News: n})
	close(f.more)
	f.more = make(chan struct{})
}

func (f *fakeStation) Do(_ context.Context, cmd station.Command) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, cmd)
	return f.err
}

func (f *fakeStation) Walk() *station.Walk {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.walk
}

func (f *fakeStation) Administer(a station.Administered) { f.happens(a) }

// refuse makes the next commands fail.
func (f *fakeStation) refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeStation) publish(snap *station.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snap = snap
	close(f.changed)
	f.changed = make(chan struct{})
}

// fakePanel tells each move of a button on its channel.
type fakePanel struct {
	moves chan move
	err   error
}

type move struct {
	input string
	hold  time.Duration // of Press
	down  bool          // of Set
}

func newPanel() *fakePanel { return &fakePanel{moves: make(chan move, 100)} }

func (p *fakePanel) Press(name string, hold time.Duration) error {
	p.moves <- move{input: name, hold: hold}
	return p.err
}

func (p *fakePanel) Set(name string, active bool) error {
	p.moves <- move{input: name, down: active}
	return p.err
}

// next is the next move, or a failure after a time that no machine needs.
func (p *fakePanel) next(t *testing.T) move {
	t.Helper()
	select {
	case m := <-p.moves:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no button was moved")
		return move{}
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newServer(st Station, panel Panel) *Server {
	return New(Config{Listen: "127.0.0.1:0", Names: []string{"door.example.lan"}, Log: quiet()}, st, panel)
}

// ask sends one request through the whole handler.
func ask(s *Server, method, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	r.Host = "127.0.0.1:8080"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// english tells in English.
var english = teller{words.English()}

// told is a problem and its remedy in words.
func told(problem, remedy string) words.Message {
	return words.New("told", "detail", problem, "remedy", remedy)
}

// sample is a door with a button, at rest and well.
func sample() *station.Snapshot {
	now := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	return &station.Snapshot{
		Seq: 7, Time: now, Name: "Front door", Version: "0.1.0", Started: now.Add(-time.Hour), State: station.Idle,
		Registration: station.Registration{
			State: station.RegRegistered, Server: "wss://pbx.example.lan", User: "1000", Since: now.Add(-time.Minute),
		},
		Sound: station.Sound{
			Input: station.Device{Name: "USB", OK: true}, Output: station.Device{Name: "USB", OK: true},
		},
		Gauges: station.Gauges{
			Mic: station.Level{Peak: -30, RMS: -42}, Speaker: station.Level{Peak: silence, RMS: silence},
			Inputs: []station.InputCount{{Name: "bell", Presses: 3}},
		},
		Board: station.BoardState{
			Driver: "sim", Simulated: true,
			Inputs: []station.Input{{Name: "bell"}},
			Lamps:  []station.Lamp{{Name: "status", Pattern: station.LampPulse}},
			Relays: []station.Relay{{Name: "door"}},
		},
		Buttons: []station.Button{{Input: "bell", Label: "Miller", Does: station.Dial, Target: "1001"}},
	}
}

// with is sample, changed.
func with(change func(*station.Snapshot)) *station.Snapshot {
	s := sample()
	change(s)
	s.NotReady = station.WhyNotReady(s)
	return s
}

// streamWriter is a client of an event stream that passes on what it gets.
type streamWriter struct {
	header http.Header
	events chan string // one per Flush
	buf    []byte
	gone   bool // every write fails
}

func newStreamWriter() *streamWriter {
	return &streamWriter{header: http.Header{}, events: make(chan string, 10000)}
}

func (w *streamWriter) Header() http.Header { return w.header }
func (w *streamWriter) WriteHeader(int)     {}
func (w *streamWriter) Write(b []byte) (int, error) {
	if w.gone {
		return 0, errors.New("the client is gone")
	}
	w.buf = append(w.buf, b...)
	return len(b), nil
}
func (w *streamWriter) Flush() {
	w.events <- string(w.buf)
	w.buf = nil
}
