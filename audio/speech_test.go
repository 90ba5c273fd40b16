package audio

import (
	"testing"
	"time"

	"intercomd/audio/levels"
	"intercomd/audio/pcm"
	"intercomd/audio/tone"
)

// In every region words begin soon, and in no tone that sounds.
func TestWordsFollowTheTone(t *testing.T) {
	for _, region := range tone.Regions() {
		table, err := tone.Table(region)
		if err != nil {
			t.Fatal(err)
		}
		for name, full := range table {
			before, after := beforeWords(full)
			begin := time.Duration(after) * pcm.FrameTime
			if begin < breath || begin > toneBefore+2*breath {
				t.Errorf("%s, %s: words after %v", region, name, begin)
			}
			if (full.Times == 0) != (before.Times == 0) {
				t.Errorf("%s, %s: repeats %d times, then %d", region, name, full.Times, before.Times)
			}
			if name != tone.Incoming && name != tone.Alarm && sounds(before, begin) {
				t.Errorf("%s, %s: still sounds after %v", region, name, begin)
			}
		}
	}
}

// sounds tells whether t is heard at that moment.
func sounds(t tone.Tone, at time.Duration) bool {
	for round := 0; t.Times == 0 || round < t.Times; round++ {
		for _, s := range t.Steps {
			if at < s.Duration {
				return len(s.Freqs) > 0
			}
			at -= s.Duration
		}
	}
	return false
}

func TestWordsWaitAndCanBeStopped(t *testing.T) {
	said := make([]int16, pcm.SampleRate/10)
	for i := range said {
		said[i] = 10000
	}
	var a announcer
	heard := func() bool {
		frame := make([]float32, pcm.Frame)
		a.mix(frame)
		return levels.Of(frame) > -40
	}
	a.start(prompt{pcm.SampleRate, said}, false, 3)
	for range 3 {
		if heard() || !a.active() {
			t.Fatal("the words did not wait, or were forgotten")
		}
	}
	if !heard() {
		t.Error("the words never came")
	}
	a.start(prompt{pcm.SampleRate, said}, false, 3)
	a.end()
	if heard() || a.active() {
		t.Error("words that waited were not stopped")
	}
}
