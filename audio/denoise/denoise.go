// Package denoise takes street noise out of a voice: the network of RNNoise
// computed in Go, with as much of the noise mixed back as the configuration
// asks for.
//
// It works on 10 ms frames of 48 kHz mono and refuses to know where the signal
// comes from. Echo must be gone before: the network takes a far talker for a
// voice like any other.
//
// The method is that of J.-M. Valin, "A hybrid DSP/deep learning approach to
// real-time full-band speech enhancement", MMSP 2018: a small network decides
// on the gain of 22 bands of the Bark scale, and a comb filter at the pitch
// period cleans between the harmonics. RNNOISE-LICENSE has the terms of the
// network's parameters. Its window is not kept: that of [fft.LowDelay] waits for
// less, and the network bears it (docs/decisions/low-delay-windows.md). Its gains
// are corrected (docs/decisions/noise-readout.md).
package denoise

import (
	"intercomd/audio/fft"
)

// SampleRate is the rate of all signals in Hz, Frame the samples in 10 ms.
const (
	SampleRate = 48000
	Frame      = SampleRate / 100
)

// Latency is how late the output is, in samples: 2.5 ms.
const Latency = SampleRate / 400

// Level says how much noise is taken away.
type Level int

// The levels. Low lowers noise by at most about 12 dB, which sounds natural;
// High by at most about 20 dB.
const (
	Off Level = iota
	Low
	High
)

// share is how much of the input is mixed back, amplitude.
func (l Level) share() float32 {
	switch l {
	case Off:
		return 1
	case Low:
		return 0.25
	case High:
		return 0.1
	}
	return 1
}

const (
	window = 2 * Frame
	bins   = Frame + 1
)

// Suppressor suppresses the noise of one signal. It belongs to one goroutine.
type Suppressor struct {
	net  *network
	f    *fft.Real
	win  [window]float32 // before transforms
	syn  [window]float32 // after the inverse one
	feat features
	floor
	highPass
	before [Frame]float32 // the frame before, for the window and for the mix
	ola    [Latency]float32
	time   [window]float32
	gain   [bandCount]float32 // of the last frame
	curve  [bins]float32
}

// New makes a suppressor. With Off it only delays, so that the level can be
// changed without a jump in time.
func New(level Level) (*Suppressor, error) {
	net, err := newNetwork()
	if err != nil {
		return nil, err
	}
	s := &Suppressor{net: net, f: fft.MustReal(window), floor: newFloor(level)}
	analysis, synthesis := fft.LowDelay(window, Frame, Latency)
	copy(s.win[:], analysis)
	copy(s.syn[:], synthesis)
	s.feat.init()
	return s, nil
}

// Voice is the chance that the last frame held a voice, 0..1.
func (s *Suppressor) Voice() float32 { return s.net.voiceChance[0] }

// Reset forgets all that was heard.
func (s *Suppressor) Reset() {
	s.net.reset()
	s.feat.reset()
	s.highPass = highPass{}
	s.before, s.ola = [Frame]float32{}, [Latency]float32{}
	s.gain = [bandCount]float32{}
	s.forget()
}

// Process suppresses the noise of frame, Frame samples of full scale ±1, in
// place and Latency samples late. Other lengths are left as they are. It does
// not allocate.
func (s *Suppressor) Process(frame []float32) {
	if len(frame) != Frame {
		return
	}
	s.take(frame)
	copy(frame, s.before[Frame-Latency:])
	copy(frame[Latency:], s.x[:])
	if s.least == 1 {
		s.pass()
		for i := range frame {
			frame[i] *= 1.0 / 32768
		}
		return
	}
	if s.least != 0 && !s.nobody { // least is 0 for comparison with RNNoise itself
		noise := s.listen(s.x[:])
		s.net.trust = trust(noise, faint, plain)
	}
	s.analyse()
	if !s.feat.extract(s.f, &s.win, s.x[:]) {
		s.net.run(&s.feat.out)
		s.shape()
	}
	s.synthesise(frame)
}

// pass keeps ready what another level would need of this frame.
func (s *Suppressor) pass() {
	s.before = s.x
	const tail = window - Latency
	for i := range s.ola {
		s.ola[i] = s.x[Frame-Latency+i] * s.win[tail+i] * s.syn[tail+i]
	}
}

// synthesise turns the spectrum into sound and mixes it with the input in frame.
func (s *Suppressor) synthesise(frame []float32) {
	s.f.Inverse(s.time[:], s.feat.spec[:])
	const from = window - Frame - Latency // the synthesis window is zero before
	for i := range s.time[from:] {
		s.time[from+i] *= s.syn[from+i]
	}
	y := s.time[from:][:Frame]
	for i, v := range s.ola {
		y[i] += v
	}
	copy(s.ola[:], s.time[from+Frame:])
	for i, late := range frame {
		frame[i] = ((1-s.share)*y[i] + s.share*late) * (1.0 / 32768)
	}
}

// analyse computes the spectrum of this and the last frame.
func (s *Suppressor) analyse() {
	copy(s.time[:], s.before[:])
	copy(s.time[Frame:], s.x[:])
	s.before = s.x
	transform(s.f, s.feat.spec[:], &s.time, &s.win)
}

// transform is the forward transform of a windowed signal, scaled by its
// length as the network expects.
func transform(f *fft.Real, spec []complex64, x, win *[window]float32) {
	for i, w := range win {
		x[i] *= w
	}
	f.Forward(spec, x[:])
}

// shape applies the network's gains, after the comb filter.
func (s *Suppressor) shape() {
	s.feat.comb(&s.net.gains, &s.curve)
	for i, g := range s.net.gains {
		s.gain[i] = max(g, 0.6*s.gain[i])
	}
	interpolate(&s.curve, &s.gain)
	scaleBins(&s.feat.spec, &s.curve)
}
