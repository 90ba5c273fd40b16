// Package speexdsp wraps the echo canceller and the preprocessor of
// libspeexdsp (https://www.speex.org), the baseline that audio/aec is
// measured against and what the audio pipeline falls back to.
//
// It works on 10 ms frames of 48 kHz mono and refuses to find delays: the
// echo must lie inside the tail that New was given.
package speexdsp

/*
#cgo pkg-config: speexdsp
#include <speex/speex_echo.h>
#include <speex/speex_preprocess.h>

static void set_int(SpeexPreprocessState *st, int request, int value) {
	speex_preprocess_ctl(st, request, &value);
}
static void set_echo(SpeexPreprocessState *st, SpeexEchoState *echo) {
	speex_preprocess_ctl(st, SPEEX_PREPROCESS_SET_ECHO_STATE, echo);
}
static void set_rate(SpeexEchoState *st, int rate) {
	speex_echo_ctl(st, SPEEX_ECHO_SET_SAMPLING_RATE, &rate);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// SampleRate is the rate of all signals, in Hz, and Frame the samples in
// 10 ms of them.
const (
	SampleRate = 48000
	Frame      = SampleRate / 100
)

var errMemory = errors.New("speexdsp: the library gave no state: out of memory")

// Canceller is speex's multi-delay block frequency-domain canceller (J.-M.
// Valin, "On adjusting the learning rate in frequency domain echo
// cancellation with double-talk", IEEE Trans. ASLP 15, 2007). It belongs to
// one goroutine.
type Canceller struct {
	echo *C.SpeexEchoState
	pre  *C.SpeexPreprocessState

	mic, far, out [Frame]C.spx_int16_t
}

// New makes a canceller for echoes that arrive up to tailMs after their frame
// was handed to the loudspeaker; 1..500.
func New(tailMs int) (*Canceller, error) { return newCanceller(tailMs, false) }

// NewSuppressing is New followed by the preprocessor's residual echo and
// noise suppression: more removal, less of the near end.
func NewSuppressing(tailMs int) (*Canceller, error) { return newCanceller(tailMs, true) }

func newCanceller(tailMs int, suppress bool) (*Canceller, error) {
	if tailMs < 1 || tailMs > 500 {
		return nil, fmt.Errorf("speexdsp: a tail of %d ms is not between 1 and 500", tailMs)
	}
	c := &Canceller{echo: C.speex_echo_state_init(Frame, C.int(tailMs*SampleRate/1000))}
	if c.echo == nil {
		return nil, errMemory
	}
	C.set_rate(c.echo, SampleRate)
	if suppress {
		c.pre = C.speex_preprocess_state_init(Frame, SampleRate)
		if c.pre == nil {
			c.Close()
			return nil, errMemory
		}
		// The library suppresses echo only along with noise.
		C.set_int(c.pre, C.SPEEX_PREPROCESS_SET_DENOISE, 1)
		C.set_echo(c.pre, c.echo)
	}
	return c, nil
}

// Process writes mic without the echo of far to out; each holds Frame samples
// of full scale ±1, and out may be mic. Other lengths leave out as it is.
func (c *Canceller) Process(out, mic, far []float32) {
	if c.echo == nil || len(out) != Frame || len(mic) != Frame || len(far) != Frame {
		return
	}
	toPCM(&c.mic, mic)
	toPCM(&c.far, far)
	C.speex_echo_cancellation(c.echo, &c.mic[0], &c.far[0], &c.out[0])
	if c.pre != nil {
		C.speex_preprocess_run(c.pre, &c.out[0])
	}
	fromPCM(out, &c.out)
}

// Reset forgets the learned path.
func (c *Canceller) Reset() {
	if c.echo != nil {
		C.speex_echo_state_reset(c.echo)
	}
}

// Close frees the library's memory. It may be called twice.
func (c *Canceller) Close() {
	if c.pre != nil {
		C.speex_preprocess_state_destroy(c.pre)
		c.pre = nil
	}
	if c.echo != nil {
		C.speex_echo_state_destroy(c.echo)
		c.echo = nil
	}
}

// Preprocess is speex's noise suppressor. It belongs to one goroutine.
type Preprocess struct {
	st  *C.SpeexPreprocessState
	buf [Frame]C.spx_int16_t
}

// NewPreprocess makes a noise suppressor that lowers noise by at most
// attenuation dB, 1..60.
func NewPreprocess(attenuation int) (*Preprocess, error) {
	if attenuation < 1 || attenuation > 60 {
		return nil, fmt.Errorf("speexdsp: an attenuation of %d dB is not between 1 and 60", attenuation)
	}
	st := C.speex_preprocess_state_init(Frame, SampleRate)
	if st == nil {
		return nil, errMemory
	}
	C.set_int(st, C.SPEEX_PREPROCESS_SET_DENOISE, 1)
	C.set_int(st, C.SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, C.int(-attenuation))
	return &Preprocess{st: st}, nil
}

// Process suppresses the noise of frame, Frame samples of full scale ±1, in
// place. Other lengths are left as they are.
func (p *Preprocess) Process(frame []float32) {
	if p.st == nil || len(frame) != Frame {
		return
	}
	toPCM(&p.buf, frame)
	C.speex_preprocess_run(p.st, &p.buf[0])
	fromPCM(frame, &p.buf)
}

// Close frees the library's memory. It may be called twice.
func (p *Preprocess) Close() {
	if p.st != nil {
		C.speex_preprocess_state_destroy(p.st)
		p.st = nil
	}
}

func toPCM(dst *[Frame]C.spx_int16_t, src []float32) {
	out := (*[Frame]int16)(unsafe.Pointer(dst))
	for i, v := range src {
		v *= 32768
		switch {
		case v >= 32767:
			out[i] = math.MaxInt16
		case v <= -32768:
			out[i] = math.MinInt16
		case v != v: // NaN
			out[i] = 0
		default:
			out[i] = int16(math.RoundToEven(float64(v)))
		}
	}
}

func fromPCM(dst []float32, src *[Frame]C.spx_int16_t) {
	in := (*[Frame]int16)(unsafe.Pointer(src))
	for i, v := range in {
		dst[i] = float32(v) / 32768
	}
}
