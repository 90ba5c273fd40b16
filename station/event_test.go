package station

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// kinds is what happened from a number on, in short.
func kinds(h *house, from uint64) (out []string) {
	synctest.Wait()
	events, _ := h.st.Since(from)
	for _, e := range events {
		out = append(out, string(e.News.Kind()))
	}
	return out
}

// One call from the press to the end, with all that is told of it.
func TestEventsOfACall(t *testing.T) {
	story(t, func(h *house) {
		from := h.snap().Events
		h.press("bell")
		c := h.last()
		for _, k := range []CallEventKind{Sent, FarRinging, Answered, MediaUp, FirstHeard, FirstSpoken, Held, Resumed} {
			c.happens(k)
		}
		c.digits("15")
		h.press("bell")
		want := strings.Fields("button.pressed call.started call.sent call.ringing call.answered call.media-up call.heard call.spoken " +
			"call.held call.resumed call.digit call.digit door.released button.pressed call.ended")
		if got := kinds(h, from); !slices.Equal(got, want) {
			t.Errorf("told\n  %q\nwant\n  %q", got, want)
		}
		events, _ := h.st.Since(from)
		for i, e := range events {
			if e.Seq != from+uint64(i) {
				t.Errorf("event %d has the number %d", i, e.Seq)
			}
			if i > 0 && e.Call != c.ID() {
				t.Errorf("%s is of the call %q", e.News.Kind(), e.Call)
			}
			text, err := json.Marshal(e)
			if err != nil || strings.Contains(string(text), `"5"`) {
				t.Errorf("%s, %v: no event has digits", text, err)
			}
		}
		if s := h.snap(); s.Events != events[len(events)-1].Seq+1 {
			t.Errorf("the state is that before event %d, and the last one is %d", s.Events, events[len(events)-1].Seq)
		}
	})
}

func TestEventAsJSON(t *testing.T) {
	at := time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)
	got, err := json.Marshal(Event{Seq: 7, At: at, Call: "c1", News: Released{OK: true, By: Principal{Via: ViaCall, Name: "1001"}, Name: "anna", Relay: "door"}})
	want := `{"seq":7,"at":"2026-11-29T09:00:00Z","kind":"door.released","call":"c1",` +
		`"data":{"ok":true,"by":{"via":"call","name":"1001"},"name":"anna","relay":"door"}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}

func TestCommandsSayWhoGaveThem(t *testing.T) {
	story(t, func(h *house) {
		admin := Principal{Via: ViaPage, Name: "anna", From: "192.0.2.1"}
		_ = h.st.Do(h.t.Context(), Command{Kind: CommandOpen, Relay: "door", By: admin})
		_ = h.st.Do(h.t.Context(), Command{Kind: CommandHangup, By: admin})
		_ = h.st.Do(h.t.Context(), Command{Kind: CommandPress, Button: "bell", By: admin})
		if got := h.audit(); len(got) != 1 || !got[0].OK || got[0].By != admin {
			t.Errorf("audit %+v", got)
		}
		want := []Commanded{{Command: CommandOpen, By: admin, Relay: "door"}, {Command: CommandHangup, By: admin, Error: "no-call"}, {Command: CommandPress, By: admin, Button: "bell"}}
		if got := news[Commanded](h); !slices.Equal(got, want) {
			t.Errorf("commands %+v", got)
		}
		if got := news[Pressed](h); len(got) != 1 || got[0].By != admin {
			t.Errorf("presses %+v", got)
		}
	})
}

func TestFaultsAreToldWhenTheyComeChangeAndGo(t *testing.T) {
	story(t, func(h *house) {
		from := h.snap().Events
		set := func(code string) {
			f := Fault{Key: "web", Blinks: FaultConfig}
			f.Code = code
			h.st.SetFault(f)
			synctest.Wait()
		}
		set("a")
		set("a")
		set("b")
		h.st.ClearFault("web")
		h.st.ClearFault("web")
		if got := kinds(h, from); !slices.Equal(got, []string{"fault.raised", "fault.raised", "fault.cleared"}) {
			t.Errorf("told %q", got)
		}
	})
}

// A reader that is behind gets a mark in place of what it missed, and the newest.
func TestLateReadersFindAGap(t *testing.T) {
	j := journal{next: 1}
	for range 3 * eventsKept {
		j.add(Event{News: CallDigit{}})
	}
	for from, next := range map[uint64]uint64{
		1:              2*eventsKept + 1, // too old
		2 * eventsKept: 2*eventsKept + 1, // by one
		90_000:         2*eventsKept + 1, // of another run
	} {
		events, _ := j.since(from)
		if m, ok := events[0].News.(Missed); !ok || m.From != from || m.Next != next || events[0].Seq != next-1 {
			t.Errorf("from %d: %+v", from, events[0])
		}
		if len(events) != eventsKept+1 || events[1].Seq != next || events[eventsKept].Seq != 3*eventsKept {
			t.Errorf("from %d: %d events, %d to %d", from, len(events), events[1].Seq, events[len(events)-1].Seq)
		}
	}
	for _, from := range []uint64{0, 2*eventsKept + 1} {
		if events, _ := j.since(from); len(events) != eventsKept || events[0].Seq != 2*eventsKept+1 {
			t.Errorf("from %d: %d events", from, len(events))
		}
	}
	if events, more := j.since(3*eventsKept + 1); len(events) != 0 || more == nil {
		t.Errorf("from the next one on: %+v", events)
	}
}

// The core goes on whatever its readers do: here one that never comes back.
func TestReadersCannotDelayTheDoor(t *testing.T) {
	story(t, func(h *house) {
		stuck := make(chan struct{})
		var read []Event
		over := make(chan struct{})
		go func() {
			defer close(over)
			for e := range h.st.Subscribe(context.Background(), 0) {
				read = append(read, e)
				<-stuck
			}
		}()
		h.press("bell")
		h.last().happens(Answered)
		begin := time.Now()
		for range 2 * eventsKept {
			h.last().digits("1")
		}
		h.press("bell")
		if h.snap().State != Idle || time.Since(begin) != 0 {
			t.Errorf("state %s after %v", h.snap().State, time.Since(begin))
		}
		close(stuck)
		h.stop()
		<-over // the end of the door ends the reader, after all that was left
		gaps := 0
		for i, e := range read {
			if _, ok := e.News.(Missed); ok {
				gaps++
			} else if i > 0 && e.Seq != read[i-1].Seq+1 {
				t.Errorf("event %d after %d without a gap", e.Seq, read[i-1].Seq)
			}
		}
		if last := read[len(read)-1].News; gaps != 1 || last != (Halted{}) {
			t.Errorf("%d gaps, and the last is %T", gaps, last)
		}
	})
}

func TestSubscribeEndsWithItsContext(t *testing.T) {
	story(t, func(h *house) {
		ctx, cancel := context.WithCancel(h.t.Context())
		over := make(chan int)
		go func() {
			n := 0
			for range h.st.Subscribe(ctx, 0) {
				n++
			}
			over <- n
		}()
		synctest.Wait()
		cancel()
		if n := <-over; n == 0 {
			t.Error("nothing was read")
		}
	})
}

// A door at rest publishes nothing, however loud it is on the street, and nothing happens.
func TestADoorAtRestPublishesNothing(t *testing.T) {
	story(t, func(h *house) {
		before := h.snap()
		for i := range 3600 {
			h.mu.Lock()
			h.gauges = Gauges{Mic: Level{Peak: -float64(i), RMS: -40}, Stats: AudioStats{Xruns: uint64(i)}}
			h.counts = []InputCount{{Name: "bell", Glitches: uint64(i)}}
			h.mu.Unlock()
			time.Sleep(time.Second)
		}
		after := h.snap()
		if after != before || kinds(h, before.Events) != nil {
			t.Errorf("%d new states, events %q", after.Seq-before.Seq, kinds(h, before.Events))
		}
		h.st.Gauges() // whoever asks
		synctest.Wait()
		g := h.st.Gauges() // gets new ones from then on
		if g.Mic.Peak != -3599 || g.Counts("bell").Glitches != 3599 || time.Since(g.Time) > askedEvery {
			t.Errorf("gauges %+v", g)
		}
		looks := func() (n int) { // in ten seconds
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if now := h.st.Gauges(); now != g {
					g, n = now, n+1
				}
			}
			return n
		}
		if n := looks(); n < 9 || n > 12 {
			t.Errorf("%d looks in 10 s while somebody asks and no sound runs", n)
		}
		h.setSound(Sound{Input: Device{Open: true}})
		if n := looks(); n < 36 || n > 42 {
			t.Errorf("%d looks in 10 s while somebody asks and the microphone runs", n)
		}
	})
}

// Whatever field of the state is another, the state is another; gauges are not a part of it.
func TestEveryFieldMakesAnotherState(t *testing.T) {
	no := map[string]bool{"Seq": true, "Events": true, "Time": true, "Gauges": true}
	var visit func(path string, v reflect.Value, check func(string))
	visit = func(path string, v reflect.Value, check func(string)) {
		old := reflect.ValueOf(v.Interface())
		switch v.Kind() {
		case reflect.String:
			v.SetString("another")
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int64:
			v.SetInt(7)
		case reflect.Uint32, reflect.Uint64:
			v.SetUint(7)
		case reflect.Float64:
			v.SetFloat(7)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			check(path + "[]")
			visit(path+"[]", v.Index(0), check)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				v.Set(reflect.ValueOf(time.Unix(7, 0)))
				break
			}
			for i := range v.NumField() {
				if f := v.Type().Field(i); path != "" || !no[f.Name] {
					visit(path+"."+f.Name, v.Field(i), check)
				}
			}
			return
		default:
			t.Fatalf("%s is a %s", path, v.Kind())
		}
		check(path)
		v.Set(old)
	}
	var fresh Snapshot
	visit("", reflect.ValueOf(&fresh).Elem(), func(path string) {
		if sameState(&Snapshot{}, &fresh) {
			t.Errorf("%s may change unseen", path)
		}
	})
	// A field within a list or a call: the lists are the same but for it.
	call, other := Record{ID: "a"}, Record{ID: "a", Digits: 1}
	if sameState(&Snapshot{Call: &call}, &Snapshot{Call: &other}) || !sameState(&Snapshot{Call: &call}, &Snapshot{Call: &Record{ID: "a"}}) {
		t.Error("a running call is compared by its address")
	}
	if !sameState(&Snapshot{}, &fresh) {
		t.Error("the test has left something behind")
	}
	if !sameState(&Snapshot{Seq: 1, Gauges: Gauges{Mic: Level{Peak: 1}}}, &Snapshot{}) {
		t.Error("gauges are a part of the state")
	}
}

// Nor does one whose keypad is locked, while it shows until when.
func TestALockIsOneState(t *testing.T) {
	story(t, func(h *house) {
		time.Sleep(time.Second)
		before := h.snap()
		if before.Door.LockedUntil.IsZero() {
			t.Fatal("not locked")
		}
		time.Sleep(20 * time.Minute)
		if after := h.snap(); after != before {
			t.Errorf("%d new states", after.Seq-before.Seq)
		}
	}, func(c *Config) {
		c.Door.Access.Codes = []CodeConfig{{Name: "anna", Digits: "1234", Relay: "door"}}
		c.Memory.LockedUntil = time.Now().Add(30 * time.Minute)
	})
}

// Who ended a call from elsewhere is told apart from the visitor's button.
func TestEndingsSayWhoWantedThem(t *testing.T) {
	admin := Principal{Via: ViaPage, Name: "anna", From: "192.0.2.1"}
	for name, tt := range map[string]struct {
		before []CallEventKind
		button bool
		want   Ending
	}{
		"from the page":            {[]CallEventKind{Answered}, false, Ending{Cause: CauseHangup, By: ByCommand, Who: admin}},
		"by the button":            {[]CallEventKind{Answered}, true, Ending{Cause: CauseHangup, By: ByDoor}},
		"from the page, ringing":   {[]CallEventKind{FarRinging}, false, Ending{Cause: CauseCancelled, By: ByCommand, Who: admin}},
		"by the button, ringing":   {[]CallEventKind{FarRinging}, true, Ending{Cause: CauseCancelled, By: ByDoor}},
		"from the page, not there": {nil, false, Ending{Cause: CauseCancelled, By: ByCommand, Who: admin}},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(h *house) {
				h.press("bell")
				for _, k := range tt.before {
					h.last().happens(k)
				}
				if tt.button {
					h.press("bell")
				} else if err := h.st.Do(h.t.Context(), Command{Kind: CommandHangup, By: admin}); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				ended := news[CallEnded](h)
				if len(ended) != 1 || ended[0].Record.Ending != tt.want {
					t.Errorf("%+v, want %+v", ended, tt.want)
				}
			})
		})
	}
}

// What is done beside the calls is among the events, in its order, and is of no call.
func TestAdministered(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		from := h.snap().Events
		did := Administered{Deed: TokenMade, Of: "panel", By: Principal{Via: ViaPage, Name: "anna"}}
		h.st.Administer(did)
		events, _ := h.st.Since(from)
		if len(events) == 0 || events[len(events)-1].News != did || events[len(events)-1].Call != "" || did.Kind() != "admin.token-made" {
			t.Errorf("%+v", events)
		}
	})
}

// What is kept as JSON can be read again, whatever kind it is.
func TestNewsAreReadAgain(t *testing.T) {
	seen := map[Kind]bool{}
	all := newsTypes()
	all = append(all, CallStep{Step: Answered, After: time.Second}, Administered{Deed: TokenMade, Of: "x", By: Principal{Via: ViaPage}},
		Released{OK: true, By: Principal{Via: ViaCall, Name: "1001"}}, CallEnded{Record{ID: "a", Ending: Ending{Cause: CauseHangup, By: ByCommand}}})
	for _, n := range all {
		data, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ReadNews(n.Kind(), data); err != nil || !reflect.DeepEqual(got, n) {
			t.Errorf("%s: %+v, %v", n.Kind(), got, err)
		}
		seen[n.Kind()] = true
	}
	source, err := os.ReadFile("news.go")
	if n := strings.Count(string(source), ") Kind() Kind {"); err != nil || n != len(newsTypes()) || len(seen) < n {
		t.Errorf("%d types in news.go, of which newsTypes has %d; %v", n, len(newsTypes()), err)
	}
	for kind, data := range map[Kind]string{"none": "{}", "": "{}", "call.ended": "[]", "door.released": `{"ok":7}`} {
		if got, err := ReadNews(kind, []byte(data)); err == nil {
			t.Errorf("%s %s is %+v", kind, data, got)
		}
	}
}

func TestForgottenCallsAreNotShown(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		h.press("bell")
		synctest.Wait()
		time.Sleep(time.Hour)
		cut := time.Now()
		h.press("bell")
		h.press("bell")
		synctest.Wait()
		if err := h.st.Do(h.t.Context(), Command{Kind: CommandForget, Before: cut}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := h.snap().Calls; len(got) != 1 || got[0].Ended.Before(cut) {
			t.Errorf("%+v", got)
		}
	})
}
