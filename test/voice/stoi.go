package voice

import (
	"math"

	"intercomd/audio/fft"
)

const (
	stoiRate    = 10000
	stoiFrame   = 256
	stoiHop     = stoiFrame / 2
	stoiFFT     = 512
	stoiBands   = 15
	stoiLow     = 150.0 // Hz, centre of the lowest third of an octave
	stoiSegment = 30    // frames: 384 ms
	stoiRange   = 40.0  // dB; frames that far below the loudest are left out
	stoiClip    = -15.0 // dB, lower bound of the signal to distortion ratio
)

// STOI is the short-time objective intelligibility of y beside the clean x, both at
// [Rate] and in time with each other: about 1 for all is understood, 0.6 for hardly
// anything (C. Taal, R. Hendriks, R. Heusdens, J. Jensen, "An Algorithm for
// Intelligibility Prediction of Time–Frequency Weighted Noisy Speech", IEEE Trans.
// ASLP 19, 2011). NaN if there is less than half a second of speech.
func STOI(x, y []float64) float64 {
	n := min(len(x), len(y))
	x, y = resample(x[:n], 5, 8), resample(y[:n], 5, 8)
	x, y = audible(x, y)
	a, b := thirds(x), thirds(y)
	var sum float64
	var count int
	for m := stoiSegment; m <= len(a); m++ {
		for j := range stoiBands {
			sum += segment(a[m-stoiSegment:m], b[m-stoiSegment:m], j)
			count++
		}
	}
	return sum / float64(count)
}

// window is a Hann window without its zeros at both ends.
func window() (w [stoiFrame]float64) {
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i+1)/(stoiFrame+1))
	}
	return w
}

// audible joins the frames in which x speaks.
func audible(x, y []float64) (a, b []float64) {
	w := window()
	var level []float64
	most := math.Inf(-1)
	for at := 0; at+stoiFrame <= len(x); at += stoiHop {
		var e float64
		for i, g := range w {
			e += g * g * x[at+i] * x[at+i]
		}
		l := 20 * math.Log10(math.Sqrt(e)+1e-12)
		level, most = append(level, l), max(most, l)
	}
	a, b = make([]float64, len(x)), make([]float64, len(x))
	kept := 0
	for f, l := range level {
		if l <= most-stoiRange {
			continue
		}
		for i, g := range w {
			a[kept*stoiHop+i] += g * x[f*stoiHop+i]
			b[kept*stoiHop+i] += g * y[f*stoiHop+i]
		}
		kept++
	}
	n := 0
	if kept > 0 {
		n = (kept-1)*stoiHop + stoiFrame
	}
	return a[:n], b[:n]
}

// thirds is the spectrum of each frame in thirds of an octave.
func thirds(x []float64) (out [][stoiBands]float64) {
	w := window()
	plan := fft.MustReal(stoiFFT)
	var in [stoiFFT]float32
	bins := make([]complex64, plan.Bins())
	for at := 0; at+stoiFrame <= len(x); at += stoiHop {
		for i, g := range w {
			in[i] = float32(g * x[at+i])
		}
		plan.Forward(bins, in[:])
		var frame [stoiBands]float64
		for k, c := range bins {
			hz := float64(k) * stoiRate / stoiFFT
			if j := int(math.Floor(3*math.Log2(hz/stoiLow) + 0.5)); hz > 0 && j >= 0 && j < stoiBands {
				frame[j] += float64(real(c))*float64(real(c)) + float64(imag(c))*float64(imag(c))
			}
		}
		for j := range frame {
			frame[j] = math.Sqrt(frame[j])
		}
		out = append(out, frame)
	}
	return out
}

// segment is the correlation of one band over one segment, with y brought to the
// level of x and clipped.
func segment(x, y [][stoiBands]float64, band int) float64 {
	var ex, ey float64
	for i := range x {
		ex += x[i][band] * x[i][band]
		ey += y[i][band] * y[i][band]
	}
	gain := math.Sqrt(ex) / (math.Sqrt(ey) + 1e-12)
	clip := 1 + math.Pow(10, -stoiClip/20)
	var u, v [stoiSegment]float64
	var mu, mv float64
	for i := range x {
		u[i], v[i] = x[i][band], min(gain*y[i][band], clip*x[i][band])
		mu, mv = mu+u[i]/stoiSegment, mv+v[i]/stoiSegment
	}
	var uv, uu, vv float64
	for i := range u {
		a, b := u[i]-mu, v[i]-mv
		uv, uu, vv = uv+a*b, uu+a*a, vv+b*b
	}
	return uv / (math.Sqrt(uu*vv) + 1e-12)
}
