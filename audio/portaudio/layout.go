package portaudio

/*
#include <stddef.h>
#include "callback.h"
*/
import "C"

import "unsafe"

// layout lists where the fields of the C struct ring lie, and its size. Tests
// compare it to [device.RingMemory]: cgo cannot be used in tests themselves.
func layout() []uintptr {
	var x C.ring
	return []uintptr{
		unsafe.Offsetof(x.head), unsafe.Offsetof(x.tail), unsafe.Offsetof(x.asked), unsafe.Offsetof(x.last), unsafe.Offsetof(x.chunk),
		unsafe.Offsetof(x.xruns), unsafe.Offsetof(x.gaps), unsafe.Offsetof(x.started), unsafe.Offsetof(x.wanted),
		unsafe.Offsetof(x.samples), unsafe.Sizeof(x),
	}
}

// call makes a callback as PortAudio would: with in of a microphone, or else with
// out of a loudspeaker. Only tests call it.
func (s *stream) call(in, out []int16, flags int) {
	f := C.PaStreamCallbackFlags(flags)
	if out == nil {
		C.capture_callback(unsafe.Pointer(&in[0]), nil, C.ulong(len(in)/int(s.dev.channels)), nil, f, unsafe.Pointer(s.dev))
		return
	}
	C.playback_callback(nil, unsafe.Pointer(&out[0]), C.ulong(len(out)/int(s.dev.channels)), nil, f, unsafe.Pointer(s.dev))
}
