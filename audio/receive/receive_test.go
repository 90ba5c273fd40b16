package receive

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"intercomd/audio/audiotest"
	"intercomd/audio/codec"
	"intercomd/audio/jitter"
	"intercomd/audio/pcm"
)

const ms = time.Millisecond

// network simulates a far end that plays x (48 kHz) and the path to a receiver
// that is asked every 10 ms.
type network struct {
	x     func(i int) float64 // sample i at 48 kHz
	codec int
	ppm   float64                              // how much faster the far end's clock runs
	delay func(packet int) time.Duration       // transit; negative = lost
	hold  func(at time.Duration) time.Duration // arrival of what would come at this time
	step  func(packet int) uint32              // what is added to the timestamp
	once  bool                                 // frames are taken as soon as what they are made of has come
}

type outcome struct {
	out    []float32
	rcv    *Receiver
	delays []time.Duration // of the jitter buffer, per frame
}

func (n *network) run(t testing.TB, length time.Duration) outcome {
	t.Helper()
	type arrival struct {
		at time.Duration
		p  jitter.Packet
	}
	var queue []arrival
	enc, size, err := codec.NewEncoder(codec.Format{Name: codec.Name(n.codec), FEC: true}, 32000, 5)
	if err != nil {
		t.Fatal(err)
	}
	said, buf := make([]float32, size), make([]byte, 1500)
	o := outcome{rcv: New()}
	frame, sent := make([]float32, pcm.Frame), 0
	for now := time.Duration(0); now < length; now += pcm.FrameTime {
		for {
			at := time.Duration(float64(sent) * 20e6 / (1 + n.ppm*1e-6))
			if at > now+500*ms {
				break
			}
			for i := range said {
				said[i] = float32(n.x(sent*size + i))
			}
			k, err := enc.Encode(said, buf)
			if err != nil {
				t.Fatal(err)
			}
			d := time.Duration(0)
			if n.delay != nil {
				d = n.delay(sent)
			}
			if d >= 0 {
				at += d + 50*ms
				if n.hold != nil {
					at = n.hold(at)
				}
				samples, step := size*codec.ClockRate(n.codec)/pcm.SampleRate, uint32(0)
				if n.step != nil {
					step = n.step(sent)
				}
				queue = append(queue, arrival{at, jitter.Packet{
					SSRC: 1, Seq: uint16(sent), Timestamp: uint32(sent*samples) + step, ClockRate: codec.ClockRate(n.codec),
					Samples: samples, Codec: n.codec, Payload: slices.Clone(buf[:k]),
				}})
				slices.SortStableFunc(queue, func(a, b arrival) int { return int(a.at - b.at) })
			}
			sent++
		}
		for len(queue) > 0 && queue[0].at <= now && (!n.once || !o.rcv.Ready()) {
			o.rcv.jb.Put(queue[0].p, queue[0].at)
			queue = queue[1:]
		}
		o.rcv.Frame(frame, now)
		o.out = append(o.out, frame...)
		o.delays = append(o.delays, o.rcv.jb.Stats().Delay)
	}
	return o
}

func tone1k(i int) float64 { return 0.3 * math.Sin(2*math.Pi*1000*float64(i)/pcm.SampleRate) }

// Clocks that differ by 200 ppm: no glitch, no growth. Set AUDIO_HOUR for an hour.
func TestDriftIsAbsorbed(t *testing.T) {
	length := audiotest.Length(time.Minute)
	if os.Getenv("AUDIO_HOUR") != "" {
		length = time.Hour
	}
	for _, ppm := range []float64{200, -200} {
		n := network{x: tone1k, codec: codec.PCMU, ppm: ppm}
		o := n.run(t, length)
		s := o.rcv.jb.Stats()
		lo, hi := slices.Min(o.delays[100:]), slices.Max(o.delays[100:])
		t.Logf("%+.0f ppm over %v: delay %v to %v, %+v, correction %.0f ppm", ppm, length, lo, hi, s, 1e6*(o.rcv.rate.Step-1))
		if lo < 5*ms || hi > 35*ms || s.Lost > 0 || o.rcv.concealed > 2 || o.rcv.pause > 0 { // at the very start nothing is in store
			t.Errorf("%+.0f ppm: delay %v to %v, %d frames concealed", ppm, lo, hi, o.rcv.concealed)
		}
		// µ-law noise alone is rough to 0.03.
		if r, at := audiotest.Roughness(o.out[pcm.SampleRate/2:], 1000); r > 0.05 {
			t.Errorf("%+.0f ppm: a glitch of %.3f after %v", ppm, r, pcm.Duration(at+pcm.SampleRate/2))
		}
	}
}

// speechlike is a voice of changing pitch with pauses.
func speechlike() func(i int) float64 {
	phase, last := 0., -1
	return func(i int) float64 {
		if i <= last {
			panic("not in order")
		}
		last = i
		s := float64(i) / pcm.SampleRate
		phase += 2 * math.Pi * (140 + 30*math.Sin(2*math.Pi*0.7*s)) / pcm.SampleRate
		v := 0.
		for h := 1.; h < 20; h++ {
			v += math.Sin(h*phase) / h * 0.12
		}
		return v * max(0, math.Sin(2*math.Pi*1.1*s)+0.3)
	}
}

// A burst of delay raises the latency; it must be gone soon, without clicks.
func TestLatencyShrinksBack(t *testing.T) {
	for name, stall := range map[string]time.Duration{"100 ms": 100 * ms, "250 ms": 250 * ms, "3 s": 3 * time.Second} {
		for _, id := range []int{codec.Opus, codec.PCMA} {
			if audiotest.Race && id == codec.Opus {
				continue
			}
			n := network{x: speechlike(), codec: id, hold: func(at time.Duration) time.Duration {
				if at > 2*time.Second && at < 2*time.Second+stall {
					return 2*time.Second + stall
				}
				return at
			}}
			o := n.run(t, 9*time.Second)
			target := o.rcv.jb.Stats().Target
			after := o.delays[int((2*time.Second+stall+3*time.Second)/pcm.FrameTime):]
			if d := slices.Max(after); d > target+25*ms {
				t.Errorf("%s, codec %d: 3 s later the delay is %v, target %v", name, id, d, target)
			}
			t.Logf("%s, codec %d: target %v, delay %v", name, id, target, after[0])
		}
	}
}

// Wherever packets fall between two frames, and by whichever rule frames are taken: those that are up to 4 ms late are
// in time, and waited for no longer than a frame more than that takes.
func TestTheDelayIsWhatItTakes(t *testing.T) {
	for _, phase := range []time.Duration{0, 1250 * time.Microsecond, 3750 * time.Microsecond, 6250 * time.Microsecond, 8750 * time.Microsecond} {
		for _, once := range []bool{false, true} {
			r := rand.New(rand.NewPCG(1, uint64(phase)))
			n := network{x: speechlike(), codec: codec.PCMU, once: once, delay: func(packet int) time.Duration {
				if packet == 200 {
					return 40*ms + phase // and that is forgotten again
				}
				return phase + time.Duration(r.Float64()*float64(4*ms))
			}}
			o := n.run(t, 14*time.Second)
			late := o.delays[len(o.delays)/2:]
			mean := time.Duration(0)
			for _, d := range late {
				mean += d / time.Duration(len(late))
			}
			if mean < 8*ms || mean > 19*ms || o.rcv.concealed > 4 {
				t.Errorf("phase %v, at once %v: a delay of %v, %d frames made up, %+v", phase, once, mean, o.rcv.concealed, o.rcv.jb.Stats())
			}
		}
	}
}

// A delay that is a little too long is cut where nobody hears it, and nowhere else; also where frames are taken
// as soon as what they are made of has come, so that nothing waits here.
func TestPausesShortenTheDelay(t *testing.T) {
	for _, row := range []struct{ pauses, once bool }{{true, false}, {false, false}, {true, true}, {false, true}} {
		pauses := row.pauses
		n := network{x: tone1k, codec: codec.PCMU, once: row.once, delay: func(packet int) time.Duration {
			if packet < 100 {
				return 8 * ms
			}
			return 0 // all are sooner now: what is in store is 8 ms more
		}}
		if pauses {
			n.x = func(i int) float64 {
				if i/(pcm.SampleRate/4)%4 == 3 {
					return 0
				}
				return tone1k(i)
			}
		}
		o := n.run(t, 6*time.Second)
		over := o.delays[len(o.delays)-1] - o.rcv.jb.Stats().Target
		if pauses != (over <= 3*ms) || over > tooLate {
			t.Errorf("%+v: %v more than the target at the end", row, over)
		}
	}
}

// The far end's clock steps, as FreeSWITCH's does when what it plays changes: nobody
// hears it.
func TestClockStepsAreInaudible(t *testing.T) {
	for name, step := range map[string]uint32{
		"back": 1<<32 - 70080, "far forward": 2639522183, "half a second back": 1<<32 - 4000, "half a second forward": 4000,
	} {
		n := network{x: tone1k, codec: codec.PCMU, step: func(packet int) uint32 { return uint32(packet/100) * step }}
		o := n.run(t, 8*time.Second)
		if s := o.rcv.jb.Stats(); s.Lost > 0 || o.rcv.concealed > 2 || slices.Max(o.delays[100:]) > 35*ms {
			t.Errorf("%s: %d frames concealed, delay up to %v, %+v", name, o.rcv.concealed, slices.Max(o.delays[100:]), s)
		}
		if r, at := audiotest.Roughness(o.out[pcm.SampleRate/2:], 1000); r > 0.05 {
			t.Errorf("%s: a glitch of %.3f after %v", name, r, pcm.Duration(at+pcm.SampleRate/2))
		}
	}
}

// A far end on a machine that is too busy makes less audio than time passes. What
// it makes is played; nothing is thrown away to catch up with it.
func TestSlowSender(t *testing.T) {
	n := network{x: speechlike(), codec: codec.PCMU, ppm: -50000}
	o := n.run(t, audiotest.Length(20*time.Second))
	s := o.rcv.jb.Stats()
	share := float64(o.rcv.concealed) / float64(len(o.delays))
	t.Logf("%.1f %% concealed, delay %v, %+v", 100*share, o.delays[len(o.delays)-1], s)
	if s.Discarded > 0 || share > 0.15 {
		t.Errorf("%d packets thrown away, %.1f %% of the time concealed, delay %v", s.Discarded, 100*share, s.Delay)
	}
}

// Random loss: concealed audio keeps the level and what is around is not torn.
func TestLossIsConcealed(t *testing.T) {
	for _, c := range []struct {
		codec int
		most  float64
	}{{codec.PCMU, 0.2}, {codec.Opus, 0.2}} {
		rng := rand.New(rand.NewPCG(3, 4))
		n := network{x: tone1k, codec: c.codec, delay: func(int) time.Duration {
			if rng.Float64() < 0.05 {
				return -1
			}
			return 0
		}}
		o := n.run(t, audiotest.Length(20*time.Second))
		r, at := audiotest.Roughness(o.out[pcm.SampleRate:], 1000)
		var e float64
		for _, v := range o.out[pcm.SampleRate:] {
			e += float64(v) * float64(v)
		}
		level := 10 * math.Log10(e/float64(len(o.out)-pcm.SampleRate)/0.045)
		t.Logf("codec %d: %d frames concealed, level %.2f dB, roughness %.3f at %v", c.codec, o.rcv.concealed, level, r, pcm.Duration(at))
		if o.rcv.concealed < 5 || math.Abs(level) > 0.7 || r > c.most {
			t.Errorf("codec %d: %d frames concealed, level %.2f dB, roughness %.3f", c.codec, o.rcv.concealed, level, r)
		}
	}
}

func TestStretch(t *testing.T) {
	var s stretcher
	x := make([]float32, 2*maxLag)
	for _, f := range []float64{80, 110, 200, 330} {
		for i := range x {
			x[i] = float32(0.3*math.Sin(2*math.Pi*f*float64(i)/pcm.SampleRate) + 0.1*math.Sin(6*math.Pi*f*float64(i)/pcm.SampleRate))
		}
		y := slices.Clone(x)
		n := s.shorten(y, maxLag, false)
		if n == 0 || math.Abs(math.Mod(float64(n)*f/pcm.SampleRate+0.5, 1)-0.5) > 0.02 {
			t.Errorf("%g Hz: took out %d samples, %.2f periods", f, n, float64(n)*f/pcm.SampleRate)
		}
		z := make([]float32, maxLag+len(x))
		copy(z[maxLag:], x)
		m := s.lengthen(z[:maxLag], z[maxLag:], maxLag)
		if m == 0 || math.Abs(math.Mod(float64(m)*f/pcm.SampleRate+0.5, 1)-0.5) > 0.02 {
			t.Errorf("%g Hz: put in %d samples", f, m)
		}
		for what, w := range map[string][]float32{"shorter": y[n:], "longer": z[maxLag-m:]} {
			for i := 1; i < len(w); i++ {
				if d := math.Abs(float64(w[i] - w[i-1])); d > 0.06 {
					t.Errorf("%g Hz: %s: jump of %.3f at %d", f, what, d, i)
				}
			}
		}
	}
	if n := s.shorten(make([]float32, 1440), 300, false); n != 300 {
		t.Errorf("took %d of 300 samples out of silence", n)
	}
	for range 3 {
		for i := range x {
			x[i] = rand.Float32() - 0.5
		}
		if n := s.shorten(x, maxLag, false); n != 0 {
			t.Errorf("took %d samples out of noise at once", n)
		}
	}
	if n := s.shorten(x[:100], maxLag, true); n != 0 {
		t.Errorf("took %d of 100 samples", n)
	}
}

// Packets of any kind, with holes and nonsense: frames are made, finite and loud
// at most as full scale.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte{1, 0, 1, 20, 0x48, 1, 2, 3})
	f.Add([]byte{2, 0, 1, 160, 1, 2, 3, 4, 5, 2, 0, 3, 160, 9})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, now, out := New(), time.Duration(0), make([]float32, pcm.Frame)
		for len(data) > 4 {
			id, n := 1+int(data[0]%3), min(int(data[3]), len(data)-4)
			p := data[4 : 4+n]
			clock := codec.ClockRate(id)
			r.jb.Put(jitter.Packet{
				SSRC: uint32(data[0] >> 6), Seq: uint16(data[1])<<8 | uint16(data[2]),
				Timestamp: uint32(data[2]) * uint32(clock/50), ClockRate: clock,
				Samples: codec.Samples(id, p), Codec: id, Payload: p,
			}, now)
			for range data[1] % 8 {
				r.Frame(out, now)
				for _, v := range out {
					if !(v > -2*pcm.Loudest && v < 2*pcm.Loudest) {
						t.Fatal(v)
					}
				}
				now += pcm.FrameTime
			}
			data = data[4+n:]
		}
		for range 20 {
			r.Frame(out, now)
			now += pcm.FrameTime
		}
	})
}
