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
	// ScopeOpen is in no role: a program that opens doors is somebody's explicit decision.
	ScopeOpen Scope = "open"
)

// Scopes lists the scopes.
func Scopes() []Scope {
	return []Scope{ScopeRead, ScopeCall, ScopeSwitch, ScopeTest, ScopePeople, ScopeConfig, ScopeLog, ScopeOpen}
}

// Scopes are those of a role. [ScopeOpen] is in none; people show who they are by their password, see
// [Person.Fresh].
func (r Role) Scopes() []Scope {
	switch r {
	case Viewer:
		return []Scope{ScopeRead}
	case Operator:
		return []Scope{ScopeRead, ScopeCall, ScopeSwitch, ScopeTest, ScopePeople}
	case Admin:
		return []Scope{ScopeRead, ScopeCall, ScopeSwitch, ScopeTest, ScopePeople, ScopeConfig, ScopeLog}
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
