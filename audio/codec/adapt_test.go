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
	bounded, r3 := second(Format{Name: "opus", FEC: true, MaxBitrate: 20000})
	t.Logf("bytes a packet, of 40 that repair: %d, %d; clean %d, %d; copied %d, %d; bounded %d, %d", unknown, r0, clean, r1, copied, r2, bounded, r3)
	if r0 < 20 || r1 > 0 || r2 > 0 {
		t.Errorf("repairs in 40 packets: %d, clean %d, copied %d", r0, r1, r2)
	}
	if 10*unknown < 11*clean || 10*copied > 9*clean || bounded > copied {
		t.Errorf("bytes a packet: %d, clean %d, copied %d, bounded %d", unknown, clean, copied, bounded)
	}
	if n := testing.AllocsPerRun(100, func() { _ = e.Adapt(f) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
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
