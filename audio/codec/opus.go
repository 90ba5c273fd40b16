package codec

import (
	"intercomd/audio/opus"
	"intercomd/audio/pcm"
)

const (
	// expectedLoss is what the encoder spends redundancy for, in percent: with 5 libopus spends
	// nothing at these bitrates, and with 20 so much that less is understood, even when 20 % are lost.
	expectedLoss = 10
	// leastBitrate of Opus that is worth hearing, bit/s.
	leastBitrate = 6000
	// leastLowDelay is the bitrate from which low delay is understood as well as a voice of half as much, bit/s.
	leastLowDelay = 56000
)

// spend divides the bits of Opus. Where nothing is lost, low delay takes twice as many; for all else there is
// the voice, which outlives losses. Forward error correction costs a fourth more, so that a voice does not lose by it
// what it gains; without it no loss is named, which would only make frames less dependent on each other. With copies
// each packet is a fourth smaller, since it travels several times.
func spend(bitrate int, f Format) opus.Settings {
	most := func(bits int) int {
		if f.MaxBitrate > 0 {
			bits = min(bits, max(leastBitrate, f.MaxBitrate))
		}
		return bits
	}
	switch {
	case f.Copies > 0:
		return opus.Settings{Bitrate: most(bitrate - bitrate/4)}
	case f.Clean && most(2*bitrate) >= leastLowDelay:
		return opus.Settings{Bitrate: most(2 * bitrate), LowDelay: true}
	case f.FEC && !f.Clean:
		return opus.Settings{Bitrate: most(bitrate + bitrate/4), FEC: true, Loss: expectedLoss}
	}
	return opus.Settings{Bitrate: most(bitrate)}
}

// opusEncoder changes between a voice and low delay as the line does. A decoder takes either, packet by
// packet (RFC 6716 section 4.5), and blends one into the other.
type opusEncoder struct {
	bitrate    int // as configured
	voice, low *opus.Encoder
	now, next  *opus.Encoder // one of these two
	patience   int           // samples for which low still waits for a pause to begin in
}

const (
	// When low delay begins, 4 ms of sound are left out, since what follows is as much sooner. A pause is
	// waited for as long as this, samples.
	pauseWait = 2 * opus.SampleRate
	// pauseLevel is the mean square below which a packet is a pause: −50 dBFS.
	pauseLevel = 1e-5
)

func newOpusEncoder(f Format, bitrate, complexity int) (*opusEncoder, error) {
	voice, err := opus.NewEncoder(opus.Settings{Bitrate: bitrate, Complexity: complexity})
	if err != nil {
		return nil, err
	}
	low, err := opus.NewEncoder(opus.Settings{Bitrate: bitrate, Complexity: complexity, LowDelay: true})
	if err != nil {
		return nil, err
	}
	o := &opusEncoder{bitrate: bitrate, voice: voice, low: low}
	err = o.Adapt(f)
	o.now = o.next
	return o, err
}

// Adapt implements [Encoder].
func (o *opusEncoder) Adapt(f Format) error {
	s := spend(o.bitrate, f)
	next := o.voice
	if s.LowDelay {
		next = o.low
	}
	if next != o.next {
		o.next, o.patience = next, pauseWait
	}
	return next.Adapt(s.Bitrate, s.FEC, s.Loss)
}

// Encode implements [Encoder].
func (o *opusEncoder) Encode(frame []float32, buf []byte) (int, error) {
	if o.now != o.next && o.timely(frame) {
		o.now = o.next
		if err := o.now.Reset(); err != nil {
			return 0, err
		}
	}
	return o.now.Encode(frame, buf)
}

// timely reports whether the other encoder may begin with frame: at once if it is the one that outlives losses,
// else in a pause.
func (o *opusEncoder) timely(frame []float32) bool {
	if o.next == o.voice || o.patience <= 0 {
		return true
	}
	o.patience -= len(frame)
	return pcm.Dot(frame, frame) < pauseLevel*float32(len(frame))
}
