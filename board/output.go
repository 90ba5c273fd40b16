package board

import (
	"fmt"
	"log/slog"
	"time"
)

// line is an output that may not be there yet.
type line struct {
	kind, name string
	open       func() (Output, error)
	log        *slog.Logger
	out        Output // nil while it could not be opened
	err        error
	retry      time.Time // when to try again to open it; zero while it is open
}

// attach takes the line and makes it inert.
func (l *line) attach(now time.Time) {
	out, err := l.open()
	if err == nil {
		if err = out.Set(0); err != nil {
			_ = out.Close() // the first error tells more
		}
	}
	if err != nil {
		l.fail(err)
		l.retry = now.Add(retryOpen)
		return
	}
	if l.err != nil {
		l.log.Info("line works again", l.kind, l.name)
	}
	l.out, l.err, l.retry = out, nil, time.Time{}
}

// detach makes the line inert and gives it back.
func (l *line) detach() {
	if l.out == nil {
		return
	}
	if err := l.out.Set(0); err != nil {
		l.fail(err)
	}
	if err := l.out.Close(); err != nil {
		l.fail(err)
	}
	l.out = nil
}

// set drives the line.
func (l *line) set(level float64) error {
	if l.out == nil {
		return fmt.Errorf("%s %q: %w", l.kind, l.name, l.err)
	}
	err := l.out.Set(level)
	if err != nil {
		l.fail(err)
		return fmt.Errorf("%s %q: %w", l.kind, l.name, err)
	}
	if l.err != nil {
		l.log.Info("line works again", l.kind, l.name)
		l.err = nil
	}
	return nil
}

// fail keeps an error and logs it once.
func (l *line) fail(err error) {
	if l.err == nil || l.err.Error() != err.Error() {
		p := problem(err)
		l.log.Warn("line fails", l.kind, l.name, "error", p.String(), "remedy", p.Remedy())
	}
	l.err = err
}

// reattach takes the line if that is due. It reports whether it tried.
func (l *line) reattach(now time.Time) bool {
	if l.retry.IsZero() || now.Before(l.retry) {
		return false
	}
	l.attach(now)
	return true
}

// relay is an output that falls back by itself, unless it was latched.
type relay struct {
	line
	cfg     RelayConfig
	on      bool
	latched bool      // on until further notice
	until   time.Time // end of the pulse, or the next attempt to release; zero while latched
	flashes flashes
}

// flashes are the pulses of a relay that are still to come.
type flashes struct {
	on, off time.Duration
	left    int
	next    time.Time // begin of the next one
}

func (r *relay) pulse(d time.Duration, now time.Time) error {
	limit := r.limit()
	r.flashes = flashes{}
	switch {
	case d < 0 || d > limit:
		return fmt.Errorf("relay %q: a pulse of %v was asked for; 0 to %v is allowed", r.name, d, limit)
	case d == 0:
		return r.release(now)
	case r.latched:
		return nil // longer than any pulse
	}
	until := now.Add(d)
	if r.on && r.until.After(until) {
		until = r.until
	}
	return r.energise(until, d, now)
}

func (r *relay) limit() time.Duration {
	if r.cfg.Max <= 0 {
		return defaultMaxPulse
	}
	return r.cfg.Max
}

// energise drives the relay until a time. The end is set before the line is driven:
// there is no way to energise the relay without a time at which it falls back.
func (r *relay) energise(until time.Time, d time.Duration, now time.Time) error {
	started := !r.on
	r.on, r.until = true, until
	if err := r.set(1); err != nil {
		_ = r.release(now) // the line may have changed though the write failed
		return err
	}
	if started {
		r.log.Info("relay on", "relay", r.name, "for", d)
	}
	return nil
}

// flash begins a train of pulses. All of it together is bound to the limit of one pulse.
func (r *relay) flash(on, off time.Duration, count int, now time.Time) error {
	const least = 50 * time.Millisecond // what a relay can follow
	if limit := r.limit(); on < least || off < least || count < 1 || time.Duration(count) > limit/(on+off) {
		return fmt.Errorf("relay %q: %d pulses of %v and %v apart were asked for; from %v each and up to %v together is allowed",
			r.name, count, on, off, least, limit)
	}
	r.latched = false
	r.flashes = flashes{on: on, off: off, left: count - 1, next: now.Add(on + off)}
	if err := r.energise(now.Add(on), on, now); err != nil {
		r.flashes = flashes{}
		return err
	}
	return nil
}

// again gives the next pulse of a train.
func (r *relay) again(now time.Time) {
	f := &r.flashes
	f.left--
	f.next = now.Add(f.on + f.off)
	if err := r.energise(now.Add(f.on), f.on, now); err != nil { // kept in the state
		r.flashes = flashes{}
	}
}

// latch switches the relay until further notice.
func (r *relay) latch(on bool, now time.Time) error {
	r.flashes = flashes{}
	switch {
	case !on:
		return r.release(now)
	case !r.cfg.Latching:
		return fmt.Errorf("relay %q: %w", r.name, ErrNotLatching)
	}
	if err := r.set(1); err != nil {
		_ = r.release(now) // the line may have changed though the write failed
		return err
	}
	if !r.latched {
		r.log.Info("relay on", "relay", r.name, "for", "further notice")
	}
	r.on, r.latched, r.until = true, true, time.Time{}
	return nil
}

func (r *relay) release(now time.Time) error {
	r.latched = false
	if r.out == nil {
		r.on, r.until = false, time.Time{}
		return nil
	}
	if err := r.set(0); err != nil {
		r.on, r.until = true, now.Add(retryRelease)
		return err
	}
	if r.on {
		r.log.Info("relay off", "relay", r.name)
	}
	r.on, r.until = false, time.Time{}
	return nil
}

func (r *relay) tick(now time.Time) bool {
	if r.on && !r.latched && !now.Before(r.until) {
		_ = r.release(now) // kept in the state, tried again
		return true
	}
	if r.flashes.left > 0 && !now.Before(r.flashes.next) {
		r.again(now)
		return true
	}
	return r.reattach(now)
}

func (r *relay) due() time.Time {
	t := earlier(r.until, r.retry)
	if r.flashes.left > 0 {
		t = earlier(t, r.flashes.next)
	}
	return t
}

func (r *relay) snapshot() RelayState {
	s := RelayState{Name: r.name, On: r.on, Until: r.until}
	s.Problem = problem(r.err)
	return s
}
