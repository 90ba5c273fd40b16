package audio

import "intercomd/audio/jitter"

// sender collects frames of the microphone into payloads.
type sender struct {
	bitrate    int
	complexity int

	codec  Codec
	enc    encoder // nil: nothing can be sent with this codec
	size   int     // samples per payload, at 48 kHz
	pcm    [3 * 2 * Frame]float32
	n      int // samples in pcm
	buf    [jitter.MaxPayload]byte
	marker bool // the next payload begins a talkspurt
}

// reset begins a new call.
func (s *sender) reset() { s.codec, s.enc, s.n, s.marker = Codec{}, nil, 0, true }

// pause is told when the microphone does not reach the far end.
func (s *sender) pause() { s.n, s.marker = 0, true }

// wants is how many frames of the microphone it is worth waking up for: nothing leaves
// before a payload is full. All of a long one would look like a backlog: two at a time.
func (s *sender) wants() int {
	if s.enc == nil {
		return 1
	}
	return 2 - (s.size-s.n)/Frame%2
}

// frame takes a frame and, when a payload is complete, returns it with its
// duration in RTP clock units. codec is what the far end wants now.
func (s *sender) frame(frame []float32, codec Codec) (payload []byte, samples uint32, err error) {
	if codec != s.codec {
		s.codec, s.n = codec, 0
		if s.enc, s.size, err = newEncoder(codec, s.bitrate, s.complexity); err != nil {
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
	n, err := s.enc.encode(s.pcm[:s.size], s.buf[:])
	if err != nil {
		return nil, 0, err
	}
	return s.buf[:n], uint32(s.size * clockRate(codecID(codec.Name)) / SampleRate), nil
}
