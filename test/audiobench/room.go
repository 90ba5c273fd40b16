package main

import (
	"math"
	"math/rand/v2"

	"intercomd/audio/fft"
)

// section is a filter of second order (R. Bristow-Johnson's cookbook, Q of Butterworth).
func section(x []float64, hz float64, high bool) []float64 {
	w := 2 * math.Pi * hz / fs
	c, a := math.Cos(w), math.Sin(w)/math.Sqrt2
	b0, b1 := (1-c)/2, 1-c
	if high {
		b0, b1 = (1+c)/2, -(1 + c)
	}
	n := 1 + a
	var x1, x2, y1, y2 float64
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = (b0*(v+x2) + b1*x1 + 2*c*y1 - (1-a)*y2) / n
		x1, x2, y1, y2 = v, x1, y[i], y1
	}
	return y
}

func highpass(x []float64, hz float64) []float64 { return section(x, hz, true) }
func lowpass(x []float64, hz float64) []float64  { return section(x, hz, false) }

// speech band of levels: 200 Hz to 7 kHz.
func speechBand(x []float64) []float64 { return lowpass(highpass(x, 200), 7000) }

// loudspeaker saturates, a little asymmetrically, and has no bass and no treble.
func loudspeaker(x []float64, drive float64) []float64 {
	const bias = 0.08
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v
		if drive > 0 {
			y[i] = (math.Tanh(drive*v+bias) - math.Tanh(bias)) / (drive * (1 - math.Tanh(bias)*math.Tanh(bias)))
		}
	}
	return lowpass(highpass(y, 350), 9000)
}

// room is what the microphone hears of a click of the loudspeaker: the direct sound,
// reflections from housing and door, what the housing rings with, and a tail that is
// at -60 dB after tailMs. Its energy is 1.
func room(seed uint64, tailMs float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 17))
	h := make([]float64, int(tailMs*fs/1000)+64)
	const direct = fs / 4000
	h[direct] = 1
	for range 6 {
		h[direct+8+r.IntN(fs*6/1000-8)] += 0.9*r.Float64() - 0.45
	}
	for range 5 {
		hz, decay := 300+3200*r.Float64(), 0.002+0.006*r.Float64()
		gain, phase := 0.05*(0.4+0.6*r.Float64()), 2*math.Pi*r.Float64()
		for i := range h[direct:] {
			t := float64(i) / fs
			h[direct+i] += gain * math.Exp(-t/decay) * math.Sin(2*math.Pi*hz*t+phase)
		}
	}
	tail := make([]float64, len(h)-direct)
	for i := range tail {
		tail[i] = r.NormFloat64() * math.Exp(-6.9*float64(i)/fs/(tailMs/1000))
	}
	tail = lowpass(tail, 5000)
	g := math.Sqrt(power(h)*float64(len(h))/(power(tail)*float64(len(tail)))) * math.Pow(10, -14./20)
	for i, v := range tail {
		h[direct+i] += g * v
	}
	scale(h, 1/math.Sqrt(power(h)*float64(len(h))))
	return h
}

// convolve is the beginning of x through h.
func convolve(x, h []float64) []float64 {
	const size = 1 << 15
	step := size - len(h)
	plan := fft.MustReal(size)
	in := make([]float32, size)
	a, b := make([]complex64, plan.Bins()), make([]complex64, plan.Bins())
	for i, v := range h {
		in[i] = float32(v)
	}
	plan.Forward(b, in)
	y := make([]float64, len(x)+size)
	for at := 0; at < len(x); at += step {
		clear(in)
		for i, v := range x[at:min(len(x), at+step)] {
			in[i] = float32(v)
		}
		plan.Forward(a, in)
		for k := range a {
			a[k] *= b[k]
		}
		plan.Inverse(in, a)
		for i, v := range in {
			y[at+i] += float64(v)
		}
	}
	return y[:len(x)]
}

// late is x by so many ms later, read by a clock that is off by ppm.
func late(x []float64, ms, ppm float64) []float64 {
	y := make([]float64, len(x))
	at := func(k int) float64 {
		if k < 0 || k >= len(x) {
			return 0
		}
		return x[k]
	}
	d := math.Round(ms * fs / 1000)
	for i := range y {
		if p := (float64(i) - d) * (1 + ppm*1e-6); p >= 0 {
			y[i] = cubic(at, p)
		}
	}
	return y
}

// street is traffic: rumble and air whose strength wanders, and cars that pass.
func street(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 23))
	white := func() []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		return x
	}
	rumble, air, hiss := lowpass(white(), 250), lowpass(white(), 1500), white()
	x := make([]float64, n)
	from, to := 6*r.Float64()-3, 6*r.Float64()-3
	const knot = fs * 3 / 2
	for i := range x {
		k := i % knot
		if k == 0 && i > 0 {
			from, to = to, 6*r.Float64()-3
		}
		blend := 0.5 - 0.5*math.Cos(math.Pi*float64(k)/knot)
		env := math.Pow(10, (from+(to-from)*blend)/20)
		x[i] = env * (3*rumble[i] + air[i] + 0.05*hiss[i])
	}
	car := lowpass(highpass(white(), 150), 2500)
	for at := 1 + 3*r.Float64(); at*fs < float64(n); at += 4 + 4*r.Float64() {
		width, gain := 0.5+0.5*r.Float64(), 1+1.4*r.Float64()
		for i := max(0, int((at-3)*fs)); i < min(n, int((at+3)*fs)); i++ {
			t := (float64(i)/fs - at) / width
			x[i] += gain * car[i] * math.Exp(-t*t/2)
		}
	}
	return highpass(x, 60)
}
