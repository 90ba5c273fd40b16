// Package audiotest has what the tests of several rooms of audio measure sound with. It
// knows signals, not what made them.
package audiotest

import (
	"math"
	"runtime"
	"testing"
	"time"

	"intercomd/audio/pcm"
)

// Length shortens a simulation where the race detector makes it slow.
func Length(d time.Duration) time.Duration {
	if Race {
		return d / 8
	}
	return d
}

// Vectors tells whether what C does with vectors can be compared with what Go does. On processors of which all
// have them, it fails the test if not.
func Vectors(t testing.TB) bool {
	t.Helper()
	if pcm.Vectors() {
		return true
	}
	if runtime.GOARCH != "arm" {
		t.Fatal("this processor is said to have no vectors")
	}
	t.Log("this processor has no vectors: Go does it all")
	return false
}

// SNR is the ratio, in dB, of a sine of f Hz and amplitude a in x to what else is in x;
// -100 if the sine is weaker or louder than that.
func SNR(x []float32, f, a float64) float64 {
	var c, s float64
	w := 2 * math.Pi * f / pcm.SampleRate
	for i, v := range x {
		c += float64(v) * math.Cos(w*float64(i))
		s += float64(v) * math.Sin(w*float64(i))
	}
	c, s = 2*c/float64(len(x)), 2*s/float64(len(x))
	var e float64
	for i, v := range x {
		d := float64(v) - c*math.Cos(w*float64(i)) - s*math.Sin(w*float64(i))
		e += d * d
	}
	if h := math.Hypot(c, s); h < a*0.97 || h > a*1.03 {
		return -100
	}
	return 10 * math.Log10(a*a/2*float64(len(x))/(e+1e-20))
}

// Roughness is the greatest deviation of x from a steady tone of f Hz, and the sample at
// which it is: a click of height h shows as about h.
func Roughness(x []float32, f float64) (worst float64, at int) {
	c := 2 * math.Cos(2*math.Pi*f/pcm.SampleRate)
	for i := 2; i < len(x); i++ {
		if r := math.Abs(float64(x[i]) - c*float64(x[i-1]) + float64(x[i-2])); r > worst {
			worst, at = r, i
		}
	}
	return worst, at
}
