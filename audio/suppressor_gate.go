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
	yes    bool // in this call
	last   [pcm.Frame]float32
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

// suppress runs the suppressor on a frame where it is needed. Its output is late, by a
// frame at most: whenever it begins, it is given the frame before, or none from before
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
			s.Process(n.last[:])
			s.Process(frame)
			return
		}
		copy(n.last[:], frame)
	case n.yes:
		s.Process(frame)
	case !n.quiet:
		n.yes = true
		s.Process(n.last[:])
		copy(n.last[:], frame)
		s.Process(frame)
		for i, v := range n.last {
			w := (float32(i) + 0.5) / pcm.Frame
			frame[i] = v*(1-w) + frame[i]*w
		}
	default:
		copy(n.last[:], frame)
	}
}
