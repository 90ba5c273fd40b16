package aec

import (
	"math"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

var (
	_ Canceller = (*Kalman)(nil)
	_ Canceller = (*Aligned)(nil)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The margins are wide: what is measured here is 10 dB and more above them.
// docs/audio-figures.md has the figures that count.
func TestFarEndAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		scene scene
		want  float64 // dB at the end
	}{
		{"mild loudspeaker", scene{seed: 1, seconds: 6, delayMs: 60, tailMs: 60, drive: 1.5, noise: 1e-4}, 35},
		{"hard loudspeaker", scene{seed: 2, seconds: 6, delayMs: 60, tailMs: 60, drive: 5, noise: 1e-4}, 25},
		{"480 ms late", scene{seed: 3, seconds: 6, delayMs: 480, tailMs: 60, drive: 1.5, noise: 1e-4}, 30},
		{"long tail", scene{seed: 4, seconds: 6, delayMs: 20, tailMs: 120, drive: 1.5, noise: 1e-4}, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := NewKalman()
			defer k.Close()
			sig := c.scene.make()
			out := run(k, sig)
			if e := sig.erle(out, 1.5, 3.5); e < 20 {
				t.Errorf("ERLE soon after the start is %.1f dB, want 20", e)
			}
			n := float64(c.scene.seconds)
			if e := sig.erle(out, n-2, n); e < c.want {
				t.Errorf("ERLE at the end is %.1f dB, want %.0f", e, c.want)
			}
			st := k.Stats()
			if !st.Converged || st.Diverged || st.Howling {
				t.Errorf("Stats = %+v", st)
			}
			if d := float64(st.Delay) - c.scene.delayMs; math.Abs(d) > 8 {
				t.Errorf("found a delay of %.1f ms, want %.0f", st.Delay, c.scene.delayMs)
			}
		})
	}
}

func TestDoubleTalkLeavesTheNearEndAlone(t *testing.T) {
	s := scene{seed: 5, seconds: 9, delayMs: 60, tailMs: 60, drive: 1.5, noise: 1e-4, nearFrom: 5, nearTo: 7.5, nearGain: 0.7}
	sig := s.make()
	k := NewKalman()
	defer k.Close()
	out := run(k, sig)
	if v := sig.sdr(out, k.Latency(), 5, 7.5); v < 10 {
		t.Errorf("near end SDR in double talk is %.1f dB, want 10", v)
	}
	if v := sig.erle(out, 7.8, 9); v < 25 {
		t.Errorf("ERLE after double talk is %.1f dB, want 25", v)
	}
	if st := k.Stats(); st.DoubleTalk < 0.1 || st.DoubleTalk > 0.7 {
		t.Errorf("double-talk share %.2f", st.DoubleTalk)
	}
}

func TestPathChangesAreRelearned(t *testing.T) {
	for _, c := range []struct {
		name    string
		jumpMs  float64
		newRoom bool
	}{
		{"40 ms later", 40, false},
		{"40 ms earlier", -40, false},
		{"another room", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := scene{
				seed: 6, seconds: 8, delayMs: 70, tailMs: 60, drive: 1.5, noise: 1e-4,
				jumpAt: 4, jumpMs: c.jumpMs, newRoom: c.newRoom,
			}
			sig := s.make()
			out := run(NewKalman(), sig)
			if e := sig.erle(out, 3, 3.9); e < 30 {
				t.Errorf("before: %.1f dB, want 30", e)
			}
			if e := sig.erle(out, 6, 8); e < 20 {
				t.Errorf("2 s after: %.1f dB, want 20", e)
			}
		})
	}
}

func TestDriftOfTheClocksIsFollowed(t *testing.T) {
	for _, ppm := range []float64{200} {
		s := scene{seed: 8, seconds: 11, delayMs: 70, tailMs: 60, drive: 1.5, noise: 1e-4, ppm: ppm}
		sig := s.make()
		k := NewKalman()
		out := run(k, sig)
		if e := sig.erle(out, 8, 11); e < 25 {
			t.Errorf("%.0f ppm: ERLE %.1f dB, want 25", ppm, e)
		}
		// The scene reads the loudspeaker faster for positive values: the
		// microphone's clock is slow.
		if d := float64(k.Stats().Drift) + ppm; math.Abs(d) > 15 {
			t.Errorf("%.0f ppm: found %.1f", ppm, k.Stats().Drift)
		}
	}
}

func TestSilentFarEndLeavesTheNearEndAlone(t *testing.T) {
	k := NewKalman()
	var far, out [Frame]float32
	var in, got []float32
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		mic := make([]float32, Frame)
		for i := range mic {
			mic[i] = r.Float32()*0.6 - 0.3
		}
		k.Process(out[:], mic, far[:])
		in = append(in, mic...)
		got = append(got, out[:]...)
	}
	for i, v := range got[k.Latency():] {
		if math.Abs(float64(v-in[i])) > 1e-4 {
			t.Fatalf("sample %d: got %v, want %v", i, v, in[i])
		}
	}
}

func TestLatency(t *testing.T) {
	k := NewKalman()
	if got := k.Latency(); got != 4*SampleRate/1000 {
		t.Errorf("%d samples, want 4 ms", got)
	}
	var frame, far [Frame]float32
	for at := range 4 { // four places in a frame
		var out []float32
		in := (2*4+at)*Frame/4 + at
		for n := range 8 {
			clear(frame[:])
			if i := in - n*Frame; i >= 0 && i < Frame {
				frame[i] = 0.5
			}
			k.Process(frame[:], frame[:], far[:])
			out = append(out, frame[:]...)
		}
		for i, v := range out {
			want := float32(0)
			if i == in+k.Latency() {
				want = 0.5
			}
			if abs(v-want) > 1e-4 {
				t.Errorf("an impulse at %d: sample %d is %v, want %v", in, i, v, want)
			}
		}
	}
}

// Comfort noise must not come and go with the frames.
func TestComfortNoiseIsSteady(t *testing.T) {
	const power, group = 1e-2, lowFrame / 16
	s := newSuppressor()
	for i := range bins {
		s.noise.power[i], s.gain[i] = power, 0
	}
	var out [lowFrame]float32
	var got [lowFrame / group]float32
	const frames = 4000
	for n := range frames + 1 {
		clear(s.err[:])
		s.synthesise(out[:])
		if n == 0 {
			continue // half of its beginning is missing
		}
		for i, v := range out {
			got[i/group] += v * v / (frames * group)
		}
	}
	for i, v := range got {
		if d := decibels(v, comfort*power/fftLen); abs(d) > 0.2 {
			t.Errorf("samples %d to %d of a frame are %.2f dB from the level", i*group, (i+1)*group-1, d)
		}
	}
}

// TestALoopThatSingsIsSeen feeds the same steady tone to both ends.
func TestALoopThatSingsIsSeen(t *testing.T) {
	k := NewKalman()
	var out [Frame]float32
	tone := func(n, frame int, hz float64) []float32 {
		x := make([]float32, frame)
		for i := range x {
			x[i] = float32(0.3 * math.Sin(2*math.Pi*hz*float64(n*frame+i)/float64(100*frame)))
		}
		return x
	}
	var silence [Frame]float32
	for n := range 120 {
		k.mon.tone.update(tone(n, lowFrame, 1000), tone(n, lowFrame, 1000))
	}
	if !k.Stats().Howling {
		t.Error("a tone at both ends is not seen")
	}
	k.Reset()
	for n := range 120 {
		k.Process(out[:], tone(n, Frame, 1000), silence[:])
	}
	if k.Stats().Howling {
		t.Error("a tone at the near end alone is taken for howling")
	}
}

func TestAnyInputGivesNumbers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	kinds := map[string]func(i int) float32{
		"silence":    func(int) float32 { return 0 },
		"full scale": func(i int) float32 { return float32(1 - 2*(i&1)) },
		"beyond":     func(int) float32 { return 1e30 },
		"NaN":        func(int) float32 { return nan },
		"infinity":   func(int) float32 { return inf },
		"direct":     func(int) float32 { return 1 },
		"tiny":       func(int) float32 { return 1e-40 },
		"mixed":      func(i int) float32 { return [...]float32{nan, 1, -inf, 0.5, 1e-45}[i%5] },
	}
	for mn, mf := range kinds {
		for fn, ff := range kinds {
			k := NewKalman()
			mic, far, out := make([]float32, Frame), make([]float32, Frame), make([]float32, Frame)
			for n := range 12 {
				for i := range mic {
					mic[i], far[i] = mf(n*Frame+i), ff(n*Frame+i)
				}
				k.Process(out, mic, far)
				checkNumbers(t, out, mn+" / "+fn)
			}
		}
	}
	k := NewKalman()
	k.Process(nil, nil, nil)
	k.Process(make([]float32, 3), make([]float32, 7), make([]float32, 1000))
}

func checkNumbers(t *testing.T, x []float32, what string) {
	t.Helper()
	for i, v := range x {
		if v != v || v > 8 || v < -8 {
			t.Fatalf("%s: sample %d is %v", what, i, v)
		}
	}
}

// FuzzProcess feeds frames made of the fuzzer's bytes.
func FuzzProcess(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0}, []byte{255, 255, 127, 127})
	f.Add([]byte("speech"), []byte{0x7f, 0xc0, 0, 0, 0x80, 0x7f})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		k := NewKalman()
		out := make([]float32, Frame)
		for range 12 {
			k.Process(out, floats(a), floats(b))
			checkNumbers(t, out, "fuzz")
		}
	})
}

// floats repeats the bits of b as one frame.
func floats(b []byte) []float32 {
	x := make([]float32, Frame)
	if len(b) == 0 {
		return x
	}
	for i := range x {
		var u uint32
		for j := range 4 {
			u = u<<8 | uint32(b[(4*i+j)%len(b)])
		}
		x[i] = math.Float32frombits(u)
	}
	return x
}

func TestProcessDoesNotAllocate(t *testing.T) {
	sig := scene{seed: 9, seconds: 4, delayMs: 60, tailMs: 60, noise: 1e-4, jumpAt: 2, jumpMs: -40}.make()
	for name, c := range map[string]Canceller{"kalman": NewKalman(), "aligned": NewAligned(through{})} {
		out := make([]float32, Frame)
		i := 0
		n := testing.AllocsPerRun(390, func() {
			c.Process(out, sig.mic[i:i+Frame], sig.far[i:i+Frame])
			i += Frame
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per frame", name, n)
		}
	}
}

// through is a Plain canceller that does nothing.
type through struct{}

func (through) Process(out, mic, _ []float32) { copy(out, mic) }
func (through) Reset()                        {}
func (through) Close()                        {}

// onetap subtracts the reference as it comes, late by alignLead.
type onetap struct{ line *delayLine }

func (o onetap) Process(out, mic, far []float32) {
	late := make([]float32, Frame)
	o.line.process(late, far)
	for i := range out {
		out[i] = mic[i] - 0.5*late[i]
	}
}
func (onetap) Reset() {}
func (onetap) Close() {}

func TestAlignedFindsTheDelayForOthers(t *testing.T) {
	sig := scene{seed: 10, seconds: 6, noise: 1e-5}.make()
	const late = 250 * SampleRate / 1000
	clear(sig.mic)
	for i := late; i < len(sig.mic); i++ {
		sig.mic[i] = 0.5 * sig.far[i-late]
	}
	a := NewAligned(onetap{newDelayLine(alignLead, Frame)})
	defer a.Close()
	run(a, sig)
	st := a.Stats()
	if !st.DelayKnown || math.Abs(float64(st.Delay)-250) > 1 {
		t.Errorf("found %.2f ms (%v), want 250", st.Delay, st.DelayKnown)
	}
	a.Reset()
	if a.Stats().DelayKnown {
		t.Error("the delay is known after Reset")
	}
}

func BenchmarkKalman(b *testing.B) {
	sig := scene{seed: 1, seconds: 10, delayMs: 60, tailMs: 60, drive: 1.5, noise: 1e-4, nearFrom: 5, nearTo: 8, nearGain: 0.7}.make()
	k := NewKalman()
	out := make([]float32, Frame)
	i := 0
	for b.Loop() {
		k.Process(out, sig.mic[i:i+Frame], sig.far[i:i+Frame])
		if i += Frame; i+Frame > len(sig.mic) {
			i = 0
		}
	}
}
