package station

import "testing"

// What the door's look around costs at rest, four times a second.
func BenchmarkRefresh(b *testing.B) {
	h := &house{board: BoardState{Driver: "fake", Inputs: make([]Input, 6), Lamps: make([]Lamp, 4), Relays: make([]Relay, 2)}}
	s := New(Config{Contacts: []ContactConfig{{Input: "leaf"}}, Lamps: []LampConfig{{Name: "status", Shows: ShowStatus}}}, h, h, h)
	s.calls = make([]Record, 20)
	b.ReportAllocs()
	for b.Loop() {
		s.refresh()
	}
}

// What telling costs the core while somebody waits for it.
func BenchmarkTell(b *testing.B) {
	j := journal{next: 1}
	for b.Loop() {
		j.since(j.next)
		j.add(Event{News: CallDigit{}})
	}
}
