package station

import "time"

// Snapshot is everything there is to know about the door at one moment. It is
// immutable once published: the status page, its JSON, the log of systemd and
// later metrics all read the same value.
type Snapshot struct {
	Seq          uint64       `json:"seq"`  // grows with every publication
	Time         time.Time    `json:"time"` // when it was published
	Name         string       `json:"name"` // display name of the door
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
	Board        BoardState   `json:"board"`
	Door         DoorState    `json:"door"`
	Buttons      []Button     `json:"buttons"`
	Contacts     []Contact    `json:"contacts"`
	Runtime      Runtime      `json:"runtime"`
	Faults       []Fault      `json:"faults"` // what is wrong now, oldest first
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
	State   RegState  `json:"state"`
	Server  string    `json:"server,omitempty"` // URL of the server in use
	User    string    `json:"user,omitempty"`
	Since   time.Time `json:"since"`            // of this state
	Expires time.Time `json:"expires,omitzero"` // when the server forgets us unless refreshed
	Retry   time.Time `json:"retry,omitzero"`   // when the next attempt is due
	Error   string    `json:"error,omitempty"`  // why not registered
	Remedy  string    `json:"remedy,omitempty"` // what to do about it
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

// Sound is the state of the sound devices and the audio path.
type Sound struct {
	Input   Device `json:"input"`
	Output  Device `json:"output"`
	Mic     Level  `json:"mic"`     // of the microphone, after processing
	Speaker Level  `json:"speaker"` // of what is played
	MicLive bool   `json:"micLive"` // the microphone reaches the far end
	// In this call, or in the last one, the microphone heard nothing at all for long.
	MicSilent bool   `json:"micSilent,omitempty"`
	Muted     bool   `json:"muted"` // it does not, because somebody switched it off
	Tone      Tone   `json:"tone,omitempty"`
	Codec     string `json:"codec,omitempty"` // of the running call
	// Since when nothing has come from the far end of the running call; zero if it is heard.
	FarSilent time.Time  `json:"farSilent,omitzero"`
	Duplex    Duplex     `json:"duplex"`
	Stats     AudioStats `json:"stats"`
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
	State        string    `json:"state"` // "never", "running", "passed", "failed", "unclear", "interrupted"
	At           time.Time `json:"at,omitzero"`
	Next         time.Time `json:"next,omitzero"`
	Commissioned time.Time `json:"commissioned,omitzero"` // of what it is compared with
	Text         string    `json:"text,omitempty"`        // what is wrong
	Remedy       string    `json:"remedy,omitempty"`
	Chirps       int       `json:"chirps"`   // that it took, each louder than the one before
	Level        float64   `json:"level"`    // of the microphone while it heard the loudspeaker, dBFS
	Noise        float64   `json:"noise"`    // before, dBFS
	Coupling     float64   `json:"coupling"` // of loudspeaker and microphone, dB
	DelayMS      float64   `json:"delayMs"`  // from a sample played to its sound, ms
}

// Device is a microphone or a loudspeaker.
type Device struct {
	Wanted string `json:"wanted"`           // name in the configuration
	Name   string `json:"name,omitempty"`   // name of the device in use
	OK     bool   `json:"ok"`               // open and delivering
	Error  string `json:"error,omitempty"`  // why not
	Remedy string `json:"remedy,omitempty"` // what to do about it
}

// Level is a sound level over the last 100 ms in dB relative to full scale
// (0 dBFS is a full-scale square wave; silence is -100).
type Level struct {
	Peak float64 `json:"peak"` // dBFS
	RMS  float64 `json:"rms"`  // dBFS
}

// AudioStats counts what the audio path of the running call did.
type AudioStats struct {
	Received   uint64  `json:"received"`    // packets
	Lost       uint64  `json:"lost"`        // packets that never came or came too late
	Concealed  uint64  `json:"concealed"`   // 10 ms frames made up for lost audio
	Sent       uint64  `json:"sent"`        // packets
	JitterMS   float64 `json:"jitterMs"`    // target depth of the jitter buffer, ms
	Xruns      uint64  `json:"xruns"`       // device under- and overruns since start
	ERLE       float64 `json:"erle"`        // echo return loss enhancement, dB
	EchoDelay  float64 `json:"echoDelayMs"` // from the loudspeaker to the microphone, ms
	DoubleTalk float64 `json:"doubleTalk"`  // share of the far end's talk in which the near end talked too, 0 to 1
	Noise      float64 `json:"noise"`       // background noise at the microphone, dBFS
	Clipped    uint64  `json:"clipped"`     // 10 ms frames in which the microphone reached full scale, since start
}

// BoardState is the state of inputs, lamps and relays.
type BoardState struct {
	Driver    string  `json:"driver"`           // "gpio", "sim", "none"
	Simulated bool    `json:"simulated"`        // can be pressed from the page
	Error     string  `json:"error,omitempty"`  // what is wrong with the board as a whole
	Remedy    string  `json:"remedy,omitempty"` // what to do about it
	Inputs    []Input `json:"inputs"`
	Lamps     []Lamp  `json:"lamps"`
	Relays    []Relay `json:"relays"`
}

// Input is a button or a contact.
type Input struct {
	Name     string `json:"name"`
	Active   bool   `json:"active"`
	Presses  uint64 `json:"presses"`  // accepted since start
	Glitches uint64 `json:"glitches"` // changes too short to count that came to nothing
	Bounces  uint64 `json:"bounces"`  // changes too short to count beside one that counted
	Stuck    bool   `json:"stuck"`    // active for longer than a person presses
	Widths   Widths `json:"widths"`   // how long the line was active, before debouncing: pulses by length
	Error    string `json:"error,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
}

// Widths counts pulses below 1, 3, 10, 30, 100, 300, 1000 and 3000 ms, and longer ones:
// the fingerprint of a bouncing contact or of interference.
type Widths [9]uint64

// Lamp is one lamp.
type Lamp struct {
	Name    string  `json:"name"`
	Pattern Pattern `json:"pattern"`
	On      bool    `json:"on"`               // at this moment of its pattern
	Colour  string  `json:"colour,omitempty"` // "#00ff00", of a lamp that has colours
	Error   string  `json:"error,omitempty"`
	Remedy  string  `json:"remedy,omitempty"`
}

// Relay is one relay.
type Relay struct {
	Name   string    `json:"name"`
	On     bool      `json:"on"`
	Until  time.Time `json:"until,omitzero"` // end of the running pulse
	Error  string    `json:"error,omitempty"`
	Remedy string    `json:"remedy,omitempty"`
}

// DoorState is what keeps the door from opening or the bell from ringing.
type DoorState struct {
	LockedUntil  time.Time `json:"lockedUntil,omitzero"`  // too many wrong codes
	BlockedUntil time.Time `json:"blockedUntil,omitzero"` // tampering
	DoNotDisturb bool      `json:"doNotDisturb"`
}

// Button is what pressing an input means.
type Button struct {
	Input       string `json:"input"`
	Label       string `json:"label"`
	Does        string `json:"does"`             // a short press without a call: "call", "open", "toggle", "flash", "on", "off", "answer", "dnd", "none"
	Target      string `json:"target,omitempty"` // whom it calls
	TargetLabel string `json:"targetLabel,omitempty"`
	Relay       string `json:"relay,omitempty"` // what it opens or toggles
}

// Contact is an input that is watched.
type Contact struct {
	Input   string    `json:"input"`
	Label   string    `json:"label"`
	Watches string    `json:"watches"` // "door", "tamper", "alarm", "nothing"
	Active  bool      `json:"active"`  // open, tampered with, alarm
	Since   time.Time `json:"since,omitzero"`
	Alarm   string    `json:"alarm,omitempty"` // "held", "forced", "tamper", "active"; "" for none
}

// Fault is something that is wrong now and that somebody can mend.
type Fault struct {
	Key    string    `json:"key"`  // stable name, such as "sound.input"
	Code   int       `json:"code"` // how often the fault lamp blinks; the smaller, the graver
	Since  time.Time `json:"since"`
	Text   string    `json:"text"`   // what is wrong
	Remedy string    `json:"remedy"` // what to do about it
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
	Over      time.Time `json:"ended,omitzero"`
	Digits    int       `json:"digits"` // DTMF digits received; which ones is nobody's business
	Ending    Ending    `json:"ending"`
}

// Ending says how a call ended.
type Ending struct {
	Cause  Cause  `json:"cause"`
	By     Party  `json:"by"`
	Status int    `json:"status,omitempty"` // SIP status of a failed call
	Reason string `json:"reason,omitempty"` // reason phrase or Reason header text
	Remedy string `json:"remedy,omitempty"` // what a person can do about it
}

// Party is who ended a call.
type Party string

// Who can end a call.
const (
	ByDoor Party = "door"
	ByPeer Party = "far end"
	ByNet  Party = "network"
)

// Cause names why a call ended.
type Cause string

// The causes.
const (
	CauseHangup       Cause = "hung up"        // button, or BYE
	CauseCancelled    Cause = "cancelled"      // before the answer
	CauseBusy         Cause = "busy"           // 486, 600
	CauseRefused      Cause = "refused"        // 403, 603 and other refusals
	CauseNotFound     Cause = "does not exist" // 404, 484, 604
	CauseNotReachable Cause = "not reachable"  // 480, 504: registered nowhere, or dead
	CauseNoAnswer     Cause = "no answer"      // ring time over, 408, 487
	CauseTalkLimit    Cause = "talk time over"
	CauseNoCodec      Cause = "no common codec" // 488, 415
	CauseMediaLost    Cause = "audio lost"      // no RTP, DTLS or ICE failure
	CauseNetwork      Cause = "connection lost" // the server went away
	CauseOffline      Cause = "not registered"  // pressed while there is no registration
	CauseShutdown     Cause = "shutting down"
	CauseElsewhere    Cause = "answered elsewhere"
	CauseNobody       Cause = "nobody available" // no step of the target is due
	CauseDisturb      Cause = "do not disturb"   // and no fallback
	CauseOpened       Cause = "door opened"      // hung up a while after
	CauseCodes        Cause = "too many wrong codes"
	CauseTransferred  Cause = "passed on" // to somebody else, by the far end
	CauseFailed       Cause = "failed"    // anything else; see Status and Reason
)
