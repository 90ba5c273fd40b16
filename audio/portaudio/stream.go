package portaudio

import (
	"errors"

	pa "github.com/gordonklaus/portaudio"

	"intercomd/audio"
)

// maxCallback is the largest callback that is served, in samples; beyond it the
// rest is silence.
const maxCallback = 16384

// stream is an open device.
type stream struct {
	d        *Driver
	ps       *pa.Stream
	info     audio.StreamInfo
	cb       audio.Callback
	channels int
	mono     []int16
}

// Info describes the stream.
func (s *stream) Info() audio.StreamInfo { return s.info }

// Close ends the callbacks at once: what is buffered is not played.
func (s *stream) Close() error {
	return s.d.do("close", func() error {
		s.d.open--
		return errors.Join(s.ps.Abort(), s.ps.Close())
	})
}

// capture is PortAudio's callback of a microphone. The binding ends the process
// when a callback panics, so none may get out.
func (s *stream) capture(in []int16, _ pa.StreamCallbackTimeInfo, f pa.StreamCallbackFlags) {
	defer func() { _ = recover() }()
	xrun := f&(pa.InputOverflow|pa.InputUnderflow) != 0
	if s.channels == 1 {
		s.cb(in, xrun)
		return
	}
	n := min(len(in)/s.channels, len(s.mono))
	for i := range n {
		sum := 0
		for _, v := range in[i*s.channels : (i+1)*s.channels] {
			sum += int(v)
		}
		s.mono[i] = int16(sum / s.channels)
	}
	s.cb(s.mono[:n], xrun)
}

// play is PortAudio's callback of a loudspeaker.
func (s *stream) play(out []int16, _ pa.StreamCallbackTimeInfo, f pa.StreamCallbackFlags) {
	defer func() {
		if recover() != nil {
			clear(out)
		}
	}()
	xrun := f&(pa.OutputUnderflow|pa.OutputOverflow) != 0
	if s.channels == 1 {
		s.cb(out, xrun)
		return
	}
	n := min(len(out)/s.channels, len(s.mono))
	s.cb(s.mono[:n], xrun)
	for i := range n {
		for c := range s.channels {
			out[i*s.channels+c] = s.mono[i]
		}
	}
	clear(out[n*s.channels:])
}
