package station

import "context"

// state is what the door is doing at a moment. What belongs to a call is in the states
// that have one, and is gone with them; see docs/architecture.md for the drawing.
type state interface {
	// name is the state as the snapshot has it.
	name() State
	// call is the running call, nil in a state without one.
	call() *running
	// run lasts as long as the state, and returns the one that follows; nil ends the door.
	run(ctx context.Context, s *Station) state
}

// running is the call that the door is about, from the press or the INVITE to the end.
type running struct {
	line     Call // nil before the door has called anybody
	rec      *Record
	trusted  bool         // the door chose the far end itself, and takes its keys
	button   ButtonConfig // that began it; the zero value if none did
	transfer *transfer    // call that is to take its place
}

func (r *running) call() *running { return r }

// call is the running call; nil without one.
func (s *Station) call() *running { return s.now.call() }

// state is the state as the snapshot has it.
func (s *Station) state() State { return s.now.name() }

// halted is the door before and after its work.
type halted struct{ as State }

func (h halted) name() State                       { return h.as }
func (halted) call() *running                      { return nil }
func (halted) run(context.Context, *Station) state { return nil }
