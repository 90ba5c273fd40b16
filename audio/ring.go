package audio

import "sync/atomic"

// ring is a queue of samples between one writer and one reader, which may be
// threads of the sound library. It never blocks and never allocates.
type ring struct {
	buf  []int16
	mask uint64
	head atomic.Uint64 // samples written; moved by the writer only
	tail atomic.Uint64 // samples read; moved by the reader only
}

// newRing returns a ring for at least n samples.
func newRing(n int) *ring {
	size := 1
	for size < n {
		size *= 2
	}
	return &ring{buf: make([]int16, size), mask: uint64(size - 1)}
}

// Len is the number of samples waiting.
func (r *ring) Len() int { return int(r.head.Load() - r.tail.Load()) }

// Write appends as much of s as fits and returns how much did.
func (r *ring) Write(s []int16) int {
	head := r.head.Load()
	n := min(len(s), len(r.buf)-int(head-r.tail.Load()))
	k := copy(r.buf[head&r.mask:], s[:n])
	copy(r.buf, s[k:n])
	r.head.Store(head + uint64(n))
	return n
}

// Read moves up to len(d) samples to d and returns how many there were.
func (r *ring) Read(d []int16) int {
	tail := r.tail.Load()
	n := min(len(d), int(r.head.Load()-tail))
	k := copy(d[:n], r.buf[tail&r.mask:])
	copy(d[k:n], r.buf)
	r.tail.Store(tail + uint64(n))
	return n
}

// Discard drops up to n samples from the reader's end.
func (r *ring) Discard(n int) {
	tail := r.tail.Load()
	r.tail.Store(tail + uint64(min(n, int(r.head.Load()-tail))))
}
