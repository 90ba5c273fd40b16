// Package history keeps what happened at a door, so that it outlives restarts and power cuts: its
// last calls and its last events, in one file of lines of JSON.
//
// It follows the events of the station and writes them down in one go when a call is over, and
// soon after whatever else happens. It refuses to know who reads it and what for; it opens no other
// file, and nothing waits for it.
package history

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
	"weak"

	"golang.org/x/time/rate"

	"intercomd/station"
	"intercomd/store"
)

// What is kept.
const (
	Calls  = 200
	Events = 1000
)

// When what is pending is written. Each time costs a card a few blocks, however little it is.
const (
	afterCall = time.Second     // what follows a call at once goes with it
	inCall    = 5 * time.Minute // its end is near, and takes all before along
	elsewhere = time.Minute
)

const (
	file = "history.log"
	// mostLine bounds what a line may have of texts from the network, in bytes.
	mostLine = 4 << 10
	// fileBegins is the size at which the file is first made smaller, in bytes.
	fileBegins = 768 << 10
	// mostFile is never reached; see [store.Log].
	mostFile = 16 << 20
)

// Config says where and for how long.
type Config struct {
	Dir *store.Dir
	// Keep is after what time lines are dropped; 0 keeps them for as long as there is room.
	Keep time.Duration
	// Known reports whether the time of day can be trusted: nothing is dropped by a clock that
	// cannot.
	Known func() bool
	// Kept hears of each write how it went.
	Kept func(error)
	Log  *slog.Logger
}

// Entry is one event as it was kept: Data is the JSON of its [station.News].
type Entry struct {
	At   time.Time       `json:"at"`
	Kind station.Kind    `json:"kind"`
	Call string          `json:"call,omitempty"`
	Data json.RawMessage `json:"data"`
}

// History is the file and what is about to be written to it. Its methods may be called by any
// number of goroutines.
type History struct {
	cfg Config

	mu      sync.Mutex
	log     *store.Log
	pending []Entry
	fails   bool      // they could not be written when that was tried last
	due     time.Time // of pending
	shrink  int64     // size at which the file is made smaller
	budget  map[station.Kind]*rate.Limiter
	reg     station.RegState // that was written last
	tidied  time.Time
	read    weak.Pointer[Past] // what is in the file, while somebody has it; see [History.Past]
}

// Open opens the history in a directory. Nothing is read or written yet.
func Open(c Config) *History {
	return &History{cfg: c, log: c.Dir.Log(file, mostFile), shrink: fileBegins, budget: map[station.Kind]*rate.Limiter{}}
}

// Source is where events come from; [station.Station] is one.
type Source interface {
	Since(from uint64) ([]station.Event, <-chan struct{})
}

// Follow writes down what happens until the source has ended. One goroutine calls it.
func (h *History) Follow(s Source) {
	from := uint64(0)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		events, more := s.Since(from)
		for _, e := range events {
			from = e.Seq + 1
			h.take(e)
		}
		if len(events) > 0 {
			continue
		}
		if more == nil {
			h.flush(true)
			return
		}
		var due <-chan time.Time
		if at := h.dueAt(); !at.IsZero() {
			timer.Reset(time.Until(at))
			due = timer.C
		}
		select {
		case <-more:
		case <-due:
			h.flush(false)
		}
	}
}

func (h *History) dueAt() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.due
}

// take notes an event, to be written when it is due.
func (h *History) take(e station.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if !h.worth(e, now) {
		return
	}
	entry, err := entryOf(e)
	if err != nil {
		h.cfg.Log.Warn("an event cannot be kept", "kind", string(e.News.Kind()), "error", err)
		return
	}
	h.pending = append(h.pending, entry)
	h.read = weak.Pointer[Past]{}
	if h.fails { // it is tried again in a while, not with each event
		h.pending = h.pending[max(0, len(h.pending)-2*Events):]
		return
	}
	wait := elsewhere
	switch e.News.(type) {
	case station.CallEnded, station.VisitorMissed, station.FaultRaised, station.RelaysBlocked, station.AlarmChanged:
		wait = afterCall
	default:
		if e.Call != "" {
			wait = inCall
		}
	}
	if due := now.Add(wait); h.due.IsZero() || due.Before(h.due) {
		h.due = due
	}
	if len(h.pending) >= Events/4 {
		h.due = now
	}
}

// entryOf is what is kept of an event.
func entryOf(e station.Event) (Entry, error) {
	data, err := json.Marshal(e.News)
	if err == nil && len(data) > mostLine {
		data = []byte("{}") // somebody's text without end
	}
	return Entry{At: e.At, Kind: e.News.Kind(), Call: e.Call, Data: data}, err
}

// worth reports whether an event is one to keep. What would fill the history by itself is not: keys
// in a call, and each try of a registration that fails.
func (h *History) worth(e station.Event, now time.Time) bool {
	switch n := e.News.(type) {
	case station.CallDigit:
		return false
	case station.RegistrationChanged:
		g := n.Registration.State
		if g == h.reg || g == station.RegConnecting || g == station.RegRegistering {
			return false
		}
		h.reg = g
	}
	b := h.budget[e.News.Kind()]
	if b == nil {
		b = rate.NewLimiter(rate.Every(refill), burst)
		h.budget[e.News.Kind()] = b
	}
	return b.AllowN(now, 1)
}

// A budget of lines for each kind of event: a contact that bounces, or a stranger who rings without
// end, wears out no card and does not push all else out of the history.
const (
	burst  = 300
	refill = 2 * time.Minute
)

// flush writes what is pending, if it is due or the door ends. What cannot be written stays
// pending, but no more than can be kept.
func (h *History) flush(ends bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); len(h.pending) > 0 && (ends || !now.Before(h.due)) {
		h.due = time.Time{}
		h.cfg.Kept(h.write())
		if len(h.pending) > 0 {
			h.due = now.Add(elsewhere)
		}
		h.tidy(now)
	}
}

// write appends what is pending. The caller has the lock.
func (h *History) write() error {
	lines := make([]any, len(h.pending))
	for i, e := range h.pending {
		lines[i] = e
	}
	err := h.log.Append(lines...)
	if h.fails = err != nil; h.fails {
		h.pending = h.pending[max(0, len(h.pending)-Events):]
		return err
	}
	h.pending = nil
	return nil
}

// tidy makes the file smaller when it has grown, and once a day drops what is too old. The caller
// has the lock.
func (h *History) tidy(now time.Time) {
	daily := h.cfg.Keep > 0 && now.Sub(h.tidied) >= 24*time.Hour && h.cfg.Known()
	if h.log.Size() < h.shrink && !daily {
		return
	}
	cut := time.Time{}
	if daily {
		h.tidied = now
	}
	if h.cfg.Keep > 0 && h.cfg.Known() {
		cut = now.Add(-h.cfg.Keep)
	}
	h.cfg.Kept(h.drop(cut))
	h.shrink = max(fileBegins, 2*h.log.Size())
}

// drop rewrites the file with what is to stay: nothing from before cut, and no more than there is
// room for. The caller has the lock.
func (h *History) drop(cut time.Time) error {
	lines, err := h.log.Lines()
	if err != nil {
		return err
	}
	// Which lines stay, from the newest on.
	stay := make([]bool, len(lines))
	calls, events := 0, 0
	for i, line := range slices.Backward(lines) {
		var e Entry
		if json.Unmarshal(line, &e) != nil || e.At.Before(cut) {
			continue
		}
		ended := e.Kind == station.CallEnded{}.Kind()
		stay[i] = events < Events || ended && calls < Calls
		events++
		if ended {
			calls++
		}
	}
	i := -1
	return h.log.Rewrite(func([]byte) bool {
		i++
		return i < len(stay) && stay[i]
	})
}

// Erase drops everything that happened before a time, and returns when it is gone from the card.
func (h *History) Erase(before time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read = weak.Pointer[Past]{}
	h.pending = slices.DeleteFunc(h.pending, func(e Entry) bool { return e.At.Before(before) })
	return h.drop(before)
}

// Past is what was kept, the newest first. It is shared: do not change it.
type Past struct {
	Calls  []station.Record // at most as many as are kept
	Events []Entry
}

// Past reads what was kept, and what is about to be. An error says that the file cannot be read in
// full; what can be is there. It is read again when something has happened, and else as long as
// anybody has it in memory.
func (h *History) Past() (*Past, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.read.Value(); p != nil {
		return p, nil
	}
	lines, err := h.log.Lines()
	p := &Past{}
	cut := time.Time{}
	if h.cfg.Keep > 0 && h.cfg.Known() {
		cut = time.Now().Add(-h.cfg.Keep)
	}
	for _, e := range slices.Backward(h.pending) {
		p.add(e, cut)
	}
	for _, line := range slices.Backward(lines) {
		var e Entry
		if json.Unmarshal(line, &e) == nil {
			p.add(e, cut)
		}
	}
	if err != nil {
		return p, fmt.Errorf("the history cannot be read in full: %w", err)
	}
	h.read = weak.Make(p)
	return p, nil
}

// add puts an older entry behind the others.
func (p *Past) add(e Entry, cut time.Time) {
	if e.At.Before(cut) || e.Kind == "" {
		return
	}
	if len(p.Events) < Events {
		p.Events = append(p.Events, e)
	}
	if len(p.Calls) == Calls || e.Kind != (station.CallEnded{}).Kind() {
		return
	}
	var n station.CallEnded
	if json.Unmarshal(e.Data, &n) == nil && !n.Record.Ended.IsZero() {
		p.Calls = append(p.Calls, n.Record)
	}
}
