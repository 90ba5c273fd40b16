package station

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPressRingTalkHangUp(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		h.expect("lamp status fast", "play calling", "dial 1001")

		c := h.last()
		c.happens(Sent)
		c.happens(FarRinging)
		h.expect("play ringback", "lamp status slow")

		time.Sleep(4 * time.Second)
		c.happens(Answered)
		h.expect("silence", "open c1 2", "lamp status on")

		time.Sleep(20 * time.Second)
		h.press("bell")
		h.expect("microphone off", "c1 end hung-up", "silence", "play end", "lamp status pulse")

		r := h.snap().Calls[0]
		if r.Ending != (Ending{Cause: CauseHangup, By: ByDoor}) {
			t.Errorf("ending %+v", r.Ending)
		}
		if r.Talked() != 20*time.Second || r.Answered.Sub(r.Pressed) != 4*time.Second {
			t.Errorf("talked %v, answered after %v", r.Talked(), r.Answered.Sub(r.Pressed))
		}
	})
}

func TestEndings(t *testing.T) {
	type step func(h *house)
	ended := func(c Cause, by Party) step {
		return func(h *house) { h.last().ends(Ending{Cause: c, By: by}) }
	}
	press := func(h *house) { h.press("bell") }
	sleep := func(d time.Duration) step { return func(*house) { time.Sleep(d) } }
	answered := func(h *house) { h.last().happens(Answered) }

	tests := map[string]struct {
		steps []step
		want  []string // after the last step
		cause Cause
		by    Party
	}{
		"press before the answer cancels": {[]step{press}, []string{"microphone off", "c1 end cancelled", "silence", "play end", "lamp status pulse"}, CauseCancelled, ByDoor},
		"busy":                            {[]step{ended(CauseBusy, ByPeer)}, []string{"microphone off", "notify missed c1 over=false", "silence", "play busy", "lamp status double"}, CauseBusy, ByPeer},
		"refused":                         {[]step{ended(CauseRefused, ByPeer)}, []string{"microphone off", "notify missed c1 over=false", "silence", "play nobody", "lamp status double"}, CauseRefused, ByPeer},
		"does not exist":                  {[]step{ended(CauseNotFound, ByPeer)}, []string{"microphone off", "notify missed c1 over=false", "silence", "play congestion", "lamp status double"}, CauseNotFound, ByPeer},
		"no answer":                       {[]step{sleep(30 * time.Second)}, []string{"microphone off", "c1 end no-answer", "notify missed c1 over=false", "silence", "play nobody", "lamp status double"}, CauseNoAnswer, ByDoor},
		"remote hang-up":                  {[]step{answered, ended(CauseHangup, ByPeer)}, []string{"microphone off", "silence", "play end", "lamp status pulse"}, CauseHangup, ByPeer},
		"talk limit": {[]step{answered, sleep(2 * time.Minute)},
			[]string{"play warning", "lamp status hurry", "microphone off", "c1 end talk-time-over", "silence", "play end", "lamp status pulse"}, CauseTalkLimit, ByDoor},
		"audio lost": {[]step{answered, ended(CauseMediaLost, ByNet)}, []string{"microphone off", "silence", "play congestion", "lamp status double"}, CauseMediaLost, ByNet},
		"SIGTERM":    {[]step{answered, func(h *house) { h.stop() }}, []string{"microphone off", "c1 end shutdown", "silence", "silence", "lamp status off"}, CauseShutdown, ByDoor},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			story(t, func(h *house) {
				h.press("bell")
				for i, s := range tt.steps {
					if i == len(tt.steps)-1 {
						h.forget()
					}
					s(h)
				}
				h.expect(tt.want...)
				if got := h.snap().Calls[0].Ending; got.Cause != tt.cause || got.By != tt.by {
					t.Errorf("ending %+v", got)
				}
			})
		})
	}
}

func TestEarlyMediaReplacesRingback(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		h.forget()
		c := h.last()
		c.happens(EarlyMedia)
		h.expect("open c1 1", "lamp status slow")
		c.happens(FirstHeard)
		h.expect("silence") // our own ringback lasts until theirs is there
		time.Sleep(time.Second)
		c.happens(Answered)
		h.expect("silence", "open c1 2", "lamp status on")
		time.Sleep(time.Second)
		if got := h.snap().Call.Talked(); got != time.Second {
			t.Errorf("talk time counts from the answer; got %v", got)
		}
		c.ends(Ending{Cause: CauseHangup, By: ByPeer})
	})
}

func TestIncoming(t *testing.T) {
	t.Run("answered by the button", func(t *testing.T) {
		story(t, func(h *house) {
			h.st.Offer(h.call("1002"))
			h.expect("lamp status fast", "play incoming", "c1 ring")
			h.press("bell")
			h.expect("c1 answer")
			h.last().happens(Answered)
			h.expect("silence", "open c1 2", "play connected", "lamp status on")
		})
	})
	t.Run("automatically for an allowed caller, with light and tone", func(t *testing.T) {
		story(t, func(h *house) {
			h.st.Offer(h.call("1002"))
			h.expect("lamp status fast", "play incoming", "c1 ring")
			time.Sleep(time.Second)
			h.expect("c1 answer")
		}, func(c *Config) { c.Incoming.Auto = []string{"1002"} })
	})
	t.Run("not automatically for others", func(t *testing.T) {
		story(t, func(h *house) {
			h.st.Offer(h.call("1003"))
			h.forget()
			time.Sleep(29 * time.Second)
			h.expect()
			time.Sleep(2 * time.Second)
			h.expect("microphone off", "c1 end no-answer", "silence", "lamp status pulse")
		}, func(c *Config) { c.Incoming.Auto = []string{"1002"} })
	})
	t.Run("refused by configuration", func(t *testing.T) {
		story(t, func(h *house) {
			h.st.Offer(h.call("1003"))
			h.expect("c1 end refused")
			if got := h.snap(); len(got.Calls) != 1 || got.State != Idle {
				t.Errorf("calls %d, state %s", len(got.Calls), got.State)
			}
		}, func(c *Config) { c.Incoming.Mode = AnswerReject })
	})
	t.Run("caller gives up", func(t *testing.T) {
		story(t, func(h *house) {
			h.st.Offer(h.call("1002"))
			h.forget()
			h.last().ends(Ending{Cause: CauseCancelled, By: ByPeer})
			h.expect("microphone off", "silence", "lamp status pulse")
		})
	})
	t.Run("second caller is busy", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.last().happens(Answered)
			h.forget()
			h.st.Offer(h.call("1003"))
			h.expect("c2 end busy")
			if got := h.snap(); got.State != Talking || got.Calls[0].Ending.Cause != CauseBusy {
				t.Errorf("state %s, last %+v", got.State, got.Calls[0].Ending)
			}
		})
	})
}

func TestDoorKey(t *testing.T) {
	tests := map[string]struct {
		key, digits string
		answered    bool
		incoming    string // caller; "" for a call from the door
		want        []string
	}{
		"one digit opens":         {key: "5", digits: "5", answered: true, want: []string{"relay door 3s", "play open"}},
		"among others":            {key: "5", digits: "125", answered: true, want: []string{"relay door 3s", "play open"}},
		"wrong digit":             {key: "5", digits: "4", answered: true},
		"several digits in order": {key: "1234", digits: "91234", answered: true, want: []string{"relay door 3s", "play open"}},
		"out of order":            {key: "1234", digits: "1243", answered: true},
		"before the answer":       {key: "5", digits: "5"},
		"off":                     {key: "", digits: "5", answered: true},
		"from a stranger":         {key: "5", digits: "5", answered: true, incoming: "1003"},
		"from an allowed caller":  {key: "5", digits: "5", answered: true, incoming: "1002", want: []string{"relay door 3s", "play open"}},
		"each key opens once":     {key: "55", digits: "555", answered: true, want: []string{"relay door 3s", "play open"}},
		"twice is twice":          {key: "5", digits: "55", answered: true, want: []string{"relay door 3s", "play open", "relay door 3s", "play open"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			story(t, func(h *house) {
				if tt.incoming != "" {
					h.st.Offer(h.call(tt.incoming))
					synctest.Wait()
				}
				h.press("bell")
				if tt.answered {
					h.last().happens(Answered)
				}
				h.forget()
				h.last().digits(tt.digits)
				h.expect(tt.want...)
			}, func(c *Config) {
				c.Door.Access.Keys = nil
				if tt.key != "" {
					c.Door.Access.Keys = []KeyConfig{doorKey(tt.key)}
				}
				c.Incoming.Auto = []string{"1002"}
				c.Door.Access.Callers = []string{"1002"}
				c.Incoming.Delay = time.Hour
				c.Lamps = nil
			})
		})
	}
}

func TestDoorThatCannotOpenSaysSo(t *testing.T) {
	story(t, func(h *house) {
		h.relay = errors.New("line taken")
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.last().digits("5")
		h.expect("relay door 3s", "play congestion")
		if !h.snap().Call.Opened.IsZero() {
			t.Error("recorded as opened")
		}
	})
}

func TestPressDuringCall(t *testing.T) {
	second := func(b ButtonConfig) func(*Config) {
		b.Input = "second"
		return func(c *Config) { c.Buttons = append(c.Buttons, b) }
	}
	t.Run("digits", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.last().happens(Answered)
			h.forget()
			h.press("second")
			h.expect("c1 digits 5")
		}, second(ButtonConfig{InCall: Action{Do: SendDTMF, Digits: "5"}}))
	})
	t.Run("nothing", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.forget()
			h.press("second")
			h.expect()
			h.last().happens(Answered)
			h.forget()
			h.press("second")
			h.expect()
		}, second(ButtonConfig{}))
	})
	t.Run("an input without meaning", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("contact")
			h.expect()
		})
	})
}

func TestLostRegistrationLeavesTheCallAlone(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		h.last().happens(Answered)
		h.forget()
		h.st.SetRegistration(Registration{State: RegFailed, Problem: words.New("told", "detail", "connection lost", "remedy", "check the network")})
		h.expect()
		snap := h.snap()
		if snap.State != Talking || len(snap.Faults) != 1 || snap.Faults[0].Key != "registration" {
			t.Fatalf("state %s, faults %+v", snap.State, snap.Faults)
		}
		h.last().ends(Ending{Cause: CauseHangup, By: ByPeer})
		h.expect("microphone off", "silence", "play end", "lamp status blink2")
		h.st.SetRegistration(Registration{State: RegRegistered, Problem: words.New("told", "detail", "another device registered as 1000")})
		h.expect()
		if f := h.snap().Faults; len(f) != 1 || f[0].String() != "another device registered as 1000" {
			t.Errorf("faults %+v", f)
		}
		h.st.SetRegistration(Registration{State: RegRegistered})
		h.expect("lamp status pulse")
		if n := len(h.snap().Faults); n != 0 {
			t.Errorf("%d faults left", n)
		}
	})
}

func TestFaults(t *testing.T) {
	story(t, func(h *house) {
		h.st.SetFault(Fault{Key: "config", Blinks: FaultConfig, Message: words.New("told", "detail", "line 3")})
		h.expect("lamp status blink1")
		since := h.snap().Faults[0].Since
		time.Sleep(time.Second)
		synctest.Wait()
		h.st.SetFault(Fault{Key: "config", Blinks: FaultConfig, Message: words.New("told", "detail", "line 4")})
		synctest.Wait()
		h.setSound(Sound{Input: Device{Problem: words.New("told", "detail", "no such device")}})
		time.Sleep(2 * refreshEvery)
		f := h.snap().Faults
		if len(f) != 2 || f[0].String() != "line 4" || !f[0].Since.Equal(since) || f[1].Key != "sound.input" {
			t.Errorf("faults %+v", f)
		}
		h.st.ClearFault("config")
		h.st.ClearFault("unknown")
		h.expect("lamp status blink3")
		h.setSound(Sound{MicSilent: true})
		time.Sleep(2 * refreshEvery)
		if f := h.snap().Faults; len(f) != 1 || f[0].Key != "sound.silent" {
			t.Errorf("a microphone that is dead: %+v", f)
		}
	})
}

// A far end that sends nothing is shown, once the call is answered and not at once.
func TestSilentFarEndIsShown(t *testing.T) {
	story(t, func(h *house) {
		since := func() time.Time {
			time.Sleep(2 * refreshEvery)
			return h.snap().Sound.FarSilent
		}
		h.setSound(Sound{FarSilent: time.Now()})
		time.Sleep(time.Minute)
		if at := since(); !at.IsZero() {
			t.Errorf("silent since %v without a call", at)
		}
		h.talking()
		answered := h.snap().Call.Answered
		if at := since(); !at.IsZero() {
			t.Errorf("silent since %v right after the answer", at)
		}
		time.Sleep(quietAfter)
		if at := since(); !at.Equal(answered) {
			t.Errorf("silent since %v, not since the answer at %v", at, answered)
		}
		last := time.Now()
		h.setSound(Sound{FarSilent: last})
		if at := since(); !at.IsZero() {
			t.Errorf("silent since %v although a packet came", at)
		}
		time.Sleep(quietAfter)
		if at := since(); !at.Equal(last) {
			t.Errorf("silent since %v, not since %v", at, last)
		}
		h.setSound(Sound{}) // on hold
		if at := since(); !at.IsZero() {
			t.Errorf("silent since %v although nothing is due", at)
		}
	})
}

// Whatever is reported before the station runs, however much, makes nobody wait.
func TestReportsBeforeTheStationRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t}
		st := New(Config{}, h, h, h)
		const many = 200
		for i := range many {
			st.SetRegistration(Registration{State: RegConnecting, Problem: words.New("told", "detail", fmt.Sprint("try ", i))})
			st.SetFault(Fault{Key: fmt.Sprint("config.", i), Blinks: FaultConfig, Message: words.New("told", "detail", "first")})
			st.SetFault(Fault{Key: fmt.Sprint("config.", i), Blinks: FaultConfig, Message: words.New("told", "detail", "second")})
		}
		st.ClearFault("config.0")
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); st.Run(ctx) }()
		synctest.Wait()
		f := st.Snapshot().Faults
		if len(f) != many { // without the one taken back, with that of the registration
			t.Fatalf("%d faults", len(f))
		}
		if f[0].Key != "config.1" || f[0].String() != "second" || f[many-1].String() != "not registered: try 199" {
			t.Errorf("first %+v, last %+v", f[0], f[many-1])
		}
		cancel()
		<-over
		for i := range many { // nor after it has run
			st.SetFault(Fault{Key: fmt.Sprint("late.", i)})
		}
	})
}

func TestCommands(t *testing.T) {
	story(t, func(h *house) {
		ctx := h.t.Context()
		for _, c := range []Command{{Kind: CommandHangup}, {Kind: CommandAnswer}, {Kind: CommandPress, Button: "none"}, {Kind: "dance"}} {
			if err := h.st.Do(ctx, c); err == nil {
				t.Errorf("%+v accepted", c)
			}
		}
		if err := h.st.Do(ctx, Command{Kind: CommandPress, Button: "bell"}); err != nil {
			t.Fatal(err)
		}
		h.expect("lamp status fast", "play calling", "dial 1001")
		if err := h.st.Do(ctx, Command{Kind: CommandHangup}); err != nil {
			t.Fatal(err)
		}
		h.expect("microphone off", "c1 end cancelled", "silence", "play end", "lamp status pulse")
		h.stop()
		synctest.Wait()
		if err := h.st.Do(ctx, Command{Kind: CommandHangup}); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A far end that passes on a call that the door has just ended must not leave a call behind
// that nobody knows of.
func TestPassedOnTooLate(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		c := h.last()
		h.press("bell") // cancels
		h.forget()
		h.st.CallEvent(c, CallEvent{Kind: Transferred, At: time.Now(), Call: h.call("1002")})
		h.expect("c2 end hung-up")
		c.ends(Ending{Cause: CauseCancelled, By: ByDoor})
		h.expect()
		if s := h.snap(); s.State != Idle || len(s.Calls) != 1 {
			t.Errorf("%s after %d calls", s.State, len(s.Calls))
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	story(t, func(h *house) {
		for range 5 {
			h.press("bell")
			h.last().ends(Ending{Cause: CauseBusy, By: ByPeer})
		}
		if got := h.snap().Calls; len(got) != 3 || got[0].ID != "c5" {
			t.Errorf("%d calls, newest %s", len(got), got[0].ID)
		}
	}, func(c *Config) { c.History = 3 })
}

// A fall-back of a few seconds is nothing that somebody must see to.
func TestDuplexFault(t *testing.T) {
	for _, reason := range []string{"echo", "howling", "clipping"} {
		story(t, func(h *house) {
			h.setSound(Sound{Duplex: Duplex{Mode: DuplexSwitched, Reason: reason, Since: time.Now()}})
			time.Sleep(duplexPatience - time.Second)
			if f := h.snap().Faults; len(f) > 0 {
				t.Errorf("at once: %+v", f)
			}
			time.Sleep(time.Second + restEvery)
			f := h.snap().Faults
			if len(f) != 1 || f[0].Key != "sound.duplex" || f[0].Remedy() == "" || f[0].Blinks != FaultSound {
				t.Errorf("%s: %+v", reason, f)
			}
			h.setSound(Sound{Duplex: Duplex{Mode: DuplexFull}})
			time.Sleep(restEvery)
			if f := h.snap().Faults; len(f) > 0 {
				t.Errorf("full duplex again, and still %+v", f)
			}
		})
	}
}
