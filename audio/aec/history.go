package aec

const (
	fftLen = 2 * lowFrame
	bins   = lowFrame + 1
)

// history holds the spectra of the last blocks of the shaped far end, each
// two frames long and one frame apart, for the partitions of a filter.
type history struct {
	parts int
	head  int         // slot of the newest block
	x     []complex64 // spectra, parts × bins
	x2    []float32   // their squared magnitudes
}

func newHistory(parts int) *history {
	return &history{
		parts: parts,
		x:     make([]complex64, parts*bins),
		x2:    make([]float32, parts*bins),
	}
}

func (h *history) reset() {
	clear(h.x)
	clear(h.x2)
}

// slot is the index into x of the block q frames old.
func (h *history) slot(q int) int {
	s := h.head + q
	if s >= h.parts {
		s -= h.parts
	}
	return s * bins
}

// advance makes room for the next block and returns its slot.
func (h *history) advance() int {
	if h.head--; h.head < 0 {
		h.head = h.parts - 1
	}
	return h.slot(0)
}

// measure computes the powers of the newest block.
func (h *history) measure() {
	o := h.slot(0)
	pow := h.x2[o:][:bins]
	for i, v := range h.x[o:][:bins] {
		pow[i] = real(v)*real(v) + imag(v)*imag(v)
	}
}
