package codec

import "intercomd/audio/pcm"

const (
	plcHistory  = 390 // samples at 8 kHz kept for the repair: 48.75 ms
	plcMinPitch = 40  // 200 Hz
	plcMaxPitch = 120 // 66 Hz
	plcWindow   = 160 // compared when looking for the pitch: 20 ms
	plcFade     = 80  // samples over which 20 % of the level go
)

// pitchConcealer makes up for lost audio at 8 kHz by repeating the last pitch
// periods, after ITU-T G.711 Appendix I (1999): one period for 10 ms, then two,
// then three against a buzzing sound, fading from 10 ms on to silence at 60 ms.
type pitchConcealer struct {
	hist   [plcHistory]float32 // what was heard last
	before [plcHistory]float32 // what was heard before the loss
	cycle  [3 * plcMaxPitch]float32
	pitch  int // samples; 0 = not concealing
	length int // of cycle in use
	pos    int // in cycle
	made   int // samples concealed since the last good frame
}

// good hears a frame that arrived, and smooths the seam after a repair.
func (c *pitchConcealer) good(pcm []float32) {
	if c.made > 0 {
		// A longer loss gets a longer seam: 4 ms more for each 10 ms, up to 10 ms.
		n := min(c.pitch/4+32*(c.made/80), 80, len(pcm))
		for i := range n {
			w := float32(i+1) / float32(n+1)
			pcm[i] = pcm[i]*w + c.next()*(1-w)
		}
		c.made, c.pitch = 0, 0
	}
	c.remember(pcm)
}

func (c *pitchConcealer) remember(pcm []float32) {
	if len(pcm) >= plcHistory {
		copy(c.hist[:], pcm[len(pcm)-plcHistory:])
		return
	}
	copy(c.hist[:], c.hist[len(pcm):])
	copy(c.hist[plcHistory-len(pcm):], pcm)
}

// conceal fills pcm.
func (c *pitchConcealer) conceal(pcm []float32) {
	if c.made == 0 {
		c.before = c.hist
		c.pitch = c.findPitch()
		c.build(1)
	}
	for i := range pcm {
		pcm[i] = c.next()
	}
	c.remember(pcm)
}

func (c *pitchConcealer) next() float32 {
	if c.made == 80 || c.made == 160 {
		c.build(1 + c.made/80)
	}
	gain := max(0, 1-0.2*float32(max(0, c.made-plcFade))/plcFade)
	v := c.cycle[c.pos] * gain
	c.made++
	if c.pos++; c.pos >= c.length {
		c.pos = 0
	}
	return v
}

// build lays out the last periods before the loss so that they can be repeated
// without a seam: their end is blended into what preceded their beginning. The
// position within the period is kept.
func (c *pitchConcealer) build(periods int) {
	n, overlap := c.pitch*periods, c.pitch/4
	copy(c.cycle[:n], c.before[plcHistory-n:])
	for i := range overlap {
		w := float32(i+1) / float32(overlap+1)
		k := n - overlap + i
		c.cycle[k] = c.cycle[k]*(1-w) + c.before[plcHistory-n-overlap+i]*w
	}
	c.length, c.pos = n, c.pos%c.pitch
	if periods == 1 {
		c.pos = 0
	}
}

// findPitch is the lag, in samples, at which the last 20 ms resemble most what
// was before.
func (c *pitchConcealer) findPitch() int {
	best, lag := float32(-1), plcMaxPitch
	x := c.hist[plcHistory-plcWindow:]
	for p := plcMinPitch; p <= plcMaxPitch; p++ {
		y := c.hist[plcHistory-plcWindow-p:][:plcWindow]
		corr, energy := pcm.Dot(x, y), pcm.Dot(y, y)
		if corr <= 0 {
			continue
		}
		if q := corr * corr / (energy + 1e-9); q > best {
			best, lag = q, p
		}
	}
	return lag
}
