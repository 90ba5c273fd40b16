package station

import (
	"testing"
	"time"

	"intercomd/words"
)

// One cause is one fault, whatever it takes with it.
func TestOneCauseIsOneFault(t *testing.T) {
	chip, other := words.New("chip-unknown", "chip", "x"), words.New("line-busy")
	for _, tt := range []struct {
		name  string
		board BoardState
		want  map[string]string
	}{
		{"each its own", BoardState{Inputs: []Input{{Name: "bell", Problem: chip}}, Relays: []Relay{{Name: "door", Problem: other}}},
			map[string]string{"board.bell": "input-fails", "board.door": "relay-fails"}},
		{"one chip", BoardState{Inputs: []Input{{Name: "bell", Problem: chip}}, Lamps: []Lamp{{Name: "lamp", Problem: chip}}, Relays: []Relay{{Name: "door", Problem: chip}}},
			map[string]string{"board.lines": "lines-fail"}},
		{"the board itself", BoardState{Problem: chip, Inputs: []Input{{Name: "bell", Problem: chip}}, Relays: []Relay{{Name: "door", Problem: chip}}},
			map[string]string{"board": "chip-unknown"}},
	} {
		var fs faultSet
		fs.derive(Registration{State: RegRegistered}, Sound{}, tt.board, DoorState{}, time.Now())
		if len(fs.derived) != len(tt.want) {
			t.Errorf("%s: %v", tt.name, fs.derived)
		}
		for _, f := range fs.derived {
			if f.Code != tt.want[f.Key] {
				t.Errorf("%s: %s is %s", tt.name, f.Key, f.Code)
			}
		}
	}
}

func TestTheLastMinute(t *testing.T) {
	var m minute
	now := time.Now()
	for i, want := range []uint64{0, 10, 20} {
		if got := m.lately(uint64(10*i), now.Add(time.Duration(i)*20*time.Second)); got != want {
			t.Errorf("after %d s: %d, want %d", 20*i, got, want)
		}
	}
	if got := m.lately(20, now.Add(3*time.Minute)); got != 0 {
		t.Errorf("long after: %d", got)
	}
}
