// Package report tells the update agent how the door is, and shows at the door what became of an
// update. What may come of a new system, and what of people, servers and networks, is told apart
// here, where the codes of both are known. It refuses to know how the agent is reached, and what
// the agent decides.
package report

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"intercomd/beat"
	"intercomd/station"
	"intercomd/update"
)

const (
	every  = 2 * time.Second
	sought = 30 * time.Second // between looks for an agent where there is none
)

// Agent is the update agent, however it is reached.
type Agent interface {
	// Report hands over what the door reports; [update.ErrNoAgent] where there is no agent.
	Report(ctx context.Context, f update.Facts) (update.Reply, error)
}

// Reporter tells the agent of a door.
type Reporter struct {
	Station *station.Station
	Started time.Time // of this process
	Account string    // of the door's phone; "" if it has none
	Log     *slog.Logger
}

// Run reports until ctx ends.
func (r Reporter) Run(ctx context.Context, agent Agent) {
	last := ""
	for {
		limit, cancel := context.WithTimeout(ctx, every)
		reply, err := agent.Report(limit, r.facts(r.Station.Snapshot()))
		cancel()
		pause := every
		switch {
		case errors.Is(err, update.ErrNoAgent):
			pause = sought
		case err != nil:
			if ctx.Err() == nil && err.Error() != last {
				r.Log.Warn("the update agent rejects reports", "error", err)
			}
			last = err.Error()
		default:
			last = ""
			r.follow(ctx, reply)
		}
		select {
		case <-time.After(beat.Until(time.Now(), pause)):
		case <-ctx.Done():
			return
		}
	}
}

// follow does what the agent asks for.
func (r Reporter) follow(ctx context.Context, reply update.Reply) {
	if reply.Trouble.None() {
		r.Station.ClearFault("update")
	} else {
		r.Station.ClearFault("system.slot") // the initrd's note of the same
		r.Station.SetFault(station.Fault{Key: "update", Blinks: station.FaultLesser, Message: reply.Trouble})
	}
	if reply.Test && r.Station.Snapshot().SelfTest.State != "running" {
		// That it cannot be now is no fault: the agent asks again.
		err := r.Station.Do(ctx, station.Command{Kind: station.CommandTest, By: station.Principal{Via: station.ViaDoor}})
		r.Log.Debug("self-test for the update on trial", "error", err)
	}
}

// facts are what the agent should know of the door.
func (r Reporter) facts(s *station.Snapshot) update.Facts {
	f := update.Facts{Version: s.Version, Started: r.Started, AtRest: s.State == station.Idle && len(s.Waiting) == 0,
		SelfTest: update.SelfTest{Wanted: !s.SelfTest.Commissioned.IsZero(), Running: s.SelfTest.State == "running", At: s.SelfTest.At, Result: s.SelfTest.State}}
	part := func(key string, ok bool) { f.Parts = append(f.Parts, update.Part{Key: key, OK: ok}) }
	part("sound.input", s.Sound.Input.OK)
	part("sound.output", s.Sound.Output.OK)
	for _, in := range s.Board.Inputs {
		part("board."+in.Name, in.Problem.None())
	}
	for _, l := range s.Board.Lamps {
		part("board."+l.Name, l.Problem.None())
	}
	for _, l := range s.Board.Relays {
		part("board."+l.Name, l.Problem.None())
		if l.On && !l.Until.IsZero() { // a light that is on is no reason to wait
			f.AtRest = false
		}
	}
	for _, fault := range s.Faults {
		if ofTheSystem(fault) {
			f.Faults = append(f.Faults, update.Fault{Key: fault.Key, Message: fault.Message})
		}
	}
	if r.Account != "" {
		f.Accounts = append(f.Accounts, standing(r.Account, s.Registration))
	}
	return f
}

// ofTheSystem tells whether a fault may come of the system that runs. What people do to the
// door, and what other machines do not take, does not; the registration is an account.
func ofTheSystem(f station.Fault) bool {
	switch {
	case f.Key == "registration", f.Key == "update", strings.HasPrefix(f.Key, "fleet."):
		return false
	case f.Blinks == station.FaultAlarm, f.Blinks == station.FaultUntold:
		return false
	}
	return true
}

// standing is the registration as the agent judges it: what a failure proves.
func standing(name string, r station.Registration) update.Account {
	a := update.Account{Name: name, Registered: r.State == station.RegRegistered}
	if a.Registered || r.Problem.None() {
		return a
	}
	a.Code = r.Problem.Code
	switch a.Code {
	case "dial-refused":
		a.Reach = update.ReachHost
	case "dial-timeout", "dial-unreachable", "dial-name":
		a.Reach = update.ReachSilent
	case "dial-not-websocket": // as of a proxy whose server is down
		a.Reach = update.ReachSilent
	case "dial-unknown-ca", "dial-self-signed", "dial-expired", "dial-not-yet-valid", "dial-wrong-host", "dial-wrong-pin", "dial-bad-cert", "dial-tls":
		a.Reach = update.ReachServer
	case "registration-trouble":
		a.Code += "/" + string(r.State)
		a.Reach = update.ReachSilent // 503, or no answer at all, over a connection that stands
		if r.State == station.RegRefused {
			a.Reach = update.ReachServer
		}
	}
	return a
}
