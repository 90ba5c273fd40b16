// Package week lets a door live through the events of a week in a minute, with everybody who
// follows what happens at it, and looks for what grows.
package week

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/history"
	"intercomd/metrics"
	"intercomd/mqtt"
	"intercomd/notify"
	"intercomd/station"
	"intercomd/store"
	"intercomd/web"
	"intercomd/web/logtail"
	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	days    = 7
	visits  = 50            // a day: a busy house
	warmUp  = 2             // days after which everything that is bounded has reached its bounds
	mostMem = 256 << 10     // bytes
	dead    = "127.0.0.1:9" // where nobody listens
)

// house is the core of a door, whose bell, telephone and relays do what the test says.
type house struct {
	*station.Station
	line *line
}

type line struct{ id string }

func (l *line) ID() string                   { return l.id }
func (*line) Incoming() bool                 { return false }
func (*line) Peer() station.Peer             { return station.Peer{User: "1001", URI: "sip:1001@pbx.test"} }
func (*line) Open(station.VoiceMode)         {}
func (*line) AnswerWish() station.AnswerWish { return station.AnswerWish{} }
func (*line) Queue()                         {}
func (*line) Ring()                          {}
func (*line) Answer()                        {}
func (*line) End(station.Cause)              {}
func (*line) SendDigits(string)              {}

func (h *house) Dial(string) station.Call             { return h.line }
func (*house) Hurry(time.Duration)                    {}
func (*house) Play(station.Tone)                      {}
func (*house) Silence()                               {}
func (*house) Prepare()                               {}
func (*house) Mute(bool)                              {}
func (*house) Close()                                 {}
func (*house) Sound() (station.Sound, station.Gauges) { return station.Sound{}, station.Gauges{} }

func (*house) SetLamp(string, station.Pattern, station.Colour)            {}
func (*house) PulseRelay(string, time.Duration) error                     { return nil }
func (*house) FlashRelay(string, time.Duration, time.Duration, int) error { return nil }
func (*house) SwitchRelay(string, bool) error                             { return nil }
func (*house) RelayOn(string) bool                                        { return false }
func (*house) State() (station.BoardState, []station.InputCount)          { return station.BoardState{}, nil }

// visit is somebody who rings, is let in by code and goes. Now and then something breaks meanwhile.
func (h *house) visit(n int) {
	h.line = &line{id: fmt.Sprint("call-", n)}
	h.Edge(station.Edge{Input: "bell", Active: true, At: time.Now()})
	synctest.Wait()
	h.Edge(station.Edge{Input: "bell", At: time.Now()})
	happens := func(e station.CallEvent) {
		e.At = time.Now()
		h.CallEvent(h.line, e)
		time.Sleep(time.Second)
	}
	for _, k := range []station.CallEventKind{station.Sent, station.FarRinging, station.Answered, station.MediaUp} {
		happens(station.CallEvent{Kind: k})
	}
	for _, digit := range []rune{'9', '5'} { // a wrong one, and the key
		happens(station.CallEvent{Kind: station.Digit, Digit: digit})
	}
	h.Edge(station.Edge{Input: "leaf", Active: true, At: time.Now()})
	time.Sleep(5 * time.Second)
	h.Edge(station.Edge{Input: "leaf", At: time.Now()})
	happens(station.CallEvent{Kind: station.Ended, Ending: station.Ending{Cause: station.CauseHangup, By: station.ByPeer}})
	if n%10 == 0 {
		h.SetRegistration(station.Registration{State: station.RegFailed, Problem: words.New("dial-refused", "server", fmt.Sprint("wss://", n))})
		h.SetFault(station.Fault{Key: fmt.Sprint("notify.", n%3), Message: words.New("dial-refused", "server", fmt.Sprint(n))})
		time.Sleep(20 * time.Second)
		h.ClearFault(fmt.Sprint("notify.", n%3))
		h.SetRegistration(station.Registration{State: station.RegRegistered})
	}
}

// reader is a program that asks the door for events by cursor, now and then.
type reader struct {
	page   http.Handler
	cursor string
	got    int
	gaps   int
}

func (r *reader) read(t *testing.T) {
	t.Helper()
	for more := true; more; {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080/api/v1/events?limit=100&after="+r.cursor, http.NoBody)
		req.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		r.page.ServeHTTP(w, req)
		var answer struct {
			Events []struct {
				Kind string `json:"kind"`
			} `json:"events"`
			Cursor string `json:"cursor"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %v %s", w.Code, err, w.Body)
		}
		for _, e := range answer.Events {
			if e.Kind == "events.missed" {
				r.gaps++
			}
		}
		r.got += len(answer.Events)
		more = len(answer.Events) > 0 && r.cursor != answer.Cursor
		r.cursor = answer.Cursor
	}
}

// A week of visits, faults and lost registrations passes through history, log, metrics, web services, MQTT and
// the interface for programs, the two of which that lead out find nobody there. From the third day on neither the memory
// of the program nor its files grow.
func TestNothingGrowsInAWeek(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		keep, err := store.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		tail := logtail.New()
		log := slog.New(tail.Handler(slog.DiscardHandler))
		h := &house{line: &line{}}
		h.Station = station.New(station.Config{
			Name:    "Front door",
			Buttons: []station.ButtonConfig{{Input: "bell", Press: station.Action{Do: station.Dial, Target: "1001"}}},
			Call:    station.CallConfig{RingTime: time.Minute, TalkTime: time.Minute, Hold: time.Second},
			Door: station.DoorConfig{Pulses: map[string]time.Duration{"door": time.Second},
				Access: station.AccessConfig{Keys: []station.KeyConfig{{Digits: "5", Action: station.Action{Do: station.Release, Relay: "door"}}}}},
		}, h, h, h)
		past := history.Open(history.Config{Dir: keep, Keep: 365 * 24 * time.Hour, Known: func() bool { return true }, Kept: func(error) {}, Log: log})
		office, faults := notify.New(notify.Config{Door: "Front door", Keep: kept{keep}, Log: log,
			Ways: []notify.Way{{Kinds: []string{"ring", "call", "answered", "missed", "opened", "alarm", "fault", "registration"}, Webhook: "https://" + dead + "/hook"}}})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		count := metrics.New(h, log)
		page := web.New(web.Config{Listen: "127.0.0.1:0", Tail: tail, Log: log}, h, nil).Handler()

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var all, followers sync.WaitGroup
		all.Go(func() { h.Run(ctx) })
		all.Go(func() { keep.Run(ctx, func(error) {}) })
		all.Go(func() { office.Run(ctx, h) })
		all.Go(func() { count.Run(ctx) })
		all.Go(func() {
			_ = mqtt.Run(ctx, h, mqtt.Config{Server: "mqtt://" + dead, Topic: "intercomd", Serial: "1", Discovery: "homeassistant", Language: words.English(), Log: log})
		})
		followers.Go(func() { past.Follow(h) })
		followers.Go(func() {
			for e := range h.Subscribe(ctx, 0) {
				office.Tell(e)
				log.Info("event", "kind", string(e.News.Kind()), "seq", e.Seq)
			}
		})
		h.SetRegistration(station.Registration{State: station.RegRegistered})
		synctest.Wait()

		often, seldom := &reader{page: page, cursor: "first"}, &reader{page: page, cursor: "first"}
		var memory, files [days + 1]int
		for day := 1; day <= days; day++ {
			for n := range visits {
				h.visit(day*visits + n)
				if n%5 == 0 {
					often.read(t)
				}
			}
			if day == 1 {
				seldom.read(t) // and then at the end
			}
			synctest.Wait()
			memory[day], files[day] = inUse(), size(t, dir)
		}
		seldom.read(t)
		t.Logf("memory by day: %v; files: %v; events read often: %d, seldom: %d with %d gaps", memory[1:], files[1:], often.got, seldom.got, seldom.gaps)
		if grown := memory[days] - memory[warmUp]; grown > mostMem {
			t.Errorf("the memory grew by %d kB", grown>>10)
		}
		for _, n := range files[1:] {
			if n > 4<<20 {
				t.Errorf("%d kB of files", n>>10)
			}
		}
		if often.got < days*visits*8 || often.gaps > 0 || seldom.gaps == 0 {
			t.Errorf("events were read %d times, with %d and %d gaps", often.got, often.gaps, seldom.gaps)
		}
		if calls := h.Snapshot().Calls; len(calls) == 0 || calls[0].ID != fmt.Sprint("call-", days*visits+visits-1) {
			t.Error("the last call is not the last")
		}
		cancel()
		all.Wait()
		followers.Wait()
	})
}

// kept lets notices wait in the state directory.
type kept struct{ dir *store.Dir }

const keptFile = "notices.json"

func (k kept) Load(v any) error {
	data, err := k.dir.Read(keptFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func (k kept) Save(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(k.dir.Path(keptFile), data, 0o600)
}

// inUse is the memory that is in use, bytes.
func inUse() int {
	runtime.GC()
	runtime.GC() // what finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// size is that of all files of a folder, bytes.
func size(t *testing.T, dir string) (sum int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += int(info.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
