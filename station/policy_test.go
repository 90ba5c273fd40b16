package station

import (
	"testing"
	"testing/synctest"
	"time"

	"intercomd/words"
)

// Stories of the policies around a call: lists, schedules, limits, contacts.

func withTargets(ts ...TargetConfig) func(*Config) {
	return func(c *Config) {
		c.Targets = ts
		c.Buttons[0].Press.Target = ts[0].Name
		c.Lamps = nil
	}
}

func TestListIsTriedInOrder(t *testing.T) {
	list := withTargets(
		TargetConfig{Name: "home", Steps: []StepConfig{{User: "1001", Ring: 15 * time.Second}, {User: "1002"}}, Fallback: "porter"},
		TargetConfig{Name: "porter", Steps: []StepConfig{{User: "1009"}}, Fallback: "home"}, // a circle must end
	)
	t.Run("busy, then no answer, then answered", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.expect("play calling", "dial 1001")
			h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
			h.expect("microphone off", "play calling", "dial 1002")
			time.Sleep(30 * time.Second)
			h.expect("microphone off", "c2 end no-answer", "play calling", "dial 1009")
			h.last().happens(Answered)
			h.expect("silence", "open c3 2")
			if calls := h.snap().Calls; len(calls) != 2 || calls[0].Ending.Cause != CauseNoAnswer || calls[1].Ending.Cause != CauseBusy {
				t.Errorf("history %+v", calls)
			}
		}, list)
	})
	t.Run("its own ring time", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.forget()
			time.Sleep(15 * time.Second)
			h.expect("microphone off", "c1 end no-answer", "play calling", "dial 1002")
		}, list)
	})
	t.Run("nobody at all", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			for range 3 {
				h.forget()
				h.last().ends(Ending{Cause: CauseRefused, By: ByPeer})
			}
			h.expect("microphone off", "notify missed c3 over=false", "silence", "play nobody")
		}, list)
	})
	t.Run("a press gives the whole list up", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.forget()
			h.press("bell")
			h.expect("microphone off", "c1 end cancelled", "silence", "play end")
			if h.snap().State != Idle {
				t.Error("goes on")
			}
		}, list)
	})
	t.Run("a conversation is not followed by the next", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.last().happens(Answered)
			h.forget()
			h.last().ends(Ending{Cause: CauseHangup, By: ByPeer})
			h.expect("microphone off", "silence", "play end")
		}, list)
	})
	t.Run("do not disturb leads to the fallback", func(t *testing.T) {
		story(t, func(h *house) {
			if err := h.st.Do(h.t.Context(), Command{Kind: CommandDND}); err != nil {
				t.Fatal(err)
			}
			h.press("bell")
			h.expect("play dnd", "play calling", "dial 1009")
			if !h.mem.DoNotDisturb || !h.snap().Door.DoNotDisturb {
				t.Error("not kept")
			}
		}, list)
	})
}

func TestTargetsFollowTheirSchedule(t *testing.T) {
	never := &Schedule{Windows: []Window{{}}} // no day at all
	list := withTargets(TargetConfig{Name: "office", Steps: []StepConfig{{User: "1001", When: never}}})
	t.Run("out of hours", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.expect("notify missed  over=false", "silence", "play nobody")
			if e := h.snap().Calls[0].Ending; e.Cause != CauseNobody {
				t.Errorf("ending %+v", e)
			}
		}, list)
	})
	t.Run("but if the time is not known, somebody must hear it", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.expect("play calling", "dial 1001")
		}, list, func(c *Config) { c.Ports.ClockKnown = func() bool { return false } })
	})
}

func TestPressIsKeptForTheRegistration(t *testing.T) {
	noLamps := func(c *Config) { c.Lamps = nil }
	lost := func(h *house, s RegState) {
		h.st.SetRegistration(Registration{State: s, Problem: words.New("told", "detail", "connection lost")})
		h.forget()
	}
	t.Run("that returns in time", func(t *testing.T) {
		story(t, func(h *house) {
			lost(h, RegConnecting)
			h.press("bell")
			h.expect("play waiting")
			if h.hurry != 10*time.Second {
				t.Errorf("the phone was hurried for %v", h.hurry)
			}
			time.Sleep(9 * time.Second)
			h.st.SetRegistration(Registration{State: RegRegistering})
			h.expect()
			h.st.SetRegistration(Registration{State: RegRegistered})
			h.expect("play calling", "dial 1001")
		}, noLamps)
	})
	t.Run("that does not return", func(t *testing.T) {
		story(t, func(h *house) {
			lost(h, RegFailed)
			h.press("bell")
			h.forget()
			time.Sleep(10 * time.Second)
			h.expect("notify missed  over=false", "silence", "play error")
			if e := h.snap().Calls[0].Ending; e.Cause != CauseOffline || e.Reason != "connection lost" {
				t.Errorf("ending %+v", e)
			}
		}, noLamps)
	})
	t.Run("not when the server has said no", func(t *testing.T) {
		story(t, func(h *house) {
			lost(h, RegRefused)
			h.press("bell")
			h.expect("play waiting", "notify missed  over=false", "silence", "play error")
		}, noLamps)
	})
	t.Run("a second press takes it back", func(t *testing.T) {
		story(t, func(h *house) {
			lost(h, RegFailed)
			h.press("bell")
			h.forget()
			h.press("bell")
			h.expect("silence", "play end")
		}, noLamps)
	})
}

func TestLimits(t *testing.T) {
	noLamps := func(c *Config) { c.Lamps = nil }
	t.Run("# extends the talk time", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.last().happens(Answered)
			time.Sleep(115 * time.Second)
			h.forget()
			h.last().digits("#")
			h.expect("play connected")
			time.Sleep(109 * time.Second)
			h.expect()
			time.Sleep(11 * time.Second)
			h.expect("play warning", "microphone off", "c1 end talk-time-over", "silence", "play end")
		}, noLamps)
	})
	t.Run("hang up after the door was opened", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.last().happens(Answered)
			h.forget()
			h.last().digits("5")
			h.expect("relay door 3s", "play open")
			time.Sleep(8 * time.Second)
			h.expect("microphone off", "c1 end door-opened", "silence", "play end")
		}, noLamps, func(c *Config) { c.Door.HangupAfter = 8 * time.Second })
	})
	t.Run("a pause between calls of one button", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.press("bell")
			h.forget()
			time.Sleep(4 * time.Second)
			h.press("bell")
			h.expect("play busy")
			time.Sleep(time.Second)
			h.press("bell")
			h.expect("play calling", "dial 1001")
		}, noLamps, func(c *Config) { c.Buttons[0].Pause = 5 * time.Second })
	})
	t.Run("a thousand presses are a thousand calls", func(t *testing.T) {
		story(t, func(h *house) {
			for range 1000 {
				h.press("bell")
				h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
			}
			if len(h.calls) != 1000 {
				t.Errorf("%d calls", len(h.calls))
			}
		}, noLamps)
	})
}

func TestLongPress(t *testing.T) {
	bell := func(c *Config) {
		c.Lamps = nil
		c.Buttons[0].Long = Action{Do: Toggle, Relay: "light"}
		c.Buttons[0].LongAfter = time.Second
	}
	story(t, func(h *house) {
		edge := func(active bool) {
			h.st.Edge(Edge{Input: "bell", Active: active, At: time.Now()})
			synctest.Wait()
		}
		edge(true)
		time.Sleep(500 * time.Millisecond)
		h.expect()
		edge(false)
		h.expect("play calling", "dial 1001")
		h.press("bell")
		h.forget()

		edge(true)
		time.Sleep(time.Second)
		h.expect("switch light true")
		time.Sleep(5 * time.Second)
		edge(false)
		h.expect()
		edge(false) // bounce of a contact that nobody pressed
		h.expect()
	}, bell)
}

func TestExitButton(t *testing.T) {
	exit := func(c *Config) {
		c.Lamps = nil
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "exit", Press: Action{Do: Release, Relay: "door"}})
	}
	story(t, func(h *house) {
		h.press("exit")
		h.expect("relay door 3s", "play open")
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.press("exit")
		h.expect("relay door 3s", "play open")
		if len(h.audit()) != 2 || !h.audit()[0].OK || h.audit()[0].By != (Principal{Via: ViaButton, Name: "exit"}) {
			t.Errorf("audit %+v", h.audit())
		}
	}, exit)
}

func TestWrongCodesEndTheCallAndLock(t *testing.T) {
	codes := func(c *Config) {
		c.Lamps = nil
		c.Door.Access = AccessConfig{Codes: []CodeConfig{{Name: "anna", Digits: "1234", Relay: "door"}}, PerHour: 5}
	}
	story(t, func(h *house) {
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.last().digits("000000000000")
		h.expect("play congestion", "play congestion", "play congestion", "microphone off", "c1 end wrong-codes", "silence", "play congestion")

		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.last().digits("00000000")
		h.expect("play congestion", "play locked", "notify alarm codes over=false", "microphone off", "c2 end wrong-codes", "silence", "play locked")
		if f := h.snap().Faults; len(f) != 1 || f[0].Key != "door.locked" {
			t.Errorf("faults %+v", f)
		}

		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.last().digits("1234")
		h.expect("play locked") // not even the right code
		h.press("bell")
		time.Sleep(30 * time.Minute)
		if f := h.snap().Faults; len(f) != 0 {
			t.Errorf("faults %+v", f)
		}
		if h.mem.LockedUntil.IsZero() {
			t.Error("the lock would not survive a restart")
		}
		for i, a := range h.audit() {
			want := RefusedCode
			if i == len(h.audit())-1 {
				want = RefusedLocked // every attempt is written down, once
			}
			if a.OK || a.Why != want || a.By != (Principal{Via: ViaCall, Name: "1001"}) || len(h.audit()) != 6 {
				t.Errorf("audit %+v", a)
			}
		}
	}, codes)
}

func TestDoorContact(t *testing.T) {
	contact := func(c *Config) {
		c.Lamps = nil
		c.Contacts = []ContactConfig{{Input: "contact", Label: "Front door", Kind: DoorContact, After: 30 * time.Second, Grace: 5 * time.Second}}
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "exit", Press: Action{Do: Release, Relay: "door"}})
	}
	set := func(h *house, open bool) {
		h.st.Edge(Edge{Input: "contact", Active: open, At: time.Now()})
		synctest.Wait()
	}
	t.Run("released, opened, closed", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("exit")
			h.forget()
			time.Sleep(4 * time.Second)
			set(h, true)
			time.Sleep(20 * time.Second)
			set(h, false)
			h.expect()
		}, contact)
	})
	t.Run("held open", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("exit")
			h.forget()
			set(h, true)
			time.Sleep(30 * time.Second)
			h.expect("notify alarm alarm.contact over=false")
			if f := h.snap().Faults; len(f) != 1 || f[0].String() != "Front door has been open for 30 s" {
				t.Errorf("faults %+v", f)
			}
			time.Sleep(time.Hour)
			h.expect() // told once
			set(h, false)
			h.expect("notify alarm alarm.contact over=true")
			if f := h.snap().Faults; len(f) != 0 {
				t.Errorf("faults %+v", f)
			}
		}, contact)
	})
	t.Run("forced, then held", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("exit")
			h.forget()
			time.Sleep(9 * time.Second) // pulse 3 s, grace 5 s
			set(h, true)
			h.expect("notify alarm alarm.contact over=false")
			time.Sleep(30 * time.Second)
			h.expect("notify alarm alarm.contact over=true", "notify alarm alarm.contact over=false")
		}, contact)
	})
}

func TestTamperBlocksRelays(t *testing.T) {
	tamper := func(c *Config) {
		c.Lamps = nil
		c.Contacts = []ContactConfig{{Input: "housing", Kind: TamperContact}}
	}
	story(t, func(h *house) {
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.st.Edge(Edge{Input: "housing", Active: true, At: time.Now()})
		h.expect("notify alarm alarm.housing over=false")
		h.last().digits("5")
		h.expect("play locked")
		if a := h.audit()[0]; a.OK || a.Why == "" {
			t.Errorf("audit %+v", a)
		}
		if time.Until(h.mem.TamperUntil) != 30*time.Minute {
			t.Errorf("kept until %v", h.mem.TamperUntil)
		}
		h.st.Edge(Edge{Input: "housing", At: time.Now()})
		h.last().ends(Ending{Cause: CauseHangup, By: ByPeer})
		time.Sleep(30 * time.Minute)
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.last().digits("5")
		h.expect("relay door 3s", "play open")
	}, tamper)
}

func TestMemoryOfAnotherClockIsClamped(t *testing.T) {
	story(t, func(h *house) {
		d := h.snap().Door
		if got := time.Until(d.BlockedUntil); got != 30*time.Minute {
			t.Errorf("blocked for %v", got)
		}
		if got := time.Until(d.LockedUntil); got != 30*time.Minute {
			t.Errorf("locked for %v", got)
		}
	}, func(c *Config) {
		far := time.Now().AddDate(50, 0, 0)
		c.Memory = Memory{TamperUntil: far, LockedUntil: far}
	})
}

func TestContactThatIsOpenAtTheStart(t *testing.T) {
	furnished(t, func(h *house) {
		h.board.Inputs = []Input{{Name: "contact", Active: true}}
	}, func(h *house) {
		h.expect() // not forced: nobody saw it open
		time.Sleep(time.Minute)
		h.expect("notify alarm alarm.contact over=false")
	}, func(c *Config) {
		c.Lamps = nil
		c.Contacts = []ContactConfig{{Input: "contact", Kind: DoorContact, After: time.Minute, Grace: time.Second}}
	})
}
