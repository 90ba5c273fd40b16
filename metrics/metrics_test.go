package metrics

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"intercomd/station"
	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// door is one whose state and events the test sets.
type door struct {
	snap   station.Snapshot
	gauges station.Gauges
	events []station.News
}

func (d *door) Snapshot() *station.Snapshot { return &d.snap }
func (d *door) Gauges() *station.Gauges     { return &d.gauges }
func (d *door) Subscribe(context.Context, uint64) iter.Seq[station.Event] {
	return func(yield func(station.Event) bool) {
		for i, n := range d.events {
			if !yield(station.Event{Seq: uint64(i + 1), News: n}) {
				return
			}
		}
	}
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// busy is a door at which everything has happened once.
func busy() *door {
	at := func(ms int) time.Time { return start().Add(time.Duration(ms) * time.Millisecond) }
	call := station.Record{ID: "c1", Direction: station.Outgoing, Peer: station.Peer{User: "1001"}, Button: "bell", Pressed: at(0), Sent: at(30), Ringing: at(90),
		Answered: at(4000), MediaUp: at(4100), Heard: at(4200), Ended: at(24000), Ending: station.Ending{Cause: station.CauseHangup, By: station.ByPeer}}
	return &door{
		snap: station.Snapshot{Version: "1.2.3", Started: start(), State: station.Talking, Registration: station.Registration{State: station.RegRegistered, Expires: start().Add(time.Minute)},
			Sound: station.Sound{Input: station.Device{OK: true}, MicLive: true}, SelfTest: station.SelfTest{State: "failed"},
			Board:    station.BoardState{Inputs: []station.Input{{Name: "bell"}}, Lamps: []station.Lamp{{Name: "light"}}, Relays: []station.Relay{{Name: "door", On: true}}},
			Contacts: []station.Contact{{Input: "door-contact", Watches: "door", Active: true, Alarm: "held"}},
			Door:     station.DoorState{LockedUntil: start().Add(time.Minute), DoNotDisturb: true},
			Faults: []station.Fault{{Key: "sound.output", Message: words.New("device-missing"), Blinks: 4},
				{Key: "sound.output", Message: words.New("device-missing"), Blinks: 4}}},
		gauges: station.Gauges{Time: start(), Stats: station.AudioStats{Received: 1000, Lost: 10, Concealed: 20, Sent: 900, JitterMS: 40},
			Inputs: []station.InputCount{{Name: "bell", Presses: 3, Glitches: 2, Bounces: 1}}},
		events: []station.News{station.Started{}, station.Pressed{Button: "bell"}, station.CallEnded{Record: call}, station.Released{OK: true}, station.Released{Why: station.RefusedCode},
			station.Commanded{Command: station.CommandOpen, Error: "not-possible"}, station.Missed{From: 3, Next: 8}, station.RegistrationChanged{Registration: station.Registration{State: station.RegFailed}}},
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	text, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v\n%s", w.Code, err, text)
	}
	return string(text)
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the scrape lacks %s", line)
		}
	}
}

func TestScrape(t *testing.T) {
	m := New(busy(), slog.New(slog.DiscardHandler))
	m.Run(t.Context())
	text := scrape(t, m)
	wants(t, text,
		`intercomd_build_info{version="1.2.3"} 1`,
		`intercomd_calls_total{by="far-end",cause="hung-up",direction="outgoing"} 1`,
		`intercomd_calls_total{by="door",cause="busy",direction="incoming"} 0`,
		`intercomd_call_setup_seconds_bucket{direction="outgoing",step="sent",le="0.05"} 1`,
		`intercomd_call_setup_seconds_bucket{direction="outgoing",step="sent",le="0.025"} 0`,
		`intercomd_call_setup_seconds_sum{direction="outgoing",step="answered"} 4`,
		`intercomd_call_talk_seconds_sum{direction="outgoing"} 20`,
		`intercomd_door_releases_total{result="opened"} 1`,
		`intercomd_door_releases_total{result="wrong-code"} 1`,
		`intercomd_commands_total{command="open",result="not-possible"} 1`,
		`intercomd_events_missed_total 5`,
		`intercomd_registration_changes_total{state="failed"} 1`,
		`intercomd_ready 1`, `intercomd_state{state="talking"} 1`, `intercomd_state{state="idle"} 0`,
		`intercomd_registration_state{state="registered"} 1`,
		`intercomd_fault{blinks="4",code="device-missing",key="sound.output"} 1`,
		`intercomd_sound_device_up{role="input"} 1`, `intercomd_sound_device_up{role="output"} 0`,
		`intercomd_audio_packets_received_total 1000`, `intercomd_audio_concealed_seconds_total 0.2`,
		`intercomd_audio_jitter_buffer_seconds 0.04`,
		`intercomd_input_presses_total{input="bell"} 3`, `intercomd_relay_on{relay="door"} 1`,
		`intercomd_contact_alarm{input="door-contact"} 1`, `intercomd_keypad_locked 1`, `intercomd_selftest_passed 0`)
	// Who called, and anything else that is not bounded, is no label.
	if strings.Contains(text, "1001") {
		t.Error("the scrape tells whom the door called")
	}
}

// What alerts and rates are made of is there before it happens for the first time: increase() does not see a series
// begin.
func TestSeriesBeginAtZero(t *testing.T) {
	text := scrape(t, New(&door{}, slog.New(slog.DiscardHandler)))
	for _, why := range []string{"opened", "wrong-code", "keypad-locked", "not-allowed", "blocked", "relay"} {
		wants(t, text, `intercomd_door_releases_total{result="`+why+`"} 0`)
	}
	for _, state := range []string{"off", "connecting", "registering", "registered", "failed", "refused"} {
		wants(t, text, `intercomd_registration_changes_total{state="`+state+`"} 0`)
	}
	for _, step := range []string{"ringing", "answered"} {
		wants(t, text, `intercomd_call_setup_seconds_count{direction="outgoing",step="`+step+`"} 0`)
	}
}

// The names and units are those that promtool accepts.
func TestNames(t *testing.T) {
	m := New(busy(), slog.New(slog.DiscardHandler))
	m.Run(t.Context())
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// What the gauges count anew in each call becomes totals: two calls with a scrape before,
// between and in each of them.
func TestTotalsOverCalls(t *testing.T) {
	d := &door{}
	m := New(d, slog.New(slog.DiscardHandler))
	total := 0
	for call, steps := range [][]uint64{{100, 250}, {30, 400}} {
		for _, n := range steps {
			d.gauges.Stats = station.AudioStats{Received: n, Sent: n, Lost: n / 10}
			scrape(t, m)
		}
		total += int(steps[1])
		m.count(station.Event{News: station.CallEnded{}})
		got := m.take(d.gauges.Stats)
		if int(got.received) != total || int(got.sent) != total || int(got.lost) != total/10 {
			t.Errorf("after call %d: %+v, want %d", call+1, got, total)
		}
	}
}

// Alerts and dashboard speak of metrics that there are.
func TestFilesKnowTheMetrics(t *testing.T) {
	m := New(busy(), slog.New(slog.DiscardHandler))
	m.Run(t.Context())
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
	}
	name := regexp.MustCompile(`\b(intercomd|process)_[a-z_]+\b`)
	for _, file := range []string{"alerts.yml", "alerts_test.yml", "dashboard.json"} {
		text, err := os.ReadFile("../docs/monitoring/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := name.FindAllString(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s speaks of no metric", file)
		}
		for _, one := range found {
			if !known[one] && !known[strings.TrimSuffix(one, "_bucket")] {
				t.Errorf("%s: there is no metric %s", file, one)
			}
		}
	}
}
