package denoise

import (
	"math"

	"intercomd/audio/fft"
	"intercomd/audio/pcm"
)

// Edges of the bands in units of 200 Hz: the critical bands of Opus.
var bandEdges = [bandCount]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 34, 40, 48, 60, 78, 100} //nolint:gochecknoglobals // a table

const (
	edgeStep = 4 // bins of 50 Hz in 200 Hz
	memory   = 8 // frames of cepstra
	deltas   = 6
	scale    = 1.0 / window // of a transform as the network expects it
)

// features describes a frame to the network: cepstrum of the bands with its
// first and second differences, cepstrum of how periodic the bands are, pitch
// period, and how much the last cepstra differ.
type features struct {
	dct   [bandCount][bandCount]float32
	pitch pitch
	spec  [bins]complex64 // the frame
	comp  [bins]complex64 // one pitch period before
	time  [window]float32

	ex, ep, exp [bandCount]float32 // energies of both and their correlation
	tmp         [bandCount]float32
	cepstra     [memory][bandCount]float32
	turn        int
	out         [featureCount]float32
}

func (f *features) init() {
	for i := range bandCount {
		for j := range bandCount {
			f.dct[j][i] = cosine(i, j, bandCount)
		}
	}
}

func (f *features) reset() {
	f.pitch = pitch{}
	f.cepstra = [memory][bandCount]float32{}
	f.turn = 0
}

// extract fills out from the frame x, whose spectrum is in spec, and tells
// whether it is mere silence.
func (f *features) extract(t *fft.Real, win *[window]float32, x []float32) bool {
	period := f.pitch.update(x)
	copy(f.time[:], f.pitch.buf[pitchBuf-window-period:][:window])
	transform(t, f.comp[:], &f.time, win)
	correlate(&f.ex, f.spec[:], f.spec[:])
	correlate(&f.ep, f.comp[:], f.comp[:])
	correlate(&f.exp, f.spec[:], f.comp[:])
	alike(f.exp[:], f.ex[:], f.ep[:])
	f.transformBands(&f.tmp, &f.exp)
	copy(f.out[bandCount+2*deltas:], f.tmp[:deltas])
	f.out[bandCount+2*deltas] -= 1.3
	f.out[bandCount+2*deltas+1] -= 0.9
	f.out[bandCount+3*deltas] = 0.01 * float32(period-300)

	var ly [bandCount]float32
	energy := logBands(ly[:], f.ex[:])
	if energy < 0.04 {
		return true
	}
	c0 := &f.cepstra[f.turn]
	c1 := &f.cepstra[(f.turn+memory-1)%memory]
	c2 := &f.cepstra[(f.turn+memory-2)%memory]
	f.transformBands(c0, &ly)
	c0[0] -= 12
	c0[1] -= 4
	f.turn = (f.turn + 1) % memory
	copy(f.out[:bandCount], c0[:])
	for i := range deltas {
		f.out[i] = c0[i] + c1[i] + c2[i]
		f.out[bandCount+i] = c0[i] - c2[i]
		f.out[bandCount+deltas+i] = c0[i] - 2*c1[i] + c2[i]
	}
	f.out[bandCount+3*deltas+1] = f.variability()/memory - 2.1
	return false
}

// cosine is the weight of band i of so many in cepstrum j. The measure is that of the bands of RNNoise 0.1, with
// which 0.2 was trained too.
func cosine(i, j, bands int) float32 {
	v := math.Cos((float64(i)+0.5)*float64(j)*math.Pi/float64(bands)) * math.Sqrt(2.0/bandCount)
	if j == 0 {
		v *= math.Sqrt(0.5)
	}
	return float32(v)
}

// alike makes of what the bands of a frame have in common with those of one pitch period before how alike they
// are, by the energies of both.
func alike(exp, ex, ep []float32) {
	for i := range exp {
		exp[i] /= sqrt(0.001 + ex[i]*ep[i])
	}
}

// logBands writes the logarithm of the energies of the bands to ly, with the masking that the
// networks were trained with, and returns the total energy.
func logBands(ly, ex []float32) (energy float32) {
	top, follow := float32(-2), float32(-2)
	for i, e := range ex {
		v := float32(math.Log10(0.01 + float64(e)))
		v = max(top-7, follow-1.5, v)
		top = max(top, v)
		follow = max(follow-1.5, v)
		ly[i] = v
		energy += e
	}
	return energy
}

func (f *features) variability() (sum float32) {
	for i := range f.cepstra {
		least := float32(1e15)
		for j := range f.cepstra {
			if i == j {
				continue
			}
			var d float32
			for k, v := range f.cepstra[i] {
				v -= f.cepstra[j][k]
				d += v * v
			}
			least = min(least, d)
		}
		sum += least
	}
	return sum
}

func (f *features) transformBands(dst, src *[bandCount]float32) {
	for i := range dst {
		dst[i] = pcm.Dot(f.dct[i][:], src[:])
	}
}

// comb adds the signal one pitch period before where that is periodic and
// the network would remove noise, and restores the energy of each band.
func (f *features) comb(gains *[bandCount]float32, curve *[bins]float32) {
	r := &f.tmp
	for i, g := range gains {
		r[i] = combGain(g, f.exp[i]) * sqrt(f.ex[i]/(1e-8+f.ep[i]))
	}
	interpolate(curve, r)
	addBins(&f.spec, &f.comp, curve)
	correlate(r, f.spec[:], f.spec[:])
	for i, e := range r {
		r[i] = sqrt(f.ex[i] / (1e-8 + e))
	}
	interpolate(curve, r)
	scaleBins(&f.spec, curve)
}

// combGain is how much of the signal one pitch period before is added in a band that the network would lower by
// g and that is periodic to the degree e.
func combGain(g, e float32) float32 {
	v := float32(1)
	if e <= g {
		v = e * e * (1 - g*g) / (0.001 + g*g*(1-e*e))
	}
	return sqrt(min(1, max(0, v)))
}

// addBins adds other to spec by a curve.
func addBins(spec, other *[bins]complex64, curve *[bins]float32) {
	for i, g := range curve {
		a, b := spec[i], other[i]
		spec[i] = complex(real(a)+g*real(b), imag(a)+g*imag(b))
	}
}

// scaleBins multiplies spec by a curve.
func scaleBins(spec *[bins]complex64, curve *[bins]float32) {
	for i, g := range curve {
		v := spec[i]
		spec[i] = complex(g*real(v), g*imag(v))
	}
}

// correlate sums the real part of a·conj(b) over triangular bands.
func correlate(dst *[bandCount]float32, a, b []complex64) {
	*dst = [bandCount]float32{}
	for i := range bandCount - 1 {
		from, size := bandEdges[i]*edgeStep, (bandEdges[i+1]-bandEdges[i])*edgeStep
		step := 1 / float32(size)
		var lo, hi float32
		for j := range size {
			x, y := a[from+j], b[from+j]
			v := real(x)*real(y) + imag(x)*imag(y)
			w := float32(j) * step
			lo += (1 - w) * v
			hi += w * v
		}
		dst[i] += lo * scale * scale
		dst[i+1] += hi * scale * scale
	}
	dst[0] *= 2
	dst[bandCount-1] *= 2
}

// interpolate draws a curve over the bins through the values of the bands;
// above 20 kHz there is nothing.
func interpolate(curve *[bins]float32, bands *[bandCount]float32) {
	for i := range bandCount - 1 {
		from, size := bandEdges[i]*edgeStep, (bandEdges[i+1]-bandEdges[i])*edgeStep
		step := 1 / float32(size)
		for j := range size {
			w := float32(j) * step
			curve[from+j] = (1-w)*bands[i] + w*bands[i+1]
		}
	}
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
