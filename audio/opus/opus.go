// Package opus encodes and decodes the voice of a door with libopus (RFC 6716):
// 48 kHz mono samples in and out, whatever bandwidth and channel count travel.
//
// It knows codec frames only: which packet is missing, when one is late and what
// is sent where is decided elsewhere. Encoders and decoders each belong to one
// goroutine; their methods do not allocate.
package opus

import (
	"errors"
	"fmt"

	lib "github.com/hraban/opus"
)

// SampleRate is the rate of all samples here and of Opus' RTP clock (RFC 7587
// section 4.1), in Hz.
const SampleRate = 48000

// MaxSamples is the longest packet that Opus allows: 120 ms (RFC 6716 section 3.2.5).
const MaxSamples = SampleRate * 120 / 1000

// Settings of an encoder.
type Settings struct {
	Bitrate    int  // bit/s, 6000 to 510000
	Complexity int  // 0 to 10: CPU for quality
	FEC        bool // send each frame again, coarsely, in the next packet (RFC 6716 section 2.1.7)
	Loss       int  // expected packet loss in percent; without it FEC is not spent bits on
	// LowDelay leaves the part of Opus out that models a voice (SILK; RFC 6716 section 2): sound is in a packet after
	// 2.5 ms instead of 6.5, for a third of the computing. It takes twice the bits, and there is no FEC.
	LowDelay bool
}

// Encoder makes packets.
type Encoder struct {
	enc    *lib.Encoder
	rumble *rumble // nil: libopus sees to it
}

// NewEncoder returns an encoder for speech.
func NewEncoder(s Settings) (*Encoder, error) {
	e, app := &Encoder{}, lib.AppVoIP
	if s.LowDelay {
		e.rumble, app = newRumble(), lib.AppRestrictedLowdelay
	}
	enc, err := lib.NewEncoder(SampleRate, 1, app)
	if err == nil {
		err = errors.Join(
			enc.SetBitrate(s.Bitrate),
			enc.SetComplexity(s.Complexity),
			enc.SetInBandFEC(s.FEC),
			enc.SetPacketLossPerc(s.Loss),
		)
	}
	if err != nil {
		return nil, fmt.Errorf("opus: encoder with %d bit/s, complexity %d: %w", s.Bitrate, s.Complexity, err)
	}
	e.enc = enc
	return e, nil
}

// Adapt changes some settings between two packets; loss is of use with fec alone.
func (e *Encoder) Adapt(bitrate int, fec bool, loss int) error {
	if err := errors.Join(e.enc.SetBitrate(bitrate), e.enc.SetInBandFEC(fec), e.enc.SetPacketLossPerc(loss)); err != nil {
		return fmt.Errorf("opus: adapting to %d bit/s: %w", bitrate, err)
	}
	return nil
}

// Reset forgets what was encoded, before sound that does not follow on from it.
func (e *Encoder) Reset() error {
	if e.rumble != nil {
		e.rumble.reset()
	}
	if err := e.enc.Reset(); err != nil {
		return fmt.Errorf("opus: reset: %w", err)
	}
	return nil
}

// Encode writes one packet to buf and returns its length in bytes. pcm holds
// 2.5, 5, 10, 20, 40 or 60 ms of mono samples, full scale ±1.
func (e *Encoder) Encode(pcm []float32, buf []byte) (int, error) {
	if e.rumble != nil && len(pcm) <= longest {
		pcm = e.rumble.without(pcm)
	}
	// The library takes a buffer's capacity for its size.
	n, err := e.enc.EncodeFloat32(pcm, buf[:len(buf):len(buf)])
	if err != nil {
		return 0, fmt.Errorf("opus: encode %d samples: %w", len(pcm), err)
	}
	return n, nil
}

// Decoder decodes the packets of one stream, in order.
type Decoder struct {
	dec     *lib.Decoder
	lossy   int  // packets until losses count as over
	careful bool // the decoder's complexity is carefulness
	plain   bool // the library knows but one complexity
}

const (
	// carefulness is the complexity from which libopus 1.5 conceals with a neural network, if it was built
	// with one: what is lost with nothing that mends it is understood far better. It also listens to
	// every packet that comes then, for twice the cost of decoding, so that it is on in calls that lose.
	carefulness = 5
	// calm is how many packets in a row make losses be over: 20 s.
	calm = 1000
)

// NewDecoder returns a decoder.
func NewDecoder() (*Decoder, error) {
	dec, err := lib.NewDecoder(SampleRate, 1)
	if err != nil {
		return nil, fmt.Errorf("opus: decoder: %w", err)
	}
	return &Decoder{dec: dec}, nil
}

// heed sets how carefully the next packet is decoded. It is never between a loss and its repair that
// this changes: the network has to have heard what is before.
func (d *Decoder) heed() {
	d.lossy = max(0, d.lossy-1)
	careful := d.lossy > 0
	if d.plain || careful == d.careful {
		return
	}
	complexity := 0
	if careful {
		complexity = carefulness
	}
	if d.dec.SetComplexity(complexity) != nil {
		d.plain = true // before libopus 1.5
		return
	}
	d.careful = careful
}

// Decode decodes a packet into pcm, which must hold [MaxSamples], and returns
// the number of samples. A packet that is not Opus is an error and leaves the
// decoder usable.
func (d *Decoder) Decode(packet []byte, pcm []float32) (int, error) {
	d.heed()
	n, err := d.dec.DecodeFloat32(packet, pcm[:len(pcm):len(pcm)])
	if err != nil {
		return 0, fmt.Errorf("opus: decode %d bytes: %w", len(packet), err)
	}
	return n, nil
}

// Recover fills pcm with the audio that was lost directly before packet, from
// the copy in packet if there is one, else from what was heard before. len(pcm)
// is the duration lost, a multiple of 2.5 ms.
func (d *Decoder) Recover(packet []byte, pcm []float32) error {
	d.lossy = calm
	if err := d.dec.DecodeFECFloat32(packet, pcm[:len(pcm):len(pcm)]); err != nil {
		return fmt.Errorf("opus: recover %d samples: %w", len(pcm), err)
	}
	return nil
}

// Conceal fills pcm with a continuation of what was heard before. len(pcm) is a
// multiple of 2.5 ms.
func (d *Decoder) Conceal(pcm []float32) error {
	d.lossy = calm
	if err := d.dec.DecodePLCFloat32(pcm[:len(pcm):len(pcm)]); err != nil {
		return fmt.Errorf("opus: conceal %d samples: %w", len(pcm), err)
	}
	return nil
}

var errPacket = errors.New("opus: malformed packet")

// Samples returns the duration of a packet in samples at 48 kHz, read from its
// first two bytes (RFC 6716 section 3.1 and 3.2).
func Samples(packet []byte) (int, error) {
	if len(packet) == 0 {
		return 0, errPacket
	}
	frames := 1
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0, errPacket
		}
		frames = int(packet[1] & 0x3f)
	}
	n := frames * frameSamples(packet[0]>>3)
	if n == 0 || n > MaxSamples {
		return 0, errPacket
	}
	return n, nil
}

// Repairs reports whether a packet has a coarse copy of the frame before its own, for
// [Decoder.Recover] (RFC 6716 section 4.2.4: the flag behind those of voice activity).
func Repairs(packet []byte) bool {
	if len(packet) < 2 || packet[0]>>3 >= 16 || packet[0]&3 > 1 {
		return false // CELT has none; of packets of several frames only the simple kind is read
	}
	frames := 1
	if config := packet[0] >> 3; config < 12 {
		frames = max(1, int(config&3)) // 10, 20, 40, 60 ms in frames of SILK
	}
	return packet[1]>>(7-frames)&1 == 1
}

// frameSamples is table 2 of RFC 6716: the frame size of each configuration.
func frameSamples(config byte) int {
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [4]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	default: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3)
	}
}
