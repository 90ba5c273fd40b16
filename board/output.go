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
		text, remedy := fault(err)
		l.log.Warn("line fails", l.kind, l.name, "err", text, "remedy", remedy)
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
}

func (r *relay) pulse(d time.Duration, now time.Time) error {
	limit := r.cfg.Max
	if limit <= 0 {
		limit = defaultMaxPulse
	}
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
	// The end is set before the line is driven: there is no way to energise the
	// relay without a time at which it falls back.
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

// latch switches the relay until further notice.
func (r *relay) latch(on bool, now time.Time) error {
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
	return r.reattach(now)
}

func (r *relay) due() time.Time { return earlier(r.until, r.retry) }

func (r *relay) snapshot() Relay {
	s := Relay{Name: r.name, On: r.on, Until: r.until}
	s.Error, s.Remedy = fault(r.err)
	return s
}

// lamp is an output that plays a pattern.
type lamp struct {
	line
	cfg    LampConfig
	player player
	lit    float64   // level that is shown
	driven float64   // level of the line
	pwmOn  bool      // the bright part of a period of software dimming
	pwmAt  time.Time // its end; zero: the lamp is not dimmed in software
}

// pwmPeriod is fast enough for the eye not to see it (IEEE 1789 would ask for more,
// but a timer of the operating system cannot give that).
const pwmPeriod = 10 * time.Millisecond

func (l *lamp) show(p Pattern, now time.Time, scale float64) error {
	if !l.player.pattern.same(p) {
		l.player.start(p, now)
	}
	return l.light(now, scale)
}

func (l *lamp) tick(now time.Time, scale float64) bool {
	tried := l.reattach(now)
	if tried && l.out != nil {
		l.driven = 0
	}
	before := l.lit
	l.player.advance(now)
	_ = l.light(now, scale) // kept in the state
	return tried || before != l.lit
}

// light drives the line as the pattern says.
func (l *lamp) light(now time.Time, scale float64) error {
	l.lit = l.player.level() * scale
	level := l.lit
	if l.cfg.SoftPWM && level > 0 && level < 1 {
		level = l.modulate(now)
	} else {
		l.pwmAt, l.pwmOn = time.Time{}, false
	}
	if l.out == nil {
		return fmt.Errorf("lamp %q: %w", l.name, l.err)
	}
	if level == l.driven && l.err == nil {
		return nil
	}
	if err := l.set(level); err != nil {
		return err
	}
	l.driven = level
	return nil
}

// modulate gives the level of the line in the present part of a period.
func (l *lamp) modulate(now time.Time) float64 {
	if l.pwmAt.IsZero() || !now.Before(l.pwmAt) {
		l.pwmOn = !l.pwmOn
		part := l.lit
		if !l.pwmOn {
			part = 1 - l.lit
		}
		l.pwmAt = now.Add(max(time.Duration(part*float64(pwmPeriod)), pwmPeriod/100))
	}
	if l.pwmOn {
		return 1
	}
	return 0
}

func (l *lamp) due() time.Time {
	return earlier(earlier(l.player.until, l.retry), l.pwmAt)
}

func (l *lamp) snapshot() Lamp {
	s := Lamp{Name: l.name, Pattern: l.player.pattern.Name, On: l.lit > 0, Level: l.lit}
	s.Error, s.Remedy = fault(l.err)
	return s
}
