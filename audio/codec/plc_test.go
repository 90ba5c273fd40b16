package codec

import (
	"math"
	"testing"
)

// A lost stretch of a vowel: the repair goes on with its pitch, fades after 10 ms
// and is silent after 60 ms; the seams are smooth.
func TestPitchConcealer(t *testing.T) {
	var c pitchConcealer
	voice := func(i int) float32 {
		p := 2 * math.Pi * 110 * float64(i) / narrowRate
		return float32(0.3*math.Sin(p) + 0.15*math.Sin(2*p+1) + 0.1*math.Sin(3*p+2))
	}
	frame := make([]float32, 80)
	var out, want []float32
	for k := range 60 {
		for i := range frame {
			frame[i] = voice(k*80 + i)
			want = append(want, frame[i])
		}
		if k >= 20 && k < 22 || k >= 40 && k < 50 {
			c.conceal(frame)
		} else {
			c.good(frame)
		}
		out = append(out, frame...)
	}
	var e, s float64
	for i := 20 * 80; i < 21*80; i++ {
		s += float64(want[i]) * float64(want[i])
		e += float64(out[i]-want[i]) * float64(out[i]-want[i])
	}
	if snr := 10 * math.Log10(s/e); snr < 15 {
		t.Errorf("the first 10 ms of repair: %.1f dB", snr)
	}
	for i := 47 * 80; i < 50*80; i++ {
		if out[i] != 0 {
			t.Fatalf("sample %d of a long loss is %v", i-40*80, out[i])
		}
	}
	for i := 1; i < len(out); i++ {
		if d := math.Abs(float64(out[i] - out[i-1])); d > 0.14 { // the voice itself: 0.1
			t.Errorf("jump of %.3f at frame %d, sample %d", d, i/80, i%80)
		}
	}
	for i := 51 * 80; i < 60*80; i++ {
		if out[i] != want[i] {
			t.Fatal("good audio is changed long after the repair")
		}
	}
}
