package door

import (
	"time"

	"intercomd/station"
)

// noPhone is the phone of a door whose configuration cannot be used: every call
// fails at once.
type noPhone struct{ in *station.Inbox }

func (n noPhone) Dial(target string) station.Call {
	c := &deadCall{target: target}
	n.in.CallEvent(c, station.CallEvent{Kind: station.Ended, At: time.Now(),
		Ending: station.Ending{Cause: station.CauseOffline, By: station.ByNet, Reason: station.ReasonUnconfigured}})
	return c
}

func (noPhone) Hurry(time.Duration) {}

// deadCall never lived.
type deadCall struct{ target string }

func (*deadCall) ID() string                     { return "" }
func (*deadCall) Incoming() bool                 { return false }
func (c *deadCall) Peer() station.Peer           { return station.Peer{User: c.target} }
func (*deadCall) AnswerWish() station.AnswerWish { return station.AnswerWish{} }
func (*deadCall) Queue()                         {}
func (*deadCall) Ring()                          {}
func (*deadCall) Answer()                        {}
func (*deadCall) Open(station.VoiceMode)         {}
func (*deadCall) End(station.Cause)              {}
func (*deadCall) SendDigits(string)              {}
