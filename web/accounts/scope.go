package accounts

import "slices"

// Scope is one thing that a program may do. A role has some; a token may have others beside those of
// its role, or in place of a role.
type Scope string

// The scopes.
const (
	ScopeRead   Scope = "read"   // the state, calls, events
	ScopeCall   Scope = "call"   // press, call, answer, hang up, mute
	ScopeSwitch Scope = "switch" // lights
	ScopeTest   Scope = "test"   // try out the sound
	ScopePeople Scope = "people" // people and their codes
	ScopeConfig Scope = "config" // the configuration, and what tests are compared with
	ScopeLog    Scope = "log"    // the log, the support bundle, and what administrators did
	ScopeManage Scope = "manage" // restart the door, delete its history, its certificate
	ScopeUpdate Scope = "update" // install other systems
	// The others are in no role: a program that opens doors, has the secrets or makes a new door of this one
	// is somebody's explicit decision.
	ScopeOpen   Scope = "open"   // doors
	ScopeBackup Scope = "backup" // the configuration with its secrets
	ScopeReset  Scope = "reset"  // to how the door came
)

// Scopes lists the scopes.
func Scopes() []Scope {
	return []Scope{ScopeRead, ScopeCall, ScopeSwitch, ScopeTest, ScopePeople, ScopeConfig, ScopeLog, ScopeManage, ScopeUpdate, ScopeOpen, ScopeBackup, ScopeReset}
}

// Explicit says whether a scope is in no role. People who do the same show who they are by their
// password, see [Person.Fresh].
func (s Scope) Explicit() bool { return s == ScopeOpen || s == ScopeBackup || s == ScopeReset }

// Scopes are those of a role.
func (r Role) Scopes() []Scope {
	switch r {
	case Viewer:
		return []Scope{ScopeRead}
	case Operator:
		return []Scope{ScopeRead, ScopeCall, ScopeSwitch, ScopeTest, ScopePeople}
	case Admin:
		return []Scope{ScopeRead, ScopeCall, ScopeSwitch, ScopeTest, ScopePeople, ScopeConfig, ScopeLog, ScopeManage, ScopeUpdate}
	}
	return nil
}

// Has says whether somebody may do what is of a scope.
func (p Person) Has(s Scope) bool {
	return slices.Contains(p.Scopes, s) || slices.Contains(p.Role.Scopes(), s)
}

// grantable says what is wrong with what a token is to be made with: a role, "" for none, and scopes beside
// those of the role; nil if nothing is.
func grantable(r Role, more []Scope) error {
	if r != "" && !slices.Contains(Roles(), r) || r == "" && len(more) == 0 {
		return ErrRole
	}
	for _, s := range more {
		if !slices.Contains(Scopes(), s) {
			return ErrScope
		}
	}
	return nil
}

// beside are the scopes that a role does not have, each once and in their order.
func beside(r Role, more []Scope) (out []Scope) {
	for _, s := range Scopes() {
		if slices.Contains(more, s) && !slices.Contains(r.Scopes(), s) {
			out = append(out, s)
		}
	}
	return out
}
