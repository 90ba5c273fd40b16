package station

import (
	"testing"
	"testing/synctest"
	"time"
)

// calls lets somebody call the door.
func (h *house) comes(user string, wish ...AnswerWish) *fakeCall {
	c := h.call(user)
	if len(wish) > 0 {
		c.wish = wish[0]
	}
	h.st.Offer(c)
	synctest.Wait()
	return c
}

func queueing(c *Config) { c.Incoming.Queue, c.Incoming.QueueTime = 2, time.Minute }

func TestQueue(t *testing.T) {
	for name, tell := range map[string]func(h *house, up *fakeCall){
		"rings when the call has ended, the first first": func(h *house, up *fakeCall) {
			h.comes("1002")
			time.Sleep(3 * time.Second)
			h.comes("1003")
			h.comes("1004") // one too many
			h.expect("c2 queue", "c3 queue", "c4 end busy")
			if w := h.snap().Waiting; len(w) != 2 || w[0].Peer.User != "1002" || w[0].ID != "c2" || w[1].Since.Sub(w[0].Since) != 3*time.Second {
				h.t.Errorf("waiting: %+v", w)
			}
			up.ends(Ending{Cause: CauseHangup, By: ByPeer})
			h.expect("microphone off", "silence", "play end", "lamp status fast", "play incoming", "c2 ring")
			if s := h.snap(); s.State != Ringing || len(s.Waiting) != 1 || time.Since(s.Call.Pressed) != 3*time.Second {
				h.t.Errorf("%s, %d wait, pressed %v ago", s.State, len(s.Waiting), time.Since(s.Call.Pressed))
			}
			h.press("bell")
			h.expect("c2 answer")
			h.calls[1].happens(Answered)
			h.forget()
			h.press("bell")
			h.expect("microphone off", "c2 end hung-up", "silence", "play end", "lamp status fast", "play incoming", "c3 ring")
		},
		"gives up": func(h *house, _ *fakeCall) {
			h.comes("1002").ends(Ending{Cause: CauseCancelled, By: ByPeer})
			time.Sleep(time.Second)
			h.expect("c2 queue")
			if s := h.snap(); len(s.Waiting) != 0 || s.Calls[0].ID != "c2" || s.Calls[0].Ending.Cause != CauseCancelled {
				h.t.Errorf("%+v %+v", s.Waiting, s.Calls)
			}
			h.comes("1003") // there is room again
			h.comes("1004")
			h.expect("c3 queue", "c4 queue")
		},
		"has waited for too long": func(h *house, _ *fakeCall) {
			h.comes("1002")
			h.forget()
			time.Sleep(59 * time.Second)
			h.expect()
			time.Sleep(2 * time.Second)
			h.expect("c2 end busy")
			if r := h.snap().Calls[0]; r.Ending.Reason != "queue-time-over" || r.Ended.Sub(r.Pressed) != time.Minute {
				h.t.Errorf("%+v", r)
			}
		},
		"gave up in the moment in which the call ended": func(h *house, up *fakeCall) {
			w := h.comes("1002")
			h.forget()
			h.st.CallEvent(w, CallEvent{Kind: Ended, At: time.Now(), Ending: Ending{Cause: CauseCancelled, By: ByPeer}})
			up.ends(Ending{Cause: CauseHangup, By: ByPeer})
			h.expect("microphone off", "silence", "play end", "lamp status pulse")
		},
		"the door is switched off": func(h *house, _ *fakeCall) {
			h.comes("1002")
			h.forget()
			h.stop()
			h.expect("microphone off", "c1 end shutdown", "silence", "c2 end shutdown", "silence", "lamp status off")
		},
		"may not call at all": func(h *house, _ *fakeCall) {
			h.comes("1002", AnswerWish{Auto: true, Must: true})
			h.expect("c2 end refused")
		},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(h *house) { tell(h, h.talking()) }, queueing, func(c *Config) { c.Call.TalkTime = time.Hour })
		})
	}
	t.Run("also while the door calls or rings", func(t *testing.T) {
		story(t, func(h *house) {
			h.press("bell")
			h.forget()
			h.comes("1002")
			h.expect("c2 queue")
			h.calls[0].ends(Ending{Cause: CauseBusy, By: ByPeer})
			h.forget()
			h.comes("1003")
			h.expect("c3 queue")
			h.calls[1].ends(Ending{Cause: CauseCancelled, By: ByPeer})
			h.expect("microphone off", "silence", "play incoming", "c3 ring")
		}, queueing)
	})
	t.Run("an automatic answer is one after waiting too", func(t *testing.T) {
		story(t, func(h *house) {
			up := h.talking()
			h.comes("1002")
			h.forget()
			up.ends(Ending{Cause: CauseHangup, By: ByPeer})
			h.forget()
			time.Sleep(time.Second)
			h.expect("c2 answer")
		}, queueing, func(c *Config) { c.Incoming.Auto = []string{"1002"} })
	})
}

// A telephone that asks for an automatic answer gets it only if its user is listed for
// that; there is always a tone and a light.
func TestAnswerWish(t *testing.T) {
	now, soon := AnswerWish{Auto: true}, AnswerWish{Auto: true, After: 5 * time.Second}
	for name, tt := range map[string]struct {
		user   string
		wish   AnswerWish
		change func(*Config)
		wait   time.Duration
		want   []string
	}{
		"listed":               {"1002", now, nil, 0, []string{"lamp status fast", "play incoming", "c1 ring", "c1 answer"}},
		"listed, later":        {"1002", soon, nil, 5 * time.Second, []string{"lamp status fast", "play incoming", "c1 ring", "c1 answer"}},
		"not yet":              {"1002", soon, nil, 4 * time.Second, []string{"lamp status fast", "play incoming", "c1 ring"}},
		"listed, but asks not": {"1002", AnswerWish{}, nil, 20 * time.Second, []string{"lamp status fast", "play incoming", "c1 ring"}},
		"not listed":           {"1003", now, nil, 20 * time.Second, []string{"lamp status fast", "play incoming", "c1 ring"}},
		"not listed, insists":  {"1003", AnswerWish{Auto: true, Must: true}, nil, 0, []string{"c1 end refused"}},
		"listed, insists":      {"1002", AnswerWish{Auto: true, Must: true}, nil, 0, []string{"lamp status fast", "play incoming", "c1 ring", "c1 answer"}},
		"calls are refused, but not this one": {"1002", now, func(c *Config) { c.Incoming.Mode = AnswerReject }, 0,
			[]string{"lamp status fast", "play incoming", "c1 ring", "c1 answer"}},
		"calls are refused, and it asks not": {"1002", AnswerWish{}, func(c *Config) { c.Incoming.Mode = AnswerReject }, 0, []string{"c1 end refused"}},
		"answered anyway, whatever it insists on": {"1003", AnswerWish{Auto: true, Must: true}, func(c *Config) { c.Incoming.Mode = AnswerAuto }, time.Second,
			[]string{"lamp status fast", "play incoming", "c1 ring", "c1 answer"}},
		"nobody is listed": {"1002", now, func(c *Config) { c.Incoming.Wish = nil }, 20 * time.Second, []string{"lamp status fast", "play incoming", "c1 ring"}},
	} {
		t.Run(name, func(t *testing.T) {
			change := tt.change
			if change == nil {
				change = func(*Config) {}
			}
			story(t, func(h *house) {
				h.comes(tt.user, tt.wish)
				time.Sleep(tt.wait)
				h.expect(tt.want...)
				if tt.want[len(tt.want)-1] == "c1 answer" {
					h.last().happens(Answered)
					h.expect("silence", "open c1 2", "play connected", "lamp status on")
				}
			}, func(c *Config) { c.Incoming.Wish = []string{"1002"} }, change)
		})
	}
}
