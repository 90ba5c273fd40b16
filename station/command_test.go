package station

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var program = Principal{Via: ViaPage, Name: "token house", From: "192.0.2.7"}

// A button whose target is missing in a faulty configuration is nobody whom a command could call.
func TestNobodyIsNoTarget(t *testing.T) {
	story(t, func(h *house) {
		if got := h.snap().Targets; len(got) != 0 {
			t.Errorf("targets %v", got)
		}
		if err := h.do(Command{Kind: CommandDial, By: program}); Code(err) != "no-such-target" {
			t.Error(err)
		}
		h.expect()
	}, func(c *Config) {
		for i := range c.Buttons {
			c.Buttons[i].Press.Target, c.Buttons[i].Long.Target = "", ""
		}
	})
}

// Somebody elsewhere has the door call: nobody stands there who could miss anything.
func TestDialByCommand(t *testing.T) {
	named := func(c *Config) {
		c.Targets = []TargetConfig{{Name: "home", Label: "Home", Steps: []StepConfig{{User: "1001"}, {User: "1002"}}}}
	}
	story(t, func(h *house) {
		if got, want := h.snap().Targets, []Target{{"home", "Home"}, {"1001", ""}}; !slices.Equal(got, want) {
			t.Errorf("targets %v, want %v", got, want)
		}
		for target, want := range map[string]error{"": ErrNoTarget, "1002": ErrNoTarget, "sip:evil@example.org": ErrNoTarget} {
			if err := h.st.Do(h.t.Context(), Command{Kind: CommandDial, Target: target, By: program}); !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", target, err, want)
			}
		}
		h.expect()
		h.asks(Command{Kind: CommandDial, Target: "home", By: program})
		h.expect("play calling", "dial 1001")
		if err := h.st.Do(h.t.Context(), Command{Kind: CommandDial, Target: "home", By: program}); !errors.Is(err, ErrNotIdle) {
			t.Errorf("while it calls: %v", err)
		}
		h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
		h.expect("microphone off", "play calling", "dial 1002")
		h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
		h.expect("microphone off", "silence", "play busy") // and nobody is told of a visitor
		calls := h.snap().Calls
		if len(calls) != 2 || calls[0].Button != "" {
			t.Errorf("history %+v", calls)
		}
		given := news[Commanded](h)
		if last := given[len(given)-1]; last.Target != "home" || last.Error != "not-idle" || last.By != program {
			t.Errorf("told %+v", last)
		}
	}, named, func(c *Config) { c.Lamps = nil })
}

// Who opens by a command is told what came of it.
func TestOpenByCommandSaysWhatCameOfIt(t *testing.T) {
	story(t, func(h *house) {
		open := func(relay string) error {
			return h.st.Do(h.t.Context(), Command{Kind: CommandOpen, Relay: relay, By: program})
		}
		if err := open("door"); err != nil {
			t.Error(err)
		}
		h.relay = errors.New("the line is gone")
		if err := open("door"); !errors.Is(err, ErrRelay) || Code(err) != "relay-fails" {
			t.Error(err)
		}
		h.relay = nil
		if err := open("garage"); !errors.Is(err, ErrNoRelay) {
			t.Error(err)
		}
		h.st.Edge(Edge{Input: "lid", Active: true, At: time.Now()})
		synctest.Wait()
		if err := open("door"); !errors.Is(err, ErrBlocked) {
			t.Error(err)
		}
		var why []Refusal
		for _, a := range h.audit() {
			why = append(why, a.Why)
		}
		if want := []Refusal{"", RefusedRelay, RefusedBlocked}; !slices.Equal(why, want) {
			t.Errorf("told %q, want %q", why, want)
		}
	}, func(c *Config) { c.Contacts = []ContactConfig{{Input: "lid", Kind: TamperContact}} })
}

// A light may be switched at will; what opens something may not, so that it never stays open.
func TestSwitchByCommand(t *testing.T) {
	story(t, func(h *house) {
		for _, tc := range []struct {
			relay string
			on    bool
			want  error
		}{{"light", true, nil}, {"light", false, nil}, {"door", true, ErrOpens}, {"garage", true, ErrNoRelay}} {
			if err := h.st.Do(h.t.Context(), Command{Kind: CommandSwitch, Relay: tc.relay, On: tc.on, By: program}); !errors.Is(err, tc.want) {
				t.Errorf("%+v: %v", tc, err)
			}
		}
		h.expect("switch light true", "switch light false")
		h.relay = errors.New("the line is gone")
		if err := h.st.Do(h.t.Context(), Command{Kind: CommandSwitch, Relay: "light", By: program}); !errors.Is(err, ErrRelay) {
			t.Error(err)
		}
		last := news[Switched](h)
		if s := last[len(last)-1]; s.Detail != "the line is gone" || s.By != program || s.Does != SwitchOff {
			t.Errorf("told %+v", s)
		}
	}, func(c *Config) {
		c.Door.Pulses["light"], c.Door.Lights = time.Minute, []string{"light"}
	})
}

// What the running door is given anew holds for commands, too.
func TestChangedTargetsAreCalled(t *testing.T) {
	story(t, func(h *house) {
		cfg := h.st.cfg
		cfg.Targets = []TargetConfig{{Name: "porter", Steps: []StepConfig{{User: "1009"}}}}
		if err := h.st.Change(h.t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		h.forget()
		h.asks(Command{Kind: CommandDial, Target: "porter", By: program})
		h.expect("play calling", "dial 1009")
		h.last().ends(Ending{Cause: CauseHangup, By: ByPeer})
	}, func(c *Config) { c.Lamps = nil })
}
