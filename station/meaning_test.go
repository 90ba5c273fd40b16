package station

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Stories of what presses and contacts mean beside calling.

func noLamps(c *Config) { c.Lamps = nil }

func (h *house) edge(input string, active bool, late time.Duration) {
	h.st.Edge(Edge{Input: input, Active: active, At: time.Now().Add(-late)})
	synctest.Wait()
}

func TestLatePress(t *testing.T) {
	exit := func(c *Config) {
		c.Lamps = nil
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "exit", Press: Action{Do: Release, Relay: "door"}})
	}
	for _, tt := range []struct {
		input      string
		late, hold time.Duration
		want       []string
	}{
		{"bell", 10 * time.Second, 10 * time.Second, []string{"play calling", "dial 1001"}},
		{"bell", 11 * time.Second, 10 * time.Second, nil},
		{"bell", 1500 * time.Millisecond, 0, []string{"play calling", "dial 1001"}},
		{"bell", 3 * time.Second, 0, nil},
		{"exit", 9 * time.Second, 10 * time.Second, []string{"relay door 3s", "play open"}},
		{"exit", time.Minute, 10 * time.Second, nil},
	} {
		story(t, func(h *house) {
			h.edge(tt.input, true, tt.late)
			h.edge(tt.input, false, tt.late-80*time.Millisecond)
			h.expect(tt.want...)
		}, exit, func(c *Config) { c.Call.Hold = tt.hold })
	}
}

// Edges that a busy machine delivers late and together are what they were.
func TestLatePressKeepsItsLength(t *testing.T) {
	long := func(c *Config) {
		c.Lamps = nil
		c.Buttons[0].Long, c.Buttons[0].LongAfter = Action{Do: Disturb}, time.Second
	}
	story(t, func(h *house) {
		h.edge("bell", true, 5*time.Second)
		h.expect()
		h.edge("bell", false, 4500*time.Millisecond)
		h.expect("play calling", "dial 1001")
		if at := h.snap().Call.Pressed; time.Since(at) != 5*time.Second {
			t.Errorf("pressed %v ago", time.Since(at))
		}
	}, long)
	story(t, func(h *house) {
		h.edge("bell", true, 5*time.Second)
		h.edge("bell", false, 3*time.Second)
		h.expect("play dnd")
		if !h.snap().Door.DoNotDisturb {
			t.Error("a long press was taken for a short one")
		}
	}, long)
	story(t, func(h *house) { // too late: neither its press nor its end counts
		h.edge("bell", true, time.Minute)
		h.edge("bell", false, 0)
		h.expect()
	}, long)
}

func TestAnswerButton(t *testing.T) {
	answers := func(c *Config) {
		c.Lamps = nil
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "pick-up", Press: Action{Do: Answer}, InCall: Action{Do: HangUp}})
	}
	story(t, func(h *house) {
		h.press("pick-up")
		h.expect() // there is nothing to answer
		h.st.Offer(h.call("1002"))
		h.forget()
		h.press("pick-up")
		h.expect("c1 answer")
		h.last().happens(Answered)
		h.forget()
		h.press("pick-up")
		h.expect("microphone off", "c1 end hung-up", "silence", "play end")
	}, answers)
}

func TestDisturbButton(t *testing.T) {
	quiet := func(c *Config) {
		c.Lamps = []LampConfig{{Name: "quiet", Shows: ShowDND}}
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "quiet", Press: Action{Do: Disturb}, InCall: Action{Do: HangUp}})
	}
	story(t, func(h *house) {
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.press("quiet") // not the end of the call
		h.expect("lamp quiet on")
		h.press("bell")
		h.forget()
		h.press("bell") // a user without a list is not disturbed either
		h.expect("notify missed  over=false", "silence", "play dnd")
		if e := h.snap().Calls[0].Ending; e.Cause != CauseDisturb {
			t.Errorf("ending %+v", e)
		}
		h.press("quiet")
		h.expect("play end", "lamp quiet off")
		h.press("bell")
		h.expect("play calling", "dial 1001")
	}, quiet)
}

func TestLight(t *testing.T) {
	light := func(c *Config) {
		c.Lamps = []LampConfig{{Name: "door", Shows: ShowDoor}}
		c.Door.Pulses["light"], c.Door.Lights = 3*time.Minute, []string{"light"}
		c.Door.HangupAfter = time.Second
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "stairs", Press: Action{Do: Release, Relay: "light"}})
		c.Contacts = []ContactConfig{{Input: "leaf", Kind: DoorContact, Grace: time.Second}, {Input: "housing", Kind: TamperContact}}
	}
	story(t, func(h *house) {
		h.press("bell")
		h.last().happens(Answered)
		h.edge("housing", true, 0)
		h.edge("housing", false, 0)
		h.forget()
		h.press("stairs") // light in spite of tampering; no door, no tone, no audit
		h.expect("relay light 3m0s")
		time.Sleep(time.Minute)
		if h.snap().State != Talking || len(h.audit()) != 0 {
			t.Errorf("state %s, audit %+v", h.snap().State, h.audit())
		}
		h.edge("leaf", true, 0) // light is no release
		h.expect("notify alarm alarm.leaf over=false")
		h.relay = errors.New("line taken")
		h.press("stairs")
		h.expect("relay light 3m0s")
	}, light)
}

func TestTamperingEndsARelease(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		h.last().happens(Answered)
		h.last().digits("5")
		h.forget()
		time.Sleep(time.Second)
		h.edge("housing", true, 0)
		h.expect("relay door 0s", "notify alarm alarm.housing over=false")
	}, noLamps, func(c *Config) { c.Contacts = []ContactConfig{{Input: "housing", Kind: TamperContact}} })
}

func TestAlarmContacts(t *testing.T) {
	alarms := func(c *Config) {
		c.Lamps = []LampConfig{{Name: "alarm", Shows: ShowAlarm}}
		c.Contacts = []ContactConfig{
			{Input: "smoke", Label: "Smoke", Kind: AlarmContact},
			{Input: "water", Kind: AlarmContact, After: time.Minute},
			{Input: "window", Kind: PlainContact, After: time.Second},
		}
	}
	story(t, func(h *house) {
		h.edge("smoke", true, 0)
		h.expect("notify alarm alarm.smoke over=false", "lamp alarm fast")
		h.edge("smoke", false, 0)
		h.expect("notify alarm alarm.smoke over=true", "lamp alarm off")
		h.edge("window", true, 0)
		h.edge("water", true, 0)
		time.Sleep(59 * time.Second)
		h.expect()
		time.Sleep(time.Second)
		h.expect("notify alarm alarm.water over=false", "lamp alarm fast")
		var got []string
		for _, c := range h.snap().Contacts {
			got = append(got, strings.Join([]string{c.Input, c.Label, string(c.Watches), string(c.Alarm)}, " "))
			if c.Active != (c.Input != "smoke") {
				t.Errorf("%+v", c)
			}
		}
		if want := []string{"smoke Smoke alarm ", "water water alarm active", "window window nothing "}; !slices.Equal(got, want) {
			t.Errorf("contacts %q", got)
		}
	}, alarms)
}

func TestButtonsInTheSnapshot(t *testing.T) {
	story(t, func(h *house) {
		want := []Button{
			{Input: "bell", Label: "Mill", Does: "call", Target: "home", TargetLabel: "Family Mill"},
			{Input: "exit", Does: "open", Relay: "door"},
			{Input: "quiet", Does: "dnd"},
		}
		if got := h.snap().Buttons; !slices.Equal(got, want) {
			t.Errorf("got %+v", got)
		}
	}, withTargets(TargetConfig{Name: "home", Label: "Family Mill", Steps: []StepConfig{{User: "1"}}}), func(c *Config) {
		c.Buttons[0].Label = "Mill"
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "exit", Press: Action{Do: Release, Relay: "door"}}, ButtonConfig{Input: "quiet", Press: Action{Do: Disturb}})
	})
}

// Who opens again has the time again.
func TestHangUpAfterTheLastOpening(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		h.last().happens(Answered)
		h.last().digits("5")
		time.Sleep(6 * time.Second)
		h.last().digits("5")
		h.forget()
		time.Sleep(7 * time.Second)
		h.expect()
		time.Sleep(time.Second)
		h.expect("microphone off", "c1 end door-opened", "silence", "play end")
	}, noLamps, func(c *Config) { c.Door.HangupAfter = 8 * time.Second })
}
