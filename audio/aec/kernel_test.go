package aec

import (
	"math"
	"math/rand/v2"
	"testing"

	"intercomd/audio/audiotest"
)

// pathOf makes a filter and a history of so many partitions with random contents.
func pathOf(r *rand.Rand, parts int) (*filter, *history) {
	k, h := newFilter(parts), newHistory(parts)
	h.head = r.IntN(parts)
	some := func() complex64 { return complex(float32(r.NormFloat64()), float32(r.NormFloat64())) }
	for i := range k.w {
		k.w[i], h.x[i] = some(), some()
		k.p[i] = r.Float32()
		h.x2[i] = real(h.x[i])*real(h.x[i]) + imag(h.x[i])*imag(h.x[i])
	}
	for i := range k.err {
		k.err[i], k.gain[i], k.left[i] = some(), r.Float32()/20, 0
	}
	return k, h
}

func near(t *testing.T, what string, got, want, size float32) {
	t.Helper()
	if d := math.Abs(float64(got - want)); !(d <= 1e-5*float64(size)) {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// What C does is what Go does, but for the order of the sums.
func TestVectorsAreWhatGoDoes(t *testing.T) {
	if !audiotest.Vectors(t) {
		return
	}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		parts := 1 + int(seed)%15
		fast, h := pathOf(r, parts)
		slow := newFilter(parts)
		slow.copyFrom(fast)
		slow.fast = false
		slow.err, slow.gain, slow.acc = fast.err, fast.gain, fast.acc
		clear(slow.left[:])
		clear(fast.left[:])
		fast.fastThrough(h, h.x)
		slow.slowThrough(h, h.x)
		fast.fastExpect(h)
		slow.slowExpect(h)
		fast.fastLearn(h)
		for q := range parts {
			slow.learn(q, h)
		}
		for i := range bins {
			near(t, "the sum", real(fast.acc[i]), real(slow.acc[i]), 30)
			near(t, "the sum", imag(fast.acc[i]), imag(slow.acc[i]), 30)
			near(t, "what is left", fast.left[i], slow.left[i], 30)
		}
		for i := range fast.w {
			near(t, "the path", real(fast.w[i]), real(slow.w[i]), 2)
			near(t, "the path", imag(fast.w[i]), imag(slow.w[i]), 2)
			near(t, "the uncertainty", fast.p[i], slow.p[i], 2)
		}
	}
}
