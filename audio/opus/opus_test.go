package opus_test

import (
	"math"
	"testing"

	pion "github.com/pion/opus"

	"intercomd/audio/opus"
)

const frame = 960

func encoder(t testing.TB) *opus.Encoder {
	t.Helper()
	e, err := opus.NewEncoder(opus.Settings{Bitrate: 32000, Complexity: 5, FEC: true, Loss: 10})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decoder(t testing.TB) *opus.Decoder {
	t.Helper()
	d, err := opus.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What an encoder with forward error correction makes says so, what one without makes does not.
func TestRepairsAreSeen(t *testing.T) {
	for _, fec := range []bool{true, false} {
		e, err := opus.NewEncoder(opus.Settings{Bitrate: 32000, Complexity: 5, FEC: fec, Loss: 10})
		if err != nil {
			t.Fatal(err)
		}
		said, buf, n := voice(100*frame), make([]byte, 1500), 0
		for k := range 100 {
			size, err := e.Encode(said[k*frame:(k+1)*frame], buf)
			if err != nil {
				t.Fatal(err)
			}
			if opus.Repairs(buf[:size]) {
				n++
			}
		}
		if fec && n < 50 || !fec && n > 0 {
			t.Errorf("FEC %v: %d of 100 packets have a copy of the frame before", fec, n)
		}
	}
	for _, b := range [][]byte{nil, {0x48}, {0xf8, 0xff}, {0x4b, 0xff, 0xff}} {
		if opus.Repairs(b) {
			t.Errorf("%x repairs", b)
		}
	}
}

// Wind and the hum of the mains, which lie below a voice, travel neither with a voice nor with low delay; what is of
// a voice travels with both.
func TestRumbleStays(t *testing.T) {
	for _, low := range []bool{false, true} {
		for _, row := range []struct{ hz, least, most float64 }{{20, -99, -10}, {50, -12, -1.5}, {150, -2, 1}, {400, -1, 1}} {
			e, err := opus.NewEncoder(opus.Settings{Bitrate: 64000, Complexity: 5, LowDelay: low})
			if err != nil {
				t.Fatal(err)
			}
			d, buf, out := decoder(t), make([]byte, 1500), make([]float32, opus.MaxSamples)
			said, in, sum := make([]float32, frame), 0., 0.
			for k := range 100 {
				for i := range said {
					said[i] = float32(0.3 * math.Sin(2*math.Pi*row.hz*float64(k*frame+i)/opus.SampleRate))
				}
				n, err := e.Encode(said, buf)
				if err != nil {
					t.Fatal(err)
				}
				if n, err = d.Decode(buf[:n], out); err != nil {
					t.Fatal(err)
				}
				for i := range n {
					if k >= 50 {
						in, sum = in+float64(said[i])*float64(said[i]), sum+float64(out[i])*float64(out[i])
					}
				}
			}
			if db := 10 * math.Log10(sum/in); db < row.least || db > row.most {
				t.Errorf("low delay %v, %g Hz: %.1f dB, want %g to %g", low, row.hz, db, row.least, row.most)
			}
		}
	}
}

// voice is something that the coder takes for speech: a swept, modulated tone.
func voice(n int) []float32 {
	pcm := make([]float32, n)
	phase := 0.0
	for i := range pcm {
		s := float64(i) / opus.SampleRate
		phase += 2 * math.Pi * (180 + 40*math.Sin(2*math.Pi*1.3*s)) / opus.SampleRate
		for h := 1.0; h <= 12; h++ {
			pcm[i] += float32(0.15 / h * math.Sin(h*phase))
		}
	}
	return pcm
}

func packets(t testing.TB, pcm []float32) [][]byte {
	t.Helper()
	e, buf, out := encoder(t), make([]byte, 1500), [][]byte(nil)
	for i := 0; i+frame <= len(pcm); i += frame {
		n, err := e.Encode(pcm[i:i+frame], buf)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, append([]byte(nil), buf[:n]...))
	}
	return out
}

// snr is the signal to error ratio in dB of got against want.
func snr(want, got []float32) float64 {
	var s, e float64
	for i := range want {
		d := float64(want[i] - got[i])
		s += float64(want[i]) * float64(want[i])
		e += d * d
	}
	return 10 * math.Log10(s/(e+1e-20))
}

// What we encode, a decoder that shares no line with libopus must understand,
// and hear as ours does.
func TestAgainstIndependentDecoder(t *testing.T) {
	ours := decoder(t)
	theirs, err := pion.NewDecoderWithOutput(opus.SampleRate, 1)
	if err != nil {
		t.Fatal(err)
	}
	var a, b []float32
	for _, p := range packets(t, voice(opus.SampleRate)) {
		x, y := make([]float32, opus.MaxSamples), make([]float32, opus.MaxSamples)
		n, err := ours.Decode(p, x)
		if err != nil || n != frame {
			t.Fatalf("libopus: %d samples, %v", n, err)
		}
		if n, err = theirs.DecodeToFloat32(p, y); err != nil || n != frame {
			t.Fatalf("pion: %d samples, %v", n, err)
		}
		a, b = append(a, x[:n]...), append(b, y[:n]...)
	}
	if r := snr(a, b); r < 20 {
		t.Errorf("the two decoders differ: %.1f dB", r)
	}
}

func TestRecoverBeatsConceal(t *testing.T) {
	ps := packets(t, voice(2*opus.SampleRate))
	whole, fec, plc := decoder(t), decoder(t), decoder(t)
	var want, byFEC, byPLC []float32
	for i, p := range ps {
		a, b, c := make([]float32, opus.MaxSamples), make([]float32, opus.MaxSamples), make([]float32, opus.MaxSamples)
		if _, err := whole.Decode(p, a); err != nil {
			t.Fatal(err)
		}
		if lost := i%7 == 5 && i+1 < len(ps); lost {
			if err := fec.Recover(ps[i+1], b[:frame]); err != nil {
				t.Fatal(err)
			}
			if err := plc.Conceal(c[:frame]); err != nil {
				t.Fatal(err)
			}
			want, byFEC, byPLC = append(want, a[:frame]...), append(byFEC, b[:frame]...), append(byPLC, c[:frame]...)
			continue
		}
		if _, err := fec.Decode(p, b); err != nil {
			t.Fatal(err)
		}
		if _, err := plc.Decode(p, c); err != nil {
			t.Fatal(err)
		}
	}
	f, p := snr(want, byFEC), snr(want, byPLC)
	t.Logf("lost frames: FEC %.1f dB, PLC %.1f dB", f, p)
	if f < p+2 {
		t.Errorf("FEC %.1f dB is no better than PLC %.1f dB", f, p)
	}
}

func TestSamples(t *testing.T) {
	for _, c := range []struct {
		packet []byte
		want   int
	}{
		{[]byte{0 << 3}, 480}, {[]byte{3 << 3}, 2880}, {[]byte{1<<3 | 1}, 1920}, // SILK
		{[]byte{12 << 3}, 480}, {[]byte{15 << 3}, 960}, // hybrid
		{[]byte{16 << 3}, 120}, {[]byte{31<<3 | 2}, 1920}, // CELT
		{[]byte{31<<3 | 3, 6}, 5760}, {[]byte{31<<3 | 3, 7}, 0}, {[]byte{31<<3 | 3, 0}, 0}, // code 3
		{[]byte{31<<3 | 3}, 0}, {nil, 0},
	} {
		n, err := opus.Samples(c.packet)
		if n != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("% x: %d samples, %v; want %d", c.packet, n, err, c.want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	e, d, pcm, buf := encoder(t), decoder(t), voice(frame), make([]byte, 1500)
	out := make([]float32, opus.MaxSamples)
	if n := testing.AllocsPerRun(100, func() {
		n, _ := e.Encode(pcm, buf)
		_, _ = d.Decode(buf[:n], out)
		_ = d.Recover(buf[:n], out[:frame])
		_ = d.Conceal(out[:frame])
	}); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

func TestBadSettings(t *testing.T) {
	if _, err := opus.NewEncoder(opus.Settings{Bitrate: 32000, Complexity: 11}); err == nil {
		t.Error("complexity 11 was accepted")
	}
}

// Whatever arrives, the decoder survives and Samples agrees with libopus.
func FuzzDecode(f *testing.F) {
	for _, p := range packets(f, voice(5*frame)) {
		f.Add(p)
	}
	f.Add([]byte{0xff, 0x3f, 0xff})
	f.Fuzz(func(t *testing.T, p []byte) {
		d, pcm := decoder(t), make([]float32, opus.MaxSamples)
		want, serr := opus.Samples(p)
		n, err := d.Decode(p, pcm)
		if err == nil && (serr != nil || n != want) {
			t.Errorf("% x: libopus says %d samples, we say %d, %v", p, n, want, serr)
		}
		_ = d.Recover(p, pcm[:frame])
		if err := d.Conceal(pcm[:frame]); err != nil {
			t.Errorf("unusable after a bad packet: %v", err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e, pcm, buf := encoder(b), voice(50*frame), make([]byte, 1500)
	for i := 0; b.Loop(); i++ {
		k := i % 50 * frame
		_, _ = e.Encode(pcm[k:k+frame], buf)
	}
}
