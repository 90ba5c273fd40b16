package station

import "time"

// This file is all that can happen at the door: one type for each kind of [Event].

// Started tells that the door is at work.
type Started struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// ConfigRead tells that the configuration was read.
type ConfigRead struct {
	File   string `json:"file"`
	Faults int    `json:"faults"`
}

// Halted tells that the door is switched off. Nothing follows.
type Halted struct{}

// Missed tells that the events from From on until before Next are not kept any more, or From is of
// another run of the program.
type Missed struct {
	From uint64 `json:"from"`
	Next uint64 `json:"next"`
}

// Pressed tells that somebody pressed a button.
type Pressed struct {
	Button string     `json:"button"` // the input
	Label  string     `json:"label,omitempty"`
	Long   bool       `json:"long"`
	State  State      `json:"state"` // of the door at that moment
	Does   ActionKind `json:"does"`
	By     Principal  `json:"by"`
}

// PressIgnored tells that a press came to nothing.
type PressIgnored struct {
	Button string        `json:"button"`
	Why    string        `json:"why"`            // one of the Ignored codes
	Late   time.Duration `json:"late,omitempty"` // of IgnoredLate
}

// Why a press was ignored.
const (
	IgnoredLate = "late"     // it was delivered too late
	IgnoredSoon = "too-soon" // too soon after the last call of this button
)

// PressKept tells that a press waits for the registration to return.
type PressKept struct {
	Button string        `json:"button"`
	For    time.Duration `json:"for"`
}

// CallStarted tells that the door calls somebody, or somebody calls the door.
type CallStarted struct {
	Direction string `json:"direction"`
	Peer      Peer   `json:"peer"`
	Button    string `json:"button,omitempty"` // of an outgoing call: the input
	Left      int    `json:"left"`             // so many can be tried after this one
	Auto      bool   `json:"auto"`             // of an incoming call: it is answered by itself
	PassedBy  string `json:"passedBy,omitempty"`
}

// CallStep tells that a call went one step further.
type CallStep struct {
	Step  CallEventKind `json:"step"`
	After time.Duration `json:"after"` // since the press, or since the call came
}

// CallDigit tells that the far end pressed a key. Which one is nobody's business.
type CallDigit struct{}

// CallQueued tells that a caller waits for the running call to end.
type CallQueued struct {
	Peer  Peer `json:"peer"`
	Ahead int  `json:"ahead"` // so many wait before
}

// CallPassedOn tells that the far end passes the door on to somebody else.
type CallPassedOn struct {
	By   string `json:"by"`
	To   string `json:"to"`
	Next string `json:"next"` // ID of the call that is to take the place of this one
}

// CallNotPassedOn tells that that came to nothing.
type CallNotPassedOn struct {
	To     string `json:"to"`
	Ending Ending `json:"ending"`
}

// CallEnded tells that a call is over. The record is what the history keeps of it.
type CallEnded struct {
	Record Record `json:"record"`
}

// VisitorMissed tells that somebody pressed and reached nobody.
type VisitorMissed struct {
	Button string `json:"button"`
	Label  string `json:"label"`
	Ending Ending `json:"ending"`
	Quiet  bool   `json:"quiet"` // the configuration wants nobody to be told
}

// TalkExtended tells that the talk time begins anew.
type TalkExtended struct {
	By time.Duration `json:"by"`
}

// TalkTurned tells that with push to talk, the word went to the other side.
type TalkTurned struct {
	DoorTalks bool `json:"doorTalks"`
}

// Muted tells that the microphone of the running call was switched off, or on again.
type Muted struct {
	On bool      `json:"on"`
	By Principal `json:"by"`
}

// Released tells that somebody tried to open something. It is what the audit log keeps, and never
// holds the digits.
type Released struct {
	OK    bool      `json:"ok"`
	By    Principal `json:"by"`
	Name  string    `json:"name,omitempty"` // of the code
	Relay string    `json:"relay,omitempty"`
	Why   Refusal   `json:"why,omitempty"` // not
	// Of RefusedBlocked: until when. Of RefusedRelay: what is wrong with it.
	Until  time.Time `json:"until,omitzero"`
	Detail string    `json:"detail,omitempty"`
}

// Refusal says why nothing was opened.
type Refusal string

// The refusals.
const (
	RefusedCode    Refusal = "wrong-code"
	RefusedLocked  Refusal = "keypad-locked"
	RefusedParty   Refusal = "not-allowed" // this party may not open the door
	RefusedBlocked Refusal = "blocked"     // after tampering
	RefusedRelay   Refusal = "relay"       // the relay does not work
)

// Refusals are all of them.
func Refusals() []Refusal {
	return []Refusal{RefusedCode, RefusedLocked, RefusedParty, RefusedBlocked, RefusedRelay}
}

// Switched tells that a relay that opens nothing, such as that of a light, was switched, or could not be.
type Switched struct {
	Relay  string     `json:"relay"`
	Does   ActionKind `json:"does"`
	By     Principal  `json:"by"`
	Detail string     `json:"detail,omitempty"` // why it could not
}

// KeypadLocked tells that too many codes were wrong.
type KeypadLocked struct {
	Until time.Time `json:"until"`
	By    Principal `json:"by"`
}

// RelaysBlocked tells that somebody opened the housing.
type RelaysBlocked struct {
	Input string    `json:"input"`
	Until time.Time `json:"until"`
}

// ContactChanged tells that a contact was made or broken.
type ContactChanged struct {
	Input   string      `json:"input"`
	Label   string      `json:"label"`
	Watches ContactKind `json:"watches"`
	Active  bool        `json:"active"`
}

// AlarmChanged tells that an alarm began or is over.
type AlarmChanged struct {
	Input string        `json:"input"`
	Label string        `json:"label"`
	Alarm Alarm         `json:"alarm"`
	After time.Duration `json:"after,omitempty"` // how long the contact was active until then
	Over  bool          `json:"over"`
}

// DisturbChanged tells that do-not-disturb was switched.
type DisturbChanged struct {
	On bool      `json:"on"`
	By Principal `json:"by"`
}

// FaultRaised tells that something is wrong now, or is now wrong in another way.
type FaultRaised struct {
	Fault Fault `json:"fault"`
}

// FaultCleared tells that it is not wrong any more.
type FaultCleared struct {
	Fault Fault `json:"fault"`
}

// RegistrationChanged tells that the door stands in another way with its server.
type RegistrationChanged struct {
	Registration Registration `json:"registration"`
}

// DeviceChanged tells that a microphone or loudspeaker came, went, or is another one.
type DeviceChanged struct {
	Role   string `json:"role"` // "input", "output"
	Device Device `json:"device"`
}

// SelfTestStarted tells that the door tries out its sound.
type SelfTestStarted struct {
	Commission bool      `json:"commission"`
	By         Principal `json:"by"`
}

// SelfTestEnded tells how that went.
type SelfTestEnded struct {
	Result SelfTest `json:"result"`
}

// Checked tells what came of a check of the commissioning walk.
type Checked struct {
	Check Check `json:"check"`
}

// CanaryEnded tells how a canary call went.
type CanaryEnded struct {
	Canary Canary `json:"canary"`
}

// TextCame tells that somebody sent a text message to the door. What it says is in the snapshot.
type TextCame struct {
	From       Peer `json:"from"`
	Characters int  `json:"characters"`
}

// Commanded tells that somebody gave a command from outside. Error is a code, "" if it was taken.
type Commanded struct {
	Command CommandKind `json:"command"`
	By      Principal   `json:"by"`
	Button  string      `json:"button,omitempty"`
	Relay   string      `json:"relay,omitempty"`
	Target  string      `json:"target,omitempty"`
	Check   CheckKind   `json:"check,omitempty"`
	Of      string      `json:"of,omitempty"`
	Result  CheckResult `json:"result,omitempty"`
	Error   string      `json:"error,omitempty"`
}

// Administered tells that somebody changed who may do what, how the door is set up or what it
// remembers, or tried to. No secret is ever in it.
type Administered struct {
	Deed Deed      `json:"deed"`
	Of   string    `json:"of,omitempty"` // what it was done to, such as an account
	By   Principal `json:"by"`
	Why  string    `json:"why,omitempty"` // a code: it was not done; "" for done
}

// Deed is what somebody does to the door beside its calls: a stable code.
type Deed string

// The deeds.
const (
	SignedIn             Deed = "signed-in" // Of is the name that was given
	SignedOut            Deed = "signed-out"
	SignedOutEverywhere  Deed = "signed-out-everywhere"
	PasswordConfirmed    Deed = "password-confirmed"
	PasswordChanged      Deed = "password-changed"
	FirstAccountMade     Deed = "first-account-made"
	AccountChanged       Deed = "account-changed"
	AccountRemoved       Deed = "account-removed"
	TokenMade            Deed = "token-made"
	TokenRevoked         Deed = "token-revoked"
	CertificateInstalled Deed = "certificate-installed"
	UpdateAsked          Deed = "update-asked"
	HistoryErased        Deed = "history-erased"
	RestartAsked         Deed = "restart-asked"
	FactoryReset         Deed = "factory-reset"
	BundleTaken          Deed = "bundle-taken" // for support
	SettingsTried        Deed = "settings-tried"
	SettingsKept         Deed = "settings-kept"
	SettingsTakenBack    Deed = "settings-taken-back"
	BackupTaken          Deed = "backup-taken"   // with its secrets
	PeopleChanged        Deed = "people-changed" // Of is one of them, or "" of a list
)

// Deeds lists the deeds.
func Deeds() []Deed {
	return []Deed{SignedIn, SignedOut, SignedOutEverywhere, PasswordConfirmed, PasswordChanged, FirstAccountMade, AccountChanged, AccountRemoved,
		TokenMade, TokenRevoked, CertificateInstalled, UpdateAsked, HistoryErased, RestartAsked, FactoryReset, BundleTaken,
		SettingsTried, SettingsKept, SettingsTakenBack, BackupTaken, PeopleChanged}
}

// The kinds, one for each type; those of [CallStep] are "call." and the step, those of
// [Administered] "admin." and the deed.

// Kind names it for programs.
func (Started) Kind() Kind { return "door.started" }

// Kind names it for programs.
func (ConfigRead) Kind() Kind { return "config.read" }

// Kind names it for programs.
func (Halted) Kind() Kind { return "door.stopped" }

// Kind names it for programs.
func (Missed) Kind() Kind { return "events.missed" }

// Kind names it for programs.
func (Pressed) Kind() Kind { return "button.pressed" }

// Kind names it for programs.
func (PressIgnored) Kind() Kind { return "button.ignored" }

// Kind names it for programs.
func (PressKept) Kind() Kind { return "button.kept" }

// Kind names it for programs.
func (CallStarted) Kind() Kind { return "call.started" }

// Kind names it for programs.
func (CallDigit) Kind() Kind { return "call.digit" }

// Kind names it for programs.
func (CallQueued) Kind() Kind { return "call.queued" }

// Kind names it for programs.
func (CallPassedOn) Kind() Kind { return "call.passed-on" }

// Kind names it for programs.
func (CallNotPassedOn) Kind() Kind { return "call.not-passed-on" }

// Kind names it for programs.
func (CallEnded) Kind() Kind { return "call.ended" }

// Kind names it for programs.
func (VisitorMissed) Kind() Kind { return "visitor.missed" }

// Kind names it for programs.
func (TalkExtended) Kind() Kind { return "talk.extended" }

// Kind names it for programs.
func (TalkTurned) Kind() Kind { return "talk.turned" }

// Kind names it for programs.
func (Muted) Kind() Kind { return "microphone.muted" }

// Kind names it for programs.
func (Released) Kind() Kind { return "door.released" }

// Kind names it for programs.
func (Switched) Kind() Kind { return "relay.switched" }

// Kind names it for programs.
func (KeypadLocked) Kind() Kind { return "keypad.locked" }

// Kind names it for programs.
func (RelaysBlocked) Kind() Kind { return "relays.blocked" }

// Kind names it for programs.
func (ContactChanged) Kind() Kind { return "contact.changed" }

// Kind names it for programs.
func (AlarmChanged) Kind() Kind { return "alarm.changed" }

// Kind names it for programs.
func (DisturbChanged) Kind() Kind { return "dnd.changed" }

// Kind names it for programs.
func (FaultRaised) Kind() Kind { return "fault.raised" }

// Kind names it for programs.
func (FaultCleared) Kind() Kind { return "fault.cleared" }

// Kind names it for programs.
func (RegistrationChanged) Kind() Kind { return "registration.changed" }

// Kind names it for programs.
func (DeviceChanged) Kind() Kind { return "device.changed" }

// Kind names it for programs.
func (SelfTestStarted) Kind() Kind { return "selftest.started" }

// Kind names it for programs.
func (SelfTestEnded) Kind() Kind { return "selftest.ended" }

// Kind names it for programs.
func (Checked) Kind() Kind { return "check.settled" }

// Kind names it for programs.
func (CanaryEnded) Kind() Kind { return "canary.ended" }

// Kind names it for programs.
func (TextCame) Kind() Kind { return "text.received" }

// Kind names it for programs.
func (Commanded) Kind() Kind { return "command.given" }

// Kind is that of the step, such as "call.answered".
func (c CallStep) Kind() Kind { return Kind("call." + c.Step) }

// Kind is that of the deed, such as "admin.signed-in".
func (a Administered) Kind() Kind { return Kind("admin." + a.Deed) }
