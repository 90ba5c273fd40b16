package door

import (
	"fmt"
	"math"

	"intercomd/board"
	"intercomd/station"
)

// doorBoard lets the station use a board: it translates, and nothing else.
type doorBoard struct{ board.Board }

// SetLamp shows a pattern. A lamp that cannot be lit is a fault in the board's
// state; there is nothing that the station could do about it.
func (d doorBoard) SetLamp(name string, p station.Pattern, c station.Colour) {
	if pat, ok := board.Named(string(p)); ok {
		_ = d.ColourLamp(name, pat, light(c))
	}
}

// light is a colour of the station for the board.
func light(c station.Colour) board.Colour {
	part := func(shift int) float64 { return float64(c>>shift&0xff) / 255 }
	return board.Colour{Red: part(16), Green: part(8), Blue: part(0)}
}

// hex is a colour as the page and the configuration write it; "" of a lamp without.
func hex(c board.Colour) string {
	if c == (board.Colour{}) {
		return ""
	}
	part := func(f float64) int { return int(math.Round(f * 255)) }
	return fmt.Sprintf("#%02x%02x%02x", part(c.Red), part(c.Green), part(c.Blue))
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
		out.Lamps = append(out.Lamps, station.Lamp{Name: l.Name, Pattern: station.Pattern(l.Pattern), Colour: hex(l.Colour), Problem: l.Problem})
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
