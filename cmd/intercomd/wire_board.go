package main

import (
	"intercomd/board"
	"intercomd/station"
)

// doorBoard lets the station use a board: it translates, and nothing else.
type doorBoard struct {
	board.Board
	edges chan station.Edge
	done  chan struct{}
}

// newDoorBoard starts translating edges; the board's end ends it.
func newDoorBoard(b board.Board) *doorBoard {
	d := &doorBoard{Board: b, edges: make(chan station.Edge), done: make(chan struct{})}
	go d.translate()
	return d
}

// translate hands edges over until the board closes or nobody wants them.
func (d *doorBoard) translate() {
	for e := range d.Board.Edges() {
		select {
		case d.edges <- station.Edge{Input: e.Input, Active: e.Active, At: e.At}:
		case <-d.done:
		}
	}
}

// Close ends the board; edges that nobody took are dropped.
func (d *doorBoard) Close() error {
	close(d.done)
	return d.Board.Close()
}

func (d *doorBoard) Edges() <-chan station.Edge { return d.edges }

// SetLamp shows a pattern. A lamp that cannot be lit is a fault in the board's
// state; there is nothing that the station could do about it.
func (d *doorBoard) SetLamp(name string, p station.Pattern) {
	if pat, ok := board.Named(string(p)); ok {
		_ = d.Board.SetLamp(name, pat)
	}
}

func (d *doorBoard) State() station.BoardState {
	s := d.Board.State()
	out := station.BoardState{Driver: s.Driver, Simulated: s.Simulated, Error: s.Error, Remedy: s.Remedy}
	for _, i := range s.Inputs {
		out.Inputs = append(out.Inputs, station.Input{Name: i.Name, Active: i.Active, Presses: i.Presses, Glitches: i.Glitches,
			Bounces: i.Bounces, Stuck: i.Stuck, Error: i.Error, Remedy: i.Remedy})
	}
	for _, l := range s.Lamps {
		out.Lamps = append(out.Lamps, station.Lamp{Name: l.Name, Pattern: station.Pattern(l.Pattern), On: l.On, Error: l.Error, Remedy: l.Remedy})
	}
	for _, r := range s.Relays {
		out.Relays = append(out.Relays, station.Relay{Name: r.Name, On: r.On, Until: r.Until, Error: r.Error, Remedy: r.Remedy})
	}
	return out
}

// RelayOn reports whether a relay is energised; one that does not exist is not.
func (d *doorBoard) RelayOn(name string) bool {
	for _, r := range d.Board.State().Relays {
		if r.Name == name {
			return r.On
		}
	}
	return false
}

var _ station.Board = (*doorBoard)(nil)
