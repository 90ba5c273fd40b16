package portaudio

// The streams are opened here and not by the binding, because its callbacks can
// only be written in Go. A thread of the sound system that enters Go waits for the
// garbage collector and keeps the scheduler's monitor awake (measured: 2800 wakeups
// a second, more CPU than a call), a panic in it ends the process, and opening a
// stream does not pass checkptr, so nothing could run under the race detector. The
// callbacks in callback.c copy, count and write to an eventfd, and nothing else.

/*
#cgo pkg-config: portaudio-2.0
#include <stdlib.h>
#include "callback.h"

static PaError open_stream(device *d, int output, int index, double latency, double rate, unsigned long frames) {
	PaStreamParameters p = {0};
	p.device = index;
	p.channelCount = d->channels;
	p.sampleFormat = paInt16;
	p.suggestedLatency = latency;
	return Pa_OpenStream(&d->stream, output ? NULL : &p, output ? &p : NULL, rate, frames, paDitherOff,
		output ? playback_callback : capture_callback, d);
}
*/
import "C"

import (
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
	d     *Driver
	info  device.StreamInfo
	dev   *C.device      // in C's memory
	pin   runtime.Pinner // of the ring that dev points to
	event *os.File       // eventfd of a microphone; nil for a loudspeaker
	waker chan struct{}  // closed when the goroutine that reads event has ended
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
	output := 0
	if dir == device.Out {
		output = 1
	}
	frames := int(period * time.Duration(f.rate) / time.Second)
	code := C.open_stream(s.dev, C.int(output), C.int(info.Index),
		C.double(latency(info, dir).Seconds()), C.double(f.rate), C.ulong(frames))
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

// start lets the callbacks begin. A stream that cannot start is closed.
func (s *stream) start() error {
	code := C.Pa_StartStream(s.dev.stream)
	if code == C.paNoError {
		return nil
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

// newStream makes what the callbacks share with x.
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
	if dir == device.In {
		if err := s.wakes(x); err != nil {
			s.free()
			return nil, err
		}
	}
	return s, nil
}

// wakes lets the callbacks of a microphone wake the engine.
func (s *stream) wakes(x *device.Ring) error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	s.event, s.waker = os.NewFile(uintptr(fd), "eventfd"), make(chan struct{})
	s.dev.fd = C.int(fd)
	go func() {
		defer close(s.waker)
		var count [8]byte
		for {
			if _, err := s.event.Read(count[:]); err != nil {
				return // closed
			}
			x.Wake()
		}
	}()
	return nil
}

// free gives back what newStream made, when no callback can come any more.
func (s *stream) free() {
	if s.event != nil {
		_ = s.event.Close() // nothing was written that could be lost
		<-s.waker
	}
	C.free(unsafe.Pointer(s.dev))
	s.pin.Unpin()
}

// Info describes the stream.
func (s *stream) Info() device.StreamInfo { return s.info }

// Close ends the callbacks at once: what is buffered is not played.
func (s *stream) Close() error {
	return s.d.do("close", func() error {
		s.d.open--
		return errors.Join(paError(C.Pa_AbortStream(s.dev.stream)), s.close())
	})
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
