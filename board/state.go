package board

import (
	"time"

	"intercomd/words"
)

// State is the board at one moment.
type State struct {
	Driver    string        // "gpio", "sim", "none"
	Simulated bool          // inputs can be moved by hand
	Problem   words.Message // of the board as a whole
	Inputs    []InputState
	Lamps     []LampState
	Relays    []RelayState
}

// InputState is the state of a button or a contact.
type InputState struct {
	Name     string
	Active   bool
	Since    time.Time     // of Active; zero until the first change
	Presses  uint64        // times it became active since start
	Glitches uint64        // changes too short to count that came to nothing
	Bounces  uint64        // changes too short to count beside one that counted
	Widths   Widths        // how long the line was active, before debouncing
	Stuck    bool          // active for longer than a person presses
	Problem  words.Message // why the input cannot be read
}

// LampState is the state of a lamp.
type LampState struct {
	Name    string
	Pattern string  // name of the pattern that is shown
	On      bool    // at this moment of the pattern
	Level   float64 // 0 to 1, dimmed
	Colour  Colour  // of a lamp with three colours
	Problem words.Message
}

// RelayState is the state of a relay.
type RelayState struct {
	Name    string
	On      bool
	Until   time.Time // end of the running pulse; zero when off, or on until further notice
	Problem words.Message
}

// Widths counts active pulses of an input by their length before debouncing: the
// fingerprint of a bouncing contact or of interference. See [WidthLimit].
type Widths [9]uint64

// WidthLimit is the exclusive upper limit of bucket i of [Widths]; the last bucket
// has none and gives 0.
func WidthLimit(i int) time.Duration {
	const ms = time.Millisecond
	limits := [len(Widths{}) - 1]time.Duration{
		1 * ms, 3 * ms, 10 * ms, 30 * ms, 100 * ms, 300 * ms, 1000 * ms, 3000 * ms}
	if i < 0 || i >= len(limits) {
		return 0
	}
	return limits[i]
}

func (w *Widths) add(d time.Duration) {
	for i := range len(w) - 1 {
		if d < WidthLimit(i) {
			w[i]++
			return
		}
	}
	w[len(w)-1]++
}
