package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"intercomd/configs"
	"intercomd/store"
	"intercomd/words"
)

// Times of a trial.
const (
	// TrialLasts is how long a change is tried before it is taken back, unless somebody keeps it.
	TrialLasts = 5 * time.Minute
	// BackAfter is how long a door may be without the registration that it had before.
	BackAfter = time.Minute
	lookEvery = time.Second
)

// Errors of a [Keeper]. Their texts are codes; package words has the sentences.
var (
	ErrOnTrial       = errors.New("setup-on-trial")       // one thing at a time
	ErrNoTrial       = errors.New("setup-no-trial")       // there is nothing to keep or to take back
	ErrOtherTrial    = errors.New("setup-other-trial")    // nor what is meant
	ErrNotYet        = errors.New("setup-not-yet")        // the door has not begun with it
	ErrNotRegistered = errors.New("setup-not-registered") // the door was registered before, and is not
	ErrSame          = errors.New("setup-same")           // nothing was changed
	ErrNoVersion     = errors.New("setup-no-version")
	ErrElsewhere     = errors.New("setup-elsewhere") // the configuration comes from the fleet's server
	ErrNotKept       = errors.New("setup-not-kept")  // the state directory cannot be written to
	ErrChanged       = errors.New("setup-changed")   // meanwhile, by somebody else
)

// Code is the code of an error of this package, "failed" of any other.
func Code(err error) string {
	for _, known := range []error{ErrOnTrial, ErrNoTrial, ErrOtherTrial, ErrNotYet, ErrNotRegistered, ErrSame, ErrNoVersion, ErrElsewhere, ErrNotKept, ErrChanged,
		ErrNoPerson, ErrNoName, ErrTaken, ErrNoDigits} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if _, faulty := errors.AsType[configs.Faults](err); faulty {
		return "setup-faults"
	}
	return "failed"
}

// Config is what a [Keeper] works with.
type Config struct {
	Dir  string // of what is kept
	File string // of the installer
	// Judge reads a text as though it stood in File. The error is of type [configs.Faults].
	Judge func(text []byte) (*configs.Config, error)
	// Elsewhere says that the configuration comes from somewhere else: nothing is changed here.
	Elsewhere bool
	Log       *slog.Logger
}

// Door is what a keeper knows of the door that runs. Its methods do not wait.
type Door interface {
	// Registered reports whether the door is, with each account, and why not.
	Registered() (bool, words.Message)
	// Anew has the door made anew of what [Keeper.Running] tells then, as soon as no call is up.
	Anew()
	// Live changes the running door where that needs no other: it reports whether it has done
	// so, with all that differs.
	Live(was, is *configs.Config) bool
	// Told hears what the keeper did by itself.
	Told(o Outcome, v Version)
}

// Trial is a change that is being tried.
type Trial struct {
	Version
	Begun time.Time // zero: the door has not begun with it, because a call is up
	Until time.Time
}

// Status is how things stand. It is a value.
type Status struct {
	InForce   Version // ID 0: the installer's file
	Trial     *Trial
	Note      words.Message // why what was in force is not any more
	Versions  []Version     // the latest first
	Elsewhere bool
	Broken    words.Message // what is kept cannot be read
}

// Keeper keeps what was set up. It outlives the doors that are made of it. Its methods may be
// called from any number of goroutines.
type Keeper struct {
	cfg Config

	mu       sync.Mutex
	st       state
	broken   words.Message
	file     []byte // of the installer, as it was at the start
	door     Door   // that runs; nil: none
	trial    *Trial
	undo     func() bool   // takes the trial back in the running door; nil: only another one can
	was      bool          // the door was registered before the trial
	unsteady time.Time     // since when the door on trial is without registration
	started  chan struct{} // the clock of a trial: Run looks at it from now on
	cut      func(step string) error
}

// Open reads what is kept and brings it up to date with the installer's file. What cannot be read
// is said by [Keeper.Status]; the file is in force then.
func Open(cfg Config) *Keeper {
	k := &Keeper{cfg: cfg, started: make(chan struct{}, 1), cut: func(string) error { return nil }}
	file, err := store.ReadFile(cfg.File, mostText)
	if err == nil {
		k.file = file
	}
	if k.st, err = load(cfg.Dir); err != nil {
		k.broken = words.Because(words.New("setup-broken"), err)
		cfg.Log.Error("configuration of the page", "error", err)
	}
	if k.st.settle(cfg.Dir, k.file) {
		if !k.st.Note.None() {
			cfg.Log.Warn("the installer's file counts again", "why", k.st.Note.String())
		}
		if err := save(cfg.Dir, &k.st); err != nil {
			cfg.Log.Error("configuration of the page", "error", err)
		}
	}
	_ = os.Remove(filepath.Join(cfg.Dir, ResetFile)) // the state has it now, or there is none
	return k
}

// Running is the text of which the door is to be made; nil is the installer's file.
func (k *Keeper) Running() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cfg.Elsewhere {
		return nil
	}
	return k.running()
}

func (k *Keeper) running() []byte {
	id := k.st.InForce
	if k.trial != nil {
		id = k.trial.ID
	}
	if id == 0 {
		return nil
	}
	text, err := textOf(k.cfg.Dir, k.st.version(id))
	if err != nil {
		k.cfg.Log.Error("configuration of the page", "error", err)
		return nil
	}
	return text
}

// Text is the text that a change begins with: the one that is tried, or in force.
func (k *Keeper) Text() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text()
}

func (k *Keeper) text() []byte {
	if text := k.running(); text != nil {
		return text
	}
	return bytes.Clone(k.file)
}

// TextOf is the text of a version.
func (k *Keeper) TextOf(id int) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text, err := textOf(k.cfg.Dir, k.st.version(id))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoVersion, err)
	}
	return text, nil
}

// Status tells how things stand.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Status{Note: k.st.Note, Versions: slices.Clone(k.st.Versions), Elsewhere: k.cfg.Elsewhere, Broken: k.broken}
	slices.Reverse(s.Versions)
	if v := k.st.version(k.st.InForce); v != nil {
		s.InForce = *v
	}
	if k.trial != nil {
		t := *k.trial
		s.Trial = &t
	}
	return s
}

// Begun tells that a door made of what [Keeper.Running] told is at work; nil that there is none.
func (k *Keeper) Begun(d Door) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.door = d
	if k.trial != nil && d != nil && k.trial.Begun.IsZero() {
		k.begun()
	}
}

// begun starts the clock of the trial.
func (k *Keeper) begun() {
	k.trial.Begun = time.Now()
	k.trial.Until = k.trial.Begun.Add(TrialLasts)
	k.unsteady = k.trial.Begun
	select {
	case k.started <- struct{}{}:
	default:
	}
}

// Try begins a trial of a text: of the running door if that can take it as it is, else of another
// one as soon as no call is up. People and codes are kept at once where the running door can take
// them. The
// error is of type [configs.Faults] if that is not used; faults that the door can do without are
// no reason.
func (k *Keeper) Try(text []byte, by Who, how How) (Version, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	cfg, err := k.judge(text)
	if err != nil {
		return Version{}, err
	}
	was := k.text()
	st := k.st.clone()
	if st.InForce == 0 { // what there was is worth keeping, too
		hash := hashOf(was)
		last := slices.IndexFunc(st.Versions, func(v Version) bool { return v.Outcome == Original && v.Hash == hash })
		if last < 0 {
			if err := k.add(&st, was, Version{How: ByFile, Outcome: Original}); err != nil {
				return Version{}, err
			}
		}
	}
	old, _ := k.cfg.Judge(was) // complete in any case
	if err := k.add(&st, text, Version{By: by, How: how, Outcome: OnTrial}); err != nil {
		return Version{}, err
	}
	v := st.Versions[len(st.Versions)-1]
	live := k.door.Live(old, cfg)
	if live && how == ByPeople { // nobody can be cut off by it
		st.keep(v.ID, k.file)
	}
	if err := k.enter(st); err != nil {
		if live {
			k.door.Live(cfg, old)
		}
		return Version{}, err
	}
	if k.st.InForce == v.ID {
		return *k.st.version(v.ID), nil
	}
	k.was, _ = k.door.Registered()
	k.trial, k.undo = &Trial{Version: v}, nil
	if !live {
		k.door.Anew()
		return v, nil
	}
	door := k.door
	k.undo = func() bool { return k.door == door && door.Live(cfg, old) }
	k.begun()
	return v, nil
}

// keep makes a version the one in force, in place of a file.
func (s *state) keep(id int, file []byte) {
	s.version(id).Outcome, s.InForce, s.Base, s.Note = Kept, id, hashOf(file), words.Message{}
}

// Check says why [Keeper.Try] would refuse a text now; nil if it would not. Nothing is changed.
func (k *Keeper) Check(text []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.judge(text)
	return err
}

// judge is the configuration of a text that may be tried. The caller has the lock.
func (k *Keeper) judge(text []byte) (*configs.Config, error) {
	switch {
	case k.cfg.Elsewhere:
		return nil, ErrElsewhere
	case k.trial != nil:
		return nil, ErrOnTrial
	case k.door == nil:
		return nil, ErrNotYet
	case bytes.Equal(k.text(), text):
		return nil, ErrSame
	}
	cfg, err := k.cfg.Judge(text)
	if list, faulty := errors.AsType[configs.Faults](err); faulty && slices.ContainsFunc(list, func(f configs.Fault) bool { return !f.Optional }) || err != nil && !faulty {
		return nil, err
	}
	return cfg, nil
}

// add writes the text of a new version, which the state names then.
func (k *Keeper) add(st *state, text []byte, v Version) error {
	v.ID, v.Hash, v.At = st.Next, hashOf(text), time.Now().Round(time.Second)
	err := k.cut("text")
	if err == nil {
		err = os.MkdirAll(k.cfg.Dir, 0o700)
	}
	if err == nil {
		err = store.WriteFile(filepath.Join(k.cfg.Dir, textName(v.ID)), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	st.Next++
	st.Versions = append(st.Versions, v)
	return nil
}

// enter makes a state the one that counts.
func (k *Keeper) enter(st state) error {
	err := k.cut("state")
	if err == nil {
		err = save(k.cfg.Dir, &st)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	k.st, k.broken = st, words.Message{}
	return k.cut("entered")
}

// Keep ends the trial of a version, 0 for whichever it is: what was tried is in force from now on.
func (k *Keeper) Keep(id int) (Version, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.tries(id); err != nil {
		return Version{}, err
	}
	if k.trial.Begun.IsZero() || k.door == nil {
		return Version{}, ErrNotYet
	}
	if ok, _ := k.door.Registered(); !ok && k.was {
		return Version{}, ErrNotRegistered
	}
	st := k.st.clone()
	st.keep(k.trial.ID, k.file)
	if err := k.enter(st); err != nil {
		return Version{}, err
	}
	k.trial = nil
	return *k.st.version(st.InForce), nil
}

// tries says that a version is on trial, 0 for any. Whoever keeps or takes back what they saw means no change
// that somebody else has begun since. The caller has the lock.
func (k *Keeper) tries(id int) error {
	switch {
	case k.trial == nil:
		return ErrNoTrial
	case id != 0 && id != k.trial.ID:
		return ErrOtherTrial
	}
	return nil
}

// GoBack ends the trial of a version, 0 for whichever it is: what was in force before is so again.
func (k *Keeper) GoBack(id int) (Version, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.tries(id); err != nil {
		return Version{}, err
	}
	return k.goBack(words.New("setup-unwanted"))
}

func (k *Keeper) goBack(why words.Message) (Version, error) {
	if k.trial == nil {
		return Version{}, ErrNoTrial
	}
	st := k.st.clone()
	v := st.version(k.trial.ID)
	v.Outcome, v.Why = Back, why
	gone := *v
	undo := k.undo
	k.trial, k.undo = nil, nil
	err := k.enter(st) // what is in force has not changed: a card that fails keeps nobody on trial
	if err != nil {
		k.cfg.Log.Error("configuration of the page", "error", err)
		k.st = st
	}
	if undo != nil && undo() {
		return gone, nil
	}
	if k.door != nil {
		k.door.Anew()
	}
	return gone, nil
}

// Forget has the installer's file in force again, as a trial: unless somebody keeps it, what was
// set up comes back. It is the same as trying that text.
func (k *Keeper) Forget(by Who) (Version, error) { return k.Try(k.Original(), by, ByFile) }

// Original is the installer's file.
func (k *Keeper) Original() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Clone(k.file)
}

// Run takes back what nobody keeps, until ctx ends. While nothing is on trial it wakes up for
// nothing.
func (k *Keeper) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.started:
			k.watch(ctx)
		}
	}
}

// watch looks at a trial until it ends.
func (k *Keeper) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !k.look(time.Now()) {
				return
			}
		}
	}
}

// look takes a trial back whose time is over, or that has cost the door its registration. It
// reports whether there is one to look at again.
func (k *Keeper) look(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.trial == nil || k.trial.Begun.IsZero() {
		return false
	}
	if k.door == nil {
		return true
	}
	ok, why := k.door.Registered()
	if ok {
		k.unsteady = now
	}
	switch {
	case k.was && now.Sub(k.unsteady) >= BackAfter:
		if why.None() {
			why = words.New("not-registered-yet")
		}
		why = words.New("setup-no-registration").Because(why)
	case now.Sub(k.trial.Begun) >= TrialLasts:
		why = words.New("setup-unconfirmed")
	default:
		return true
	}
	door := k.door
	v, _ := k.goBack(why) // there is a trial
	k.cfg.Log.Warn("configuration of the page: taken back", "version", v.ID, "why", why.String())
	door.Told(Back, v)
	return k.trial != nil
}
