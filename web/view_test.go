package web

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"intercomd/station"
	"intercomd/words"
)

func TestStateLine(t *testing.T) {
	now := sample().Time
	at := func(ms int) time.Time { return now.Add(time.Duration(ms-60_000) * time.Millisecond) }
	call := func(state station.State, r station.Record) func(*station.Snapshot) {
		return func(s *station.Snapshot) {
			s.State = state
			r.Peer = station.Peer{URI: "sip:1001@pbx", User: "1001", Name: "Kitchen"}
			s.Call = &r
		}
	}
	reg := func(r station.Registration) func(*station.Snapshot) {
		return func(s *station.Snapshot) { s.Registration = r }
	}
	const server = "wss://pbx.example.lan:7443"
	for _, tc := range []struct {
		name   string
		change func(*station.Snapshot)
		tone   tone
		head   string
		says   string // in detail or remedy
		timer  string
	}{
		{"well", func(*station.Snapshot) {}, good, "Ready", "Registered as 1000 at pbx.example.lan.", ""},
		{"nothing known", func(s *station.Snapshot) { *s = station.Snapshot{} }, warn, "Starting", "", ""},
		{"stopped", func(s *station.Snapshot) { s.State = station.Stopped }, warn, "Stopped", "shutting down", ""},
		{"no account", reg(station.Registration{State: station.RegOff}), bad, "Not set up", "no usable SIP account", ""},
		{"connecting", reg(station.Registration{State: station.RegConnecting, Server: server}),
			warn, "Not ready: connecting", "Connecting to pbx.example.lan:7443.", ""},
		{"registering", reg(station.Registration{State: station.RegRegistering}),
			warn, "Not ready: registering", "Registering with the SIP server.", ""},
		{"failed", reg(station.Registration{State: station.RegFailed, Problem: told("connection refused", "check that the server runs")}),
			bad, "Not registered", "Connection refused. Check that the server runs. The door keeps trying automatically.", ""},
		{"wrong password", reg(station.Registration{State: station.RegRefused, Problem: told("the password is wrong", "correct it")}),
			bad, "Not registered", "The password is wrong. Correct it.", ""},
		{"a fault", func(s *station.Snapshot) { s.Faults = []station.Fault{{Key: "board.bell", Message: told("x", "")}} },
			warn, "Ready, with 1 fault", "Registered", ""},
		{"configuration not usable", func(s *station.Snapshot) {
			s.Registration = station.Registration{State: station.RegOff}
			s.Faults = []station.Fault{{Key: "config.1", Message: told("x", "")}}
		}, bad, "Not set up", "See below", ""},
		{"do not disturb", func(s *station.Snapshot) { s.Door.DoNotDisturb = true },
			warn, "Do not disturb", "does not call anyone. Registered as 1000", ""},
		{"do not disturb, deaf", func(s *station.Snapshot) { s.Door.DoNotDisturb, s.Sound.Input.Problem = true, told("x", "") },
			bad, "Registered, but without a microphone", "does not call anyone", ""},
		{"no bell", func(s *station.Snapshot) { s.Buttons = nil }, bad, "The bell does not work", "No button calls anybody", ""},
		{"a dead bell", func(s *station.Snapshot) { s.Board.Inputs[0].Problem = told("line 7 is taken", "free it") },
			bad, "The bell does not work", "line 7 is taken", ""},
		{"a stuck bell", func(s *station.Snapshot) { s.Board.Inputs[0].Stuck = true }, bad, "The bell does not work", "longer than anybody presses", ""},
		{"a dead board", func(s *station.Snapshot) { s.Board.Problem = told("no chip", "") }, bad, "The bell does not work", "no chip", ""},
		{"another bell works", func(s *station.Snapshot) {
			s.Board.Inputs[0].Stuck = true
			s.Board.Inputs = append(s.Board.Inputs, station.Input{Name: "two"})
			s.Buttons = append(s.Buttons, station.Button{Input: "two", Does: station.Dial})
		}, good, "Ready", "Registered", ""},
		{"microphone none", func(s *station.Snapshot) { s.Sound.Input.Wanted = "none" }, bad, "No microphone is configured", "audio.input", ""},
		{"loudspeaker none", func(s *station.Snapshot) { s.Sound.Output.Wanted = "none" }, bad, "No loudspeaker is configured", "audio.output", ""},
		{"no microphone", func(s *station.Snapshot) { s.Sound.Input.Problem = told("unplugged", "") },
			bad, "Registered, but without a microphone", "No microphone: unplugged", ""},
		{"no loudspeaker", func(s *station.Snapshot) { s.Sound.Output.Problem = told("unplugged", "") },
			bad, "Registered, but without a loudspeaker", "", ""},
		{"no sound", func(s *station.Snapshot) {
			s.Sound.Input.Problem, s.Sound.Output.Problem = told("x", ""), told("x", "")
		},
			bad, "Registered, but without sound", "", ""},
		{"pressed", call(station.Calling, station.Record{Pressed: at(59_000)}),
			active, "Calling Kitchen (1001)", "not left the door", "0:01"},
		{"sent", call(station.Calling, station.Record{Pressed: at(55_000), Sent: at(55_010)}),
			active, "Calling Kitchen (1001)", "Nothing is ringing yet", "0:05"},
		{"early media", call(station.Calling, station.Record{Pressed: at(0), Sent: at(10), Early: at(90)}),
			active, "Calling Kitchen (1001)", "heard at the door", "1:00"},
		{"really rings", call(station.Calling, station.Record{Pressed: at(0), Sent: at(10), Ringing: at(90)}),
			active, "Ringing Kitchen (1001)", "Nobody has answered yet", "1:00"},
		{"incoming", call(station.Ringing, station.Record{Direction: station.Incoming, Pressed: at(57_000)}),
			active, "Kitchen (1001) calls the door", "button to answer", "0:03"},
		{"talking", func(s *station.Snapshot) {
			call(station.Talking, station.Record{Pressed: at(0), Answered: at(26_000)})(s)
			s.Sound.MicLive = true
		}, active, "Talking with Kitchen (1001)", "microphone is live", "0:34"},
		{"muted", func(s *station.Snapshot) {
			call(station.Talking, station.Record{Pressed: at(0), Answered: at(26_000)})(s)
			s.Sound.Muted = true
		}, warn, "Talking with Kitchen (1001)", "microphone is muted: the far end hears nothing", "0:34"},
		{"the far end is silent", func(s *station.Snapshot) {
			call(station.Talking, station.Record{Pressed: at(0), Answered: at(26_000)})(s)
			s.Sound.MicLive, s.Sound.FarSilent = true, at(30_000)
		}, warn, "Talking with Kitchen (1001)", "Nothing is heard from the far end (since ", "0:34"},
		{"callers wait", func(s *station.Snapshot) {
			call(station.Talking, station.Record{Answered: at(0)})(s)
			s.Waiting = []station.Waiting{{Peer: station.Peer{User: "1002"}}, {Peer: station.Peer{User: "1003", Name: "Anna\n"}}}
		}, active, "Talking with Kitchen (1001)", "The microphone is off. Waiting: 1002, Anna (1003).", "1:00"},
		{"pressed while not registered", func(s *station.Snapshot) {
			call(station.Calling, station.Record{Pressed: at(58_000)})(s)
			s.Registration.State = station.RegFailed
		}, active, "Calling Kitchen (1001)", "The press is kept", "0:02"},
		{"talking without registration", func(s *station.Snapshot) {
			call(station.Talking, station.Record{Answered: at(0)})(s)
			s.Registration.State = station.RegFailed
		}, active, "Talking with Kitchen (1001)", "the call goes on", "1:00"},
		{"a state without its call", func(s *station.Snapshot) { s.State = station.Talking }, active, "Talking with unknown", "", ""},
	} {
		v := english.newView(with(tc.change), now, true)
		got := v.State
		if got.Tone != tc.tone || got.Head != tc.head || got.Timer != tc.timer {
			t.Errorf("%s: got %+v", tc.name, got)
		}
		if !strings.Contains(join(got.Detail, got.Remedy), tc.says) {
			t.Errorf("%s: %q %q does not say %q", tc.name, got.Detail, got.Remedy, tc.says)
		}
		if !strings.HasPrefix(v.Title, tc.head) {
			t.Errorf("%s: the tab says %q", tc.name, v.Title)
		}
		if inCall := with(tc.change).Call != nil; (got.Hangup != "") != inCall {
			t.Errorf("%s: hang-up button %q", tc.name, got.Hangup)
		}
		if snap := with(tc.change); (got.Mute != "") != (snap.Call != nil && snap.State == station.Talking) || got.Muted != snap.Sound.Muted {
			t.Errorf("%s: mute button %q, muted %v", tc.name, got.Mute, got.Muted)
		}
	}
}

// What the state line says is not said again below it, and nothing else is left out.
func TestFaultsAreListedOnce(t *testing.T) {
	s := with(func(s *station.Snapshot) {
		s.Registration = station.Registration{State: station.RegRefused, Problem: told("the password is wrong", "")}
		s.Faults = []station.Fault{
			{Key: "registration", Message: told("not registered: the password is wrong", "")},
			{Key: "sound.input", Message: told("no microphone", "plug it in")},
			{Key: "odd"},
		}
	})
	got := english.newFaultViews(s, s.Time)
	if len(got) != 2 || got[0].Text != "No microphone." || got[0].Remedy != "Plug it in." || got[1].Text != "Fault odd." {
		t.Errorf("at rest: %+v", got)
	}
	s.State = station.Talking // now the state line tells of the call
	if got := english.newFaultViews(s, s.Time); len(got) != 3 {
		t.Errorf("in a call: %+v", got)
	}
}

func TestLedger(t *testing.T) {
	now := sample().Time
	at := func(ms int) time.Time { return now.Add(time.Duration(ms-600_000) * time.Millisecond) }
	for _, tc := range []struct {
		name string
		r    station.Record
		want callView // of Talked, Ended, Remedy, Tone, Sent, Rang, Audible
	}{
		{"answered", station.Record{Pressed: at(0), Sent: at(11), Ringing: at(94), Answered: at(6000), Heard: at(6048), Ended: at(40_000),
			Ending: station.Ending{Cause: station.CauseHangup, By: station.ByPeer}},
			callView{Talked: "0:34", Ended: "hung up by the far end", Tone: good, Sent: "11 ms", Rang: "83 ms", Audible: "48 ms"}},
		{"heard before the answer", station.Record{Pressed: at(0), Sent: at(11), Early: at(61), Heard: at(80), Answered: at(6000), Ended: at(7000),
			Ending: station.Ending{Cause: station.CauseTalkLimit, By: station.ByDoor}},
			callView{Talked: "0:01", Ended: "talk time over", Tone: good, Sent: "11 ms", Rang: "50 ms", Audible: "early"}},
		{"busy", station.Record{Pressed: at(0), Sent: at(11), Ended: at(99),
			Ending: station.Ending{Cause: station.CauseBusy, By: station.ByPeer, Status: 486, Reason: "Busy Here"}},
			callView{Talked: none, Ended: "busy (486 Busy Here)", Tone: calm, Sent: "11 ms", Rang: none, Audible: none}},
		{"out of reach", station.Record{Pressed: at(0), Sent: at(11), Ended: at(99),
			Ending: station.Ending{Cause: station.CauseNotReachable, By: station.ByPeer, Status: 504, Reason: "Gateway Time-out", Remedy: words.New("telephone")}},
			callView{Talked: none, Ended: "not reachable (504 Gateway Time-out)", Remedy: "Check that the called telephone is switched on and registered with the server.", Tone: bad, Sent: "11 ms", Rang: none, Audible: none}},
		{"never left", station.Record{Pressed: at(0), Ended: at(0), Ending: station.Ending{Cause: station.CauseOffline, By: station.ByNet}},
			callView{Talked: none, Ended: "not registered", Tone: bad, Sent: none, Rang: none, Audible: none}},
		{"incoming", station.Record{Direction: station.Incoming, Pressed: at(0), Ringing: at(5), Answered: at(2000), Heard: at(3234), Ended: at(65_000),
			Ending: station.Ending{Cause: station.CauseHangup, By: station.ByDoor}},
			callView{Talked: "1:03", Ended: "hung up by the door", Tone: good, Sent: none, Rang: "5 ms", Audible: "1.23 s"}},
		{"passed on", station.Record{Pressed: at(0), Answered: at(0), Ended: at(3000), PassedTo: "1002\x00",
			Ending: station.Ending{Cause: station.CauseTransferred, By: station.ByPeer}},
			callView{Talked: "0:03", Ended: "passed on to 1002", Tone: good, Sent: none, Rang: none, Audible: none}},
		{"passed on to", station.Record{Pressed: at(0), Ended: at(3000), PassedBy: "1001",
			Ending: station.Ending{Cause: station.CauseBusy, By: station.ByPeer}},
			callView{Talked: none, Ended: "busy, passed on by 1001", Tone: calm, Sent: none, Rang: none, Audible: none}},
		{"nothing known", station.Record{}, callView{Talked: none, Ended: none, Tone: bad, Sent: none, Rang: none, Audible: none}},
	} {
		got := english.newCallViews([]station.Record{tc.r}, now)[0]
		cut := callView{Talked: got.Talked, Ended: got.Ended, Remedy: got.Remedy, Tone: got.Tone, Sent: got.Sent, Rang: got.Rang, Audible: got.Audible}
		if cut != tc.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tc.name, cut, tc.want)
		}
	}
}

func TestTextMessages(t *testing.T) {
	snap := with(func(s *station.Snapshot) {
		s.Texts = []station.Text{{At: s.Time, From: station.Peer{User: "1001", Name: "Kitchen"}, Body: "<b>back</b> at 5\x1b\r\nbye"}}
	})
	page, err := newRenderer(words.English(), false).page(snap, nil, snap.Time, whoView{})
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, page)
	d.sound()
	if want := "Messages to the door today 15:09:26 just now Kitchen (1001) <b>back</b> at 5 bye"; !strings.Contains(d.text, want) {
		t.Errorf("the page does not say %q:\n%s", want, d.text)
	}
}

// A long text pushes nothing away: its beginning is shown, and the rest to whoever wants it. Marks pile up on no letter.
func TestLongTextsAreBrief(t *testing.T) {
	long := strings.Repeat("W", 400)
	snap := with(func(s *station.Snapshot) {
		s.Texts = []station.Text{{At: s.Time, Body: long}, {At: s.Time, Body: "a" + strings.Repeat("\u0301", 300) + "b"}}
	})
	page, err := newRenderer(words.English(), false).page(snap, nil, snap.Time, whoView{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "<details><summary>" + long[:maxBrief-1] + "…</summary>" + long + "</details>"; !strings.Contains(string(page), want) {
		t.Errorf("the page has no %q", want)
	}
	if want := "a" + strings.Repeat("\u0301", maxMarks) + "b<"; !strings.Contains(string(page), want) {
		t.Error("marks pile up")
	}
}

// Tones and causes that the station learns later must get words here too.
func TestEveryToneAndCauseHasWords(t *testing.T) {
	values := func(kind string) (vs []string) {
		files, err := filepath.Glob("../station/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal("the station's source is not there: ", err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`\s`+kind+` += "([^"]+)"`).FindAllStringSubmatch(string(src), -1) {
				vs = append(vs, m[1])
			}
		}
		if len(vs) < 8 {
			t.Fatalf("only %v of %s", vs, kind)
		}
		return vs
	}
	for _, v := range values("Tone") {
		if says := english.toneWords(station.Tone(v)); says == v && v != string(station.ToneRingback) {
			t.Errorf("tone %q has no words", v)
		}
	}
	doc, err := os.ReadFile("../docs/interface.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values("Cause") {
		if !strings.Contains(string(doc), "`"+v+"`") {
			t.Errorf("cause %q is not in the documentation", v)
		}
	}
}

func TestStepsAreInTheOrderOfTime(t *testing.T) {
	p := sample().Time
	got := english.newSteps(station.Record{
		Pressed: p, Sent: p.Add(12 * time.Millisecond), Answered: p.Add(6 * time.Second),
		Heard: p.Add(time.Second), Spoken: p.Add(6024 * time.Millisecond),
	})
	var words []string
	for _, s := range got {
		words = append(words, s.Name+s.After)
	}
	const want = "Button pressed|Call sent+12 ms|First audio heard+1.00 s|Answered+6.00 s|First audio sent+6.02 s"
	if s := strings.Join(words, "|"); s != want {
		t.Errorf("got %s", s)
	}
}

func TestMeters(t *testing.T) {
	for _, tc := range []struct {
		level station.Level
		rms   int
		peak  int
		text  string
	}{
		{station.Level{Peak: 0, RMS: 0}, 600, 600, "0 dBFS"},
		{station.Level{Peak: -6, RMS: -30}, 300, 540, "−30 dBFS"},
		{station.Level{Peak: -60, RMS: -75}, 0, 0, "−75 dBFS"},
		{station.Level{Peak: silence, RMS: silence}, 0, 0, "silent"},
		{station.Level{Peak: 3, RMS: 3}, 600, 600, "3 dBFS"},
		{station.Level{Peak: math.NaN(), RMS: math.Inf(-1)}, 0, 0, "silent"},
	} {
		m := english.newMeter(tc.level)
		if m.RMS != tc.rms || m.Peak != tc.peak || m.Text != tc.text {
			t.Errorf("%+v: %+v", tc.level, m)
		}
	}
}

func TestCallQualityWarns(t *testing.T) {
	find := func(s station.AudioStats, name string) fact {
		for _, f := range english.callFacts("", s) {
			if f.Name == name {
				return f
			}
		}
		return fact{}
	}
	one := station.AudioStats{Received: 0, Sent: 101}
	if f := find(one, "Packets in"); f.Tone != warn {
		t.Errorf("one-way audio goes unnoticed: %+v", f)
	}
	lossy := station.AudioStats{Received: 950, Lost: 50}
	if f := find(lossy, "Lost or too late"); f.Tone != warn || f.Value != "5.0 %" {
		t.Errorf("loss: %+v", f)
	}
	fine := station.AudioStats{Received: 990, Lost: 10, Sent: 1000}
	if f := find(fine, "Lost or too late"); f.Tone != "" || f.Value != "1.0 %" {
		t.Errorf("little loss: %+v", f)
	}
}

func TestSelfTestIsShown(t *testing.T) {
	at := sample().Time.Add(-time.Minute)
	for _, tc := range []struct {
		test  station.SelfTest
		state station.State
		want  string
		tone  tone
		can   bool
	}{
		{station.SelfTest{State: station.TestNever}, station.Idle, "not yet", "", true},
		{station.SelfTest{State: station.TestPassed, At: at}, station.Idle, "passed 15:08:26", "", true},
		{station.SelfTest{State: station.TestPassed, At: at}, station.Talking, "passed 15:08:26", "", false},
		{station.SelfTest{State: station.TestFailed, At: at}, station.Idle, "failed 15:08:26", warn, true},
		{station.SelfTest{State: station.TestUnclear, At: at, Problem: told("too loud", "")}, station.Idle, "too loud (15:08:26)", warn, true},
		{station.SelfTest{State: station.TestInterrupted, At: at}, station.Idle, "interrupted 15:08:26", "", true},
		{station.SelfTest{State: station.TestRunning}, station.Idle, "running", "", false},
	} {
		v := english.newTestView(with(func(s *station.Snapshot) { s.SelfTest, s.State = tc.test, tc.state }), sample().Time)
		if v.Value != tc.want || v.Tone != tc.tone || v.Can != tc.can {
			t.Errorf("%+v: %+v", tc.test, v)
		}
	}
}

func TestClippingIsSaid(t *testing.T) {
	for clipped, want := range map[uint64]string{0: "", 150: "1.50 s"} {
		got := ""
		for _, f := range english.newSoundView(with(func(s *station.Snapshot) { s.Gauges.Stats.Clipped = clipped }), sample().Time).Facts {
			if f.Name == "Microphone clipped" && f.Tone == warn {
				got = f.Value
			}
		}
		if got != want {
			t.Errorf("%d frames: %q, want %q", clipped, got, want)
		}
	}
}

func TestOneAtATimeIsSaid(t *testing.T) {
	for _, tc := range []struct {
		duplex station.Duplex
		want   fact
	}{
		{station.Duplex{Mode: station.DuplexFull}, fact{}},
		{station.Duplex{Mode: station.DuplexPush}, fact{Name: "Talking", Value: "push to talk"}},
		{station.Duplex{Mode: station.DuplexSwitched}, fact{Name: "Talking", Value: "one at a time"}},
		{station.Duplex{Mode: station.DuplexSwitched, Reason: "howling"}, fact{Name: "Talking", Value: "one at a time: howling", Tone: warn}},
	} {
		v := english.newSoundView(with(func(s *station.Snapshot) { s.Sound.Duplex = tc.duplex }), sample().Time)
		var got fact
		for _, f := range v.Facts {
			if f.Name == "Talking" {
				got = f
			}
		}
		if got != tc.want {
			t.Errorf("%+v: %+v", tc.duplex, got)
		}
	}
}

func TestGlitchesWarn(t *testing.T) {
	for _, tc := range []struct {
		presses, glitches uint64
		want              bool
	}{{0, 0, false}, {2, 8, false}, {3, 40, true}, {500, 40, false}} {
		s := with(func(s *station.Snapshot) {
			s.Gauges.Inputs = []station.InputCount{{Name: "bell", Presses: tc.presses, Glitches: tc.glitches}}
		})
		if got := english.newInputViews(s)[0].Noisy; got != tc.want {
			t.Errorf("%d presses, %d glitches: %v", tc.presses, tc.glitches, got)
		}
	}
}

func TestInputStates(t *testing.T) {
	for _, tc := range []struct {
		in   station.Input
		want string
	}{
		{station.Input{Name: "bell"}, "not pressed"},
		{station.Input{Name: "bell", Active: true}, "pressed"},
		{station.Input{Name: "bell", Active: true, Stuck: true}, "stuck"},
		{station.Input{Name: "contact", Active: true}, "active"},
	} {
		s := with(func(s *station.Snapshot) { s.Board.Inputs = []station.Input{tc.in} })
		if got := english.newInputViews(s)[0].State; got != tc.want {
			t.Errorf("%+v: %q", tc.in, got)
		}
	}
}

func TestContacts(t *testing.T) {
	for _, tc := range []struct {
		c                 station.Contact
		active            bool
		state, does, move string
		alarm             bool
	}{
		{station.Contact{Watches: "door"}, false, "closed", "watches the door", "Open", false},
		{station.Contact{Watches: "door"}, true, "open", "watches the door", "Close", false},
		{station.Contact{Watches: "door", Alarm: "held"}, true, "held open", "watches the door", "Close", true},
		{station.Contact{Watches: "door", Alarm: "forced"}, true, "forced open", "watches the door", "Close", true},
		{station.Contact{Watches: "tamper", Alarm: "tamper"}, true, "alarm", "watches the housing", "Close it", true},
		{station.Contact{Watches: "alarm"}, false, "at rest", "raises an alarm", "Make contact", false},
		{station.Contact{Watches: "nothing"}, true, "active", "is shown", "Release", false},
	} {
		s := with(func(s *station.Snapshot) {
			tc.c.Input, tc.c.Label = "leaf", "Main entrance"
			s.Board.Inputs, s.Contacts = []station.Input{{Name: "leaf", Active: tc.active}}, []station.Contact{tc.c}
		})
		in := english.newInputViews(s)[0]
		if in.State != tc.state || in.Does != tc.does || in.Alarm != tc.alarm || in.Label != "Main entrance" {
			t.Errorf("%+v: %+v", tc.c, in)
		}
		p := english.newPanelView(s, s.Time, true)
		if len(p.Buttons) != 0 || len(p.Contact) != 1 || p.Contact[0].Move != tc.move || p.Contact[0].State != tc.state {
			t.Errorf("%+v: panel %+v", tc.c, p)
		}
		if p := english.newPanelView(s, s.Time, false); len(p.Contact) != 0 {
			t.Errorf("%+v: can be moved on a real board", tc.c)
		}
	}
}

func TestWhatButtonsDo(t *testing.T) {
	for _, tc := range []struct {
		b    station.Button
		want string
	}{
		{station.Button{Does: "call", Target: "1001"}, "calls 1001"},
		{station.Button{Does: "call", Target: "home", TargetLabel: "Family Mill"}, "calls Family Mill"},
		{station.Button{Does: "open", Relay: "door"}, "opens door"},
		{station.Button{Does: "toggle", Relay: "light"}, "switches light"},
		{station.Button{Does: "dnd"}, "do not disturb"},
		{station.Button{Does: "answer"}, "answers"},
		{station.Button{Does: "none"}, ""},
	} {
		tc.b.Input = "a"
		if _, got := english.meaning([]station.Button{tc.b}, "a"); got != tc.want {
			t.Errorf("%+v: %q", tc.b, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	css, err := staticFiles.ReadFile("static/page.css")
	if err != nil {
		t.Fatal(err)
	}
	patterns := []station.Pattern{station.LampOn, station.LampSlow, station.LampFast, station.LampPulse}
	for n := 1; n <= 9; n++ {
		patterns = append(patterns, station.Blink(n))
	}
	for _, p := range patterns {
		class, says := english.patternWords(p)
		if class == "other" || says == "" || !strings.Contains(string(css), ".lamp."+class+" ") {
			t.Errorf("pattern %s: class %q, words %q", p, class, says)
		}
	}
	if class, says := english.patternWords("morse\x00"); class != "other" || says != "morse" {
		t.Errorf("an unknown pattern: %q %q", class, says)
	}
}

func TestRelayCountsDown(t *testing.T) {
	now := sample().Time
	for left, want := range map[time.Duration]string{
		2300 * time.Millisecond: "on for 3 s", time.Second: "on for 1 s", -time.Second: "on",
	} {
		s := with(func(s *station.Snapshot) {
			s.Board.Relays[0] = station.Relay{Name: "door", On: true, Until: now.Add(left)}
		})
		if got := english.newPanelView(s, now, true).Relays[0].Words; got != want {
			t.Errorf("%v left: %q", left, got)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		english.sentence("the line is busy"):                       "The line is busy.",
		english.sentence("pbx.example.lan is down"):                "pbx.example.lan is down.",
		english.sentence("password = \"x\" fails"):                 "Password = \"x\" fails.",
		english.sentence("¿quería decir user?"):                    "¿Quería decir user?",
		teller{words.In("zh")}.sentence("线路被占用"):                   "线路被占用。",
		english.sentence("Really?"):                                "Really?",
		english.sentence("Wait…"):                                  "Wait…",
		english.sentence("émile rings"):                            "Émile rings.",
		english.sentence(" \n "):                                   "",
		english.age(34 * time.Second):                              "34 s",
		english.age(-time.Second):                                  "0 s",
		english.age(59 * time.Minute):                              "59 min",
		english.age(3*time.Hour + 12*time.Minute):                  "3 h 12 min",
		english.age(3 * time.Hour):                                 "3 h",
		english.age(75 * time.Hour):                                "3 d 3 h",
		timer(34 * time.Second):                                    "0:34",
		timer(-time.Second):                                        "0:00",
		timer(3723 * time.Second):                                  "1:02:03",
		english.latency(85 * time.Millisecond):                     "85 ms",
		english.latency(6214 * time.Millisecond):                   "6.21 s",
		english.latency(-time.Millisecond):                         none,
		english.latency(90 * time.Second):                          "1 min",
		share(0, 0):                                                "0 %",
		share(1, 199):                                              "0.5 %",
		share(1, 1):                                                "50 %",
		decimal(-3.25, "dB"):                                       "−3.2 dB",
		decimal(math.NaN(), "dB"):                                  "0.0 dB",
		serverName("wss://pbx.lan:443/ws"):                         "pbx.lan",
		serverName("ws://127.0.0.1:5066"):                          "127.0.0.1:5066",
		serverName("://odd"):                                       "://odd",
		clean("a\u202eb\x00c\nd", 9):                               "abc d",
		clean("aaaaaaaaaa", 4):                                     "aaa…",
		english.peerName(station.Peer{User: "1"}):                  "1",
		english.peerName(station.Peer{Name: "N", User: "1"}):       "N (1)",
		english.peerName(station.Peer{Name: "1001", User: "1001"}): "1001",
		english.peerName(station.Peer{URI: "sip:x@y"}):             "sip:x@y",
		english.peerName(station.Peer{Name: "\u202e"}):             "unknown",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestClock(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	now := time.Date(2026, 1, 2, 0, 30, 0, 0, berlin)
	for want, at := range map[string]time.Time{
		none:               {},
		"00:10:05":         time.Date(2026, 1, 2, 0, 10, 5, 0, berlin),
		"1 Jan 23:50:00":   time.Date(2026, 1, 1, 23, 50, 0, 0, berlin),
		"2025-12-31 23:50": time.Date(2025, 12, 31, 23, 50, 0, 0, berlin),
		"23:40:00":         time.Date(2026, 1, 1, 23, 40, 0, 0, time.UTC), // the day counts in its own zone
	} {
		if got := clock(at, now); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Kitchen", 10)
	f.Add("\u202egnp.exe\xff\x00", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(1, limit%500)
		got := clean(s, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || strings.ContainsAny(got, "\x00\n\r\u202e\u2066") {
			t.Errorf("clean(%q, %d) = %q", s, limit, got)
		}
		english.sentence(s)
	})
}
