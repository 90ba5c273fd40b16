package selftest

import (
	"math"
	"time"

	"intercomd/audio/fft"
)

const (
	size = 2 * SampleRate // of the transforms: longer than what is recorded from the chirp on
	// The chirp rises from lowest to highest; what is judged is within from and to.
	lowest, highest = 200., 8000. // Hz
	from, to        = 300., 6000.
	bands           = 3
	window          = SampleRate / 10 // of the room's answer that counts
	lead            = SampleRate / 200
	latest          = SampleRate * 7 / 10 // delay at which the answer is looked for
	// sure is how far the answer must stand out of what else the recording holds,
	// in dB of power. Noise alone reaches 15.
	sure = 18.
	none = -100. // dB, for nothing
)

// analyser finds a chirp in a recording: an exponential sweep, divided out of the
// spectrum of what was heard, leaves the answer of loudspeaker, room and
// microphone; noise that is not a sweep is spread over two seconds (A. Farina,
// "Simultaneous measurement of impulse response and distortion with a swept-sine
// technique", AES 108, 2000).
type analyser struct {
	f     *fft.Real
	chirp []float32
	spec  []complex64 // of chirp
}

func newAnalyser() *analyser {
	a := &analyser{f: fft.MustReal(size), chirp: make([]float32, length)}
	rate := math.Log(highest / lowest)
	for i := range a.chirp {
		t := float64(i) / length
		phase := 2 * math.Pi * lowest * length / SampleRate / rate * (math.Exp(t*rate) - 1)
		// Faded in and out over a twentieth each.
		fade := min(1, 20*t, 20*(1-t))
		a.chirp[i] = float32(math.Sin(phase) * math.Sin(math.Pi/2*fade))
	}
	a.spec = a.transform(a.chirp)
	return a
}

// sound is silence, the chirp at an amplitude in dBFS, and silence.
func (a *analyser) sound(level float64) []float32 {
	s, g := make([]float32, total), float32(math.Pow(10, level/20))
	chirp := s[before:]
	for i := range chirp[:min(len(chirp), len(a.chirp))] {
		chirp[i] = g * a.chirp[i]
	}
	return s
}

func (a *analyser) transform(x []float32) []complex64 {
	in, out := make([]float32, size), make([]complex64, a.f.Bins())
	copy(in, x)
	a.f.Forward(out, in)
	return out
}

// measure looks for the chirp that was played at level in what was recorded
// meanwhile.
func (a *analyser) measure(rec []float32, level float64) Measurement {
	if len(rec) < total {
		rec = append(append([]float32(nil), rec...), make([]float32, total-len(rec))...)
	}
	m := Measurement{Noise: power(rec[:before]), Level: none, Coupling: none, Bands: [bands]float64{none, none, none}}
	for _, v := range rec {
		m.Clipped = m.Clipped || v >= 0.985 || v <= -0.985
	}
	answer := a.answer(rec[before:total])
	at, floor, found := peak(answer)
	if !found {
		return m
	}
	m.Heard = true
	m.Delay = time.Duration(at) * time.Second / SampleRate
	end := min(len(rec), before+at+length)
	m.Level = power(rec[before+at : end])
	a.couple(&m, answer, at, floor, level)
	return m
}

// answer is the impulse response between the loudspeaker and the microphone.
func (a *analyser) answer(rec []float32) []float32 {
	spec := a.transform(rec)
	for i := range spec {
		f := float64(i) * SampleRate / size
		if f < from || f > to {
			spec[i] = 0
			continue
		}
		spec[i] /= a.spec[i]
	}
	out := make([]float32, size)
	a.f.Inverse(out, spec)
	return out
}

// peak finds the strongest arrival, and the mean power of what is left beside it.
func peak(answer []float32) (at int, floor float64, found bool) {
	var best float64
	for i, v := range answer[:latest] {
		if p := float64(v) * float64(v); p > best {
			best, at = p, i
		}
	}
	var sum float64
	n := 0
	for i, v := range answer {
		if i >= at-lead && i < at+3*window {
			continue
		}
		sum += float64(v) * float64(v)
		n++
	}
	floor = sum / float64(n)
	return at, floor, best > 1e-12 && best > floor*math.Pow(10, sure/10)
}

// couple measures how strong the answer is, over all and by bands.
func (a *analyser) couple(m *Measurement, answer []float32, at int, floor, level float64) {
	cut := make([]float32, size)
	first, last := max(0, at-lead), min(size, at+window)
	copy(cut, answer[first:last])
	spec := a.transform(cut)
	edges := [bands + 1]float64{from, 1000, 2500, to}
	noise := floor * float64(last-first) // power of the noise in the window, spread evenly over the bins judged
	judged := (to - from) * size / SampleRate
	noise *= size / (2 * judged)
	var all float64
	for b := range bands {
		lo, hi := int(edges[b]*size/SampleRate), int(edges[b+1]*size/SampleRate)
		var sum float64
		for _, v := range spec[lo:hi] {
			re, im := float64(real(v)), float64(imag(v))
			sum += max(0, re*re+im*im-noise)
		}
		all += sum
		m.Bands[b] = decibels(sum/float64(hi-lo)) - level
	}
	m.Coupling = decibels(all/judged) - level
}

// power is the level of x in dBFS, RMS.
func power(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	if len(x) == 0 {
		return none
	}
	return decibels(sum / float64(len(x)))
}

func decibels(p float64) float64 {
	if p < 1e-10 {
		return none
	}
	return 10 * math.Log10(p)
}
