package audio

import (
	"errors"
	"fmt"
	"io"
)

// Offline runs the path of the microphone on recordings: far is what the
// loudspeaker played, mic what the microphone heard meanwhile, and out receives
// what would be encoded. All are WAV files; out is 16-bit mono at 48 kHz, as long
// as mic. Nothing is waited for: it is faster than real time. cfg chooses the
// parts of the path as for [New]; devices are not used.
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
	e, err := New(cfg, offlineDriver{})
	if err != nil {
		return EchoStats{}, err
	}
	p := newPump(e)
	defer p.close()
	p.cur = &conn{} // the path works as in a call
	played, heard := f.at48k(), m.at48k()
	said := make([]float32, 0, len(heard)+Frame)
	for i := 0; i < len(heard); i += Frame {
		fill(p.play[:], played, i)
		fill(p.rec[:], heard, i)
		p.process()
		said = append(said, p.rec[:]...)
	}
	var stats EchoStats
	if p.echo != nil {
		stats = p.echo.Stats()
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

// offlineDriver is for an engine that never runs.
type offlineDriver struct{}

var errOffline = errors.New("no devices offline")

func (offlineDriver) Devices() ([]DeviceInfo, error)                   { return nil, errOffline }
func (offlineDriver) Open(Direction, string, Callback) (Stream, error) { return nil, errOffline }
func (offlineDriver) Stale() bool                                      { return false }
