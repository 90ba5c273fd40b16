package station

import (
	"crypto/subtle"
	"slices"
	"time"
)

// CodeConfig is a code that a far end may type to open a door.
type CodeConfig struct {
	Name    string   // whose it is; stands in the audit log in place of the digits
	Digits  string   // at least 4; all codes of a door have the same length
	Relay   string   // what it opens
	Parties []string // users from whom it is taken; empty: whoever may open the door at all
	From    time.Time
	Until   time.Time // zero: for ever
	When    *Schedule // nil: at any time
	Once    bool      // void after its first use
}

// KeyConfig is digits that do something at once, for trusted parties.
type KeyConfig struct {
	Digits  string
	Parties []string // users from whom they are taken; empty: whoever may open the door at all
	Action  Action   // Release, Flash, Toggle, SwitchOn or SwitchOff of a relay
}

// AccessConfig is who may open the door by DTMF.
type AccessConfig struct {
	Keys    []KeyConfig
	Codes   []CodeConfig
	Callers []string      // users that may open the door when they call it or are passed on to it; parties that the door called always may
	PerCall int           // wrong codes that end a call; 0 means 3
	PerHour int           // wrong codes that lock the keypad; 0 means 10
	Lock    time.Duration // how long it stays locked; 0 means 30 min
}

// Verdict is what came of a digit.
type Verdict int

// The verdicts.
const (
	Incomplete Verdict = iota // the digits so far are no attempt yet
	Opens
	Wrong
	WrongEndsCall // too many wrong codes in this call
	Locked        // the keypad is locked: nothing was compared
	NotAllowed    // this party may not open the door
)

// entryPause is how long half-typed digits are remembered.
const entryPause = 5 * time.Second

// access decides about digits. It is pure: time comes in, verdicts go out. What
// must survive a restart is in mem.
type access struct {
	cfg    AccessConfig
	mem    Memory
	clock  func() bool // reports whether the time of day can be trusted
	length int         // of every code
	typed  string      // of the attempt under way
	last   time.Time
	denied time.Time // the last digit that was refused unread
	wrong  int       // in this call
}

// decision is a verdict with what the audit log and the relay need.
type decision struct {
	verdict Verdict
	name    string // of the code, or "key"
	action  Action
	first   bool // of Locked and NotAllowed: the attempt has just begun
}

func newAccess(cfg AccessConfig, mem Memory, clock func() bool) *access {
	if cfg.PerCall <= 0 {
		cfg.PerCall = 3
	}
	if cfg.PerHour <= 0 {
		cfg.PerHour = 10
	}
	if cfg.Lock <= 0 {
		cfg.Lock = 30 * time.Minute
	}
	mem.Wrong, mem.Used = slices.Clone(mem.Wrong), slices.Clone(mem.Used)
	a := &access{cfg: cfg, mem: mem, clock: clock}
	if len(cfg.Codes) > 0 {
		a.length = len(cfg.Codes[0].Digits)
	}
	return a
}

// begin forgets the digits of the call before. In a call that was passed on the wrong
// codes go on to count.
func (a *access) begin(passed bool) {
	a.typed, a.denied = "", time.Time{}
	if !passed {
		a.wrong = 0
	}
}

// party is the far end of the running call as access sees it.
type party struct {
	user   string
	called bool // the door called it
}

// digit takes one digit typed after the answer.
func (a *access) digit(d rune, p party, now time.Time) decision {
	if len(a.cfg.Keys) == 0 && len(a.cfg.Codes) == 0 {
		return decision{}
	}
	if !p.called && !slices.Contains(a.cfg.Callers, p.user) {
		return a.deny(NotAllowed, now)
	}
	if now.Before(a.mem.LockedUntil) {
		return a.deny(Locked, now)
	}
	if now.Sub(a.last) > entryPause {
		a.typed = ""
	}
	a.last = now
	if a.trusts(p.user) {
		a.typed += string(d)
		return a.key(p.user)
	}
	if d == '*' {
		a.typed = ""
		return decision{}
	}
	a.typed += string(d)
	return a.code(p.user, now)
}

// deny refuses a digit unread.
func (a *access) deny(v Verdict, now time.Time) decision {
	first := now.Sub(a.denied) > entryPause
	a.denied = now
	return decision{verdict: v, first: first}
}

// takenFrom reports whether the key is taken from this user.
func (k *KeyConfig) takenFrom(user string) bool {
	return len(k.Parties) == 0 || slices.Contains(k.Parties, user)
}

// trusts reports whether any key is taken from this user.
func (a *access) trusts(user string) bool {
	return slices.ContainsFunc(a.cfg.Keys, func(k KeyConfig) bool { return k.takenFrom(user) })
}

// key compares the newest digits with the keys. A key of a trusted party is a
// convenience and no secret: other digits are not wrong, they are ignored.
func (a *access) key(user string) decision {
	match, longest := -1, 0
	for i := range a.cfg.Keys {
		k := &a.cfg.Keys[i]
		n := len(k.Digits)
		longest = max(longest, n)
		if len(a.typed) < n || !k.takenFrom(user) {
			continue
		}
		same := subtle.ConstantTimeCompare([]byte(a.typed[len(a.typed)-n:]), []byte(k.Digits))
		match = subtle.ConstantTimeSelect(same, i, match)
	}
	if match >= 0 {
		a.typed = ""
		return decision{verdict: Opens, name: "key", action: a.cfg.Keys[match].Action}
	}
	a.typed = a.typed[max(len(a.typed)-longest, 0):]
	return decision{}
}

// code compares a complete entry with every code, in a time that does not
// depend on which digits are right.
func (a *access) code(user string, now time.Time) decision {
	if a.length == 0 || len(a.typed) < a.length {
		return decision{}
	}
	typed := []byte(a.typed)
	a.typed = ""
	match := -1
	for i := range a.cfg.Codes {
		c := &a.cfg.Codes[i]
		same := subtle.ConstantTimeCompare(typed, []byte(c.Digits))
		if a.valid(c, user, now) {
			match = subtle.ConstantTimeSelect(same, i, match)
		}
	}
	if match >= 0 {
		c := &a.cfg.Codes[match]
		if c.Once {
			a.mem.Used = append(a.mem.Used, c.Name)
		}
		a.wrong = 0
		return decision{verdict: Opens, name: c.Name, action: Action{Do: Release, Relay: c.Relay}}
	}
	return a.miss(now)
}

// valid reports whether a code may be used by this user at this time.
func (a *access) valid(c *CodeConfig, user string, now time.Time) bool {
	switch {
	case len(c.Parties) > 0 && !slices.Contains(c.Parties, user):
		return false
	case c.Once && slices.Contains(a.mem.Used, c.Name):
		return false
	case !c.From.IsZero() && now.Before(c.From), !c.Until.IsZero() && !now.Before(c.Until):
		return false
	}
	if timed := c.When != nil || !c.From.IsZero() || !c.Until.IsZero(); timed && !a.clock() {
		return false // a code that is bound to a time is no good while the time is a guess
	}
	return c.When.Holds(now)
}

// miss counts a wrong code.
func (a *access) miss(now time.Time) decision {
	a.wrong++
	a.mem.Wrong = slices.DeleteFunc(a.mem.Wrong, func(t time.Time) bool {
		// A clock that was set back must not keep old mistakes for ever.
		return now.Sub(t) >= time.Hour || t.After(now)
	})
	a.mem.Wrong = append(a.mem.Wrong, now)
	if len(a.mem.Wrong) >= a.cfg.PerHour {
		a.mem.LockedUntil = now.Add(a.cfg.Lock)
		a.mem.Wrong = nil
	}
	if a.wrong >= a.cfg.PerCall || now.Before(a.mem.LockedUntil) {
		return decision{verdict: WrongEndsCall}
	}
	return decision{verdict: Wrong}
}
