package web

import (
	"strconv"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/words"
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
	Name    string
	Title   string // of the browser tab
	State   stateView
	Faults  []faultView
	Panel   panelView
	Sound   soundView
	Reg     regView
	Inputs  []inputView
	Calls   []callView
	Texts   []textView
	Told    []fact // the ways to tell people who are not at the door
	Machine []fact // under the door, at a glance
	Foot    footView
	Past    bool // there is a page with more calls
	Device  bool // there is a page with more of the machine
}

// part is what a section shows of the page, and nothing else: as long as it is the same, so is the
// section.
func (v *view) part(section string) view {
	switch section {
	case "state":
		return view{State: v.State}
	case "faults":
		return view{Faults: v.Faults}
	case "panel":
		return view{Panel: v.Panel}
	case "sound":
		return view{Sound: v.Sound}
	case "reg":
		return view{Reg: v.Reg}
	case "inputs":
		return view{Inputs: v.Inputs}
	case "calls":
		return view{Calls: v.Calls, Texts: v.Texts, Told: v.Told, Past: v.Past}
	case "machine":
		return view{Machine: v.Machine, Device: v.Device}
	case "foot":
		return view{Foot: v.Foot}
	}
	return *v
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
	File                     string // of the configuration, where it is another one than before
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
	key         string // by which it is told apart where that matters
	Name, Value string
	Tone        tone // "" for plain text
}

type footView struct {
	Version, Uptime, Zone, Cost string
	Clock                       string // for people
	Updates                     bool   // there is a page for them
}

// teller tells things in one language.
type teller struct{ *words.Language }

// newView makes the page of snap at the time now.
func (t teller) newView(snap *station.Snapshot, now time.Time, press bool) view {
	v := view{
		Name:   clean(snap.Name, maxName),
		Reg:    t.newRegView(snap, now),
		Faults: t.newFaultViews(snap, now),
		Panel:  t.newPanelView(snap, now, press),
		Sound:  t.newSoundView(snap, now),
		Inputs: t.newInputViews(snap),
		Calls:  t.newCallViews(snap.Calls, now),
		Texts:  t.newTextViews(snap.Texts, now),
		Told:   t.newDeliveryFacts(snap.Deliveries, now),
		Foot: footView{
			Version: clean(snap.Version, maxName),
			Uptime:  t.since(snap.Started, now),
			Clock:   now.Format("15:04"),
			Zone:    now.Format("MST"),
			Cost:    t.costWords(snap.Gauges.Runtime),
		},
	}
	if v.Name == "" {
		v.Name = t.Text("page.door-station")
	}
	v.State = t.newStateView(snap, now, len(v.Faults))
	v.Title = v.State.Head + " · " + v.Name
	return v
}

// problem and remedy are what is wrong and what to do about it, as sentences.
func (t teller) problem(m words.Message) string { return t.sentence(t.Say("problem", m)) }
func (t teller) remedy(m words.Message) string  { return t.sentence(t.Say("remedy", m)) }

// newStateView tells the truth about the door in one line, and what to do when
// the truth is not good.
func (t teller) newStateView(snap *station.Snapshot, now time.Time, faults int) stateView {
	switch snap.State {
	case station.Calling, station.Ringing, station.Talking:
		return t.callState(snap, now)
	case station.Stopped:
		return stateView{Tone: warn, Head: t.Text("page.stopped"), Detail: t.Text("page.stopped.detail")}
	case station.Idle:
		return t.idleState(snap, now, faults)
	}
	return stateView{Tone: warn, Head: t.Text("page.starting"), Detail: t.Text("page.starting.detail")}
}

func (t teller) idleState(snap *station.Snapshot, now time.Time, faults int) stateView {
	reg := snap.Registration
	server := serverName(reg.Server)
	named := orElse(server, t.Text("page.the-server"))
	s := stateView{Tone: warn, Detail: t.problem(reg.Problem), Remedy: t.remedy(reg.Problem)}
	switch reg.State {
	case station.RegRegistered:
		s = stateView{Tone: good, Head: t.Text("page.ready"), Detail: t.Text("page.registered-as", "user", clean(reg.User, maxName), "server", server)}
		if snap.Door.DoNotDisturb {
			s.Tone, s.Head = warn, t.Text("page.dnd")
			s.Detail = join(t.Text("page.dnd.detail"), s.Detail)
		}
		if why := snap.NotReady; !why.None() && why.Code != "do-not-disturb" {
			s.Tone, s.Head, s.Remedy = bad, t.notReadyHead(snap), t.remedy(why)
			s.Detail = t.problem(why)
			if snap.Door.DoNotDisturb {
				s.Detail = join(s.Detail, t.Text("page.dnd.detail"))
			}
		} else if faults > 0 && !snap.Door.DoNotDisturb {
			s.Tone, s.Head = warn, t.Count("page.ready-with-faults", faults)
		}
	case station.RegConnecting:
		s.Head = t.Text("page.connecting")
		s.or(t.Text("page.connecting.detail", "server", named))
	case station.RegRegistering:
		s.Head = t.Text("page.registering")
		s.or(t.Text("page.registering.detail", "server", named))
	case station.RegFailed:
		s.Tone, s.Head = bad, t.Text("page.not-registered")
		s.or(t.Text("page.not-registered.failed", "server", named))
		s.Remedy = join(s.Remedy, t.retryWords(reg.Retry, now))
	case station.RegRefused:
		s.Tone, s.Head = bad, t.Text("page.not-registered")
		s.or(t.sentence(t.Text("page.not-registered.refused", "server", named)))
	default:
		s.Tone, s.Head = bad, t.Text("page.not-set-up")
		if faults > 0 {
			s.or(t.Text("page.not-set-up.faults"))
		}
		s.or(t.Text("page.not-set-up.account"))
	}
	return s
}

// notReadyHead says in a few words why a registered door is not ready.
func (t teller) notReadyHead(snap *station.Snapshot) string {
	deaf, dumb := !snap.Sound.Input.Problem.None(), !snap.Sound.Output.Problem.None()
	switch snap.NotReady.Code {
	case "no-bell", "bell-fails", "bell-missing", "input-stuck":
		return t.Text("page.bell-broken")
	case "microphone-off":
		return t.Text("page.no-microphone")
	case "loudspeaker-off":
		return t.Text("page.no-loudspeaker")
	}
	switch {
	case deaf && dumb:
		return t.Text("page.without-sound")
	case deaf:
		return t.Text("page.without-microphone")
	case dumb:
		return t.Text("page.without-loudspeaker")
	}
	return t.Text("page.starting")
}

// retryWords says when the next attempt to register is due.
func (t teller) retryWords(retry, now time.Time) string {
	switch left := retry.Sub(now); {
	case retry.IsZero():
		return t.Text("page.keeps-trying")
	case left < time.Second:
		return t.Text("page.trying-now")
	default:
		return t.Text("page.trying-in", "span", t.age(left))
	}
}

// or gives a detail to a state that has none.
func (s *stateView) or(detail string) {
	if s.Detail == "" {
		s.Detail = detail
	}
}

func (t teller) callState(snap *station.Snapshot, now time.Time) stateView {
	var r station.Record
	if snap.Call != nil {
		r = *snap.Call
	}
	who := t.peerName(r.Peer)
	s := stateView{Tone: active, Steps: t.newSteps(r)}
	switch snap.State {
	case station.Calling:
		s.Hangup = t.Text("page.cancel")
		s.Timer = running(r.Pressed, now)
		s.Head, s.Detail = t.callingWords(r, who)
	case station.Ringing:
		s.Head, s.Detail = t.Text("page.called", "who", who), t.Text("page.called.detail")
		s.Hangup = t.Text("page.refuse")
		s.Timer = running(r.Pressed, now)
	default:
		s.Head = t.Text("page.talking", "who", who)
		s.Hangup = t.Text("page.hang-up")
		s.Timer = running(r.Answered, now)
		s.Mute = t.Text("page.mute")
		switch {
		case snap.Sound.Muted:
			s.Tone, s.Muted, s.Mute = warn, true, t.Text("page.unmute")
			s.Detail = t.Text("page.talking.muted")
		case snap.Sound.MicLive:
			s.Detail = t.Text("page.talking.live")
		default:
			s.Detail = t.Text("page.talking.off")
		}
	}
	if since := snap.Sound.FarSilent; !since.IsZero() && snap.State == station.Talking {
		s.Tone = warn
		s.Detail = join(s.Detail, t.Text("page.far-silent", "at", clock(since, now)))
	}
	switch lost := snap.Registration.State != station.RegRegistered; {
	case lost && snap.State == station.Calling && r.Sent.IsZero():
		s.Detail = t.Text("page.press-kept")
	case lost:
		s.Detail = join(s.Detail, t.Text("page.registration-lost"))
	}
	s.Detail = join(s.Detail, t.waitingWords(snap.Waiting))
	if snap.Call == nil {
		s.Hangup, s.Mute = "", ""
	}
	return s
}

// waitingWords says who waits for the running call to end, the first first.
func (t teller) waitingWords(waiting []station.Waiting) string {
	if len(waiting) == 0 {
		return ""
	}
	who := make([]string, 0, len(waiting))
	for _, w := range waiting {
		who = append(who, t.peerName(w.Peer))
	}
	return t.Text("page.waiting", "who", strings.Join(who, ", "))
}

// callingWords keeps apart what the visitor cannot know: whether the call left,
// and whether anything rings at the far end.
func (t teller) callingWords(r station.Record, who string) (head, detail string) {
	head = t.Text("page.calling", "who", who)
	switch {
	case !r.Ringing.IsZero():
		return t.Text("page.ringing", "who", who), t.Text("page.ringing.detail")
	case !r.Early.IsZero():
		return head, t.Text("page.calling.early")
	case !r.Sent.IsZero():
		return head, t.Text("page.calling.sent")
	}
	return head, t.Text("page.calling.pressed")
}

func running(from, now time.Time) string {
	if from.IsZero() {
		return ""
	}
	return timer(now.Sub(from))
}

// newFaultViews lists the faults but for the one that the state line tells already.
func (t teller) newFaultViews(snap *station.Snapshot, now time.Time) []faultView {
	var views []faultView
	file := ""
	for _, f := range snap.Faults {
		if snap.State == station.Idle && said(snap, f) {
			continue
		}
		key := clean(f.Key, maxName)
		v := faultView{
			Text: orElse(t.problem(f.Message), t.Text("page.fault", "key", key)), Remedy: t.remedy(f.Message),
			Since: t.since(f.Since, now), Key: key,
		}
		if f.Code == "config-fault" {
			v.Text, v.File = t.configFault(f.Message)
			if v.File == file {
				v.File = "" // said once
			} else {
				file = v.File
			}
		}
		views = append(views, v)
	}
	return views
}

// said says whether the state line tells a fault already.
func said(snap *station.Snapshot, f station.Fault) bool {
	if f.Key == "registration" {
		return snap.Registration.State != station.RegRegistered && !snap.Registration.Problem.None()
	}
	return f.Message == snap.NotReady && snap.Registration.State == station.RegRegistered
}

// configFault tells of a fault of the configuration by its line, and in which file it is.
func (t teller) configFault(m words.Message) (text, file string) {
	p := m.Params.Map()
	file, line := clean(p["place"], maxText), ""
	if i := strings.LastIndexByte(file, ':'); i >= 0 && strings.Trim(file[i+1:], "0123456789") == "" && i+1 < len(file) {
		file, line = file[:i], t.Text("page.config-line", "line", file[i+1:])+": "
	}
	if key := clean(p["key"], maxName); key != "" {
		line += key + ": "
	}
	return t.sentence(line + t.Say("problem", words.Message{Code: p["why"], Params: m.Params})), t.Text("page.config-file", "file", file)
}

func (t teller) newRegView(snap *station.Snapshot, now time.Time) regView {
	reg := snap.Registration
	var v regView
	if snap.State != station.Idle { // else the state line says it already
		v.Error, v.Remedy = t.problem(reg.Problem), t.remedy(reg.Problem)
	}
	switch reg.State {
	case station.RegRegistered:
		v.Tone, v.State = good, t.Text("registration.registered")
	case station.RegConnecting:
		v.Tone, v.State = warn, t.Text("registration.connecting")
	case station.RegRegistering:
		v.Tone, v.State = warn, t.Text("registration.registering")
	case station.RegFailed:
		v.Tone, v.State = bad, t.Text("registration.failed")
	case station.RegRefused:
		v.Tone, v.State = bad, t.Text("registration.refused")
	default:
		v.Tone, v.State = bad, t.Text("registration.off")
	}
	since := t.Text("page.in-this-state-for")
	if reg.State == station.RegRegistered {
		since = t.Text("page.registered-for")
	}
	for _, f := range []fact{
		{Name: t.Text("page.server"), Value: clean(reg.Server, maxName)},
		{Name: t.Text("page.user"), Value: clean(reg.User, maxName)},
		{Name: since, Value: t.since(reg.Since, now)},
	} {
		if f.Value != "" { // what is not known is not "–": there may well be a server in the file
			v.Facts = append(v.Facts, f)
		}
	}
	if !reg.Expires.IsZero() {
		v.Facts = append(v.Facts, fact{Name: t.Text("page.refresh-within"), Value: t.age(reg.Expires.Sub(now))})
	}
	if reg.Retry.Sub(now) >= time.Second && reg.State != station.RegRegistered {
		v.Facts = append(v.Facts, fact{Name: t.Text("page.next-attempt-in"), Value: t.age(reg.Retry.Sub(now))})
	}
	return v
}

// costWords tells what the program uses, coarsely: the exact figures change all
// the time and are in the JSON.
func (t teller) costWords(r station.Runtime) string {
	if r.HeapBytes == 0 {
		return ""
	}
	return t.Text("page.heap", "n", strconv.FormatUint((r.HeapBytes+1<<19)>>20, 10))
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
