package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/station"
)

// watch opens a stream within a synctest bubble and returns its client.
func watch(t *testing.T, s *Server, path string, header ...string) (w *streamWriter, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx)
	r.Host = "localhost"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w = newStreamWriter()
	h := s.Handler()
	ended := make(chan struct{})
	go func() { defer close(ended); h.ServeHTTP(w, r) }()
	return w, func() { cancel(); <-ended }
}

// got empties what has arrived so far.
func (w *streamWriter) got() []event {
	synctest.Wait()
	var text strings.Builder
	for len(w.events) > 0 {
		text.WriteString(<-w.events)
	}
	return parseEvents(text.String())
}

type event struct{ name, id, data string }

func parseEvents(text string) []event {
	var events []event
	for block := range strings.SplitSeq(text, "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data += value
			}
		}
		if e.name != "" {
			events = append(events, e)
		}
	}
	return events
}

func numbered(seq uint64) *station.Snapshot {
	return with(func(s *station.Snapshot) { s.Seq = seq })
}

func TestEventsAreOrderedAndCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation(numbered(1))
		w, leave := watch(t, newServer(st, nil), "/events")
		defer leave()
		if first := w.got(); len(first) != 1 || seqOf(t, first[0]) != 1 {
			t.Fatalf("the first snapshot must come at once: %v", first)
		}
		if kind := w.header.Get("Content-Type"); kind != "text/event-stream" {
			t.Errorf("type %q", kind)
		}
		// 100 publications a second for 4 s.
		for seq := uint64(2); seq <= 401; seq++ {
			time.Sleep(10 * time.Millisecond)
			st.publish(numbered(seq))
		}
		time.Sleep(coalesce)
		events := w.got()
		if n := len(events); n < 15 || n > 21 {
			t.Errorf("%d events in 4.2 s, want 5 a second", n)
		}
		var last uint64 = 1
		for _, e := range events {
			seq := seqOf(t, e)
			if seq <= last {
				t.Errorf("snapshot %d after %d", seq, last)
			}
			last = seq
		}
		if last != 401 {
			t.Errorf("the last snapshot that arrived is %d, not the newest", last)
		}
	})
}

// seqOf is the number of the snapshot that an event carries.
func seqOf(t *testing.T, e event) uint64 {
	t.Helper()
	var snap station.Snapshot
	if err := json.Unmarshal([]byte(e.data), &snap); err != nil || e.name != "snapshot" {
		t.Fatalf("%v: %s %q", err, e.name, e.data)
	}
	return snap.Seq
}

// What happens at the door is told as it happens, and once only to those who come back.
func TestEventsOfTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation(with(func(s *station.Snapshot) { s.Events = 2 }))
		st.happens(station.CallDigit{}) // before the state that comes first
		s := newServer(st, nil)
		w, leave := watch(t, s, "/events")
		w.got()
		st.happens(station.Pressed{Button: "bell"})
		time.Sleep(coalesce)
		got := w.got()
		if len(got) != 1 || got[0].name != "event" || !strings.Contains(got[0].data, `"seq":2`) || !strings.Contains(got[0].data, `"kind":"button.pressed"`) {
			t.Fatalf("got %v", got)
		}
		leave()
		st.happens(station.CallDigit{})
		back, leave := watch(t, s, "/events?after="+got[0].id)
		if again := back.got(); len(again) != 2 || again[0].name != "snapshot" || !strings.Contains(again[1].data, `"seq":3`) {
			t.Errorf("who comes back gets %v", again)
		}
		leave()
		_, n, _ := strings.Cut(got[0].id, "-")
		late, leave := watch(t, s, "/events?after=anotherrun-"+n)
		if all := late.got(); len(all) != 5 || !strings.Contains(all[1].data, `"kind":"events.missed"`) || !strings.Contains(all[4].data, `"seq":3`) {
			t.Errorf("who comes from another run gets %v", all)
		}
		leave()
	})
}

// Levels go to those who ask for levels.
func TestGaugesAreAskedFor(t *testing.T) {
	for path, want := range map[string]int{"/events": 0, "/events?gauges": 20} {
		synctest.Test(t, func(t *testing.T) {
			st := newStation(numbered(1))
			w, leave := watch(t, newServer(st, nil), path)
			defer leave()
			w.got()
			for range 20 {
				st.measure(station.Gauges{Time: time.Now()})
				time.Sleep(gaugeTick)
			}
			n := 0
			for _, e := range w.got() {
				if e.name == "gauges" {
					n++
				}
			}
			if n < want/2 || n > want {
				t.Errorf("%s: %d gauges in 5 s, want up to %d", path, n, want)
			}
		})
	}
}

// A single change after a quiet time must not wait.
func TestEventsComeAtOnceAfterQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation(numbered(1))
		w, leave := watch(t, newServer(st, nil), "/events")
		defer leave()
		time.Sleep(time.Second)
		w.got()
		st.publish(numbered(2))
		if e := w.got(); len(e) != 1 || seqOf(t, e[0]) != 2 {
			t.Errorf("got %v", e)
		}
	})
}

func TestHeartbeats(t *testing.T) {
	for _, path := range []string{"/events", "/live"} {
		synctest.Test(t, func(t *testing.T) {
			snap := sample()
			snap.Registration.Since, snap.Started = time.Time{}, time.Time{} // nothing on the page that runs
			w, leave := watch(t, newServer(newStation(snap), nil), path)
			defer leave()
			w.got()
			time.Sleep(35 * time.Second)
			beats := w.got()
			if len(beats) != 6 && len(beats) != 7 {
				t.Errorf("%s: %d events in 35 s without a change, want one every 5 s", path, len(beats))
			}
			for _, b := range beats {
				if b.name != "alive" {
					t.Errorf("%s: %v", path, b)
				}
			}
		})
	}
}

// The page's own stream carries only the sections that changed, and what runs
// by itself, such as a timer, goes on between publications.
func TestLiveSendsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		snap := sample()
		snap.State = station.Talking
		snap.Started, snap.Registration.Since = time.Time{}, time.Time{}
		snap.Call = &station.Record{Direction: station.Outgoing, Answered: time.Now().Add(-34 * time.Second)}
		st := newStation(snap)
		w, leave := watch(t, newServer(st, nil), "/live")
		defer leave()
		first := updates(t, w.got())
		if len(first) != 1 || len(first[0].Sections) != len(sections()) {
			t.Fatalf("the first update must be whole: %v", first)
		}
		time.Sleep(1500 * time.Millisecond)
		w.got()
		time.Sleep(time.Second)
		next := updates(t, w.got())
		if len(next) != 1 || len(next[0].Sections) != 1 || !strings.Contains(next[0].Sections["state"], "0:36") {
			t.Errorf("one second later: %v", next)
		}
		time.Sleep(200 * time.Millisecond)
		louder := snap.Gauges
		louder.Mic = station.Level{RMS: -12, Peak: -6}
		st.measure(louder) // no new state
		time.Sleep(gaugeTick)
		next = updates(t, w.got())
		if len(next) != 1 || len(next[0].Sections) != 1 || !strings.Contains(next[0].Sections["sound"], "−12 dBFS") {
			t.Errorf("after a louder sound: %v", next)
		}
	})
}

func updates(t *testing.T, events []event) []update {
	t.Helper()
	var us []update
	for _, e := range events {
		var u update
		if err := json.Unmarshal([]byte(e.data), &u); e.name != "page" || err != nil {
			t.Fatalf("%v: %v", e, err)
		}
		us = append(us, u)
	}
	return us
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(newStation(sample()), newPanel())
		var leaves []func()
		for range maxStreams {
			_, leave := watch(t, s, "/events")
			leaves = append(leaves, leave)
		}
		synctest.Wait()
		if w := ask(s, "GET", "/live", nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d", w.Code)
		}
		if w := ask(s, "GET", "/", nil); w.Code != http.StatusOK {
			t.Errorf("the page itself: %d", w.Code)
		}
		leaves[0]()
		w, leave := watch(t, s, "/live")
		if len(w.got()) != 1 {
			t.Error("no room after one has left")
		}
		leave()
		for _, leave := range leaves[1:] {
			leave()
		}
	})
}

// A client that cannot be written to ends its stream.
func TestStreamEndsWhenWritingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation(numbered(1))
		s := newServer(st, nil)
		w, leave := watch(t, s, "/events")
		w.got()
		w.gone = true
		time.Sleep(time.Second)
		st.publish(numbered(2))
		synctest.Wait()
		if len(s.streams) != 0 {
			t.Error("the stream still has its place")
		}
		leave()
	})
}

func TestHeldButtonComesUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panel := newPanel()
		s := newServer(newStation(sample()), panel)
		r := httptest.NewRequest(http.MethodPost, "/panel/hold", bytes.NewReader([]byte("input=bell")))
		r.Host = "localhost"
		r.Header.Set("Content-Type", form)
		begun := time.Now()
		s.Handler().ServeHTTP(newStreamWriter(), r) // a client that never goes
		if down, up := <-panel.moves, <-panel.moves; !down.down || up.down {
			t.Errorf("moves %+v %+v", down, up)
		}
		if d := time.Since(begun); d != maxHold {
			t.Errorf("held for %v, want %v", d, maxHold)
		}
	})
}

func TestHeadOfAStreamEnds(t *testing.T) {
	if w := ask(newServer(newStation(sample()), nil), "HEAD", "/events", nil); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
	}
}

// A page that nobody calls from wakes up by the clock's full seconds, so that all who watch do at once; in a call, or
// while sound runs, it follows the levels.
func TestThePageTicksWithTheDoor(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	for name, tc := range map[string]struct {
		change func(*station.Snapshot)
		past   time.Duration // the full second
		want   time.Duration
	}{
		"at rest":           {func(*station.Snapshot) {}, 300 * time.Millisecond, 700 * time.Millisecond},
		"at rest, too soon": {func(*station.Snapshot) {}, 900 * time.Millisecond, 1100 * time.Millisecond},
		"in a call":         {func(s *station.Snapshot) { s.State = station.Calling }, 0, gaugeTick},
		"microphone":        {func(s *station.Snapshot) { s.Sound.Input.Open = true }, 0, gaugeTick},
		"loudspeaker":       {func(s *station.Snapshot) { s.Sound.Output.Open = true }, 0, gaugeTick},
	} {
		if got := newServer(newStation(with(tc.change)), nil).pageTick(at.Add(tc.past)); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// The status is encoded once for all who ask, and again when it is another.
func TestTheStatusIsEncodedOnce(t *testing.T) {
	st := newStation(numbered(1))
	s := newServer(st, nil)
	first := ask(s, "GET", "/status.json", nil).Body.String()
	kept := s.status.Load()
	if again := ask(s, "GET", "/status.json", nil).Body.String(); again != first || s.status.Load() != kept {
		t.Error("it was encoded again")
	}
	st.publish(numbered(2))
	if other := ask(s, "GET", "/status.json", nil).Body.String(); other == first || s.status.Load() == kept {
		t.Error("another snapshot, and the same answer")
	}
	st.measure(station.Gauges{Mic: station.Level{Peak: -7.5}})
	if other := ask(s, "GET", "/status.json", nil).Body.String(); !strings.Contains(other, "-7.5") {
		t.Error("other gauges, and the same answer")
	}
}
