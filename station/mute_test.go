package station

import (
	"errors"
	"testing"
)

// muteStory is a story in a conversation, at a door with a lamp for the microphone.
func muteStory(t *testing.T, tell func(h *house, c *fakeCall), change ...func(*Config)) {
	t.Helper()
	story(t, func(h *house) {
		h.press("bell")
		c := h.last()
		c.happens(Answered)
		h.forget()
		tell(h, c)
	}, append([]func(*Config){func(c *Config) {
		c.Lamps = []LampConfig{{Name: "mic", Shows: ShowMic}}
		c.Buttons = append(c.Buttons, ButtonConfig{Input: "quiet", InCall: Action{Do: Mute}})
	}}, change...)...)
}

// asks gives a command that must be carried out.
func (h *house) asks(c Command) {
	h.t.Helper()
	if err := h.st.Do(h.t.Context(), c); err != nil {
		h.t.Fatal(err)
	}
}

// silent expects what the snapshot says about the microphone.
func (h *house) silent(muted, live bool) {
	h.t.Helper()
	if s := h.snap().Sound; s.Muted != muted || s.MicLive != live {
		h.t.Errorf("muted %v, live %v; want %v, %v", s.Muted, s.MicLive, muted, live)
	}
}

func TestMuteEndsWithTheCall(t *testing.T) {
	muteStory(t, func(h *house, c *fakeCall) {
		h.silent(false, true)
		h.asks(Command{Kind: CommandMute, Muted: true})
		h.expect("mute true", "lamp mic off")
		h.silent(true, false)
		h.asks(Command{Kind: CommandMute, Muted: true}) // said twice
		h.expect()
		h.asks(Command{Kind: CommandMute})
		h.expect("mute false", "play connected", "lamp mic on")
		h.silent(false, true)
		h.press("quiet")
		h.expect("mute true", "lamp mic off")
		c.digits("5") // the door is opened all the same
		h.expect("relay door 3s", "play open")
		c.ends(Ending{Cause: CauseHangup, By: ByPeer})
		h.expect("microphone off", "silence", "play end")
		h.silent(false, false)
		if err := h.st.Do(h.t.Context(), Command{Kind: CommandMute, Muted: true}); !errors.Is(err, ErrNoCall) {
			t.Errorf("muted without a call: %v", err)
		}
		h.press("quiet") // means nothing now
		h.expect()

		h.press("bell")
		if err := h.st.Do(h.t.Context(), Command{Kind: CommandMute, Muted: true}); !errors.Is(err, ErrNoCall) {
			t.Errorf("muted before the answer: %v", err)
		}
		h.press("quiet")
		h.forget()
		h.last().happens(Answered)
		h.expect("silence", "open c2 2", "lamp mic on")
		h.silent(false, true)
	})
}

// Whoever takes over a call begins with a microphone that is live, and the visitor
// hears that it is.
func TestMuteEndsWithATransfer(t *testing.T) {
	muteStory(t, func(h *house, c *fakeCall) {
		h.press("quiet")
		h.forget()
		next := h.call("1002")
		h.st.CallEvent(c, CallEvent{Kind: Transferred, Call: next})
		h.silent(true, false)
		next.happens(Answered)
		h.silent(false, true)
		h.expect("microphone off", "c1 end passed-on", "silence", "open c2 2", "play connected", "lamp mic on")
	})
}

// Push to talk and mute are two switches in a row.
func TestMuteWithPushToTalk(t *testing.T) {
	muteStory(t, func(h *house, c *fakeCall) {
		h.press("quiet")
		h.expect("mute true", "lamp mic off")
		c.digits("*")
		h.expect("open c1 1")
		h.asks(Command{Kind: CommandMute}) // the far end has the word: nothing is live yet
		h.expect("mute false")
		h.silent(false, false)
		h.asks(Command{Kind: CommandMute, Muted: true})
		c.digits("*")
		h.expect("mute true", "open c1 3")
		h.silent(true, false)
		h.press("quiet")
		h.expect("mute false", "play connected", "lamp mic on")
		h.silent(false, true)
	}, func(c *Config) { c.Call.PushToTalk, c.Call.TalkKey = true, '*' })
}

// The microphone is live only while somebody is reached by it: not on hold, and not while
// there is no path to the far end.
func TestMicrophoneThatReachesNobody(t *testing.T) {
	for name, tc := range map[string]struct{ away, back CallEventKind }{
		"on hold": {Held, Resumed},
		"no path": {MediaLost, MediaUp},
	} {
		t.Run(name, func(t *testing.T) {
			muteStory(t, func(h *house, c *fakeCall) {
				h.silent(false, true)
				for range 2 {
					c.happens(tc.away)
					c.happens(tc.away) // told twice
					h.expect("lamp mic off")
					h.silent(false, false)
					c.happens(tc.back)
					h.expect("lamp mic on")
					h.silent(false, true)
				}
				c.happens(tc.away)
				h.forget()
				h.asks(Command{Kind: CommandMute, Muted: true})
				h.asks(Command{Kind: CommandMute})
				h.expect("mute true", "mute false") // no tone that says it is live
				c.ends(Ending{Cause: CauseHangup, By: ByPeer})
				h.forget()
				h.press("bell")
				h.last().happens(Answered)
				h.silent(false, true) // the next call begins anew
			})
		})
	}
}
