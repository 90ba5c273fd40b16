package main

import (
	"math"
	"testing"
)

// A trace loses what its name says, in bursts of that length.
func TestTracesLoseWhatTheySay(t *testing.T) {
	const n = 20000
	for _, tr := range traces() {
		lost, bursts, length := 0, 0, 0
		for i, f := range tr.fates(3, n) {
			if f.delay < lineDelay-tr.jitter || f.delay > lineDelay+tr.jitter {
				t.Fatalf("%s: packet %d takes %v", tr.name, i, f.delay)
			}
			if !f.lost {
				length = 0
				continue
			}
			if lost++; length == 0 {
				bursts++
			}
			length++
		}
		share, mean := float64(lost)/n, float64(lost)/float64(max(1, bursts))
		if math.Abs(share-tr.share) > 0.1*tr.share+0.001 {
			t.Errorf("%s: %.3f lost", tr.name, share)
		}
		if tr.burst > 1 && math.Abs(mean-float64(tr.burst)) > 0.25*float64(tr.burst)+3*tr.share {
			t.Errorf("%s: %.2f packets in a row", tr.name, mean)
		}
	}
}

// A far end that slides by some ms now and then is understood as well as one that does not, and
// its delay is found; one that leaves out a third is not.
func TestASlidingVoiceIsFollowed(t *testing.T) {
	x := murmur(4)
	said, slid, torn := make([]float32, 12*fs), make([]float32, 12*fs), make([]float32, 12*fs)
	for i := range said {
		said[i] = float32(0.1 * x[i%len(x)])
		late := 0.08
		if i > 6*fs {
			late = 0.11
		}
		if k := i - int(late*fs); k >= 0 {
			slid[i] = float32(0.1 * x[k%len(x)])
			if (i/(fs/50))%3 > 0 {
				torn[i] = slid[i]
			}
		}
	}
	s, late, p95 := understood(said, slid)
	if s < 0.97 || math.Abs(late-98) > 6 || math.Abs(p95-110) > 4 {
		t.Errorf("STOI %.3f, %.0f ms late, %.0f at times", s, late, p95)
	}
	if bad, _, _ := understood(said, torn); bad > s-0.1 {
		t.Errorf("STOI %.3f when a third is missing, %.3f when nothing is", bad, s)
	}
}
