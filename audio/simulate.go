package audio

import (
	"math"
	"slices"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/pcm"
	"intercomd/audio/receive"
)

// Network is how one packet fares on its way: how long it takes, and whether it
// comes at all.
type Network func(seq int) (delay time.Duration, ok bool)

// Line is the way between the two ends of a simulated call.
type Line struct {
	Network Network
	// Copies are the earlier packets that each one carries, by how many packets they are
	// older (RFC 2198). None: no redundancy.
	Copies []int
	PPM    float64 // by how much the receiver's clock is faster, millionths
}

// Heard is what a call came to.
type Heard struct {
	Sound     Sound
	Delay     time.Duration // of the jitter buffer at the end
	Concealed int           // frames that were made up
	Lost      int           // packets that never came, or too late
	Repaired  int           // of these, the ones for which the next packet stood in
	Mended    int           // packets in whose place a copy was played
}

// Simulate sends a recording through the sender and the receiver of a call, over a
// line, with a clock of its own: no time is waited for, and the same line gives the
// same sound.
func Simulate(cfg Config, codec codec.Format, said Sound, over Line) (Heard, error) {
	l := &line{Line: over, codec: codec}
	cfg.encoding()
	snd := &sender{bitrate: cfg.Bitrate, complexity: cfg.Complexity}
	snd.reset()
	rcv := receive.New()
	voice := said.at48k()
	out := make([]float32, 0, len(voice)+pcm.SampleRate)
	var mic, ear [pcm.Frame]float32
	pace := float64(pcm.FrameTime) / (1 + over.PPM*1e-6)
	for n := 0; n*pcm.Frame < len(voice)+pcm.SampleRate/2; n++ {
		fill(mic[:], voice, n*pcm.Frame)
		payload, samples, err := snd.frame(mic[:], codec)
		if err != nil {
			return Heard{}, err
		}
		sent := time.Duration(n+1) * pcm.FrameTime
		if payload != nil {
			l.send(payload, samples, sent)
		}
		// The loudspeaker takes what is due at the end of this frame of the microphone.
		for {
			// Rounded, not cut off: a packet that comes right then is there.
			now := time.Duration(math.Round(float64(len(out)/pcm.Frame+1) * pace))
			if now > sent {
				break
			}
			l.deliver(rcv, now)
			rcv.Frame(ear[:], now)
			out = append(out, ear[:]...)
		}
	}
	s := rcv.Stats()
	return Heard{
		Sound: Sound{pcm.SampleRate, out}, Delay: s.Delay,
		Concealed: int(rcv.Made()), Lost: int(s.Lost), Mended: int(s.Mended), Repaired: int(s.Repaired),
	}, nil
}

// line is a network between one sender and one receiver.
type line struct {
	Line
	codec  codec.Format
	seq    int
	stamp  uint32
	sent   []receive.Packet
	flying []flying // by arrival
}

type flying struct {
	at time.Duration
	p  []receive.Packet // what one packet carries, itself first
}

func (l *line) send(payload []byte, samples uint32, now time.Duration) {
	l.sent = append(l.sent, receive.Packet{
		SSRC: 1, Seq: uint16(l.seq + 65000), Timestamp: l.stamp, Codec: l.codec, Payload: slices.Clone(payload),
	})
	p := l.sent[l.seq:][:1:1]
	for _, back := range l.Copies {
		if back <= l.seq {
			q := l.sent[l.seq-back]
			q.Seq, q.Copy = p[0].Seq, p[0].Timestamp-q.Timestamp
			p = append(p, q)
		}
	}
	delay, ok := l.Network(l.seq)
	l.seq++
	l.stamp += samples
	if !ok {
		return
	}
	f := flying{now + delay, p}
	i, _ := slices.BinarySearchFunc(l.flying, f, func(a, b flying) int { return int(a.at - b.at) })
	l.flying = slices.Insert(l.flying, i, f)
}

// deliver hands over what has arrived by now.
func (l *line) deliver(rcv *receive.Receiver, now time.Duration) {
	for len(l.flying) > 0 && l.flying[0].at <= now {
		for i := range l.flying[0].p {
			rcv.Put(&l.flying[0].p[i], l.flying[0].at)
		}
		l.flying = l.flying[1:]
	}
}
