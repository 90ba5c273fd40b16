package audio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// One writer and one reader at full speed: every sample arrives once, in order.
func TestExchange(t *testing.T) {
	m := &RingMemory{}
	const total = 500000
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; n < total; {
			s := make([]int16, min(1+n%7000, total-n))
			for i := range s {
				s[i] = int16(n + i)
			}
			n += m.write(s)
		}
	})
	d := make([]int16, 6000)
	for n := 0; n < total; {
		k := m.read(d[:1+n%6000])
		for i, v := range d[:k] {
			if v != int16(n+i) {
				t.Fatalf("sample %d is %d", n+i, v)
			}
		}
		n += k
	}
	wg.Wait()
	if n := m.write(make([]int16, 2*RingSize)); n != RingSize || m.waiting() != RingSize {
		t.Errorf("%d samples in a full queue", m.waiting())
	}
	if m.discard(24); m.waiting() != RingSize-24 {
		t.Errorf("%d samples after discard", m.waiting())
	}
	if m.discard(1 << 20); m.waiting() != 0 {
		t.Errorf("%d samples after discard", m.waiting())
	}
}

func TestMeter(t *testing.T) {
	for _, c := range []struct {
		f         func(i int) float32
		peak, rms float64
	}{
		{func(int) float32 { return 0 }, -100, -100},
		{func(i int) float32 { return float32(1 - 2*(i/24%2)) }, 0, 0}, // full-scale square
		{func(i int) float32 { return float32(0.1 * math.Sin(2*math.Pi*float64(i)/48)) }, -20, -23},
		{func(i int) float32 { return float32(i % 480 / 479) }, 0, -26.8}, // one sample a frame
	} {
		var m meter
		frame := make([]float32, Frame)
		for k := range meterFrames {
			for i := range frame {
				frame[i] = c.f(k*Frame + i)
			}
			l, ok := m.add(frame)
			if ok != (k == meterFrames-1) {
				t.Fatalf("a reading after %d frames: %v", k+1, ok)
			}
			if ok && (math.Abs(l.Peak-c.peak) > 0.1 || math.Abs(l.RMS-c.rms) > 0.1) {
				t.Errorf("%+v, want %v and %v dBFS", l, c.peak, c.rms)
			}
		}
	}
}

// Whatever comes in, nothing above the limit goes out; what is below passes
// untouched, and after a loud moment the gain comes back.
func TestLimiter(t *testing.T) {
	l, frame := newLimiter(), make([]float32, Frame)
	for i := range frame {
		frame[i] = float32(0.9 * math.Sin(float64(i)/20))
	}
	want := append([]float32(nil), frame...)
	l.process(frame, 1)
	for i := range frame {
		if frame[i] != want[i] {
			t.Fatal("a quiet frame was changed")
		}
	}
	for k := range 300 {
		for i := range frame {
			frame[i] = float32(4 * math.Sin(float64(k*Frame+i)/20))
			if k < 100 {
				frame[i] = (rand.Float32() - 0.5) * 20
			}
		}
		l.process(frame, 3)
		for i, v := range frame {
			if v > limit || v < -limit {
				t.Fatalf("frame %d, sample %d: %v", k, i, v)
			}
			if k > 102 && i > 0 && math.Abs(float64(v-frame[i-1])) > 0.06 {
				t.Fatalf("frame %d: the sine is torn at %d", k, i)
			}
		}
	}
	for range 50 {
		clear(frame)
		l.process(frame, 1)
	}
	if l.gain < 0.99 {
		t.Errorf("half a second later the gain is %v", l.gain)
	}
}

// snrOf is the ratio of a sine of f Hz and amplitude a in x to what else is in x.
func snrOf(x []float32, f, a float64) float64 {
	var c, s float64
	w := 2 * math.Pi * f / SampleRate
	for i, v := range x {
		c += float64(v) * math.Cos(w*float64(i))
		s += float64(v) * math.Sin(w*float64(i))
	}
	c, s = 2*c/float64(len(x)), 2*s/float64(len(x))
	var e float64
	for i, v := range x {
		d := float64(v) - c*math.Cos(w*float64(i)) - s*math.Sin(w*float64(i))
		e += d * d
	}
	if h := math.Hypot(c, s); h < a*0.97 || h > a*1.03 {
		return -100
	}
	return 10 * math.Log10(a*a/2*float64(len(x))/(e+1e-20))
}

func TestResampler(t *testing.T) {
	for _, c := range []struct{ from, f, want float64 }{
		{48000, 1000, 120}, {44100, 1000, 70}, {44100, 8000, 60}, {16000, 3000, 60}, {32000, 9000, 55},
		{96000, 1000, 70}, {48000 * (1 + 200e-6), 1000, 70}, {48000 * (1 - 50e-6), 12000, 55},
	} {
		t.Run(fmt.Sprintf("%.1f Hz at %.0f", c.f, c.from), func(t *testing.T) {
			r := newResampler(c.from, SampleRate, 2000)
			var out []float32
			frame := make([]float32, Frame)
			for n := 0; len(out) < SampleRate; {
				in := make([]float32, r.need(Frame))
				for i := range in {
					in[i] = float32(0.5 * math.Sin(2*math.Pi*c.f*float64(n)/c.from))
					n++
				}
				r.feed(in)
				if r.ready() < Frame {
					t.Fatalf("need %d was not enough: %d", len(in), r.ready())
				}
				r.pull(frame)
				out = append(out, frame...)
			}
			if snr := snrOf(out[960:], c.f, 0.5); snr < c.want {
				t.Errorf("%.1f dB, want %v", snr, c.want)
			}
		})
	}
}

// What cannot be heard at 8 kHz must not come back as something else.
func TestNarrowing(t *testing.T) {
	for _, c := range []struct {
		f    float64
		pass bool
	}{{300, true}, {1000, true}, {3200, true}, {4500, false}, {7000, false}, {12000, false}} {
		n, w := newNarrower(), newWidener()
		in, mid, out := make([]float32, 960), make([]float32, 160), make([]float32, 960)
		var all []float32
		for k := range 50 {
			for i := range in {
				in[i] = float32(0.5 * math.Sin(2*math.Pi*c.f*float64(k*960+i)/SampleRate))
			}
			n.process(mid, in)
			w.process(out, mid)
			all = append(all, out...)
		}
		var e float64
		for _, v := range all[960:] {
			e += float64(v) * float64(v)
		}
		level := 10 * math.Log10(e/float64(len(all)-960)/0.125+1e-12)
		if snr := snrOf(all[960:], c.f, 0.5); c.pass && snr < 45 {
			t.Errorf("%g Hz: %.1f dB", c.f, snr)
		} else if !c.pass && level > -35 {
			t.Errorf("%g Hz passes at %.1f dB", c.f, level)
		}
	}
}

// A lost stretch of a vowel: the repair goes on with its pitch, fades after 10 ms
// and is silent after 60 ms; the seams are smooth.
func TestPitchConcealer(t *testing.T) {
	var c pitchConcealer
	voice := func(i int) float32 {
		p := 2 * math.Pi * 110 * float64(i) / narrowRate
		return float32(0.3*math.Sin(p) + 0.15*math.Sin(2*p+1) + 0.1*math.Sin(3*p+2))
	}
	frame := make([]float32, 80)
	var out, want []float32
	for k := range 60 {
		for i := range frame {
			frame[i] = voice(k*80 + i)
			want = append(want, frame[i])
		}
		if k >= 20 && k < 22 || k >= 40 && k < 50 {
			c.conceal(frame)
		} else {
			c.good(frame)
		}
		out = append(out, frame...)
	}
	var e, s float64
	for i := 20 * 80; i < 21*80; i++ {
		s += float64(want[i]) * float64(want[i])
		e += float64(out[i]-want[i]) * float64(out[i]-want[i])
	}
	if snr := 10 * math.Log10(s/e); snr < 15 {
		t.Errorf("the first 10 ms of repair: %.1f dB", snr)
	}
	for i := 47 * 80; i < 50*80; i++ {
		if out[i] != 0 {
			t.Fatalf("sample %d of a long loss is %v", i-40*80, out[i])
		}
	}
	for i := 1; i < len(out); i++ {
		if d := math.Abs(float64(out[i] - out[i-1])); d > 0.14 { // the voice itself: 0.1
			t.Errorf("jump of %.3f at frame %d, sample %d", d, i/80, i%80)
		}
	}
	for i := 51 * 80; i < 60*80; i++ {
		if out[i] != want[i] {
			t.Fatal("good audio is changed long after the repair")
		}
	}
}

// Gaps make the headroom larger, calm makes it smaller, and a trial of less that
// failed is not repeated soon.
func TestCushion(t *testing.T) {
	const ms = time.Millisecond
	c := newHeadroom(5*ms, 20*ms)
	calm := func() (n int) {
		for was := c.size; c.size == was; n++ {
			if c.frame(); n > 10*calmMost {
				t.Fatal("never smaller")
			}
		}
		return n - 1
	}
	for range 10 {
		c.gap()
	}
	if c.size != 20*ms {
		t.Errorf("%v after ten gaps", c.size)
	}
	if n := calm(); c.size != 15*ms || n > calmLeast {
		t.Errorf("%v after %d calm frames", c.size, n)
	}
	c.gap()
	if n := calm(); n < 2*calmLeast-2 {
		t.Errorf("tried again after %d frames", n)
	}
	for c.size > 0 {
		calm()
	}
	for range 3 * calmMost {
		if c.frame(); c.size < 0 {
			t.Fatal("smaller than nothing")
		}
	}
	if c.after != calmLeast {
		t.Errorf("waits for %d frames after long calm", c.after)
	}
}
