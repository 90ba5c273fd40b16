package resample

/*
#cgo CFLAGS: -O3
#cgo noescape resample_pull
#cgo nocallback resample_pull
#include "kernel.h"
*/
import "C"

import "unsafe"

// The table is laid out for C.
var _ = [1]struct{}{}[rateTaps-C.taps+ratePhases-C.phases]

// fastPull is slowPull in C, which has vectors: Go's compiler makes none.
func (r *Resampler) fastPull(out []float32) {
	if len(out) == 0 {
		return
	}
	_ = r.hist[int(r.place(len(out)-1))+rateTaps-1] // C does not look
	C.resample_pull(floats(out), C.int(len(out)), floats(r.hist), floats(r.table), C.double(r.pos), C.double(r.Step))
}

func floats(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }
