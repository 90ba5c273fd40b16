// Package metrics shows what a door does to a collector of figures, in the text format of
// Prometheus and by its rules for names and units: seconds, bytes, ratios, totals.
//
// It counts the events of a station and reads its snapshot and gauges when it is asked; it
// keeps nothing that outlives the program, decides nothing, and is never waited for. Labels
// hold only what is bounded by the configuration or by a list of codes in station: never a
// caller, a person or a number.
package metrics

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"intercomd/station"
)

// Door is what the metrics are read from.
type Door interface {
	Snapshot() *station.Snapshot
	Gauges() *station.Gauges
	Subscribe(ctx context.Context, from uint64) iter.Seq[station.Event]
}

// Metrics are the figures of one door. Collect and Handler may be used by any number of
// goroutines, beside Run.
type Metrics struct {
	door     Door
	read     figures // what Collect reads
	registry *prometheus.Registry
	log      *slog.Logger

	events   *prometheus.CounterVec // by kind
	missed   prometheus.Counter
	calls    *prometheus.CounterVec   // by direction, cause, by
	setup    *prometheus.HistogramVec // by direction, step
	talk     *prometheus.HistogramVec // by direction
	releases *prometheus.CounterVec   // by result
	commands *prometheus.CounterVec   // by command, result
	losses   *prometheus.CounterVec   // registrations lost, by state

	mu    sync.Mutex
	media media
}

// media adds up what the gauges count anew in each call.
type media struct {
	last                            station.AudioStats
	received, lost, concealed, sent uint64
}

// The buckets, in seconds: a press is in the network after some 10 ms and people answer within
// half a minute; talks last until the limit of the configuration, seldom above 10 min.
func setupBuckets() []float64 {
	return []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60}
}
func talkBuckets() []float64 { return []float64{1, 5, 10, 20, 30, 60, 120, 300, 600, 1800} }

// New makes the metrics of a door. They count from then on that Run runs.
func New(door Door, log *slog.Logger) *Metrics {
	m := &Metrics{door: door, read: newFigures(), registry: prometheus.NewRegistry(), log: log}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.events = counter("intercomd_events_total", "Events at the door, by kind.", "kind")
	m.calls = counter("intercomd_calls_total", "Calls that ended, by why and by whom.", "direction", "cause", "by")
	m.releases = counter("intercomd_door_releases_total", "Attempts to open something, by how they went.", "result")
	m.commands = counter("intercomd_commands_total", "Commands from the page and other interfaces.", "command", "result")
	m.losses = counter("intercomd_registration_changes_total", "Changes of the registration, by the new state.", "state")
	m.setup = histogram("intercomd_call_setup_seconds", "From the press, or the arrival of the call, to each step.", setupBuckets(), "direction", "step")
	m.talk = histogram("intercomd_call_talk_seconds", "From the answer to the end.", talkBuckets(), "direction")
	m.missed = prometheus.NewCounter(prometheus.CounterOpts{Name: "intercomd_events_missed_total",
		Help: "Events that these metrics did not count because they came too late."})
	m.registry.MustRegister(m.missed, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// Counters that start with the first event would hide it from rate() and increase(): the first wrong codes
	// from the alert, and a door that is called twice a day from the figures of a week.
	for _, c := range station.Causes() {
		for _, d := range []string{station.Outgoing, station.Incoming} {
			for _, by := range []station.Party{station.ByDoor, station.ByPeer, station.ByNet, station.ByCommand} {
				m.calls.WithLabelValues(d, string(c), string(by))
			}
		}
	}
	m.releases.WithLabelValues("opened")
	for _, why := range station.Refusals() {
		m.releases.WithLabelValues(string(why))
	}
	for _, state := range station.RegStates() {
		m.losses.WithLabelValues(string(state))
	}
	for _, step := range []string{"ringing", "answered"} { // of which alerts and dashboard speak
		m.setup.WithLabelValues(station.Outgoing, step)
	}
	return m
}

// Run counts events until the door stops or ctx ends.
func (m *Metrics) Run(ctx context.Context) {
	for e := range m.door.Subscribe(ctx, 0) {
		m.count(e)
	}
}

func (m *Metrics) count(e station.Event) {
	m.events.WithLabelValues(string(e.News.Kind())).Inc()
	switch n := e.News.(type) {
	case station.Missed:
		if n.Next > n.From {
			m.missed.Add(float64(n.Next - n.From))
		}
	case station.CallEnded:
		m.ended(n.Record)
	case station.Released:
		result := "opened"
		if !n.OK {
			result = string(n.Why)
		}
		m.releases.WithLabelValues(result).Inc()
	case station.Commanded:
		result := n.Error
		if result == "" {
			result = "ok"
		}
		m.commands.WithLabelValues(string(n.Command), result).Inc()
	case station.RegistrationChanged:
		m.losses.WithLabelValues(string(n.Registration.State)).Inc()
	}
}

// ended counts a call that is over.
func (m *Metrics) ended(r station.Record) {
	m.calls.WithLabelValues(r.Direction, string(r.Ending.Cause), string(r.Ending.By)).Inc()
	for _, s := range []struct {
		step string
		at   time.Time
	}{{"sent", r.Sent}, {"ringing", r.Ringing}, {"early-media", r.Early}, {"answered", r.Answered}, {"media", r.MediaUp}, {"heard", r.Heard}} {
		if !s.at.IsZero() && !s.at.Before(r.Pressed) {
			m.setup.WithLabelValues(r.Direction, s.step).Observe(s.at.Sub(r.Pressed).Seconds())
		}
	}
	if !r.Answered.IsZero() && r.Ended.After(r.Answered) {
		m.talk.WithLabelValues(r.Direction).Observe(r.Ended.Sub(r.Answered).Seconds())
	}
	m.take(m.door.Gauges().Stats)
}

// take adds what was counted since the gauges were read before. They begin anew with each call.
func (m *Metrics) take(now station.AudioStats) media {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := func(now, last uint64) uint64 {
		if now < last {
			return now
		}
		return now - last
	}
	if now.Received < m.media.last.Received || now.Sent < m.media.last.Sent {
		m.media.last = station.AudioStats{}
	}
	m.media.received += since(now.Received, m.media.last.Received)
	m.media.lost += since(now.Lost, m.media.last.Lost)
	m.media.concealed += since(now.Concealed, m.media.last.Concealed)
	m.media.sent += since(now.Sent, m.media.last.Sent)
	m.media.last = now
	return m.media
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
