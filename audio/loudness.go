package audio

import "math"

// floor follows the level of what is always there: the least of the last seconds.
type floor struct {
	cur, prev float64 // least level of this window and of the one before, dBFS
	frames    int     // in this window
}

// floorWindow is how many frames a window has: 1.5 s, so that a sentence has a
// pause in one of two.
const floorWindow = 150

// add hears a frame's level in dBFS.
func (f *floor) add(l float64) {
	if f.frames++; f.frames > floorWindow {
		f.prev, f.cur, f.frames = f.cur, l, 1
	}
	f.cur = min(f.cur, l)
}

// level is the floor in dBFS; 0 until something was heard.
func (f *floor) level() float64 { return min(f.cur, f.prev) }

// loudness is the level of a frame in dBFS.
func loudness(frame []float32) float64 {
	return dbOf(math.Sqrt(float64(dot(frame, frame)) / float64(len(frame))))
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

// agc brings the visitor's speech to one level, whether near or far from the
// door. It acts on speech only and never while the loudspeaker is heard, so that
// neither noise nor echo is pumped up.
type agc struct {
	floor  floor
	speech float64 // level of speech, dBFS
	known  bool
	gain   float64 // dB
}

// adapt hears a frame of the microphone while the loudspeaker plays at far dBFS,
// and returns the gain in dB.
func (a *agc) adapt(frame []float32, far float64) float64 {
	l := loudness(frame)
	a.floor.add(l)
	if far > agcFar || l < agcSpeech || l < a.floor.level()+agcAbove {
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

// ambient raises the loudspeaker with the noise of the street, up to most dB.
type ambient struct {
	most  float64
	floor floor
	pause int
	gain  float64
}

// adapt hears a frame of the microphone while the loudspeaker plays at far dBFS,
// and returns the gain in dB for the next.
func (a *ambient) adapt(frame []float32, far float64) float64 {
	if a.most <= 0 {
		return 0
	}
	if far > ambientFar {
		a.pause = ambientPause
	}
	if a.pause > 0 {
		a.pause-- // what is heard may be the loudspeaker
		return a.gain
	}
	a.floor.add(loudness(frame))
	want := max(0, min(a.most, ambientShare*(a.floor.level()-ambientQuiet)))
	a.gain += max(-ambientRate, min(ambientRate, want-a.gain))
	return a.gain
}

const (
	comfortMost = -45. // dBFS
	comfortTone = 0.25 // of the low-pass that takes the hiss off
)

// comfort makes noise at the level of the far end's background where its audio is
// missing: dead silence sounds like a broken line.
type comfort struct {
	floor floor
	heard bool
	seed  uint32
	last  float32
}

// hear takes audio that was really received.
func (c *comfort) hear(pcm []float32) {
	for len(pcm) >= Frame {
		c.floor.add(loudness(pcm[:Frame]))
		c.heard = true
		pcm = pcm[Frame:]
	}
}

// fill writes noise.
func (c *comfort) fill(pcm []float32) {
	if !c.heard {
		clear(pcm)
		return
	}
	// White noise of ±1 has an RMS of 0.577; the low-pass takes sqrt(a/(2-a)).
	rms := 0.577 * math.Sqrt(comfortTone/(2-comfortTone))
	a := gainOf(min(c.floor.level(), comfortMost)) / float32(rms)
	if c.floor.level() <= silenceDB {
		a = 0
	}
	for i := range pcm {
		c.seed = c.seed*1664525 + 1013904223 // Numerical Recipes' generator
		c.last += comfortTone * (float32(int32(c.seed))/(1<<31) - c.last)
		pcm[i] = a * c.last
	}
}

// silentBelow is the level that no working microphone stays under, not even in a
// quiet night: -85 dBFS.
const silentBelow = -85.

// silence notices a microphone that hears nothing at all for longer than frames.
type silence struct {
	frames int
	after  int
}

// add hears a frame and tells whether the microphone is silent.
func (s *silence) add(frame []float32) bool {
	if loudness(frame) > silentBelow {
		s.frames = 0
	} else if s.frames <= s.after {
		s.frames++
	}
	return s.after > 0 && s.frames > s.after
}
