package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"intercomd/words"
)

// Installer writes bundles into the slot that is not running, and asks the [Machine] for
// a trial of it when that is done. It checks who has signed them.
type Installer interface {
	// Inspect reads what a bundle is, after its signature.
	Inspect(ctx context.Context, source string) (Info, error)
	// Install returns when the bundle is in its slot. told hears of the progress.
	Install(ctx context.Context, b Bundle, told func(Progress)) error
}

// Info is what a bundle says of itself.
type Info struct {
	Version    string `json:"version"`
	Compatible string `json:"compatible"`
	Hash       string `json:"hash,omitempty"` // of its manifest
}

// Progress is how far an installation has come.
type Progress struct {
	Percent int    `json:"percent"`
	Step    string `json:"step"` // as the installer calls it
}

// Machine is the board and the card.
type Machine interface {
	// Running is the slot that was started, and whether on trial.
	Running() (slot string, trial bool)
	// Pending is the slot that the next restart tries; "" if none, or if it was tried already.
	Pending() (slot string, err error)
	// Try makes the next restart a trial of slot.
	Try(slot string) error
	// Commit makes the running slot the one that starts.
	Commit() error
	// GiveUp notes why the running slot, on trial, is not to be started any more.
	GiveUp(why string) error
	// Why is why the last trial or change came to nothing, in the words of the machine.
	Why() (string, error)
	// Restart begins a restart in good order.
	Restart() error
}

// Config is what an [Agent] works with. All but Hours is needed.
type Config struct {
	Store     Store
	Installer Installer
	Machine   Machine
	Version   string // of the running system
	Boot      string // another one for each start of the machine
	Limits    Limits
	// Hours tells whether a restart for an update is welcome now; nil is always.
	Hours func(time.Time) bool
	Log   *slog.Logger
}

// Status is an update as people see it. It is a value.
type Status struct {
	Record
	Running  string        `json:"running"`          // the running system's version
	Slot     string        `json:"slot"`             // it is in
	Progress Progress      `json:"progress"`         // of an installation
	Waits    words.Message `json:"waits,omitzero"`   // for what, if it does
	Trouble  words.Message `json:"trouble,omitzero"` // what people should know; the door shows it as a fault
}

// Reply is what the door gets for its report.
type Reply struct {
	Trouble words.Message `json:"trouble,omitzero"`
	Test    bool          `json:"test"` // the door is asked for its self-test
}

// Errors of [Agent.Install]. Their texts are codes.
var (
	ErrBusy    = errors.New("update-busy")     // there is one under way
	ErrOnTrial = errors.New("update-on-trial") // the running system has not been committed yet
	ErrSecret  = errors.New("update-secret")   // the address of the bundle has a user or password in it
	ErrStopped = errors.New("update-stopped")
)

// ErrNoAgent is what somebody is told who wants an update where there are none.
var ErrNoAgent = errors.New("no update agent is running here: only a card image of intercomd updates itself (elsewhere: apt)")

const (
	reportsLast = 15 * time.Second // after that a door that does not report is silent
	restFor     = 5 * time.Second  // how long a door is at rest before it is disturbed
	lookEvery   = time.Second
	doorAwaited = 10 * time.Minute // a door that is silent for so long is not waited for
	callLimit   = time.Hour        // no call keeps a system that failed its trial for longer
	mostTrials  = 3                // of one installation
	controlTime = 5 * time.Minute  // in which the old system registers if the new one was why
)

// Agent takes updates from the asking to their end. [Agent.Run] owns all state; the other
// methods ask it and may be called from anywhere.
type Agent struct {
	cfg  Config
	asks chan func()
	done chan struct{}

	rec      Record
	slot     string
	onTrial  bool
	trial    *Trial
	last     Judgement
	restarts bool // a restart has been asked for

	facts   *Facts
	heard   time.Time // the last report
	resting time.Time // since when the door is at rest
	started time.Time
	back    time.Time // when a trial ended for the worse
	steady  time.Time // since when the door is registered, after an inconclusive trial

	progress  Progress
	waits     words.Message
	installed chan error // of the running installation; nil: none
	endWork   context.CancelFunc
}

// NewAgent makes one; nothing happens before Run.
func NewAgent(cfg Config) *Agent {
	return &Agent{cfg: cfg, asks: make(chan func()), done: make(chan struct{})}
}

// Run is the agent, until ctx ends.
func (a *Agent) Run(ctx context.Context) {
	defer close(a.done)
	a.started = time.Now()
	a.resume()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if a.installed != nil {
				a.endWork()
				if err := <-a.installed; err != nil {
					a.cfg.Log.Warn("update: ending in the middle of an installation", "error", err)
				}
			}
			return
		case f := <-a.asks:
			f()
		case err := <-a.installed:
			a.written(err)
		case <-tick.C:
		}
		a.step(ctx)
	}
}

// ask has do carried out by Run.
func (a *Agent) ask(ctx context.Context, do func()) error {
	did := make(chan struct{})
	select {
	case a.asks <- func() { do(); close(did) }:
		<-did
		return nil
	case <-a.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // whoever asked knows
	}
}

// Report takes what the door reports.
func (a *Agent) Report(ctx context.Context, f Facts) (r Reply, err error) {
	err = a.ask(ctx, func() {
		now := time.Now()
		a.facts, a.heard = &f, now
		switch {
		case !f.AtRest:
			a.resting = time.Time{}
		case a.resting.IsZero():
			a.resting = now
		}
		a.judge(now)
		r = Reply{Trouble: a.trouble(), Test: a.last.Test}
	})
	return r, err
}

// Status tells how the update stands.
func (a *Agent) Status(ctx context.Context) (s Status, err error) {
	err = a.ask(ctx, func() {
		s = Status{Record: a.rec, Running: a.cfg.Version, Slot: a.slot, Progress: a.progress, Waits: a.waits, Trouble: a.trouble()}
		s.Before = nil
	})
	return s, err
}

// Install asks for an update. It returns when that is written down: what becomes of it is
// in the status.
func (a *Agent) Install(ctx context.Context, b Bundle) error {
	if u, err := url.Parse(b.Source); err == nil && u.User != nil {
		return ErrSecret // status, history and log show the address
	}
	var refused error
	err := a.ask(ctx, func() {
		switch {
		case a.onTrial:
			refused = ErrOnTrial
		case a.rec.Stage == Wanted, a.rec.Stage == Installing, a.restarts:
			refused = ErrBusy
		default:
			was := a.rec
			if refused = a.enter(Wanted, Record{Bundle: b, Old: a.cfg.Version, From: a.slot}); refused != nil {
				a.rec = was
			}
		}
	})
	return errors.Join(err, refused)
}

// Inspect reads what a bundle is.
func (a *Agent) Inspect(ctx context.Context, source string) (Info, error) {
	return a.cfg.Installer.Inspect(ctx, source) //nolint:wrapcheck // it tells all
}

// Forget takes the trouble of the last update from the door. It is for people who have read it.
func (a *Agent) Forget(ctx context.Context) error {
	var failed error
	err := a.ask(ctx, func() {
		if a.rec.Stage == WentBack || a.rec.Stage == Failed {
			failed = a.enter(Nothing, Record{})
		}
	})
	return errors.Join(err, failed)
}

// enter writes down that an update has come to a stage. What has become of it is history.
func (a *Agent) enter(s Stage, r Record) error {
	r.Stage, r.At = s, time.Now().Round(time.Second)
	err := a.cfg.Store.Save(r)
	if err != nil {
		a.cfg.Log.Error("update", "stage", s, "error", err)
	}
	a.rec, a.waits = r, words.Message{}
	switch s {
	case Committed, WentBack, Failed:
		e := Entry{At: r.At, Stage: s, Version: r.Version, Old: r.Old, Source: r.Source, Why: r.Why}
		if herr := a.cfg.Store.Append(e); herr != nil {
			a.cfg.Log.Error("update", "error", herr)
		}
	default:
	}
	log := a.cfg.Log.With("stage", s, "version", r.Version)
	switch {
	case r.Why.None():
		log.Info("update")
	default:
		log.Error("update", "why", r.Why.String())
	}
	return err
}

// resume finds out after a start what has become of the update that was under way.
func (a *Agent) resume() {
	rec, err := a.cfg.Store.Load()
	if err != nil {
		a.cfg.Log.Error("update", "error", err)
	}
	a.rec = rec
	a.slot, a.onTrial = a.cfg.Machine.Running()
	if a.onTrial {
		a.trial = NewTrial(time.Now(), rec.Before, a.cfg.Limits)
		if rec.Stage == OnTrial && rec.Boot == a.cfg.Boot {
			return // only this program was started anew
		}
		switch {
		case rec.To != "" && rec.To != a.slot, rec.Stage != Installing && rec.Stage != Installed:
			rec = Record{} // somebody else has asked for this trial
			a.trial = NewTrial(time.Now(), nil, a.cfg.Limits)
		default:
		}
		rec.To, rec.Version, rec.Boot, rec.Why, rec.Inconclusive = a.slot, a.cfg.Version, a.cfg.Boot, words.Message{}, false
		rec.Trials++
		_ = a.enter(OnTrial, rec)
		return
	}
	pending, err := a.cfg.Machine.Pending()
	if err != nil {
		a.cfg.Log.Error("update: the card cannot be asked", "error", err)
	}
	switch rec.Stage {
	case Wanted: // nothing was written yet
	case Installing:
		if pending == "" {
			rec.Why = words.New("update-interrupted")
			_ = a.enter(Failed, rec)
			return
		}
		rec.To = pending
		_ = a.enter(Installed, rec)
	case Installed, OnTrial:
		switch {
		case rec.To == a.slot:
			_ = a.enter(Committed, rec)
		case pending == rec.To && rec.Stage == Installed: // the power went before the restart
			if err := a.cfg.Machine.Try(pending); err != nil {
				a.cfg.Log.Error("update", "error", err)
			}
		default:
			a.wentBack(rec)
		}
	case Committed:
		if rec.To != a.slot && rec.To != "" { // later, and not by us
			rec.Why = words.New("update-broke-later", "detail", a.machineWhy())
			_ = a.enter(WentBack, rec)
		}
	case WentBack:
		a.back = time.Now()
	case Nothing, Failed:
	}
}

// wentBack notes that a trial has ended, and what is known of why.
func (a *Agent) wentBack(rec Record) {
	if rec.Why.None() {
		rec.Why = words.New("trial-ended-silently", "detail", a.machineWhy())
	}
	a.back = time.Now()
	_ = a.enter(WentBack, rec)
}

func (a *Agent) machineWhy() string {
	why, err := a.cfg.Machine.Why()
	if err != nil {
		a.cfg.Log.Error("update: the card cannot be asked", "error", err)
	}
	return why
}

// trouble is what the door should show.
func (a *Agent) trouble() words.Message {
	switch a.rec.Stage {
	case WentBack:
		return words.New("update-went-back", "version", a.rec.Version).Because(a.rec.Why)
	case Failed:
		return words.New("update-failed", "version", a.rec.Version).Because(a.rec.Why)
	case OnTrial:
		if !a.rec.Why.None() {
			return words.New("update-going-back", "version", a.rec.Version).Because(a.rec.Why)
		}
	default:
	}
	return words.Message{}
}

// step does what is due.
func (a *Agent) step(ctx context.Context) {
	now := time.Now()
	if a.restarts {
		return
	}
	a.judge(now)
	switch a.rec.Stage {
	case Wanted:
		if a.atRest(now) {
			a.install(ctx)
		}
	case Installed:
		if a.mayRestart(now) {
			a.tryIt()
		}
	case WentBack:
		a.again(now)
	default:
	}
}

// atRest tells whether the door may be disturbed. One that has been silent for long works
// so badly that nothing is lost.
func (a *Agent) atRest(now time.Time) bool {
	if now.Sub(a.heard) > reportsLast {
		a.waits = words.New("update-waits-door")
		return now.Sub(later(a.heard, a.started)) >= doorAwaited
	}
	if a.resting.IsZero() || now.Sub(a.resting) < restFor {
		a.waits = words.New("update-waits-rest")
		return false
	}
	a.waits = words.Message{}
	return true
}

func (a *Agent) mayRestart(now time.Time) bool {
	if !a.rec.Now && a.cfg.Hours != nil && !a.cfg.Hours(now) {
		a.waits = words.New("update-waits-hours")
		return false
	}
	return a.atRest(now)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// install begins to write the bundle. It goes on by itself; Run hears of its end.
func (a *Agent) install(ctx context.Context) {
	if a.enter(Installing, a.rec) != nil {
		rec := a.rec
		rec.Why = words.New("update-not-kept")
		_ = a.enter(Failed, rec)
		return
	}
	ctx, a.endWork = context.WithCancel(ctx)
	a.progress = Progress{}
	done := make(chan error, 1)
	a.installed = done
	b := a.rec.Bundle
	go func() {
		info, err := a.cfg.Installer.Inspect(ctx, b.Source)
		if err == nil {
			_ = a.ask(ctx, func() { a.rec.Version = info.Version })
			err = a.cfg.Installer.Install(ctx, b, func(p Progress) {
				_ = a.ask(ctx, func() { a.progress = p })
			})
		}
		done <- err
	}()
}

// written is the end of an installation.
func (a *Agent) written(err error) {
	a.endWork()
	a.installed = nil
	rec := a.rec
	if err == nil {
		rec.To, err = a.cfg.Machine.Pending()
		if err == nil && rec.To == "" {
			err = &words.Error{Message: words.New("update-not-installed-slot")}
		}
	}
	if err != nil {
		var told bool
		if rec.Why, told = words.Told(err); !told {
			rec.Why = words.Because(words.New("update-not-installed"), err)
		}
		_ = a.enter(Failed, rec)
		return
	}
	rec.Before = a.now()
	_ = a.enter(Installed, rec)
}

// now are the door's facts, nil if it is silent.
func (a *Agent) now() *Facts {
	if a.facts == nil || time.Since(a.heard) > reportsLast {
		return nil
	}
	return a.facts
}

// tryIt restarts for the trial.
func (a *Agent) tryIt() {
	rec := a.rec
	rec.Before = a.now()
	if a.enter(Installed, rec) != nil {
		return // the new system would know nothing of the old one: again in a second
	}
	if err := errors.Join(a.cfg.Machine.Try(rec.To), a.cfg.Machine.Restart()); err != nil {
		a.cfg.Log.Error("update: the restart for the trial failed", "error", err)
		return
	}
	a.restarts = true
}

// judge looks at the running trial.
func (a *Agent) judge(now time.Time) {
	if a.rec.Stage != OnTrial || a.restarts {
		return
	}
	if !a.rec.Why.None() { // it is lost already, and a call goes on
		a.leave(now)
		return
	}
	j := a.trial.Look(now, a.now())
	if j.Why != a.last.Why {
		a.cfg.Log.Info("update on trial", "waits", j.Why.String(), "server", j.Waiting)
	}
	if j.Waiting != a.rec.Inconclusive && j.Verdict == Undecided {
		// Should the power go now, nothing is proven against the new system.
		a.rec.Inconclusive = j.Waiting
		if err := a.cfg.Store.Save(a.rec); err != nil {
			a.cfg.Log.Error("update", "error", err)
		}
	}
	a.last, a.waits = j, j.Why
	switch j.Verdict {
	case Commit:
		if err := a.cfg.Machine.Commit(); err != nil {
			a.cfg.Log.Error("update: the commit failed", "error", err)
			a.lose(now, words.Because(words.New("update-commit-failed"), err), false)
			return
		}
		a.onTrial = false
		_ = a.enter(Committed, a.rec)
	case Back:
		a.lose(now, j.Why, j.Inconclusive)
	case Undecided:
	}
}

// lose ends a trial for the worse.
func (a *Agent) lose(now time.Time, why words.Message, inconclusive bool) {
	rec := a.rec
	rec.Why, rec.Inconclusive = why, inconclusive
	_ = a.enter(OnTrial, rec)
	a.back = now
	a.last.Test = false
	a.leave(now)
}

// leave restarts into the old system, after a call if there is one.
func (a *Agent) leave(now time.Time) {
	if f := a.now(); f != nil && !f.AtRest && now.Sub(a.back) < callLimit {
		return
	}
	if err := a.cfg.Machine.GiveUp(a.rec.Why.String()); err != nil {
		a.cfg.Log.Error("update: giving up", "error", err) // the restart leads back all the same
	}
	if err := a.cfg.Machine.Restart(); err != nil {
		a.cfg.Log.Error("update: the restart into the old system failed", "error", err)
		return
	}
	a.restarts = true
}

// again tries an update once more whose trial proved nothing. The old system is the control:
// if it registers soon after its start, then the new one was why; if it does not either, the
// server was, and the new one is tried again when the old one is registered.
func (a *Agent) again(now time.Time) {
	if !a.rec.Inconclusive || a.rec.Trials >= mostTrials || a.rec.To == "" {
		return
	}
	if !registered(a.now()) {
		a.steady = time.Time{}
		return
	}
	if a.steady.IsZero() {
		a.steady = now
	}
	if a.steady.Sub(a.started) < controlTime {
		rec := a.rec
		rec.Inconclusive = false
		if err := a.cfg.Store.Save(rec); err == nil {
			a.rec = rec
		}
		return
	}
	if now.Sub(a.steady) < a.cfg.Limits.Steady || !a.mayRestart(now) {
		return
	}
	if err := a.cfg.Machine.Try(a.rec.To); err != nil {
		a.cfg.Log.Error("update: another trial", "error", err)
		return
	}
	rec := a.rec
	rec.Why, rec.Inconclusive = words.Message{}, false
	a.rec = rec
	a.tryIt()
}

// registered tells whether the door is, with each account.
func registered(f *Facts) bool {
	if f == nil || len(f.Accounts) == 0 {
		return false
	}
	for _, a := range f.Accounts {
		if !a.Registered {
			return false
		}
	}
	return true
}

// String is the version and the stage, for logs.
func (r Record) String() string { return fmt.Sprintf("%s: %s", r.Version, r.Stage) }
