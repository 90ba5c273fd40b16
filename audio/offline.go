package audio

import (
	"fmt"
	"io"
	"time"

	"intercomd/audio/duplex"
	"intercomd/audio/levels"
	"intercomd/audio/pcm"
)

// Report is what came of a run of [Offline].
type Report struct {
	Echo EchoStats // at the end
	Ways []Way     // changes between full and switched duplex
}

// Way is a change between full and switched duplex.
type Way struct {
	At       time.Duration // from the beginning
	Switched bool
	Reason   duplex.Reason
}

// Offline runs the path of the microphone on recordings: far is what the
// loudspeaker played, mic what the microphone heard meanwhile, and out receives
// what would be encoded. All are WAV files; out is 16-bit mono at 48 kHz, as long
// as mic. Nothing is waited for: it is faster than real time. cfg chooses the
// parts of the microphone's path as for [New]; the rest of it does not matter.
//
// It returns what came of it.
func Offline(cfg Config, far, mic io.Reader, out io.Writer) (Report, error) {
	f, err := ReadWAV(far)
	if err != nil {
		return Report{}, fmt.Errorf("far end: %w", err)
	}
	m, err := ReadWAV(mic)
	if err != nil {
		return Report{}, fmt.Errorf("microphone: %w", err)
	}
	path, way := newMicPath(cfg), duplex.New(cfg.Duplex)
	defer path.close()
	var r Report
	var far10, mic10 [pcm.Frame]float32
	played, heard := f.at48k(), m.at48k()
	said := make([]float32, 0, len(heard)+pcm.Frame)
	for i := 0; i < len(heard); i += pcm.Frame {
		fill(far10[:], played, i)
		fill(mic10[:], heard, i)
		raw := pcm.Peak(mic10[:])
		path.process(mic10[:], far10[:], levels.Of(far10[:]), true, true)
		if switched, _ := way.State(); switched {
			var heard [pcm.Frame]float32 // what was played is in the recording as it was
			copy(heard[:], far10[:])
			way.Play(heard[:])
		}
		if way.Send(mic10[:], far10[:], raw) {
			switched, reason := way.State()
			r.Ways = append(r.Ways, Way{At: pcm.Duration(i), Switched: switched, Reason: reason})
		}
		said = append(said, mic10[:]...)
	}
	if path.echo != nil {
		r.Echo = path.echo.Stats()
	}
	return r, WriteWAV(out, Sound{pcm.SampleRate, said[:len(heard)]})
}

// fill copies the frame of x that begins at i, and silence behind the end of x.
func fill(frame, x []float32, i int) {
	n := 0
	if i < len(x) {
		n = copy(frame, x[i:])
	}
	clear(frame[n:])
}
