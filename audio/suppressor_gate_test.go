package audio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"intercomd/audio/denoise"
	"intercomd/audio/pcm"
)

// late is a suppressor that does nothing but come late, as a real one does.
type late struct{ waiting []float32 }

func newLate(samples int) *late { return &late{make([]float32, samples)} }

func (l *late) Process(frame []float32) {
	x := slices.Concat(l.waiting, frame)
	copy(frame, x)
	copy(l.waiting, x[len(frame):])
}

// latencies are those of the real ones.
func latencies() []int { return []int{denoise.Latency, denoise.LargeLatency} }

func TestNoiseIsSuppressedWhereThereIsSome(t *testing.T) {
	const street, hall = 3e-3, 3e-5 // -50 and -90 dBFS
	type part struct {
		frames int
		noise  float64
		call   bool
		late   bool // what is sent is late at the end: the suppressor is at work
	}
	for name, parts := range map[string][]part{
		"a call at once, before anything is known": {{10, hall, true, true}, {1000, hall, true, true}},
		"a street":         {{400, street, false, false}, {10, street, true, true}},
		"a quiet hall":     {{400, hall, false, false}, {10, hall, true, false}, {1000, hall, true, false}},
		"digital silence":  {{400, 0, false, false}, {10, 0, true, false}},
		"it gets loud":     {{400, hall, false, false}, {10, hall, true, false}, {310, street, true, true}, {1000, hall, true, true}},
		"and is forgotten": {{400, hall, false, false}, {400, street, true, true}, {400, hall, false, false}, {10, hall, true, false}},
		"gaps of a device": {{100, street, false, false}, {20, 0, false, false}, {300, street, false, false}, {10, street, true, true}},
	} {
		for _, latency := range latencies() {
			t.Run(fmt.Sprintf("%s, %d samples late", name, latency), func(t *testing.T) {
				var n suppressorGate
				s := newLate(latency)
				random := rand.New(rand.NewPCG(1, 2))
				sent := make([]float32, pcm.Frame)
				heard := make([]float32, 3*pcm.Frame) // the last frames
				for i, p := range parts {
					for range p.frames {
						heard = append(heard[pcm.Frame:], make([]float32, pcm.Frame)...)
						frame := heard[2*pcm.Frame:]
						for k := range frame {
							frame[k] = float32(p.noise * random.NormFloat64())
						}
						copy(sent, frame)
						n.suppress(s, sent, p.call)
					}
					want := heard[2*pcm.Frame:]
					if p.late {
						want = heard[2*pcm.Frame-latency:][:pcm.Frame]
					}
					if !slices.Equal(sent, want) {
						t.Errorf("part %d: the suppressor is at work: %v, want %v", i, n.yes, p.late)
					}
				}
			})
		}
	}
}

// What was said in one call never begins the next one.
func TestSuppressorForgetsTheCallBefore(t *testing.T) {
	for _, latency := range latencies() {
		var n suppressorGate
		s := newLate(latency)
		frame := make([]float32, pcm.Frame)
		say := func(v float32, call bool) []float32 {
			for i := range frame {
				frame[i] = v
			}
			n.suppress(s, frame, call)
			return frame
		}
		say(0.5, true)
		say(0.5, true)
		say(0.5, true)
		say(0.1, false)
		var next []float32
		for range 4 {
			next = append(next, say(0.2, true)...)
		}
		for i, v := range next {
			if want := float32(0.2); i < latency && v != 0 || i >= latency && v != want {
				t.Fatalf("%d samples late: sample %d of the next call is %v", latency, i, v)
			}
		}
	}
}

// A suppressor that begins in a call moves the voice without a click.
func TestSuppressorBeginsWithoutAClick(t *testing.T) {
	small, err := denoise.New(denoise.Off) // it delays, as all levels do
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Suppressor{small, newLate(denoise.LargeLatency)} {
		beginsWithoutAClick(t, s)
	}
}

func beginsWithoutAClick(t *testing.T, s Suppressor) {
	const hz, amplitude = 330, 0.5
	var n suppressorGate
	frame := make([]float32, pcm.Frame)
	var last float32
	steepest := amplitude * 2 * math.Pi * hz / pcm.SampleRate
	for i := range 4 * gateWindow {
		for k := range frame {
			frame[k] = float32(1e-5 * float64(k%2)) // quiet: nothing to suppress
			if i >= gateWindow+10 {
				frame[k] = float32(amplitude * math.Sin(2*math.Pi*hz*float64(i*pcm.Frame+k)/pcm.SampleRate))
			}
		}
		was := n.yes
		n.suppress(s, frame, i >= gateWindow)
		for k, v := range frame {
			if d := math.Abs(float64(v - last)); d > 1.2*steepest {
				t.Fatalf("frame %d, sample %d: a step of %.3f, the voice has %.3f; the suppressor at work: %v, before: %v",
					i, k, d, steepest, n.yes, was)
			}
			last = v
		}
	}
	if !n.yes {
		t.Error("the suppressor never began")
	}
}
