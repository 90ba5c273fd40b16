package station

import (
	"encoding/json"
	"time"

	"intercomd/words"
)

// Snapshot is the state of the door. It is immutable once published, and another one is
// published only when the state is another: the status page, its JSON, the log of systemd
// and later metrics all read the same value. Whatever is wrong is said in codes; package
// words has the sentences.
type Snapshot struct {
	Seq          uint64       `json:"seq"`    // grows with every change of the state
	Events       uint64       `json:"events"` // number of the first event that is not in this state yet
	Time         time.Time    `json:"time"`   // since when the state is this
	Name         string       `json:"name"`   // display name of the door
	Version      string       `json:"version"`
	Started      time.Time    `json:"started"`
	State        State        `json:"state"`
	Call         *Record      `json:"call,omitempty"` // the running call
	Calls        []Record     `json:"calls"`          // the last calls, newest first
	Waiting      []Waiting    `json:"waiting"`        // callers who wait for the running call to end
	Texts        []Text       `json:"texts"`          // text messages to the door, newest first
	Registration Registration `json:"registration"`
	Sound        Sound        `json:"sound"`
	SelfTest     SelfTest     `json:"selfTest"`
	Canary       Canary       `json:"canary"`
	Board        BoardState   `json:"board"`
	Door         DoorState    `json:"door"`
	Buttons      []Button     `json:"buttons"`
	Targets      []Target     `json:"targets"` // whom the door may be told to call
	Contacts     []Contact    `json:"contacts"`
	Faults       []Fault      `json:"faults"`     // what is wrong now, the gravest first
	Deliveries   []Delivery   `json:"deliveries"` // the ways to tell people who are not at the door
	// Why a press would not lead to a talk in which both are heard; none if it would.
	NotReady words.Message `json:"notReady,omitzero"`
	Gauges   Gauges        `json:"gauges"` // as they were at that time; no part of the state
}

// Gauges are what moves all the time. They are renewed a few times a second without a new
// snapshot; see [Station.Gauges].
type Gauges struct {
	Time    time.Time    `json:"time"` // when the door last looked around
	Mic     Level        `json:"mic"`  // of the microphone, after processing
	Speaker Level        `json:"speaker"`
	Stats   AudioStats   `json:"stats"`
	Inputs  []InputCount `json:"inputs"`
	Runtime Runtime      `json:"runtime"`
}

// InputCount counts what an input did since the start.
type InputCount struct {
	Name     string `json:"name"`
	Presses  uint64 `json:"presses"`  // accepted
	Glitches uint64 `json:"glitches"` // changes too short to count that came to nothing
	Bounces  uint64 `json:"bounces"`  // changes too short to count beside one that counted
	Widths   Widths `json:"widths"`   // how long the line was active, before debouncing: pulses by length
}

// With is the snapshot with other gauges; nil leaves those that it has.
func (s *Snapshot) With(g *Gauges) *Snapshot {
	if g == nil {
		return s
	}
	now := *s
	now.Gauges = *g
	return &now
}

// Counts are those of an input; none if there is no such input.
func (g *Gauges) Counts(input string) InputCount {
	for _, c := range g.Inputs {
		if c.Name == input {
			return c
		}
	}
	return InputCount{Name: input}
}

// Runtime is what the program costs: figures that must not grow from call to call.
type Runtime struct {
	Goroutines int    `json:"goroutines"`
	HeapBytes  uint64 `json:"heapBytes"` // live and not yet collected objects
}

// State is what the door is doing.
type State string

// The states of the door.
const (
	Idle    State = "idle"
	Calling State = "calling" // the door calls somebody
	Ringing State = "ringing" // somebody calls the door
	Talking State = "talking"
	Stopped State = "stopped"
)

// Waiting is a caller who waits for the running call to end.
type Waiting struct {
	ID    string    `json:"id"` // SIP Call-ID
	Peer  Peer      `json:"peer"`
	Since time.Time `json:"since"`
}

// Registration is how the door stands with its SIP server.
type Registration struct {
	State   RegState      `json:"state"`
	Server  string        `json:"server,omitempty"` // URL of the server in use
	User    string        `json:"user,omitempty"`
	Since   time.Time     `json:"since"`            // of this state
	Expires time.Time     `json:"expires,omitzero"` // when the server forgets us unless refreshed
	Retry   time.Time     `json:"retry,omitzero"`   // when the next attempt is due
	Problem words.Message `json:"problem,omitzero"` // why not registered, or why calls may not arrive
}

// RegState is the state of the registration.
type RegState string

// The states of a registration.
const (
	RegOff         RegState = "off"         // no usable configuration
	RegConnecting  RegState = "connecting"  // TCP, TLS, WebSocket
	RegRegistering RegState = "registering" // REGISTER sent
	RegRegistered  RegState = "registered"
	RegFailed      RegState = "failed"  // will be retried by itself
	RegRefused     RegState = "refused" // the server said no: somebody must act
)

// RegStates are all of them.
func RegStates() []RegState {
	return []RegState{RegOff, RegConnecting, RegRegistering, RegRegistered, RegFailed, RegRefused}
}

// Sound is the state of the sound devices and the audio path.
type Sound struct {
	Input   Device `json:"input"`
	Output  Device `json:"output"`
	MicLive bool   `json:"micLive"` // the microphone reaches the far end
	// In this call, or in the last one, the microphone heard nothing at all for long.
	MicSilent bool   `json:"micSilent,omitempty"`
	Muted     bool   `json:"muted"` // it does not, because somebody switched it off
	Tone      Tone   `json:"tone,omitempty"`
	Codec     string `json:"codec,omitempty"` // of the running call
	// Since when nothing has come from the far end of the running call; zero if it is heard.
	FarSilent time.Time `json:"farSilent,omitzero"`
	Duplex    Duplex    `json:"duplex"`
}

// Duplex is how both directions of a call share the air.
type Duplex struct {
	Mode   string    `json:"mode"`             // "full", "switched", "push-to-talk"
	Reason string    `json:"reason,omitempty"` // why the door has fallen back to switched: "echo", "howling", "clipping"
	Since  time.Time `json:"since,omitzero"`   // of the fall-back
}

// The modes of [Duplex].
const (
	DuplexFull     = "full"     // both at once
	DuplexSwitched = "switched" // one at a time, as they speak
	DuplexPush     = "push-to-talk"
)

// SelfTest is how the last acoustic self-test went: the loudspeaker played a chirp
// and the microphone listened.
type SelfTest struct {
	State        string        `json:"state"` // "never", "running", "passed", "failed", "unclear", "interrupted"
	At           time.Time     `json:"at,omitzero"`
	Next         time.Time     `json:"next,omitzero"`
	Commissioned time.Time     `json:"commissioned,omitzero"` // of what it is compared with
	Problem      words.Message `json:"problem,omitzero"`
	Chirps       int           `json:"chirps"`   // that it took, each louder than the one before
	Level        float64       `json:"level"`    // of the microphone while it heard the loudspeaker, dBFS
	Noise        float64       `json:"noise"`    // before, dBFS
	Coupling     float64       `json:"coupling"` // of loudspeaker and microphone, dB
	DelayMS      float64       `json:"delayMs"`  // from a sample played to its sound, ms
}

// UnmarshalJSON reads what is kept of a test, that of doors included that wrote sentences
// in place of codes.
func (t *SelfTest) UnmarshalJSON(data []byte) error {
	type plain SelfTest
	old := struct {
		*plain
		Text   string `json:"text"`
		Remedy string `json:"remedy"`
	}{plain: (*plain)(t)}
	if err := json.Unmarshal(data, &old); err != nil {
		return err
	}
	if t.Problem.None() && old.Text != "" {
		t.Problem = words.New("told", "detail", old.Text, "remedy", old.Remedy)
	}
	return nil
}

// Device is a microphone or a loudspeaker.
type Device struct {
	Wanted  string        `json:"wanted"`           // name in the configuration
	Name    string        `json:"name,omitempty"`   // name of the device in use
	OK      bool          `json:"ok"`               // it works as far as is known
	Open    bool          `json:"open"`             // it runs now: the microphone is read, the loudspeaker is played to
	Problem words.Message `json:"problem,omitzero"` // why not
}

// Level is a sound level over the last 100 ms in dB relative to full scale
// (0 dBFS is a full-scale square wave; silence is -100).
type Level struct {
	Peak float64 `json:"peak"` // dBFS
	RMS  float64 `json:"rms"`  // dBFS
}

// AudioStats counts what the audio path of the running call did.
type AudioStats struct {
	Received   uint64  `json:"received"`  // packets
	Lost       uint64  `json:"lost"`      // packets that never came or came too late
	Concealed  uint64  `json:"concealed"` // 10 ms frames made up for lost audio
	Sent       uint64  `json:"sent"`      // packets
	JitterMS   float64 `json:"jitterMs"`  // target depth of the jitter buffer, ms
	Xruns      uint64  `json:"xruns"`     // device under- and overruns since start
	XrunsNow   uint64  `json:"xrunsLastMinute"`
	ERLE       float64 `json:"erle"`        // echo return loss enhancement, dB
	EchoDelay  float64 `json:"echoDelayMs"` // from the loudspeaker to the microphone, ms
	DoubleTalk float64 `json:"doubleTalk"`  // share of the far end's talk in which the near end talked too, 0 to 1
	Noise      float64 `json:"noise"`       // background noise at the microphone, dBFS
	Clipped    uint64  `json:"clipped"`     // 10 ms frames in which the microphone reached full scale, since start
}

// BoardState is the state of inputs, lamps and relays.
type BoardState struct {
	Driver    string        `json:"driver"`           // "gpio", "sim", "none"
	Simulated bool          `json:"simulated"`        // can be pressed from the page
	Problem   words.Message `json:"problem,omitzero"` // of the board as a whole
	Inputs    []Input       `json:"inputs"`
	Lamps     []Lamp        `json:"lamps"`
	Relays    []Relay       `json:"relays"`
}

// Input is a button or a contact.
type Input struct {
	Name    string        `json:"name"`
	Active  bool          `json:"active"`
	Stuck   bool          `json:"stuck"` // active for longer than a person presses
	Problem words.Message `json:"problem,omitzero"`
}

// Widths counts pulses below 1, 3, 10, 30, 100, 300, 1000 and 3000 ms, and longer ones:
// the fingerprint of a bouncing contact or of interference.
type Widths [9]uint64

// Lamp is one lamp.
type Lamp struct {
	Name    string        `json:"name"`
	Pattern Pattern       `json:"pattern"`
	Colour  Colour        `json:"colour,omitzero"` // of a lamp that has colours
	Problem words.Message `json:"problem,omitzero"`
}

// Relay is one relay.
type Relay struct {
	Name    string        `json:"name"`
	On      bool          `json:"on"`
	Opens   bool          `json:"opens"`          // it lets people in: blocked by tampering, audited, never switched
	Until   time.Time     `json:"until,omitzero"` // end of the running pulse
	Problem words.Message `json:"problem,omitzero"`
}

// DoorState is what keeps the door from opening or the bell from ringing.
type DoorState struct {
	LockedUntil  time.Time `json:"lockedUntil,omitzero"`  // too many wrong codes
	BlockedUntil time.Time `json:"blockedUntil,omitzero"` // tampering
	DoNotDisturb bool      `json:"doNotDisturb"`
}

// Button is what pressing an input means.
type Button struct {
	Input       string     `json:"input"`
	Label       string     `json:"label"`
	Does        ActionKind `json:"does"`             // a short press without a call: "call", "open", "toggle", "flash", "on", "off", "answer", "dnd", "none"
	Target      string     `json:"target,omitempty"` // whom it calls
	TargetLabel string     `json:"targetLabel,omitempty"`
	Relay       string     `json:"relay,omitempty"` // what it opens or toggles
}

// Target is somebody whom the door may be told to call; see [CommandDial].
type Target struct {
	Name  string `json:"name"`
	Label string `json:"label,omitempty"` // what people call them
}

// Contact is an input that is watched.
type Contact struct {
	Input   string      `json:"input"`
	Label   string      `json:"label"`
	Watches ContactKind `json:"watches"`
	Active  bool        `json:"active"` // open, tampered with, alarm
	Since   time.Time   `json:"since,omitzero"`
	Alarm   Alarm       `json:"alarm,omitempty"` // "" for none
}

// Delivery is how one of the ways to tell people fares.
type Delivery struct {
	Key     string        `json:"key"`              // that of its fault, such as "notify.1.webhook"
	To      words.Message `json:"to"`               // who is told, without secrets: a code of recipients
	Waiting int           `json:"waiting"`          // notices that are not delivered yet
	Last    time.Time     `json:"last,omitzero"`    // when one was
	Tries   int           `json:"tries"`            // of the one that is delivered now
	Problem words.Message `json:"problem,omitzero"` // why the last of them failed
}

// Fault is something that is wrong now and that somebody can mend.
type Fault struct {
	Key           string    `json:"key"` // what is broken: a stable name, such as "sound.input"
	words.Message           // what is wrong with it
	Blinks        int       `json:"blinks"` // how often the fault lamp blinks; the smaller, the graver
	Since         time.Time `json:"since"`
}

// same reports whether two faults are of the same thing and say the same.
func (f Fault) same(o Fault) bool {
	return f.Key == o.Key && f.Blinks == o.Blinks && f.Message == o.Message
}

// Direction of a call in a [Record].
const (
	Outgoing = "outgoing"
	Incoming = "incoming"
)

// Record is the history of one call: the ledger of when what happened.
// Times that did not come to pass are zero.
type Record struct {
	ID        string    `json:"id"`
	Direction string    `json:"direction"`
	Peer      Peer      `json:"peer"`
	Button    string    `json:"button,omitempty"` // the input that was pressed
	Pressed   time.Time `json:"pressed,omitzero"` // edge of the press, or arrival of the INVITE
	Sent      time.Time `json:"sent,omitzero"`
	Ringing   time.Time `json:"ringing,omitzero"`
	Early     time.Time `json:"early,omitzero"`
	Answered  time.Time `json:"answered,omitzero"`
	MediaUp   time.Time `json:"mediaUp,omitzero"`
	Heard     time.Time `json:"heard,omitzero"`     // first audio handed to the loudspeaker
	Spoken    time.Time `json:"spoken,omitzero"`    // first audio sent
	Opened    time.Time `json:"opened,omitzero"`    // last door release
	Passed    time.Time `json:"passed,omitzero"`    // the far end passed the door on
	PassedTo  string    `json:"passedTo,omitempty"` // whom to
	PassedBy  string    `json:"passedBy,omitempty"` // who passed the door on to this call
	Ended     time.Time `json:"ended,omitzero"`
	Test      bool      `json:"test,omitempty"` // somebody tried the door: no visitor began it
	Digits    int       `json:"digits"`         // DTMF digits received; which ones is nobody's business
	Ending    Ending    `json:"ending"`
}

// Ending says how a call ended.
type Ending struct {
	Cause  Cause         `json:"cause"`
	By     Party         `json:"by"`
	Status int           `json:"status,omitempty"` // SIP status of a failed call
	Reason string        `json:"reason,omitempty"` // what the far end or the server said; of the door itself one of the codes below
	Who    Principal     `json:"who,omitzero"`     // of ByCommand
	Remedy words.Message `json:"remedy,omitzero"`  // what a person can do about it, if anything: a code of calls
}

// Party is who ended a call: a stable code.
type Party string

// Who can end a call.
const (
	ByDoor Party = "door"
	ByPeer Party = "far-end"
	ByNet  Party = "network"
	// ByCommand: somebody ended it from elsewhere, such as the page; see Who of the [Ending].
	ByCommand Party = "command"
)

// Cause names why a call ended: a stable code.
type Cause string

// The causes.
const (
	CauseHangup       Cause = "hung-up"     // button, or BYE
	CauseCancelled    Cause = "cancelled"   // before the answer
	CauseBusy         Cause = "busy"        // 486, 600
	CauseRefused      Cause = "refused"     // 403, 603 and other refusals
	CauseNotFound     Cause = "not-found"   // 404, 484, 604
	CauseNotReachable Cause = "unavailable" // 480, 504: registered nowhere, or dead
	CauseNoAnswer     Cause = "no-answer"   // ring time over, 408, 487
	CauseTalkLimit    Cause = "talk-time-over"
	CauseNoCodec      Cause = "no-codec"       // 488, 415
	CauseMediaLost    Cause = "media-lost"     // no RTP, DTLS or ICE failure
	CauseNetwork      Cause = "network-lost"   // the server went away
	CauseOffline      Cause = "not-registered" // pressed while there is no registration
	CauseShutdown     Cause = "shutdown"
	CauseElsewhere    Cause = "elsewhere"
	CauseNobody       Cause = "nobody-available" // no step of the target is due
	CauseDisturb      Cause = "do-not-disturb"   // and no fallback
	CauseOpened       Cause = "door-opened"      // hung up a while after
	CauseCodes        Cause = "wrong-codes"      // too many
	CauseTransferred  Cause = "passed-on"        // to somebody else, by the far end
	CauseFailed       Cause = "failed"           // anything else; see Status and Reason
)

// Causes lists all causes.
func Causes() []Cause {
	return []Cause{CauseHangup, CauseCancelled, CauseBusy, CauseRefused, CauseNotFound, CauseNotReachable, CauseNoAnswer,
		CauseTalkLimit, CauseNoCodec, CauseMediaLost, CauseNetwork, CauseOffline, CauseShutdown, CauseElsewhere, CauseNobody,
		CauseDisturb, CauseOpened, CauseCodes, CauseTransferred, CauseFailed}
}

// Why the door itself ended a call, in Reason of an [Ending].
const (
	ReasonConfigured = "by-configuration" // calls to the door are refused
	ReasonMustAuto   = "must-auto-answer" // the caller wants to be answered by itself and may not be
	ReasonQueueTime  = "queue-time-over"
	// ReasonUnconfigured: the configuration cannot be used.
	ReasonUnconfigured = "unconfigured"
)
