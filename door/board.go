package door

import (
	"intercomd/board"
	"intercomd/station"
)

// doorBoard lets the station use a board: it translates, and nothing else.
type doorBoard struct{ board.Board }

// SetLamp shows a pattern. A lamp that cannot be lit is a fault in the board's
// state; there is nothing that the station could do about it.
func (d doorBoard) SetLamp(name string, p station.Pattern, c station.Colour) {
	if pat, ok := board.Named(string(p)); ok {
		_ = d.ColourLamp(name, pat, board.Colour(c))
	}
}

func (d doorBoard) State() (station.BoardState, []station.InputCount) {
	s := d.Board.State()
	out := station.BoardState{Driver: s.Driver, Simulated: s.Simulated, Problem: s.Problem}
	var counts []station.InputCount
	for _, i := range s.Inputs {
		out.Inputs = append(out.Inputs, station.Input{Name: i.Name, Active: i.Active, Stuck: i.Stuck, Problem: i.Problem})
		counts = append(counts, station.InputCount{Name: i.Name, Presses: i.Presses, Glitches: i.Glitches, Bounces: i.Bounces, Widths: station.Widths(i.Widths)})
	}
	for _, l := range s.Lamps {
		out.Lamps = append(out.Lamps, station.Lamp{Name: l.Name, Pattern: station.Pattern(l.Pattern), Colour: station.Colour(l.Colour), Problem: l.Problem})
	}
	for _, r := range s.Relays {
		out.Relays = append(out.Relays, station.Relay{Name: r.Name, On: r.On, Until: r.Until, Problem: r.Problem})
	}
	return out, counts
}

// RelayOn reports whether a relay is energised; one that does not exist is not.
func (d doorBoard) RelayOn(name string) bool {
	for _, r := range d.Board.State().Relays {
		if r.Name == name {
			return r.On
		}
	}
	return false
}

var _ station.Board = doorBoard{}
