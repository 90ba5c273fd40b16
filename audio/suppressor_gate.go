package audio

import "intercomd/audio/pcm"

const (
	// gateWindow is the frames whose quietest one is the noise of a place: a sentence has
	// a pause in one of two such windows.
	gateWindow = 150
	// gateNoise is the least noise that is worth suppressing: -70 dBFS.
	gateNoise = 3.162e-4
)

// suppressorGate decides whether a call's noise is suppressed: that costs delay and computing, and
// in a quiet place gives nothing for it. It listens between calls too, so that it knows
// when one begins; before it knows, it says yes. A street that gets loud in a call turns
// it to yes for the rest of that call, and it never turns back in one, since each turn
// moves the voice by the delay of the suppressor.
type suppressorGate struct {
	least  float32 // amplitude of the quietest frame of this window that is not quite silent
	silent int     // frames that are: a digital silence, or a microphone that is away
	frames int     // of this window
	quiet  bool    // by the last whole window; not before there was one
	inCall bool
	yes    bool                  // in this call
	last   [2][pcm.Frame]float32 // frames of this call, the older one first
}

// listen takes what the microphone heard, its echo cancelled.
func (n *suppressorGate) listen(frame []float32) {
	switch a := pcm.RMS(frame); {
	case a == 0:
		n.silent++
	case n.least == 0 || a < n.least:
		n.least = a
	}
	if n.frames++; n.frames == gateWindow {
		n.quiet = n.silent > gateWindow/2 || n.least < gateNoise
		n.least, n.silent, n.frames = 0, 0, 0
	}
}

// suppress runs the suppressor on a frame where it is needed. Its output is late, by two
// frames at most: whenever it begins, it is given the frames before, or none from before
// the call. In a call its output is faded in.
func (n *suppressorGate) suppress(s Suppressor, frame []float32, call bool) {
	n.listen(frame)
	began := call && !n.inCall
	n.inCall = call
	switch {
	case !call:
	case began:
		clear(n.last[:])
		if n.yes = !n.quiet; n.yes {
			n.catchUp(s)
			s.Process(frame)
			return
		}
		n.keep(frame)
	case n.yes:
		s.Process(frame)
	case !n.quiet:
		n.yes = true
		n.catchUp(s)
		n.keep(frame)
		s.Process(frame)
		for i, v := range n.last[1] {
			w := (float32(i) + 0.5) / pcm.Frame
			frame[i] = v*(1-w) + frame[i]*w
		}
	default:
		n.keep(frame)
	}
}

func (n *suppressorGate) keep(frame []float32) {
	n.last[0] = n.last[1]
	copy(n.last[1][:], frame)
}

// catchUp gives the suppressor what was before: it will give that back.
func (n *suppressorGate) catchUp(s Suppressor) {
	for i := range n.last {
		s.Process(n.last[i][:])
	}
}
