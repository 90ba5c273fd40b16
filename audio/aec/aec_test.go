package aec

import (
	"math"
	"testing"
)

var _ Canceller = (*Kalman)(nil)

func TestSilentFarEndLeavesTheNearEndAlone(t *testing.T) {
	k := NewKalman()
	var far, out [Frame]float32
	var in, got []float32
	r := uint32(1)
	for range 100 {
		mic := make([]float32, Frame)
		for i := range mic {
			r = r*1664525 + 1013904223
			mic[i] = float32(int32(r)) / math.MaxInt32 * 0.3
		}
		k.Process(out[:], mic, far[:])
		in = append(in, mic...)
		got = append(got, out[:]...)
	}
	for i, v := range got[k.Latency():] {
		if math.Abs(float64(v-in[i])) > 1e-4 {
			t.Fatalf("sample %d: got %v, want %v", i, v, in[i])
		}
	}
}

func TestProcessDoesNotAllocate(t *testing.T) {
	k := NewKalman()
	var mic, far, out [Frame]float32
	for i := range far {
		far[i] = float32(i%40)/40 - 0.5
		mic[i] = far[i] / 2
	}
	if n := testing.AllocsPerRun(300, func() { k.Process(out[:], mic[:], far[:]) }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}
