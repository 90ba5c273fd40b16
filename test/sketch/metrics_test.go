package sketch

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"intercomd/station"
)

// metrics counts what happens at the door, in the text format of Prometheus.
type metrics struct {
	door  *station.Station
	mu    sync.Mutex
	count map[string]int // by name and labels
}

// run counts until the door stops or ctx ends.
func (m *metrics) run(ctx context.Context) {
	for e := range m.door.Subscribe(ctx, 0) {
		m.add(fmt.Sprintf("door_events_total{kind=%q}", e.News.Kind()))
		switch n := e.News.(type) {
		case station.CallEnded:
			m.add(fmt.Sprintf("door_calls_total{direction=%q,cause=%q}", n.Record.Direction, n.Record.Ending.Cause))
		case station.Released:
			m.add(fmt.Sprintf("door_releases_total{ok=\"%v\"}", n.OK))
		case station.Missed:
			m.add("door_events_missed_total")
		}
	}
}

func (m *metrics) add(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[name]++
}

// write answers a scrape: counters, and the gauges of the moment.
func (m *metrics) write(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.count)) {
		fmt.Fprintln(w, name, m.count[name])
	}
	s, g := m.door.Snapshot(), m.door.Gauges()
	fmt.Fprintln(w, "door_faults", len(s.Faults))
	fmt.Fprintln(w, "door_heap_bytes", g.Runtime.HeapBytes)
	fmt.Fprintln(w, "door_microphone_dbfs", g.Mic.RMS)
}

func TestMetrics(t *testing.T) {
	var m *metrics
	visit(t, func(ctx context.Context, h *house) {
		m = &metrics{door: h.Station, count: map[string]int{}}
		m.run(ctx)
	}, func(*house) {
		var text strings.Builder
		m.write(&text)
		for _, line := range []string{`door_calls_total{direction="outgoing",cause="hung-up"} 1`, `door_releases_total{ok="true"} 1`, `door_events_total{kind="call.digit"} 1`, "door_faults 0"} {
			if !strings.Contains(text.String(), line+"\n") {
				t.Errorf("the scrape lacks %s:\n%s", line, text.String())
			}
		}
	})
}
