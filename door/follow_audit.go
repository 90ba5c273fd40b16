package door

import (
	"time"

	"intercomd/station"
	"intercomd/store"
)

const (
	auditFile = "audit.log"
	maxAudit  = 1 << 20 // bytes: at some 150 a line, thousands of openings
)

// audit is a line of the audit log: an attempt to open something. It never holds the digits.
// The names are those of the first version, so that one reader can read the whole file;
// why was a sentence until version 0.9 and is a code since.
type audit struct {
	At    time.Time       `json:"at"`
	Call  string          `json:"call,omitempty"` // its ID
	User  string          `json:"user,omitempty"` // who typed, pressed or gave the command
	From  string          `json:"from,omitempty"` // network address
	How   how             `json:"how"`
	Name  string          `json:"name,omitempty"` // of the code
	Relay string          `json:"relay,omitempty"`
	OK    bool            `json:"ok"`
	Why   station.Refusal `json:"why,omitempty"` // not
}

// how is the way of an attempt: "code" for a key in a call, else as [station.Via] has it.
type how string

func auditOf(e station.Event) (a audit, ok bool) {
	n, ok := e.News.(station.Released)
	if !ok {
		return audit{}, false
	}
	a = audit{At: e.At, Call: e.Call, User: n.By.Name, From: n.By.From, How: how(n.By.Via), Name: n.Name, Relay: n.Relay, OK: n.OK, Why: n.Why}
	if n.By.Via == station.ViaCall {
		a.How = "code"
	}
	return a, true
}

// auditor appends every attempt to open something to the audit log, and tells kept whether it
// could.
func auditor(keep *store.Dir, kept func(error)) func(station.Event) {
	log := keep.Log(auditFile, maxAudit)
	return func(e station.Event) {
		if a, ok := auditOf(e); ok {
			kept(log.Append(a))
		}
	}
}
