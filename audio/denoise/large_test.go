package denoise

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"intercomd/audio/pcm"
)

func large(t testing.TB) *Large {
	t.Helper()
	s, err := NewLarge()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLargeAgreesWithTheReference compares the chance of voice, the level and samples of every frame
// with what a build of RNNoise 0.2 gave for the same input: testdata/large.mjs. Both
// round what they remember to bytes; sums in another order round another way now and then, and
// gains differ by some hundredths for a while.
func TestLargeAgreesWithTheReference(t *testing.T) {
	text, err := os.ReadFile("testdata/large.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := large(t)
	s.least, s.share = 0, 0
	in := buzz(2 * SampleRate)
	frame := make([]float32, Frame)
	var signal, wrong float64
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for n, line := range lines {
		var want []float64
		for _, field := range strings.Fields(line) {
			v, err := strconv.ParseFloat(field, 64)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, v)
		}
		put(frame, in, n)
		s.Process(frame)
		if d := math.Abs(float64(s.Voice()) - want[0]); d > 0.03 {
			t.Errorf("frame %d: voice %.4f, want %.4f", n, s.Voice(), want[0])
		}
		if got := 32768 * math.Sqrt(power(frame)/Frame); math.Abs(got-want[1]) > 2+0.15*want[1] {
			t.Errorf("frame %d: level %.2f, want %.2f", n, got, want[1])
		}
		for i, v := range want[2:] {
			d := 32768*float64(frame[60*i]) - v
			signal, wrong = signal+v*v, wrong+d*d
		}
	}
	if got := 10 * math.Log10(signal/wrong); got < 34 || len(lines) != 200 {
		t.Errorf("%d frames agree to %.1f dB", len(lines), got)
	}
}

func TestLargeLatency(t *testing.T) {
	if at := lateness(large(t), 3*Frame); at != LargeLatency {
		t.Errorf("%d samples late, want %d", at, LargeLatency)
	}
}

func TestLargeLowersNoise(t *testing.T) {
	if got := lowered(large(t), always); math.Abs(got-20) > 2.5 {
		t.Errorf("noise is lowered by %.1f dB, want 20", got)
	}
}

func TestLargeLeavesAQuietPlaceAlone(t *testing.T) {
	for noise, want := range map[float64]float64{-80: 25, -68: 25, -40: 0} { // dBFS, dB
		s := large(t)
		in := buzz(4 * SampleRate)
		r := rand.New(rand.NewPCG(3, 1))
		gain := math.Pow(10, noise/20)
		var plain highPass
		late := make([]float32, LargeLatency, LargeLatency+4*SampleRate)
		frame := make([]float32, Frame)
		var voice, change float64
		for n := range len(in) / Frame {
			for i := range frame {
				frame[i] = float32(gain * r.NormFloat64())
				if at := n*Frame + i; at/9600%2 == 0 {
					frame[i] += float32(in[at]) / 32768
				}
			}
			plain.take(frame)
			late = append(late, plain.x[:]...)
			s.Process(frame)
			if n < 200 {
				continue // it listens first
			}
			for i, v := range frame {
				was := float64(late[n*Frame+i]) / 32768
				voice += was * was
				change += (float64(v) - was) * (float64(v) - was)
			}
		}
		if got := 10 * math.Log10(voice/change); want > 0 && got < want || want == 0 && got > 20 {
			t.Errorf("noise of %.0f dBFS: changed at %.1f dB below the voice", noise, got)
		}
	}
}

// What follows a silence or a jump of level is no louder than what came in.
func TestLargeBearsJumps(t *testing.T) {
	s := large(t)
	in := buzz(4 * SampleRate)
	gains := []float32{1, 0, 1e-3, 1, 0, 3e-5, 1, 1e-7} // of half a second each
	frame := make([]float32, Frame)
	var loudest [12]float32 // of the last frames: two are in what comes out, and the high-pass rings
	for n := range len(in) / Frame {
		put(frame, in, n)
		gain := gains[n*Frame/(SampleRate/2)]
		copy(loudest[:], loudest[1:])
		loudest[11] = 0
		for i := range frame {
			frame[i] *= gain
			loudest[11] = max(loudest[11], frame[i], -frame[i])
		}
		s.Process(frame)
		for i, v := range frame {
			if most := 2*slices.Max(loudest[:]) + 1e-4; v > most || v < -most {
				t.Fatalf("frame %d, sample %d is %v, what came in was up to %v", n, i, v, loudest)
			}
		}
	}
}

func TestLargeForgets(t *testing.T) {
	in := buzz(SampleRate)
	run := func(s *Large) (out []float32) {
		for n := range 20 {
			frame := make([]float32, Frame)
			put(frame, in, 10+n)
			s.Process(frame)
			out = append(out, frame...)
		}
		return out
	}
	s := large(t)
	first := run(s)
	if slices.Equal(first, run(s)) {
		t.Error("it remembers nothing")
	}
	s.Reset()
	if !slices.Equal(first, run(s)) {
		t.Error("what was before the reset is heard after it")
	}
}

func TestLargeNetworkIsWhole(t *testing.T) {
	for _, raw := range [][]byte{nil, largeWeights[:len(largeWeights)-1], append(slices.Clone(largeWeights), 0)} {
		if _, err := newLargeNetwork(raw); err == nil {
			t.Errorf("%d bytes are taken for a network", len(raw))
		}
	}
}

// Whatever comes in, C gives what Go gives.
func FuzzLargeVectors(f *testing.F) {
	f.Add(uint64(1), uint8(1))
	f.Add(uint64(2), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, size uint8) {
		if !pcm.Vectors() {
			t.Skip("this processor lacks the instructions")
		}
		r := rand.New(rand.NewPCG(seed, 7))
		floats := func(n int, scale float64) []float32 {
			out := make([]float32, n)
			for i := range out {
				out[i] = float32(scale * r.NormFloat64())
			}
			return out
		}
		near := func(what string, got, want []float32) {
			for i, v := range want {
				if d := math.Abs(float64(got[i] - v)); !(d <= 1e-5*(1+math.Abs(float64(v)))) {
					t.Fatalf("%s: %d is %v, want %v", what, i, got[i], v)
				}
			}
		}
		m := matrix{rows: 4 * (1 + int(size)%40), columns: 16 * (1 + int(size)%24)}
		m.w, m.scale, m.bias = make([]byte, m.rows*m.columns), floats(m.rows, 1e-3), floats(m.rows, 1)
		for i := range m.w {
			m.w[i] = byte(r.Uint32())
			if size&1 == 1 {
				m.w[i] = 0x80 // the largest sums
			}
		}
		x := make([]int8, m.columns)
		for i := range x {
			x[i] = int8(r.IntN(255) - 127)
			if size&1 == 1 {
				x[i] = -127
			}
		}
		fast, slow := make([]float32, m.rows), make([]float32, m.rows)
		m.fastRun(fast, x)
		m.slowRun(slow, x)
		near("matrix", fast, slow)

		n := 4 * (1 + int(size)%96)
		u := unit{state: floats(n, 0.3), in: floats(3*n, 2), from: floats(3*n, 2), diagonal: floats(3*n, 1)}
		v := u
		v.state = slices.Clone(u.state)
		u.fastGates()
		v.gates()
		near("gates", u.state, v.state)

		wide := floats(n, 6)
		bent := slices.Clone(wide)
		fastTanh(bent)
		for i, v := range wide {
			wide[i] = curve(v)
			if d := math.Abs(math.Tanh(float64(v)) - float64(wide[i])); d > 1e-4 {
				t.Fatalf("curve(%v) is %v", v, wide[i])
			}
		}
		near("tanh", bent, wide)
		a, b := make([]int8, n), make([]int8, n)
		fastBytes(a, wide)
		slowBytes(b, wide)
		for i, v := range wide {
			if d := int(a[i]) - int(b[i]); d < -1 || d > 1 || math.Abs(float64(b[i])-127*float64(v)) > 0.51 {
				t.Fatalf("%v is %d and %d of 127", v, a[i], b[i])
			}
		}
	})
}

func BenchmarkLarge(b *testing.B) {
	s := large(b)
	in := buzz(100 * Frame)
	frame := make([]float32, Frame)
	n := 0
	for b.Loop() {
		put(frame, in, n)
		n = (n + 1) % 100
		s.Process(frame)
	}
}

// A call begins with frames that nobody heard: what is suppressed after them must not wait until they
// are forgotten.
func TestDigitalSilenceIsNoFloor(t *testing.T) {
	heard := func(n int) bool { return n >= 100 && n < 110 || n >= 113 } // another call before
	for _, s := range []processor{suppressor(t, High), large(t)} {
		if got := lowered(s, heard); got < 15 {
			t.Errorf("%T: noise is lowered by %.1f dB in the first seconds", s, got)
		}
	}
}
