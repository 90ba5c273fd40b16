// Package codec turns the payloads of a call into samples and back: Opus and G.711, each by
// its RTP encoding name, with what makes up for lost audio. It knows neither packets nor
// their order.
package codec

import (
	"fmt"
	"strings"
	"time"

	"intercomd/audio/g711"
	"intercomd/audio/opus"
	"intercomd/audio/pcm"
	"intercomd/audio/resample"
)

// The codecs.
const (
	None = iota
	Opus
	PCMU
	PCMA
)

// ID tells codecs apart by their RTP encoding names.
func ID(name string) int {
	switch {
	case strings.EqualFold(name, "opus"):
		return Opus
	case strings.EqualFold(name, "PCMU"):
		return PCMU
	case strings.EqualFold(name, "PCMA"):
		return PCMA
	}
	return None
}

// Name is the RTP encoding name of a codec.
func Name(id int) string {
	return [...]string{"", "opus", "PCMU", "PCMA"}[id]
}

// Samples is the duration of a payload in units of its RTP clock; 0 if it
// cannot be told.
func Samples(codec int, payload []byte) int {
	switch codec {
	case Opus:
		n, err := opus.Samples(payload)
		if err != nil {
			return 0
		}
		return n
	case PCMU, PCMA:
		return len(payload)
	}
	return 0
}

// Repairs reports whether a payload can stand in for the one before it, by [Decoder.Recover].
func Repairs(codec int, payload []byte) bool { return codec == Opus && opus.Repairs(payload) }

// ClockRate is the RTP clock of a codec, Hz.
func ClockRate(codec int) int {
	if codec == Opus {
		return opus.SampleRate
	}
	return narrowRate
}

const narrowRate = pcm.SampleRate / resample.NarrowFactor

// Decoder turns the payloads of one stream, in order, into samples at 48 kHz.
type Decoder interface {
	// Decode returns how many samples it wrote to pcm, which holds maxDecoded.
	Decode(payload []byte, pcm []float32) (int, error)
	// Recover fills pcm with what was lost directly before payload.
	Recover(payload []byte, pcm []float32) error
	// Conceal fills pcm, a multiple of 2.5 ms, with a continuation.
	Conceal(pcm []float32) error
}

// MaxDecoded is the longest packet that is decoded, in samples at 48 kHz. G.711
// packets are bounded by the size of a packet: 1500 octets.
const MaxDecoded = 1500 * resample.NarrowFactor

// NewDecoder returns a decoder for a codec, one of a stream.
func NewDecoder(codec int) (Decoder, error) {
	switch codec {
	case Opus:
		d, err := opus.NewDecoder()
		return opusDecoder{d}, err
	case PCMU:
		return &g711Decoder{law: g711.DecodeMu, wide: resample.NewWidener()}, nil
	case PCMA:
		return &g711Decoder{law: g711.DecodeA, wide: resample.NewWidener()}, nil
	}
	return nil, fmt.Errorf("audio: no decoder %d", codec)
}

type opusDecoder struct{ d *opus.Decoder }

func (o opusDecoder) Decode(p []byte, pcm []float32) (int, error) {
	return o.d.Decode(p, pcm[:opus.MaxSamples])
}
func (o opusDecoder) Recover(p []byte, pcm []float32) error { return o.d.Recover(p, pcm) }
func (o opusDecoder) Conceal(pcm []float32) error           { return o.d.Conceal(pcm) }

type g711Decoder struct {
	law    func(byte) int16
	wide   *resample.Widener
	repair pitchConcealer
	narrow [MaxDecoded / resample.NarrowFactor]float32
}

func (g *g711Decoder) Decode(p []byte, pcm []float32) (int, error) {
	n := min(len(p), len(g.narrow))
	for i, c := range p[:n] {
		g.narrow[i] = float32(g.law(c)) * (1. / 32768)
	}
	g.repair.good(g.narrow[:n])
	g.wide.Process(pcm, g.narrow[:n])
	return n * resample.NarrowFactor, nil
}

func (g *g711Decoder) Recover(_ []byte, pcm []float32) error { return g.Conceal(pcm) }

func (g *g711Decoder) Conceal(pcm []float32) error {
	x := g.narrow[:min(len(pcm)/resample.NarrowFactor, len(g.narrow))]
	g.repair.conceal(x)
	g.wide.Process(pcm, x)
	return nil
}

// Encoder turns frames of 48 kHz into payloads.
type Encoder interface {
	// Encode returns the length of the payload it wrote to buf.
	Encode(pcm []float32, buf []byte) (int, error)
	// Adapt takes what is known now of the way to the far end: the parts of a format that may
	// change in a call. It does not allocate.
	Adapt(Format) error
}

// NewEncoder returns an encoder for c and how many samples at 48 kHz it takes at once.
func NewEncoder(c Format, bitrate, complexity int) (Encoder, int, error) {
	pt := c.Ptime
	switch ID(c.Name) {
	case Opus:
		switch pt { // frame sizes that the encoder has (RFC 6716 section 2.1.4)
		case 10 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond:
		default:
			pt = 20 * time.Millisecond
		}
		e, err := newOpusEncoder(c, bitrate, complexity)
		return e, pcm.Samples(pt), err
	case PCMU, PCMA:
		if pt = pt.Truncate(pcm.FrameTime); pt <= 0 || pt > maxPtime {
			pt = 20 * time.Millisecond
		}
		law := g711.EncodeMu
		if ID(c.Name) == PCMA {
			law = g711.EncodeA
		}
		return &g711Encoder{law: law, narrow: resample.NewNarrower()}, pcm.Samples(pt), nil
	}
	return nil, 0, fmt.Errorf("audio: codec %q is not one of opus, PCMU, PCMA", c.Name)
}

const maxPtime = 60 * time.Millisecond

// Adapt implements [Encoder]: G.711 has nothing to adapt.
func (*g711Encoder) Adapt(Format) error { return nil }

type g711Encoder struct {
	law    func(int16) byte
	narrow *resample.Narrower
	pcm    [int(maxPtime / (time.Second / narrowRate))]float32
}

func (g *g711Encoder) Encode(pcm []float32, buf []byte) (int, error) {
	x := g.pcm[:len(pcm)/resample.NarrowFactor]
	g.narrow.Process(x, pcm)
	for i, v := range x {
		buf[i] = g.law(int16(max(-32768, min(32767, v*32768))))
	}
	return len(x), nil
}
