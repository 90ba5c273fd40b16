package web

import (
	"strconv"
	"strings"
	"time"

	"intercomd/station"
)

// tone is the colour of a statement. It is never the only way it is told.
type tone string

const (
	calm   tone = "calm"   // nothing to do, nothing wrong
	good   tone = "good"   // works
	active tone = "active" // a call is under way
	warn   tone = "warn"   // works, but not all of it, or not yet
	bad    tone = "bad"    // does not work
)

// view is the page in words: all that the templates show. It is made from a
// snapshot and a time, and from nothing else.
type view struct {
	Name   string
	Title  string // of the browser tab
	State  stateView
	Faults []faultView
	Panel  panelView
	Sound  soundView
	Reg    regView
	Inputs []inputView
	Calls  []callView
	Texts  []textView
	Foot   footView
}

type stateView struct {
	Tone   tone
	Head   string // the state in a few words
	Detail string
	Remedy string
	Timer  string // running time of a call's phase
	Hangup string // label of the button that ends the call, "" without a call
	Mute   string // label of the button that mutes, or ends that; "" without a talk
	Muted  bool
	Steps  []stepView
}

type faultView struct {
	Text, Remedy, Since, Key string
}

type regView struct {
	Tone   tone
	State  string
	Error  string
	Remedy string
	Facts  []fact
}

// fact is one line of a list: what, and how it is.
type fact struct {
	Name, Value string
	Tone        tone // "" for plain text
}

type footView struct {
	Version, Uptime, Zone, Cost string
}

// newView makes the page of snap at the time now.
func newView(snap *station.Snapshot, now time.Time, press bool) view {
	v := view{
		Name:   clean(snap.Name, maxName),
		Reg:    newRegView(snap, now),
		Faults: newFaultViews(snap, now),
		Panel:  newPanelView(snap, now, press),
		Sound:  newSoundView(snap),
		Inputs: newInputViews(snap),
		Calls:  newCallViews(snap.Calls, now),
		Texts:  newTextViews(snap.Texts, now),
		Foot: footView{
			Version: clean(snap.Version, maxName),
			Uptime:  since(snap.Started, now),
			Zone:    now.Format("MST"),
			Cost:    costWords(snap.Runtime),
		},
	}
	if v.Name == "" {
		v.Name = "Door station"
	}
	v.State = newStateView(snap, now, len(v.Faults))
	v.Title = v.State.Head + " · " + v.Name
	return v
}

// newStateView tells the truth about the door in one line, and what to do when
// the truth is not good.
func newStateView(snap *station.Snapshot, now time.Time, faults int) stateView {
	switch snap.State {
	case station.Calling, station.Ringing, station.Talking:
		return callState(snap, now)
	case station.Stopped:
		return stateView{Tone: warn, Head: "Stopped", Detail: "The door station is shutting down."}
	case station.Idle:
		return idleState(snap, faults)
	}
	return stateView{Tone: warn, Head: "Starting", Detail: "The door station has not reported its state yet."}
}

func idleState(snap *station.Snapshot, faults int) stateView {
	reg := snap.Registration
	user, server := clean(reg.User, maxName), serverName(reg.Server)
	s := stateView{Tone: warn, Detail: sentence(reg.Error), Remedy: sentence(reg.Remedy)}
	switch reg.State {
	case station.RegRegistered:
		s = stateView{Tone: good, Head: "Ready", Detail: registeredAs(user, server)}
		if snap.Door.DoNotDisturb {
			s.Tone, s.Head = warn, "Do not disturb"
			s.Detail = "The bell rings nobody. " + s.Detail
		}
		switch deaf, dumb := snap.Sound.Input.Error != "", snap.Sound.Output.Error != ""; {
		case deaf && dumb:
			s.Tone, s.Head = bad, "Registered, but without sound"
		case deaf:
			s.Tone, s.Head = bad, "Registered, but without a microphone"
		case dumb:
			s.Tone, s.Head = bad, "Registered, but without a loudspeaker"
		case faults > 0 && !snap.Door.DoNotDisturb:
			s.Tone, s.Head = warn, "Ready, with "+plural(faults, "fault", "faults")
		}
	case station.RegConnecting:
		s.Head = "Not ready: connecting"
		s.or("Connecting to " + orElse(server, "the SIP server") + ".")
	case station.RegRegistering:
		s.Head = "Not ready: registering"
		s.or("Registering at " + orElse(server, "the SIP server") + ".")
	case station.RegFailed:
		s.Tone, s.Head = bad, "Not registered"
		s.or("The registration at " + orElse(server, "the SIP server") + " failed.")
		s.Remedy = join(s.Remedy, "The door keeps trying by itself.")
	case station.RegRefused:
		s.Tone, s.Head = bad, "Not registered"
		s.or(orElse(server, "The SIP server") + " refused the registration.")
	default:
		s.Tone, s.Head = bad, "Not set up"
		if faults > 0 {
			s.or("The configuration cannot be used as it is. See below.")
		}
		s.or("There is no usable SIP account in the configuration.")
	}
	return s
}

// or gives a detail to a state that has none.
func (s *stateView) or(detail string) {
	if s.Detail == "" {
		s.Detail = detail
	}
}

func registeredAs(user, server string) string {
	text := "Registered"
	if user != "" {
		text += " as " + user
	}
	if server != "" {
		text += " at " + server
	}
	return text + "."
}

func callState(snap *station.Snapshot, now time.Time) stateView {
	var r station.Record
	if snap.Call != nil {
		r = *snap.Call
	}
	who := peerName(r.Peer)
	s := stateView{Tone: active, Steps: newSteps(r)}
	switch snap.State {
	case station.Calling:
		s.Hangup = "Cancel the call"
		s.Timer = running(r.Pressed, now)
		s.Head, s.Detail = callingWords(r, who)
	case station.Ringing:
		s.Head, s.Detail = who+" calls the door", "The door rings. Its button answers."
		s.Hangup = "Refuse the call"
		s.Timer = running(r.Pressed, now)
	default:
		s.Head = "Talking with " + who
		s.Hangup = "Hang up"
		s.Timer = running(r.Answered, now)
		s.Mute = "Mute"
		switch {
		case snap.Sound.Muted:
			s.Tone, s.Muted, s.Mute = warn, true, "Unmute"
			s.Detail = "The microphone is muted: the far end hears nothing of the door."
		case snap.Sound.MicLive:
			s.Detail = "The microphone is live."
		default:
			s.Detail = "The microphone is off."
		}
	}
	if since := snap.Sound.FarSilent; !since.IsZero() && snap.State == station.Talking {
		s.Tone = warn
		s.Detail = join(s.Detail, "Nothing is heard from the far end (since "+clock(since, now)+"): it is muted, or its sound does not arrive.")
	}
	switch lost := snap.Registration.State != station.RegRegistered; {
	case lost && snap.State == station.Calling && r.Sent.IsZero():
		s.Detail = "The door is not registered. The press is kept for a while, in case the registration returns."
	case lost:
		s.Detail = join(s.Detail, "The registration is lost; the call goes on.")
	}
	s.Detail = join(s.Detail, waitingWords(snap.Waiting))
	if snap.Call == nil {
		s.Hangup, s.Mute = "", ""
	}
	return s
}

// waitingWords says who waits for the running call to end, the first first.
func waitingWords(waiting []station.Waiting) string {
	if len(waiting) == 0 {
		return ""
	}
	who := make([]string, 0, len(waiting))
	for _, w := range waiting {
		who = append(who, peerName(w.Peer))
	}
	return "Waiting: " + strings.Join(who, ", ") + "."
}

// callingWords keeps apart what the visitor cannot know: whether the call left,
// and whether anything rings at the far end.
func callingWords(r station.Record, who string) (head, detail string) {
	switch {
	case !r.Ringing.IsZero():
		return "Ringing " + who, "The far end rings. Nobody has answered yet."
	case !r.Early.IsZero():
		return "Calling " + who, "The far end has not answered, but is heard at the door."
	case !r.Sent.IsZero():
		return "Calling " + who, "The call was sent. Nothing rings yet."
	}
	return "Calling " + who, "The call has not left the door yet."
}

func running(from, now time.Time) string {
	if from.IsZero() {
		return ""
	}
	return timer(now.Sub(from))
}

// newFaultViews lists the faults but for the one that the state line tells already.
func newFaultViews(snap *station.Snapshot, now time.Time) []faultView {
	var views []faultView
	told := snap.State == station.Idle && snap.Registration.State != station.RegRegistered &&
		snap.Registration.Error != ""
	for _, f := range snap.Faults {
		if told && f.Key == "registration" {
			continue
		}
		text := sentence(f.Text)
		views = append(views, faultView{
			Text: orElse(text, "Fault "+clean(f.Key, maxName)+"."), Remedy: sentence(f.Remedy),
			Since: since(f.Since, now), Key: clean(f.Key, maxName),
		})
	}
	return views
}

func newRegView(snap *station.Snapshot, now time.Time) regView {
	reg := snap.Registration
	var v regView
	if snap.State != station.Idle { // else the state line says it already
		v.Error, v.Remedy = sentence(reg.Error), sentence(reg.Remedy)
	}
	switch reg.State {
	case station.RegRegistered:
		v.Tone, v.State = good, "registered"
	case station.RegConnecting:
		v.Tone, v.State = warn, "connecting"
	case station.RegRegistering:
		v.Tone, v.State = warn, "registering"
	case station.RegFailed:
		v.Tone, v.State = bad, "failed"
	case station.RegRefused:
		v.Tone, v.State = bad, "refused by the server"
	default:
		v.Tone, v.State = bad, "off"
	}
	v.Facts = []fact{
		{Name: "Server", Value: orElse(clean(reg.Server, maxName), none)},
		{Name: "User", Value: orElse(clean(reg.User, maxName), none)},
		{Name: "In this state for", Value: orElse(since(reg.Since, now), none)},
	}
	if !reg.Expires.IsZero() {
		v.Facts = append(v.Facts, fact{Name: "Refresh due within", Value: span(reg.Expires.Sub(now))})
	}
	if !reg.Retry.IsZero() && reg.State != station.RegRegistered {
		v.Facts = append(v.Facts, fact{Name: "Next attempt in", Value: span(reg.Retry.Sub(now))})
	}
	return v
}

// costWords tells what the program uses, coarsely: the exact figures change all
// the time and are in the JSON.
func costWords(r station.Runtime) string {
	if r.HeapBytes == 0 {
		return ""
	}
	return strconv.FormatUint((r.HeapBytes+1<<19)>>20, 10) + " MB heap"
}

func orElse(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// join puts two sentences together.
func join(a, b string) string {
	return strings.TrimSpace(a + " " + b)
}
