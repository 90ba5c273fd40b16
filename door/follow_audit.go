package door

import (
	"cmp"
	"strings"
	"time"

	"intercomd/station"
	"intercomd/store"
)

const (
	auditFile = "audit.log"
	maxAudit  = 1 << 20 // bytes: at some 150 a line, thousands of openings
)

// audit is a line of the audit log: an attempt to open something, a command, or what somebody did
// to the door beside its calls. It never holds the digits.
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
	Did   string          `json:"did,omitempty"` // a command or a deed; "" is an opening
	Of    string          `json:"of,omitempty"`  // what it was done to
	OK    bool            `json:"ok"`
	Why   station.Refusal `json:"why,omitempty"` // not
}

// how is the way of an attempt: "code" for a key in a call, else as [station.Via] has it.
type how string

func auditOf(e station.Event) (a audit, ok bool) {
	switch n := e.News.(type) {
	case station.Released:
		return released(e, n), true
	case station.Commanded:
		switch {
		case n.Command == station.CommandOpen && n.Error != station.ErrNoRelay.Error(), // Released tells of it
			n.Command == station.CommandForget: // Administered does
			return audit{}, false
		}
		return audit{At: e.At, Call: e.Call, User: n.By.Name, From: n.By.From, How: how(n.By.Via), Did: string(n.Command), Of: commandedOf(n),
			OK: n.Error == "", Why: station.Refusal(n.Error)}, true
	case station.SelfTestStarted:
		// The command says that somebody wanted it; this, that what later tests are compared with is another one.
		if !n.Commission {
			return audit{}, false
		}
		return audit{At: e.At, User: n.By.Name, From: n.By.From, How: how(n.By.Via), Did: "commission", OK: true}, true
	case station.Administered:
		return audit{At: e.At, User: n.By.Name, From: n.By.From, How: how(n.By.Via), Did: string(n.Deed), Of: n.Of, OK: n.Why == "", Why: station.Refusal(n.Why)}, true
	}
	return audit{}, false
}

// commandedOf is what a command was about.
func commandedOf(n station.Commanded) string {
	of := cmp.Or(n.Button, n.Relay, n.Target, n.Of)
	if n.Check == "" {
		return of
	}
	return strings.TrimSpace(strings.Join([]string{string(n.Check), of, string(n.Result)}, " "))
}

func released(e station.Event, n station.Released) (a audit) {
	a = audit{At: e.At, Call: e.Call, User: n.By.Name, From: n.By.From, How: how(n.By.Via), Name: n.Name, Relay: n.Relay, OK: n.OK, Why: n.Why}
	if n.By.Via == station.ViaCall {
		a.How = "code"
	}
	return a
}

// auditor appends all that [auditOf] knows to the audit log, and tells kept whether it
// could.
// Once a day it drops lines that are older than days, unless that is 0 or the clock is not known.
func auditor(keep *store.Dir, days time.Duration, known func() bool, kept func(error)) func(station.Event) {
	log := keep.Log(auditFile, maxAudit)
	var tidied time.Time
	return func(e station.Event) {
		if now := time.Now(); days > 0 && now.Sub(tidied) >= 24*time.Hour && known() {
			tidied = now
			if err := log.Rewrite(func(line []byte) bool { return fresh(line, now.Add(-days)) }); err != nil {
				kept(err)
			}
		}
		if a, ok := auditOf(e); ok {
			kept(log.Append(a))
		}
	}
}
