package portaudio

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/gordonklaus/portaudio"

	"intercomd/audio"
)

func TestMatch(t *testing.T) {
	names := []string{"bcm2835 Headphones: - (hw:0,0)", "USB Audio Device: - (hw:1,0)", "USB Audio Device: #1 (hw:1,1)", "default", "pulse"}
	for _, c := range []struct {
		name string
		want int // -1: refused
	}{
		{"pulse", 4}, {"headphones", 0}, {"hw:1,1", 2}, {"USB Audio Device: - (hw:1,0)", 1},
		{"USB", -1}, {"HDMI", -1}, {"def", 3},
	} {
		i, err := match(c.name, names)
		if (err == nil) != (c.want >= 0) || err == nil && i != c.want {
			t.Errorf("%q: %d, %v", c.name, i, err)
		}
		if err != nil && !errors.Is(err, audio.ErrNoDevice) {
			t.Errorf("%q: %v", c.name, err)
		}
	}
	if i, err := match("USB", []string{"USB", "USB"}); i != 0 || err != nil {
		t.Error("two devices of the same name: the first is meant", i, err)
	}
	if _, err := match("x", nil); !errors.Is(err, audio.ErrNoDevice) {
		t.Error(err)
	}
}

// A call that never returns is given up; from then on nothing is called any more.
func TestHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(slog.New(slog.DiscardHandler))
		t0, ever := time.Now(), make(chan struct{})
		err := d.do("test", func() error { <-ever; return nil })
		if w := time.Since(t0); !errors.Is(err, audio.ErrDeviceHung) || w != limit {
			t.Errorf("after %v: %v", w, err)
		}
		if _, err := d.Open(audio.In, "default", nil); !errors.Is(err, audio.ErrDeviceHung) {
			t.Error(err)
		}
		if err := d.Close(); !errors.Is(err, audio.ErrDeviceHung) {
			t.Error(err)
		}
		close(ever)
	})
}

// Cards with two channels: the microphone's are mixed, the loudspeaker's alike.
func TestStereo(t *testing.T) {
	var got []int16
	var xruns int
	s := &stream{channels: 2, mono: make([]int16, maxCallback), cb: func(pcm []int16, xrun bool) {
		if xrun {
			xruns++
		}
		got = slices.Clone(pcm)
		for i := range pcm {
			pcm[i] = int16(i + 1)
		}
	}}
	s.capture([]int16{10, 30, -32768, -32768, 32767, 32767}, pa.StreamCallbackTimeInfo{}, pa.InputOverflow)
	if !slices.Equal(got, []int16{20, -32768, 32767}) || xruns != 1 {
		t.Errorf("heard %v, %d xruns", got, xruns)
	}
	out := []int16{9, 9, 9, 9, 9, 9}
	s.play(out, pa.StreamCallbackTimeInfo{}, pa.OutputUnderflow)
	if !slices.Equal(out, []int16{1, 1, 2, 2, 3, 3}) || xruns != 2 {
		t.Errorf("played %v, %d xruns", out, xruns)
	}
	s.cb = func([]int16, bool) { panic("test") }
	s.capture(out, pa.StreamCallbackTimeInfo{}, 0)
	if s.play(out, pa.StreamCallbackTimeInfo{}, 0); !slices.Equal(out, make([]int16, 6)) {
		t.Errorf("noise after a panic: %v", out)
	}
}
