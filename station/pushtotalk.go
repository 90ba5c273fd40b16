package station

import "slices"

// Push to talk is for a street so loud that nothing else helps: one direction at a
// time, and people decide which. The door talks and the far end listens until the
// far end presses the talk key, and after that the other way round. Where the door
// has a button to talk, it listens until that is held.

// talkWay is who has the word in a conversation.
type talkWay struct {
	muted  bool   // nothing of the microphone is sent, see mute
	turned bool   // the far end talks
	held   string // button to talk that is held; "" for none
	onHold bool   // the far end has put the door on hold
	cut    bool   // no path to the far end
}

// begin opens the voice of a call that has just been answered.
func (t *talking) begin(s *Station) {
	t.way = talkWay{turned: slices.ContainsFunc(s.cfg.Buttons, func(b ButtonConfig) bool { return b.InCall.Do == PushTalk })}
	t.line.Open(t.mode(s))
}

// direction is how far the voice of a conversation is open.
func (t *talking) mode(s *Station) VoiceMode {
	switch {
	case !s.cfg.Call.PushToTalk:
		return Talk
	case t.way.turned && t.way.held == "":
		return Listen
	default:
		return Speak
	}
}

// micLive reports whether the microphone reaches somebody: not while the far end holds the
// door, and not while there is no path to it.
func (s *Station) micLive() bool {
	t, ok := s.now.(*talking)
	return ok && t.mode(s) != Listen && !t.way.muted && !t.way.onHold && !t.way.cut
}

// reach notes whether there is somebody whom the voice reaches.
func (t *talking) reach(s *Station, k CallEventKind) {
	switch k {
	case Held, Resumed:
		t.way.onHold = k == Held
	case MediaLost, MediaUp:
		t.way.cut = k == MediaLost
	}
	s.showLamps()
}

// muted reports whether somebody has switched the microphone off.
func (s *Station) muted() bool {
	t, ok := s.now.(*talking)
	return ok && t.way.muted
}

// mute switches the microphone off, or on again; it ends with the conversation. The far
// end gets silence meanwhile, and is heard.
func (t *talking) mute(s *Station, on bool, by Principal) {
	if t.way.muted == on {
		return
	}
	t.way.muted = on
	s.voice.Mute(on)
	s.tell(Muted{On: on, By: by})
	if s.micLive() {
		s.voice.Play(ToneConnected) // whoever stands there hears that the microphone is live
	}
	s.showLamps()
}

// talkEdge is a button to talk that is pressed or let go in a conversation.
func (s *Station) talkEdge(e Edge) (occurrence, bool) {
	b, ok := s.buttons.find(e.Input)
	if !ok || s.state() != Talking || !s.cfg.Call.PushToTalk || b.InCall.Do != PushTalk {
		return occurrence{}, false
	}
	return occurrence{kind: pressed, press: press{button: b, at: e.At, action: b.InCall, down: e.Active}}, true
}

// pushTalk gives the word to the door while a button is held. Of two buttons the
// last one pressed counts.
func (t *talking) pushTalk(s *Station, p press) {
	switch {
	case !s.cfg.Call.PushToTalk:
		return
	case p.down:
		t.way.held = p.button.Input
	case t.way.held == p.button.Input:
		t.way.held = ""
	}
	t.turn(s)
}

// talkKey takes the key with which the far end gives the word away, or takes it.
// It interrupts a code that is being typed: it is never a part of one.
func (t *talking) talkKey(s *Station, d rune) bool {
	if !s.cfg.Call.PushToTalk || d == 0 || d != s.cfg.Call.TalkKey {
		return false
	}
	s.access.typed = ""
	t.way.turned = !t.way.turned
	t.turn(s)
	return true
}

// turn opens the voice as whoever has the word wants it.
func (t *talking) turn(s *Station) {
	t.line.Open(t.mode(s))
	s.tell(TalkTurned{DoorTalks: s.micLive()})
	s.showLamps()
}
