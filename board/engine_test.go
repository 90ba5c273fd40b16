package board

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLine is an input whose changes the test sends.
type fakeLine struct {
	changes chan Change
	gone    chan struct{}
	err     error // of Next, once gone is closed
	once    sync.Once
	mu      sync.Mutex
	active  bool
}

func newFakeLine() *fakeLine {
	return &fakeLine{changes: make(chan Change, 100), gone: make(chan struct{}), err: errors.New("closed")}
}

func (f *fakeLine) Next(deadline time.Time) (Change, error) {
	select {
	case c := <-f.changes:
		return c, nil
	default:
	}
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case c := <-f.changes:
		return c, nil
	case <-t.C:
		return Change{}, ErrTimeout
	case <-f.gone:
		return Change{}, f.err
	}
}

func (f *fakeLine) Level() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.active, nil
}

func (f *fakeLine) Close() error {
	f.once.Do(func() { close(f.gone) })
	return nil
}

// quiet changes the level without an edge.
func (f *fakeLine) quiet(active bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = active
}

func (f *fakeLine) set(active bool) {
	f.quiet(active)
	f.changes <- Change{active, time.Now()}
}

func (f *fakeLine) press(d time.Duration) {
	f.set(true)
	time.Sleep(d)
	f.set(false)
}

// fakeOut is a lamp or relay that remembers what it was told.
type fakeOut struct {
	mu     sync.Mutex
	log    []move
	err    error
	closed bool
}

type move struct {
	at    time.Time
	level float64
}

func (f *fakeOut) Set(level float64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.log = append(f.log, move{time.Now(), level})
	}
	return f.err
}

func (f *fakeOut) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fakeOut) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeOut) moves() []move {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *fakeOut) level() float64 {
	m := f.moves()
	return m[len(m)-1].level
}

// door is a board of one of each.
type door struct {
	*Engine
	bell  *fakeLine
	lamp  *fakeOut
	relay *fakeOut
	got   chan Edge // what was told
}

// story runs f with a door in virtual time. Time 0 is the start of the board.
func story(t *testing.T, change func(*Config), f func(t *testing.T, d *door)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &door{bell: newFakeLine(), lamp: &fakeOut{}, relay: &fakeOut{}, got: make(chan Edge, 5000)}
		cfg := Config{Driver: "fake",
			Inputs: []InputConfig{{Name: "bell", Stuck: 30 * time.Second, Open: func() (Source, error) { return d.bell, nil }}},
			Lamps:  []LampConfig{{Name: "status", Open: func() (Output, error) { return d.lamp, nil }}},
			Relays: []RelayConfig{{Name: "door", Open: func() (Output, error) { return d.relay, nil }}},
		}
		if change != nil {
			change(&cfg)
		}
		cfg.Edge = func(e Edge) { d.got <- e }
		d.Engine = Start(t.Context(), cfg)
		f(t, d)
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
		for _, o := range []*fakeOut{d.lamp, d.relay} {
			if len(o.log) > 0 && (o.level() != 0 || !o.closed) {
				t.Errorf("after Close a line is at %v, given back: %v", o.level(), o.closed)
			}
		}
		if err := d.PulseRelay("door", time.Second); !errors.Is(err, ErrClosed) {
			t.Errorf("PulseRelay after Close: %v", err)
		}
	})
}

func (d *door) edges() (all []Edge) {
	synctest.Wait()
	for len(d.got) > 0 {
		all = append(all, <-d.got)
	}
	return all
}

func TestPressIsDelivered(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		start := time.Now()
		d.bell.press(30 * ms)
		time.Sleep(25*ms - 1)
		if e := d.edges(); len(e) != 1 || !e[0].Active || e[0].At != start || e[0].Input != "bell" {
			t.Fatalf("25 ms after the press: %+v", e)
		}
		time.Sleep(time.Nanosecond)
		if e := d.edges(); len(e) != 1 || e[0].Active || e[0].At != start.Add(30*ms) {
			t.Fatalf("25 ms after the release: %+v", e)
		}
		in := d.State().Inputs[0]
		if in.Presses != 1 || in.Glitches != 0 || in.Active || in.Since != start.Add(30*ms) {
			t.Errorf("state %+v", in)
		}
	})
}

func TestThousandBouncyPresses(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		for i := range 1000 {
			for range i % 5 {
				d.bell.press(time.Duration(1+i%7) * ms)
				time.Sleep(time.Duration(1+i%3) * ms)
			}
			d.bell.press(30 * ms)
			time.Sleep(time.Duration(i%4) * ms)
			d.bell.press(5 * ms)
			time.Sleep(100 * ms)
			d.bell.press(5 * ms) // alone
			time.Sleep(100 * ms)
		}
		if e := d.edges(); len(e) != 2000 {
			t.Errorf("%d edges, want 2000", len(e))
		}
		if in := d.State().Inputs[0]; in.Presses != 1000 || in.Glitches != 1000 {
			t.Errorf("state %+v", in)
		}
	})
}

// Whoever hears of an edge finds the input like that; a board that nobody listens to works on.
func TestEdgesAreToldAfterTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, heard := range []bool{true, false} {
			bell, door := newFakeLine(), &fakeOut{}
			var e *Engine
			told := 0
			cfg := Config{
				Inputs: []InputConfig{{Name: "bell", Open: func() (Source, error) { return bell, nil }}},
				Relays: []RelayConfig{{Name: "door", Open: func() (Output, error) { return door, nil }}},
			}
			if heard {
				cfg.Edge = func(edge Edge) {
					if e.State().Inputs[0].Active != edge.Active || edge.Active != (told%2 == 0) {
						t.Errorf("edge %d, %+v, of an input that is %+v", told, edge, e.State().Inputs[0])
					}
					told++
				}
			}
			e = Start(t.Context(), cfg)
			for range 70 {
				bell.press(50 * ms)
				time.Sleep(50 * ms)
			}
			if err := e.PulseRelay("door", time.Second); err != nil || door.level() != 1 {
				t.Errorf("pulse: %v, level %v", err, door.level())
			}
			synctest.Wait()
			if n := e.State().Inputs[0].Presses; n != 70 || heard != (told == 140) {
				t.Errorf("%d presses, told %d edges", n, told)
			}
			_ = e.Close()
		}
	})
}

// A button that is held while the power comes on is no press; its release is told.
func TestActiveAtStart(t *testing.T) {
	var line *fakeLine
	held := func(c *Config) {
		line = newFakeLine()
		line.active = true
		c.Inputs[0].Open = func() (Source, error) { return line, nil }
	}
	story(t, held,
		func(t *testing.T, d *door) {
			time.Sleep(time.Second)
			if e := d.edges(); len(e) != 0 || !d.State().Inputs[0].Active {
				t.Errorf("edges %v, state %+v", e, d.State().Inputs[0])
			}
			line.set(false)
			time.Sleep(time.Second)
			if e := d.edges(); len(e) != 1 || e[0].Active || d.State().Inputs[0].Presses != 0 {
				t.Errorf("edges %v, state %+v", e, d.State().Inputs[0])
			}
		})
}

func TestStuckButton(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		d.bell.set(true)
		time.Sleep(30*time.Second - 1)
		synctest.Wait()
		if d.State().Inputs[0].Stuck {
			t.Error("stuck too early")
		}
		for len(d.Changed()) > 0 {
			<-d.Changed()
		}
		time.Sleep(time.Nanosecond)
		<-d.Changed()
		if in := d.State().Inputs[0]; !in.Stuck || in.Problem.Remedy() == "" {
			t.Errorf("after 30 s: %+v", in)
		}
		time.Sleep(time.Hour)
		if e := d.edges(); len(e) != 1 {
			t.Errorf("a stuck button gave %d edges, want its one press", len(e))
		}
		d.bell.set(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if in := d.State().Inputs[0]; in.Stuck || in.Problem.String() != "" {
			t.Errorf("after its release: %+v", in)
		}
	})
}

// An edge that the hardware did not report is noticed by looking at the level.
func TestLostEdge(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		d.bell.quiet(true)
		time.Sleep(2100 * ms)
		if e := d.edges(); len(e) != 1 || !e[0].Active {
			t.Errorf("edges %v", e)
		}
	})
}

// An input whose chip goes away is a fault, is let go of, and comes back.
func TestInputLostAndFound(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		second := newFakeLine()
		d.bell.set(true)
		time.Sleep(time.Second)
		if e := d.edges(); len(e) != 1 {
			t.Fatalf("edges %v", e)
		}
		d.bell.err = &FaultError{Message: words.New("told", "detail", "chip gone", "remedy", "plug it in"), Err: errors.ErrUnsupported}
		first := d.bell
		d.bell = second
		_ = first.Close()
		if e := d.edges(); len(e) != 1 || e[0].Active {
			t.Errorf("a press without a line: %v", e)
		}
		if in := d.State().Inputs[0]; in.Problem.String() != "chip gone" || in.Problem.Remedy() != "plug it in" {
			t.Errorf("state %+v", in)
		}
		time.Sleep(5100 * ms)
		synctest.Wait()
		if in := d.State().Inputs[0]; in.Problem.String() != "" {
			t.Errorf("state after the return %+v", in)
		}
		second.press(50 * ms)
		time.Sleep(50 * ms)
		if e := d.edges(); len(e) != 2 {
			t.Errorf("edges after the return %v", e)
		}
	})
}

func TestLampPlays(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		start := time.Now()
		if err := d.SetLamp("status", Slow()); err != nil {
			t.Fatal(err)
		}
		if d.lamp.level() != 1 {
			t.Error("the lamp is not lit when SetLamp returns")
		}
		time.Sleep(700 * ms)
		_ = d.SetLamp("status", Slow()) // does not start again
		time.Sleep(time.Second)
		synctest.Wait()
		want := []move{{start, 0}, {start, 1}, {start.Add(500 * ms), 0},
			{start.Add(1000 * ms), 1}, {start.Add(1500 * ms), 0}}
		if got := d.lamp.moves(); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		if l := d.State().Lamps[0]; l.On || l.Pattern != "slow" {
			t.Errorf("state %+v", l)
		}
		if err := d.SetLamp("moon", On()); !errors.Is(err, ErrNoSuch) {
			t.Errorf("unknown lamp: %v", err)
		}
	})
}

func TestDimmedLamp(t *testing.T) {
	story(t, func(c *Config) { c.Lamps[0].SoftPWM = true }, func(t *testing.T, d *door) {
		_ = d.SetLamp("status", On())
		d.Dim(0.3)
		if l := d.State().Lamps[0]; l.Level != 0.3 || !l.On {
			t.Errorf("state %+v", l)
		}
		before := time.Now()
		time.Sleep(time.Second)
		synctest.Wait()
		var on time.Duration
		last := move{before, 1}
		for _, m := range d.lamp.moves() {
			if m.at.After(before) {
				if last.level == 1 {
					on += m.at.Sub(last.at)
				}
				last = m
			}
		}
		if on < 280*ms || on > 320*ms {
			t.Errorf("lit for %v of a second, want 300ms", on)
		}
		d.Dim(1)
		n := len(d.lamp.moves())
		time.Sleep(time.Second)
		if d.lamp.level() != 1 || len(d.lamp.moves()) > n {
			t.Error("at full level the lamp is still switched")
		}
	})
}

func TestRelayPulse(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		start := time.Now()
		pulse := func(dur time.Duration) {
			t.Helper()
			if err := d.PulseRelay("door", dur); err != nil {
				t.Error(err)
			}
		}
		pulse(3 * time.Second)
		if r := d.State().Relays[0]; !r.On || r.Until != start.Add(3*time.Second) {
			t.Errorf("state %+v", r)
		}
		time.Sleep(time.Second)
		pulse(time.Second) // shorter: changes nothing
		if r := d.State().Relays[0]; r.Until != start.Add(3*time.Second) {
			t.Errorf("a shorter pulse moved the end to %v", r.Until.Sub(start))
		}
		pulse(5 * time.Second)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		pulse(10 * time.Second)
		time.Sleep(time.Second)
		pulse(0)
		want := []move{{start, 0}, {start, 1}, {start.Add(6 * time.Second), 0},
			{start.Add(6 * time.Second), 1}, {start.Add(7 * time.Second), 0}}
		same := func(a, b move) bool { return a.level == b.level }
		if got := slices.CompactFunc(d.relay.moves(), same); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		for _, bad := range []time.Duration{-1, 25 * time.Hour} {
			if err := d.PulseRelay("door", bad); err == nil || d.relay.level() != 0 {
				t.Errorf("pulse of %v: %v", bad, err)
			}
		}
		if err := d.PulseRelay("gate", time.Second); !errors.Is(err, ErrNoSuch) {
			t.Errorf("unknown relay: %v", err)
		}
		pulse(time.Minute) // Close must release it
	})
}

// A relay of a light stays on until further notice, and no longer than the board lives.
func TestLatchingRelay(t *testing.T) {
	light := func(c *Config) { c.Relays[0].Latching = true }
	story(t, light, func(t *testing.T, d *door) {
		check := func(what string, on bool, until time.Duration) {
			t.Helper()
			synctest.Wait()
			var end time.Time
			if until > 0 {
				end = time.Now().Add(until)
			}
			r := d.State().Relays[0]
			if r.On != on || !r.Until.Equal(end) || d.relay.level() > 0 != on {
				t.Errorf("%s: %+v, level %v", what, r, d.relay.level())
			}
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		do(d.SwitchRelay("door", true))
		check("on", true, 0)
		time.Sleep(100 * time.Hour)
		check("days later", true, 0)
		do(d.PulseRelay("door", time.Second))
		time.Sleep(2 * time.Second)
		check("a pulse changes nothing", true, 0)
		do(d.SwitchRelay("door", false))
		check("off", false, 0)
		do(d.PulseRelay("door", 3*time.Second))
		check("pulse", true, 3*time.Second)
		do(d.SwitchRelay("door", true))
		time.Sleep(5 * time.Second)
		check("switched on in a pulse", true, 0)
		do(d.PulseRelay("door", 0))
		check("released", false, 0)

		do(d.SwitchRelay("door", true))
		d.relay.fail(errors.New("no"))
		if err := d.SwitchRelay("door", false); err == nil {
			t.Error("no error")
		}
		d.relay.fail(nil)
		time.Sleep(retryRelease)
		check("released when the line works again", false, 0)
		d.relay.fail(errors.New("no"))
		if err := d.SwitchRelay("door", true); err == nil {
			t.Error("no error")
		}
		d.relay.fail(nil)
		time.Sleep(retryRelease)
		check("not on by a line that failed", false, 0)

		if err := d.SwitchRelay("gate", true); !errors.Is(err, ErrNoSuch) {
			t.Errorf("unknown relay: %v", err)
		}
		do(d.SwitchRelay("door", true)) // Close must release it
	})
	story(t, nil, func(t *testing.T, d *door) {
		if err := d.SwitchRelay("door", true); !errors.Is(err, ErrNotLatching) {
			t.Errorf("a door: %v", err)
		}
		if d.State().Relays[0].On {
			t.Error("a door is on")
		}
		if err := d.SwitchRelay("door", false); err != nil {
			t.Error(err)
		}
	})
}

// A relay that cannot be released is tried again, and says so meanwhile.
func TestRelayReleaseFails(t *testing.T) {
	story(t, nil, func(t *testing.T, d *door) {
		_ = d.PulseRelay("door", time.Second)
		d.relay.fail(errors.New("no"))
		time.Sleep(1500 * ms)
		synctest.Wait()
		if r := d.State().Relays[0]; !r.On || r.Problem.String() != "no" {
			t.Errorf("state %+v", r)
		}
		d.relay.fail(nil)
		time.Sleep(100 * ms)
		synctest.Wait()
		if r := d.State().Relays[0]; r.On || r.Problem.String() != "" || d.relay.level() != 0 {
			t.Errorf("state %+v, level %v", r, d.relay.level())
		}
		d.relay.fail(errors.New("no"))
		if err := d.PulseRelay("door", time.Second); err == nil {
			t.Error("a pulse that never began is no error")
		}
		d.relay.fail(nil)
	})
}

// A relay is released when the context ends, without Close.
func TestContextReleasesRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := &fakeOut{}
		e := Start(ctx, Config{Relays: []RelayConfig{{Name: "door", Open: func() (Output, error) { return out, nil }}}})
		_ = e.PulseRelay("door", time.Minute)
		cancel()
		synctest.Wait()
		if out.level() != 0 || !out.closed || e.State().Relays[0].On {
			t.Errorf("level %v, closed %v", out.level(), out.closed)
		}
	})
}

// Lines that cannot be had are faults of their own and are tried again.
func TestLinesThatFail(t *testing.T) {
	busy := &FaultError{Message: words.New("told", "detail", "line 17 is taken", "remedy", "stop the other program")}
	var mu sync.Mutex
	taken := true
	isTaken := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return taken
	}
	var bell *fakeLine
	lamp, gate := &fakeOut{}, &fakeOut{}
	change := func(c *Config) {
		bell = newFakeLine()
		c.Fault = func() error {
			return &FaultError{Message: words.New("told", "detail", "half the board is missing")}
		}
		c.Inputs = append(c.Inputs, InputConfig{Name: "second", Open: func() (Source, error) {
			if isTaken() {
				return nil, busy
			}
			return bell, nil
		}})
		c.Lamps = append(c.Lamps, LampConfig{Name: "red", Open: func() (Output, error) {
			if isTaken() {
				return nil, busy
			}
			return lamp, nil
		}})
		c.Relays = append(c.Relays, RelayConfig{Name: "gate", Open: func() (Output, error) {
			if isTaken() {
				return nil, busy
			}
			return gate, nil
		}})
	}
	story(t, change, func(t *testing.T, d *door) {
		s := d.State()
		for i, got := range []string{s.Inputs[1].Problem.String(), s.Lamps[1].Problem.String(), s.Relays[1].Problem.String()} {
			if got != busy.String() {
				t.Errorf("fault %d: %q", i, got)
			}
		}
		if s.Problem.String() != "half the board is missing" || s.Inputs[0].Problem.String()+s.Lamps[0].Problem.String()+s.Relays[0].Problem.String() != "" {
			t.Errorf("state %+v", s)
		}
		if err := d.PulseRelay("gate", time.Second); !errors.Is(err, busy) {
			t.Errorf("pulse: %v", err)
		}
		if err := d.SetLamp("red", On()); !errors.Is(err, busy) {
			t.Errorf("lamp: %v", err)
		}
		if err := d.PulseRelay("door", time.Second); err != nil {
			t.Errorf("the relay that works: %v", err)
		}
		mu.Lock()
		taken = false
		mu.Unlock()
		time.Sleep(5100 * ms)
		synctest.Wait()
		s = d.State()
		if all := s.Inputs[1].Problem.String() + s.Lamps[1].Problem.String() + s.Relays[1].Problem.String(); all != "" {
			t.Errorf("still failing: %q", all)
		}
		if lamp.level() != 1 {
			t.Error("the lamp does not show what it was told before it worked")
		}
		if s.Relays[1].On || slices.ContainsFunc(gate.moves(), func(m move) bool { return m.level > 0 }) {
			t.Error("the relay moved by itself when its line came back")
		}
	})
}

func TestFlashingRelay(t *testing.T) {
	at := func(d *door, start time.Time) (out []string) {
		for _, m := range d.relay.moves()[1:] { // the first makes it inert
			out = append(out, fmt.Sprintf("%v %v", m.at.Sub(start), m.level))
		}
		return out
	}
	for _, tt := range []struct {
		name string
		then func(d *door)
		want []string
	}{
		{"to its end", func(*door) {}, []string{"0s 1", "1s 0", "1.5s 1", "2.5s 0", "3s 1", "4s 0"}},
		{"ended by a release", func(d *door) { time.Sleep(1200 * ms); _ = d.PulseRelay("door", 0) }, []string{"0s 1", "1s 0", "1.2s 0"}},
		{"replaced by a pulse", func(d *door) { time.Sleep(1200 * ms); _ = d.PulseRelay("door", 100*ms) }, []string{"0s 1", "1s 0", "1.2s 1", "1.3s 0"}},
		{"that a dead user began", func(d *door) { time.Sleep(1600 * ms); _ = d.Close() }, []string{"0s 1", "1s 0", "1.5s 1", "1.6s 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, nil, func(t *testing.T, d *door) {
				start := time.Now()
				if err := d.FlashRelay("door", time.Second, 500*ms, 3); err != nil {
					t.Fatal(err)
				}
				tt.then(d)
				time.Sleep(time.Minute)
				if got := at(d, start); !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
	story(t, func(c *Config) { c.Relays[0].Max = time.Minute }, func(t *testing.T, d *door) {
		for _, f := range []struct {
			on, off time.Duration
			count   int
		}{{time.Millisecond, time.Second, 1}, {time.Second, 0, 1}, {time.Second, time.Second, 0}, {time.Second, time.Second, 31}, {time.Second, time.Second, 1 << 62}} {
			if err := d.FlashRelay("door", f.on, f.off, f.count); err == nil {
				t.Errorf("%+v is accepted", f)
			}
		}
		if err := d.FlashRelay("door", time.Second, time.Second, 30); err != nil {
			t.Error(err)
		}
	})
}

// Three lines, one of which dims by itself, another fails.
type dimmer struct{ fakeOut }

func (*dimmer) Dims() bool { return true }

func TestLampOfThreeColours(t *testing.T) {
	red, green, blue := &dimmer{}, &fakeOut{}, &fakeOut{}
	rgb := func(c *Config) {
		c.Lamps = append(c.Lamps, LampConfig{Name: "ring", SoftPWM: true, RGB: []func() (Output, error){
			func() (Output, error) { return red, nil }, func() (Output, error) { return green, nil }, func() (Output, error) { return blue, nil }}})
	}
	story(t, rgb, func(t *testing.T, d *door) {
		lit := func() (s string) {
			synctest.Wait()
			return fmt.Sprint(red.level(), green.level(), blue.level())
		}
		if err := d.ColourLamp("ring", On(), 0xff00ff); err != nil {
			t.Fatal(err)
		}
		if got := lit(); got != "1 0 1" {
			t.Errorf("magenta is %s", got)
		}
		d.Dim(0.5)
		on := 0
		for range 1000 {
			time.Sleep(ms)
			synctest.Wait()
			if blue.level() == 1 {
				on++
			}
			if red.level() != 0.5 || green.level() != 0 {
				t.Fatalf("dimmed magenta is %s", lit())
			}
		}
		if on < 400 || on > 600 {
			t.Errorf("blue was on for %d of 1000 ms", on)
		}
		d.Dim(1)
		if err := d.ColourLamp("ring", Fast(), 0x004000); err != nil {
			t.Fatal(err)
		}
		time.Sleep(150 * ms)
		if got := lit(); got != "0 0 0" {
			t.Errorf("in the dark part: %s", got)
		}
		if l := d.State().Lamps[1]; l.Pattern != "fast" || l.Colour != 0x004000 {
			t.Errorf("state %+v", l)
		}
		blue.fail(errors.New("no blue"))
		_ = d.SetLamp("ring", On())
		if l := d.State().Lamps[1]; !strings.Contains(l.Problem.String(), "no blue") {
			t.Errorf("state %+v", l)
		}
		if red.level() != 1 || green.level() != 1 {
			t.Errorf("white without blue: %s", lit())
		}
	})
}
