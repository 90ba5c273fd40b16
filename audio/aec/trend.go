package aec

import "math"

// trend fits a line through the last estimates of the delay search. The
// estimates are coarse, but over seconds they show a drift that is too fast
// for the delay-locked loop to pull in.
type trend struct {
	at, lag [trendSize]float64 // frames; samples of 16 kHz
	n, next int
	last    float64
}

const (
	trendSize = 64  // estimates, about six seconds
	trendMin  = 30  // estimates before anything is concluded
	trendJump = 8.0 // samples of 16 kHz between estimates that no drift explains
	// Estimates share most of their signal: their scatter counts more than
	// that of independent ones.
	trendScatter = 2.5
	trendSure    = 4.0
	trendLeast   = 15e-6 * lowFrame // samples a frame that are worth a step
)

func (t *trend) reset() { t.n, t.next = 0, 0 }

// add takes an estimate and returns the drift in samples a frame if it is
// known well enough to say that it is not rate.
func (t *trend) add(frame, lag, rate float64) (float64, bool) {
	if t.n > 0 && math.Abs(lag-t.last) > trendJump {
		t.reset()
	}
	t.last = lag
	t.at[t.next], t.lag[t.next] = frame, lag
	t.next = (t.next + 1) % trendSize
	t.n = min(t.n+1, trendSize)
	if t.n < trendMin {
		return 0, false
	}
	slope, sigma := t.fit()
	if math.Abs(slope-rate) < math.Max(trendLeast, trendSure*trendScatter*sigma) {
		return 0, false
	}
	t.reset()
	return slope, true
}

// fit is the slope of the line through the estimates and its standard error.
func (t *trend) fit() (slope, sigma float64) {
	var mx, my float64
	for i := range t.n {
		mx += t.at[i]
		my += t.lag[i]
	}
	n := float64(t.n)
	mx, my = mx/n, my/n
	var xx, xy, yy float64
	for i := range t.n {
		x, y := t.at[i]-mx, t.lag[i]-my
		xx += x * x
		xy += x * y
		yy += y * y
	}
	if xx == 0 {
		return 0, math.Inf(1)
	}
	slope = xy / xx
	return slope, math.Sqrt(math.Max(0, yy-slope*xy) / (n * xx))
}
