package audio

import (
	"fmt"
	"strings"
	"time"

	"intercomd/audio/g711"
	"intercomd/audio/opus"
)

// The codecs.
const (
	codecNone = iota
	codecOpus
	codecPCMU
	codecPCMA
)

// codecID tells codecs apart by their RTP encoding names.
func codecID(name string) int {
	switch {
	case strings.EqualFold(name, "opus"):
		return codecOpus
	case strings.EqualFold(name, "PCMU"):
		return codecPCMU
	case strings.EqualFold(name, "PCMA"):
		return codecPCMA
	}
	return codecNone
}

func codecName(id int) string {
	return [...]string{"", "opus", "PCMU", "PCMA"}[id]
}

// payloadSamples is the duration of a payload in units of its RTP clock; 0 if it
// cannot be told.
func payloadSamples(codec int, payload []byte) int {
	switch codec {
	case codecOpus:
		n, err := opus.Samples(payload)
		if err != nil {
			return 0
		}
		return n
	case codecPCMU, codecPCMA:
		return len(payload)
	}
	return 0
}

// clockRate is the RTP clock of a codec, Hz.
func clockRate(codec int) int {
	if codec == codecOpus {
		return opus.SampleRate
	}
	return narrowRate
}

const narrowRate = SampleRate / narrowFactor

// decoder turns the payloads of one stream, in order, into samples at 48 kHz.
type decoder interface {
	// decode returns how many samples it wrote to pcm, which holds maxDecoded.
	decode(payload []byte, pcm []float32) (int, error)
	// recover fills pcm with what was lost directly before payload.
	recover(payload []byte, pcm []float32) error
	// conceal fills pcm, a multiple of 2.5 ms, with a continuation.
	conceal(pcm []float32) error
}

// maxDecoded is the longest packet that is decoded, in samples at 48 kHz. G.711
// packets are bounded by the size of a packet: 1500 octets.
const maxDecoded = 1500 * narrowFactor

func newDecoder(codec int) (decoder, error) {
	switch codec {
	case codecOpus:
		d, err := opus.NewDecoder()
		return opusDecoder{d}, err
	case codecPCMU:
		return &g711Decoder{law: g711.DecodeMu, wide: newWidener()}, nil
	case codecPCMA:
		return &g711Decoder{law: g711.DecodeA, wide: newWidener()}, nil
	}
	return nil, fmt.Errorf("audio: no decoder %d", codec)
}

type opusDecoder struct{ d *opus.Decoder }

func (o opusDecoder) decode(p []byte, pcm []float32) (int, error) {
	return o.d.Decode(p, pcm[:opus.MaxSamples])
}
func (o opusDecoder) recover(p []byte, pcm []float32) error { return o.d.Recover(p, pcm) }
func (o opusDecoder) conceal(pcm []float32) error           { return o.d.Conceal(pcm) }

type g711Decoder struct {
	law    func(byte) int16
	wide   *widener
	repair pitchConcealer
	narrow [maxDecoded / narrowFactor]float32
}

func (g *g711Decoder) decode(p []byte, pcm []float32) (int, error) {
	n := min(len(p), len(g.narrow))
	for i, c := range p[:n] {
		g.narrow[i] = float32(g.law(c)) * (1. / 32768)
	}
	g.repair.good(g.narrow[:n])
	g.wide.process(pcm, g.narrow[:n])
	return n * narrowFactor, nil
}

func (g *g711Decoder) recover(_ []byte, pcm []float32) error { return g.conceal(pcm) }

func (g *g711Decoder) conceal(pcm []float32) error {
	x := g.narrow[:min(len(pcm)/narrowFactor, len(g.narrow))]
	g.repair.conceal(x)
	g.wide.process(pcm, x)
	return nil
}

// encoder turns frames of 48 kHz into payloads.
type encoder interface {
	// encode returns the length of the payload it wrote to buf.
	encode(pcm []float32, buf []byte) (int, error)
}

// newEncoder returns an encoder for c and how many samples at 48 kHz it takes at once.
func newEncoder(c Codec, bitrate, complexity int) (encoder, int, error) {
	pt := c.Ptime
	switch codecID(c.Name) {
	case codecOpus:
		switch pt { // frame sizes that the encoder has (RFC 6716 section 2.1.4)
		case 10 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond:
		default:
			pt = 20 * time.Millisecond
		}
		s := opus.Settings{Bitrate: bitrate, Complexity: complexity, FEC: c.FEC}
		if c.FEC {
			s.Loss = expectedLoss
		}
		e, err := opus.NewEncoder(s)
		return opusEncoder{e}, samplesOf(pt), err
	case codecPCMU, codecPCMA:
		if pt = pt.Truncate(FrameTime); pt <= 0 || pt > maxPtime {
			pt = 20 * time.Millisecond
		}
		law := g711.EncodeMu
		if codecID(c.Name) == codecPCMA {
			law = g711.EncodeA
		}
		return &g711Encoder{law: law, narrow: newNarrower()}, samplesOf(pt), nil
	}
	return nil, 0, fmt.Errorf("audio: codec %q is not one of opus, PCMU, PCMA", c.Name)
}

const (
	maxPtime = 60 * time.Millisecond
	// expectedLoss is what the encoder spends redundancy for, in percent.
	expectedLoss = 10
)

func samplesOf(d time.Duration) int { return int(d * SampleRate / time.Second) }

type opusEncoder struct{ e *opus.Encoder }

func (o opusEncoder) encode(pcm []float32, buf []byte) (int, error) { return o.e.Encode(pcm, buf) }

type g711Encoder struct {
	law    func(int16) byte
	narrow *narrower
	pcm    [int(maxPtime / (time.Second / narrowRate))]float32
}

func (g *g711Encoder) encode(pcm []float32, buf []byte) (int, error) {
	x := g.pcm[:len(pcm)/narrowFactor]
	g.narrow.process(x, pcm)
	for i, v := range x {
		buf[i] = g.law(int16(max(-32768, min(32767, v*32768))))
	}
	return len(x), nil
}
