package web

import (
	"slices"
	"strconv"
	"time"

	"intercomd/station"
)

// callView is one row of the ledger.
type callView struct {
	At, When            string // machine-readable and for people
	Who                 string
	URI                 string
	Incoming            bool
	Talked              string
	Ended               string
	Tone                tone
	Sent, Rang, Audible string // press → INVITE, INVITE → ring, answer → first audio
	Remedy              string // of a call that went wrong
	Opened              bool
	Ladder              string // path of its SIP messages
}

// textView is one text message to the door.
type textView struct {
	At, When  string // machine-readable and for people
	Who, Text string
}

func newTextViews(texts []station.Text, now time.Time) (views []textView) {
	for _, t := range texts {
		views = append(views, textView{At: t.At.Format(time.RFC3339), When: clock(t.At, now), Who: peerName(t.From), Text: clean(t.Body, maxText)})
	}
	return views
}

// stepView is one step of the running call.
type stepView struct {
	Name, Clock, After string // After counts from the first step
}

func newCallViews(records []station.Record, now time.Time) []callView {
	views := make([]callView, 0, len(records))
	for _, r := range records {
		start := firstOf(r.Pressed, r.Sent, r.Over)
		v := callView{
			At: start.Format(time.RFC3339), When: clock(start, now),
			Who: peerName(r.Peer), URI: clean(r.Peer.URI, 4*maxName), Incoming: r.Direction == station.Incoming,
			Talked: none, Ended: endedWords(r), Tone: endingTone(r),
			Sent:    between(r.Pressed, r.Sent),
			Rang:    between(firstOf(r.Sent, r.Pressed), firstOf(r.Ringing, r.Early)),
			Audible: between(r.Answered, r.Heard),
			Opened:  !r.Opened.IsZero(),
			Ladder:  ladderPath(r.ID),
		}
		if v.Tone == bad {
			v.Remedy = clean(r.Ending.Remedy, maxText)
		}
		if !r.Answered.IsZero() && !r.Over.IsZero() {
			v.Talked = timer(r.Over.Sub(r.Answered))
		}
		if !r.Heard.IsZero() && r.Heard.Before(r.Answered) {
			v.Audible = "early" // heard before the answer already
		}
		views = append(views, v)
	}
	return views
}

// endingTone tells what went well and what people decided from what went wrong.
func endingTone(r station.Record) tone {
	switch r.Ending.Cause {
	case station.CauseHangup, station.CauseTalkLimit, station.CauseOpened, station.CauseTransferred:
		return good
	case station.CauseCancelled, station.CauseBusy, station.CauseNoAnswer, station.CauseElsewhere,
		station.CauseNobody, station.CauseDisturb, station.CauseShutdown, station.CauseRefused:
		return calm
	}
	return bad
}

// endedWords tells how a call ended and, of one that was passed on, where it went.
func endedWords(r station.Record) string {
	text := endingWords(r.Ending)
	if r.Ending.Cause == station.CauseTransferred && r.PassedTo != "" {
		text += " to " + clean(r.PassedTo, maxName)
	}
	if r.PassedBy != "" {
		text += ", passed on by " + clean(r.PassedBy, maxName)
	}
	return text
}

// endingWords tells why a call ended, by whom, and what the server said to it.
func endingWords(e station.Ending) string {
	text := clean(string(e.Cause), maxName)
	if text == "" {
		return none
	}
	switch e.Cause {
	case station.CauseHangup, station.CauseCancelled, station.CauseRefused:
		if e.By != "" {
			text += " by " + byWords(e.By)
		}
	}
	said := clean(e.Reason, maxName)
	if e.Status != 0 {
		said = join(strconv.Itoa(e.Status), said)
	}
	if said != "" {
		text += " (" + said + ")"
	}
	return text
}

func byWords(p station.Party) string {
	switch p {
	case station.ByDoor:
		return "the door"
	case station.ByPeer:
		return "the far end"
	case station.ByNet:
		return "the network"
	}
	return clean(string(p), maxName)
}

// newSteps is the ledger of a call in the order of time.
func newSteps(r station.Record) []stepView {
	first, rings := "Button pressed", "The far end rings"
	if r.Direction == station.Incoming {
		first, rings = "Call arrived", "The door rings"
	}
	type step struct {
		name string
		at   time.Time
	}
	steps := []step{
		{first, r.Pressed},
		{"Call sent", r.Sent},
		{rings, r.Ringing},
		{"Heard before the answer", r.Early},
		{"Answered", r.Answered},
		{"Audio path up", r.MediaUp},
		{"First audio heard", r.Heard},
		{"First audio sent", r.Spoken},
		{"Door opened", r.Opened},
		{"Passed on to " + orElse(clean(r.PassedTo, maxName), "somebody else"), r.Passed},
	}
	steps = slices.DeleteFunc(steps, func(s step) bool { return s.at.IsZero() })
	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	views := make([]stepView, len(steps))
	for i, s := range steps {
		views[i] = stepView{Name: s.name, Clock: s.at.Format("15:04:05.000")}
		if i > 0 {
			views[i].After = "+" + latency(s.at.Sub(steps[0].at))
		}
	}
	return views
}

// firstOf is the first of the times that is known.
func firstOf(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
