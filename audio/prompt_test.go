package audio

import (
	"bytes"
	"math"
	"testing"
	"testing/fstest"

	"intercomd/audio/audiotest"
	"intercomd/audio/pcm"
)

func TestPrompts(t *testing.T) {
	file := func(rate int, f float64) []byte {
		s := Sound{Rate: rate}
		for i := range rate / 2 {
			s.Samples = append(s.Samples, float32(0.4*math.Sin(2*math.Pi*f*float64(i)/float64(rate))))
		}
		var b bytes.Buffer
		if err := WriteWAV(&b, s); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	m, faults := ReadRecordings(fstest.MapFS{
		"nobody.wav": {Data: file(16000, 500)}, "ringback.wav": {Data: file(22050, 600)}, "README": {Data: []byte("x")},
	})
	if len(faults) > 0 || len(m) != 2 {
		t.Fatal(m, faults)
	}
	var a announcer
	play := func(name string, loop bool, f float64, frames int) []float32 {
		t.Helper()
		a.start(m[name], loop, 0)
		var out []float32
		frame := make([]float32, pcm.Frame)
		for range frames {
			clear(frame)
			a.mix(frame)
			out = append(out, frame...)
		}
		if snr := audiotest.SNR(out[2400:21600], f, 0.4); snr < 30 {
			t.Errorf("%s: %.1f dB", name, snr)
		}
		return out
	}
	if out := play("nobody", false, 500, 60); a.active() || out[len(out)-1] != 0 {
		t.Error("a prompt does not end")
	}
	if play("ringback", true, 600, 200); !a.active() {
		t.Error("a prompt in place of a repeating tone ends")
	}
	a.end()
	if a.mix(make([]float32, pcm.Frame)); a.active() {
		t.Error("a prompt plays on after its end")
	}
	a.start(prompt{rate: 8000}, true, 0)
	a.mix(make([]float32, pcm.Frame))
}
