package denoise

// Most of what the large network computes is C, of which the compiler makes vectors.
// large_net.go does the same in Go, on processors that lack the instructions, and is what C is
// compared with.

/*
#cgo CFLAGS: -O3
#cgo noescape denoise_rows
#cgo nocallback denoise_rows
#cgo noescape denoise_bytes
#cgo nocallback denoise_bytes
#cgo noescape denoise_gates
#cgo nocallback denoise_gates
#cgo noescape denoise_tanh
#cgo nocallback denoise_tanh
#include "kernel.h"
*/
import "C"

import "unsafe"

func reals(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }
func bytes(x []int8) *C.schar    { return (*C.schar)(unsafe.SliceData(x)) }
func packed(x []byte) *C.schar   { return (*C.schar)(unsafe.Pointer(unsafe.SliceData(x))) }

func (m *matrix) fastRun(y []float32, x []int8) {
	C.denoise_rows(reals(y), packed(m.w), reals(m.scale), reals(m.bias), bytes(x), C.int(m.rows), C.int(m.columns))
}

func fastBytes(y []int8, x []float32) { C.denoise_bytes(bytes(y), reals(x), C.int(len(x))) }

func fastTanh(x []float32) { C.denoise_tanh(reals(x), C.int(len(x))) }

func (u *unit) fastGates() {
	C.denoise_gates(reals(u.state), reals(u.in), reals(u.from), reals(u.diagonal), C.int(len(u.state)))
}
