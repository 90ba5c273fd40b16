package report

import (
	"testing"
	"time"

	"intercomd/station"
	"intercomd/update"
	"intercomd/words"
)

// What a failed registration proves of the system that runs.
func TestStanding(t *testing.T) {
	for _, c := range []struct {
		code  string
		state station.RegState
		want  update.Reach
	}{
		{"dial-refused", station.RegFailed, update.ReachHost},
		{"dial-timeout", station.RegFailed, update.ReachSilent},
		{"dial-unreachable", station.RegFailed, update.ReachSilent},
		{"dial-name", station.RegFailed, update.ReachSilent},
		{"dial-not-websocket", station.RegFailed, update.ReachSilent},
		{"dial-unknown-ca", station.RegFailed, update.ReachServer},
		{"dial-wrong-pin", station.RegFailed, update.ReachServer},
		{"dial-other", station.RegFailed, update.ReachUnknown},
		{"dial-bad-url", station.RegFailed, update.ReachUnknown},
		{"registration-trouble", station.RegFailed, update.ReachSilent},
		{"registration-trouble", station.RegRefused, update.ReachServer},
	} {
		a := standing("door", station.Registration{State: c.state, Problem: words.New(c.code)})
		if a.Reach != c.want || a.Registered || a.Code == "" {
			t.Errorf("%s, %s: %+v, want %q", c.code, c.state, a, c.want)
		}
	}
	// Another device has taken the extension: that is no fault of the system.
	if a := standing("door", station.Registration{State: station.RegRegistered, Problem: words.New("x")}); !a.Registered {
		t.Errorf("%+v", a)
	}
}

func TestFactsOfTheDoor(t *testing.T) {
	d := Reporter{Started: time.Now()}
	s := &station.Snapshot{State: station.Idle, Sound: station.Sound{Input: station.Device{OK: true}},
		Board: station.BoardState{Relays: []station.Relay{{Name: "door"}, {Name: "light", On: true}}},
		Faults: []station.Fault{{Key: "registration", Blinks: station.FaultRegistration}, {Key: "update", Blinks: station.FaultLesser},
			{Key: "alarm.a", Blinks: station.FaultAlarm}, {Key: "notify.1.webhook", Blinks: station.FaultUntold}, {Key: "web", Blinks: station.FaultLesser}}}
	f := d.facts(s)
	if !f.AtRest || len(f.Faults) != 1 || f.Faults[0].Key != "web" || len(f.Accounts) != 0 || len(f.Parts) != 4 || !f.Parts[0].OK || f.Parts[1].OK {
		t.Errorf("%+v", f)
	}
	s.Board.Relays[0] = station.Relay{Name: "door", On: true, Until: time.Now()}
	if d.facts(s).AtRest {
		t.Error("at rest with an open door")
	}
	s.Board.Relays[0] = station.Relay{}
	s.State = station.Talking
	if d.facts(s).AtRest {
		t.Error("at rest in a call")
	}
}
