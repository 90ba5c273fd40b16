package main

import (
	"errors"
	"strings"
	"testing"

	"intercomd/audio/alsamixer"
)

func TestControlsAreListedInWordsOfTheConfiguration(t *testing.T) {
	for want, c := range map[string]alsamixer.Control{
		`control = "Mic"                    playback 0% capture 80% off`: {Name: "Mic", Playback: 0, Capture: 80, Muted: true},
		`control = "PCM,1"                  playback 100%`:               {Name: "PCM,1", Playback: 100, Capture: -1},
	} {
		if got := controlLine(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var b strings.Builder
	if err := listMixers(&b); err != nil && !strings.Contains(err.Error(), "no sound card") && !errors.Is(err, alsamixer.ErrNoCard) {
		t.Error(err)
	}
}
