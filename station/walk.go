package station

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"intercomd/words"
)

// This file is what an installer does with a door: everything is tried once while somebody
// watches, and what they say is kept. See docs/decisions/commissioning-walk.md.

// CheckKind is something that is tried at the door: a stable code.
type CheckKind string

// What is tried, in the order of the walk.
const (
	CheckButton CheckKind = "button"   // somebody presses it; the press does what it always does
	CheckLamp   CheckKind = "lamp"     // it is lit; somebody watches
	CheckTone   CheckKind = "tone"     // the loudspeaker plays; somebody listens
	CheckSpeak  CheckKind = "speak"    // somebody speaks; the level of the microphone is measured
	CheckSound  CheckKind = "selftest" // the acoustic self-test; it becomes what later ones are compared with
	CheckCall   CheckKind = "call"     // a call that is marked as a test
	CheckRelay  CheckKind = "relay"    // it is released; somebody watches
)

// CheckKinds lists them in the order of the walk.
func CheckKinds() []CheckKind {
	return []CheckKind{CheckButton, CheckLamp, CheckTone, CheckSpeak, CheckSound, CheckCall, CheckRelay}
}

// CheckResult is what came of it: a stable code.
type CheckResult string

// The results.
const (
	CheckOpen    CheckResult = "open"    // not tried yet
	CheckRunning CheckResult = "running" // it is being tried
	CheckAsked   CheckResult = "asked"   // whoever watched has to say how it went
	CheckPassed  CheckResult = "passed"
	CheckFailed  CheckResult = "failed"
	CheckSkipped CheckResult = "skipped" // somebody decided that it need not be tried
)

// CheckResults lists the results.
func CheckResults() []CheckResult {
	return []CheckResult{CheckOpen, CheckRunning, CheckAsked, CheckPassed, CheckFailed, CheckSkipped}
}

// Settled reports whether nothing has to be done about it any more.
func (r CheckResult) Settled() bool {
	return r == CheckPassed || r == CheckFailed || r == CheckSkipped
}

// Check is one thing of the walk.
type Check struct {
	Kind   CheckKind     `json:"kind"`
	Of     string        `json:"of,omitempty"`    // name of the button, lamp, relay or target
	Label  string        `json:"label,omitempty"` // what people call it
	Result CheckResult   `json:"result"`
	At     time.Time     `json:"at,omitzero"`   // of the result
	By     Principal     `json:"by,omitzero"`   // who watched
	Note   words.Message `json:"note,omitzero"` // what was measured, or what was wrong
}

// same reports whether both try the same thing.
func (c Check) same(o Check) bool { return c.Kind == o.Kind && c.Of == o.Of }

// Walk is how far the commissioning of a door is. It outlives a restart.
type Walk struct {
	Begun  time.Time `json:"begun,omitzero"` // zero: nothing was tried yet
	Ended  time.Time `json:"ended,omitzero"` // when the last check was settled; zero while one is open
	Checks []Check   `json:"checks"`
}

// Complete reports whether every check is settled.
func (w *Walk) Complete() bool {
	return !slices.ContainsFunc(w.Checks, func(c Check) bool { return !c.Result.Settled() })
}

// Passed counts the checks that passed.
func (w *Walk) Passed() (n int) {
	for _, c := range w.Checks {
		if c.Result == CheckPassed {
			n++
		}
	}
	return n
}

// with is what is to be tried now, with the results that were kept for it. What ran when the
// power went was not tried.
func (w Walk) with(checks []Check) Walk {
	kept := w.Checks
	w.Checks = nil
	for _, c := range checks {
		if i := slices.IndexFunc(kept, c.same); i >= 0 && slices.Contains(CheckResults(), kept[i].Result) && kept[i].Result != CheckRunning {
			label := c.Label
			c = kept[i]
			c.Label = label
		}
		w.Checks = append(w.Checks, c)
	}
	if !w.Complete() {
		w.Ended = time.Time{}
	}
	return w
}

// Errors of checks; see [Station.Do].
var (
	ErrNoCheck  = errors.New("no-such-check")
	ErrNotAsked = errors.New("not-asked")
)

// checksOf is everything of a door that can be tried.
func checksOf(cfg *Config) (out []Check) {
	add := func(k CheckKind, of, label string) {
		out = append(out, Check{Kind: k, Of: of, Label: label, Result: CheckOpen})
	}
	for _, b := range cfg.Buttons {
		add(CheckButton, b.Input, b.Label)
	}
	for _, l := range cfg.Lamps {
		add(CheckLamp, l.Name, "")
	}
	add(CheckTone, "", "")
	add(CheckSpeak, "", "")
	if cfg.Ports.SelfTest != nil {
		add(CheckSound, "", "")
	}
	for _, t := range targets(cfg) {
		if rung := func(b ButtonConfig) bool { return b.calls(t.Name) }; slices.ContainsFunc(cfg.Buttons, rung) {
			add(CheckCall, t.Name, t.Label)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(cfg.Door.Pulses)) {
		add(CheckRelay, r, "")
	}
	return out
}

// calls reports whether a press of the button calls a target.
func (c *ButtonConfig) calls(target string) bool {
	return c.Press.Do == Dial && c.Press.Target == target || c.Long.Do == Dial && c.Long.Target == target
}

// How long something is tried.
const (
	pressWithin = time.Minute      // for somebody to press
	lampFor     = 15 * time.Second // that a lamp is lit
	toneFor     = 6 * time.Second
	speakFor    = 10 * time.Second
	locateFor   = 15 * time.Second // unless somebody says for how long
	locateMost  = 2 * time.Minute
)

// heardSpeech is the peak, in dBFS, from which on somebody may have spoken: below it, a working
// microphone has heard an empty street.
const heardSpeech = -45.0

// trial is what is being tried, or that the door shows where it is. The zero value is nothing.
type trial struct {
	check Check // that runs; of locate its kind is ""
	until time.Time
	by    Principal
	peak  float64 // of CheckSpeak, dBFS
	all   bool    // every lamp shows where the door is
	lamp  string  // that is lit
}

func (t *trial) runs() bool { return !t.until.IsZero() }

// sounds reports whether the loudspeaker is busy with it.
func (t *trial) sounds() bool { return t.all || t.check.Kind == CheckTone }

// Walk is how far the commissioning is. It is shared: do not change it. It may be called from any
// goroutine.
func (s *Station) Walk() *Walk { return s.walk.Load() }

// settle notes what came of a check, and keeps it.
func (s *Station) settle(c Check, result CheckResult, note words.Message, by Principal) {
	old := s.walk.Load()
	w := *old
	w.Checks = slices.Clone(old.Checks)
	i := slices.IndexFunc(w.Checks, c.same)
	if i < 0 {
		return
	}
	now := time.Now()
	w.Checks[i].Result, w.Checks[i].Note, w.Checks[i].By, w.Checks[i].At = result, note, by, now
	if w.Begun.IsZero() {
		w.Begun = now
	}
	w.Ended = time.Time{}
	if w.Complete() {
		w.Ended = now
	}
	s.walk.Store(&w)
	if result.Settled() {
		s.tell(Checked{Check: w.Checks[i]})
	}
	if result != CheckRunning && s.cfg.Ports.PersistWalk != nil {
		s.cfg.Ports.PersistWalk(w)
	}
}

// walkAnew forgets what came of all checks.
func (s *Station) walkAnew() {
	s.dropTrial()
	w := Walk{Begun: time.Now(), Checks: checksOf(&s.cfg)}
	s.walk.Store(&w)
	if s.cfg.Ports.PersistWalk != nil {
		s.cfg.Ports.PersistWalk(w)
	}
}

// judge takes the word of whoever watched.
func (s *Station) judge(cmd Command) error {
	c, err := s.checkOf(cmd)
	switch {
	case err != nil:
		return err
	case !cmd.Result.Settled(), cmd.Result != CheckSkipped && c.Result != CheckAsked:
		return ErrNotAsked
	}
	if s.trial.runs() && s.trial.check.same(c) {
		s.stopTrial()
	}
	note := c.Note
	if cmd.Result == CheckSkipped {
		note = words.Message{}
	}
	s.settle(c, cmd.Result, note, cmd.By)
	return nil
}

func (s *Station) checkOf(cmd Command) (Check, error) {
	w := s.walk.Load()
	i := slices.IndexFunc(w.Checks, Check{Kind: cmd.Check, Of: cmd.Of}.same)
	if i < 0 {
		return Check{}, ErrNoCheck
	}
	return w.Checks[i], nil
}

// try begins a check. What only the present state can do is returned as an occurrence.
func (s *Station) try(cmd Command) (none occurrence, err error) {
	c, err := s.checkOf(cmd)
	switch {
	case err != nil:
		return none, err
	case s.state() != Idle || s.test.cancel != nil:
		return none, ErrNotIdle
	}
	s.makeWay()
	s.dropTrial()
	now := time.Now()
	t := trial{check: c, by: cmd.By}
	switch c.Kind {
	case CheckButton:
		t.until = now.Add(pressWithin)
	case CheckLamp:
		t.lamp, t.until = c.Of, now.Add(lampFor)
	case CheckTone:
		t.until = now.Add(toneFor)
		s.say(ToneIncoming)
	case CheckSpeak:
		t.until, t.peak = now.Add(speakFor), silenceLevel
		s.voice.Prepare()
	case CheckSound:
		if err := s.startTest(true, cmd.By); err != nil {
			return none, err
		}
		s.tried = t
		s.settle(c, CheckRunning, words.Message{}, cmd.By)
		return none, nil
	case CheckCall:
		s.tried = t
		s.settle(c, CheckRunning, words.Message{}, cmd.By)
		return s.order(c.Of, cmd.By, true), nil
	case CheckRelay:
		why := s.relay(Action{Do: Release, Relay: c.Of}, Released{By: cmd.By})
		if why == nil {
			s.settle(c, CheckAsked, words.Message{}, cmd.By)
		}
		return none, why
	}
	s.trial = t
	asked := CheckRunning
	if c.Kind == CheckLamp || c.Kind == CheckTone {
		asked = CheckAsked // they may say so while it goes on
	}
	s.settle(c, asked, words.Message{}, cmd.By)
	return none, nil
}

// silenceLevel is no sound at all, dBFS.
const silenceLevel = -100.0

// locate lets the door show where it is: all lamps blink, and it beeps.
func (s *Station) locate(d time.Duration) error {
	if s.state() != Idle || s.test.cancel != nil {
		return ErrNotIdle
	}
	s.makeWay()
	s.dropTrial()
	if d <= 0 {
		d = locateFor
	}
	s.trial = trial{all: true, until: time.Now().Add(min(d, locateMost))}
	s.say(ToneLocate)
	return nil
}

// trialDue looks after what is being tried.
func (s *Station) trialDue(now time.Time) {
	t := &s.trial
	if !t.runs() {
		return
	}
	if t.sounds() {
		s.quietUntil = now.Add(failedFor) // an alarm waits
	}
	if now.Before(t.until) {
		return
	}
	c, by, peak := t.check, t.by, t.peak
	s.stopTrial()
	switch c.Kind {
	case CheckButton:
		s.settle(c, CheckFailed, words.New("check-not-pressed"), by)
	case CheckSpeak:
		s.spoken(c, peak, by)
	default: // whoever watches has been asked
	}
}

// spoken asks whoever spoke, or knows better: a microphone that heard nothing did not pass.
func (s *Station) spoken(c Check, peak float64, by Principal) {
	level := strconv.Itoa(int(peak))
	if peak < heardSpeech {
		s.settle(c, CheckFailed, words.New("check-too-quiet", "level", level), by)
		return
	}
	s.settle(c, CheckPassed, words.New("check-heard", "level", level), by)
}

// hearTrial notes how loud the microphone was.
func (s *Station) hearTrial(l Level) {
	if s.trial.check.Kind == CheckSpeak {
		s.trial.peak = max(s.trial.peak, l.Peak)
	}
}

// stopTrial puts lamps, loudspeaker and microphone to rest.
func (s *Station) stopTrial() {
	t := s.trial
	s.trial = trial{}
	if t.sounds() && s.state() == Idle {
		s.voice.Silence()
		s.quietUntil = time.Now()
	}
	if t.check.Kind == CheckSpeak {
		s.voice.Close()
	}
}

// endTrial ends what is being tried because somebody needs the door. A press that is waited for may
// still come.
func (s *Station) endTrial() {
	if s.trial.check.Kind != CheckButton {
		s.dropTrial()
	}
}

// dropTrial ends whatever is being tried. What cannot be told without the rest of it is open again.
func (s *Station) dropTrial() {
	c, by := s.trial.check, s.trial.by
	if !s.trial.runs() {
		return
	}
	s.stopTrial()
	if c.Kind == CheckSpeak || c.Kind == CheckButton {
		s.settle(c, CheckOpen, words.New("check-interrupted"), by)
	}
}

// pressTried notes that the button which somebody was to press was pressed.
func (s *Station) pressTried(p press) {
	c := s.trial.check
	if c.Kind != CheckButton || c.Of != p.button.Input || p.who != (Principal{}) {
		return
	}
	by := s.trial.by
	s.stopTrial()
	s.settle(c, CheckPassed, words.Message{}, by)
}

// calledTried notes what came of a test call of the walk; the last call of a list counts.
func (s *Station) calledTried(r Record) {
	c, by := s.tried.check, s.tried.by
	if c.Kind != CheckCall || !r.Test {
		return
	}
	note := words.New("check-called", "who", cmp.Or(r.Peer.Name, r.Peer.User), "cause", string(r.Ending.Cause))
	if r.Answered.IsZero() {
		s.settle(c, CheckFailed, note, by)
		return
	}
	s.settle(c, CheckAsked, words.New("check-talked", "who", cmp.Or(r.Peer.Name, r.Peer.User), "span", words.Span(r.Talked())), by)
}

// soundTried notes what came of the acoustic self-test of the walk.
func (s *Station) soundTried(res SelfTestResult) {
	c, by := s.tried.check, s.tried.by
	if c.Kind != CheckSound {
		return
	}
	s.tried = trial{}
	switch res.Verdict {
	case TestPassed:
		s.settle(c, CheckPassed, words.New("check-sound", "coupling", strconv.Itoa(int(res.Coupling)), "noise", strconv.Itoa(int(res.Noise))), by)
	case TestInterrupted:
		s.settle(c, CheckOpen, words.New("check-interrupted"), by)
	default:
		s.settle(c, CheckFailed, words.New("selftest-failed").Because(res.Problem), by)
	}
}

// order is the press of no button: somebody has the door call a target. A test is marked.
func (s *Station) order(target string, by Principal, test bool) occurrence {
	s.makeWay()
	return occurrence{kind: pressed, press: press{at: time.Now(), who: by, test: test, action: Action{Do: Dial, Target: target}}}
}

// makeWay ends what the door does for those who look after it: somebody needs it now.
func (s *Station) makeWay() {
	s.endTest()
	s.endTrial()
	s.endCanary()
}

// yields reports whether a press finds nothing but a test call in its way: the call ends, and the
// visitor's begins. No test may cost a visitor the bell.
func (s *Station) yields(p press) bool {
	c := s.call()
	return c != nil && c.rec.Test && p.who == (Principal{}) && !p.long && p.button.Press.Do == Dial
}
