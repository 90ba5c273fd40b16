package update

import (
	"cmp"
	"time"

	"intercomd/words"
)

// Limits are the times of a trial.
type Limits struct {
	Steady   time.Duration // without any objection before it is committed
	Patience time.Duration // for a door that does not work
	Grace    time.Duration // that an objection must have stood before it ends a trial
	Outage   time.Duration // for a server that nobody hears of, if the old system was registered
}

// LimitsOf are the usual ones with another patience.
func LimitsOf(patience time.Duration) Limits {
	return Limits{Steady: time.Minute, Patience: patience, Grace: time.Minute, Outage: 3 * patience}
}

// Verdict is what a trial has come to.
type Verdict string

// The verdicts.
const (
	Undecided Verdict = ""
	Commit    Verdict = "commit"
	Back      Verdict = "back"
)

// Judgement is one look at a trial.
type Judgement struct {
	Verdict Verdict
	// Why is what stands against a commit now; nothing if only time is missing.
	Why words.Message
	// Inconclusive, with Back: the fault may be the world's. The old system, which sees
	// the same world, will show.
	Inconclusive bool
	// Waiting: only a server that does not work stands against a commit.
	Waiting bool
	// Test asks the door for its self-test.
	Test bool
}

// fewProcesses is how many processes of the door nobody wonders about: a first one, a device
// that came late, a configuration that was read again.
const fewProcesses = 3

// testTries is how often a self-test is asked for that noise has spoiled.
const testTries = 3

// Trial decides whether a new system may stay. It is a state machine on facts, knows no clock
// of its own, and is not safe for use by several goroutines.
type Trial struct {
	limits Limits
	before *Facts // of the old system, right before the restart; nil: not known
	began  time.Time

	process   time.Time         // start of the door's process
	changed   time.Time         // when another process was first heard of
	processes int               // heard of
	reach     map[string]Reach  // last known of each account that is not registered
	codes     map[string]string // of the same: why not

	clean   time.Time // since when nothing stands against it; zero: something does
	inside  time.Time // since when the system itself is objected to; zero: it is not
	outside time.Time // since when only the server is objected to
	looked  time.Time
	spent   time.Duration // with objections to the system, together

	test struct {
		asked  bool
		tries  int
		before time.Time // end of the last one before we asked
		known  bool      // before is
		done   bool
		failed bool
	}
}

// NewTrial begins a trial. before are the facts of the old system; nil if nobody knows.
func NewTrial(now time.Time, before *Facts, limits Limits) *Trial {
	return &Trial{limits: limits, before: before, began: now, inside: now, reach: map[string]Reach{}, codes: map[string]string{}}
}

// Look judges the trial. f is what the door reports; nil if it does not.
func (t *Trial) Look(now time.Time, f *Facts) Judgement {
	j := Judgement{}
	if !t.inside.IsZero() && !t.looked.IsZero() {
		t.spent += now.Sub(t.looked)
	}
	t.looked = now
	var unlimited bool
	j.Why, j.Waiting, unlimited = t.objection(now, f)
	if j.Why.None() {
		j.Why, j.Test = t.selfTest(f)
	}
	switch {
	case j.Why.None():
		t.inside, t.outside = time.Time{}, time.Time{}
		if t.clean.IsZero() {
			t.clean = now
		}
		if now.Sub(t.clean) >= t.limits.Steady {
			j.Verdict = Commit
		}
	case j.Waiting:
		t.clean, t.inside = time.Time{}, time.Time{}
		if t.outside.IsZero() {
			t.outside = now
		}
		if !unlimited && now.Sub(t.outside) >= t.limits.Outage {
			j.Verdict, j.Inconclusive = Back, true
		}
	default:
		t.clean, t.outside = time.Time{}, time.Time{}
		if t.inside.IsZero() {
			t.inside = now
		}
		j.Verdict = t.overdue(now)
	}
	return j
}

// overdue is Back when the patience with a system that is objected to has come to its end.
func (t *Trial) overdue(now time.Time) Verdict {
	if t.spent >= t.limits.Patience || now.Sub(t.began) >= t.limits.Patience && now.Sub(t.inside) >= t.limits.Grace {
		return Back
	}
	return Undecided
}

// objection is what stands against the new system, the self-test apart. outside: only the
// server does, and unlimited: for as long as it takes.
func (t *Trial) objection(now time.Time, f *Facts) (why words.Message, outside, unlimited bool) {
	if f == nil {
		return words.New("trial-door-silent"), false, false
	}
	if !f.Started.Equal(t.process) {
		// A door that ends and is started again has to prove itself anew.
		t.process, t.changed, t.clean = f.Started, now, time.Time{}
		t.processes++
	}
	if t.processes > fewProcesses && now.Sub(t.changed) < t.limits.Steady {
		return words.New("trial-door-restarts"), false, false
	}
	for _, o := range f.Faults {
		if !t.before.has(o.Key, o.Code) {
			return newFault(o), false, false
		}
	}
	for _, p := range f.Parts {
		// A part that the old system could not use may stay as it is; the new one names
		// the same fault, or it is on the list above.
		if !p.OK && !t.before.has(p.Key, "") {
			return words.New("trial-part-missing", "part", p.Key), false, false
		}
	}
	if len(f.Accounts) == 0 && (t.before == nil || len(t.before.Accounts) > 0) {
		return words.New("trial-no-account"), false, false
	}
	for _, a := range f.Accounts {
		w, out, free := t.account(a)
		switch {
		case w.None():
		case !out:
			return w, false, false
		case why.None():
			why, outside, unlimited = w, true, free
		default:
			unlimited = unlimited && free
		}
	}
	return why, outside, unlimited
}

// newFault is that the old system did not have a fault. A message has one reason, and this is to
// be one itself: of a fault with a reason, that reason is told.
func newFault(o Fault) words.Message {
	params := o.Params.Map()
	code := cmp.Or(params["why"], o.Code)
	delete(params, "why")
	return words.Message{Code: "trial-new-fault-told", Params: words.ParamsOf(params)}.With("key", o.Key, "fault", code)
}

// account is what stands against an account.
func (t *Trial) account(a Account) (why words.Message, outside, unlimited bool) {
	if a.Registered {
		delete(t.reach, a.Name)
		delete(t.codes, a.Name)
		return words.Message{}, false, false
	}
	if a.Code != "" { // between two tries the last one counts
		t.reach[a.Name], t.codes[a.Name] = a.Reach, a.Code
	}
	old, known := t.before.account(a.Name)
	why = words.New("trial-not-registered", "account", a.Name, "cause", t.codes[a.Name])
	switch t.reach[a.Name] {
	case ReachHost:
		return why, true, true
	case ReachSilent:
		// The old system has no advantage if it heard nobody either.
		return why, true, known && !old.Registered && old.Reach != ReachServer
	case ReachServer:
		if known && !old.Registered && old.Code == t.codes[a.Name] {
			return words.Message{}, false, false // as far as the old one came
		}
	case ReachUnknown:
	}
	return why, false, false
}

// selfTest is what the acoustic self-test has against the new system, if the door has one.
func (t *Trial) selfTest(f *Facts) (why words.Message, ask bool) {
	s := &t.test
	if !f.SelfTest.Wanted || s.done {
		return words.Message{}, false
	}
	if !s.known {
		s.before, s.known = f.SelfTest.At, true
	}
	if s.asked && !f.SelfTest.Running && !f.SelfTest.At.Equal(s.before) {
		s.asked, s.before = false, f.SelfTest.At
		s.tries++
		switch {
		case f.SelfTest.Result == "passed":
			s.done = true
		case f.SelfTest.Result == "failed":
			s.done = t.before != nil && t.before.SelfTest.Result == "failed"
			s.failed = !s.done
		case s.tries >= testTries && !s.failed:
			s.done = true // the noise at a door is no fault of its system
		}
		if s.done {
			return words.Message{}, false
		}
	}
	if s.failed && s.tries >= testTries {
		return words.New("trial-self-test-failed"), false
	}
	s.asked = true
	return words.New("trial-self-test"), true
}
