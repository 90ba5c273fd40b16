package station

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// house is a station with fakes around it that write down, in one list and in
// order, everything the station asked of them.
type house struct {
	t        *testing.T
	st       *Station
	mu       sync.Mutex // guards trace and sound
	trace    []string
	sound    Sound
	gauges   Gauges
	board    BoardState
	counts   []InputCount
	calls    []*fakeCall
	relay    error    // returned by PulseRelay
	light    bool     // state of the switched relay
	colours  []Colour // of all that was shown by lamps
	mem      Memory
	read     uint64        // number of the next event that expect looks at
	hurry    time.Duration // that was asked for last
	prepared bool          // the devices run
	stop     context.CancelFunc
}

func (h *house) wrote(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

// expect compares what happened since the last call with want, one entry a line.
func (h *house) expect(want ...string) {
	h.t.Helper()
	synctest.Wait()
	// What people are told comes by the journal, and so beside the rest.
	news := func(s string) bool { return strings.HasPrefix(s, "notify ") }
	got, told := h.take(), h.told()
	acts := slices.DeleteFunc(slices.Clone(want), news)
	tell := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return !news(s) })
	if !slices.Equal(got, acts) || !slices.Equal(told, tell) {
		h.t.Fatalf("happened:\n  %s\nexpected:\n  %s", strings.Join(append(got, told...), "\n  "), strings.Join(want, "\n  "))
	}
}

// told is what people are to be told of since the last look.
func (h *house) told() (out []string) {
	events, _ := h.st.Since(h.read)
	for _, e := range events {
		h.read = e.Seq + 1
		switch n := e.News.(type) {
		case AlarmChanged:
			out = append(out, fmt.Sprintf("notify alarm alarm.%s over=%v", n.Input, n.Over))
		case KeypadLocked:
			out = append(out, "notify alarm codes over=false")
		case VisitorMissed:
			if !n.Quiet {
				out = append(out, fmt.Sprintf("notify missed %s over=false", e.Call))
			}
		}
	}
	return out
}

// audit is every attempt to open something so far.
func (h *house) audit() (out []Released) {
	return news[Released](h)
}

// news is everything of a kind that has happened so far.
func news[T News](h *house) (out []T) {
	synctest.Wait()
	events, _ := h.st.Since(0)
	for _, e := range events {
		if n, ok := e.News.(T); ok {
			out = append(out, n)
		}
	}
	return out
}

// forget drops what happened so far: a story tells only its own part.
func (h *house) forget() { synctest.Wait(); h.take(); h.told() }

func (h *house) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.trace
	h.trace = nil
	return got
}

func (h *house) snap() *Snapshot { synctest.Wait(); return h.st.Snapshot() }

func (h *house) press(input string) {
	h.st.Edge(Edge{Input: input, Active: true, At: time.Now()})
	h.st.Edge(Edge{Input: input, Active: false, At: time.Now().Add(80 * time.Millisecond)})
	synctest.Wait()
}

func (h *house) Dial(target string) Call {
	if !h.prepared {
		h.t.Errorf("%s is called while the devices rest", target)
	}
	h.wrote("dial %s", target)
	return h.call(target)
}

func (h *house) Hurry(d time.Duration) { h.hurry = d }

func (h *house) call(user string) *fakeCall {
	c := &fakeCall{h: h, id: fmt.Sprintf("c%d", len(h.calls)+1), peer: Peer{URI: "sip:" + user + "@pbx", User: user}}
	h.calls = append(h.calls, c)
	return c
}

// last is the newest call.
func (h *house) last() *fakeCall { synctest.Wait(); return h.calls[len(h.calls)-1] }

func (h *house) Play(t Tone)  { h.wrote("play %s", t) }
func (h *house) Silence()     { h.wrote("silence") }
func (h *house) Mute(on bool) { h.wrote("mute %v", on) }
func (h *house) Prepare()     { h.prepared = true }
func (h *house) Close() {
	h.prepared = false
	h.wrote("microphone off")
}
func (h *house) Sound() (Sound, Gauges) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sound, h.gauges
}

func (h *house) setSound(s Sound) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sound = s
}

func (h *house) SetLamp(name string, p Pattern, c Colour) {
	h.wrote("lamp %s %s", name, p)
	h.colours = append(h.colours, c)
}
func (h *house) State() (BoardState, []InputCount) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.board, h.counts
}
func (h *house) RelayOn(string) bool { return h.light }
func (h *house) SwitchRelay(name string, on bool) error {
	h.light = on
	h.wrote("switch %s %v", name, on)
	return h.relay
}
func (h *house) PulseRelay(name string, d time.Duration) error {
	h.wrote("relay %s %s", name, d)
	return h.relay
}

func (h *house) FlashRelay(name string, on, off time.Duration, count int) error {
	h.wrote("flash %s %s %s %d", name, on, off, count)
	return h.relay
}

type fakeCall struct {
	h      *house
	id     string
	peer   Peer
	caller bool
	wish   AnswerWish
}

func (c *fakeCall) ID() string       { return c.id }
func (c *fakeCall) Incoming() bool   { return c.caller }
func (c *fakeCall) Peer() Peer       { return c.peer }
func (c *fakeCall) Open(m VoiceMode) { c.h.wrote("open %s %d", c.id, m) }
func (c *fakeCall) Ring() {
	if !c.h.prepared {
		c.h.t.Errorf("%s rings while the devices rest", c.id)
	}
	c.h.wrote("%s ring", c.id)
}
func (c *fakeCall) Queue()                 { c.h.wrote("%s queue", c.id) }
func (c *fakeCall) AnswerWish() AnswerWish { return c.wish }
func (c *fakeCall) Answer()                { c.h.wrote("%s answer", c.id) }
func (c *fakeCall) End(why Cause)          { c.h.wrote("%s end %s", c.id, why) }
func (c *fakeCall) SendDigits(d string)    { c.h.wrote("%s digits %s", c.id, d) }

func (c *fakeCall) happens(k CallEventKind) {
	c.h.st.CallEvent(c, CallEvent{Kind: k, At: time.Now()})
	synctest.Wait()
}

func (c *fakeCall) digits(s string) {
	for _, d := range s {
		c.h.st.CallEvent(c, CallEvent{Kind: Digit, At: time.Now(), Digit: d})
	}
	synctest.Wait()
}

func (c *fakeCall) ends(e Ending) {
	c.h.st.CallEvent(c, CallEvent{Kind: Ended, At: time.Now(), Ending: e})
	synctest.Wait()
}

// story runs a test in virtual time with a registered door that has one bell
// and one status lamp.
func story(t *testing.T, tell func(h *house), change ...func(*Config)) {
	t.Helper()
	furnished(t, func(*house) {}, tell, change...)
}

// furnished is a story in a house that is set up before the station starts.
func furnished(t *testing.T, furnish, tell func(h *house), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t}
		h.board = BoardState{Driver: "fake"}
		cfg := Config{
			Name:     "Front door",
			Buttons:  []ButtonConfig{{Input: "bell", Press: Action{Do: Dial, Target: "1001"}, InCall: Action{Do: HangUp}}},
			Lamps:    []LampConfig{{Name: "status", Shows: ShowStatus}},
			Call:     CallConfig{RingTime: 30 * time.Second, TalkTime: 2 * time.Minute, TalkWarning: 10 * time.Second, ExtendKey: '#', Hold: 10 * time.Second},
			Incoming: IncomingConfig{Delay: time.Second},
			Door:     DoorConfig{Access: AccessConfig{Keys: []KeyConfig{doorKey("5")}}, Pulses: map[string]time.Duration{"door": 3 * time.Second}},
			Ports:    Ports{Persist: func(m Memory) { h.mem = m }},
		}
		for _, c := range change {
			c(&cfg)
		}
		furnish(h)
		h.st = New(cfg, h, h, h)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel() // a story that fails must still end
		h.stop = cancel
		go h.st.Run(ctx)
		h.st.SetRegistration(Registration{State: RegRegistered})
		h.forget()
		tell(h)
		synctest.Wait()
		if h.prepared && h.st.Snapshot().State == Idle {
			t.Error("the devices run although nobody talks")
		}
		cancel()
		synctest.Wait()
		if h.prepared {
			t.Error("the devices run after the end")
		}
		select {
		case <-h.st.done:
		default:
			t.Error("the station did not stop")
		}
	})
}

// doorKey is a key that opens the door, for everybody or some.
func doorKey(digits string, users ...string) KeyConfig {
	return KeyConfig{Digits: digits, Parties: users, Action: Action{Do: Release, Relay: "door"}}
}
