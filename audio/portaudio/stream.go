package portaudio

// The streams are opened here and not by the binding, because its callbacks can
// only be written in Go. A thread of the sound system that enters Go waits for the
// garbage collector and keeps the scheduler's monitor awake (measured: 2800 wakeups
// a second, more CPU than a call), a panic in it ends the process, and opening a
// stream does not pass checkptr, so nothing could run under the race detector. Streams
// have no callbacks here, but a thread each in C: see microphone.c and loudspeaker.c.

/*
#cgo pkg-config: portaudio-2.0
#include <stdlib.h>
#include <unistd.h>
#include "sound.h"
#include <pa_linux_alsa.h>

static PaError open_stream(device *d, int output, int index, double latency, double rate, unsigned long frames) {
	PaStreamParameters p = {0};
	p.device = index;
	p.channelCount = d->channels;
	p.sampleFormat = paInt16;
	p.suggestedLatency = latency;
	return Pa_OpenStream(&d->stream, output ? NULL : &p, output ? &p : NULL, rate, frames, paDitherOff, NULL, NULL);
}

static void use(device *d, int output) {
	d->name = output ? "loudspeaker" : "microphone";
	d->turn = output ? feed : hear;
	d->room = output ? stream_room : stream_waits;
	d->put = stream_put, d->get = stream_get;
}
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	pa "github.com/gordonklaus/portaudio"
	"golang.org/x/sys/unix"

	"intercomd/audio/device"
	"intercomd/words"
)

// stream is an open device.
type stream struct {
	d    *Driver
	info device.StreamInfo
	dev  *C.device      // in C's memory
	pin  runtime.Pinner // of the ring that dev points to
	kick *os.File       // eventfd that wakes its thread
}

// format is a way to open a device.
type format struct {
	rate     int // Hz
	channels int
}

// openFormat opens a stream. This and the next two call PortAudio; they run where
// [Driver.do] says.
func (d *Driver) openFormat(dir device.Direction, info *pa.DeviceInfo, f format, x *device.Ring) (*stream, error) {
	s, err := newStream(d, dir, f.channels, x)
	if err != nil {
		return nil, err
	}
	size, buffer := micPeriod, 2*micPeriod
	if dir == device.Out {
		size, buffer = period, (periods-1)*period
		C.PaAlsa_SetNumPeriods(periods)
	} else {
		C.PaAlsa_SetNumPeriods(4)
	}
	frames := int(size * time.Duration(f.rate) / time.Second)
	s.dev.step, s.dev.step_ms = C.long(frames), C.int(size/time.Millisecond)
	s.dev.floor = s.dev.step + s.dev.step/16 // a card may take a step at a time
	if f.rate == 48000 {                     // else the engine's frames are not quite steps
		s.dev.takes.step, s.dev.takes.size = C.int64_t(size), C.int64_t(frames)
	}
	code := C.open_stream(s.dev, C.int(dir), C.int(info.Index),
		C.double(buffer.Seconds()), C.double(f.rate), C.ulong(frames))
	if code != C.paNoError {
		err := paError(code)
		s.free()
		return nil, err
	}
	s.info = device.StreamInfo{Device: info.Name, Rate: f.rate}
	if i := C.Pa_GetStreamInfo(s.dev.stream); i != nil {
		s.info.Latency = time.Duration(float64(max(i.inputLatency, i.outputLatency)) * float64(time.Second))
	}
	return s, nil
}

// start lets its thread begin. A stream that cannot start is closed.
func (s *stream) start() error {
	code := C.Pa_StartStream(s.dev.stream)
	if code == C.paNoError {
		e := C.start_thread(s.dev)
		if e == 0 {
			return nil
		}
		C.Pa_AbortStream(s.dev.stream)
		C.Pa_CloseStream(s.dev.stream)
		s.free()
		return fmt.Errorf("starting a thread: %w", unix.Errno(e))
	}
	err := paError(code)
	C.Pa_CloseStream(s.dev.stream)
	s.free()
	return err
}

// close frees a stream that was never started, or was stopped.
func (s *stream) close() error {
	err := paError(C.Pa_CloseStream(s.dev.stream))
	s.free()
	return err
}

// newStream makes what its thread shares with x.
func newStream(d *Driver, dir device.Direction, channels int, x *device.Ring) (*stream, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	s := &stream{d: d}
	s.pin.Pin(x.Memory())
	s.dev = (*C.device)(C.calloc(1, C.sizeof_device))
	s.dev.x = (*C.ring)(unsafe.Pointer(x.Memory()))
	s.dev.epoch = C.int64_t(now.Nano() - int64(x.Now()))
	s.dev.channels = C.int(channels)
	s.dev.fd, s.dev.bell = -1, -1
	if d.bell != nil { // else nobody waits
		s.dev.bell = C.int(d.bell.in)
	}
	// It blocks, so that Go's poller, which would wake up each time, leaves it alone. No write waits:
	// the thread reads it empty long before the counter is full.
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		s.free()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	s.dev.fd, s.kick = C.int(fd), os.NewFile(uintptr(fd), "eventfd")
	C.use(s.dev, C.int(dir))
	if dir == device.Out {
		one := binary.NativeEndian.AppendUint64(nil, 1)
		x.Feed(func() { _, _ = s.kick.Write(one) }, d.bell != nil) // closed: the engine has not noticed yet
	}
	return s, nil
}

// free gives back what newStream made, when its thread has ended.
func (s *stream) free() {
	if s.kick != nil {
		_ = s.kick.Close()
	}
	C.free(unsafe.Pointer(s.dev))
	s.pin.Unpin()
}

// Info describes the stream.
func (s *stream) Info() device.StreamInfo { return s.info }

// Close ends its thread at once: what is buffered is not played.
func (s *stream) Close() error {
	err := s.d.do("close", func() error {
		s.d.open--
		C.stop_thread(s.dev)
		err := paError(C.Pa_AbortStream(s.dev.stream))
		return errors.Join(err, s.close())
	})
	if errors.Is(err, device.ErrHung) {
		s.d.keep(s)
	}
	return err
}

// paError is what PortAudio calls an error, in the binding's words and in our code.
func paError(code C.PaError) error {
	switch code {
	case C.paNoError:
		return nil
	case C.paUnanticipatedHostError:
		if i := C.Pa_GetLastHostErrorInfo(); i != nil {
			return hostError(int(i.errorCode), C.GoString(i.errorText))
		}
	}
	err := pa.Error(code)
	switch err {
	case pa.DeviceUnavailable:
		return &words.Error{Message: words.New("device-busy"), Err: err}
	case pa.InvalidSampleRate, pa.InvalidChannelCount, pa.SampleFormatNotSupported:
		return &words.Error{Message: words.New("device-format"), Err: err}
	case pa.TimedOut:
		return &words.Error{Message: words.New("device-stopped"), Err: err}
	}
	return err
}

// hostError is an error of ALSA, whose numbers are those of the kernel, negative.
func hostError(number int, text string) error {
	err := fmt.Errorf("%s (%d)", text, number)
	switch unix.Errno(-number) {
	case unix.EBUSY:
		return &words.Error{Message: words.New("device-busy"), Err: err}
	case unix.EACCES, unix.EPERM:
		return &words.Error{Message: words.New("device-forbidden"), Err: err}
	case unix.ENODEV, unix.ENXIO:
		return &words.Error{Message: words.New("device-stopped"), Err: err}
	}
	return err
}
