package audio

import (
	"time"

	"intercomd/audio/levels"
	"intercomd/audio/pcm"
	"intercomd/audio/resample"
)

// played is a frame on its way to the loudspeaker.
type played struct {
	pcm   [pcm.Frame]float32
	level float64       // dBFS
	at    time.Duration // when the device takes it
	probe *probe        // that it belongs to; nil: none
}

const (
	// referenceRoom is how many frames may be on their way: more than a live microphone can
	// be late by.
	referenceRoom = 16
	// pairFrames is how long the distance of a pair is averaged before it is held.
	pairFrames = 100
	// mismatch is how much nearer than that a frame may be before it has to wait: more than
	// half a frame, so that what the scheduler does changes nothing.
	mismatch = 15 * time.Millisecond
	// beyond is how much of what is played after the frame that is paired first must be there too: where clocks
	// differ, it is needed sooner or later.
	beyond = pcm.FrameTime
	// slack is how much further than at first it may be before it is left out. Beyond that
	// it would be heard before the one that it is paired with.
	slack = 4 * time.Millisecond
)

// echoReference gives each frame of the microphone what was played at the same time,
// for the echo canceller, which must not have to search for it again and again. The
// two come when their devices say so. In the long run one comes with the other,
// because what was played is resampled to the microphone's pace; when one of the devices
// has stood still, frames are left out, or silence is put in, until they fit again.
//
// The microphone is left as it is: its frames would not be full when its callbacks come, by a
// sample, and what they lack would come a whole callback later.
type echoReference struct {
	queue [referenceRoom]played
	first int
	n     int
	lead  time.Duration // how much later than taken a frame is heard whose partner it is first

	apart time.Duration // how much later a frame is heard than the one that it is paired with is taken
	known int           // frames in this average
	waits bool          // the loudspeaker's next frame is not yet heard
	drift resample.Drift

	pace *resample.Resampler // to that of the microphone
	pair played              // what comes out of it

	none played // silence
}

func newEchoReference() echoReference {
	return echoReference{
		drift: resample.CardDrift(), none: played{level: levels.Silent},
		pace: resample.New(pcm.SampleRate, pcm.SampleRate, 2*pcm.Frame),
	}
}

// room is told how long the loudspeaker's callbacks are: frames are made that much before
// the last of them is taken, at the latest. Something is added, so that the next is always
// there, for clocks that differ need time to be understood. The way through both devices'
// buffers is longer, so that no frame is heard before the one that it is paired with.
func (p *echoReference) room(callback time.Duration) { p.lead = callback + 6*time.Millisecond + beyond }

// exact is told that a frame is played when it is said to be taken, or as much as d from then. Where
// that is known it is certain that nothing is heard before.
func (p *echoReference) exact(d time.Duration) { p.lead = beyond - d }

// restart is told of another microphone or loudspeaker.
func (p *echoReference) restart() {
	p.drift = resample.CardDrift()
	p.pace.Clear()
	p.begin()
}

// push takes a copy of what is about to be played.
func (p *echoReference) push(pcm []float32, level float64, at time.Duration, pr *probe) {
	if p.n == referenceRoom {
		p.drop()
	}
	f := &p.queue[(p.first+p.n)%referenceRoom]
	copy(f.pcm[:], pcm)
	f.level, f.at, f.probe = level, at, pr
	p.n++
}

// next returns the oldest frame, or silence; it is valid until the next push.
func (p *echoReference) next() *played {
	if p.n == 0 {
		return &p.none
	}
	f := &p.queue[p.first]
	p.first, p.n = (p.first+1)%referenceRoom, p.n-1
	return f
}

// drop leaves a frame out, if there is one.
func (p *echoReference) drop() {
	if f := p.next(); f.probe != nil {
		f.probe.hear(p.none.pcm[:])
	}
}

// match returns what was played when a frame of the microphone was heard, which ended at the
// given time; it is valid until the next call.
func (p *echoReference) match(heard time.Duration) *played {
	p.mend(heard)
	p.waits = p.waits || p.n == 0 && p.known > 0
	if p.n == 0 || p.waits || p.known == 0 && p.distance(heard) < p.lead {
		return &p.none
	}
	off := p.distance(heard) - p.apart
	if p.known < pairFrames {
		p.known++
		p.apart += off / time.Duration(p.known)
	} else {
		p.pace.Step = 1 - 1e-6*p.drift.Ppm(-off)
	}
	return p.resampled()
}

// resampled takes as many frames as are needed for one at the microphone's pace: with clocks that differ none,
// or two, once in a while.
func (p *echoReference) resampled() *played {
	taken := 0
	for ; p.pace.Ready() < pcm.Frame; taken++ {
		if taken > 0 && p.pair.probe != nil {
			p.pair.probe.hear(p.none.pcm[:])
		}
		f := p.next()
		p.pace.Feed(f.pcm[:])
		p.pair.level, p.pair.probe = f.level, f.probe
	}
	if taken == 0 {
		p.pair.probe = nil
	}
	p.pace.Pull(p.pair.pcm[:])
	return &p.pair
}

// mend finds the frame that fits anew where one of the devices has stood still. What is
// left of the mismatch then, half a frame or so, stays: the canceller has to search
// once, and need not follow.
func (p *echoReference) mend(heard time.Duration) {
	if p.n == 0 {
		return
	}
	switch d := p.distance(heard); {
	case d > p.lead+pcm.FrameTime+slack:
		for p.n > 0 && p.distance(heard) > p.lead+pcm.FrameTime {
			p.drop()
		}
		p.begin()
	case d < p.apart-mismatch:
		p.waits = true
	case p.waits && d >= p.apart-pcm.FrameTime/2:
		p.begin()
	}
}

// begin takes the distance as it is from now on.
func (p *echoReference) begin() {
	p.apart, p.known, p.waits = 0, 0, false
	p.drift.Calm()
}

// distance is how much later something is heard than what is paired with it next was taken.
func (p *echoReference) distance(heard time.Duration) time.Duration {
	return heard - p.queue[p.first].at + pcm.Duration(p.pace.Ready())
}
