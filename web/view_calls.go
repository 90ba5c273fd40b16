package web

import (
	"slices"
	"strconv"
	"time"

	"intercomd/station"
	"intercomd/words"
)

// callView is one row of the ledger.
type callView struct {
	At, When, Ago       string // machine-readable and for people
	Who                 string
	URI                 string
	Incoming            bool
	Talked              string
	Ended               string
	Tone                tone
	Sent, Rang, Audible string // press → INVITE, INVITE → ring, answer → first audio
	Remedy              string // of a call that went wrong
	Opened              bool
	Test                bool   // somebody tried the door
	Trace               string // path of its SIP messages
}

// textView is one text message to the door.
type textView struct {
	At, When, Ago string // machine-readable and for people
	Who, Text     string
	Whole         string // of a long one, of which Text is the beginning; else ""
}

// maxBrief is how much of a text is shown at once, in characters: what somebody sends must not push away what is below.
const maxBrief = 120

func (t teller) newTextViews(texts []station.Text, now time.Time) (views []textView) {
	for _, m := range texts {
		v := textView{At: m.At.Format(time.RFC3339), When: t.moment(m.At, now), Ago: t.ago(m.At, now), Who: t.peerName(m.From), Text: clean(m.Body, maxText)}
		if brief := clean(v.Text, maxBrief); brief != v.Text {
			v.Text, v.Whole = brief, v.Text
		}
		views = append(views, v)
	}
	return views
}

// newDeliveryFacts says how the ways fare to tell people who are not at the door.
func (t teller) newDeliveryFacts(list []station.Delivery, now time.Time) (facts []fact) {
	for _, d := range list {
		f := fact{Name: t.Say("recipient", d.To), Value: t.Text("page.nothing-delivered")}
		if !d.Last.IsZero() {
			f.Value, f.Tone = t.Text("page.delivered", "at", t.moment(d.Last, now)), good
		}
		if d.Waiting > 0 {
			f.Value += "; " + t.Count("page.undelivered", d.Waiting)
		}
		if !d.Problem.None() {
			f.Value, f.Tone = f.Value+"; "+t.Count("page.tries", d.Tries)+": "+clean(t.Say("problem", d.Problem), maxText), bad
		}
		facts = append(facts, f)
	}
	return facts
}

// stepView is one step of the running call.
type stepView struct {
	Name, Clock, After string // After counts from the first step
}

func (t teller) newCallViews(records []station.Record, now time.Time) []callView {
	views := make([]callView, 0, len(records))
	for _, r := range records {
		start := firstOf(r.Pressed, r.Sent, r.Ended)
		v := callView{
			At: start.Format(time.RFC3339), When: t.moment(start, now), Ago: t.ago(start, now),
			Who: t.peerName(r.Peer), URI: clean(r.Peer.URI, 4*maxName), Incoming: r.Direction == station.Incoming,
			Talked: none, Ended: t.endedWords(r), Tone: endingTone(r),
			Sent:    t.between(r.Pressed, r.Sent),
			Rang:    t.between(firstOf(r.Sent, r.Pressed), firstOf(r.Ringing, r.Early)),
			Audible: t.between(r.Answered, r.Heard),
			Opened:  !r.Opened.IsZero(),
			Test:    r.Test,
			Trace:   tracePath(r.ID),
		}
		if v.Tone == bad {
			v.Remedy = t.sentence(t.Say("call-remedy", r.Ending.Remedy))
		}
		if !r.Answered.IsZero() && !r.Ended.IsZero() {
			v.Talked = timer(r.Ended.Sub(r.Answered))
		}
		if !r.Heard.IsZero() && r.Heard.Before(r.Answered) {
			v.Audible = t.Text("page.early") // heard before the answer already
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
func (t teller) endedWords(r station.Record) string {
	text := t.endingWords(r.Ending)
	if r.Ending.Cause == station.CauseTransferred && r.PassedTo != "" {
		text = t.Text("page.passed-on-to", "who", clean(r.PassedTo, maxName))
	}
	if r.PassedBy != "" {
		text = t.Text("page.passed-on-by", "ended", text, "who", clean(r.PassedBy, maxName))
	}
	return text
}

// endingWords tells why a call ended, by whom, and what the server said to it.
func (t teller) endingWords(e station.Ending) string {
	if e.Cause == "" {
		return none
	}
	text := clean(t.Say("cause", words.Message{Code: string(e.Cause)}), maxName)
	switch e.Cause {
	case station.CauseHangup, station.CauseCancelled, station.CauseRefused:
		switch {
		case e.By == station.ByCommand:
			text = t.Text("page.ended-from", "ended", text, "via", clean(t.Say("via", words.Message{Code: string(e.Who.Via)}), maxName), "who", clean(e.Who.Name, maxName))
		case e.By != "":
			text = t.Text("page.ended-by", "ended", text, "by", clean(t.Say("by", words.Message{Code: string(e.By)}), maxName))
		}
	}
	said := clean(t.Say("reason", words.Message{Code: e.Reason}), maxName)
	if e.Status != 0 {
		said = join(strconv.Itoa(e.Status), said)
	}
	if said != "" {
		text += " (" + said + ")"
	}
	return text
}

// newSteps is the ledger of a call in the order of time.
func (t teller) newSteps(r station.Record) []stepView {
	first, rings := t.Text("step.pressed"), t.Text("step.far-end-rings", "who", t.peerName(r.Peer))
	if r.Direction == station.Incoming {
		first, rings = t.Text("step.arrived"), t.Text("step.door-rings")
	}
	type step struct {
		name string
		at   time.Time
	}
	steps := []step{
		{first, r.Pressed},
		{t.Text("step.sent"), r.Sent},
		{rings, r.Ringing},
		{t.Text("step.early"), r.Early},
		{t.Text("step.answered"), r.Answered},
		{t.Text("step.media-up"), r.MediaUp},
		{t.Text("step.heard"), r.Heard},
		{t.Text("step.spoken"), r.Spoken},
		{t.Text("step.opened"), r.Opened},
		{t.Text("step.passed-on", "who", clean(r.PassedTo, maxName)), r.Passed},
	}
	steps = slices.DeleteFunc(steps, func(s step) bool { return s.at.IsZero() })
	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	views := make([]stepView, len(steps))
	for i, s := range steps {
		views[i] = stepView{Name: s.name, Clock: s.at.Format("15:04:05.000")}
		if i > 0 {
			views[i].After = "+" + t.latency(s.at.Sub(steps[0].at))
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
