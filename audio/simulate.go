package audio

import (
	"slices"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/pcm"
	"intercomd/audio/receive"
)

// Network is how one packet fares on its way: how long it takes, and whether it
// comes at all.
type Network func(seq int) (delay time.Duration, ok bool)

// Heard is what a call came to.
type Heard struct {
	Sound     Sound
	Delay     time.Duration // from a sample to its hearing, at the end
	Concealed int           // frames that were made up
	Lost      int           // packets that never came, or too late
}

// Simulate sends a recording through the sender and the receiver of a call, over a line
// that network describes, with a clock of its own: no time is waited for, and the
// same line gives the same sound. The receiver's clock is faster by ppm.
func Simulate(cfg Config, codec codec.Format, said Sound, network Network, ppm float64) (Heard, error) {
	l := &line{network: network, codec: codec}
	cfg.encoding()
	snd := &sender{bitrate: cfg.Bitrate, complexity: cfg.Complexity}
	snd.reset()
	rcv := receive.New()
	voice := said.at48k()
	out := make([]float32, 0, len(voice)+pcm.SampleRate)
	var mic, ear [pcm.Frame]float32
	pace := pcm.FrameTime.Seconds() / (1 + ppm*1e-6)
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
			now := time.Duration(float64(len(out)/pcm.Frame+1) * pace * float64(time.Second))
			if now > sent {
				break
			}
			l.deliver(rcv, now)
			rcv.Frame(ear[:], now)
			out = append(out, ear[:]...)
		}
	}
	s := rcv.Stats()
	return Heard{Sound{pcm.SampleRate, out}, s.Delay, int(rcv.Made()), int(s.Lost)}, nil
}

// line is a network between one sender and one receiver.
type line struct {
	network Network
	codec   codec.Format
	seq     int
	stamp   uint32
	flying  []flying // by arrival
}

type flying struct {
	at time.Duration
	p  receive.Packet
}

func (l *line) send(payload []byte, samples uint32, now time.Duration) {
	p := receive.Packet{SSRC: 1, Seq: uint16(l.seq + 65000), Timestamp: l.stamp, Codec: l.codec, Payload: slices.Clone(payload)}
	delay, ok := l.network(l.seq)
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
		rcv.Put(&l.flying[0].p, l.flying[0].at)
		l.flying = l.flying[1:]
	}
}
