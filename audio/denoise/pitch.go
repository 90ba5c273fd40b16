package denoise

import (
	"math"

	"intercomd/audio/pcm"
)

// pitch finds the period of the voice in the last 36 ms: an open-loop search
// at a quarter and half of the rate on the prediction residual, then a check
// whether a fraction of the period found is the true one. This is the search
// of Opus (RFC 6716, section 4.3.7.1 and the reference source of CELT), which
// RNNoise was trained with; its constants must stay as they are.
type pitch struct {
	buf  [pitchBuf]float32     // 48 kHz
	half [pitchBuf / 2]float32 // residual at 24 kHz

	quarterX [pitchFrame / 4]float32
	quarterY [(pitchFrame + pitchRange) / 4]float32
	corr     [pitchRange / 2]float32
	energy   [pitchMax/2 + 1]float32

	lastPeriod int
	lastGain   float32
}

const (
	pitchMin   = 60
	pitchMax   = 768
	pitchFrame = 960
	pitchBuf   = pitchMax + pitchFrame
	pitchRange = pitchMax - 3*pitchMin
)

// update takes a frame and returns the period in samples of 48 kHz.
func (p *pitch) update(x []float32) int {
	copy(p.buf[:], p.buf[Frame:])
	copy(p.buf[pitchBuf-Frame:], x)
	p.downsample()
	period := pitchMax - p.search()
	return p.undouble(period)
}

// downsample halves the rate and whitens.
func (p *pitch) downsample() {
	x, h := &p.buf, &p.half
	h[0] = 0.5 * (0.5*x[1] + x[0])
	for i := 1; i < len(h); i++ {
		h[i] = 0.5 * (0.5*(x[2*i-1]+x[2*i+1]) + x[2*i])
	}
	var ac [5]float32
	for k := range ac {
		ac[k] = pcm.Dot(h[k:], h[:len(h)-k])
	}
	ac[0] *= 1.0001
	for i := 1; i < len(ac); i++ {
		f := 0.008 * float32(i)
		ac[i] -= ac[i] * f * f
	}
	lpc := levinson(&ac)
	g := float32(1)
	for i := range lpc {
		g *= 0.9
		lpc[i] *= g
	}
	const zero = 0.8
	num := [5]float32{lpc[0] + zero, lpc[1] + zero*lpc[0], lpc[2] + zero*lpc[1], lpc[3] + zero*lpc[2], zero * lpc[3]}
	var m [5]float32
	for i, v := range h {
		y := v + num[0]*m[0] + num[1]*m[1] + num[2]*m[2] + num[3]*m[3] + num[4]*m[4]
		m[4], m[3], m[2], m[1], m[0] = m[3], m[2], m[1], m[0], v
		h[i] = y
	}
}

// levinson solves for the coefficients of the prediction error filter
// 1 + Σ lpc[i]·z⁻¹⁻ⁱ.
func levinson(ac *[5]float32) (lpc [4]float32) {
	if ac[0] == 0 {
		return lpc
	}
	e := ac[0]
	for i := range lpc {
		r := ac[i+1]
		for j := range i {
			r += lpc[j] * ac[i-j] //nolint:gosec // j < i < 4
		}
		r = -r / e
		lpc[i] = r //nolint:gosec // i < 4
		for j := range (i + 1) / 2 {
			a, b := lpc[j], lpc[i-1-j]
			lpc[j], lpc[i-1-j] = a+r*b, b+r*a
		}
		e -= r * r * e
		if e < 0.001*ac[0] {
			break
		}
	}
	return lpc
}

// search returns the place in the buffer, in samples of 48 kHz, that is most
// like the newest frame.
func (p *pitch) search() int {
	x := p.half[pitchMax/2:]
	y := p.half[:]
	for i := range p.quarterX {
		p.quarterX[i] = x[2*i]
	}
	for i := range p.quarterY {
		p.quarterY[i] = y[2*i]
	}
	coarse := p.corr[:pitchRange/4]
	for i := range coarse {
		coarse[i] = pcm.Dot(p.quarterX[:], p.quarterY[i:])
	}
	a, b := best(coarse, p.quarterY[:], pitchFrame/4)
	fine := p.corr[:]
	for i := range fine {
		fine[i] = 0
		if away(i-2*a) > 2 && away(i-2*b) > 2 {
			continue
		}
		fine[i] = max(-1, pcm.Dot(x[:pitchFrame/2], y[i:]))
	}
	a, _ = best(fine, y, pitchFrame/2)
	if a > 0 && a < len(fine)-1 {
		return 2*a - lean(fine[a-1], fine[a], fine[a+1])
	}
	return 2 * a
}

func away(i int) int {
	if i < 0 {
		return -i
	}
	return i
}

// lean tells to which side of b a maximum leans.
func lean(a, b, c float32) int {
	switch {
	case c-a > 0.7*(b-a):
		return 1
	case a-c > 0.7*(b-c):
		return -1
	}
	return 0
}

// best returns the two lags with the largest normalised correlation.
func best(corr, y []float32, n int) (first, second int) {
	energy := 1 + pcm.Dot(y[:n], y[:n])
	num := [2]float32{-1, -1}
	var den [2]float32
	second = 1
	for i, c := range corr {
		if c > 0 {
			c *= 1e-12 // the square must not overflow
			v := c * c
			switch {
			case v*den[1] <= num[1]*energy:
			case v*den[0] > num[0]*energy:
				num[1], den[1], second = num[0], den[0], first
				num[0], den[0], first = v, energy, i
			default:
				num[1], den[1], second = v, energy, i
			}
		}
		energy = max(1, energy+y[i+n]*y[i+n]-y[i]*y[i])
	}
	return first, second
}

// undouble looks for a shorter period that fits nearly as well.
func (p *pitch) undouble(period int) int {
	const (
		longest  = pitchMax / 2
		shortest = pitchMin / 2
		n        = pitchFrame / 2
	)
	// Partners to check each fraction against.
	second := [16]int{0, 0, 3, 2, 3, 2, 5, 2, 3, 2, 3, 2, 5, 2, 3, 2}
	x := p.half[longest:][:n]
	back := func(t int) []float32 { return p.half[longest-t:][:n] }
	t0 := min(period/2, longest-1)
	last := p.lastPeriod / 2

	xx := pcm.Dot(x, x)
	p.energy[0] = xx
	yy := xx
	for i := 1; i <= longest; i++ {
		a, b := p.half[longest-i], p.half[longest+n-i]
		yy += a*a - b*b
		p.energy[i] = max(0, yy)
	}
	xy := pcm.Dot(x, back(t0))
	bestXY, bestYY := xy, p.energy[t0]
	g0 := pitchGain(xy, xx, bestYY)
	g, t := g0, t0
	for k := 2; k <= 15; k++ {
		t1 := (2*t0 + k) / (2 * k)
		if t1 < shortest {
			break
		}
		t2 := (2*second[k]*t0 + k) / (2 * k)
		if k == 2 {
			if t2 = t0 + t1; t2 > longest {
				t2 = t0
			}
		}
		xy := 0.5 * (pcm.Dot(x, back(t1)) + pcm.Dot(x, back(t2)))
		yy := 0.5 * (p.energy[t1] + p.energy[t2])
		g1 := pitchGain(xy, xx, yy)
		var cont float32
		switch d := away(t1 - last); {
		case d <= 1:
			cont = p.lastGain
		case d <= 2 && 5*k*k < t0:
			cont = 0.5 * p.lastGain
		}
		limit := max(0.3, 0.7*g0-cont)
		switch {
		case t1 < 3*shortest:
			limit = max(0.4, 0.85*g0-cont)
		case t1 < 2*shortest:
			limit = max(0.5, 0.9*g0-cont)
		}
		if g1 > limit {
			bestXY, bestYY, t, g = xy, yy, t1, g1
		}
	}
	bestXY = max(0, bestXY)
	pg := float32(1)
	if bestYY > bestXY {
		pg = bestXY / (bestYY + 1)
	}
	p.lastGain = min(pg, g)
	out := 2*t + lean(pcm.Dot(x, back(t-1)), pcm.Dot(x, back(t)), pcm.Dot(x, back(t+1)))
	p.lastPeriod = max(out, pitchMin)
	return p.lastPeriod
}

func pitchGain(xy, xx, yy float32) float32 {
	return xy / float32(math.Sqrt(1+float64(xx)*float64(yy)))
}
