package aec

// noiseFloor follows the background noise at the near end, by bin, as the
// minimum of the smoothed power over about two seconds (R. Martin, "Noise
// power spectral density estimation based on optimal smoothing and minimum
// statistics", IEEE Trans. SAP 9, 2001, with fixed smoothing and bias).
type noiseFloor struct {
	power  [bins]float32
	smooth [bins]float32
	now    [bins]float32 // minimum of the running sub-window
	sub    [noiseSubs][bins]float32
	frame  int
	turn   int
	filled int
}

const (
	noiseSubs  = 8
	noiseFrame = 25 // frames per sub-window: 8 × 0.25 s
	noiseBias  = 1.8
)

func (n *noiseFloor) reset() {
	*n = noiseFloor{}
	for i := range n.power {
		n.smooth[i], n.now[i], n.power[i] = 1e-7, 1, 1e-9
	}
}

func (n *noiseFloor) update(p *[bins]float32) {
	for i, v := range p {
		n.smooth[i] = 0.85*n.smooth[i] + 0.15*v
		n.now[i] = min(n.now[i], n.smooth[i])
	}
	if n.frame++; n.frame < noiseFrame {
		return
	}
	n.frame = 0
	n.sub[n.turn] = n.now
	n.turn = (n.turn + 1) % noiseSubs
	n.filled = min(n.filled+1, noiseSubs)
	for i := range n.power {
		m := n.now[i]
		for s := range n.filled {
			m = min(m, n.sub[s][i])
		}
		n.power[i] = 0.5*n.power[i] + 0.5*noiseBias*m + 1e-12
		n.now[i] = n.smooth[i]
	}
}

// level is the level of the noise in dB relative to an RMS value of full
// scale; −200 if there is none.
func (n *noiseFloor) level() float32 {
	var sum float32
	for _, v := range n.power {
		sum += v
	}
	return max(-200, decibels(2*sum, fftLen*fftLen/2))
}
