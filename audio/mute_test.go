package audio_test

import (
	"math"
	"testing"
	"time"

	"intercomd/audio"
)

// Nothing of the microphone gets through while it is muted, packets go on at their
// pace, and neither end of it clicks.
func TestMute(t *testing.T) {
	for _, codec := range []struct {
		name  string
		clock int
	}{{"PCMU", 8000}, {"opus", 48000}} {
		t.Run(codec.name, func(t *testing.T) {
			d := newFakeDriver()
			d.mic = sine(400, 0.25, 48000)
			inHouse(t, audio.Config{}, d, func(h *house) {
				l := newFakeLink(codec.name, codec.clock)
				defer close(l.quit)
				h.Mute(true) // nothing is connected: it means nothing
				h.Connect(l, true)
				time.Sleep(time.Second)
				h.Mute(true)
				h.Connect(l, true) // as push to talk does
				time.Sleep(time.Second)
				if s := h.Status(); s.MicLive || s.Mic.RMS < -30 {
					t.Errorf("muted, yet live %v; the meter shows %+v", s.MicLive, s.Mic)
				}
				h.Mute(false)
				time.Sleep(time.Second)
				if !h.Status().MicLive {
					t.Error("unmuted, yet not live")
				}
				x, rate := l.said(t)
				if len(x) < 29*rate/10 || l.count() < 145 {
					t.Fatalf("%d packets of %d samples in 3 s", l.count(), len(x))
				}
				part := func(from, to float64) []float32 { return x[int(from*float64(rate)):int(to*float64(rate))] }
				for _, p := range []struct {
					from, to float64
					heard    bool
				}{{0.4, 0.95, true}, {1.1, 1.95, false}, {2.2, 2.9, true}} {
					if a := amplitude(part(p.from, p.to), 400, rate); (a > 0.2) != p.heard || !p.heard && peakOf(part(p.from, p.to)) > 0.001 {
						t.Errorf("from %.1f to %.1f s the microphone is heard at %.4f, peak %.4f", p.from, p.to, a, peakOf(part(p.from, p.to)))
					}
				}
				// Twice the steepest step of the tone itself; a cut may be a step of 0.25.
				if most, is := 2*0.25*2*math.Pi*400/float64(rate), steepest(part(0.4, 2.9)); is > most {
					t.Errorf("a step of %.4f from sample to sample, of the tone at most %.4f", is, most)
				}

				next := newFakeLink(codec.name, codec.clock)
				defer close(next.quit)
				h.Mute(true)
				h.Connect(next, true) // the next call is not muted
				time.Sleep(time.Second)
				x, _ = next.said(t)
				if a := amplitude(x[rate/2:], 400, rate); a < 0.2 || !h.Status().MicLive {
					t.Errorf("the next call hears %.3f", a)
				}
			})
		})
	}
}

func peakOf(x []float32) (p float64) {
	for _, v := range x {
		p = max(p, math.Abs(float64(v)))
	}
	return p
}

// steepest is the largest step between two samples.
func steepest(x []float32) (p float64) {
	for i := 1; i < len(x); i++ {
		p = max(p, math.Abs(float64(x[i]-x[i-1])))
	}
	return p
}
