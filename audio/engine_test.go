package audio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"intercomd/audio"
	"intercomd/audio/codec"
	"intercomd/audio/device"
	"intercomd/audio/g711"
	"intercomd/audio/opus"
	"intercomd/audio/receive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is an engine at work, in the time of a synctest bubble.
type house struct {
	*audio.Engine
	t    *testing.T
	dev  *fakeDriver
	stop func() error

	mu     sync.Mutex
	events []audio.Event
}

func (h *house) notify(e audio.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// told returns the events so far.
func (h *house) told() []audio.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

func inHouse(t *testing.T, cfg audio.Config, d *fakeDriver, story func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, dev: d}
		cfg.Notify = h.notify
		h.Engine = newEngine(t, cfg, d)
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- h.Run(ctx) }()
		h.stop = func() error { cancel(); return <-end }
		time.Sleep(100 * time.Millisecond)
		story(h)
		if h.stop != nil {
			if err := h.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// talk makes the far end send a tone for d, in 20 ms packets.
func (h *house) talk(l *fakeLink, name string, f float64, d time.Duration) {
	h.t.Helper()
	enc, err := opus.NewEncoder(opus.Settings{Bitrate: 32000, Complexity: 5})
	if err != nil {
		h.t.Fatal(err)
	}
	for k := range int(d / (20 * time.Millisecond)) {
		p := receive.Packet{SSRC: 7, Seq: uint16(1000 + k), Codec: codec.Format{Name: name}}
		switch name {
		case "opus":
			pcm, buf := make([]float32, 960), make([]byte, 1500)
			for i := range pcm {
				pcm[i] = float32(sine(f, 0.3, 48000)(k*960 + i))
			}
			n, err := enc.Encode(pcm, buf)
			if err != nil {
				h.t.Fatal(err)
			}
			p.Timestamp, p.Payload = uint32(k*960), buf[:n]
		default:
			law := g711.EncodeMu
			if name == "PCMA" {
				law = g711.EncodeA
			}
			for i := range 160 {
				p.Payload = append(p.Payload, law(int16(32767*sine(f, 0.3, 8000)(k*160+i))))
			}
			p.Timestamp = uint32(k * 160)
		}
		p.Arrival = time.Now()
		l.in <- p
		time.Sleep(20 * time.Millisecond)
	}
}

// said decodes what the door sent.
func (l *fakeLink) said(t *testing.T) (x []float32, rate int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.codec.Name == "opus" {
		d, err := opus.NewDecoder()
		if err != nil {
			t.Fatal(err)
		}
		pcm := make([]float32, opus.MaxSamples)
		for _, p := range l.sent {
			n, err := d.Decode(p, pcm)
			if err != nil {
				t.Fatal(err)
			}
			x = append(x, pcm[:n]...)
		}
		return x, 48000
	}
	law := g711.DecodeMu
	if l.codec.Name == "PCMA" {
		law = g711.DecodeA
	}
	for _, p := range l.sent {
		for _, c := range p {
			x = append(x, float32(law(c))/32768)
		}
	}
	return x, 8000
}

func TestCall(t *testing.T) {
	for _, c := range []struct {
		codec   string
		clock   int
		devRate int
		chunk   int
	}{
		{"opus", 48000, 48000, 480}, {"PCMU", 8000, 48000, 480}, {"PCMA", 8000, 48000, 256},
		{"opus", 48000, 44100, 441}, {"PCMU", 8000, 16000, 1024},
	} {
		t.Run(fmt.Sprintf("%s on a card of %d Hz, %d", c.codec, c.devRate, c.chunk), func(t *testing.T) {
			d := newFakeDriver()
			d.rate, d.chunk = c.devRate, c.chunk
			d.mic = sine(700, 0.25, c.devRate)
			inHouse(t, audio.Config{}, d, func(h *house) {
				l := newFakeLink(c.codec, c.clock)
				defer close(l.quit)
				time.Sleep(time.Second)
				xruns := h.Status().Xruns
				h.Connect(l, true)
				d.heard()
				started := time.Now()
				h.talk(l, c.codec, 1100, 2*time.Second)
				heard := h.dev.heard()
				if a := amplitude(heard[len(heard)/2:], 1100, c.devRate); math.Abs(a-0.3) > 0.04 {
					t.Errorf("1100 Hz is heard at amplitude %.3f, want 0.3", a)
				}
				if a := amplitude(heard[len(heard)/2:], 700, c.devRate); a > 0.01 {
					t.Errorf("the door hears itself: 700 Hz at %.3f", a)
				}
				said, rate := l.said(t)
				if a := amplitude(said[len(said)/2:], 700, rate); math.Abs(a-0.25) > 0.04 {
					t.Errorf("700 Hz is sent at amplitude %.3f, want 0.25", a)
				}
				h.checkFirsts(started, 2*time.Duration(c.chunk)*time.Second/time.Duration(c.devRate))
				s := h.Status()
				// Counted at the last reading, up to 100 ms and a callback ago.
				if s.Call.Lost != 0 || s.Call.Received < 88 || s.Call.Sent < 88 || s.Xruns != xruns || s.Codec != c.codec || !s.MicLive {
					t.Errorf("%+v", s)
				}
				if math.Abs(s.Mic.RMS+15) > 1 || math.Abs(s.Speaker.Peak+10.5) > 1 {
					t.Errorf("levels: microphone %.1f, speaker %.1f dBFS", s.Mic.RMS, s.Speaker.Peak)
				}
			})
		})
	}
}

// checkFirsts expects both first-audio events soon after the call was connected.
func (h *house) checkFirsts(started time.Time, more time.Duration) {
	h.t.Helper()
	seen := map[audio.EventKind]time.Duration{}
	for _, e := range h.told() {
		seen[e.Kind] = e.At.Sub(started)
	}
	if len(h.told()) != 2 || seen[audio.FirstHeard] > more+40*time.Millisecond || seen[audio.FirstSpoken] > more+20*time.Millisecond {
		h.t.Errorf("events: %v", seen)
	}
}

func TestMarkerAndSamples(t *testing.T) {
	d := newFakeDriver()
	inHouse(t, audio.Config{}, d, func(h *house) {
		l := newFakeLink("PCMU", 8000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(210 * time.Millisecond)
		l.mu.Lock()
		for i := range l.sent {
			if l.samples[i] != 160 || len(l.sent[i]) != 160 || l.markers[i] != (i == 0) {
				t.Errorf("packet %d: %d samples, %d bytes, marker %v", i, l.samples[i], len(l.sent[i]), l.markers[i])
			}
		}
		l.codec = codec.Format{Name: "opus", ClockRate: 48000}
		n := len(l.sent)
		l.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.samples[n+1] != 960 {
			t.Errorf("after the codec changed: %d samples", l.samples[n+1])
		}
	})
}

func TestListenOnlyThenTalkThenNothing(t *testing.T) {
	d := newFakeDriver()
	inHouse(t, audio.Config{}, d, func(h *house) {
		l := newFakeLink("PCMA", 8000)
		defer close(l.quit)
		h.Connect(l, false)
		h.talk(l, "PCMA", 600, time.Second)
		if l.count() != 0 || h.Status().MicLive {
			t.Error("the microphone was sent while only listening")
		}
		if a := amplitude(d.heard()[24000:], 600, 48000); a < 0.2 {
			t.Errorf("early media is heard at %.3f", a)
		}
		h.Connect(l, true)
		time.Sleep(time.Second)
		if l.count() < 45 {
			t.Errorf("%d packets in a second of talk", l.count())
		}
		h.Disconnect()
		n := l.count()
		time.Sleep(time.Second)
		if l.count() != n || h.Status().MicLive || h.Status().Codec != "" {
			t.Error("the microphone was sent after Disconnect")
		}
		d.heard()
		h.talk(l, "PCMA", 600, 500*time.Millisecond)
		if a := amplitude(d.heard(), 600, 48000); a > 0.001 {
			t.Errorf("the far end is heard at %.3f after Disconnect", a)
		}
	})
}

// Push to talk: the far end is not played while the door has the word, and the
// other way round.
func TestOneWayAtATime(t *testing.T) {
	d := newFakeDriver()
	d.mic = sine(700, 0.25, 48000)
	inHouse(t, audio.Config{}, d, func(h *house) {
		l := newFakeLink("opus", 48000)
		defer close(l.quit)
		h.Speak(l)
		said := make(chan struct{})
		go func() { defer close(said); h.talk(l, "opus", 1100, 2*time.Second) }()
		time.Sleep(time.Second)
		if a := amplitude(d.heard(), 1100, 48000); a > 0.001 {
			t.Errorf("the far end is heard at %.3f although the door has the word", a)
		}
		if n := l.count(); n < 45 || !h.Status().MicLive {
			t.Errorf("the door sent %d packets", n)
		}
		h.Connect(l, false)
		time.Sleep(50 * time.Millisecond)
		n := l.count()
		d.heard()
		<-said
		heard := d.heard()
		if a := amplitude(heard[len(heard)/4:len(heard)/2], 1100, 48000); a < 0.25 {
			t.Errorf("the far end has the word and is heard at %.3f", a)
		}
		if l.count() != n || h.Status().MicLive {
			t.Error("the microphone is live while the far end has the word")
		}
	})
}

func TestTonesAreMixedWithSpeech(t *testing.T) {
	d := newFakeDriver()
	inHouse(t, audio.Config{Region: "uk", OutputGain: -6}, d, func(h *house) {
		d.heard()
		h.Play("ringback")
		time.Sleep(300 * time.Millisecond)
		if a := amplitude(d.heard()[7200:], 450, 48000); math.Abs(a-0.0625) > 0.01 {
			t.Errorf("450 Hz at %.3f", a)
		}
		if s := h.Status(); s.Tone != "ringback" {
			t.Errorf("tone %q", s.Tone)
		}
		l := newFakeLink("opus", 48000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(2500 * time.Millisecond)
		h.Play("warning")
		d.heard()
		h.talk(l, "opus", 600, 200*time.Millisecond)
		x := d.heard()[4800:]
		if a, b := amplitude(x, 600, 48000), amplitude(x, 1400, 48000); a < 0.08 || b < 0.08 {
			t.Errorf("speech at %.3f, tone at %.3f", a, b)
		}
		time.Sleep(time.Second)
		if s := h.Status(); s.Tone != "" {
			t.Errorf("tone %q after its end", s.Tone)
		}
		h.Play("no such tone")
		h.Play("busy")
		time.Sleep(100 * time.Millisecond)
		h.Silence()
		time.Sleep(200 * time.Millisecond)
		d.heard()
		time.Sleep(200 * time.Millisecond)
		if a := amplitude(d.heard(), 400, 48000); a > 0.001 || h.Status().Tone != "" {
			t.Errorf("after Silence: %.3f, %q", a, h.Status().Tone)
		}
	})
}

// Without any device a call still runs: packets of silence leave in time.
func TestNoDevices(t *testing.T) {
	for _, name := range []string{"none", "default"} {
		d := newFakeDriver()
		d.present = false
		inHouse(t, audio.Config{Input: name, Output: name}, d, func(h *house) {
			l := newFakeLink("opus", 48000)
			defer close(l.quit)
			h.Connect(l, true)
			time.Sleep(10 * time.Second)
			if n := l.count(); n < 498 || n > 502 {
				t.Errorf("%s: %d packets in 10 s", name, n)
			}
			s := h.Status()
			if s.Input.OK != (name == "none") || s.MicLive {
				t.Errorf("%s: %+v", name, s)
			}
			if name == "default" && s.Output.Problem.Code != "device-none" {
				t.Errorf("problem %q", s.Output.Problem)
			}
		})
	}
}

// The cable is pulled in a call and plugged in again: the call goes on.
func TestDeviceLostAndBack(t *testing.T) {
	d := newFakeDriver()
	d.mic = sine(700, 0.25, 48000)
	var opened [2]atomic.Int32
	inHouse(t, audio.Config{Opened: func(dir device.Direction) { opened[dir].Add(1) }}, d, func(h *house) {
		l := newFakeLink("opus", 48000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(time.Second)
		d.unplug()
		time.Sleep(2 * time.Second)
		if s := h.Status(); s.Input.OK || s.Output.OK || s.Input.Problem.None() {
			t.Errorf("2 s after the cable was pulled: %+v", s)
		}
		n := l.count()
		time.Sleep(time.Second)
		if k := l.count() - n; k < 48 || k > 52 {
			t.Errorf("%d packets a second without devices", k)
		}
		d.plug()
		time.Sleep(2 * time.Second)
		if s := h.Status(); !s.Input.OK || !s.Output.OK {
			t.Errorf("2 s after the cable was plugged in: %+v", s)
		}
		if in, out := opened[device.In].Load(), opened[device.Out].Load(); in != 2 || out != 2 {
			t.Errorf("told of %d microphones and %d loudspeakers, want 2", in, out)
		}
		d.heard()
		h.talk(l, "opus", 600, time.Second)
		if a := amplitude(d.heard()[24000:], 600, 48000); a < 0.25 {
			t.Errorf("the far end is heard at %.3f", a)
		}
		said, rate := l.said(t)
		if a := amplitude(said[len(said)-rate/2:], 700, rate); a < 0.2 {
			t.Errorf("the microphone is sent at %.3f", a)
		}
	})
}

// Hanging up does not wait for a sound system that has stopped answering, and the
// engine ends in bounded time.
func TestHungDevice(t *testing.T) {
	d := newFakeDriver()
	inHouse(t, audio.Config{}, d, func(h *house) {
		l := newFakeLink("opus", 48000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(time.Second)
		d.hang(30 * time.Second)
		d.unplug()
		time.Sleep(2 * time.Second)
		t0 := time.Now()
		h.Disconnect()
		if w := time.Since(t0); w > 0 {
			t.Errorf("Disconnect took %v", w)
		}
		err := h.stop()
		h.stop = nil
		if w := time.Since(t0); !errors.Is(err, device.ErrHung) || w > 8*time.Second {
			t.Errorf("Run ended after %v with %v", w, err)
		}
		time.Sleep(2 * time.Minute) // let the fake come to an end
	})
}

func TestDriverReportsHung(t *testing.T) {
	d := newFakeDriver()
	d.err = device.ErrHung
	inHouse(t, audio.Config{}, d, func(h *house) {
		time.Sleep(time.Second)
		if s := h.Status(); !s.Hung || len(h.told()) != 1 || h.told()[0].Kind != audio.DeviceHung {
			t.Errorf("%+v, events %+v", s, h.told())
		}
		if err := h.stop(); !errors.Is(err, device.ErrHung) {
			t.Errorf("Run ended with %v", err)
		}
		h.stop = nil
	})
}

// A microphone that delivers 300 ms at once, as after a standstill, must not leave
// latency behind: a click is heard at the far end as soon as before.
func TestBacklogIsDrained(t *testing.T) {
	d := newFakeDriver()
	inHouse(t, audio.Config{}, d, func(h *house) {
		l := newFakeLink("PCMU", 8000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(time.Second)
		before := h.clickDelay(l)
		d.flood(30)
		time.Sleep(200 * time.Millisecond)
		after := h.clickDelay(l)
		if d := after - before; d > 15*time.Millisecond || d < -15*time.Millisecond {
			t.Errorf("a click took %v before and %v after the flood", before, after)
		}
		if s := h.Status(); s.Xruns == 0 {
			t.Error("the flood was not counted")
		}
	})
}

// clickDelay is how long clicks of the microphone take to the link at least.
func (h *house) clickDelay(l *fakeLink) time.Duration {
	h.t.Helper()
	least := time.Second
	for range 8 {
		least = min(least, h.oneClick(l))
		time.Sleep(95 * time.Millisecond)
	}
	return least
}

func (h *house) oneClick(l *fakeLink) time.Duration {
	h.t.Helper()
	n := l.count()
	h.dev.click()
	t0 := time.Now()
	for time.Since(t0) < time.Second {
		time.Sleep(5 * time.Millisecond)
		l.mu.Lock()
		for ; n < len(l.sent); n++ {
			for _, c := range l.sent[n] {
				if v := g711.DecodeMu(c); v > 3000 || v < -3000 {
					l.mu.Unlock()
					return time.Since(t0)
				}
			}
		}
		l.mu.Unlock()
	}
	h.t.Error("a click was not sent")
	return 0
}

// A prompt replaces a tone, another plays by its name, and a microphone that is
// dead is told of, once.
func TestPromptsAndDeadMicrophone(t *testing.T) {
	var b bytes.Buffer
	s := audio.Sound{Rate: 16000}
	for i := range 16000 {
		s.Samples = append(s.Samples, float32(sine(900, 0.4, 16000)(i)))
	}
	if err := audio.WriteWAV(&b, s); err != nil {
		t.Fatal(err)
	}
	d := newFakeDriver()
	cfg := audio.Config{
		Prompts:     recordings(t, fstest.MapFS{"busy.wav": {Data: b.Bytes()}, "Nobody.WAV": {Data: b.Bytes()}}),
		SilentAfter: 5 * time.Second,
	}
	inHouse(t, cfg, d, func(h *house) {
		for _, name := range []string{"busy", "nobody"} {
			d.heard()
			h.Play(name)
			time.Sleep(500 * time.Millisecond)
			if a := amplitude(d.heard()[9600:], 900, 48000); a < 0.3 || h.Status().Tone != name {
				t.Errorf("%s: %.2f, %q", name, a, h.Status().Tone)
			}
		}
		time.Sleep(time.Second)
		if h.Status().Tone != "" {
			t.Error("the prompt does not end")
		}
		l := newFakeLink("opus", 48000)
		defer close(l.quit)
		time.Sleep(10 * time.Second) // not in a call: nobody cares
		h.Connect(l, true)
		time.Sleep(4 * time.Second)
		if h.Status().MicSilent {
			t.Error("silent before its time")
		}
		time.Sleep(2 * time.Second)
		if !h.Status().MicSilent {
			t.Error("a dead microphone is not told")
		}
		h.Disconnect()
		time.Sleep(time.Second)
		if !h.Status().MicSilent {
			t.Error("forgotten with the call: nobody would ever see it")
		}
		next := newFakeLink("opus", 48000)
		defer close(next.quit)
		h.Connect(next, false) // early media say nothing about the microphone
		time.Sleep(time.Second)
		if !h.Status().MicSilent {
			t.Error("forgotten before the microphone was needed")
		}
		h.Connect(next, true)
		time.Sleep(time.Second)
		if h.Status().MicSilent {
			t.Error("the next call is not given a chance")
		}
		time.Sleep(6 * time.Second)
		if !h.Status().MicSilent {
			t.Error("a dead microphone is not told in the second call")
		}
		d.mu.Lock()
		d.mic = sine(400, 0.25, 48000)
		d.mu.Unlock()
		time.Sleep(time.Second)
		if h.Status().MicSilent {
			t.Error("still called silent while it hears")
		}
	})
}

func recordings(t *testing.T, files fstest.MapFS) audio.Recordings {
	t.Helper()
	r, faults := audio.ReadRecordings(files)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return r
}

// Words come after their tone.
func TestWordsAfterTone(t *testing.T) {
	var b bytes.Buffer
	s := audio.Sound{Rate: 16000}
	for i := range 8000 {
		s.Samples = append(s.Samples, float32(sine(900, 0.4, 16000)(i)))
	}
	if err := audio.WriteWAV(&b, s); err != nil {
		t.Fatal(err)
	}
	d := newFakeDriver()
	cfg := audio.Config{Speech: recordings(t, fstest.MapFS{"open.wav": {Data: b.Bytes()}})}
	inHouse(t, cfg, d, func(h *house) {
		d.heard()
		h.Play("open")
		time.Sleep(400 * time.Millisecond)
		if out := d.heard(); amplitude(out[len(out)-9600:], 900, 48000) > 0.02 {
			t.Error("words in the tone")
		}
		time.Sleep(500 * time.Millisecond)
		if out := d.heard(); amplitude(out[len(out)-9600:], 900, 48000) < 0.3 {
			t.Error("no words after the tone")
		}
		time.Sleep(500 * time.Millisecond)
		if h.Status().Tone != "" {
			t.Error("the words do not end")
		}
	})
}

// What the engine adds to the way from mouth to ear: from the microphone's
// callback to the packet that it completes, and from a packet to the
// loudspeaker's callback.
func TestLatency(t *testing.T) {
	d := newFakeDriver()
	inHouse(t, audio.Config{}, d, func(h *house) {
		l := newFakeLink("PCMU", 8000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(time.Second)
		if ms := h.clickDelay(l); ms > 10*time.Millisecond {
			t.Errorf("microphone: %v", ms)
		}
		d.heard()
		t0 := time.Now()
		h.talk(l, "PCMU", 1000, 20*time.Millisecond)
		for time.Since(t0) < time.Second {
			time.Sleep(time.Millisecond)
			for _, v := range d.heard() {
				if v > 0.1 {
					if ms := time.Since(t0); ms > 25*time.Millisecond {
						t.Errorf("loudspeaker: %v", ms)
					}
					return
				}
			}
		}
		t.Error("nothing was heard")
	})
}

// The first words do not wait until the microphone wakes the pump, behind silence that was made for
// that time: they are handed to the loudspeaker within a frame, whenever they come. After that it is
// fed a packet at a time, without a gap.
func TestFirstWordsAreHandedOnSoon(t *testing.T) {
	for after := time.Millisecond; after < 20*time.Millisecond; after += 3 * time.Millisecond {
		d := newFakeDriver()
		d.packets = true
		inHouse(t, audio.Config{}, d, func(h *house) {
			l := newFakeLink("PCMU", 8000)
			defer close(l.quit)
			h.Connect(l, true)
			for time.Sleep(500 * time.Millisecond); l.count() == 0; {
				time.Sleep(time.Millisecond)
			}
			for n := l.count(); n == l.count(); {
				time.Sleep(100 * time.Microsecond)
			}
			time.Sleep(after) // since the microphone has woken the pump
			began := time.Now()
			h.talk(l, "PCMU", 1000, 2*time.Second)
			at := time.Hour
			for _, e := range h.told() {
				if e.Kind == audio.FirstHeard {
					at = e.At.Sub(began)
				}
			}
			if at > 11*time.Millisecond {
				t.Errorf("words that come %v after the microphone are handed on after %v", after, at)
			}
			heard := d.heard()
			if a := amplitude(heard[len(heard)/2:], 1000, 48000); math.Abs(a-0.3) > 0.01 {
				t.Errorf("1000 Hz is heard at amplitude %.3f, want 0.3", a)
			}
			if s := h.Status(); s.Call.Concealed > 0 || s.Call.Lost > 0 {
				t.Errorf("%+v", s.Call)
			}
		})
	}
}

// In a call, the loudspeaker is given what has come when it comes, wherever that falls between two callbacks of
// the microphone. What waits is what the network and the card need.
func TestFarEndIsNear(t *testing.T) {
	for _, row := range []struct {
		name  string
		knows bool
		most  float64 // ms: 11 of the jitter buffer, up to 10 more by where frames fall, and what the card needs
	}{
		{"a card that may take some at any time", false, 38},
		{"a card of which it is known when it does", true, 22},
	} {
		t.Run(row.name, func(t *testing.T) {
			if ms := nearness(t, row.knows); ms > row.most {
				t.Errorf("what comes is heard after %.1f ms", ms)
			}
		})
	}
}

// nearness is how long after it has come a packet is heard, in ms; the mean over where it falls.
func nearness(t *testing.T, knows bool) float64 {
	t.Helper()
	sum, n := 0., 0
	for after := time.Duration(0); after < 20*time.Millisecond; after += 2500 * time.Microsecond {
		d := newFakeDriver()
		d.packets, d.knows = true, knows
		inHouse(t, audio.Config{}, d, func(h *house) {
			l := newFakeLink("PCMU", 8000)
			defer close(l.quit)
			h.Connect(l, true)
			time.Sleep(time.Second + after)
			var clicks []int
			atOnce := 0
			for k := range 1500 {
				p := receive.Packet{SSRC: 7, Seq: uint16(1000 + k), Timestamp: uint32(160 * k), Codec: codec.Format{Name: "PCMU"}}
				click := k%50 == 49
				for i := range 160 {
					v := int16(0)
					if click && i < 8 {
						v = 16000
					}
					p.Payload = append(p.Payload, g711.EncodeMu(v))
				}
				played, written := d.progress()
				if click {
					clicks = append(clicks, played)
				}
				p.Arrival = time.Now()
				l.in <- p
				h.Arrived()
				synctest.Wait()
				if _, now := d.progress(); now > written {
					atOnce++
				}
				time.Sleep(20 * time.Millisecond)
			}
			if atOnce < 1400 {
				t.Errorf("%v after a callback: %d of 1500 packets are given to the loudspeaker when they come", after, atOnce)
			}
			heard, i := d.heard(), 0
			for _, c := range clicks {
				for i = max(i, c); i < len(heard) && math.Abs(float64(heard[i])) < 0.1; i++ {
				}
				sum, n = sum+float64(i-c)/48, n+1
				i += 4800 // past this click
			}
			if s := h.Status(); s.Call.Concealed > 1 || s.Call.Lost > 0 { // at the very start nothing is in store
				t.Errorf("%v after a callback: %+v", after, s.Call)
			}
		})
	}
	t.Logf("heard after %.1f ms", sum/float64(n))
	return sum / float64(n)
}

// Each callback of the microphone brings a packet, and none waits for the next one, however the clocks of the
// two cards differ.
func TestNoPacketWaitsForTheNextCallback(t *testing.T) {
	for _, ppm := range []float64{-150, 150} {
		d := newFakeDriver()
		d.packets, d.inPPM = true, ppm
		inHouse(t, audio.Config{}, d, func(h *house) {
			l := newFakeLink("PCMU", 8000)
			defer close(l.quit)
			h.Connect(l, true)
			h.talk(l, "PCMU", 1000, 2*time.Minute)
			if pause := l.longest(); pause > 25*time.Millisecond {
				t.Errorf("%.0f ppm: %v between two packets", ppm, pause)
			}
			if s := h.Status(); s.Xruns > 0 || s.Call.Concealed > 0 {
				t.Errorf("%.0f ppm: %d under- and overruns, %+v", ppm, s.Xruns, s.Call)
			}
		})
	}
}

// A callback of the microphone has brought half of what it should, or the microphone was opened in the middle of
// one: soon all that it hears leaves with the callback that brought it, again.
func TestPacketsEndWithCallbacks(t *testing.T) {
	d := newFakeDriver()
	d.packets = true
	inHouse(t, audio.Config{}, d, func(h *house) {
		l := newFakeLink("PCMU", 8000)
		defer close(l.quit)
		h.Connect(l, true)
		time.Sleep(time.Second)
		for range 3 {
			d.halve()
			time.Sleep(time.Second)
			x, _ := l.said(t)
			was := len(x)
			d.click() // in the first 2 ms of a callback
			time.Sleep(100 * time.Millisecond)
			x, rate := l.said(t)
			i := was
			for i < len(x) && math.Abs(float64(x[i])) < 0.1 {
				i++
			}
			if at := i % (rate / 50); i == len(x) || at > rate/200 {
				t.Errorf("what a callback brings first is sample %d of a packet", at)
			}
		}
		if s := h.Status(); s.Xruns > 0 {
			t.Errorf("%d under- and overruns", s.Xruns)
		}
	})
}

// A call that has rung is answered: what the loudspeaker was fed of the ring-back tone does not stand
// before the first words, and of what the microphone hears from then on nothing is thrown away. It is
// no different in the second call, whose pump knows a codec from the first.
func TestAnswerIsHeardSoon(t *testing.T) {
	for after := time.Millisecond; after < 20*time.Millisecond; after += 3 * time.Millisecond {
		d := newFakeDriver()
		d.packets = true
		inHouse(t, audio.Config{}, d, func(h *house) {
			for call := range 2 {
				h.Prepare()
				h.Play("ringback")
				time.Sleep(time.Second + after)
				l := newFakeLink("PCMU", 8000)
				known, answered := len(h.told()), time.Now()
				h.Silence()
				h.Connect(l, true)
				time.Sleep(time.Millisecond)
				h.talk(l, "PCMU", 1000, 200*time.Millisecond)
				soon := map[audio.EventKind]time.Duration{}
				for _, e := range h.told()[known:] {
					soon[e.Kind] = e.At.Sub(answered)
				}
				if at, ok := soon[audio.FirstHeard]; !ok || at > 12*time.Millisecond {
					t.Errorf("call %d, answered after %v: the first words are handed on after %v", call, after, at)
				}
				if at, ok := soon[audio.FirstSpoken]; !ok || at > 21*time.Millisecond {
					t.Errorf("call %d, answered after %v: the first packet leaves after %v", call, after, at)
				}
				h.Disconnect()
				close(l.quit)
				time.Sleep(3 * time.Second)
			}
		})
	}
}

// What is played is heard, late as the devices are, and whatever the gains; a call
// ends it at once.
func TestProbe(t *testing.T) {
	d := newFakeDriver()
	d.loop = 0.5
	inHouse(t, audio.Config{OutputGain: -20, InputGain: 20}, d, func(h *house) {
		play := make([]float32, 48000)
		for i := range 4800 {
			play[i] = float32(0.3 * math.Sin(2*math.Pi*1000*float64(i)/48000))
		}
		time.Sleep(time.Second)
		rec, err := h.Probe(h.t.Context(), play)
		if err != nil || len(rec) != len(play) {
			t.Fatal(len(rec), err)
		}
		first := 0
		for first < len(rec) && math.Abs(float64(rec[first])) < 0.01 {
			first++
		}
		if first > 4800 || first+4800 > len(rec) {
			t.Fatalf("heard after %d samples", first)
		}
		if a := amplitude(rec[first:first+4800], 1000, 48000); math.Abs(a-0.15) > 0.03 {
			t.Errorf("heard at %.3f, want 0.15", a)
		}
		ctx, cancel := context.WithTimeout(h.t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := h.Probe(ctx, play); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("told to end: %v", err)
		}
		for name, disturb := range map[string]func(){
			"another": func() {
				if _, err := h.Probe(h.t.Context(), play); !errors.Is(err, audio.ErrProbeEnded) {
					t.Errorf("two at a time: %v", err)
				}
				h.Play("busy")
			},
			"call": func() {
				l := newFakeLink("opus", 48000)
				defer close(l.quit)
				h.Connect(l, true)
				time.Sleep(50 * time.Millisecond)
				h.Disconnect()
			},
		} {
			h.Silence()
			time.Sleep(100 * time.Millisecond)
			t0, ended := time.Now(), make(chan error)
			go func() {
				_, err := h.Probe(h.t.Context(), play)
				ended <- err
			}()
			time.Sleep(200 * time.Millisecond)
			disturb()
			if err := <-ended; !errors.Is(err, audio.ErrProbeEnded) || time.Since(t0) > 300*time.Millisecond {
				t.Errorf("%s: %v after %v", name, err, time.Since(t0))
			}
		}
		h.Silence()
		d.unplug()
		time.Sleep(2 * time.Second)
		if _, err := h.Probe(h.t.Context(), play); !errors.Is(err, audio.ErrProbeDeaf) {
			t.Errorf("without devices: %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]audio.Config{
		"region": {Region: "atlantis"}, "complexity": {Complexity: 11}, "bitrate": {Bitrate: -5},
	} {
		cfg.Log = newLog(t)
		if _, err := audio.New(cfg, newFakeDriver()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := audio.New(audio.Config{}, newFakeDriver()); err == nil {
		t.Error("no logger: accepted")
	}
}
