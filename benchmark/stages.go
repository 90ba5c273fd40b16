package benchmark

import (
	"math"
	"slices"
	"strconv"

	"intercomd/audio/codec"
	"intercomd/audio/duplex"
	"intercomd/audio/fft"
	"intercomd/audio/levels"
	"intercomd/audio/pcm"
	"intercomd/audio/resample"
)

// stages makes what is measured.
type stages struct {
	list   []stage
	scene  *scene
	closed []func()
}

// lighter are the complexities of Opus that are tried beside the configured one.
func lighter() []int { return []int{3, 1} }

// bitrate of Opus as in a call, bit/s.
const bitrate = 32000

// packetFrames is how many frames a packet has.
const packetFrames = 2

// newStages makes them in the order of the report, the configured ones counted.
func newStages(s Settings, parts Parts) (_ *stages, err error) {
	b := &stages{scene: newScene()}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	for _, name := range []string{"kalman", "speexdsp"} {
		if err := b.canceller(name, s, parts); err != nil {
			return nil, err
		}
	}
	if err := b.suppressors(s, parts); err != nil {
		return nil, err
	}
	cfg, err := parts.Microphone("off", "off", s.Duplex)
	if err != nil {
		return nil, err
	}
	b.levels(s, cfg.Duplex)
	b.resampler()
	b.transform()
	if err := b.codecs(s); err != nil {
		return nil, err
	}
	srtp, err := newSRTP()
	if err != nil {
		return nil, err
	}
	b.add(stage{Cost: Cost{Code: Encryption, Counted: true}, frames: packetFrames, run: srtp.packet})
	hands, err := newHandshakes()
	if err != nil {
		return nil, err
	}
	b.add(stage{Cost: Cost{Code: DTLS, Once: true}, ends: 2, run: hands.dtls})
	b.add(stage{Cost: Cost{Code: TLS, Once: true}, run: hands.tls})
	b.add(stage{Cost: Cost{Code: Password, Once: true}, ends: 1, run: func() error { parts.Password(); return nil }})
	// The configured canceller is measured first, and again at the end.
	slices.SortStableFunc(b.list, func(x, y stage) int {
		if x.Code == Canceller && y.Code == Canceller && x.Counted != y.Counted && y.Counted {
			return 1
		}
		return 0
	})
	return b, nil
}

func (b *stages) add(s stage) { b.list = append(b.list, s) }

func (b *stages) close() {
	for _, f := range b.closed {
		f()
	}
}

// learn is how many frames a canceller hears before it is measured.
const learn = 300

func (b *stages) canceller(name string, s Settings, parts Parts) error {
	cfg, err := parts.Microphone(name, "off", s.Duplex)
	if err != nil || cfg.NewEcho == nil {
		return err
	}
	c := cfg.NewEcho()
	b.closed = append(b.closed, c.Close)
	var out [pcm.Frame]float32
	n := 0
	run := func() error {
		mic, far := b.scene.frame(n)
		n++
		c.Process(out[:], mic, far)
		return nil
	}
	for range learn {
		_ = run() // it cannot fail
	}
	b.add(stage{Cost: Cost{Code: Canceller, Variant: name, Counted: s.Echo == name}, frames: 1, run: run})
	return nil
}

// suppressors measures the large one and one of the small ones, which cost the same.
func (b *stages) suppressors(s Settings, parts Parts) error {
	small := s.Noise
	switch small {
	case "off", "":
		small = "low"
	case Largest:
		small = lighterNoise
	}
	if err := b.suppressor(small, s, parts); err != nil {
		return err
	}
	return b.suppressor(Largest, s, parts)
}

func (b *stages) suppressor(level string, s Settings, parts Parts) error {
	cfg, err := parts.Microphone("off", level, s.Duplex)
	if err != nil || cfg.NewSuppressor == nil {
		return err
	}
	sup := cfg.NewSuppressor()
	var frame [pcm.Frame]float32
	n := 0
	b.add(stage{Cost: Cost{Code: Suppressor, Variant: level, Counted: s.Noise == level}, frames: 1, run: func() error {
		mic, _ := b.scene.frame(n)
		n++
		copy(frame[:], mic)
		sup.Process(frame[:])
		return nil
	}})
	return nil
}

// levels is what the engine does to each frame between the canceller and the encoder, and on the
// way to the loudspeaker, as audio.Offline does.
func (b *stages) levels(s Settings, mode duplex.Mode) {
	way := duplex.New(mode)
	limit, out := levels.NewLimiter(), levels.NewLimiter()
	var (
		agc        levels.AGC
		ambient    levels.Ambient
		said, play levels.Meter
		mic10      [pcm.Frame]float32
		far10      [pcm.Frame]float32
	)
	n := 0
	b.add(stage{Cost: Cost{Code: Levels, Counted: true}, frames: 1, run: func() error {
		mic, far := b.scene.frame(n)
		n++
		copy(mic10[:], mic)
		copy(far10[:], far)
		raw, loud := pcm.Peak(mic10[:]), levels.Of(far10[:])
		pcm.Bound(mic10[:])
		ambient.Adapt(mic10[:], loud)
		gain := float32(1)
		if s.AGC {
			gain = levels.Gain(agc.Adapt(mic10[:], loud))
		}
		limit.Process(mic10[:], gain)
		out.Process(far10[:], 1)
		way.Play(far10[:])
		way.Send(mic10[:], far10[:], raw)
		said.Add(mic10[:])
		play.Add(far10[:])
		return nil
	}})
}

// skew is by how much the clocks of card and far end differ here.
const skew = 100e-6

func (b *stages) resampler() {
	r := resample.New(pcm.SampleRate, pcm.SampleRate, 2*pcm.Frame)
	r.Step = 1 + skew
	var out [pcm.Frame]float32
	n := 0
	b.add(stage{Cost: Cost{Code: Resampler, Counted: true}, frames: 1, run: func() error {
		for r.Need(pcm.Frame) > 0 {
			_, far := b.scene.frame(n)
			n++
			r.Feed(far)
		}
		r.Pull(out[:])
		return nil
	}})
}

func (b *stages) transform() {
	const size = 320
	f := fft.MustReal(size)
	bins := make([]complex64, f.Bins())
	mic, _ := b.scene.frame(7)
	x := slices.Clone(mic[:size])
	b.add(stage{Cost: Cost{Code: Transform}, frames: 1, run: func() error {
		f.Forward(bins, x)
		f.Inverse(x, bins)
		return nil
	}})
}

// codecs are Opus at the configured complexity and at lighter ones, and G.711.
func (b *stages) codecs(s Settings) error {
	complexities := []int{s.Complexity}
	for _, c := range lighter() {
		if c < s.Complexity {
			complexities = append(complexities, c)
		}
	}
	opus := codec.Format{Name: codec.Name(codec.Opus), FEC: true}
	for _, c := range complexities {
		if err := b.encoder(opus, c, strconv.Itoa(c), s.Opus && c == s.Complexity); err != nil {
			return err
		}
	}
	law := codec.Format{Name: codec.Name(codec.PCMA)}
	if err := b.encoder(law, s.Complexity, "g711", !s.Opus); err != nil {
		return err
	}
	if err := b.decoder(opus, codec.Opus, s.Complexity, "opus", s.Opus); err != nil {
		return err
	}
	return b.decoder(law, codec.PCMA, s.Complexity, "g711", !s.Opus)
}

// encoder encodes the scene, packet by packet.
func (b *stages) encoder(f codec.Format, complexity int, variant string, counted bool) error {
	enc, size, err := codec.NewEncoder(f, bitrate, complexity)
	if err != nil {
		return err
	}
	buf, x := make([]byte, pcm.SampleRate/10), make([]float32, size)
	n := 0
	b.add(stage{Cost: Cost{Code: Encoder, Variant: variant, Counted: counted}, frames: size / pcm.Frame, run: func() error {
		for at := 0; at < size; at += pcm.Frame {
			mic, _ := b.scene.frame(n)
			n++
			copy(x[at:], mic)
		}
		_, err := enc.Encode(x, buf)
		return err
	}})
	return nil
}

// decoder decodes what an encoder made of the scene, again and again.
func (b *stages) decoder(f codec.Format, id, complexity int, variant string, counted bool) error {
	enc, size, err := codec.NewEncoder(f, bitrate, complexity)
	if err != nil {
		return err
	}
	dec, err := codec.NewDecoder(id)
	if err != nil {
		return err
	}
	var packets [][]byte
	buf, x := make([]byte, pcm.SampleRate/10), make([]float32, size)
	for n := 0; n < sceneFrames; {
		for at := 0; at < size; at += pcm.Frame {
			_, far := b.scene.frame(n)
			n++
			copy(x[at:], far)
		}
		k, err := enc.Encode(x, buf)
		if err != nil {
			return err
		}
		packets = append(packets, slices.Clone(buf[:k]))
	}
	out := make([]float32, codec.MaxDecoded)
	n := 0
	b.add(stage{Cost: Cost{Code: Decoder, Variant: variant, Counted: counted}, frames: size / pcm.Frame, run: func() error {
		_, err := dec.Decode(packets[n%len(packets)], out)
		n++
		return err
	}})
	return nil
}

// scene is what is heard: a far talker by the loudspeaker, its echo, a near talker, and a street.
type scene struct{ mic, far []float32 }

const sceneFrames = 200

// newScene makes a conversation of 2 s in which both talk, with pauses of both, in whole
// numbers of a generator of its own, so that any machine has the same.
func newScene() *scene {
	const n = sceneFrames * pcm.Frame
	s := &scene{mic: make([]float32, n), far: make([]float32, n)}
	noise := uint32(1)
	random := func() float32 {
		noise = noise*1664525 + 1013904223
		return float32(int32(noise)) / (1 << 31)
	}
	talk(s.far, 110, 0.9, 0)
	near := make([]float32, n)
	talk(near, 190, 1.7, 1)
	// Echo: 40 ms late, a decaying room of some taps.
	const late = pcm.SampleRate * 40 / 1000
	for tap := range 24 {
		g := 0.35 * float32(math.Pow(0.8, float64(tap))) * random()
		at := late + tap*37
		for i := at; i < n; i++ {
			s.mic[i] += g * s.far[i-at]
		}
	}
	var rumble float32
	for i := range s.mic {
		rumble += 0.02 * (random() - rumble)
		s.mic[i] += 0.5*near[i] + 0.05*rumble + 0.002*random()
	}
	return s
}

// talk writes a buzz of that pitch in Hz through two slow resonances, in syllables of so many
// a second with pauses between sentences.
func talk(x []float32, pitch, pace, from float64) {
	var phase float64
	var a, b [2]float64
	for i := range x {
		t := float64(i)/pcm.SampleRate + from
		phase += pitch * (1 + 0.1*math.Sin(2*math.Pi*0.7*t)) / pcm.SampleRate
		phase -= math.Floor(phase)
		e := 0.1 * (2*phase - 1) * max(0, math.Sin(2*math.Pi*pace*t)) * max(0, math.Sin(2*math.Pi*0.4*t)+0.4)
		y := resonate(&a, e, 600+200*math.Sin(3*t)) + 0.4*resonate(&b, e, 1800+500*math.Sin(2*t))
		x[i] = float32(max(-0.9, min(0.9, y)))
	}
}

// resonate is a resonance at f Hz, 100 Hz wide.
func resonate(m *[2]float64, x, f float64) float64 {
	const r = 1 - math.Pi*100/pcm.SampleRate
	y := 0.05*x + 2*r*math.Cos(2*math.Pi*f/pcm.SampleRate)*m[0] - r*r*m[1]
	m[0], m[1] = y, m[0]
	return y
}

// frame is the n-th frame of the scene, which begins anew at its end.
func (s *scene) frame(n int) (mic, far []float32) {
	at := n % sceneFrames * pcm.Frame
	return s.mic[at:][:pcm.Frame], s.far[at:][:pcm.Frame]
}
