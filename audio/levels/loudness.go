package levels

import (
	"math"

	"intercomd/audio/pcm"
)

// Floor follows the level of what is always there: the least of the last seconds.
type Floor struct {
	cur, prev float64 // least level of this window and of the one before, dBFS
	frames    int     // in this window
}

// floorWindow is how many frames a window has: 1.5 s, so that a sentence has a
// pause in one of two.
const floorWindow = 150

// Add hears a frame's level in dBFS.
func (f *Floor) Add(l float64) {
	if f.frames++; f.frames > floorWindow {
		f.prev, f.cur, f.frames = f.cur, l, 1
	}
	f.cur = min(f.cur, l)
}

// Level is the floor in dBFS; 0 until something was heard.
func (f *Floor) Level() float64 { return min(f.cur, f.prev) }

// Of is the level of a frame in dBFS.
func Of(frame []float32) float64 {
	return DB(math.Sqrt(float64(pcm.Dot(frame, frame)) / float64(len(frame))))
}

const (
	agcTarget = -20. // dBFS of speech, RMS
	agcMost   = 15.  // dB up
	agcLeast  = -10. // dB down
	agcUp     = 0.03 // dB per frame: 3 dB/s
	agcDown   = 0.08
	// agcAbove is how far above the floor a frame is taken for speech, agcSpeech
	// the least level of one, agcFar the level of the loudspeaker above which
	// what is heard may be its echo.
	agcAbove  = 9.
	agcSpeech = -55.
	agcFar    = -45.
)

// AGC brings the visitor's speech to one level, whether near or far from the
// door. It acts on speech only and never while the loudspeaker is heard, so that
// neither noise nor echo is pumped up.
type AGC struct {
	floor  Floor
	speech float64 // level of speech, dBFS
	known  bool
	gain   float64 // dB
}

// Adapt hears a frame of the microphone while the loudspeaker plays at far dBFS,
// and returns the gain in dB.
func (a *AGC) Adapt(frame []float32, far float64) float64 {
	l := Of(frame)
	a.floor.Add(l)
	if far > agcFar || l < agcSpeech || l < a.floor.Level()+agcAbove {
		return a.gain
	}
	if !a.known {
		a.known, a.speech = true, l
	}
	a.speech += (l - a.speech) * 0.01 // a second of speech
	want := max(agcLeast, min(agcMost, agcTarget-a.speech))
	a.gain += max(-agcDown, min(agcUp, want-a.gain))
	return a.gain
}

const (
	ambientQuiet = -60. // dBFS of noise at the microphone below which nothing is added
	ambientShare = 0.6  // dB of volume for each dB of noise
	ambientRate  = 0.01 // dB per frame: 1 dB/s
	ambientPause = 30   // frames after the loudspeaker fell silent
	ambientFar   = -60. // dBFS at which it counts as silent
)

// Ambient raises the loudspeaker with the noise of the street, up to most dB.
type Ambient struct {
	Most  float64
	floor Floor
	pause int
	Gain  float64
}

// Adapt hears a frame of the microphone while the loudspeaker plays at far dBFS,
// and returns the gain in dB for the next.
func (a *Ambient) Adapt(frame []float32, far float64) float64 {
	if a.Most <= 0 {
		return 0
	}
	if far > ambientFar {
		a.pause = ambientPause
	}
	if a.pause > 0 {
		a.pause-- // what is heard may be the loudspeaker
		return a.Gain
	}
	a.floor.Add(Of(frame))
	want := max(0, min(a.Most, ambientShare*(a.floor.Level()-ambientQuiet)))
	a.Gain += max(-ambientRate, min(ambientRate, want-a.Gain))
	return a.Gain
}

const (
	comfortMost = -45. // dBFS
	comfortTone = 0.25 // of the low-pass that takes the hiss off
)

// Comfort makes noise at the level of the far end's background where its audio is
// missing: dead silence sounds like a broken line.
type Comfort struct {
	floor Floor
	heard bool
	seed  uint32
	last  float32
}

// Hear takes audio that was really received.
func (c *Comfort) Hear(x []float32) {
	for len(x) >= pcm.Frame {
		c.floor.Add(Of(x[:pcm.Frame]))
		c.heard = true
		x = x[pcm.Frame:]
	}
}

// Fill writes noise.
func (c *Comfort) Fill(x []float32) {
	if !c.heard {
		clear(x)
		return
	}
	// White noise of ±1 has an RMS of 0.577; the low-pass takes sqrt(a/(2-a)).
	rms := 0.577 * math.Sqrt(comfortTone/(2-comfortTone))
	a := Gain(min(c.floor.Level(), comfortMost)) / float32(rms)
	if c.floor.Level() <= Silent {
		a = 0
	}
	for i := range x {
		c.seed = c.seed*1664525 + 1013904223 // Numerical Recipes' generator
		c.last += comfortTone * (float32(int32(c.seed))/(1<<31) - c.last)
		x[i] = a * c.last
	}
}

// silentBelow is the level that no working microphone stays under, not even in a
// quiet night: -85 dBFS.
const silentBelow = -85.

// Silence notices a microphone that hears nothing at all for longer than frames.
type Silence struct {
	frames int
	after  int
}

// NewSilence tells of silence that is longer than so many frames; 0 = never.
func NewSilence(frames int) Silence { return Silence{after: frames} }

// Reset forgets what was heard.
func (s *Silence) Reset() { s.frames = 0 }

// Add hears a frame and tells whether the microphone is silent.
func (s *Silence) Add(frame []float32) bool {
	if Of(frame) > silentBelow {
		s.frames = 0
	} else if s.frames <= s.after {
		s.frames++
	}
	return s.after > 0 && s.frames > s.after
}
