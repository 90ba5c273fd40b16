package gpio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"intercomd/board"
	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// fakePin is a line in place of periph's: a pipe stands for the kernel's queue.
type fakePin struct {
	mu     sync.Mutex
	log    []string
	err    error
	level  bool
	events *os.File // write end of the queue; nil until the line is an input
}

func (f *fakePin) note(s string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.log = append(f.log, s)
	}
	return f.err
}

func (f *fakePin) lines() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.log, " ")
}

// send puts edges into the queue as the kernel does.
func (f *fakePin) send(t *testing.T, at int64, rising bool) {
	t.Helper()
	f.sendAll(t, levelChange{at, rising})
}

// levelChange is a change at a monotonic time.
type levelChange struct {
	at     int64
	rising bool
}

// sendAll puts edges into the queue at once: no reader sees some of them only.
func (f *fakePin) sendAll(t *testing.T, edges ...levelChange) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []byte
	for _, e := range edges {
		f.level = e.rising
		all = append(all, event(e.at, e.rising)...)
	}
	if _, err := f.events.Write(all); err != nil {
		t.Error(err)
	}
}

func event(at int64, rising bool) []byte {
	b := make([]byte, eventSize)
	binary.NativeEndian.PutUint64(b, uint64(at))
	id := uint32(fallingEdge)
	if rising {
		id = risingEdge
	}
	binary.NativeEndian.PutUint32(b[eventID:], id)
	return b
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano()
}

// handle is a fakePin as the driver gets it.
type handle struct{ *fakePin }

func (h handle) input(p Pull) (*queue, error) {
	if err := h.note("in/" + [...]string{"none", "up", "down"}[p]); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	h.mu.Lock()
	h.events = w
	h.mu.Unlock()
	return newQueue(int(r.Fd()), "line")
}

func (h handle) output(high, openDrain bool) (driver, error) {
	kind := "out"
	if openDrain {
		kind = "drain"
	}
	return h, h.note(fmt.Sprintf("%s/%v", kind, high))
}

func (h handle) set(high bool) error { return h.note(fmt.Sprint(high)) }

func (h handle) close() error { return h.note("let-go") }

func (h handle) high() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.level
}

func (h handle) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, "close")
	if h.events != nil {
		_ = h.events.Close()
		h.events = nil
	}
}

// bench is a host with the chips of a Pi 5 that has an expander of 4 lines twice.
type bench struct {
	host
	pins map[string]*fakePin // "gpiochip0/17"
}

func (b *bench) look() host { return b.host }

func newBench() *bench {
	b := &bench{pins: make(map[string]*fakePin)}
	add := func(name, label string, lines int, names map[int]string) {
		c := chip{Chip: Chip{Name: name, Label: label, Path: "/dev/" + name}}
		for i := range lines {
			c.Lines = append(c.Lines, LineInfo{Offset: i, Name: names[i]})
			b.pins[fmt.Sprint(name, "/", i)] = &fakePin{}
		}
		c.pin = func(offset int) pin { return handle{b.pins[fmt.Sprint(name, "/", offset)]} }
		b.chips = append(b.chips, c)
	}
	add("gpiochip0", "pinctrl-rp1", 54, map[int]string{4: "BELL", 9: "WAKE"})
	add("gpiochip11", "gpio-brcmstb@107d508500", 32, map[int]string{9: "gpiochip11-WAKE", 20: "PWR"})
	add("gpiochip12", "mcp23008", 4, nil)
	add("gpiochip13", "mcp23008", 4, nil)
	b.chips[0].Lines[5].Consumer = "spi0 CS0"
	return b
}

func TestFind(t *testing.T) {
	pi := []string{"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"}
	tests := []struct {
		name  string
		line  Line
		chips []string
		want  string // the line, or a part of the error
	}{
		{"by offset", Line{Offset: 17}, pi, "line 17 of gpiochip0 (pinctrl-rp1)"},
		{"by name", Line{Name: "BELL"}, pi, "line 4 (BELL) of gpiochip0 (pinctrl-rp1)"},
		{"chip by path", Line{Chips: []string{"/dev/gpiochip12"}, Offset: 3}, pi, "line 3 of gpiochip12 (mcp23008)"},
		{"chip by name", Line{Chips: []string{"gpiochip13"}, Offset: 3}, pi, "line 3 of gpiochip13 (mcp23008)"},
		{"name on another chip", Line{Name: "PWR"}, pi, "line 20 (PWR) of gpiochip11"},
		{"name on a chip of its own", Line{Chips: []string{"gpiochip11"}, Name: "WAKE"}, pi, "line 9 (gpiochip11-WAKE) of gpiochip11"},
		{"name without a known chip", Line{Name: "BELL"}, []string{"none"}, "line 4 (BELL) of gpiochip0"},
		{"name on two chips", Line{Name: "WAKE"}, nil, "2 GPIO lines are named \"WAKE\""},
		{"name that is not there", Line{Name: "BELLE"}, pi, "no GPIO line is named \"BELLE\"; `intercomd devices` lists"},
		{"name not on its chip", Line{Chips: []string{"gpiochip11"}, Name: "BELL"}, pi, "no GPIO line of gpiochip11 (gpio-brcmstb@107d508500) is named \"BELL\""},
		{"offset too great", Line{Offset: 54}, pi, "gpiochip0 (pinctrl-rp1) has no line 54; its lines are 0 to 53"},
		{"negative offset", Line{Offset: -1}, pi, "has no line -1"},
		{"label of two chips", Line{Chips: []string{"mcp23008"}, Offset: 1}, pi, "2 GPIO chips are labelled \"mcp23008\"; name one of them by its path"},
		{"no such chip", Line{Offset: 1}, pi[:2], "there is no GPIO chip \"pinctrl-bcm2835\", \"pinctrl-bcm2711\"; this machine has gpiochip0 (pinctrl-rp1), gpiochip11"},
	}
	b := newBench()
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			f, err := b.find(tc.line, tc.chips)
			var got string
			if err != nil {
				got = err.Error()
			} else {
				got = "line " + f.line() + " of " + f.chip.String()
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNoChip(t *testing.T) {
	err := host{}.fault()
	if err == nil || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "no GPIO chip") || !strings.Contains(err.Error(), "[board]") {
		t.Errorf("no chips: %v", err)
	}
	h := host{problems: []error{unusable("/dev/gpiochip0", unix.EACCES)}}
	if _, err := h.find(Line{}, nil); err == nil || !strings.Contains(err.Error(), "no permission to open GPIO chip /dev/gpiochip0; add the user") {
		t.Errorf("no permission: %v", err)
	}
	b := newBench()
	b.problems = h.problems
	if _, err := b.find(Line{Offset: 1}, []string{"pinctrl-bcm2711"}); err == nil || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("the chip that is wanted cannot be opened: %v", err)
	}
}

// The machine that runs the tests may have GPIO or not: both must be told clearly.
func TestThisMachine(t *testing.T) {
	chips, err := List()
	if (len(chips) == 0) != (Available() != nil) {
		t.Errorf("%d chips, available: %v", len(chips), Available())
	}
	if len(chips) == 0 {
		if _, ok := errors.AsType[*board.FaultError](err); !ok {
			t.Errorf("no chips without a reason: %v", err)
		}
		b := Open(t.Context(), Config{Relays: []RelayConfig{{Name: "door"}}})
		defer b.Close()
		if s := b.State(); s.Problem.Remedy() == "" || s.Relays[0].Problem.None() {
			t.Errorf("state %+v", s)
		}
	}
}

func TestRefused(t *testing.T) {
	b := newBench()
	free, busy := found{b.chips[0], 4}, found{b.chips[0], 5}
	tests := []struct {
		where found
		err   error
		want  string
	}{
		{free, fmt.Errorf("request: %w", unix.EBUSY), "line 4 (BELL) of gpiochip0 (pinctrl-rp1) is in use; stop"},
		{busy, unix.EBUSY, "line 5 of gpiochip0 (pinctrl-rp1) is in use by spi0 CS0; stop"},
		{free, unix.EPERM, "no permission to use line 4"},
		{free, unix.ENODEV, "gpiochip0 (pinctrl-rp1) is gone; plug it in"},
		{free, unix.EINVAL, "cannot be used as an output; choose"},
		{free, errors.New("moon"), "cannot be used as an output: moon; see"},
	}
	for _, tc := range tests {
		if got := refused(tc.where, "output", tc.err).Error(); !strings.Contains(got, tc.want) {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func TestOutputs(t *testing.T) {
	tests := []struct {
		name                 string
		activeLow, openDrain bool
		start, on, off       string
	}{
		{"plain", false, false, "out/false", "true", "false"},
		{"active low", true, false, "out/true", "false", "true"},
		{"open drain", false, true, "drain/false", "true", "false"},
		{"active low, open drain", true, true, "drain/true", "false", "true"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench()
			brd := open(t.Context(), Config{Chips: []string{"pinctrl-rp1"},
				Relays: []RelayConfig{{Name: "door", Line: Line{Offset: 22}, ActiveLow: tc.activeLow, OpenDrain: tc.openDrain}}}, b.look)
			p := b.pins["gpiochip0/22"]
			if got := p.lines(); got != tc.start {
				t.Errorf("after the start: %q, want %q", got, tc.start)
			}
			_ = brd.PulseRelay("door", time.Minute)
			_ = brd.PulseRelay("door", 0)
			_ = brd.Close()
			want := strings.Join([]string{tc.start, tc.on, tc.off, tc.off, "let-go", "close"}, " ")
			if got := p.lines(); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestLock(t *testing.T) {
	b := newBench()
	relays := []RelayConfig{
		{Name: "door", Line: Line{Offset: 22}, ActiveLow: true},
		{Name: "gate", Line: Line{Offset: 99}},
		{Name: "light", Line: Line{Offset: 23}},
	}
	b.pins["gpiochip0/23"].err = unix.EBUSY
	err := lock(relays, []string{"pinctrl-rp1"}, b.look)
	if got := b.pins["gpiochip0/22"].lines(); got != "out/true let-go close" {
		t.Errorf("door: %q", got)
	}
	for _, want := range []string{"relay gate may be energised: gpiochip0 (pinctrl-rp1) has no line 99", "relay light may be energised: line 23"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	if err := lock(relays[:1], []string{"pinctrl-rp1"}, b.look); err != nil {
		t.Error(err)
	}
}

// listened is a board with the edges that it has told.
type listened struct {
	*board.Engine
	edges chan board.Edge
}

// press opens a board with one button and returns it with the button's line.
func press(t *testing.T, in InputConfig) (*listened, *fakePin) {
	t.Helper()
	b := newBench()
	brd := &listened{edges: make(chan board.Edge, 100)}
	in.Name, in.Line = "bell", Line{Offset: 17}
	brd.Engine = open(t.Context(), Config{Chips: []string{"pinctrl-rp1"}, Inputs: []InputConfig{in}, Edge: func(e board.Edge) { brd.edges <- e }}, b.look)
	t.Cleanup(func() { _ = brd.Close() })
	if s := brd.State(); s.Inputs[0].Problem.String() != "" {
		t.Fatalf("state %+v", s)
	}
	return brd, b.pins["gpiochip0/17"]
}

func next(t *testing.T, b *listened) board.Edge {
	t.Helper()
	select {
	case e := <-b.edges:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no edge")
		return board.Edge{}
	}
}

func TestPress(t *testing.T) {
	brd, p := press(t, InputConfig{Pull: PullUp})
	now := monotonic(t)
	before := time.Now()
	p.send(t, now-int64(100*ms), true)
	p.send(t, now-int64(70*ms), false)
	e := next(t, brd)
	if age := before.Sub(e.At); !e.Active || age < 99*ms || age > 101*ms {
		t.Errorf("edge %+v, %v before it was read; want the kernel's time, 100ms", e, age)
	}
	if e := next(t, brd); e.Active {
		t.Errorf("edge %+v", e)
	}
	if got := p.lines(); got != "in/up" {
		t.Errorf("the line was taken as %q", got)
	}
	_ = brd.Close()
	if got := p.lines(); got != "in/up close" {
		t.Errorf("after the end: %q", got)
	}
}

func TestActiveLow(t *testing.T) {
	b := newBench()
	b.pins["gpiochip0/17"].level = true
	brd := &listened{edges: make(chan board.Edge, 100)}
	brd.Engine = open(t.Context(), Config{Chips: []string{"pinctrl-rp1"}, Edge: func(e board.Edge) { brd.edges <- e },
		Inputs: []InputConfig{{Name: "bell", Line: Line{Offset: 17}, ActiveLow: true, Pull: PullNone}}}, b.look)
	defer brd.Close()
	if brd.State().Inputs[0].Active {
		t.Error("active though the line is high")
	}
	before := time.Now()
	b.pins["gpiochip0/17"].send(t, monotonic(t)-int64(100*ms), false)
	if e := next(t, brd); !e.Active || before.Sub(e.At) < 99*ms { // else it was the level that told
		t.Errorf("edge %+v", e)
	}
	if got := b.pins["gpiochip0/17"].lines(); got != "in/none" {
		t.Errorf("the line was taken as %q", got)
	}
}

// Spikes that a stalled process reads long after they came are not presses, and a
// short press that it reads late is one.
func TestLateReader(t *testing.T) {
	brd, p := press(t, InputConfig{Pull: PullDown})
	base := monotonic(t) - int64(5*time.Second)
	at := func(d time.Duration) int64 { return base + int64(d) }
	var late []levelChange
	for i := range 5 {
		late = append(late, levelChange{at(time.Duration(i) * 10 * ms), true}, levelChange{at(time.Duration(i)*10*ms + 5*ms), false})
	}
	p.sendAll(t, append(late, levelChange{at(500 * ms), true}, levelChange{at(530 * ms), false})...)
	if e := next(t, brd); !e.Active {
		t.Errorf("edge %+v", e)
	}
	if e := next(t, brd); e.Active {
		t.Errorf("edge %+v", e)
	}
	if in := brd.State().Inputs[0]; in.Presses != 1 || in.Glitches != 5 {
		t.Errorf("state %+v", in)
	}
}

// A chip that goes away is a fault of its lines.
func TestChipGone(t *testing.T) {
	brd, p := press(t, InputConfig{Pull: PullDown})
	p.mu.Lock()
	_ = p.events.Close() // the read end now reports its end
	p.events = nil
	p.err = unix.ENODEV
	p.mu.Unlock()
	limit := time.After(20 * time.Second)
	for {
		if in := brd.State().Inputs[0]; in.Problem.String() != "" {
			if !strings.Contains(in.Problem.String(), "is gone") || in.Problem.Remedy() == "" {
				t.Errorf("state %+v", in)
			}
			return
		}
		select {
		case <-brd.Changed():
		case <-limit:
			t.Fatal("nothing was noticed")
		}
	}
}

// The structures are as large as the kernel has them: their size is a part of the request.
func TestRequests(t *testing.T) {
	for _, tc := range []struct{ got, want uintptr }{
		{readOf(0x01, unsafe.Sizeof(chipInfo{})), 0x8044b401},       // GPIO_GET_CHIPINFO_IOCTL
		{requestOf(0x05, unsafe.Sizeof(lineInfo{})), 0xc100b405},    // GPIO_V2_GET_LINEINFO_IOCTL
		{requestOf(0x07, unsafe.Sizeof(lineRequest{})), 0xc250b407}, // GPIO_V2_GET_LINE_IOCTL
		{requestOf(0x0e, unsafe.Sizeof(lineValues{})), 0xc010b40e},  // GPIO_V2_LINE_GET_VALUES_IOCTL
		{requestOf(0x0f, unsafe.Sizeof(lineValues{})), 0xc010b40f},  // GPIO_V2_LINE_SET_VALUES_IOCTL
	} {
		if tc.got != tc.want {
			t.Errorf("request %#x, want %#x", tc.got, tc.want)
		}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	w, err := newWire(int(null.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.set(true); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a level for something that is no line: %v", err)
	}
	if _, err := w.get(); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("the level of something that is no line: %v", err)
	}
	if _, err := describe(os.DevNull, Chip{}); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("something that is no chip: %v", err)
	}
	l := &line{path: os.DevNull, fd: -1}
	if _, err := l.input(PullUp); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a line of something that is no chip: %v", err)
	}
	if _, err := l.output(true, false); !errors.Is(err, unix.ENOTTY) || l.fd >= 0 {
		t.Errorf("an output of something that is no chip: %v", err)
	}
	l.Close()
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

// A queued edge comes before a deadline that has passed.
func TestQueueBeforeDeadline(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	q, err := newQueue(int(r.Fd()), "line")
	_ = r.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	past := time.Now().Add(-time.Hour)
	if _, err := q.next(past); !errors.Is(err, board.ErrTimeout) {
		t.Errorf("empty queue: %v", err)
	}
	if _, err := w.Write(slices.Concat(event(1, true), event(2, false))); err != nil {
		t.Fatal(err)
	}
	for _, rising := range []bool{true, false} {
		if e, err := q.next(past); err != nil || e.high != rising {
			t.Errorf("edge %+v, %v", e, err)
		}
	}
	_ = q.close()
	if _, err := q.next(past); !errors.Is(err, board.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func FuzzQueue(f *testing.F) {
	f.Add(event(1, true))
	f.Add(event(-1, false)[:20])
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4000 {
			return // fits the pipe
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		q, err := newQueue(int(r.Fd()), "line")
		_ = r.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer q.close()
		_, _ = w.Write(data)
		_ = w.Close()
		for range len(data)/eventSize + 2 {
			if e, err := q.next(time.Now()); err == nil && e.at.After(time.Now()) {
				t.Fatal("an edge from the future")
			}
		}
		if _, err := q.next(time.Now()); err == nil {
			t.Fatal("edges without end")
		}
	})
}

// A lamp uses hardware PWM where the kernel offers it, and its line elsewhere.
func TestLampOnHardwarePWM(t *testing.T) {
	b := newBench()
	hard := &fakePin{}
	offered := func() (board.Output, error) { return &output{driver: handle{hard}, pin: handle{hard}}, nil }
	missing := func() (board.Output, error) { return nil, &board.FaultError{Err: fs.ErrNotExist} }
	broken := func() (board.Output, error) {
		return nil, &board.FaultError{Message: words.New("told", "detail", "no permission"), Err: fs.ErrPermission}
	}
	brd := open(t.Context(), Config{Chips: []string{"pinctrl-rp1"}, Lamps: []LampConfig{{Name: "ring",
		RGB: []Line{{Offset: 5}, {Offset: 6}, {Offset: 7}}, PWM: []func() (board.Output, error){offered, missing, broken}}}}, b.look)
	defer brd.Close()
	_ = brd.ColourLamp("ring", board.On(), board.White) // blue fails
	if hard.lines() != "false true" || b.pins["gpiochip0/5"].lines() != "" {
		t.Errorf("red: hardware %q, line %q", hard.lines(), b.pins["gpiochip0/5"].lines())
	}
	if got := b.pins["gpiochip0/6"].lines(); got != "out/false true" {
		t.Errorf("green: line %q", got)
	}
	if got := brd.State().Lamps[0].Problem.String(); got != "no permission" || b.pins["gpiochip0/7"].lines() != "" {
		t.Errorf("blue: %q, line %q", got, b.pins["gpiochip0/7"].lines())
	}
}

// The parts of a request lie where the kernel looks for them (linux/gpio.h).
func TestLayouts(t *testing.T) {
	var (
		r lineRequest
		c lineConfig
		i lineInfo
		h chipInfo
	)
	for _, tc := range []struct {
		what      string
		got, want uintptr
	}{
		{"consumer", unsafe.Offsetof(r.consumer), 256}, {"config", unsafe.Offsetof(r.config), 288}, {"num_lines", unsafe.Offsetof(r.numLines), 560},
		{"event_buffer_size", unsafe.Offsetof(r.eventBufferSize), 564}, {"fd", unsafe.Offsetof(r.fd), 588},
		{"num_attrs", unsafe.Offsetof(c.numAttrs), 8}, {"attrs", unsafe.Offsetof(c.attrs), 32}, {"attribute", unsafe.Sizeof(c.attrs[0]), 24},
		{"line consumer", unsafe.Offsetof(i.consumer), 32}, {"offset", unsafe.Offsetof(i.offset), 64}, {"flags", unsafe.Offsetof(i.flags), 72},
		{"line attributes", unsafe.Offsetof(i.attrs), 80}, {"label", unsafe.Offsetof(h.label), 32}, {"lines", unsafe.Offsetof(h.lines), 64},
	} {
		if tc.got != tc.want {
			t.Errorf("%s is at %d, want %d", tc.what, tc.got, tc.want)
		}
	}
	if out := configOf(flagOutput|flagOpenDrain, true); out.flags != 0x48 || out.numAttrs != 1 || out.attrs[0] != (lineConfigAttr{id: 2, value: 1, mask: 1}) {
		t.Errorf("an output that begins high: %+v", out)
	}
	if in := configOf(flagInput|flagEdgeRising|flagEdgeFalling|flagPullUp, true); in.flags != 0x134 || in.numAttrs != 0 {
		t.Errorf("an input: %+v", in)
	}
	if got := text(name{'r', 'p', '1', 0, 'x'}); got != "rp1" {
		t.Errorf("a name is read as %q", got)
	}
}

// A chip that comes late, or is given to us late, is used without a restart, and the board's own
// fault goes with it.
func TestChipThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		var mu sync.Mutex
		now := host{problems: []error{unusable("/dev/gpiochip0", unix.EACCES)}}
		look := func() host {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
		brd := open(t.Context(), Config{Chips: []string{"pinctrl-rp1"}, Relays: []RelayConfig{{Name: "door", Line: Line{Offset: 22}}}}, look)
		if s := brd.State(); s.Problem.Code != "chip-forbidden" || s.Relays[0].Problem.Code != "chip-forbidden" {
			t.Errorf("before: %+v", s)
		}
		mu.Lock()
		now = b.host
		mu.Unlock()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if s := brd.State(); !s.Problem.None() || !s.Relays[0].Problem.None() || b.pins["gpiochip0/22"].lines() != "out/false" {
			t.Errorf("after: %+v, line %q", s, b.pins["gpiochip0/22"].lines())
		}
		_ = brd.Close()
		// One that was there and is not any more is gone, however its driver puts it.
		there := &place{look: look, line: Line{Offset: 22}, chips: []string{"pinctrl-rp1"}}
		never := &place{look: func() host { return host{} }, line: Line{Offset: 22}}
		if _, err := there.find("output"); err != nil {
			t.Error(err)
		}
		mu.Lock()
		now = host{chips: b.chips[1:]}
		mu.Unlock()
		for p, want := range map[*place]string{there: "gpiochip0 (pinctrl-rp1) is gone", never: "no GPIO chip"} {
			if _, err := p.find("output"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	})
}
