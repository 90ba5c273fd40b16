package codec

import (
	"math"
	"testing"

	"intercomd/audio/opus"
	"intercomd/audio/pcm"
)

// vowel is a voice in syllables: what forward error correction is spent on.
func vowel(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		t := float64(i) / pcm.SampleRate
		for h := 1.; h < 25; h++ {
			x[i] += float32(0.1 / h * math.Sin(2*math.Pi*h*(120*t+3*math.Sin(2*math.Pi*0.5*t))))
		}
		x[i] *= float32(math.Pow(math.Sin(2*math.Pi*2*t), 2))
	}
	return x
}

// What Opus spends follows what is known of the way, in the same encoder: a repair in each packet while it
// is not known or loses, none when nothing is lost, and smaller packets that travel several times.
func TestOpusFollowsTheLine(t *testing.T) {
	f := Format{Name: "opus", FEC: true}
	e, size, err := NewEncoder(f, 32000, 5)
	if err != nil {
		t.Fatal(err)
	}
	said, buf := vowel(50*size), make([]byte, 1500)
	second := func(f Format) (bytes, repairs int) {
		if err := e.Adapt(f); err != nil {
			t.Fatal(err)
		}
		for k := range 50 {
			n, err := e.Encode(said[k*size:(k+1)*size], buf)
			if err != nil {
				t.Fatal(err)
			}
			if k >= 10 { // the bits of a change even out over some packets
				bytes += n
				if opus.Repairs(buf[:n]) {
					repairs++
				}
			}
		}
		return bytes / 40, repairs
	}
	unknown, r0 := second(f)
	clean, r1 := second(Format{Name: "opus", FEC: true, Clean: true})
	copied, r2 := second(Format{Name: "opus", FEC: true, Copies: 2})
	both, r4 := second(Format{Name: "opus", FEC: true, Clean: true, MaxBitrate: 30000}) // as FreeSWITCH asks for
	bounded, r3 := second(Format{Name: "opus", FEC: true, MaxBitrate: 20000})
	t.Logf("bytes a packet, of 40 that repair: %d, %d; clean %d, %d; copied %d, %d; bounded %d, %d; clean and bounded %d, %d",
		unknown, r0, clean, r1, copied, r2, bounded, r3, both, r4)
	if r0 < 20 || r1 > 0 || r2 > 0 || r4 > 0 {
		t.Errorf("repairs in 40 packets: %d, clean %d, copied %d, clean and bounded %d", r0, r1, r2, r4)
	}
	if 10*unknown < 11*both || 10*copied > 9*both || bounded > copied || 10*clean < 15*unknown || clean > 64000/8/50+8 {
		t.Errorf("bytes a packet: %d, clean %d, copied %d, bounded %d, clean and bounded %d", unknown, clean, copied, bounded, both)
	}
	if n := testing.AllocsPerRun(100, func() { _ = e.Adapt(f) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// way is a call of packets of 20 ms from an encoder to a decoder.
type way struct {
	t     *testing.T
	e     Encoder
	d     Decoder
	said  []float32 // all of it
	heard []float32
	low   []bool // of each packet: sent with low delay
}

func newWay(t *testing.T, f Format) *way {
	e, _, err := NewEncoder(f, 32000, 5)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder(Opus)
	if err != nil {
		t.Fatal(err)
	}
	return &way{t: t, e: e, d: d}
}

func (w *way) say(pcm []float32) {
	w.t.Helper()
	buf, out := make([]byte, 1500), make([]float32, MaxDecoded)
	for ; len(pcm) >= 960; pcm = pcm[960:] {
		n, err := w.e.Encode(pcm[:960], buf)
		if err != nil {
			w.t.Fatal(err)
		}
		w.low = append(w.low, buf[0]>>3 >= 16) // CELT alone
		w.said = append(w.said, pcm[:960]...)
		if n, err = w.d.Decode(buf[:n], out); err != nil || n != 960 {
			w.t.Fatal(n, err)
		}
		w.heard = append(w.heard, out[:n]...)
	}
}

// late is by how many samples what was heard between two packets is later than what was said.
func (w *way) late(from, to int) int {
	best, late := 0.0, 0
	for lag := range 960 {
		sum := 0.0
		for i := from * 960; i < to*960-lag; i++ {
			sum += float64(w.said[i]) * float64(w.heard[i+lag])
		}
		if sum > best {
			best, late = sum, lag
		}
	}
	return late
}

// When nothing is lost, sound is 4 ms sooner: from the next pause on, or after 2 s without one. When something is, the
// very next packet is one that outlives losses. What is heard at these changes is no click and no hole.
func TestLowDelayWhereNothingIsLost(t *testing.T) {
	unknown, clean := Format{Name: "opus", FEC: true}, Format{Name: "opus", FEC: true, Clean: true}
	for _, row := range []struct {
		name  string
		pause int // packets
		after int // packets until low delay begins
	}{
		{"in a pause", 10, 20},
		{"without a pause", 0, 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWay(t, unknown)
			w.say(vowel(50 * 960))
			if err := w.e.Adapt(clean); err != nil {
				t.Fatal(err)
			}
			w.say(hum(20 * 960))
			w.say(make([]float32, row.pause*960))
			w.say(hum((150 - row.pause) * 960))
			if err := w.e.Adapt(unknown); err != nil {
				t.Fatal(err)
			}
			w.say(hum(50 * 960))
			x, buf := hum(960), make([]byte, 1500)
			if n := testing.AllocsPerRun(10, func() { _ = w.e.Adapt(clean); _ = w.e.Adapt(unknown); _, _ = w.e.Encode(x, buf) }); n > 0 {
				t.Errorf("%v allocations", n)
			}
			for k, low := range w.low {
				if want := k >= 50+row.after && k < 220; low != want {
					t.Fatalf("packet %d: low delay %v, want %v", k, low, want)
				}
			}
			voice, low := w.late(0, 50), w.late(160, 218)
			if voice < 300 || voice > 324 || low < 108 || low > 132 {
				t.Errorf("%d and %d samples late, want 312 and 120 or so", voice, low)
			}
			// A hum is −9 dBFS throughout: not more than half a period of it is missing or too much.
			for at := (50 + 20 + row.pause + 2) * 960; at+480 <= len(w.heard); at += 120 {
				var sum, peak float64
				for _, v := range w.heard[at : at+480] {
					sum += float64(v) * float64(v)
					peak = max(peak, math.Abs(float64(v)))
				}
				if db := 10 * math.Log10(sum/480); db < -13 || peak > 0.8 {
					t.Errorf("packet %.2f: %.1f dBFS over 10 ms, peak %.2f", float64(at)/960, db, peak)
				}
			}
			for i, v := range w.heard[min(72, 70+row.pause)*960 : (70+row.pause)*960] {
				if math.Abs(float64(v)) > 0.01 {
					t.Fatalf("%.3f in the pause, %d samples in", v, i)
				}
			}
		})
	}
}

// hum is a tone of 300 Hz, −9 dBFS.
func hum(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(0.5 * math.Sin(2*math.Pi*300*float64(i)/pcm.SampleRate))
	}
	return x
}

func TestOnlyTheLineAdapts(t *testing.T) {
	f := Format{Name: "opus", FEC: true}
	for g, want := range map[Format]bool{
		{Name: "opus", FEC: true}:                    true,
		{Name: "opus", FEC: true, Clean: true}:       true,
		{Name: "opus", FEC: true, Copies: 2}:         true,
		{Name: "opus"}:                               false,
		{Name: "PCMU", FEC: true, Clean: true}:       false,
		{Name: "opus", FEC: true, MaxBitrate: 16000}: false,
	} {
		if f.Adapts(g) != want {
			t.Errorf("%+v: %v", g, !want)
		}
	}
}
