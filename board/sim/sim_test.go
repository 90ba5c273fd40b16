package sim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/board"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// listened is a board with the edges that it has told.
type listened struct {
	*Board
	edges chan board.Edge
}

func (b *listened) Edges() <-chan board.Edge { return b.edges }

func story(t *testing.T, f func(t *testing.T, b *listened)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &listened{edges: make(chan board.Edge, 100)}
		b.Board = New(t.Context(), board.Config{
			Edge:   func(e board.Edge) { b.edges <- e },
			Inputs: []board.InputConfig{{Name: "bell"}, {Name: "second"}},
			Lamps:  []board.LampConfig{{Name: "status", SoftPWM: true}},
			Relays: []board.RelayConfig{{Name: "door"}},
		})
		defer func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}()
		f(t, b)
	})
}

func TestPress(t *testing.T) {
	story(t, func(t *testing.T, b *listened) {
		start := time.Now()
		if err := b.Press("bell", 200*ms); err != nil {
			t.Fatal(err)
		}
		if e := <-b.Edges(); e != (board.Edge{Input: "bell", Active: true, At: start}) || time.Since(start) != 25*ms {
			t.Errorf("after %v: %+v", time.Since(start), e)
		}
		if s := b.State(); !s.Simulated || s.Driver != "sim" || !s.Inputs[0].Active || s.Inputs[1].Active {
			t.Errorf("state %+v", s)
		}
		if e := <-b.Edges(); e != (board.Edge{Input: "bell", At: start.Add(200 * ms)}) {
			t.Errorf("release: %+v", e)
		}
	})
}

func TestShortPressIsAGlitch(t *testing.T) {
	story(t, func(t *testing.T, b *listened) {
		_ = b.Press("bell", 10*ms)
		time.Sleep(time.Second)
		synctest.Wait()
		if in := b.State().Inputs[0]; in.Presses != 0 || in.Glitches != 1 {
			t.Errorf("state %+v", in)
		}
	})
}

func TestPressDuringPress(t *testing.T) {
	story(t, func(t *testing.T, b *listened) {
		start := time.Now()
		_ = b.Press("bell", 300*ms)
		time.Sleep(100 * ms)
		_ = b.Press("bell", 50*ms) // changes nothing
		<-b.Edges()
		time.Sleep(100 * ms)
		if !b.State().Inputs[0].Active {
			t.Error("a shorter press ended a longer one")
		}
		_ = b.Press("bell", 300*ms)
		if e := <-b.Edges(); e.Active || e.At != start.Add(500*ms) {
			t.Errorf("released %v after the start", e.At.Sub(start))
		}
		if n := b.State().Inputs[0].Presses; n != 1 {
			t.Errorf("%d presses", n)
		}
	})
}

func TestSet(t *testing.T) {
	story(t, func(t *testing.T, b *listened) {
		_ = b.Press("bell", time.Second)
		<-b.Edges()
		_ = b.Set("bell", false) // ends the press
		if e := <-b.Edges(); e.Active {
			t.Errorf("edge %+v", e)
		}
		_ = b.Set("bell", true)
		if e := <-b.Edges(); !e.Active {
			t.Errorf("edge %+v", e)
		}
		time.Sleep(time.Hour)
		if !b.State().Inputs[0].Active {
			t.Error("a level that was set did not stay")
		}
	})
}

func TestLampsAndRelays(t *testing.T) {
	story(t, func(t *testing.T, b *listened) {
		_ = b.SetLamp("status", board.On())
		b.Dim(0.25)
		_ = b.PulseRelay("door", time.Second)
		if s := b.State(); s.Lamps[0].Level != 0.25 || !s.Relays[0].On {
			t.Errorf("state %+v", s)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.State().Relays[0].On {
			t.Error("the relay did not fall back")
		}
	})
}

func TestRefused(t *testing.T) {
	story(t, func(t *testing.T, b *listened) {
		for _, hold := range []time.Duration{0, -1, MaxHold + 1} {
			if b.Press("bell", hold) == nil {
				t.Errorf("a press of %v was taken", hold)
			}
		}
		if err := b.Press("moon", time.Second); !errors.Is(err, ErrNoSuchInput) {
			t.Error(err)
		}
		if err := b.Set("moon", true); !errors.Is(err, ErrNoSuchInput) {
			t.Error(err)
		}
		_ = b.Press("bell", time.Hour/10)
		_ = b.Close()
		if err := b.Press("bell", time.Second); !errors.Is(err, board.ErrClosed) {
			t.Error(err)
		}
	})
}

// A timer that fires while the press is being extended does not end it.
func TestLateTimer(t *testing.T) {
	in := newInput()
	_ = in.press(time.Hour)
	in.expire()
	if active, _ := in.Level(); !active {
		t.Error("an extended press was ended")
	}
	_ = in.Close()
}

// A reader that stands still makes presses fail, not wait.
func TestFullQueue(t *testing.T) {
	in := newInput()
	var err error
	for i := 0; err == nil && i < 10*queued; i++ {
		err = in.set(i%2 == 0)
	}
	if err == nil {
		t.Error("the queue takes changes without end")
	}
	_ = in.Close()
}
