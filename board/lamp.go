package board

import (
	"log/slog"
	"time"
)

// lamp is one output, or one for each of red, green and blue, that plays a pattern.
type lamp struct {
	cfg    LampConfig
	player player
	colour Colour
	lit    float64 // level that is shown
	lights []*light
}

// light is one line of a lamp.
type light struct {
	line
	driven float64   // level of the line
	pwmOn  bool      // the bright part of a period of software dimming
	pwmAt  time.Time // its end; zero: the line is not dimmed in software
}

// pwmPeriod is fast enough for the eye not to see it (IEEE 1789 would ask for more,
// but a timer of the operating system cannot give that).
const pwmPeriod = 10 * time.Millisecond

func newLamp(c LampConfig, now time.Time, log *slog.Logger) *lamp {
	l := &lamp{cfg: c, colour: White}
	opens := c.RGB
	if len(opens) == 0 {
		opens = []func() (Output, error){c.Open}
	}
	for _, open := range opens {
		p := &light{line: line{kind: "lamp", name: c.Name, open: open, log: log}}
		p.attach(now)
		l.lights = append(l.lights, p)
	}
	l.player.start(Off(), now)
	return l
}

func (l *lamp) show(p Pattern, c Colour, now time.Time, scale float64) error {
	if l.player.pattern.same(p) && l.colour == c {
		return l.light(now, scale)
	}
	if !l.player.pattern.same(p) {
		l.player.start(p, now)
	}
	l.colour = c
	return l.light(now, scale)
}

// dark puts the lamp out and gives its lines back.
func (l *lamp) dark(now time.Time) {
	l.player.start(Off(), now)
	l.lit = 0
	for _, p := range l.lights {
		p.pwmOn, p.pwmAt = false, time.Time{}
		p.detach()
	}
}

func (l *lamp) tick(now time.Time, scale float64) bool {
	tried := false
	for _, p := range l.lights {
		if p.reattach(now) {
			tried = true
			if p.out != nil {
				p.driven = 0
			}
		}
	}
	before := l.lit
	l.player.advance(now)
	_ = l.light(now, scale) // kept in the state
	return tried || before != l.lit
}

// light drives the lines as pattern and colour say; the error is the first one.
func (l *lamp) light(now time.Time, scale float64) (err error) {
	l.lit = l.player.level() * scale
	for i, p := range l.lights {
		level := l.lit
		if len(l.cfg.RGB) > 0 {
			level *= l.colour.part(i)
		}
		if e := p.drive(level, l.cfg.SoftPWM, now); err == nil {
			err = e
		}
	}
	return err
}

func (p *light) drive(level float64, soft bool, now time.Time) error {
	if soft && level > 0 && level < 1 && !p.dims() {
		level = p.modulate(level, now)
	} else {
		p.pwmAt, p.pwmOn = time.Time{}, false
	}
	if p.out == nil || level != p.driven || p.err != nil {
		if err := p.set(level); err != nil {
			return err
		}
	}
	p.driven = level
	return nil
}

// Dimmer is an [Output] that reaches the levels between 0 and 1 by itself.
type Dimmer interface{ Dims() bool }

func (p *light) dims() bool {
	d, ok := p.out.(Dimmer)
	return ok && d.Dims()
}

// modulate gives the level of the line in the present part of a period.
func (p *light) modulate(level float64, now time.Time) float64 {
	if p.pwmAt.IsZero() || !now.Before(p.pwmAt) {
		p.pwmOn = !p.pwmOn
		part := level
		if !p.pwmOn {
			part = 1 - level
		}
		p.pwmAt = now.Add(max(time.Duration(part*float64(pwmPeriod)), pwmPeriod/100))
	}
	if p.pwmOn {
		return 1
	}
	return 0
}

func (l *lamp) due() time.Time {
	t := l.player.until
	for _, p := range l.lights {
		t = earlier(earlier(t, p.retry), p.pwmAt)
	}
	return t
}

func (l *lamp) snapshot() LampState {
	s := LampState{Name: l.cfg.Name, Pattern: l.player.pattern.Name, On: l.lit > 0, Level: l.lit}
	if len(l.cfg.RGB) > 0 {
		s.Colour = l.colour
	}
	for _, p := range l.lights {
		if p.err != nil {
			s.Problem = problem(p.err)
			break
		}
	}
	return s
}
