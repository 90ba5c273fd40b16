package door

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/board"
	"intercomd/board/sim"
	"intercomd/configs"
	"intercomd/station"
)

// wing is the part of a board that one of several doors has: each door shows its own lines only.
type wing struct {
	doorBoard
	owns map[string]bool
}

func newWing(b board.Board, names ...string) *wing {
	w := &wing{doorBoard: doorBoard{b}, owns: map[string]bool{}}
	for _, n := range names {
		w.owns[n] = true
	}
	return w
}

func (w *wing) State() (station.BoardState, []station.InputCount) {
	s, counts := w.doorBoard.State()
	s.Inputs = slices.DeleteFunc(s.Inputs, func(i station.Input) bool { return !w.owns[i.Name] })
	s.Lamps = slices.DeleteFunc(s.Lamps, func(l station.Lamp) bool { return !w.owns[l.Name] })
	s.Relays = slices.DeleteFunc(s.Relays, func(r station.Relay) bool { return !w.owns[r.Name] })
	counts = slices.DeleteFunc(counts, func(c station.InputCount) bool { return !w.owns[c.Name] })
	return s, counts
}

// Two doors run in one program, on one board: nothing of either is global.
func TestTwoDoorsOnOneBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var inputs []board.InputConfig
		var relays []board.RelayConfig
		for _, side := range []string{"front", "back"} {
			inputs = append(inputs, board.InputConfig{Name: side + "-bell", Debounce: 25 * time.Millisecond})
			relays = append(relays, board.RelayConfig{Name: side, Max: time.Minute})
		}
		ways := map[string]*station.Inbox{"front-bell": station.NewInbox(), "back-bell": station.NewInbox()}
		panel := sim.New(ctx, board.Config{Inputs: inputs, Relays: relays, Log: slog.New(slog.DiscardHandler),
			Edge: func(e board.Edge) { ways[e.Input].Edge(station.Edge(e)) }})
		var running sync.WaitGroup
		var doors []*officeDoor
		for _, side := range []string{"front", "back"} {
			c := configs.Default()
			c.SIP.DisplayName, c.Door.Relay, c.Door.Key = side, side, "5"
			c.Buttons[0].Name, c.Buttons[0].Press.Target, c.Relays[0].Name = side+"-bell", side, side
			d := &officeDoor{t: t, panel: panel}
			sc := stationConfig(&c)
			sc.Inbox = ways[side+"-bell"]
			d.st = station.New(sc, d, silentVoice{}, newWing(panel, side+"-bell", side))
			doors = append(doors, d)
			running.Go(func() { d.st.Run(ctx) })
			d.st.SetRegistration(station.Registration{State: station.RegRegistered})
		}
		front, back := doors[0], doors[1]
		front.press("front-bell", 200*time.Millisecond)
		front.dialled("front")
		back.dialled("")
		back.press("back-bell", 200*time.Millisecond)
		back.dialled("back")
		front.answer()
		front.types("5")
		if r := front.relays(); r != "front" {
			t.Errorf("relays %q", r)
		}
		f, k := front.st.Snapshot(), back.st.Snapshot()
		if f.State != station.Talking || k.State != station.Calling || f.Name != "front" || k.Name != "back" || len(f.Board.Inputs) != 1 || k.Board.Relays[0].Name != "back" {
			t.Errorf("front %+v\nback %+v", f, k)
		}
		if events, _ := back.st.Since(0); slices.ContainsFunc(events, func(e station.Event) bool { _, opened := e.News.(station.Released); return opened }) {
			t.Error("the back door tells of the front door")
		}
		cancel()
		running.Wait()
		if err := panel.Close(); err != nil {
			t.Error(err)
		}
	})
}
