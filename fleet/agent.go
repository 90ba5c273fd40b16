package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"intercomd/configs"
	"intercomd/store"
	"intercomd/update"
	"intercomd/words"
)

// Server is where the files are; [Client] is one.
type Server interface {
	Get(ctx context.Context, name, etag string, most int) (Answer, error)
}

// Door is the door that is fed. Its methods may be called from any goroutine and do not wait.
type Door interface {
	// Registered reports whether the door is, with each account, and why not.
	Registered() (bool, words.Message)
	// Show shows what is wrong with one of the parts below until it is shown anew; no message
	// is nothing wrong.
	Show(part string, m words.Message)
	// StartAnew ends the daemon, for another to begin with other settings, as soon as no call is
	// up. It may be called again.
	StartAnew(why string)
}

// The parts of [Door.Show].
const (
	PartSettings = "fleet.settings"
	PartServer   = "fleet.server"
	PartUpdates  = "fleet.updates"
)

// Updates is the update agent.
type Updates interface {
	Status(ctx context.Context) (update.Status, error)
	Inspect(ctx context.Context, source string) (update.Info, error)
	Install(ctx context.Context, b update.Bundle) error
}

// ErrNoUpdates is what [Updates] answer where the system does not update itself.
var ErrNoUpdates = errors.New("this system does not update itself")

// Config is what an [Agent] works with.
type Config struct {
	Dir      string // of what is kept
	Own      string // the door's own file
	Alone    bool   // the door can call with its own file alone
	Running  Choice // what the door runs with; zero: its own file
	Serial   string
	Server   Server
	Interval time.Duration
	Channel  string // of updates; "": none
	// URLOf is the address of a file of the server, to which an index is relative.
	URLOf func(name string) string
	// Judge finds what is wrong with files. What does not keep the door from calling is an error too.
	Judge   func([]configs.Layer) error
	Door    Door
	Updates Updates // nil: nothing is updated
	Log     *slog.Logger
}

// Times of an agent.
const (
	firstWithin  = 5 * time.Minute // after a start: so that a thousand doors after a power cut do not come at once
	firstAtOnce  = 5 * time.Second // of a door that has nothing to ring with
	retryFirst   = time.Minute     // doubled by each failure, up to the interval
	lookEvery    = 5 * time.Second
	confirmAfter = time.Minute     // registered without a break
	backAfter    = 5 * time.Minute // without having registered
	outOfReach   = 24 * time.Hour  // then people are told
	askAgain     = 24 * time.Hour  // for an update that was not installed
	mostTries    = 3               // of a configuration whose trials proved nothing
	mostFiles    = 16              // beside a configuration
	mostBody     = 1 << 20         // of one file
	pollLimit    = 5 * time.Minute
)

// Status is how things stand, for people. It is a value.
type Status struct {
	Serial   string        `json:"serial"`
	InForce  string        `json:"inForce"` // hash; "": the door's own file alone
	Trial    bool          `json:"trial"`
	Refused  words.Message `json:"refused,omitzero"` // why the latest configuration is not in force
	Reached  time.Time     `json:"reached,omitzero"` // the last time that the server answered as it should
	Problem  string        `json:"problem,omitempty"`
	Next     time.Time     `json:"next,omitzero"` // the next time that it is asked
	Channel  string        `json:"channel,omitempty"`
	Version  string        `json:"version,omitempty"` // of the channel
	Place    float64       `json:"place"`             // of the door in the row for that version, in percent
	Update   string        `json:"update,omitempty"`  // what came of it
	NotTaken string        `json:"notTaken,omitempty"`
}

// Agent feeds a door. [Agent.Run] owns all state; the other methods may be called from anywhere.
type Agent struct {
	cfg    Config
	now    chan struct{}
	status atomic.Pointer[Status]

	st      State
	view    Status
	fails   int
	started time.Time
	steady  time.Time // since when the door is registered
	trial   bool      // what runs is on trial
	leaving bool      // the door has been told to start anew
	index   Answer    // of the channel; belongs to the poll that is under way
}

// NewAgent makes one; nothing happens before Run.
func NewAgent(cfg Config) *Agent {
	a := &Agent{cfg: cfg, now: make(chan struct{}, 1), trial: cfg.Running.Trial}
	a.status.Store(&Status{Serial: cfg.Serial})
	return a
}

// Now asks the server as soon as possible.
func (a *Agent) Now() {
	select {
	case a.now <- struct{}{}:
	default:
	}
}

// Status tells how things stand.
func (a *Agent) Status() Status { return *a.status.Load() }

// Run is the agent, until ctx ends.
func (a *Agent) Run(ctx context.Context) {
	a.started = time.Now()
	var err error
	if a.st, err = load(a.cfg.Dir); err != nil {
		a.cfg.Log.Error("fleet", "error", err) // as if nothing had ever been fetched
	}
	if r := a.st.Refused; r != nil && r.Why.Code == "fleet-refused" {
		a.st.Seen, a.st.ETags = "", nil // this version, or the door's own file, may see it in another way
	}
	a.view = Status{Serial: a.cfg.Serial, InForce: a.cfg.Running.Hash, Trial: a.trial, Channel: a.cfg.Channel}
	a.showSettings()
	first := time.NewTimer(within(min(firstWithin, a.cfg.Interval)))
	if a.cfg.Running.Hash == "" {
		first.Reset(within(firstAtOnce))
	}
	defer first.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	polls := make(chan polled, 1)
	asking := false
	ask := func() {
		if asking || a.leaving {
			return
		}
		asking = true
		st := a.st
		st.ETags = maps.Clone(st.ETags)
		go func() { polls <- a.poll(ctx, st) }()
	}
	for {
		select {
		case <-ctx.Done():
			if asking {
				<-polls
			}
			return
		case <-a.now:
			ask()
		case <-first.C:
			ask()
		case p := <-polls:
			asking = false
			wait := a.polled(p)
			a.view.Next = time.Now().Add(wait).Round(time.Second)
			first.Reset(wait)
		case <-tick.C:
			a.look(time.Now())
		}
		view := a.view
		a.status.Store(&view)
	}
}

// within is a moment by chance.
func within(d time.Duration) time.Duration { return rand.N(max(d, 1)) } //nolint:gosec // no secret

// about is a time that differs from door to door and from time to time.
func about(d time.Duration) time.Duration { return d*3/4 + within(d/2) }

// look watches a trial, and what came after one.
func (a *Agent) look(now time.Time) {
	registered, why := a.cfg.Door.Registered()
	switch {
	case !registered:
		a.steady = time.Time{}
	case a.steady.IsZero():
		a.steady = now
	}
	steady := registered && now.Sub(a.steady) >= confirmAfter
	switch r := a.st.Refused; {
	case a.leaving:
	case a.trial && steady:
		a.confirm()
	case a.trial && !registered && now.Sub(a.started) >= backAfter && (a.st.Good != "" || a.cfg.Alone):
		a.goBack(why)
	case a.trial || r == nil || r.Proven || !registered:
	case a.steady.Sub(a.started) < backAfter: // the old one can, the new one could not
		st := a.st
		st.Refused = &Refused{Hash: r.Hash, Why: r.Why, At: r.At, Proven: true}
		a.enter(st)
	case steady && a.st.Tries < mostTries: // neither could: the server of calls was why
		a.tryNext(r.Hash)
	}
}

// enter writes a state down; ok tells that this is so.
func (a *Agent) enter(st State) (ok bool) {
	if err := save(a.cfg.Dir, st); err != nil {
		m := words.Because(words.New("fleet-not-kept"), err)
		a.cfg.Door.Show(PartSettings, m)
		a.cfg.Log.Error(m.String())
		return false
	}
	a.st = st
	a.showSettings()
	return true
}

// showSettings shows what is wrong with the configuration.
func (a *Agent) showSettings() {
	var m words.Message
	switch {
	case a.st.Refused != nil && a.st.Refused.Proven:
		m = a.st.Refused.Why
	case a.st.Refused != nil:
		m = words.New("fleet-went-back").Because(a.st.Refused.Why)
	case a.cfg.Running.Hash == "" && !a.cfg.Alone:
		m = words.New("fleet-waiting", "file", a.cfg.Serial+".toml")
	}
	if m.Code != a.view.Refused.Code && !m.None() {
		a.cfg.Log.Error(m.String(), "remedy", m.Remedy())
	}
	a.view.Refused = m
	a.cfg.Door.Show(PartSettings, m)
}

func (a *Agent) confirm() {
	st := a.st
	if st.Next == a.cfg.Running.Hash {
		if st.Good != st.Next {
			st.Before = st.Good
		}
		st.Good, st.Next, st.Starts, st.Tries, st.Refused = st.Next, "", 0, 0, nil
	}
	if a.enter(st) {
		a.cfg.Log.Info("fleet: the door has registered with the configuration, and keeps it", "configuration", st.Good)
		a.trial, a.view.Trial = false, false
	}
}

func (a *Agent) goBack(why words.Message) {
	if why.None() {
		why = words.New("fleet-not-registered")
	}
	st := a.st
	if st.Next == "" { // somebody has removed what was kept
		a.trial = false
		return
	}
	st.refuse(why, false)
	if a.enter(st) {
		a.leave("the door has not registered with the configuration from the fleet's server: back to the last good one")
	}
}

func (a *Agent) tryNext(hash string) {
	st := a.st
	st.Next, st.Starts = hash, 0
	if st.Refused != nil && st.Refused.Hash == hash {
		st.Refused = nil
	} else {
		st.Refused, st.Tries = nil, 0
	}
	if a.enter(st) {
		a.leave("there is another configuration on the fleet's server")
	}
}

func (a *Agent) leave(why string) {
	a.leaving = true
	a.cfg.Log.Info("fleet: " + why + "; starting anew when no call is up")
	a.cfg.Door.StartAnew(why)
}

// polled is what came of asking the server.
type polled struct {
	err     error // the server could not be asked
	missing bool  // it has no file for the door
	fresh   string
	etags   map[string]string
	faults  error // of the configuration that is there now
	kept    error // it could not be kept

	index   error // what is wrong with the index
	version string
	asked   Asked // an update
	did     string
	skipped bool // a system is on trial: one thing at a time
}

// polled takes the answers in. It tells how long to wait for the next time.
func (a *Agent) polled(p polled) time.Duration {
	now := time.Now()
	if p.skipped {
		return about(retryFirst)
	}
	if p.err != nil {
		a.fails++
		if a.view.Problem != p.err.Error() {
			a.cfg.Log.Warn("fleet: the server cannot be reached; the door carries on as it is", "error", p.err)
		}
		a.view.Problem = p.err.Error()
		since := a.view.Reached
		if since.IsZero() {
			since = a.started
		}
		if now.Sub(since) >= outOfReach || a.cfg.Running.Hash == "" && !a.cfg.Alone {
			a.cfg.Door.Show(PartServer, words.New("fleet-unreachable", "detail", p.err.Error()))
		}
		if we, ok := errors.AsType[*waitError](p.err); ok && we.wait > 0 {
			return max(we.wait, retryFirst) + within(retryFirst)
		}
		return about(min(a.cfg.Interval, retryFirst<<min(a.fails-1, 10)))
	}
	a.fails, a.view.Problem, a.view.Reached = 0, "", now.Round(time.Second)
	if p.missing && !a.cfg.Alone {
		a.cfg.Door.Show(PartServer, words.New("fleet-none", "file", a.cfg.Serial+".toml"))
	} else {
		a.cfg.Door.Show(PartServer, words.Message{})
	}
	a.updates(p)
	if p.fresh != "" || p.kept != nil {
		a.take(p)
	}
	return about(a.cfg.Interval)
}

// updates takes in what came of the channel.
func (a *Agent) updates(p polled) {
	a.view.Version, a.view.Update = p.version, p.did
	if p.version != "" {
		a.view.Place = Place(a.cfg.Serial, p.version)
	}
	var m words.Message
	if p.index != nil {
		m = words.New("fleet-index", "detail", p.index.Error())
		if a.view.NotTaken != p.index.Error() {
			a.cfg.Log.Error(m.String())
		}
		a.view.NotTaken = p.index.Error()
	} else {
		a.view.NotTaken = ""
	}
	a.cfg.Door.Show(PartUpdates, m)
	if p.asked != a.st.Asked {
		st := a.st
		st.Asked = p.asked
		a.enter(st)
	}
}

// take judges a configuration that is another one than before.
func (a *Agent) take(p polled) {
	if p.kept != nil {
		m := words.New("fleet-not-kept", "detail", p.kept.Error())
		a.cfg.Log.Error(m.String())
		a.cfg.Door.Show(PartSettings, m)
		return
	}
	st := a.st
	st.Seen, st.ETags = p.fresh, p.etags
	switch r := st.Refused; {
	case p.faults != nil:
		if r == nil || r.Hash != p.fresh {
			a.logFaults(p.faults)
		}
		st.Next, st.Starts = pick(st.Next == p.fresh, "", st.Next), 0
		st.Refused = &Refused{Hash: p.fresh, Why: refusal(p.faults), At: time.Now().Round(time.Second), Proven: true}
		a.enter(st)
	case r != nil && r.Hash == p.fresh && r.Why.Code != "fleet-refused", p.fresh == a.cfg.Running.Hash && st.Next == pick(a.trial, p.fresh, ""):
		if r != nil && r.Hash != p.fresh { // the server has gone back by itself
			st.Refused, st.Tries = nil, 0
		}
		a.enter(st)
	case a.runsGood(p.fresh): // nothing is to be tried any more
		st.Next, st.Starts, st.Refused, st.Tries = "", 0, nil, 0
		a.enter(st)
	default:
		was := a.st
		a.st = st
		if a.tryNext(p.fresh); !a.leaving {
			a.st = was // the next poll tries again
		}
	}
}

// runsGood reports whether a configuration is in force and confirmed.
func (a *Agent) runsGood(hash string) bool {
	return a.cfg.Running.Hash == hash && a.st.Good == hash
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func (a *Agent) logFaults(err error) {
	list, ok := errors.AsType[configs.Faults](err)
	if !ok {
		a.cfg.Log.Error("fleet: the configuration on the server is not used", "error", err)
	}
	for _, f := range list {
		a.cfg.Log.Error("fleet: the configuration on the server has a fault and is not used", "fault", f.String())
	}
}

// refusal is the fault to tell where there is room for one.
func refusal(err error) words.Message {
	list, ok := errors.AsType[configs.Faults](err)
	if !ok || len(list) == 0 {
		return words.Because(words.New("fleet-index"), err)
	}
	merit := func(f configs.Fault) (n int) { // what is missing is often only said in a line that is wrong
		if !f.Optional {
			n += 2
		}
		if !strings.HasPrefix(f.Code, "config-missing-") {
			n++
		}
		return n
	}
	f := slices.MaxFunc(list, func(a, b configs.Fault) int { return merit(a) - merit(b) })
	return words.New("fleet-refused", "place", f.Place(), "key", f.Key).Because(f.Message)
}

// poll asks the server for everything. It runs in a goroutine of its own, with a copy of the state.
func (a *Agent) poll(ctx context.Context, st State) (p polled) {
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	p.asked = st.Asked
	if a.cfg.Updates != nil && (a.cfg.Running.Hash != "" || a.cfg.Alone) {
		if now, err := a.cfg.Updates.Status(ctx); err == nil && now.Stage == update.OnTrial {
			p.skipped = true
			return p
		}
	}
	a.settings(ctx, st, &p)
	if p.err == nil && a.cfg.Channel != "" {
		a.channel(ctx, st, &p)
	}
	return p
}

// settings fetches the configuration. p.fresh stays empty if it is the one that was seen last.
func (a *Agent) settings(ctx context.Context, st State, p *polled) {
	seen := filepath.Join(a.cfg.Dir, prefix+st.Seen)
	if got, err := store.HashTree(seen); st.Seen == "" || err != nil || got != st.Seen {
		seen, st.ETags = "", nil
	}
	p.etags = map[string]string{}
	fresh := filepath.Join(a.cfg.Dir, freshDir)
	changed := seen == ""
	get := func(name, file string, needed bool) (found bool) {
		if p.err != nil || p.kept != nil {
			return false
		}
		ans, err := a.cfg.Server.Get(ctx, name, st.ETags[name], mostBody)
		if err != nil {
			p.err = err
			return false
		}
		body := ans.Body
		old, oldErr := os.ReadFile(filepath.Join(seen, file)) //nolint:gosec // below a folder of ours
		had := seen != "" && oldErr == nil
		switch {
		case ans.Missing:
			changed = changed || had
			if needed {
				p.missing = true
			}
			return false
		case ans.Unchanged && !had:
			p.err = fmt.Errorf("%s: the server says that it has not changed, and the door does not have it", name)
			return false
		case ans.Unchanged:
			body = old
		default:
			changed = changed || !had || string(old) != string(body)
		}
		if ans.ETag != "" {
			p.etags[name] = ans.ETag
		}
		to := filepath.Join(fresh, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), store.WriteFile(to, body, 0o600)); err != nil {
			p.kept = err
		}
		return true
	}
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o700)); err != nil {
		p.kept = err
		return
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if !get(a.cfg.Serial+".toml", doorFile, true) {
		return
	}
	get("default.toml", sharedFile, false)
	layers := Layers(fresh, a.cfg.Serial, a.cfg.Own)
	files := configs.Fetched(layers)
	for _, file := range files[:min(len(files), mostFiles)] {
		if name := filepath.ToSlash(filepath.Clean(file)); name != sharedFile && name != doorFile && path.Dir(name) != "channel" {
			get(name, file, false) // what is not there the judge finds
		}
	}
	if p.err != nil || p.kept != nil {
		return
	}
	if !changed && maps.Equal(p.etags, st.ETags) {
		return
	}
	if p.faults = a.cfg.Judge(layers); p.faults != nil {
		p.faults = told(p.faults, fresh)
	}
	if p.fresh, p.kept = settle(a.cfg.Dir, fresh); p.kept != nil {
		p.fresh = ""
	}
}

// told are faults without the folder in which the judge has looked.
func told(err error, fresh string) error {
	list, ok := errors.AsType[configs.Faults](err)
	if !ok {
		return err
	}
	out := make(configs.Faults, len(list))
	for i, f := range list {
		for name, value := range f.Params.Map() {
			if strings.Contains(value, fresh) {
				f.Message = f.With(name, replaceAll(value, fresh))
			}
		}
		out[i] = f
	}
	return out
}
