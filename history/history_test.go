package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/station"
	"intercomd/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// door is where events come from in these tests.
type door struct {
	mu     sync.Mutex
	events []station.Event
	more   chan struct{}
	over   bool
}

func newDoor() *door { return &door{more: make(chan struct{})} }

func (d *door) Since(from uint64) ([]station.Event, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []station.Event
	if n := int(max(from, 1)) - 1; n < len(d.events) {
		out = d.events[n:]
	}
	if d.over {
		return out, nil
	}
	return out, d.more
}

func (d *door) happens(call string, news ...station.News) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range news {
		d.events = append(d.events, station.Event{Seq: uint64(len(d.events)) + 1, At: time.Now(), Call: call, News: n})
	}
	close(d.more)
	d.more = make(chan struct{})
}

func (d *door) ends() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	close(d.more)
}

// call is all that is told of a call that opened the door.
func (d *door) call(id string) {
	bell := station.Principal{Via: station.ViaButton, Name: "bell"}
	peer := station.Peer{URI: "sip:1001@pbx.example.lan", User: "1001", Name: "Indoor station"}
	d.happens(id, station.Pressed{Button: "bell", Label: "Bell", State: station.Idle, Does: station.Dial, By: bell},
		station.CallStarted{Direction: station.Outgoing, Peer: peer, Button: "bell"})
	for _, k := range []station.CallEventKind{station.Sent, station.FarRinging, station.Answered, station.MediaUp, station.FirstHeard, station.FirstSpoken} {
		time.Sleep(time.Second)
		d.happens(id, station.CallStep{Step: k, After: time.Second})
	}
	d.happens(id, station.CallDigit{}, station.Released{OK: true, By: station.Principal{Via: station.ViaCall, Name: "1001"}, Name: "anna", Relay: "door"})
	time.Sleep(10 * time.Second)
	now := time.Now()
	d.happens(id, station.CallEnded{Record: station.Record{ID: id, Direction: station.Outgoing, Peer: peer, Button: "bell", Pressed: now, Sent: now, Ringing: now,
		Answered: now, MediaUp: now, Heard: now, Spoken: now, Opened: now, Ended: now, Digits: 4, Ending: station.Ending{Cause: station.CauseHangup, By: station.ByPeer}}})
}

func open(t *testing.T, dir string, keep time.Duration) *History {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Open(Config{Dir: s, Keep: keep, Known: func() bool { return true }, Log: slog.New(slog.DiscardHandler), Kept: func(err error) {
		if err != nil {
			t.Error(err)
		}
	}})
}

// following is a door whose history is written in a bubble of virtual time.
func following(t *testing.T, h *History, do func(*door)) {
	t.Helper()
	d, over := newDoor(), make(chan struct{})
	go func() { defer close(over); h.Follow(d) }()
	do(d)
	d.ends()
	<-over
}

func past(t *testing.T, h *History) *Past {
	t.Helper()
	p, err := h.Past()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What happened outlives a restart, the newest first, and is the same before it is written.
func TestPastOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := open(t, dir, 0)
		following(t, h, func(d *door) {
			d.call("a")
			d.call("b")
			synctest.Wait()
			if p := past(t, h); len(p.Calls) != 2 || p.Calls[0].ID != "b" || p.Events[0].Kind != "call.ended" {
				t.Errorf("at once %+v", p)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if data, err := os.ReadFile(dir + "/" + file); err != nil || strings.Count(string(data), "\n") != 20 {
				t.Errorf("written after the call: %s, %v", data, err)
			}
			d.happens("", station.Halted{})
		})
		p := past(t, open(t, dir, 0))
		if len(p.Calls) != 2 || p.Calls[0].ID != "b" || p.Calls[1].Digits != 4 || len(p.Events) != 21 || p.Events[0].Kind != "door.stopped" {
			t.Errorf("after a restart %+v", p)
		}
		for _, e := range p.Events {
			if e.Kind == "call.digit" {
				t.Error("a digit is kept")
			}
		}
	})
}

// However much happens, the last 200 calls and 1,000 events are there, and the file is bounded.
func TestTheLastAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := open(t, dir, 0)
		following(t, h, func(d *door) {
			for i := range 600 {
				d.call(fmt.Sprint("c", i))
				time.Sleep(20 * time.Minute)
			}
			for range 5000 { // which do not push the calls out
				d.happens("", station.ContactChanged{Input: "door", Active: true})
				time.Sleep(time.Second)
			}
		})
		p := past(t, open(t, dir, 0))
		if len(p.Calls) != Calls || p.Calls[0].ID != "c599" || p.Calls[Calls-1].ID != "c400" || len(p.Events) != Events {
			t.Errorf("%d calls, %d events", len(p.Calls), len(p.Events))
		}
		if info, err := os.Stat(dir + "/" + file); err != nil || info.Size() > 2*fileBegins {
			t.Errorf("%v, %v", info, err)
		}
	})
}

// A day with 50 calls that each open the door, and an outage of the server, writes less than 1 MB:
// what is appended, in whole pages as the file system writes them, and what is written anew.
func TestLittleIsWrittenADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := open(t, dir, 0)
		const page, days = 4096, 12
		written, writes := int64(0), 0
		size := func() int64 {
			info, err := os.Stat(dir + "/" + file)
			if err != nil {
				return 0
			}
			return info.Size()
		}
		last := int64(0)
		look := func() {
			synctest.Wait()
			switch now := size(); {
			case now > last:
				written += (now+page-1)/page*page - last/page*page
				writes++
				last = now
			case now < last: // appended, then made smaller
				written += now + 2*page
				writes += 2
				last = now
			}
		}
		following(t, h, func(d *door) {
			for i := range days * 50 {
				d.call(fmt.Sprint("c", i))
				for range 24 * 60 / 50 {
					time.Sleep(time.Minute)
					if i%50 == 20 { // the server is away
						for _, s := range []station.RegState{station.RegConnecting, station.RegRegistering, station.RegFailed} {
							d.happens("", station.RegistrationChanged{Registration: station.Registration{State: s}})
						}
					}
					look()
				}
				d.happens("", station.RegistrationChanged{Registration: station.Registration{State: station.RegRegistered}})
			}
		})
		// The audit log has a line of each opening, in a page of its own.
		perDay := written/days + 50*page
		t.Logf("%d kB and %d writes a day, of which the audit log 200 kB and 50", perDay/1000, writes/days+50)
		if perDay > 1_000_000 {
			t.Errorf("%d bytes a day", perDay)
		}
	})
}

// Time takes what is too old, a person what they want gone; both are gone from the card.
func TestErase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := open(t, dir, 30*24*time.Hour)
		following(t, h, func(d *door) {
			d.call("old")
			time.Sleep(20 * 24 * time.Hour)
			d.call("middle")
			time.Sleep(11 * 24 * time.Hour)
			d.call("new")
			synctest.Wait()
			if p := past(t, h); len(p.Calls) != 2 {
				t.Errorf("shown: %+v", p.Calls)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if data, _ := os.ReadFile(dir + "/" + file); strings.Contains(string(data), `"old"`) || !strings.Contains(string(data), `"middle"`) {
				t.Error("what is too old is on the card")
			}
			if err := h.Erase(time.Now().Add(-24 * time.Hour)); err != nil {
				t.Error(err)
			}
			if data, _ := os.ReadFile(dir + "/" + file); strings.Contains(string(data), `"middle"`) || !strings.Contains(string(data), `"new"`) {
				t.Error("what was erased is on the card")
			}
			d.happens("", station.FaultRaised{}) // pending
			synctest.Wait()
			if err := h.Erase(time.Now().Add(time.Second)); err != nil {
				t.Error(err)
			}
			if p := past(t, h); len(p.Calls)+len(p.Events) != 0 {
				t.Errorf("left: %+v", p)
			}
		})
		if data, _ := os.ReadFile(dir + "/" + file); len(data) != 0 {
			t.Errorf("left: %s", data)
		}
	})
}

// A clock that shows 2106 before it is set drops nothing.
func TestAWrongClockDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), time.Hour)
		h.cfg.Known = func() bool { return false }
		following(t, h, func(d *door) {
			d.call("a")
			time.Sleep(48 * time.Hour)
			d.call("b")
		})
		if p := past(t, h); len(p.Calls) != 2 {
			t.Errorf("%+v", p.Calls)
		}
	})
}

// A card that does not take what is written costs nothing but what is too much.
func TestACardThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := open(t, dir, 0)
		var last atomic.Pointer[error]
		var tries atomic.Int32
		h.cfg.Kept = func(err error) { last.Store(&err); tries.Add(1) }
		if err := os.Mkdir(dir+"/"+file, 0o700); err != nil {
			t.Fatal(err)
		}
		following(t, h, func(d *door) {
			for i := range 300 {
				d.call(fmt.Sprint(i))
			}
			synctest.Wait()
			h.mu.Lock()
			pending := len(h.pending)
			h.mu.Unlock()
			if err := last.Load(); err == nil || *err == nil || pending > 2*Events || pending < Events {
				t.Errorf("%v, %d pending", err, pending)
			}
			if n := tries.Load(); n > 100 { // 80 min
				t.Errorf("it was tried %d times", n)
			}
			if err := os.Remove(dir + "/" + file); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		})
		if err := last.Load(); *err != nil {
			t.Error(*err)
		}
		if p := past(t, open(t, dir, 0)); len(p.Events) < Events/2 {
			t.Errorf("%d events are there in the end", len(p.Events))
		}
	})
}

func FuzzPast(f *testing.F) {
	for _, seed := range []string{"", "{}\n", `{"at":"2026-11-29T09:00:00Z","kind":"call.ended","data":{"record":{"ended":"2026-11-29T09:00:00Z"}}}` + "\n", "{\"kind\":7}\n[]\n", `{"kind":"call.ended","data":7}` + "\n"} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(dir+"/"+file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		h := open(t, dir, 0)
		p, err := h.Past()
		if err != nil && !errors.Is(err, store.ErrNoFile) {
			t.Fatal(err)
		}
		if _, err := json.Marshal(p.Events); err != nil {
			t.Error(err)
		}
		if err := h.Erase(time.Time{}); err != nil {
			t.Fatal(err)
		}
	})
}
