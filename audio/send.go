package audio

import (
	"intercomd/audio/codec"
	"intercomd/audio/jitter"
	"intercomd/audio/pcm"
)

// sender collects frames of the microphone into payloads.
type sender struct {
	bitrate    int
	complexity int

	codec  codec.Format
	enc    codec.Encoder // nil: nothing can be sent with this codec
	size   int           // samples per payload, at 48 kHz
	pcm    [3 * 2 * pcm.Frame]float32
	n      int // samples in pcm
	buf    [jitter.MaxPayload]byte
	marker bool // the next payload begins a talkspurt
}

// reset begins a new call.
func (s *sender) reset() { s.codec, s.enc, s.n, s.marker = codec.Format{}, nil, 0, true }

// pause is told when the microphone does not reach the far end.
func (s *sender) pause() { s.n, s.marker = 0, true }

// begun tells that there is some of the next payload.
func (s *sender) begun() bool { return s.n > 0 }

// wants is how many frames of the microphone it is worth waking up for: nothing leaves
// before a payload is full. All of a long one would look like a backlog: two at a time.
func (s *sender) wants() int {
	if s.enc == nil {
		return 1
	}
	return 2 - (s.size-s.n)/pcm.Frame%2
}

// frame takes a frame and, when a payload is complete, returns it with its
// duration in RTP clock units. f is what the far end wants now.
func (s *sender) frame(frame []float32, f codec.Format) (payload []byte, samples uint32, err error) {
	if f != s.codec && s.enc != nil && s.codec.Adapts(f) {
		s.codec = f
		if err := s.enc.Adapt(f); err != nil {
			return nil, 0, err
		}
	}
	if f != s.codec {
		s.codec, s.n = f, 0
		if s.enc, s.size, err = codec.NewEncoder(f, s.bitrate, s.complexity); err != nil {
			s.enc = nil
			return nil, 0, err
		}
	}
	if s.enc == nil {
		return nil, 0, nil
	}
	s.n += copy(s.pcm[s.n:], frame)
	if s.n < s.size {
		return nil, 0, nil
	}
	s.n = 0
	n, err := s.enc.Encode(s.pcm[:s.size], s.buf[:])
	if err != nil {
		return nil, 0, err
	}
	return s.buf[:n], uint32(s.size * codec.ClockRate(codec.ID(f.Name)) / pcm.SampleRate), nil
}
