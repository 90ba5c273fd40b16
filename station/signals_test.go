package station

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"intercomd/words"
)

// Whoever cannot hear must see what happens at the door, and whoever cannot see must
// hear it (EN 301 549 section 5.1.3 and 5.1.4; BR18 section 160).

// TestEveryChangeIsSeenAndHeard goes through all changes that concern the visitor. Each
// row ends with the change; it must show on the one status lamp and be heard.
func TestEveryChangeIsSeenAndHeard(t *testing.T) {
	press := func(h *house) { h.press("bell") }
	happens := func(k CallEventKind) func(*house) { return func(h *house) { h.last().happens(k) } }
	ends := func(c Cause) func(*house) { return func(h *house) { h.last().ends(Ending{Cause: c, By: ByPeer}) } }
	digits := func(s string) func(*house) { return func(h *house) { h.last().digits(s) } }
	sleep := func(d time.Duration) func(*house) { return func(*house) { time.Sleep(d) } }
	reg := func(s RegState) func(*house) {
		return func(h *house) {
			h.st.SetRegistration(Registration{State: s, Problem: words.New("told", "detail", "lost")})
		}
	}
	called := func(h *house) { h.st.Offer(h.call("1002")) }
	dnd := func(h *house) { _ = h.st.Do(h.t.Context(), Command{Kind: CommandDND}) }
	for _, tt := range []struct {
		change string
		steps  []func(*house)
		lamp   Pattern
		tone   string // "far end": the audio of the call
	}{
		{"pressed", []func(*house){press}, LampFast, "calling"},
		{"pressed without a registration", []func(*house){reg(RegFailed), press}, LampFast, "waiting"},
		{"really ringing", []func(*house){press, happens(FarRinging)}, LampSlow, "ringback"},
		{"announcement before the answer", []func(*house){press, happens(EarlyMedia)}, LampSlow, "far end"},
		{"answered", []func(*house){press, happens(FarRinging), happens(Answered)}, LampOn, "far end"},
		{"talk time ends soon", []func(*house){press, happens(Answered), sleep(110 * time.Second)}, LampHurry, "warning"},
		{"talk time extended", []func(*house){press, happens(Answered), sleep(110 * time.Second), digits("#")}, LampOn, "connected"},
		{"door opened in a call", []func(*house){press, happens(Answered), digits("5")}, LampWink, "open"},
		{"door opened from inside", []func(*house){func(h *house) { h.press("exit") }}, LampWink, "open"},
		{"somebody calls the door", []func(*house){called}, LampFast, "incoming"},
		{"microphone live", []func(*house){called, press, happens(Answered)}, LampOn, "connected"},
		{"hung up", []func(*house){press, happens(Answered), press}, LampPulse, "end"},
		{"the far end hung-up", []func(*house){press, happens(Answered), ends(CauseHangup)}, LampPulse, "end"},
		{"busy", []func(*house){press, ends(CauseBusy)}, LampDouble, "busy"},
		{"nobody answers", []func(*house){press, sleep(30 * time.Second)}, LampDouble, "nobody"},
		{"failed", []func(*house){press, ends(CauseFailed)}, LampDouble, "congestion"},
		{"no registration", []func(*house){reg(RegFailed), press, sleep(10 * time.Second)}, LampDouble, "error"},
		{"do not disturb", []func(*house){dnd, sleep(time.Minute), press}, LampDouble, "dnd"},
		{"too many wrong codes", []func(*house){func(h *house) {
			for range 4 { // three in each of three calls, and the tenth
				h.last()
				h.press("bell")
				h.last().happens(Answered)
				h.last().digits("000000000000")
			}
		}}, LampDouble, "locked"},
		{"relays blocked", []func(*house){func(h *house) { h.edge("housing", true, 0); h.edge("housing", false, 0) }, press, happens(Answered), press,
			sleep(time.Minute), func(h *house) { h.press("exit") }}, Blink(FaultAlarm), "locked"},
		{"door held open", []func(*house){func(h *house) { h.press("exit"); h.edge("leaf", true, 0) }, sleep(time.Minute)}, Blink(FaultAlarm), "alarm"},
		{"housing opened", []func(*house){func(h *house) { h.edge("housing", true, 0) }}, Blink(FaultAlarm), "alarm"},
	} {
		t.Run(tt.change, func(t *testing.T) {
			story(t, func(h *house) {
				h.press("bell") // a call before, so that there is a last one
				h.press("bell")
				time.Sleep(time.Minute)
				h.forget()
				var all []string
				for _, s := range tt.steps {
					s(h)
					synctest.Wait()
					all = append(all, h.take()...)
				}
				lamp, tone := "", ""
				for _, w := range all {
					switch f := strings.Fields(w); f[0] {
					case "lamp":
						lamp = f[2]
					case "play":
						tone = f[1]
					case "open":
						tone = "far end"
					}
				}
				if lamp != string(tt.lamp) {
					t.Errorf("seen: %q, want %q; %q", lamp, tt.lamp, all)
				}
				if tone != tt.tone {
					t.Errorf("heard: %q, want %q; %q", tone, tt.tone, all)
				}
			}, func(c *Config) {
				c.Door.Access = AccessConfig{Keys: []KeyConfig{doorKey("5", "1001")}}
				if tt.tone == "locked" {
					c.Door.Access = AccessConfig{Codes: []CodeConfig{{Name: "anna", Digits: "1234", Relay: "door"}}}
				}
				c.Buttons = append(c.Buttons, ButtonConfig{Input: "exit", Press: Action{Do: Release, Relay: "door"}})
				c.Contacts = []ContactConfig{{Input: "leaf", Kind: DoorContact, After: 30 * time.Second, Sound: time.Minute}, {Input: "housing", Kind: TamperContact}}
				if tt.change == "housing opened" {
					c.Contacts[1].Sound = time.Minute
				}
			})
		})
	}
}

// The lamp of a live microphone is lit whatever else there is to tell, in every role
// that shows it and with any look.
func TestLiveMicrophoneIsAlwaysSeen(t *testing.T) {
	for _, role := range []LampRole{ShowStatus, ShowCall, ShowTalk, ShowMic} {
		dark := map[LampState]Look{}
		for _, s := range LampStates() {
			dark[s] = Look{Pattern: LampOff}
		}
		for _, looks := range []map[LampState]Look{nil, dark} {
			l := LampConfig{Name: "l", Shows: role, Looks: looks}
			for bits := range 1 << 6 {
				has := func(n int) bool { return bits>>n&1 == 1 }
				f := facts{state: Talking, mic: true, ringing: has(0), ending: has(1), registered: has(2), open: has(3), failed: has(4), alarm: has(5), code: bits % 7, dnd: has(0)}
				if p := l.look(f).pattern; p != LampOn && p != LampWink && p != LampHurry {
					t.Errorf("%s shows %q in a conversation: %+v", role, p, f)
				}
			}
		}
		if p := (&LampConfig{Shows: role}).look(facts{state: Idle, registered: true}).pattern; p == LampOn {
			t.Errorf("%s is on without a conversation", role)
		}
	}
}

func TestLooks(t *testing.T) {
	green, red := Colour(0x00ff00), Colour(0xff0000)
	l := LampConfig{Shows: ShowStatus, Looks: map[LampState]Look{
		LampIdle: {Pattern: LampOff}, LampTalking: {Colour: 0x010203}, LampFault: {Pattern: LampFast}, LampAlarm: {Pattern: LampCode}}}
	for _, tt := range []struct {
		f    facts
		want shown
	}{
		{facts{state: Idle, registered: true}, shown{LampOff, 0xffffff}},
		{facts{state: Talking}, shown{LampOn, 0x010203}},
		{facts{state: Idle, code: 3}, shown{LampFast, red}},
		{facts{state: Idle}, shown{Blink(FaultRegistration), red}},
		{facts{state: Idle, open: true}, shown{LampWink, green}},
	} {
		if got := l.look(tt.f); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.f, got, tt.want)
		}
	}
	alarm := LampConfig{Shows: ShowAlarm, Looks: l.Looks}
	if got := alarm.look(facts{alarm: true, code: FaultAlarm}); got.pattern != Blink(FaultAlarm) {
		t.Errorf("alarm by its code: %+v", got)
	}
	story(t, func(h *house) {
		h.press("bell")
		h.expect("lamp status fast", "play calling", "dial 1001")
		if c := h.colours[len(h.colours)-1]; c != 0x090909 {
			t.Errorf("colour %+v", c)
		}
	}, func(c *Config) {
		c.Lamps[0].Looks = map[LampState]Look{LampCalling: {Colour: 0x090909}}
		c.Buttons[0].InCall = Action{}
	})
}

func TestAlarmTone(t *testing.T) {
	leaf := func(c *Config) {
		c.Lamps = nil
		c.Contacts = []ContactConfig{{Input: "leaf", Kind: AlarmContact, Sound: 20 * time.Second}}
	}
	t.Run("until its cause is gone", func(t *testing.T) {
		story(t, func(h *house) {
			h.edge("leaf", true, 0)
			h.expect("notify alarm alarm.leaf over=false", "play alarm")
			time.Sleep(5 * time.Second)
			h.edge("leaf", false, 0)
			h.expect("notify alarm alarm.leaf over=true", "silence")
		}, leaf)
	})
	t.Run("for as long as it may", func(t *testing.T) {
		story(t, func(h *house) {
			h.edge("leaf", true, 0)
			h.forget()
			time.Sleep(20*time.Second - 1)
			h.expect()
			time.Sleep(time.Nanosecond)
			h.expect("silence")
			time.Sleep(time.Hour)
			h.expect()
		}, leaf)
	})
	t.Run("a visitor goes first", func(t *testing.T) {
		story(t, func(h *house) {
			h.edge("leaf", true, 0)
			h.press("bell")
			h.expect("notify alarm alarm.leaf over=false", "play alarm", "play calling", "dial 1001")
			h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
			h.expect("microphone off", "notify missed c1 over=false", "silence", "play busy")
			time.Sleep(failedFor)
			h.expect("play alarm")
		}, leaf)
	})
}

func TestSecondRelay(t *testing.T) {
	gate := func(c *Config) {
		c.Lamps = nil
		c.Door.Pulses["gate"], c.Door.Pulses["light"] = time.Second, time.Minute
		c.Door.Lights = []string{"light"}
		c.Door.Flashes = map[string]FlashConfig{"gate": {time.Second, 2 * time.Second, 5}, "light": {500 * time.Millisecond, 500 * time.Millisecond, 10}}
		c.Door.Access.Keys = []KeyConfig{doorKey("5"), {Digits: "7", Parties: []string{"1001"}, Action: Action{Do: Flash, Relay: "light"}},
			{Digits: "8", Parties: []string{"1001"}, Action: Action{Do: SwitchOn, Relay: "light"}}, {Digits: "*0", Action: Action{Do: SwitchOff, Relay: "light"}},
			{Digits: "9", Parties: []string{"1009"}, Action: Action{Do: Flash, Relay: "gate"}}, {Digits: "6", Action: Action{Do: Flash, Relay: "gate"}}}
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "find-me", Press: Action{Do: Flash, Relay: "light"}})
		c.Contacts = []ContactConfig{{Input: "housing", Kind: TamperContact}}
	}
	story(t, func(h *house) {
		h.press("find-me")
		h.expect("flash light 500ms 500ms 10")
		h.press("bell")
		h.last().digits("7") // before the answer
		h.last().happens(Answered)
		h.forget()
		h.press("find-me")
		h.last().digits("78*09")
		h.expect("flash light 500ms 500ms 10", "flash light 500ms 500ms 10", "switch light true", "switch light false")
		if len(h.audit()) != 0 {
			t.Errorf("audit of a light %+v", h.audit())
		}
		h.last().digits("6")
		h.expect("flash gate 1s 2s 5", "play open")
		if a := h.audit(); len(a) != 1 || !a[0].OK || a[0].Relay != "gate" || a[0].Name != "key" {
			t.Errorf("audit %+v", a)
		}
		h.edge("housing", true, 0)
		h.expect("relay gate 0s", "notify alarm alarm.housing over=false") // ends its flashing, too
		h.last().digits("6")
		h.expect("play locked")
		h.relay = errors.New("line taken")
		h.last().digits("7")
		h.expect("flash light 500ms 500ms 10")
	}, gate)
}

func TestNobodyCame(t *testing.T) {
	closed := withTargets(TargetConfig{Name: "office", Prompt: "closed", Untold: true, Steps: []StepConfig{{User: "1001"}}})
	story(t, func(h *house) {
		h.press("bell")
		h.forget()
		time.Sleep(30 * time.Second)
		h.expect("microphone off", "c1 end no-answer", "silence", "play closed")
		h.press("bell")
		h.forget()
		h.last().ends(Ending{Cause: CauseFailed, By: ByNet}) // not their doing
		h.expect("microphone off", "silence", "play congestion")
	}, closed)
}

// Wrong party, early media, replayed digits: nothing opens.
func TestNothingOpensByMistake(t *testing.T) {
	codes := func(c *Config) {
		c.Lamps = nil
		c.Door.Access = AccessConfig{Callers: []string{"1002"}, Codes: []CodeConfig{
			{Name: "anna", Digits: "1234", Relay: "door", Parties: []string{"1001"}},
			{Name: "once", Digits: "9999", Relay: "door", Once: true}}}
	}
	neverSince := func(h *house, n int) {
		h.t.Helper()
		synctest.Wait()
		if got := h.take(); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "relay") || strings.HasPrefix(s, "flash") }) {
			h.t.Errorf("opened: %q", got)
		}
		for _, a := range h.audit()[n:] {
			if a.OK {
				h.t.Errorf("audit %+v", a)
			}
		}
	}
	never := func(h *house) { h.t.Helper(); neverSince(h, 0) }
	talk := func(h *house) { h.press("bell"); h.last().happens(Answered) }
	for name, tell := range map[string]func(h *house){
		"ringing":     func(h *house) { h.press("bell"); h.last().happens(FarRinging); h.last().digits("1234") },
		"early media": func(h *house) { h.press("bell"); h.last().happens(EarlyMedia); h.last().digits("1234") },
		"half before": func(h *house) {
			h.press("bell")
			h.last().digits("12")
			h.last().happens(Answered)
			h.last().digits("34")
		},
		"half in each call": func(h *house) { talk(h); h.last().digits("12"); h.press("bell"); talk(h); h.last().digits("34") },
		"stranger": func(h *house) {
			h.st.Offer(h.call("1003"))
			synctest.Wait()
			h.press("bell")
			h.last().happens(Answered)
			h.last().digits("1234")
		},
		"another's code": func(h *house) {
			h.st.Offer(h.call("1002"))
			synctest.Wait()
			h.press("bell")
			h.last().happens(Answered)
			h.last().digits("1234")
		},
		"before the pick-up": func(h *house) { h.st.Offer(h.call("1002")); h.last().digits("9999") },
		"after the end": func(h *house) {
			talk(h)
			h.press("bell")
			h.st.CallEvent(h.last(), CallEvent{Kind: Digit, Digit: '1'})
			h.last().digits("234")
		},
		"second caller": func(h *house) { talk(h); h.st.Offer(h.call("1002")); synctest.Wait(); h.calls[1].digits("9999") },
	} {
		t.Run(name, func(t *testing.T) { story(t, func(h *house) { tell(h); never(h) }, codes) })
	}
	t.Run("a single-use code is replayed", func(t *testing.T) {
		story(t, func(h *house) {
			talk(h)
			h.last().digits("9999")
			before := len(h.audit())
			h.forget()
			h.last().digits("9999")
			neverSince(h, before)
			h.press("bell")
			talk(h)
			h.last().digits("9999")
			neverSince(h, before)
			if len(h.mem.Used) != 1 || h.mem.Used[0] != "once" {
				t.Errorf("kept %+v", h.mem)
			}
		}, codes)
	})
	t.Run("a single-use code is replayed after a restart", func(t *testing.T) {
		story(t, func(h *house) { talk(h); h.last().digits("9999"); never(h) }, codes, func(c *Config) { c.Memory.Used = []string{"once"} })
	})
}

func TestColoursAreWrittenAndRead(t *testing.T) {
	b, err := json.Marshal([]Lamp{{Name: "ring", Colour: 0x00c010}, {Name: "plain"}})
	if err != nil || !strings.Contains(string(b), `"colour":"#00c010"`) || strings.Count(string(b), "colour") != 1 {
		t.Fatalf("%s, %v", b, err)
	}
	var back []Lamp
	if err := json.Unmarshal(b, &back); err != nil || back[0].Colour != 0x00c010 || back[1].Colour != 0 {
		t.Errorf("%+v, %v", back, err)
	}
	for _, bad := range []string{"", "00ff00", "#", "#red", "#1ffffff"} {
		if err := new(Colour).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a colour", bad)
		}
	}
}
