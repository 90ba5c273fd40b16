package pcm

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// dotIsRight compares a product with its definition in double precision, within what the sums
// of single precision may lose in any order.
func dotIsRight(t *testing.T, x, y []float32) {
	t.Helper()
	var want, size float64
	for i, v := range x {
		p := float64(v) * float64(y[i])
		want += p
		size += math.Abs(p)
	}
	most := 1e-44 + size*float64(len(x)+4)*0x1p-24
	for name, got := range map[string]float32{"Dot": Dot(x, y), "plainDot": plainDot(x, y)} {
		if d := math.Abs(float64(got) - want); !(d <= most) {
			t.Errorf("%s of %d is %v, want %v", name, len(x), got, want)
		}
	}
}

func TestDot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	buf := make([]float32, 2048)
	for i := range buf {
		buf[i] = float32(r.NormFloat64())
	}
	for n := range 600 {
		from := n % 7 // nothing is aligned
		dotIsRight(t, buf[from:from+n], buf[1024+n%5:])
	}
	if Dot(nil, nil) != 0 {
		t.Error("the product of nothing is not 0")
	}
	x := []float32{1, 2, 3, 4, 5}
	if v := Dot(x[:4], x); v != 30 {
		t.Errorf("1+4+9+16 is %v", v)
	}
	x[2] = float32(math.NaN())
	if v := Dot(x, x); v == v {
		t.Errorf("a NaN was lost: %v", v)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for a y that is too short")
		}
	}()
	Dot(x, make([]float32, 3))
}

func FuzzDot(f *testing.F) {
	f.Add([]byte("some samples of two sounds, in bytes"), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, from uint8) {
		x := make([]float32, 0, len(b)/2+1)
		for ; len(b) >= 2; b = b[2:] {
			x = append(x, float32(int16(binary.LittleEndian.Uint16(b)))/32768)
		}
		if len(x) < 2 {
			return
		}
		k := int(from) % (len(x) / 2)
		y := x[k:]
		dotIsRight(t, x[:len(y)], y)
	})
}

func BenchmarkDot480(b *testing.B) {
	x := make([]float32, 480)
	for i := range x {
		x[i] = float32(i&7) - 3
	}
	var s float32
	for b.Loop() {
		s += Dot(x, x)
	}
	_ = s
}
