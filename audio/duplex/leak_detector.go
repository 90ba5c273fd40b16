package duplex

import (
	"math"

	"intercomd/audio/fft"
	"intercomd/audio/levels"
	"intercomd/audio/pcm"
)

const (
	leakLags  = 56 // frames: the echo comes up to half a second late
	leakEvery = 25 // frames between verdicts
	leakKeep  = 1 - 1./400
	leakLeast = 400 // frames of talk before the first verdict
	leakTurns = 8   // verdicts in a row that make it sure
	leakFar   = 0.01
	// A leak is what follows the far end's voice so well, and is less than so many
	// dB weaker. Fine is what follows less, or is more than so many dB weaker. What
	// works reaches 40 dB in the room of a door.
	leakLike, leakMost   = 0.65, 15.
	leakLess, leakEnough = 0.45, 25.
	// leakLively is how much a level must vary, by its own mean, to say anything: voices
	// do by 1, tones and fans by nothing but their beginning, which both sides may share.
	leakLively = 0.3
)

// leakDetector tells whether the far end's voice goes back to it, whatever cancels the
// echo: the level of what is sent then rises and falls as the far end talks, a
// fixed time later. A visitor who talks at the same time does not follow the far
// end; noise does not either.
type leakDetector struct {
	far   [leakLags]float64 // levels of the last frames
	next  int
	quiet int // frames since the far end was last heard

	w, sy, syy   float64 // weighted sums over frames in which the far end is heard
	sx, sxx, sxy [leakLags]float64

	frames int
	bad    int // verdicts in a row
	ok     bool
}

func (l *leakDetector) reset() { *l = leakDetector{quiet: leakLags, ok: true} }

// add is given the amplitudes of a frame of the loudspeaker and of one that would
// be sent, and tells whether the far end may be heard in it.
func (l *leakDetector) add(far, sent float32) bool {
	l.next = (l.next + leakLags - 1) % leakLags
	l.far[l.next] = float64(far)
	if l.quiet++; far > leakFar {
		l.quiet = 0
	}
	if l.quiet >= leakLags {
		return false
	}
	y := float64(sent)
	l.w = l.w*leakKeep + 1
	l.sy = l.sy*leakKeep + y
	l.syy = l.syy*leakKeep + y*y
	for i := range l.sx {
		x := l.far[(l.next+i)%leakLags]
		l.sx[i] = l.sx[i]*leakKeep + x
		l.sxx[i] = l.sxx[i]*leakKeep + x*x
		l.sxy[i] = l.sxy[i]*leakKeep + x*y
	}
	if l.frames++; l.frames >= leakLeast && l.frames%leakEvery == 0 {
		like, loss := l.measure()
		l.ok = like < leakLess || loss > leakEnough
		if l.bad++; like < leakLike || loss > leakMost {
			l.bad = 0
		}
	}
	return true
}

// measure tells how much what is sent follows the far end at the lag at which it
// does most, from 0 to 1, and how much weaker it then is, in dB.
func (l *leakDetector) measure() (like, loss float64) {
	loss = -levels.Silent
	my := l.sy / l.w
	vy := l.syy/l.w - my*my
	for i := range l.sx {
		mx := l.sx[i] / l.w
		vx := l.sxx[i]/l.w - mx*mx
		c := l.sxy[i]/l.w - mx*my
		if !lively(vx, mx) || !lively(vy, my) || c <= 0 {
			continue
		}
		if r := c / math.Sqrt(vx*vy); r > like {
			like, loss = r, -levels.DB(c/vx)
		}
	}
	return like, loss
}

// lively tells whether a level with this variance and mean may be a voice.
func lively(variance, mean float64) bool {
	return variance > 1e-12 && variance > leakLively*leakLively*mean*mean
}

// fails tells that the echo is not cancelled, fine that it is.
func (l *leakDetector) fails() bool { return l.bad >= leakTurns }
func (l *leakDetector) fine() bool  { return l.ok }

// ClipAt is the amplitude from which on a sample of the microphone counts as clipped.
const ClipAt = 0.985

const (
	clipKeep = 1 - 1./300
	// Clipping is the loudspeaker's doing if so many of the frames in which the far
	// end is heard clip, and several times as many as of the others.
	clipMost, clipTimes = 0.25, 4
	clipLeast           = 300
	clipFine            = 0.03
)

// clipping tells whether the loudspeaker drives the microphone beyond full scale,
// where no canceller can follow.
type clipping struct {
	with, without float64 // share of frames that clip, by whether the far end is heard
	frames        int
}

// add is given the peak of a frame of the microphone.
func (c *clipping) add(peak float32, heard bool) {
	v := 0.
	if peak >= ClipAt {
		v = 1
	}
	if !heard {
		c.without = c.without*clipKeep + v*(1-clipKeep)
		return
	}
	c.frames++
	c.with = c.with*clipKeep + v*(1-clipKeep)
}

func (c *clipping) fails() bool {
	return c.frames >= clipLeast && c.with > clipMost && c.with > clipTimes*c.without
}

func (c *clipping) fine() bool { return c.with < clipFine }

const (
	howlRate   = 3   // samples of 48 kHz for one
	howlLen    = 320 // 20 ms of 16 kHz
	howlLevel  = 0.006
	howlShare  = 0.8  // of the power that is in one tone
	howlRatio  = 0.18 // of what is sent to what is played, at least: -15 dB
	howlGrow   = 2.   // amplitude: 6 dB
	howlSoon   = 20   // frames of a tone that grows
	howlLate   = 100  // frames of one that has grown before it was a tone
	howlFull   = 0.2  // and is limited by something: -14 dBFS
	howlMissed = 3    // frames in which it may not be recognised
)

// howl looks for a tone that both what is played and what is sent consist of, and
// that grows until something limits it: a loop through both stations.
type howl struct {
	f         *fft.Real
	win       [howlLen]float32
	spec      []complex64
	time      [howlLen]float32
	far, sent [howlLen]float32

	bin    int
	frames int // with the tone
	missed int
	first  float32 // amplitude of what is sent at the first of them
}

func newHowl() *howl {
	f := fft.MustReal(howlLen)
	h := &howl{f: f, spec: make([]complex64, f.Bins())}
	for i := range h.win {
		h.win[i] = float32(0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/howlLen))
	}
	return h
}

func (h *howl) reset() {
	h.frames, h.missed = 0, 0
	clear(h.far[:])
	clear(h.sent[:])
}

// add is given a frame that is played and one that would be sent, with their
// amplitudes, and tells whether the loop howls.
func (h *howl) add(far, sent []float32, x, y float32) bool {
	push(&h.far, far)
	push(&h.sent, sent)
	bin := -1
	if x > howlLevel && y > howlLevel && y > howlRatio*x {
		if bin = h.tone(&h.sent); bin >= 0 && !near(bin, h.tone(&h.far)) {
			bin = -1
		}
	}
	switch {
	case bin >= 0 && h.frames > 0 && near(bin, h.bin):
		h.frames++
		h.missed = 0
	case bin >= 0:
		h.frames, h.missed, h.first = 1, 0, y
	default:
		if h.missed++; h.missed > howlMissed {
			h.frames = 0
		}
		return false
	}
	h.bin = bin
	return h.frames >= howlSoon && y > howlGrow*h.first || h.frames >= howlLate && max(x, y) > howlFull
}

func near(a, b int) bool { return b >= 0 && a-b <= 1 && b-a <= 1 }

// push appends a frame at a third of its rate.
func push(to *[howlLen]float32, frame []float32) {
	const n = pcm.Frame / howlRate
	copy(to[:], to[n:])
	for i := range n {
		s := frame[howlRate*i:][:howlRate]
		to[howlLen-n+i] = (s[0] + s[1] + s[2]) / howlRate
	}
}

// tone is the bin of the one tone that x consists of; -1 if it does not.
func (h *howl) tone(x *[howlLen]float32) int {
	for i, v := range x {
		h.time[i] = v * h.win[i]
	}
	h.f.Forward(h.spec, h.time[:])
	var total, best float32
	at := 0
	for i, v := range h.spec {
		p := real(v)*real(v) + imag(v)*imag(v)
		h.spec[i] = complex(p, 0)
		total += p
		if p > best {
			best, at = p, i
		}
	}
	var peak float32
	for i := max(0, at-2); i <= min(len(h.spec)-1, at+2); i++ {
		peak += real(h.spec[i])
	}
	if at < 3 || peak < howlShare*total {
		return -1
	}
	return at
}
