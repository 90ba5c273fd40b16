package denoise

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func suppressor(t testing.TB, l Level) *Suppressor {
	t.Helper()
	s, err := New(l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// buzz is a sawtooth of changing pitch that comes and goes in noise, in whole
// numbers, so that any machine makes the same. It has 16 bits.
func buzz(n int) []int {
	out := make([]int, n)
	var seed, phase uint32 = 1, 0
	low := 0
	for i := range out {
		seed = seed*1664525 + 1013904223
		phase += uint32(int64(100+i/4800%5*13) * (1 << 32) / 48000)
		saw := int(phase>>17) - 16384
		low += (saw - low) >> 3
		v := (int(seed>>20) - 2048) >> 1
		if i/9600%2 == 0 {
			v += floorDiv(low, 3)
		}
		out[i] = v
	}
	return out
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// TestNetworkAgreesWithTheReference compares the chance of voice and the
// level of every frame with what RNNoise 0.1 itself gave for the same input, with
// the window and the gains that it has.
func TestNetworkAgreesWithTheReference(t *testing.T) {
	f, err := os.Open("testdata/reference.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := suppressor(t, High)
	s.least, s.share = 0, 0
	s.net.readout = layer{}
	vorbis(&s.win)
	var time [window]float32
	var half [Frame]float32
	in := buzz(2 * SampleRate)
	frame := make([]float32, Frame)
	lines := bufio.NewScanner(f)
	n := 0
	for ; lines.Scan(); n++ {
		var voice, level float64
		if _, err := fmt.Sscan(lines.Text(), &voice, &level); err != nil {
			t.Fatal(err)
		}
		put(frame, in, n)
		s.Process(frame)
		s.f.Inverse(time[:], s.feat.spec[:])
		for i := range half {
			half[i] += time[i] * s.win[i]
		}
		got := math.Sqrt(power(half[:]) / Frame)
		for i := range half {
			half[i] = time[Frame+i] * s.win[Frame+i]
		}
		if math.Abs(got-level) > 2+0.02*level {
			t.Errorf("frame %d: level %.2f, want %.2f", n, got, level)
		}
		if math.Abs(float64(s.Voice())-voice) > 0.02 {
			t.Errorf("frame %d: voice %.4f, want %.4f", n, s.Voice(), voice)
		}
	}
	if n < 200 {
		t.Errorf("the reference has %d frames", n)
	}
}

// TestReadoutAgreesWithTheReference compares the gains of every tenth frame with
// what the program that trained the read-out made of the same states.
func TestReadoutAgreesWithTheReference(t *testing.T) {
	f, err := os.Open("testdata/readout.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := suppressor(t, High)
	in := buzz(2 * SampleRate)
	frame := make([]float32, Frame)
	lines := bufio.NewScanner(f)
	compared := 0
	for n := range len(in) / Frame {
		put(frame, in, n)
		s.Process(frame)
		if n%10 != 9 || !lines.Scan() {
			continue
		}
		for band, field := range strings.Fields(lines.Text()) {
			want, err := strconv.ParseFloat(field, 32)
			if err != nil {
				t.Fatal(err)
			}
			if got := float64(s.net.gains[band]); math.Abs(got-want) > 0.01 {
				t.Errorf("frame %d, band %d: gain %.4f, want %.4f", n, band, got, want)
			}
			compared++
		}
	}
	if compared != 20*bandCount {
		t.Errorf("%d gains compared", compared)
	}
}

// Street noise is mostly rumble; white noise, which the network hardly knows,
// would be another matter.
func TestNoiseAloneIsLoweredByTheLevel(t *testing.T) {
	for level, want := range map[Level]float64{Off: 0, Low: 12, High: 20} {
		if got := lowered(suppressor(t, level), always); math.Abs(got-want) > 2.5 {
			t.Errorf("level %d lowers noise by %.1f dB, want %.0f", level, got, want)
		}
	}
}

// processor is a suppressor of either kind.
type processor interface{ Process(frame []float32) }

// lowered is by how many dB a second of street noise is lowered after two. Of those frames that
// are not heard there is a digital silence.
func lowered(s processor, heard func(n int) bool) float64 {
	r := rand.New(rand.NewPCG(1, 1))
	frame := make([]float32, Frame)
	var in, out, a, b float64
	for n := range 300 {
		clear(frame)
		if heard(n) {
			for i := range frame {
				a += 0.03 * (r.NormFloat64() - a)
				b += 0.2 * (r.NormFloat64() - b)
				frame[i] = float32(0.3*a + 0.02*b)
			}
		}
		if n >= 200 {
			in += power(frame)
		}
		s.Process(frame)
		if n >= 200 {
			out += power(frame)
		}
	}
	return 10 * math.Log10(in/out)
}

func always(int) bool { return true }

// lateness is by how many samples, fewer than most, a second of a voice comes late.
func lateness(s processor, most int) (at int) {
	in := buzz(SampleRate)
	out := make([]float32, len(in))
	for n := range len(in) / Frame {
		frame := out[n*Frame:][:Frame]
		put(frame, in, n)
		s.Process(frame)
	}
	var likest float64
	for lag := range most {
		var sum float64
		for i := 20 * Frame; i < len(in); i++ {
			sum += float64(in[i-lag]) * float64(out[i])
		}
		if sum > likest {
			at, likest = lag, sum
		}
	}
	return at
}

// put writes frame n of in to frame.
func put(frame []float32, in []int, n int) {
	for i := range frame {
		frame[i] = float32(in[n*Frame+i]) / 32768
	}
}

func power(x []float32) (e float64) {
	for _, v := range x {
		e += float64(v) * float64(v)
	}
	return e
}

func TestOffOnlyDelaysAndFiltersRumble(t *testing.T) {
	s := suppressor(t, Off)
	in := make([]float32, 40*Frame)
	for i := range in {
		in[i] = float32(0.3 * math.Sin(2*math.Pi*1000*float64(i)/SampleRate))
	}
	out := append([]float32(nil), in...)
	for i := 0; i < len(out); i += Frame {
		s.Process(out[i : i+Frame])
	}
	for i := 20 * Frame; i < len(out); i++ {
		if d := math.Abs(float64(out[i] - in[i-Latency])); d > 0.02 {
			t.Fatalf("sample %d differs by %.3f", i, d)
		}
	}
}

// What is heard comes Latency late at any level.
func TestLatency(t *testing.T) {
	for _, level := range []Level{Off, Low, High} {
		if at := lateness(suppressor(t, level), 2*Frame); at != Latency {
			t.Errorf("level %d: %d samples late, want %d", level, at, Latency)
		}
	}
}

// A spectrum that nothing is done to comes back as it was, and so does the
// beginning of the first one after the level was Off.
func TestWhatIsLeftAloneComesBack(t *testing.T) {
	s := suppressor(t, Low)
	s.share = 0
	in := buzz(20 * Frame)
	var want [Latency]float32 // of the frame before
	for n := range len(in) / Frame {
		frame := make([]float32, Frame)
		put(frame, in, n)
		s.take(frame)
		now := s.x
		if n < 10 {
			s.pass()
		} else {
			s.analyse()
			s.synthesise(frame)
			for i, v := range frame {
				w := now[max(0, i-Latency)]
				if i < Latency {
					w = want[i]
				}
				if math.Abs(float64(v*32768-w)) > 0.05 {
					t.Fatalf("frame %d, sample %d is %v, want %v", n, i, v*32768, w)
				}
			}
		}
		copy(want[:], now[Frame-Latency:])
	}
}

func TestAnyInputGivesNumbers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, v := range map[string]float32{"silence": 0, "full scale": 1, "NaN": nan, "infinity": inf, "huge": 3e38, "tiny": 1e-42} {
		small := suppressor(t, High)
		for _, s := range []processor{small, large(t)} {
			frame := make([]float32, Frame)
			for n := range 30 {
				for i := range frame {
					frame[i] = v
					if i&1 == 1 {
						frame[i] = -v
					}
				}
				s.Process(frame)
				for i, y := range frame {
					if y != y || y > 16 || y < -16 {
						t.Fatalf("%T, %s: frame %d, sample %d is %v", s, name, n, i, y)
					}
				}
			}
		}
		small.Reset()
	}
	for _, s := range []processor{suppressor(t, Low), large(t)} {
		s.Process(make([]float32, 7))
	}
}

func TestProcessDoesNotAllocate(t *testing.T) {
	for _, s := range []processor{suppressor(t, High), large(t)} {
		in := buzz(Frame)
		frame := make([]float32, Frame)
		if n := testing.AllocsPerRun(100, func() {
			put(frame, in, 0)
			s.Process(frame)
		}); n != 0 {
			t.Errorf("%T: %v allocations per frame", s, n)
		}
	}
}

func FuzzProcess(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63}, uint8(2))
	f.Add([]byte("voice in noise"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, level uint8) {
		s := suppressor(t, Level(level%3))
		frame := make([]float32, Frame)
		for range 4 {
			for i := range frame {
				var u uint32
				for j := range 4 {
					if len(b) > 0 {
						u = u<<8 | uint32(b[(4*i+j)%len(b)])
					}
				}
				frame[i] = math.Float32frombits(u)
			}
			s.Process(frame)
			for i, y := range frame {
				if y != y || y > 64 || y < -64 {
					t.Fatalf("sample %d is %v", i, y)
				}
			}
		}
	})
}

func BenchmarkProcess(b *testing.B) {
	s := suppressor(b, High)
	in := buzz(100 * Frame)
	frame := make([]float32, Frame)
	n := 0
	for b.Loop() {
		for i := range frame {
			frame[i] = float32(in[n+i]) / 32768
		}
		n = (n + Frame) % len(in)
		s.Process(frame)
	}
}

// Where there is no noise worth the name, a voice stays what it was.
func TestAQuietPlaceIsLeftAlone(t *testing.T) {
	for noise, want := range map[float64]float64{-80: 30, -40: 0} { // dBFS, dB
		s, plain := suppressor(t, High), suppressor(t, Off)
		in := buzz(4 * SampleRate)
		r := rand.New(rand.NewPCG(3, 1))
		gain := math.Pow(10, noise/20)
		frame, before := make([]float32, Frame), make([]float32, Frame)
		var voice, change float64
		for n := range len(in) / Frame {
			for i := range frame {
				frame[i] = float32(gain * r.NormFloat64())
				if at := n*Frame + i; at/9600%2 == 0 {
					frame[i] += float32(in[at]) / 32768
				}
			}
			copy(before, frame)
			plain.Process(before)
			s.Process(frame)
			if n < 200 {
				continue // it listens first
			}
			for i, v := range frame {
				voice += float64(before[i]) * float64(before[i])
				change += float64(v-before[i]) * float64(v-before[i])
			}
		}
		if got := 10 * math.Log10(voice/change); want > 0 && got < want || want == 0 && got > 20 {
			t.Errorf("noise of %.0f dBFS: changed at %.1f dB below the voice", noise, got)
		}
	}
}
