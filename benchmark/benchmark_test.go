package benchmark_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"intercomd/audio"
	"intercomd/benchmark"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// part stands for a canceller or a suppressor.
type part struct{}

func (part) Stats() audio.EchoStats { return audio.EchoStats{} }
func (part) Close()                 {}

type canceller struct{ part }

func (canceller) Process(out, mic, far []float32) {
	for i, v := range mic {
		out[i] = v - 0.1*far[i]
	}
}

type suppressor struct{}

func (suppressor) Process(frame []float32) {
	for i := range frame {
		frame[i] *= 0.5
	}
}

func parts() benchmark.Parts {
	return benchmark.Parts{
		Microphone: func(echo, noise, _ string) (cfg audio.Config, err error) {
			if echo != "off" {
				cfg.NewEcho = func() audio.EchoCanceller { return canceller{} }
			}
			if noise != "off" {
				cfg.NewSuppressor = func() audio.Suppressor { return suppressor{} }
			}
			return cfg, nil
		},
		Password: func() { time.Sleep(time.Millisecond) },
	}
}

func usual() benchmark.Settings {
	return benchmark.Settings{Echo: "kalman", Noise: "low", Complexity: 5, Opus: true, Duplex: "auto", AGC: true}
}

// Every stage of a call is measured, those of the configuration are counted, and no others.
func TestEveryStageIsMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		set     func(*benchmark.Settings)
		counted []string
	}{
		"as delivered": {func(*benchmark.Settings) {}, []string{"canceller kalman", "suppressor low", "levels ", "resampler ", "encoder 5", "decoder opus", "srtp "}},
		"the lightest": {func(s *benchmark.Settings) {
			s.Echo, s.Noise, s.Opus, s.Duplex, s.Complexity = "off", "off", false, "switched", 1
		}, []string{"levels ", "resampler ", "encoder g711", "decoder g711", "srtp "}},
		"speexdsp": {func(s *benchmark.Settings) { s.Echo, s.Noise = "speexdsp", "high" }, []string{"canceller speexdsp", "suppressor high", "levels ", "resampler ", "encoder 5", "decoder opus", "srtp "}},
		"max":      {func(s *benchmark.Settings) { s.Noise = "max" }, []string{"canceller kalman", "suppressor max", "levels ", "resampler ", "encoder 5", "decoder opus", "srtp "}},
	} {
		t.Run(name, func(t *testing.T) {
			s := usual()
			c.set(&s)
			looks := 0
			r, err := benchmark.Run(t.Context(), s, parts(), benchmark.Effort{Each: 5 * time.Millisecond, Block: time.Millisecond, Between: func() { looks++ }})
			if err != nil {
				t.Fatal(err)
			}
			var counted, codes []string
			for _, st := range r.Stages {
				if st.Counted {
					counted = append(counted, st.Code+" "+st.Variant)
				}
				codes = append(codes, st.Code)
				if st.CPU <= 0 && st.Code != benchmark.Password { // which only sleeps here
					t.Errorf("%s %s takes %v", st.Code, st.Variant, st.CPU)
				}
			}
			if !slices.Equal(counted, c.counted) {
				t.Errorf("counted are %q, want %q", counted, c.counted)
			}
			for _, code := range []string{benchmark.Canceller, benchmark.Suppressor, benchmark.Levels, benchmark.Resampler, benchmark.Transform, benchmark.Encoder, benchmark.Decoder, benchmark.Encryption, benchmark.DTLS, benchmark.TLS, benchmark.Password} {
				if !slices.Contains(codes, code) {
					t.Errorf("%s is not measured", code)
				}
			}
			if looks != len(r.Stages) {
				t.Errorf("%d looks at the machine for %d stages", looks, len(r.Stages))
			}
			var sum time.Duration
			for _, st := range r.Stages {
				if st.Counted {
					sum += st.CPU
				}
			}
			if j := benchmark.Judge(r, s); j.Total != sum {
				t.Errorf("the call is said to take %v, its stages take %v", j.Total, sum)
			}
		})
	}
}

func TestMeasuringEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := benchmark.Run(ctx, usual(), parts(), benchmark.Usual()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	p := parts()
	p.Microphone = func(string, string, string) (audio.Config, error) { return audio.Config{}, errors.New("no such part") }
	if _, err := benchmark.Run(t.Context(), usual(), p, benchmark.Usual()); err == nil {
		t.Error("no error without parts")
	}
}

// board is a report of a machine on which all takes this times as long.
func board(times float64) benchmark.Report {
	us := func(code, variant string, us float64) benchmark.Cost {
		return benchmark.Cost{Code: code, Variant: variant, CPU: time.Duration(us * times * float64(time.Microsecond))}
	}
	return benchmark.Report{Stages: []benchmark.Cost{
		us("canceller", "kalman", 800), us("canceller", "speexdsp", 600), us("suppressor", "low", 500), us("suppressor", "high", 500), us("suppressor", "max", 1500), us("levels", "", 100), us("resampler", "", 100),
		us("fft", "", 1e6), us("encoder", "5", 700), us("encoder", "3", 650), us("encoder", "1", 300), us("encoder", "g711", 100), us("decoder", "opus", 100), us("decoder", "g711", 90), us("srtp", "", 50),
		{Code: "password", CPU: time.Hour, Once: true},
	}}
}

func TestJudge(t *testing.T) {
	const n = "noise_suppression = \"off\""
	for name, c := range map[string]struct {
		times   float64
		set     func(*benchmark.Settings)
		verdict benchmark.Verdict
		changes []string
		then    benchmark.Verdict
	}{
		"light":               {0.5, nil, benchmark.Carries, nil, benchmark.Carries},
		"at the edge":         {1.06, nil, benchmark.Carries, nil, benchmark.Carries},
		"the codec is enough": {1.2, nil, benchmark.Tight, []string{"opus_complexity = 1"}, benchmark.Carries},
		"and the noise":       {1.5, nil, benchmark.Tight, []string{"opus_complexity = 1", n}, benchmark.Carries},
		"and the canceller":   {1.8, nil, benchmark.Tight, []string{"opus_complexity = 1", n, `echo_canceller = "speexdsp"`}, benchmark.Carries},
		"tight, and stays so": {2.1, nil, benchmark.Tight, []string{"opus_complexity = 1", n, `echo_canceller = "speexdsp"`}, benchmark.Tight},
		"too slow":            {3, nil, benchmark.TooSlow, []string{"opus_complexity = 1", n, `echo_canceller = "speexdsp"`}, benchmark.Tight},
		"needs another codec": {4.2, nil, benchmark.TooSlow, []string{n, `echo_canceller = "speexdsp"`, `codecs = ["pcma", "pcmu"]`}, benchmark.Tight},
		"needs one direction": {5.5, nil, benchmark.TooSlow, []string{n, `echo_canceller = "off"`, `codecs = ["pcma", "pcmu"]`, `duplex = "switched"`}, benchmark.Carries},
		"hopeless":            {20, nil, benchmark.TooSlow, []string{n, `echo_canceller = "off"`, `codecs = ["pcma", "pcmu"]`, `duplex = "switched"`}, benchmark.TooSlow},
		"nothing left to change": {30, func(s *benchmark.Settings) {
			s.Echo, s.Noise, s.Opus, s.Complexity, s.Duplex = "off", "off", false, 1, "switched"
		}, benchmark.TooSlow, nil, benchmark.TooSlow},
		"max is given up first": {1.0, func(s *benchmark.Settings) { s.Noise = "max" }, benchmark.Tight, []string{"opus_complexity = 1", `noise_suppression = "high"`}, benchmark.Carries},
		"and then all of it":    {1.6, func(s *benchmark.Settings) { s.Noise = "max" }, benchmark.TooSlow, []string{"opus_complexity = 1", n}, benchmark.Carries},
		"off is off":            {2, func(s *benchmark.Settings) { s.Noise = "off" }, benchmark.Tight, []string{"opus_complexity = 1", `echo_canceller = "speexdsp"`}, benchmark.Carries},
	} {
		t.Run(name, func(t *testing.T) {
			s := usual()
			if c.set != nil {
				c.set(&s)
			}
			j := benchmark.Judge(board(c.times), s)
			var changes []string
			for _, ch := range j.Changes {
				changes = append(changes, ch.Key+" = "+ch.Value)
			}
			if j.Verdict != c.verdict || j.Then != c.then || !slices.Equal(changes, c.changes) {
				t.Errorf("%.1f %% %s, changes %q, then %.1f %% %s", 100*benchmark.Share(j.Total), j.Verdict, changes, 100*benchmark.Share(j.After), j.Then)
			}
			var saved time.Duration
			for _, ch := range j.Changes {
				saved += ch.Saves
			}
			if left := j.Total - j.After - saved; len(changes) > 0 && !slices.Contains(changes, `codecs = ["pcma", "pcmu"]`) && left != 0 {
				t.Errorf("the changes save %v of %v", saved, j.Total-j.After)
			}
		})
	}
}
