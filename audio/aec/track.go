package aec

import "math"

// tracker decides when to believe the delay search.
type tracker struct {
	known bool
	place float32 // the believed lag less the delay of the reference, samples of 16 kHz
	last  float32 // the last estimate
	agree int     // estimates in a row that were like it
}

const (
	trackLike  = 16  // samples of 16 kHz within which two estimates agree
	trackSlack = 48  // within which a path is where it was
	trackKeep  = 0.6 // share of the peak at which the old place still counts
)

// judge looks at the newest estimate of s, while the reference is delay
// samples of 16 kHz late, and returns the lag to move to, if it is time to
// move. Whoever moves reports where the lag is then with believe.
func (t *tracker) judge(s *delaySearch, delay float32) (lag float32, ok bool) {
	if s.confidence < searchSure {
		return 0, false
	}
	lag = s.lag
	if abs(lag-t.last) < trackLike {
		t.agree++
	} else {
		t.agree = 0
	}
	t.last = lag
	if !t.known {
		return lag, t.agree >= 1
	}
	now := delay + t.place
	if abs(lag-now) < trackSlack || s.near(now, 32) > trackKeep {
		return 0, false
	}
	return lag, t.agree >= 2
}

// believe takes the place of the lag behind the delayed reference.
func (t *tracker) believe(place float32) { t.place, t.known = place, true }

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }
