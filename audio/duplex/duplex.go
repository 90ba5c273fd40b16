// Package duplex decides whether both directions of a call may go at once: it hears frame by
// frame what is played and what would be sent, falls back to one direction at a time where an
// echo, howling or clipping leaves no choice, and returns. It knows no canceller, device or call.
package duplex

import (
	"time"

	"intercomd/audio/levels"
	"intercomd/audio/pcm"
)

// Mode says how both directions of a call share the air.
type Mode int

// The ways. Full duplex is both at once. Switched duplex is one at a time, as
// speech comes; the far end goes first. Auto is full duplex that falls back to
// switched while full duplex cannot work, and returns.
const (
	Full Mode = iota
	Auto
	Switched
)

// Status tells how both directions of a call share the air now.
type Status struct {
	Switched bool      // one direction at a time
	Reason   Reason    // why Auto has fallen back; "" if it has not
	Since    time.Time // of the fall-back
}

// Reason names why full duplex cannot work.
type Reason string

// The reasons.
const (
	Echo     Reason = "echo"     // the canceller does not keep the far end's voice from going back
	Howling  Reason = "howling"  // a tone built up through both ends
	Clipping Reason = "clipping" // the loudspeaker drives the microphone beyond full scale
)

const (
	// Full duplex is tried again when it would have worked for so many frames in
	// which the far end talked, and so many frames of a call have passed. Each
	// relapse doubles both, up to so many times.
	calmTalk  = 500
	calmCall  = 1500
	relapses  = 4
	relapseOf = 6000 // frames of full duplex after which a fall-back is no relapse
)

// Control decides between full and switched duplex. It belongs to the pump.
type Control struct {
	mode     Mode
	switched bool
	reason   Reason
	gate     voiceSwitch
	leak     leakDetector
	howl     *howl
	clip     clipping

	call, talk int // frames of calls since the fall-back, and of the far end's talk without trouble
	full       int // frames of calls since the return
	again      int // relapses
}

// New returns a control that begins as mode says.
func New(mode Mode) Control {
	return Control{mode: mode, switched: mode == Switched, gate: newVoiceSwitch(), howl: newHowl(), full: relapseOf}
}

// Begin is told of another call. What was wrong with the room still is; a loop
// through another far end is another loop.
func (d *Control) Begin() {
	d.leak.reset()
	d.howl.reset()
	d.clip = clipping{}
	d.gate.reset()
	if d.reason == Howling {
		d.restore()
	}
}

// State tells whether one direction goes at a time, and what made it so if nobody chose it.
func (d *Control) State() (switched bool, why Reason) { return d.switched, d.reason }

// Play is given what the loudspeaker is about to play, and weakens it while the
// near end talks.
func (d *Control) Play(frame []float32) {
	if d.switched {
		d.gate.play(frame)
	}
}

// Send is given what would be sent, while the loudspeaker played far and the
// microphone heard a peak of raw, and weakens it while the far end talks. It
// tells whether the way has changed.
func (d *Control) Send(frame, far []float32, raw float32) (changed bool) {
	if d.mode == Auto {
		changed = d.judge(frame, far, raw)
	}
	if d.switched {
		d.gate.send(frame)
	}
	return changed
}

// judge looks for what keeps full duplex from working, and for its end.
func (d *Control) judge(frame, far []float32, raw float32) bool {
	x, y := pcm.RMS(far), pcm.RMS(frame)
	heard := d.leak.add(x, y)
	d.clip.add(raw, heard)
	howls := d.howl.add(far, frame, x, y)
	if !d.switched {
		d.full++
		switch {
		case howls:
			return d.fallBack(Howling)
		case d.clip.fails():
			return d.fallBack(Clipping)
		case d.leak.fails():
			return d.fallBack(Echo)
		}
		return false
	}
	d.call++
	switch {
	case !d.leak.fine() || !d.clip.fine():
		d.talk = 0
	case heard:
		d.talk++
	}
	if d.call < calmCall<<d.again || d.talk < calmTalk<<d.again && d.reason != Howling {
		return false
	}
	d.restore()
	return true
}

func (d *Control) fallBack(why Reason) bool {
	if d.full < relapseOf {
		d.again = min(d.again+1, relapses)
	} else {
		d.again = 0
	}
	d.switched, d.reason, d.call, d.talk = true, why, 0, 0
	d.gate.reset()
	return true
}

// restore returns to full duplex.
func (d *Control) restore() {
	d.switched, d.reason, d.full = d.mode == Switched, "", 0
	d.leak.reset()
	d.howl.reset()
	d.clip = clipping{}
}

const (
	// Levels and times of the voice switch, in the terms of ITU-T P.340: losses
	// inserted into the direction that waits, build-up in one frame, and the
	// hang-over until it may go again.
	switchLoss  = 40. // dB
	switchHang  = 30  // frames: a pause between words, and the echo of the last
	switchBuild = 5   // frames for which the far end must talk to interrupt the near end
	switchFar   = -50.
	switchNear  = -50.
	switchAbove = 9. // dB above the background that are taken for speech
)

// voiceSwitch lets one direction pass at a time. It rests with the microphone
// open: whoever has answered wants to hear the door.
type voiceSwitch struct {
	receive    bool // the far end has the word
	hang       int  // frames until it may be taken from whoever has it
	build      int  // frames in a row in which the far end talked against the near end
	far, near  levels.Floor
	hear, talk levels.Ramp
	comfort    levels.Comfort
}

func newVoiceSwitch() voiceSwitch {
	return voiceSwitch{hear: levels.NewRamp(), talk: levels.NewRamp()}
}

// reset gives the word to nobody.
func (v *voiceSwitch) reset() { v.receive, v.hang, v.build = false, 0, 0 }

// play hears the far end, decides who has the word, and passes the far end on.
func (v *voiceSwitch) play(frame []float32) {
	l := levels.Of(frame)
	v.far.Add(l)
	talks := l > switchFar && l > v.far.Level()+switchAbove
	switch {
	case v.receive && talks:
		v.hang = switchHang
	case v.receive:
		if v.hang--; v.hang <= 0 {
			v.reset()
		}
	case talks:
		if v.build++; v.build >= switchBuild || v.hang == 0 {
			v.receive, v.hang, v.build = true, switchHang, 0
		}
	default:
		v.build = 0
	}
	v.hear.Apply(frame, v.lossUnless(v.receive))
}

// send hears the near end, as far as it has the word, and passes it on. In place
// of what is held back goes noise like that of the street: a line that goes dead
// between words is hard to listen to.
func (v *voiceSwitch) send(frame []float32) {
	if !v.receive {
		l := levels.Of(frame)
		v.near.Add(l)
		v.comfort.Hear(frame)
		if l > switchNear && l > v.near.Level()+switchAbove {
			v.hang = switchHang
		} else if v.hang > 0 {
			v.hang--
		}
		v.talk.Apply(frame, 1)
		return
	}
	var noise [pcm.Frame]float32
	v.comfort.Fill(noise[:])
	v.talk.Apply(frame, v.lossUnless(false))
	for i, n := range noise {
		frame[i] += n
	}
}

func (v *voiceSwitch) lossUnless(open bool) float32 {
	if open {
		return 1
	}
	return levels.Gain(-switchLoss)
}
