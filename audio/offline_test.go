package audio_test

import (
	"bytes"
	"math"
	"testing"

	"intercomd/audio"
	"intercomd/audio/aec"
)

// kalman is the canceller of the house in the engine's words.
type kalman struct{ aec.Canceller }

func (k kalman) Stats() audio.EchoStats {
	return audio.EchoStats{ERLE: float64(k.Canceller.Stats().ERLE)}
}

func wav(t *testing.T, x []float32) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	if err := audio.WriteWAV(&b, audio.Sound{Rate: 48000, Samples: x}); err != nil {
		t.Fatal(err)
	}
	return &b
}

// The whole path, offline: an echo of the far end is gone, and without a canceller
// the microphone comes out as it went in.
func TestOffline(t *testing.T) {
	const n = 6 * 48000
	far, mic := make([]float32, n), make([]float32, n)
	seed := uint32(1)
	for i := range far {
		seed = seed*1664525 + 1013904223
		far[i] = float32(int32(seed)) / (1 << 31) * float32(0.1+0.08*math.Sin(float64(i)/9000))
		if i >= 1500 {
			mic[i] = 0.5*far[i-1500] + 0.2*far[i-1400]
		}
	}
	run := func(cfg audio.Config) []float32 {
		t.Helper()
		cfg.Log = newLog(t)
		var out bytes.Buffer
		if _, err := audio.Offline(cfg, wav(t, far), wav(t, mic), &out); err != nil {
			t.Fatal(err)
		}
		s, err := audio.ReadWAV(&out)
		if err != nil || s.Rate != 48000 || len(s.Samples) != n {
			t.Fatal(err, s.Rate, len(s.Samples))
		}
		return s.Samples
	}
	plain := run(audio.Config{})
	for i := range plain {
		if math.Abs(float64(plain[i]-mic[i])) > 1e-4 {
			t.Fatalf("sample %d: %v became %v", i, mic[i], plain[i])
		}
	}
	clean := run(audio.Config{NewEcho: func() audio.EchoCanceller { return kalman{aec.NewKalman()} }})
	tail := n - 48000
	if erle := db(mic[tail:]) - db(clean[tail:]); erle < 20 {
		t.Errorf("the echo is %.1f dB less", erle)
	}
	if _, err := audio.Offline(audio.Config{Log: newLog(t)}, bytes.NewReader(nil), wav(t, mic), &bytes.Buffer{}); err == nil {
		t.Error("an empty file was accepted")
	}
}

// db is the level of x in dBFS.
func db(x []float32) float64 {
	var e float64
	for _, v := range x {
		e += float64(v) * float64(v)
	}
	return 10 * math.Log10(e/float64(len(x))+1e-12)
}
