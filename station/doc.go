// Package station is the door station itself: what a press, an answer, a digit
// or a hang-up means, and what the visitor sees and hears of it.
//
// One goroutine, the one in [Station.Run], owns all state. Each state is a value with
// what belongs to its call, and a method that waits for the next thing that matters to
// it and returns the state that follows, so the legal transitions are the return
// statements; docs/architecture.md has them as a drawing.
//
// The package does no I/O. It knows nothing of SIP, of sound devices or of
// GPIO; it speaks to them through the interfaces in ports.go, which are written
// in the words of a door, and shows itself through [Event], [Snapshot] and [Gauges].
package station
