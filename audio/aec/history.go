package aec

import "intercomd/audio/fft"

const (
	fftLen = 2 * lowFrame
	bins   = lowFrame + 1
)

// history holds the spectra of the last blocks of a signal, each two frames
// long and one frame apart, for the partitions of a filter.
type history struct {
	f     *fft.Real
	parts int
	head  int         // slot of the newest block
	x     []complex64 // spectra, parts × bins
	x2    []float32   // their squared magnitudes
	block [fftLen]float32
}

func newHistory(parts int) *history {
	return &history{
		f:     fft.MustReal(fftLen),
		parts: parts,
		x:     make([]complex64, parts*bins),
		x2:    make([]float32, parts*bins),
	}
}

func (h *history) reset() {
	clear(h.x)
	clear(h.x2)
	clear(h.block[:])
}

// slot is the index into x of the block q frames old.
func (h *history) slot(q int) int {
	s := h.head + q
	if s >= h.parts {
		s -= h.parts
	}
	return s * bins
}

// push takes the next frame.
func (h *history) push(x []float32) {
	copy(h.block[:], h.block[lowFrame:])
	copy(h.block[lowFrame:], x[:lowFrame])
	if h.head--; h.head < 0 {
		h.head = h.parts - 1
	}
	h.transform(h.slot(0))
}

func (h *history) transform(o int) {
	spec := h.x[o:][:bins]
	pow := h.x2[o:][:bins]
	h.f.Forward(spec, h.block[:])
	for i, v := range spec {
		pow[i] = real(v)*real(v) + imag(v)*imag(v)
	}
}
