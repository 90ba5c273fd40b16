package audio

import (
	"context"
	"math"
	"time"

	"intercomd/audio/pcm"
	"intercomd/audio/receive"
)

// This file tries whether a far end sends back what it hears, with sounds that are made here:
// neither microphone nor loudspeaker has a part in it.

// The sound of [TryEcho]: a run of tones that no speech and no music has, and which every codec of a
// telephone lets through, again and again, because an extension may first say what it is there for.
const (
	echoFrames = 12  // of each tone: 120 ms
	echoRound  = 200 // frames from the beginning of a run to the next: 2 s, longer than any way there and back
	echoRun    = echoFrames * 4
	echoHeard  = 34 // of the frames of a run must be its own, the rest may be lost or at a seam
	echoAmp    = 0.25
	echoQuiet  = 1e-3 // RMS below which a frame is no tone: -60 dBFS
	echoShare  = 0.5  // of the power of a frame that is in the tone
)

// echoTones are the tones of a run, Hz: each has whole periods in a frame of 10 ms.
func echoTones() [4]float64 { return [4]float64{700, 1900, 1100, 1500} }

// TryEcho sends a sound into a link and listens for it to come back, until it does or ctx ends. It
// returns how long the way there and back took, the jitter buffer's delay included. It uses the
// link alone: none that an [Engine] has.
func TryEcho(ctx context.Context, cfg Config, link Link) (took time.Duration, heard bool, err error) {
	cfg.encoding()
	snd := &sender{bitrate: cfg.Bitrate, complexity: cfg.Complexity}
	snd.reset()
	rcv := receive.New()
	epoch := time.Now()
	take := func(p *receive.Packet) { rcv.Put(p, p.Arrival.Sub(epoch)) }
	link.Receive(func(*receive.Packet) {}) // from before
	var say, hear [pcm.Frame]float32
	var ear echoEar
	tick := time.NewTicker(pcm.FrameTime)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return 0, false, nil
		case <-tick.C:
		}
		link.Receive(take)
		for now := time.Since(epoch); time.Duration(n)*pcm.FrameTime < now; n++ {
			echoFrame(say[:], n)
			payload, samples, err := snd.frame(say[:], link.Codec())
			if err != nil {
				return 0, false, err
			}
			if payload != nil {
				if err := link.Write(payload, samples, snd.marker); err != nil {
					return 0, false, err
				}
				snd.marker = false
			}
			rcv.Frame(hear[:], time.Duration(n)*pcm.FrameTime)
			if ear.hears(hear[:]) {
				return time.Duration((n-echoRun+1)%echoRound) * pcm.FrameTime, true, nil
			}
		}
	}
}

// echoFrame makes frame n of the sound.
func echoFrame(out []float32, n int) {
	clear(out)
	at := n % echoRound
	if at >= echoRun {
		return
	}
	f := echoTones()[at/echoFrames]
	for i := range out {
		out[i] = float32(echoAmp * math.Sin(2*math.Pi*f*float64(i)/pcm.SampleRate))
	}
}

// echoEar waits for a run. It belongs to one goroutine.
type echoEar struct {
	tones [echoRun]int // of the last frames, 1 to 4; 0 is none
	next  int
}

// hears takes a frame and tells whether a run has just come to its end.
func (e *echoEar) hears(frame []float32) bool {
	e.tones[e.next] = toneOf(frame)
	e.next = (e.next + 1) % echoRun
	match := 0
	for i := range echoRun {
		if e.tones[(e.next+i)%echoRun] == 1+i/echoFrames {
			match++
		}
	}
	// The last tone must be nearly over, or the run would be heard before its end and the way be too short.
	return match >= echoHeard && e.tones[e.next] == 1
}

// toneOf says which of the tones a frame is, from 1; 0 is none (Goertzel, 1958).
func toneOf(frame []float32) int {
	power := 0.
	for _, v := range frame {
		power += float64(v) * float64(v)
	}
	if math.Sqrt(power/float64(len(frame))) < echoQuiet {
		return 0
	}
	for i, f := range echoTones() {
		c := 2 * math.Cos(2*math.Pi*f/pcm.SampleRate)
		var a, b float64
		for _, v := range frame {
			a, b = float64(v)+c*a-b, a
		}
		// All of a sine's power is 1 here.
		if (a*a+b*b-c*a*b)*2/float64(len(frame)) > echoShare*power {
			return i + 1
		}
	}
	return 0
}
