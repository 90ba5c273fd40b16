package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"intercomd/beat"
	"intercomd/words"
)

// lookAgain is how often the level of a calm line is read, so that an edge that the
// hardware did not report is noticed all the same. It is done by the clock's even seconds: of
// several lines, and with what else looks at rest, the machine wakes up once for all.
const lookAgain = 2 * time.Second

// reader owns one input: it reads the line and decides what counts.
type reader struct {
	index int
	cfg   InputConfig
	log   *slog.Logger
	src   Source // nil while it could not be opened
	err   error
	deb   debouncer
	input InputState
	begun time.Time // of being active, for Stuck
}

func newReader(i int, c InputConfig, log *slog.Logger) *reader {
	if c.Debounce <= 0 {
		c.Debounce = defaultDebounce
	}
	return &reader{index: i, cfg: c, log: log,
		deb: debouncer{hold: c.Debounce}, input: InputState{Name: c.Name}}
}

// attach takes the line.
func (r *reader) attach() {
	src, err := r.cfg.Open()
	var active bool
	if err == nil {
		if active, err = src.Level(); err != nil {
			_ = src.Close() // the first error tells more
		}
	}
	if err != nil {
		r.fail(err)
		return
	}
	if r.err != nil {
		r.log.Info("line works again", "input", r.cfg.Name)
	}
	r.src, r.err = src, nil
	now := time.Now()
	r.deb.start(active, now)
	r.input.Active, r.begun = active, now
}

func (r *reader) fail(err error) {
	if r.err == nil || r.err.Error() != err.Error() {
		p := problem(err)
		r.log.Warn("line fails", "input", r.cfg.Name, "error", p.String(), "remedy", p.Remedy())
	}
	r.err = err
}

// run reads the line until ctx is done.
func (r *reader) run(ctx context.Context, reports chan<- report) {
	defer func() {
		if r.src != nil {
			_ = r.src.Close() // ctx was done before the first look at it
		}
	}()
	for ctx.Err() == nil {
		if r.src == nil {
			if !wait(ctx, retryOpen) {
				return
			}
			r.attach()
		}
		if r.src != nil {
			r.follow(ctx, reports)
		}
		r.tell(ctx, reports, nil)
	}
}

// follow reads the line until it fails or ctx is done, and gives it back.
func (r *reader) follow(ctx context.Context, reports chan<- report) {
	src := r.src
	stop := context.AfterFunc(ctx, func() { _ = src.Close() })
	defer func() {
		stop()
		_ = src.Close() // it failed, or is closed already
		r.src = nil
	}()
	r.tell(ctx, reports, nil)
	for ctx.Err() == nil {
		c, err := src.Next(r.deadline())
		switch {
		case err == nil:
			r.change(ctx, reports, c)
		case errors.Is(err, ErrTimeout):
			err = r.idle(ctx, reports)
		}
		if err != nil && !errors.Is(err, ErrTimeout) {
			if ctx.Err() == nil {
				r.fail(err)
				r.released(ctx, reports)
			}
			return
		}
	}
}

// deadline is when something must be done though nothing changes.
func (r *reader) deadline() time.Time {
	t := r.deb.due()
	if t.IsZero() {
		now := time.Now()
		t = now.Add(beat.Until(now, lookAgain))
	}
	if r.input.Active && !r.input.Stuck && r.cfg.Stuck > 0 {
		t = earlier(t, r.begun.Add(r.cfg.Stuck))
	}
	return t
}

func (r *reader) change(ctx context.Context, reports chan<- report, c Change) {
	at, ok := r.deb.change(c)
	r.accept(ctx, reports, at, ok)
}

// idle looks at a line that did not change until the deadline.
func (r *reader) idle(ctx context.Context, reports chan<- report) error {
	now := time.Now()
	if r.deb.due().IsZero() {
		active, err := r.src.Level()
		if err != nil {
			return fmt.Errorf("read the level: %w", err)
		}
		if active != r.deb.raw {
			c, err := r.src.Next(now) // it may have changed just now
			if errors.Is(err, ErrTimeout) {
				c, err = Change{Active: active, At: now}, nil // an edge was lost
			}
			if err != nil {
				return err
			}
			r.change(ctx, reports, c)
			return nil
		}
	}
	at, ok := r.deb.settle(now)
	r.accept(ctx, reports, at, ok)
	return nil
}

// accept brings the input's state up to date and tells the engine what is new.
func (r *reader) accept(ctx context.Context, reports chan<- report, at time.Time, ok bool) {
	old := r.input
	var edge *Edge
	if ok {
		active := !r.input.Active
		r.input.Active, r.input.Since, r.input.Stuck = active, at, false
		r.begun = at
		if active {
			r.input.Presses++
		}
		edge = &Edge{Input: r.cfg.Name, Active: active, At: at}
	}
	r.stuck()
	r.count()
	old.Widths = r.input.Widths // they are told with the next other news
	if edge != nil || old != r.input {
		r.tell(ctx, reports, edge)
	}
}

// stuck notices that the input has been active for longer than a person presses.
func (r *reader) stuck() {
	s := &r.input
	if !s.Active || s.Stuck || r.cfg.Stuck <= 0 || time.Since(r.begun) < r.cfg.Stuck {
		return
	}
	s.Stuck = true
	r.log.Warn("input stuck", "input", r.cfg.Name, "since", r.begun)
}

// released lets go of an input whose line failed: nobody can say that it is active.
func (r *reader) released(ctx context.Context, reports chan<- report) {
	if !r.input.Active {
		return
	}
	now := time.Now()
	r.input.Active, r.input.Since, r.input.Stuck = false, now, false
	r.tell(ctx, reports, &Edge{Input: r.cfg.Name, At: now})
}

// count copies the counters, which the debouncer keeps across lost lines.
func (r *reader) count() {
	r.input.Glitches, r.input.Bounces, r.input.Widths = r.deb.glitches, r.deb.bounces, r.deb.widths
}

func (r *reader) snapshot() InputState {
	s := r.input
	s.Problem = problem(r.err)
	if r.err == nil && s.Stuck {
		s.Problem = words.New("line-stuck", "after", words.Span(r.cfg.Stuck))
	}
	return s
}

func (r *reader) tell(ctx context.Context, reports chan<- report, edge *Edge) {
	rep := report{index: r.index, input: r.snapshot()}
	if edge != nil {
		rep.edge, rep.isNew = *edge, true
	}
	select {
	case reports <- rep:
	case <-ctx.Done():
	}
}

// wait sleeps. It reports whether ctx is still alive.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
