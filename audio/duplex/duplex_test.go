package duplex

import (
	"math"
	"math/rand/v2"
	"testing"

	"intercomd/audio/levels"
	"intercomd/audio/pcm"
)

// loop is a call in numbers: the door's microphone hears its own loudspeaker, the
// far end's telephone its own earpiece, and both may talk. There is no canceller.
type loop struct {
	way        Control
	door       float32 // amplitude of the loudspeaker at the microphone
	phone      float32 // of the earpiece at the mouthpiece
	clips      bool    // the loudspeaker overdrives the microphone
	farTalks   bool
	nearTalks  bool
	rng        *rand.Rand
	line, back [][]float32 // frames on their way to the far end, and back
	air        [][]float32 // between loudspeaker and microphone
	n          int
	heard      []float32 // by the far end, the last frame
	y1, y2     float64   // of the resonance of the telephone
}

func newLoop() *loop {
	l := &loop{way: New(Auto), rng: rand.New(rand.NewPCG(1, 1))}
	l.way.Begin()
	for range 8 { // 80 ms of network each way
		l.line, l.back = append(l.line, make([]float32, pcm.Frame)), append(l.back, make([]float32, pcm.Frame))
	}
	for range 3 {
		l.air = append(l.air, make([]float32, pcm.Frame))
	}
	return l
}

// voice is a vowel in syllables of 200 ms with pauses, different for each seed.
func (l *loop) voice(pitch float64, word int) []float32 {
	f := make([]float32, pcm.Frame)
	syllable := l.n / 20
	if (syllable*7919+word)%5 < 2 {
		return f
	}
	gain := 0.1 + 0.2*math.Abs(math.Sin(float64(syllable*word)))
	for i := range f {
		t := float64(l.n*pcm.Frame+i) / pcm.SampleRate
		for k := 1.; k < 12; k++ {
			f[i] += float32(gain / k * math.Sin(2*math.Pi*pitch*k*t))
		}
	}
	return f
}

func mix(to, x []float32, g float32) {
	for i, v := range x {
		to[i] = max(-1, min(1, to[i]+g*v))
	}
}

func shift(q [][]float32, x []float32) []float32 {
	first := q[0]
	copy(q, q[1:])
	q[len(q)-1] = append([]float32(nil), x...)
	return first
}

// resonate is what a handset on a table does to a sound: 1.2 kHz stands out.
func (l *loop) resonate(x []float32) []float32 {
	const r = 0.99
	w := 2 * math.Pi * 1200. / pcm.SampleRate
	out := make([]float32, len(x))
	for i, v := range x {
		y := (1-r)*2*math.Sin(w)*float64(v)*7 + 2*r*math.Cos(w)*l.y1 - r*r*l.y2
		l.y1, l.y2 = y, l.y1
		out[i] = float32(y)
	}
	return out
}

// step makes 10 ms and tells whether the way changed.
func (l *loop) step() bool {
	played := shift(l.back, make([]float32, pcm.Frame))
	l.way.Play(played)
	mic := make([]float32, pcm.Frame)
	for i := range mic {
		mic[i] = 1e-4 * float32(l.rng.NormFloat64())
	}
	mix(mic, shift(l.air, played), l.door)
	if l.nearTalks {
		mix(mic, l.voice(190, 3), 1)
	}
	raw := pcm.Peak(mic)
	if l.clips && pcm.RMS(played) > leakFar {
		raw = 1
	}
	changed := l.way.Send(mic, played, raw)
	l.heard = shift(l.line, mic)
	said := make([]float32, pcm.Frame)
	mix(said, l.resonate(l.heard), l.phone)
	if l.farTalks {
		mix(said, l.voice(110, 2), 1)
	}
	copy(l.back[len(l.back)-1], said)
	l.n++
	return changed
}

// until runs for at most so many frames, or until the way changes, and returns
// how many it were.
func (l *loop) until(frames int) int {
	for i := range frames {
		if l.step() {
			return i
		}
	}
	return frames
}

// loudest is the loudest frame that the far end hears in so many frames.
func (l *loop) loudest(frames int) (db float64) {
	db = levels.Silent
	for range frames {
		l.step()
		db = max(db, levels.Of(l.heard))
	}
	return db
}

func TestHowlingEndsAndFullDuplexReturns(t *testing.T) {
	l := newLoop()
	l.door, l.phone = 1.6, 1
	if n := l.until(600); n == 600 || l.way.reason != Howling {
		t.Fatalf("a loop of 4 dB howls on: %q after %d frames, %.0f dBFS", l.way.reason, n, levels.Of(l.heard))
	}
	l.until(300)
	if db := l.loudest(200); db > -60 {
		t.Errorf("one direction at a time, and still %.0f dBFS", db)
	}
	l.phone = 0.05 // somebody turns the telephone away
	if n := l.until(2 * calmCall); n == 2*calmCall || l.way.switched {
		t.Fatalf("full duplex has not returned after %d frames", n)
	}
	if n := l.until(3000); n != 3000 {
		t.Errorf("given up again after %d frames for %q", n, l.way.reason)
	}
}

// Who howls again at once waits longer each time.
func TestRelapses(t *testing.T) {
	l := newLoop()
	l.door, l.phone = 2, 1
	var waits []int
	for range 4 {
		l.until(2000)
		waits = append(waits, l.until(100000))
	}
	for i, n := range waits {
		if want := calmCall << i; n < want-1 || n > want+1 {
			t.Errorf("waited %v frames, want %d doubled each time", waits, calmCall)
			break
		}
	}
	l.way.Begin()
	if l.way.switched {
		t.Error("the loop through one far end is held against the next")
	}
}

func TestEchoEndsAndFullDuplexReturns(t *testing.T) {
	for _, c := range []struct {
		why   Reason
		spoil func(l *loop, on bool)
	}{
		{Echo, func(l *loop, on bool) {
			l.door = 0
			if on {
				l.door = 0.7
			}
		}},
		{Clipping, func(l *loop, on bool) { l.clips = on }},
	} {
		l := newLoop()
		l.farTalks = true
		c.spoil(l, true)
		if n := l.until(1500); n == 1500 || l.way.reason != c.why {
			t.Fatalf("%s: %q after %d frames", c.why, l.way.reason, n)
		}
		if n := l.until(4000); n != 4000 {
			t.Errorf("%s: full duplex returns although nothing is better, after %d frames", c.why, n)
		}
		l.way.Begin()
		if !l.way.switched {
			t.Errorf("%s: the next call forgets what the room is like", c.why)
		}
		c.spoil(l, false)
		if n := l.until(6000); n == 6000 || l.way.switched {
			t.Errorf("%s: full duplex has not returned after %d frames", c.why, n)
		}
	}
}

// Who has the word, frame by frame.
func TestVoiceSwitch(t *testing.T) {
	v := newVoiceSwitch()
	near, far := make([]float32, pcm.Frame), make([]float32, pcm.Frame)
	// step lets both talk, or not, and returns how much of each passes, in dB.
	step := func(farTalks, nearTalks bool, frames int) (hear, say float64) {
		for n := range frames {
			for i := range near {
				s := float32(math.Sin(float64(n*pcm.Frame+i) / 20))
				near[i], far[i] = 1e-3*s, 1e-3*s
				if nearTalks {
					near[i] += 0.2 * s
				}
				if farTalks {
					far[i] += 0.2 * s
				}
			}
			f, s := levels.Of(far), levels.Of(near)
			v.play(far)
			v.send(near)
			hear, say = levels.Of(far)-f, levels.Of(near)-s
		}
		return hear, say
	}
	const open, shut = -0.5, -25
	expect := func(what string, hear, say float64, hears, says bool) {
		t.Helper()
		if (hear > open) != hears || (hear < shut) == hears || (say > open) != says {
			t.Errorf("%s: the far end passes with %.0f dB, the near end with %.0f dB", what, hear, say)
		}
	}
	hear, say := step(false, false, 200)
	expect("nobody talks", hear, say, false, true)
	if hear, _ = step(true, false, 2); hear < open { // the near end is held back, and as much noise put in its place
		t.Errorf("the far end begins: it passes with %.0f dB", hear)
	}
	hear, say = step(true, true, 100)
	expect("the visitor interrupts", hear, say, true, false)
	hear, say = step(false, true, switchHang-5)
	expect("the far end pauses", hear, say, true, false)
	hear, say = step(false, true, 10)
	expect("the far end has stopped", hear, say, false, true)
	hear, say = step(true, true, switchBuild-1)
	expect("the far end coughs", hear, say, false, true)
	step(false, true, 1)
	hear, say = step(true, true, switchBuild+1)
	expect("the far end interrupts", hear, say, true, false)
}

func TestSwitchedByConfiguration(t *testing.T) {
	d := New(Switched)
	d.Begin()
	frame := make([]float32, pcm.Frame)
	for range 10000 {
		if d.Play(frame); d.Send(frame, frame, 0) || !d.switched {
			t.Fatal("left")
		}
	}
}

// Steady tones begin together and say nothing of an echo, as those by which a call is
// tested; nor does one that comes back no louder than it went out, as from an echo test.
func TestTonesAreNoEcho(t *testing.T) {
	tone := func(hz float64, n int) []float32 {
		x := make([]float32, pcm.Frame)
		for i := range x {
			x[i] = float32(0.14 * math.Sin(2*math.Pi*hz/pcm.SampleRate*float64(n*pcm.Frame+i)))
		}
		return x
	}
	for name, far := range map[string]func(n int) []float32{
		"two tones": func(n int) []float32 { return tone(440, n) },
		"an echo test": func(n int) []float32 {
			if n < 12 {
				return make([]float32, pcm.Frame)
			}
			return tone(1000, n-12)
		},
	} {
		d := New(Auto)
		d.Begin()
		for n := range 2000 {
			f := far(n)
			d.Play(f)
			if d.Send(tone(1000, n), f, 0) || d.switched {
				t.Errorf("%s: one direction at a time after %d frames, %q", name, n, d.reason)
				break
			}
		}
	}
}

// A visitor who shouts into the microphone clips it, whoever talks; a loudspeaker
// that is too loud does only while it is heard.
func TestWhoClips(t *testing.T) {
	for name, c := range map[string]struct {
		with, without float32
		want          bool
	}{"visitor": {1, 1, false}, "loudspeaker": {1, 0.2, true}, "nobody": {0.5, 0.5, false}} {
		var k clipping
		for n := range 2000 {
			if heard := n/100%2 == 0; heard {
				k.add(c.with, true)
			} else {
				k.add(c.without, false)
			}
		}
		if k.fails() != c.want {
			t.Errorf("%s: the loudspeaker clips: %v", name, k.fails())
		}
	}
}
