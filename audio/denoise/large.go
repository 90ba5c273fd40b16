package denoise

import (
	"math"

	"intercomd/audio/fft"
	"intercomd/audio/pcm"
)

// LargeLatency is how late the output of [Large] is, in samples: 20 ms.
const LargeLatency = 2 * Frame

// Edges of the 32 bands in bins of 50 Hz: as wide as the ear's filters.
var largeEdges = [largeBands + 2]int{ //nolint:gochecknoglobals // a table
	0, 2, 4, 6, 8, 10, 12, 15, 18, 21, 24, 28, 32, 36, 41, 47, 53,
	60, 68, 77, 87, 98, 110, 124, 140, 157, 176, 198, 223, 251, 282, 317, 356, 400,
}

// bands are values of the bands.
type bands [largeBands]float32

// spectrum is a frame and that of one pitch period before.
type spectrum struct {
	spec, comp [bins]complex64
	ex, ep     bands // energies of both
	exp        bands // and how alike they are
}

// Large suppresses as [Suppressor] does, with the network of RNNoise 0.2, which is
// 33 times as large, and with the window that it was trained for. That network decides on the frame
// before the newest: a voice is LargeLatency late. It takes babble for noise. It belongs to one
// goroutine.
type Large struct {
	net *largeNetwork
	f   *fft.Real
	floor
	highPass
	trust float32 // how much of what the network says counts, 0..1

	win      [window]float32
	dct      [largeBands]bands
	pitch    pitch
	ring     [2]spectrum
	turn     int // of ring: the newest
	features [largeFeatures]float32
	gain     bands // of the last frame, in the measure of the newest
	curve    [bins]float32
	time     [window]float32
	ola      [Frame]float32
	before   [LargeLatency]float32 // the last two frames, the older one first
}

// NewLarge makes a suppressor that lowers noise by at most about 20 dB, as High does.
func NewLarge() (*Large, error) {
	net, err := newLargeNetwork(largeWeights)
	if err != nil {
		return nil, err
	}
	s := &Large{net: net, f: fft.MustReal(window), floor: newFloor(High), trust: 1}
	vorbis(&s.win)
	for i := range largeBands {
		for j := range largeBands {
			s.dct[j][i] = cosine(i, j, largeBands)
		}
	}
	return s, nil
}

// vorbis is the window that RNNoise was trained with: its square and that of its neighbour add to one.
func vorbis(win *[window]float32) {
	for i := range Frame {
		v := math.Sin(0.5 * math.Pi * (float64(i) + 0.5) / Frame)
		w := float32(math.Sin(0.5 * math.Pi * v * v))
		win[i], win[window-1-i] = w, w
	}
}

// Voice is the chance that the last frame held a voice, 0..1.
func (s *Large) Voice() float32 { return s.net.voiceChance[0] }

// Reset forgets all that was heard.
func (s *Large) Reset() {
	s.net.reset()
	s.forget()
	s.trust = 1
	s.highPass = highPass{}
	s.pitch = pitch{}
	s.ring = [2]spectrum{}
	s.gain = bands{}
	s.ola = [Frame]float32{}
	s.before = [LargeLatency]float32{}
}

// Process suppresses the noise of frame, Frame samples of full scale ±1, in
// place and LargeLatency samples late. Other lengths are left as they are. It does
// not allocate.
func (s *Large) Process(frame []float32) {
	if len(frame) != Frame {
		return
	}
	s.take(frame)
	if s.least != 0 && !s.nobody { // least is 0 for comparison with RNNoise itself
		s.trust += 0.02 * (trust(s.listen(s.x[:]), largeFaint, largePlain) - s.trust) // half a second, as the share
	}
	s.turn = 1 - s.turn
	now, past := &s.ring[s.turn], &s.ring[1-s.turn]
	if s.extract(now) {
		s.net.voiceChance[0] = 0
	} else {
		s.net.run(&s.features)
		s.shape(past, now)
	}
	s.f.Inverse(s.time[:], past.spec[:])
	for i, w := range s.win {
		s.time[i] *= w
	}
	part := (1 - s.share) * s.trust
	for i, late := range s.before[:Frame] {
		y := s.time[i] + s.ola[i]
		frame[i] = (part*y + (1-part)*late) * (1.0 / 32768)
	}
	copy(s.ola[:], s.time[Frame:])
	copy(s.before[:], s.before[Frame:])
	copy(s.before[Frame:], s.x[:])
}

// extract computes the spectra and the features of the newest frame and tells whether it
// is mere silence.
func (s *Large) extract(now *spectrum) bool {
	copy(s.time[:], s.before[Frame:])
	copy(s.time[Frame:], s.x[:])
	transform(s.f, now.spec[:], &s.time, &s.win)
	period := s.pitch.update(s.x[:])
	copy(s.time[:], s.pitch.buf[pitchBuf-window-period:][:window])
	transform(s.f, now.comp[:], &s.time, &s.win)
	largeCorrelate(&now.ex, now.spec[:], now.spec[:])
	largeCorrelate(&now.ep, now.comp[:], now.comp[:])
	largeCorrelate(&now.exp, now.spec[:], now.comp[:])
	alike(now.exp[:], now.ex[:], now.ep[:])
	var ly bands
	if energy := logBands(ly[:], now.ex[:]); energy < 0.04 {
		return true
	}
	for i := range largeBands {
		s.features[i] = pcm.Dot(s.dct[i][:], ly[:])
		s.features[largeBands+i] = pcm.Dot(s.dct[i][:], now.exp[:])
	}
	s.features[0] -= 12
	s.features[1] -= 4
	s.features[2*largeBands] = 0.01 * float32(period-300)
	return false
}

// shape applies the network's gains to the frame before the newest, after the comb filter.
func (s *Large) shape(past, now *spectrum) {
	gains := (*bands)(&s.net.gains)
	s.comb(past, gains)
	for i, g := range gains {
		g = max(g, 0.6*s.gain[i])
		gains[i] = g
		// Where it gets louder, what is kept of this gain would let noise through.
		s.gain[i] = min(1, g*(past.ex[i]+1e-3)/(now.ex[i]+1e-3))
	}
	s.apply(past, gains)
}

// comb adds the signal one pitch period before where that is periodic and
// the network would remove noise, and restores the energy of each band.
func (s *Large) comb(p *spectrum, gains *bands) {
	var r bands
	for i, g := range gains {
		r[i] = combGain(g, p.exp[i]) * sqrt(p.ex[i]/(1e-8+p.ep[i]))
	}
	largeInterpolate(&s.curve, &r)
	addBins(&p.spec, &p.comp, &s.curve)
	largeCorrelate(&r, p.spec[:], p.spec[:])
	for i, e := range r {
		r[i] = sqrt(p.ex[i] / (1e-8 + e))
	}
	s.apply(p, &r)
}

func (s *Large) apply(p *spectrum, gains *bands) {
	largeInterpolate(&s.curve, gains)
	scaleBins(&p.spec, &s.curve)
}

// largeCorrelate sums the real part of a·conj(b) over triangular bands.
func largeCorrelate(dst *bands, a, b []complex64) {
	var sum [largeBands + 2]float32
	for i := range largeBands + 1 {
		from, to := largeEdges[i], largeEdges[i+1]
		step := 1 / float32(to-from)
		var all, hi float32
		for j := range to - from {
			x, y := a[from+j], b[from+j]
			v := real(x)*real(y) + imag(x)*imag(y)
			all += v
			hi += float32(j) * step * v
		}
		sum[i] += all - hi
		sum[i+1] += hi
	}
	const third = 2.0 / 3
	sum[1] = (sum[0] + sum[1]) * third
	sum[largeBands] = (sum[largeBands] + sum[largeBands+1]) * third
	for i := range dst {
		dst[i] = sum[i+1] * (scale * scale)
	}
}

// largeInterpolate draws a curve over the bins through the values of the bands;
// above 20 kHz there is nothing.
func largeInterpolate(curve *[bins]float32, values *bands) {
	for i := range largeEdges[1] {
		curve[i] = values[0]
	}
	for i := 1; i < largeBands; i++ {
		from, to := largeEdges[i], largeEdges[i+1]
		step := 1 / float32(to-from)
		for j := range to - from {
			w := float32(j) * step
			curve[from+j] = (1-w)*values[i-1] + w*values[i]
		}
	}
	for i := largeEdges[largeBands]; i < largeEdges[largeBands+1]; i++ {
		curve[i] = values[largeBands-1]
	}
}
