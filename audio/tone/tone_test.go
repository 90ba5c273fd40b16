package tone_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"intercomd/audio/tone"
)

// goertzel is the amplitude of frequency f in x.
func goertzel(x []float32, f float64) float64 {
	w := 2 * math.Pi * f / tone.SampleRate
	var a, b float64
	for i, v := range x {
		a += float64(v) * math.Cos(w*float64(i))
		b += float64(v) * math.Sin(w*float64(i))
	}
	return 2 * math.Hypot(a, b) / float64(len(x))
}

func play(t tone.Tone, d time.Duration) []float32 {
	var p tone.Player
	p.Start(t)
	out := make([]float32, int(d*tone.SampleRate/time.Second))
	for i := 0; i+480 <= len(out); i += 480 {
		p.Mix(out[i : i+480])
	}
	return out
}

// onset lists, in ms, when sound starts and stops.
func edges(x []float32) (e []int) {
	on := false
	for i := 0; i+480 <= len(x); i += 480 {
		var sum float64
		for _, v := range x[i : i+480] {
			sum += float64(v) * float64(v)
		}
		if now := sum/480 > 1e-4; now != on {
			on, e = now, append(e, i/48)
		}
	}
	return e
}

func TestCadences(t *testing.T) {
	for _, c := range []struct {
		region, name string
		freqs        []float64
		edges        []int // ms, ±10
	}{
		{"eu", tone.Ringback, []float64{425}, []int{0, 1000, 5000, 6000}},
		{"de", tone.Busy, []float64{425}, []int{0, 480, 960, 1440, 1920, 2400, 2880, 3360}},
		{"uk", tone.Ringback, []float64{400, 450}, []int{0, 400, 600, 1000, 3000, 3400, 3600, 4000, 6000, 6400, 6600}},
		{"uk", tone.Congestion, []float64{400}, []int{0, 400, 750, 970, 1500, 1900, 2250, 2470, 3000, 3400, 3750, 3970}},
		{"us", tone.Ringback, []float64{440, 480}, []int{0, 2000, 6000}},
		{"us", tone.Busy, []float64{480, 620}, []int{0, 500, 1000, 1500, 2000, 2500, 3000, 3500}},
		{"cn", tone.Congestion, []float64{450}, []int{0, 700, 1400, 2100, 2800, 3500}},
		{"eu", tone.Warning, []float64{1400}, []int{0, 200, 350, 550}},
	} {
		table, err := tone.Table(c.region)
		if err != nil {
			t.Fatal(err)
		}
		x := play(table[c.name], 7*time.Second)
		got := edges(x)
		if len(got) != len(c.edges) {
			t.Errorf("%s %s: edges %v ms, want %v", c.region, c.name, got, c.edges)
			continue
		}
		for i := range got {
			if d := got[i] - c.edges[i]; d < -10 || d > 10 {
				t.Errorf("%s %s: edges %v ms, want %v", c.region, c.name, got, c.edges)
				break
			}
		}
		on := x[480 : 480*15] // 140 ms inside the first sound
		for _, f := range c.freqs {
			want := 0.25 / float64(len(c.freqs))
			if a := goertzel(on, f); math.Abs(a-want) > want/5 {
				t.Errorf("%s %s: %g Hz has amplitude %.3f, want %.3f", c.region, c.name, f, a, want)
			}
			if a := goertzel(on, f*1.5); a > 0.01 {
				t.Errorf("%s %s: %.3f at %g Hz, want nothing", c.region, c.name, a, f*1.5)
			}
		}
	}
}

func TestEveryRegionHasEveryTone(t *testing.T) {
	for _, r := range tone.Regions() {
		table, err := tone.Table(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []string{tone.Ringback, tone.Busy, tone.Congestion, tone.Incoming, tone.Waiting, tone.Nobody,
			tone.Connected, tone.Open, tone.Warning, tone.End} {
			tn, ok := table[n]
			if !ok {
				t.Errorf("%s has no %s", r, n)
			}
			var p tone.Player
			p.Start(tn)
			p.Mix(make([]float32, 10*tone.SampleRate))
			if repeats := n == tone.Ringback || n == tone.Incoming || n == tone.Waiting; p.Active() != repeats {
				t.Errorf("%s %s: playing after 10 s: %v, want %v", r, n, p.Active(), repeats)
			}
		}
	}
	if _, err := tone.Table("atlantis"); err == nil {
		t.Error("an unknown region was accepted")
	}
}

func TestStopFadesAndClicksNowhere(t *testing.T) {
	table, _ := tone.Table("us")
	for _, n := range []string{tone.Busy, tone.Open, tone.Incoming} {
		var p tone.Player
		p.Start(table[n])
		x := make([]float32, tone.SampleRate)
		p.Mix(x[:24000+117])
		p.Stop()
		p.Mix(x[24000+117:])
		if p.Active() {
			t.Errorf("%s plays on after Stop", n)
		}
		for i := 1; i < len(x); i++ {
			if d := math.Abs(float64(x[i] - x[i-1])); d > 0.06 {
				t.Fatalf("%s: jump of %.3f at sample %d", n, d, i)
			}
		}
	}
}

func TestOddTones(t *testing.T) {
	for i, tn := range []tone.Tone{
		{}, {Steps: []tone.Step{{}}}, {Steps: []tone.Step{{Freqs: []float64{1, 2, 3, 4, 5, 6}, Duration: time.Millisecond}, {}}},
	} {
		t.Run(fmt.Sprint(i), func(*testing.T) {
			var p tone.Player
			p.Start(tn)
			p.Mix(make([]float32, 48000))
			p.Stop()
			p.Mix(make([]float32, 480))
		})
	}
}

func TestNoAllocations(t *testing.T) {
	table, _ := tone.Table("uk")
	var p tone.Player
	p.Start(table[tone.Ringback])
	frame := make([]float32, 480)
	if n := testing.AllocsPerRun(1000, func() { p.Mix(frame) }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}
