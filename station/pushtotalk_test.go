package station

import (
	"testing"
	"time"
)

// pushStory is a story of a door with push to talk and a lamp for the microphone.
func pushStory(t *testing.T, tell func(h *house), change ...func(*Config)) {
	t.Helper()
	story(t, tell, append([]func(*Config){func(c *Config) {
		c.Call.PushToTalk, c.Call.TalkKey = true, '*'
		c.Lamps = []LampConfig{{Name: "mic", Shows: ShowMic}}
		c.Door.Access = AccessConfig{Codes: []CodeConfig{{Name: "anna", Digits: "4711", Relay: "door"}}}
	}}, change...)...)
}

func withTalkButton(c *Config) {
	c.Buttons = append(c.Buttons, ButtonConfig{Input: "talk", InCall: Action{Do: PushTalk}})
}

// hold presses the button to talk, or lets it go.
func (h *house) hold(down bool) {
	h.st.Edge(Edge{Input: "talk", Active: down, At: time.Now()})
}

// live expects what page and lamp say about the microphone, and no more to have
// been asked of the voice than want.
func (h *house) live(on bool, want ...string) {
	h.t.Helper()
	lamp := "lamp mic off"
	if on {
		lamp = "lamp mic on"
	}
	if len(want) > 0 {
		want = append(want, lamp)
	}
	h.expect(want...)
	if s := h.snap().Sound; s.MicLive != on || s.Duplex.Mode != DuplexPush {
		h.t.Errorf("microphone live is %v, duplex %+v; want %v", s.MicLive, s.Duplex, on)
	}
}

func TestFarEndTurnsTheDirection(t *testing.T) {
	pushStory(t, func(h *house) {
		h.press("bell")
		c := h.last()
		h.forget()
		c.happens(Answered)
		h.live(true, "silence", "open c1 3")
		c.digits("*")
		h.live(false, "open c1 1")
		c.digits("*")
		h.live(true, "open c1 3")
		c.digits("4*4711") // the turn interrupts the code, and is not a part of it
		h.expect("open c1 1", "lamp mic off", "relay door 3s", "play open")
		h.press("bell")
		h.forget()
		h.press("bell")
		h.forget()
		h.last().happens(Answered)
		h.live(true, "silence", "open c2 3") // each call begins anew
	})
}

func TestVisitorHoldsTheButtonToTalk(t *testing.T) {
	pushStory(t, func(h *house) {
		h.hold(true) // means nothing without a conversation
		h.hold(false)
		h.press("bell")
		c := h.last()
		h.forget()
		c.happens(Answered)
		h.expect("silence", "open c1 1") // the lamp is dark already
		h.hold(true)
		h.live(true, "open c1 3")
		time.Sleep(20 * time.Second)
		h.live(true)
		h.hold(false)
		h.live(false, "open c1 1")
		c.digits("*") // the far end gives the word away
		h.live(true, "open c1 3")
		h.hold(true)
		h.expect("open c1 3")
		h.hold(false)
		h.expect("open c1 3")
		if s := h.snap(); !s.Sound.MicLive || s.State != Talking {
			t.Errorf("%s, live %v", s.State, s.Sound.MicLive)
		}
		h.hold(true)
		h.forget()
		c.ends(Ending{Cause: CauseHangup, By: ByPeer})
		h.expect("microphone off", "silence", "play end", "lamp mic off")
		h.hold(false)
		h.expect()
	}, withTalkButton)
}

// Where both may talk at once neither key nor button mean anything.
func TestNoPushToTalk(t *testing.T) {
	pushStory(t, func(h *house) {
		h.press("bell")
		c := h.last()
		h.forget()
		c.happens(Answered)
		h.expect("silence", "open c1 2", "lamp mic on")
		c.digits("*")
		h.hold(true)
		h.hold(false)
		h.expect()
		if s := h.snap().Sound; !s.MicLive || s.Duplex.Mode == DuplexPush {
			t.Errorf("%+v", s)
		}
	}, withTalkButton, func(c *Config) { c.Call.PushToTalk = false })
}
