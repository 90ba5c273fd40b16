package aec

// The sums over the partitions are C, of which the compiler makes vectors. filter.go has the
// same in Go, which runs on processors that lack the instructions and is what C is compared with.

/*
#cgo CFLAGS: -O3
#cgo noescape aec_through
#cgo nocallback aec_through
#cgo noescape aec_expect
#cgo nocallback aec_expect
#cgo noescape aec_learn
#cgo nocallback aec_learn
#include "kernel.h"
*/
import "C"

import "unsafe"

func reals(x []float32) *C.float   { return (*C.float)(unsafe.SliceData(x)) }
func pairs(x []complex64) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(x))) }

// ring is how many of the newest partitions lie next to each other in a history, from its head
// on; the others are at its beginning.
func (h *history) ring() int { return h.parts - h.head }

// fastThrough adds the products of the spectra and the path.
func (k *filter) fastThrough(h *history, spectra []complex64) {
	n := h.ring()
	C.aec_through(pairs(k.acc[:]), pairs(spectra[h.head*bins:]), pairs(k.w), bins, C.int(n))
	if n < k.parts {
		C.aec_through(pairs(k.acc[:]), pairs(spectra), pairs(k.w[n*bins:]), bins, C.int(k.parts-n))
	}
}

// fastExpect adds what the uncertain path may leave.
func (k *filter) fastExpect(h *history) {
	n := h.ring()
	C.aec_expect(reals(k.left[:]), reals(h.x2[h.head*bins:]), reals(k.p), bins, C.int(n))
	if n < k.parts {
		C.aec_expect(reals(k.left[:]), reals(h.x2), reals(k.p[n*bins:]), bins, C.int(k.parts-n))
	}
}

// fastLearn is learn for all partitions.
func (k *filter) fastLearn(h *history) {
	n := h.ring()
	C.aec_learn(pairs(k.w), reals(k.p), pairs(h.x[h.head*bins:]), reals(h.x2[h.head*bins:]), reals(k.gain[:]), pairs(k.err[:]), transition*transition, trust, bins, C.int(n))
	if n < k.parts {
		C.aec_learn(pairs(k.w[n*bins:]), reals(k.p[n*bins:]), pairs(h.x), reals(h.x2), reals(k.gain[:]), pairs(k.err[:]), transition*transition, trust, bins, C.int(k.parts-n))
	}
}
