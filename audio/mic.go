package audio

import (
	"intercomd/audio/levels"
	"intercomd/audio/pcm"
)

// micPath is what happens to the microphone between its ring and the encoder.
type micPath struct {
	echo    EchoCanceller  // nil: none
	denoise Suppressor     // nil: none
	gate    suppressorGate // of denoise
	gain    float32
	agc     *levels.AGC // nil: off
	ambient levels.Ambient
	limiter levels.Limiter
}

func newMicPath(cfg Config) micPath {
	m := micPath{
		gain: levels.Gain(cfg.InputGain), limiter: levels.NewLimiter(),
		ambient: levels.Ambient{Most: cfg.AmbientBoost},
	}
	if cfg.NewEcho != nil {
		m.echo = cfg.NewEcho()
	}
	if cfg.NewSuppressor != nil {
		m.denoise = cfg.NewSuppressor()
	}
	if cfg.AGC {
		m.agc = &levels.AGC{}
	}
	return m
}

func (m *micPath) close() {
	if m.echo != nil {
		m.echo.Close()
	}
}

// process makes of what the microphone heard in rec, while the loudspeaker played
// far at farLevel dBFS, what is to be sent. Between calls, while nothing plays,
// the canceller would learn nothing but silence and is left out.
func (m *micPath) process(rec, far []float32, farLevel float64, call, playing bool) {
	if m.echo != nil && (call || playing) {
		m.echo.Process(rec, rec, far)
	}
	if m.denoise != nil {
		m.gate.suppress(m.denoise, rec, call)
	}
	pcm.Bound(rec)
	m.ambient.Adapt(rec, farLevel)
	gain := m.gain
	if m.agc != nil && call {
		gain *= levels.Gain(m.agc.Adapt(rec, farLevel))
	}
	m.limiter.Process(rec, gain)
}
