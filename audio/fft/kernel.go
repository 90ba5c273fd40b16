package fft

// Most transforms are made by C, which has vectors: Go's compiler makes none. What C does is
// told in fft.go, which does the same for lengths that C cannot do and on processors that
// lack the instructions, and is what C is compared with.

/*
#cgo CFLAGS: -O3
#cgo noescape fft_forward
#cgo nocallback fft_forward
#cgo noescape fft_inverse
#cgo nocallback fft_inverse
#include "kernel.h"
*/
import "C"

import (
	"unsafe"

	"intercomd/audio/pcm"
)

// kernel is a plan as C reads it. Complex numbers have their parts apart.
type kernel struct {
	plan  []C.int // radix, groups, distance, first twiddle of each stage
	tw    []float32
	twist []float32
	a, b  []float32
}

// lanes is what half of a length must be a multiple of.
const lanes = 16

// newKernel is the plan of f; nil if C cannot do that.
func newKernel(f *Real) *kernel {
	if f.half%lanes != 0 || !pcm.Vectors() {
		return nil
	}
	k := &kernel{a: make([]float32, 2*f.half), b: make([]float32, 2*f.half)}
	var tw []complex64
	for _, s := range f.stages {
		k.plan = append(k.plan, C.int(s.p), C.int(s.m), C.int(s.s), C.int(len(tw)))
		tw = append(tw, s.tw...)
	}
	k.tw, k.twist = apart(tw), apart(f.twist)
	return k
}

// apart is all real parts of x, then all imaginary ones.
func apart(x []complex64) []float32 {
	out := make([]float32, 2*len(x))
	for i, v := range x {
		out[i], out[len(x)+i] = real(v), imag(v)
	}
	return out
}

func floats(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }

// pairs are complex numbers as C has them: real and imaginary part in turn.
func pairs(x []complex64) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(x))) }

func (k *kernel) forward(dst []complex64, x []float32) {
	C.fft_forward(pairs(dst), floats(x), floats(k.a), floats(k.b), floats(k.twist), floats(k.tw), C.int(len(k.tw)/2), unsafe.SliceData(k.plan), C.int(len(k.plan)/4), C.int(len(x)/2))
}

func (k *kernel) inverse(x []float32, bins []complex64) {
	C.fft_inverse(floats(x), pairs(bins), floats(k.a), floats(k.b), floats(k.twist), floats(k.tw), C.int(len(k.tw)/2), unsafe.SliceData(k.plan), C.int(len(k.plan)/4), C.int(len(x)/2))
}
