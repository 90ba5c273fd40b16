package station

import "time"

// Phone places calls. Implementations return at once; what becomes of a call is
// told to the [Inbox].
type Phone interface {
	// Dial starts a call to target, a user ("1001") or a SIP URI. A call that
	// cannot even be started ends at once with the reason in its event of kind [Ended].
	Dial(target string) Call
	// Hurry says that a press waits for the registration, for so long.
	Hurry(d time.Duration)
}

// Call is one call as the door sees it. All methods return at once and may be
// called in any state; a call that is over ignores them. What happens to it is told to the
// [Inbox], under the same value: calls are told apart by ==.
type Call interface {
	// ID identifies the call in logs and records (the SIP Call-ID).
	ID() string
	// Incoming reports whether the far end made the call.
	Incoming() bool
	// Peer is the far end: whom the door called, or who calls the door.
	Peer() Peer
	// AnswerWish is what the caller of an incoming call asks for.
	AnswerWish() AnswerWish
	// Ring tells the caller of an incoming call that the door rings (180).
	Ring()
	// Queue tells the caller of an incoming call to wait (182). Ring may follow.
	Queue()
	// Answer accepts an incoming call (200).
	Answer()
	// End cancels, refuses or hangs up, whichever the state of the call asks for.
	End(why Cause)
	// Open connects the audio of the call to microphone and loudspeaker. It replaces what was
	// open before, of this call or another; [Voice.Close] ends it.
	Open(m VoiceMode)
	// SendDigits sends DTMF digits (0-9, *, #, A-D) to the far end.
	SendDigits(digits string)
}

// AnswerWish is a caller's wish that the call be answered by itself: of an intercom
// key of a telephone, or of a PBX that pages.
type AnswerWish struct {
	Auto  bool
	After time.Duration // how long it should ring before
	Must  bool          // no call at all rather than one that rings
}

// Peer names the far end of a call.
type Peer struct {
	URI  string `json:"uri"`            // SIP URI without parameters
	User string `json:"user"`           // its user part: what installers call the extension
	Name string `json:"name,omitempty"` // display name, if the far end told one
}

// CallEvent is one thing that happened to a call.
type CallEvent struct {
	Kind   CallEventKind
	At     time.Time
	Digit  rune   // of Digit
	Call   Call   // of Transferred
	Ending Ending // of Ended
}

// CallEventKind says what happened to a call: a stable code.
type CallEventKind string

// What can happen to a call, in the usual order of an outgoing one.
const (
	Sent        CallEventKind = "sent"        // the INVITE is on the wire
	FarRinging  CallEventKind = "ringing"     // the far end really rings (180, 183)
	EarlyMedia  CallEventKind = "early-media" // the far end is heard before it answers
	Answered    CallEventKind = "answered"    // the call is up (200); talk time counts from here
	MediaUp     CallEventKind = "media-up"    // ICE and DTLS are done: audio can flow
	MediaLost   CallEventKind = "media-lost"  // audio stopped flowing; MediaUp may follow
	FirstHeard  CallEventKind = "heard"       // the first audio of the far end was handed to the loudspeaker
	FirstSpoken CallEventKind = "spoken"      // the first audio of the door was sent
	Digit       CallEventKind = "digit"       // a DTMF digit arrived after the answer
	Held        CallEventKind = "held"        // the far end put the door on hold
	Resumed     CallEventKind = "resumed"     // and took it back
	Transferred CallEventKind = "transferred" // the far end passes the door on: Call is to take the place of this call
	Ended       CallEventKind = "ended"       // the call is over; nothing follows
)

// CallEventKinds are all of them, in the usual order of an outgoing call.
func CallEventKinds() []CallEventKind {
	return []CallEventKind{Sent, FarRinging, EarlyMedia, Answered, MediaUp, MediaLost, FirstHeard, FirstSpoken, Digit, Held, Resumed, Transferred, Ended}
}

// Voice is the door's microphone and loudspeaker. No method blocks on a device.
type Voice interface {
	// Play starts a tone at the loudspeaker in place of the one before. Tones
	// that repeat go on until the next Play or Silence.
	Play(t Tone)
	// Silence stops the tone.
	Silence()
	// Prepare starts microphone and loudspeaker, which rest between calls, for a call that has
	// begun: when it is answered they run. Close lets them rest again.
	Prepare()
	// Mute sends silence in place of the microphone, or no longer. It concerns the call
	// that is open, however often that is opened anew; the next one begins without.
	Mute(on bool)
	// Close turns the microphone off and disconnects the call, or ends what Prepare began.
	// When it returns no further audio of the door leaves it.
	Close()
	// Sound reports devices, and what moves all the time: of the gauges Mic, Speaker and
	// Stats. FarSilent is when the last packet of the call that is open came, or when it was
	// opened; zero if none are due.
	Sound() (Sound, Gauges)
}

// VoiceMode says how far a call's audio is opened.
type VoiceMode int

// Listen plays the far end only: early media, or whoever may talk; Talk is full duplex; Speak
// sends the microphone and plays nothing of the far end.
const (
	Listen VoiceMode = iota + 1
	Talk
	Speak
)

// Tone names a sound that the door makes for the visitor.
type Tone string

// The tones of the door.
const (
	ToneCalling    Tone = "calling"    // pressed, and somebody is being called: repeats
	ToneRingback   Tone = "ringback"   // the far end really rings: repeats
	ToneBusy       Tone = "busy"       // the far end is busy: ends by itself
	ToneCongestion Tone = "congestion" // the call failed: ends by itself
	ToneIncoming   Tone = "incoming"   // somebody calls the door: repeats
	ToneWaiting    Tone = "waiting"    // a press is kept until the registration returns: repeats
	ToneNobody     Tone = "nobody"     // nobody answers: ends by itself
	ToneConnected  Tone = "connected"  // microphone live after an automatic answer: once
	ToneOpen       Tone = "open"       // the door is open: once
	ToneWarning    Tone = "warning"    // talk time ends soon: once
	ToneEnd        Tone = "end"        // the call is over: once
	ToneError      Tone = "error"      // no registration: ends by itself
	ToneDisturb    Tone = "dnd"        // do-not-disturb is on: ends by itself
	ToneLocked     Tone = "locked"     // keypad locked, or relays blocked: ends by itself
	ToneAlarm      Tone = "alarm"      // a contact: repeats
	ToneLocate     Tone = "locate"     // where is this door: repeats
)

// Tones lists all tones.
func Tones() []Tone {
	return []Tone{ToneCalling, ToneRingback, ToneBusy, ToneCongestion, ToneIncoming, ToneWaiting, ToneNobody, ToneConnected,
		ToneOpen, ToneWarning, ToneEnd, ToneError, ToneDisturb, ToneLocked, ToneAlarm, ToneLocate}
}

// Board is the door's buttons, lamps and relays. No method blocks. Changes of its inputs are
// told to the [Inbox].
type Board interface {
	// SetLamp shows a pattern, in a colour if the lamp has any; a lamp that does not
	// exist is ignored.
	SetLamp(name string, p Pattern, c Colour)
	// PulseRelay energises a relay for d, then releases it, whatever becomes of the
	// caller. A running pulse is extended, never shortened. d = 0 releases at once.
	PulseRelay(name string, d time.Duration) error
	// FlashRelay gives count pulses of length on, off apart, and then releases the relay,
	// whatever becomes of the caller. A pulse or a switch of the relay ends it.
	FlashRelay(name string, on, off time.Duration, count int) error
	// SwitchRelay switches a relay until further notice: for lights, not for doors.
	SwitchRelay(name string, on bool) error
	// RelayOn reports whether a relay is energised.
	RelayOn(name string) bool
	// State reports inputs, lamps and relays as they are, and what was counted at the
	// inputs.
	State() (BoardState, []InputCount)
}

// Edge is a change of an input that has been stable for its debounce time.
type Edge struct {
	Input  string
	Active bool      // pressed, or contact made
	At     time.Time // when the level changed, before debouncing
}

// Pattern names what a lamp does.
type Pattern string

// Lamp patterns. "blink2" and so on show a fault code: so many flashes, a pause.
const (
	LampOff    Pattern = "off"
	LampOn     Pattern = "on"
	LampSlow   Pattern = "slow"   // 0.5 s on, 0.5 s off
	LampFast   Pattern = "fast"   // 0.1 s on, 0.1 s off
	LampPulse  Pattern = "pulse"  // a short flash every 2 s
	LampWink   Pattern = "wink"   // light with a short gap every 0.5 s
	LampHurry  Pattern = "hurry"  // light with a short gap every 0.3 s
	LampDouble Pattern = "double" // two short flashes each second
	LampCode   Pattern = "code"   // of a [Look] only: the blink code of the gravest fault
)

// Blink is the pattern of a fault code: n flashes (1 to 9), then a pause.
func Blink(n int) Pattern {
	return Pattern("blink" + string(rune('0'+min(max(n, 1), 9))))
}
