package board

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// draw samples a pattern every 50 ms of one period of 3 s.
func draw(p Pattern, start time.Time) string {
	var pl player
	pl.start(p, start)
	var b strings.Builder
	for i := range 60 {
		pl.advance(start.Add(time.Duration(i) * 50 * ms))
		switch l := pl.level(); l {
		case 0:
			b.WriteByte('_')
		case 1:
			b.WriteByte('#')
		default:
			fmt.Fprintf(&b, "%.0f", l*10)
		}
	}
	return b.String()
}

func TestPatterns(t *testing.T) {
	dark := strings.Repeat("_", 60)
	fade := Pattern{Name: "fade", Steps: []Step{{0.2, 50 * ms}, {0.5, 50 * ms}, {0.8, time.Second}}, Once: true}
	endless := Pattern{Name: "endless", Steps: []Step{{1, 100 * ms}, {0.5, 0}, {0, 100 * ms}}}
	tests := []struct {
		pattern Pattern
		want    string
	}{
		{Off(), dark},
		{Pattern{}, dark},
		{On(), strings.Repeat("#", 60)},
		{Slow(), strings.Repeat("##########__________", 3)},
		{Fast(), strings.Repeat("##__", 15)},
		{Pulse(), "##" + dark[:38] + "##" + dark[:18]},
		{Blink(1), "####" + dark[:30] + "####" + dark[:22]},
		{Blink(3), "####______####______####" + dark[:30] + "####__"},
		{fade, "25" + strings.Repeat("8", 58)},
		{endless, "##" + strings.Repeat("5", 58)},
	}
	for _, tc := range tests {
		if got := draw(tc.pattern, time.Unix(1e9, 0)); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.pattern.Name, got, tc.want)
		}
	}
}

func TestNamed(t *testing.T) {
	for _, name := range []string{"off", "on", "slow", "fast", "pulse", "blink1", "blink9"} {
		if p, ok := Named(name); !ok || p.Name != name {
			t.Errorf("Named(%q) = %q, %v", name, p.Name, ok)
		}
	}
	for _, name := range []string{"blink", "blink0", "blink10", "Slow", "glow"} {
		if _, ok := Named(name); ok {
			t.Errorf("Named(%q) is known", name)
		}
	}
	if Blink(0).Name != "blink1" || Blink(77).Name != "blink9" {
		t.Error("Blink is not limited to 1 to 9")
	}
}

// The pattern of a door at rest begins at once, and then by the clock's even seconds.
func TestCalmPattern(t *testing.T) {
	want := "##" + strings.Repeat("_", 12) + "##" + strings.Repeat("_", 38) + "##____"
	if got := draw(Pulse(), time.Unix(1e9+1, 3e8)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// After a stall of a day a pattern goes on at once, without playing what was missed.
func TestPatternAfterStall(t *testing.T) {
	start := time.Now()
	var pl player
	pl.start(Fast(), start)
	later := start.Add(24*time.Hour + 37*ms)
	pl.advance(later)
	if pl.until.Before(later) || pl.until.After(later.Add(200*ms)) {
		t.Errorf("next step %v after the stall", pl.until.Sub(later))
	}
}

// Steps without length cannot keep the player busy for ever.
func TestPatternTinySteps(t *testing.T) {
	start := time.Now()
	var pl player
	pl.start(Pattern{Steps: []Step{{1, 1}, {7, 1}, {-3, 1}}}, start)
	for i := range 100 {
		pl.advance(start.Add(time.Duration(i) * ms))
		if l := pl.level(); l < 0 || l > 1 {
			t.Fatalf("level %v", l)
		}
		if d := pl.until.Sub(start.Add(time.Duration(i) * ms)); d <= 0 || d > minStep {
			t.Fatalf("step ends in %v", d)
		}
	}
}
