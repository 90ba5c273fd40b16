package station

import (
	"testing"
	"testing/synctest"
	"time"
)

// passes lets a call pass the door on to another one.
func (c *fakeCall) passes(user string, caller bool) *fakeCall {
	next := c.h.call(user)
	next.caller = caller
	c.h.st.CallEvent(c, CallEvent{Kind: Transferred, At: time.Now(), Call: next})
	synctest.Wait()
	return next
}

// talking is a door that has called 1001 and talks.
func (h *house) talking() *fakeCall {
	h.press("bell")
	h.last().happens(Answered)
	h.forget()
	return h.last()
}

func TestPassedOn(t *testing.T) {
	for name, tell := range map[string]func(h *house, old *fakeCall){
		"attended: the first call lasts until the second is up": func(h *house, old *fakeCall) {
			next := old.passes("1002", false)
			next.happens(Sent)
			next.happens(FarRinging)
			h.expect()
			if s := h.snap(); s.State != Talking || s.Call.PassedTo != "1002" || s.Call.Peer.User != "1001" {
				h.t.Errorf("%s %+v", s.State, s.Call)
			}
			old.digits("5") // it can still open
			h.expect("relay door 3s", "play open", "lamp status wink")
			time.Sleep(4 * time.Second) // it is shut again
			h.expect("lamp status on")
			next.happens(Answered)
			h.expect("microphone off", "c1 end passed-on", "silence", "open c2 2", "play connected")
		},
		"blind: the first call ends at once": func(h *house, old *fakeCall) {
			next := old.passes("1002", false)
			old.ends(Ending{Cause: CauseHangup, By: ByPeer})
			h.expect("microphone off", "lamp status fast", "play calling")
			if s := h.snap(); s.State != Calling || s.Call.PassedBy != "1001" || s.Call.Peer.User != "1002" {
				h.t.Errorf("%s %+v", s.State, s.Call)
			}
			next.happens(FarRinging)
			h.expect("play ringback", "lamp status slow")
			next.happens(Answered)
			h.expect("silence", "open c2 2", "play connected", "lamp status on")
		},
		"blind, with early media before the first call ended": func(h *house, old *fakeCall) {
			next := old.passes("1002", false)
			next.happens(EarlyMedia)
			h.expect()
			old.ends(Ending{Cause: CauseHangup, By: ByPeer})
			h.expect("microphone off", "lamp status slow", "play ringback", "open c2 1")
			next.happens(Answered)
			h.expect("silence", "open c2 2", "play connected", "lamp status on")
		},
		"somebody takes the call over": func(h *house, old *fakeCall) {
			old.passes("1002", true).happens(Answered)
			h.expect("microphone off", "c1 end passed-on", "silence", "open c2 2", "play connected")
		},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(h *house) {
				tell(h, h.talking())
				s := h.snap()
				if s.State != Talking || s.Call.Peer.User != "1002" || s.Call.PassedBy != "1001" {
					t.Errorf("%s %+v", s.State, s.Call)
				}
				if first := s.Calls[0]; len(s.Calls) != 1 || first.Ending != (Ending{Cause: CauseTransferred, By: ByPeer}) || first.PassedTo != "1002" || first.Passed.IsZero() {
					t.Errorf("%+v", first)
				}
				// The new party has not the rights of the old one.
				h.last().digits("5")
				h.expect()
				h.press("bell")
				h.expect("microphone off", "c2 end hung-up", "silence", "play end", "lamp status pulse")
			})
		})
	}
}

func TestNotPassedOn(t *testing.T) {
	t.Run("busy: back to the first", func(t *testing.T) {
		story(t, func(h *house) {
			old := h.talking()
			old.passes("1002", false).ends(Ending{Cause: CauseBusy, By: ByPeer})
			h.expect()
			old.digits("5")
			h.expect("relay door 3s", "play open", "lamp status wink")
			old.passes("1003", false).happens(Answered) // another try
			h.expect("microphone off", "c1 end passed-on", "silence", "open c3 2", "play connected")
		})
	})
	t.Run("no answer: back to the first", func(t *testing.T) {
		story(t, func(h *house) {
			h.talking().passes("1002", false)
			time.Sleep(31 * time.Second)
			h.expect("c2 end no-answer")
			if h.snap().State != Talking {
				t.Error("the first call is gone")
			}
		})
	})
	t.Run("busy, and the first has gone: nobody is told of a visitor who reached somebody", func(t *testing.T) {
		story(t, func(h *house) {
			old := h.talking()
			next := old.passes("1002", false)
			old.ends(Ending{Cause: CauseHangup, By: ByPeer})
			h.forget()
			next.ends(Ending{Cause: CauseBusy, By: ByPeer})
			h.expect("microphone off", "silence", "play busy", "lamp status double")
		})
	})
	t.Run("one at a time", func(t *testing.T) {
		story(t, func(h *house) {
			old := h.talking()
			old.passes("1002", false)
			old.passes("1003", false)
			h.expect("c3 end busy")
		})
	})
	t.Run("the visitor hangs up on both", func(t *testing.T) {
		story(t, func(h *house) {
			h.talking().passes("1002", false)
			h.press("bell")
			h.expect("microphone off", "c1 end hung-up", "c2 end hung-up", "silence", "play end", "lamp status pulse")
		})
	})
	t.Run("the door is switched off", func(t *testing.T) {
		story(t, func(h *house) {
			h.talking().passes("1002", false)
			h.stop()
			h.expect("microphone off", "c1 end shutdown", "c2 end shutdown", "silence", "silence", "lamp status off")
		})
	})
}

// A call that rings there is taken over by somebody else.
func TestPassedOnBeforeTheAnswer(t *testing.T) {
	story(t, func(h *house) {
		h.press("bell")
		old := h.last()
		old.happens(FarRinging)
		h.forget()
		next := old.passes("1002", true)
		h.expect()
		next.happens(Answered)
		h.expect("microphone off", "c1 end passed-on", "silence", "open c2 2", "play connected", "lamp status on")
	})
}

// Wrong codes go on to count in a call that was passed on, and whoever may open the
// door when they call it may do so when they are passed on to it.
func TestRightsAfterTransfer(t *testing.T) {
	codes := func(c *Config) {
		c.Door.Access = AccessConfig{Callers: []string{"1002"}, PerCall: 3,
			Codes: []CodeConfig{{Name: "anna", Digits: "4711", Relay: "door"}}}
	}
	story(t, func(h *house) {
		old := h.talking()
		old.digits("0000")
		old.digits("0000")
		next := old.passes("1002", false)
		next.happens(Answered)
		h.forget()
		next.digits("0000")
		h.expect("play congestion", "microphone off", "c2 end wrong-codes", "silence", "play congestion", "lamp status double")
	}, codes)
	story(t, func(h *house) {
		old := h.talking()
		old.digits("47") // half of a code of the first party is no half of the second's
		next := old.passes("1002", false)
		next.happens(Answered)
		h.forget()
		next.digits("11")
		h.expect()
		time.Sleep(6 * time.Second)
		next.digits("4711")
		h.expect("relay door 3s", "play open", "lamp status wink")
	}, codes)
}

// The right of whom the door called ends with that call: a stranger who calls next has
// none of it.
func TestRightsEndWithTheCall(t *testing.T) {
	story(t, func(h *house) {
		h.talking().ends(Ending{Cause: CauseHangup, By: ByPeer})
		stranger := h.comes("1003")
		h.press("bell")
		stranger.happens(Answered)
		h.forget()
		stranger.digits("5")
		h.expect()
	})
}
