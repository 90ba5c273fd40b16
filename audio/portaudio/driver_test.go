package portaudio

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"intercomd/audio/device"
	"intercomd/words"
)

func TestMatch(t *testing.T) {
	names := []string{"bcm2835 Headphones: - (hw:0,0)", "USB Audio Device: - (hw:1,0)", "USB Audio Device: #1 (hw:1,1)", "default", "pulse"}
	for _, c := range []struct {
		name string
		want int // -1: refused
	}{
		{"pulse", 4}, {"headphones", 0}, {"hw:1,1", 2}, {"USB Audio Device: - (hw:1,0)", 1},
		{"USB", -1}, {"HDMI", -1}, {"def", 3},
	} {
		i, err := match(c.name, names)
		if (err == nil) != (c.want >= 0) || err == nil && i != c.want {
			t.Errorf("%q: %d, %v", c.name, i, err)
		}
		if err != nil && !errors.Is(err, device.ErrNotFound) {
			t.Errorf("%q: %v", c.name, err)
		}
	}
	if i, err := match("USB", []string{"USB", "USB"}); i != 0 || err != nil {
		t.Error("two devices of the same name: the first is meant", i, err)
	}
	if _, err := match("x", nil); !errors.Is(err, device.ErrNotFound) {
		t.Error(err)
	}
}

// A call that never returns is given up; from then on nothing is called any more.
func TestHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(slog.New(slog.DiscardHandler))
		t0, ever := time.Now(), make(chan struct{})
		err := d.do("test", func() error { <-ever; return nil })
		if w := time.Since(t0); !errors.Is(err, device.ErrHung) || w != limit {
			t.Errorf("after %v: %v", w, err)
		}
		if _, err := d.Open(device.In, "default", nil); !errors.Is(err, device.ErrHung) {
			t.Error(err)
		}
		if err := d.Close(); !errors.Is(err, device.ErrHung) {
			t.Error(err)
		}
		close(ever)
	})
}

// A stream of a sound system that hangs is not given back: its thread may run still, and Go ends a process
// that loses what it has pinned for C.
func TestHungStreamIsKept(t *testing.T) {
	d := New(slog.New(slog.DiscardHandler))
	d.hung = true
	func() {
		s, err := newStream(d, device.In, 1, device.NewRing(func() time.Duration { return 0 }, func() {}))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); !errors.Is(err, device.ErrHung) {
			t.Errorf("closed: %v", err)
		}
	}()
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // for the finalisers
	}
	d.hung = false
	for _, s := range d.lost {
		s.free()
	}
	if len(d.lost) != 1 {
		t.Errorf("%d streams are kept", len(d.lost))
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// What the thread of a microphone does, with two channels.
func TestHearing(t *testing.T) {
	t0 := time.Now()
	x := device.NewRing(func() time.Duration { return time.Hour + time.Since(t0) }, nil)
	m := x.Memory()
	d := withBell(t)
	s, err := newStream(d, device.In, 2, x)
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	c := newCard(s, 1, x.Now)
	await := func() {
		t.Helper()
		if !hasRung(d) {
			t.Fatal("the engine is not woken")
		}
	}

	m.Wanted.Store(3)
	c.hear([]int16{10, 30, -32768, -32768, 32767, 32767}, 0)
	await()
	if !slices.Equal(m.Samples[:4], []int16{20, -32768, 32767, 0}) || m.Head.Load() != 3 || m.Chunk.Load() != 1 {
		t.Errorf("heard %v, %d samples", m.Samples[:4], m.Head.Load())
	}
	if l := time.Duration(m.Last.Load()) - x.Now(); l > time.Second || l < -10*time.Second {
		t.Errorf("the packet is noted %v from now", l)
	}
	m.Wanted.Store(0)
	c.hear(make([]int16, 2*device.RingSize), 0)
	if m.Head.Load() != device.RingSize || m.Xruns.Load() != 1 {
		t.Errorf("a full queue: %d samples, %d xruns", m.Head.Load(), m.Xruns.Load())
	}
	c.hear([]int16{1, 1}, -9981) // paInputOverflowed
	if m.Xruns.Load() != 2 {
		t.Errorf("%d xruns", m.Xruns.Load())
	}

	m.Head.Store(0)
	m.Tail.Store(0)
	m.Wanted.Store(3)
	c.hear(make([]int16, 4), 0)
	if hasRung(d) {
		t.Error("woken although not wanted, or for less than wanted")
	}
	c.hear(make([]int16, 2), 0)
	await()
}

// What the thread of a loudspeaker does, with two channels.
func TestFeeding(t *testing.T) {
	x := device.NewRing(func() time.Duration { return time.Hour }, nil)
	m := x.Memory()
	d := withBell(t)
	s, err := newStream(d, device.Out, 2, x)
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	c := newCard(s, 2, x.Now)
	taken := func(want int) {
		t.Helper()
		if got := int(m.Asked.Load()); got != want || m.Last.Load() == 0 {
			t.Errorf("%d samples were taken at %d, want %d", got, m.Last.Load(), want)
		}
	}

	if got, again := c.feed(10, 0); !slices.Equal(got, make([]int16, 4)) || again != 1 || m.Gaps.Load() != 0 {
		t.Errorf("an empty card gets %v, %d gaps; again in %d ms", got, m.Gaps.Load(), again)
	}
	taken(-2) // two samples of silence wait in it
	m.Head.Store(device.RingSize + 3)
	m.Tail.Store(device.RingSize - 1)
	m.Started.Store(1)
	copy(m.Samples[:], []int16{8, 9, 10})
	m.Samples[device.RingSize-1] = 7
	if got, again := c.feed(8, 0); !slices.Equal(got, []int16{7, 7, 8, 8, 9, 9, 10, 10}) || again != 2 {
		t.Errorf("%v was handed on, again in %d ms", got, again)
	}
	taken(device.RingSize - 3)
	if got, _ := c.feed(6, 0); len(got) > 0 || m.Gaps.Load() != 0 {
		t.Errorf("%v was handed on, nothing was there", got)
	}
	taken(device.RingSize - 1)
	if got, _ := c.feed(9, 0); !slices.Equal(got, make([]int16, 4)) || m.Gaps.Load() != 1 || m.Fills.Load() != 2 || m.Xruns.Load() != 1 {
		t.Errorf("%v was handed on where the card runs dry, %d gaps, %d silences", got, m.Gaps.Load(), m.Fills.Load())
	}
	taken(device.RingSize)
	m.Head.Store(device.RingSize + 8)
	if got, _ := c.feed(3, 0); len(got) != 6 || m.Tail.Load() != device.RingSize+6 {
		t.Errorf("room for 3 samples, %v was handed on", got)
	}
	if _, again := c.feed(3, -9981); again != 1 || m.Tail.Load() != device.RingSize+6 { // paStreamIsStopped or so
		t.Error("samples that the card did not take are lost")
	}
	last := m.Last.Load()
	m.Last.Store(last - 1)
	if got, _ := c.feed(-9999, 0); len(got) > 0 || m.Last.Load() != last-1 {
		t.Error("a card that is gone counts as alive")
	}
	if c.feed(3, -9980); m.Xruns.Load() != 2 { // paOutputUnderflowed
		t.Errorf("%d xruns", m.Xruns.Load())
	}
}

// The thread of a loudspeaker wakes the engine when that has said so, once, even if the card is gone.
func TestFeederRings(t *testing.T) {
	t0 := time.Now()
	x := device.NewRing(func() time.Duration { return time.Hour + time.Since(t0) }, nil)
	m, d := x.Memory(), withBell(t)
	s, err := newStream(d, device.Out, 1, x)
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	c := newCard(s, 2, x.Now)
	s.dev.step_ms = 60_000
	for _, room := range []int{0, -9999} {
		m.Alarm.Store(int64(x.Now() + time.Hour))
		if c.feed(room, 0); hasRung(d) || m.Alarm.Load() == 0 {
			t.Errorf("room %d: it rings before the time", room)
		}
		m.Alarm.Store(int64(x.Now() + 20*time.Second))
		if _, again := c.feed(room, 0); again > 20_000 {
			t.Errorf("room %d: it looks again in %d ms, later than it has to ring", room, again)
		}
		m.Alarm.Store(int64(x.Now() - 1))
		if c.feed(room, 0); !hasRung(d) || m.Alarm.Load() != 0 {
			t.Errorf("room %d: it does not ring when it is time", room)
		}
		if c.feed(room, 0); hasRung(d) {
			t.Errorf("room %d: it rings again", room)
		}
	}
}

// Who is woken for another alarm, and not for something that was made, does not ask the sound system.
func TestFeederAsksWhenThereIsSomething(t *testing.T) {
	x := device.NewRing(func() time.Duration { return time.Hour }, nil)
	m := x.Memory()
	s, err := newStream(withBell(t), device.Out, 1, x)
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	c := newCard(s, 2, x.Now)
	s.dev.step_ms = 1000 // for each two samples
	c.feed(10, 0)        // silence
	m.Head.Store(8)
	if got, again := c.wake(8, 0); len(got) != 8 || again < 2000 {
		t.Errorf("%d samples were handed on, again in %d ms", len(got), again)
	}
	asked := m.Asked.Load()
	for range 2 {
		if got, again := c.wake(6, 0); len(got) > 0 || m.Asked.Load() != asked || again < 2000 {
			t.Errorf("%d samples were handed on, %d taken since the card was asked, again in %d ms", len(got), m.Asked.Load()-asked, again)
		}
	}
	m.Head.Add(1)
	if got, _ := c.wake(6, 0); len(got) != 1 {
		t.Error("what was made is not handed on")
	}
	if c.feed(7, 0); m.Asked.Load() == asked {
		t.Error("nobody looks when it is time")
	}
}

// withBell is a driver that has a bell and no sound system.
func withBell(t *testing.T) *Driver {
	t.Helper()
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return &Driver{bell: b}
}

// hasRung tells whether the bell was rung since the last time.
func hasRung(d *Driver) bool {
	_ = d.bell.out.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, _ := d.bell.out.Read(d.bell.read[:])
	return n > 0
}

// The struct in C and the one in Go are the same memory.
func TestLayout(t *testing.T) {
	var m device.RingMemory
	want := []uintptr{
		unsafe.Offsetof(m.Head), unsafe.Offsetof(m.Tail), unsafe.Offsetof(m.Asked), unsafe.Offsetof(m.Last), unsafe.Offsetof(m.Chunk), unsafe.Offsetof(m.Alarm),
		unsafe.Offsetof(m.Xruns), unsafe.Offsetof(m.Gaps), unsafe.Offsetof(m.Fills), unsafe.Offsetof(m.Started), unsafe.Offsetof(m.Wanted),
		unsafe.Offsetof(m.Samples), unsafe.Sizeof(m),
	}
	if got := layout(); !slices.Equal(got, want) {
		t.Errorf("C has %v, Go has %v", got, want)
	}
}

// Whoever has waited long enough for the engine closes the driver while a call of it hangs.
func TestCloseWhileACallHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(slog.New(slog.DiscardHandler))
		release, ended := make(chan struct{}), make(chan error)
		go func() { ended <- d.do("open", func() error { <-release; return nil }) }()
		time.Sleep(limit / 2)
		begun := time.Now()
		if err := d.Close(); !errors.Is(err, device.ErrHung) || time.Since(begun) > limit {
			t.Errorf("Close returns %v after %v", err, time.Since(begun))
		}
		if err := <-ended; !errors.Is(err, device.ErrHung) {
			t.Errorf("the call ends with %v", err)
		}
		close(release)
	})
}

// Threads that Go makes have lazy timers from the start, and its monitor, the first of them, has far
// lazier ones.
func TestTimersAreLazy(t *testing.T) {
	if slackAtStart != "500000" {
		t.Errorf("a slack of %q ns", slackAtStart)
	}
	var busy sync.WaitGroup
	for range 20 { // the monitor makes threads for those who wait for these
		busy.Go(func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 50e6}, nil) })
	}
	busy.Wait()
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		t.Fatal(err)
	}
	id := func(task string) int { n, _ := strconv.Atoi(filepath.Base(task)); return n }
	slices.SortFunc(tasks, func(a, b string) int { return id(a) - id(b) })
	lazy := 0
	for i, task := range tasks {
		b, err := os.ReadFile("/proc/" + filepath.Base(task) + "/timerslack_ns")
		if errors.Is(err, syscall.EPERM) {
			t.Skip("of other threads the kernel tells only who may change them")
		}
		if slack := strings.TrimSpace(string(b)); slack == "40000000" {
			lazy++
			if i != 1 {
				t.Errorf("thread %d has the slack of the monitor", i)
			}
		}
	}
	if want := min(runtime.NumCPU()-1, 1); lazy != want {
		t.Errorf("%d threads have the slack of the monitor, want %d", lazy, want)
	}
}

// slackAtStart is that of the first thread before any test ran: tests play the threads of sound
// devices on whatever thread they are.
var slackAtStart = func() string {
	b, _ := os.ReadFile("/proc/self/timerslack_ns")
	return strings.TrimSpace(string(b))
}()

// Errors that people can do something about have a code; the number is ALSA's, of the kernel.
func TestErrorsHaveCodes(t *testing.T) {
	for number, want := range map[int]string{-16: "device-busy", -13: "device-forbidden", -19: "device-stopped", -5: ""} {
		err := hostError(number, "text")
		e, ok := errors.AsType[*words.Error](err)
		if ok != (want != "") || ok && e.Code != want || !strings.Contains(err.Error(), fmt.Sprintf("text (%d)", number)) {
			t.Errorf("%d: %v", number, err)
		}
	}
	_, err := match("x", []string{"a", "b"})
	if e, ok := errors.AsType[*words.Error](err); !ok || e.Message != words.New("device-missing", "wanted", "x", "found", "a, b") || !errors.Is(err, device.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
