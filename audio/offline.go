package audio

import (
	"fmt"
	"io"
)

// Offline runs the path of the microphone on recordings: far is what the
// loudspeaker played, mic what the microphone heard meanwhile, and out receives
// what would be encoded. All are WAV files; out is 16-bit mono at 48 kHz, as long
// as mic. Nothing is waited for: it is faster than real time. cfg chooses the
// parts of the microphone's path as for [New]; the rest of it does not matter.
//
// It returns what the echo canceller said at the end.
func Offline(cfg Config, far, mic io.Reader, out io.Writer) (EchoStats, error) {
	f, err := ReadWAV(far)
	if err != nil {
		return EchoStats{}, fmt.Errorf("far end: %w", err)
	}
	m, err := ReadWAV(mic)
	if err != nil {
		return EchoStats{}, fmt.Errorf("microphone: %w", err)
	}
	path := newMicPath(cfg)
	defer path.close()
	var far10, mic10 [Frame]float32
	played, heard := f.at48k(), m.at48k()
	said := make([]float32, 0, len(heard)+Frame)
	for i := 0; i < len(heard); i += Frame {
		fill(far10[:], played, i)
		fill(mic10[:], heard, i)
		path.process(mic10[:], far10[:], loudness(far10[:]), true, true)
		said = append(said, mic10[:]...)
	}
	var stats EchoStats
	if path.echo != nil {
		stats = path.echo.Stats()
	}
	return stats, WriteWAV(out, Sound{SampleRate, said[:len(heard)]})
}

// fill copies the frame of x that begins at i, and silence behind the end of x.
func fill(frame, x []float32, i int) {
	n := 0
	if i < len(x) {
		n = copy(frame, x[i:])
	}
	clear(frame[n:])
}
