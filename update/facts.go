package update

import (
	"time"

	"intercomd/words"
)

// Facts are what a door reports of itself.
type Facts struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"` // of this process: another one has another time
	// AtRest: no call is up or waited for, and no relay is switched on. A restart then harms nobody.
	AtRest   bool      `json:"atRest"`
	Accounts []Account `json:"accounts"`
	Parts    []Part    `json:"parts"`
	// Faults that come of the system: neither those of the registration, which is in Accounts, nor
	// what people or other machines do to the door.
	Faults   []Fault  `json:"faults"`
	SelfTest SelfTest `json:"selfTest"`
}

// Account is how the door stands with one SIP server.
type Account struct {
	Name       string `json:"name"` // stable, such as the user
	Registered bool   `json:"registered"`
	Code       string `json:"code,omitempty"` // why not; "" is not known yet
	Reach      Reach  `json:"reach,omitempty"`
}

// Reach is how far the door got when it could not register: what that proves of the
// system, and what of the server.
type Reach string

// How far the door got.
const (
	// ReachUnknown: nothing is proven; the system itself may be why.
	ReachUnknown Reach = ""
	// ReachSilent: nobody answered. Server, network or system may be why.
	ReachSilent Reach = "silent"
	// ReachHost: the server's machine answered that nothing listens there. The system's
	// network works; the server does not.
	ReachHost Reach = "host"
	// ReachServer: the server answered, and it was not what the door wants to hear.
	ReachServer Reach = "server"
)

// Part is a device or a line that the door works with. Its key is that of the fault which
// tells that it cannot be used.
type Part struct {
	Key string `json:"key"`
	OK  bool   `json:"ok"`
}

// Fault is something that is wrong.
type Fault struct {
	Key           string `json:"key"` // what is broken
	words.Message        // what is wrong with it
}

// SelfTest is how the acoustic self-test stands.
type SelfTest struct {
	Wanted  bool      `json:"wanted"` // the door has one to compare with
	Running bool      `json:"running"`
	At      time.Time `json:"at,omitzero"` // when the last one ended
	Result  string    `json:"result"`      // "passed", "failed", or why there is none
}

// has reports whether the facts have a fault of that key and code, or of any code if that is "".
func (f *Facts) has(key, code string) bool {
	if f == nil {
		return false
	}
	for _, o := range f.Faults {
		if o.Key == key && (code == "" || o.Code == code) {
			return true
		}
	}
	return false
}

// account is how an account stood; ok is false if there was none of that name.
func (f *Facts) account(name string) (a Account, ok bool) {
	if f == nil {
		return a, false
	}
	for _, o := range f.Accounts {
		if o.Name == name {
			return o, true
		}
	}
	return a, false
}
