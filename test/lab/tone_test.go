package lab

import (
	"math"
	"path/filepath"
	"testing"
)

func TestLevelFindsItsToneOnly(t *testing.T) {
	s := make([]int16, Rate)
	Sine(s, 0, 1000, -20)
	for _, c := range []struct{ freq, min, max float64 }{
		{1000, -20.5, -19.5}, {700, -180, -60}, {440, -180, -60}, {1005, -22.5, -20.2},
	} {
		if got := Level(s, c.freq); got < c.min || got > c.max {
			t.Errorf("level at %v Hz is %.1f dBFS, want %v to %v", c.freq, got, c.min, c.max)
		}
	}
	if got := RMS(s); math.Abs(got+20) > 0.1 {
		t.Errorf("RMS is %.1f dBFS, want -20", got)
	}
	if got := Level(s[:100], 1000); got != -180 {
		t.Errorf("less than a block measures %.1f, want -180", got)
	}
}

func TestOnsetIsFoundToTheBlock(t *testing.T) {
	s := make([]int16, Rate)
	Sine(s[:Rate/2], 0, 425, -12) // another tone before it, as ringback is
	Sine(s[Rate/2:], 0, 1000, -12)
	at, ok := onset(s, 1000, -30)
	if !ok || at < Rate/2-2*onsetBlock || at > Rate/2+onsetBlock {
		t.Errorf("onset at %d (%v), want about %d", at, ok, Rate/2)
	}
	if _, ok := onset(s[:Rate/2], 1000, -30); ok {
		t.Error("onset found in silence")
	}
}

func TestWriteToneIsAWholeFile(t *testing.T) {
	if err := WriteTone(filepath.Join(t.TempDir(), "x.wav"), 1, 440, -12); err != nil {
		t.Fatal(err)
	}
}
