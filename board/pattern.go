package board

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/beat"
)

// Pattern is what a lamp does over time.
type Pattern struct {
	Name  string // as shown in [Lamp]
	Steps []Step // none is off
	Once  bool   // stop at the last step instead of starting again
}

// Step is a part of a pattern.
type Step struct {
	Level float64       // 0 off to 1 full; lamps that cannot be dimmed are lit above 0
	For   time.Duration // at least 10 ms; 0 is for ever
}

// minStep keeps a pattern from becoming a busy loop.
const minStep = 10 * time.Millisecond

// Off is dark.
func Off() Pattern { return Pattern{Name: "off"} }

// On is steady light.
func On() Pattern { return Pattern{Name: "on", Steps: []Step{{Level: 1}}} }

// Slow is 0.5 s on, 0.5 s off.
func Slow() Pattern { return alternate("slow", 500*time.Millisecond, 500*time.Millisecond) }

// Fast is 0.1 s on, 0.1 s off.
func Fast() Pattern { return alternate("fast", 100*time.Millisecond, 100*time.Millisecond) }

// Pulse is a short flash (0.1 s) every 2 s.
func Pulse() Pattern { return alternate("pulse", 100*time.Millisecond, 1900*time.Millisecond) }

// Wink is light with short gaps: 0.4 s on, 0.1 s off.
func Wink() Pattern { return alternate("wink", 400*time.Millisecond, 100*time.Millisecond) }

// Hurry is light with many gaps: 0.2 s on, 0.1 s off.
func Hurry() Pattern { return alternate("hurry", 200*time.Millisecond, 100*time.Millisecond) }

// Double is two flashes of 0.1 s each second.
func Double() Pattern {
	const ms = time.Millisecond
	return Pattern{Name: "double", Steps: []Step{{1, 100 * ms}, {0, 150 * ms}, {1, 100 * ms}, {0, 650 * ms}}}
}

// Blink is the pattern of a code: n flashes (1 to 9) of 0.2 s, then 1.5 s of dark.
func Blink(n int) Pattern {
	n = min(max(n, 1), 9)
	p := Pattern{Name: "blink" + strconv.Itoa(n)}
	for i := range n {
		dark := 300 * time.Millisecond
		if i == n-1 {
			dark = 1500 * time.Millisecond
		}
		p.Steps = append(p.Steps, Step{1, 200 * time.Millisecond}, Step{0, dark})
	}
	return p
}

func alternate(name string, on, off time.Duration) Pattern {
	return Pattern{Name: name, Steps: []Step{{1, on}, {0, off}}}
}

// Named finds a pattern by its name: off, on, slow, fast, pulse, wink, hurry, double,
// blink1 to blink9.
func Named(name string) (Pattern, bool) {
	for _, p := range []Pattern{Off(), On(), Slow(), Fast(), Pulse(), Wink(), Hurry(), Double()} {
		if p.Name == name {
			return p, true
		}
	}
	if n, ok := strings.CutPrefix(name, "blink"); ok && len(n) == 1 && n[0] >= '1' && n[0] <= '9' {
		return Blink(int(n[0] - '0')), true
	}
	return Pattern{}, false
}

func (p Pattern) same(q Pattern) bool {
	return p.Name == q.Name && p.Once == q.Once && slices.Equal(p.Steps, q.Steps)
}

// player walks through a pattern.
type player struct {
	pattern Pattern
	step    int
	until   time.Time // end of the step; zero: it has none
}

func (p *player) start(pat Pattern, now time.Time) {
	*p = player{pattern: pat}
	p.enter(0, now)
}

// enter begins step i at time at.
func (p *player) enter(i int, at time.Time) {
	p.step, p.until = i, time.Time{}
	if len(p.pattern.Steps) == 0 {
		return
	}
	last := i == len(p.pattern.Steps)-1
	if d := p.pattern.Steps[i].For; d > 0 && (!last || !p.pattern.Once) {
		if last && p.pattern.calm() {
			d = beat.Until(at, calmPeriod)
		}
		p.until = at.Add(max(d, minStep))
	}
}

// calmPeriod is that of lamps at rest. It begins by the clock's even seconds, when other things
// are looked at that happen at rest, so that the machine wakes up once for all; only the first
// one is as long as it happens to be.
const calmPeriod = 2 * time.Second

// calm tells whether a pattern has that period.
func (p *Pattern) calm() bool {
	var sum time.Duration
	for _, s := range p.Steps {
		sum += s.For
	}
	return sum == calmPeriod
}

// advance moves on to the step that is due at now. Steps follow each other without
// drift, but what was missed in a stall is not made up for.
func (p *player) advance(now time.Time) {
	for n := 0; !p.until.IsZero() && !now.Before(p.until); n++ {
		at := p.until
		if n > len(p.pattern.Steps) {
			at = now
		}
		p.enter((p.step+1)%len(p.pattern.Steps), at)
	}
}

func (p *player) level() float64 {
	if len(p.pattern.Steps) == 0 {
		return 0
	}
	return min(max(p.pattern.Steps[p.step].Level, 0), 1)
}
