// Package aec removes from a microphone signal what a loudspeaker beside it
// plays: full-duplex acoustic echo cancellation for a door station, where
// loudspeaker and microphone are a hand apart and the loudspeaker is small
// and driven hard.
//
// It works on 10 ms frames of mono samples and refuses to know anything of
// devices, clocks, packets or calls. Whoever owns the sound card hands over,
// for each frame that the microphone gave, the frame that went to the
// loudspeaker meanwhile; the delay between the two is found here.
//
// Kalman is the canceller of the house. Aligned lends its delay search to any
// other canceller, such as the wrapper of libspeexdsp in audio/speexdsp.
package aec

// SampleRate is the rate of all signals, in Hz.
const SampleRate = 48000

// Frame is the number of samples in one frame: 10 ms.
const Frame = SampleRate / 100

// Canceller is what Kalman and Aligned offer.
//
// A Canceller belongs to one goroutine. Only the value that Stats returns may
// be passed on.
type Canceller interface {
	// Process writes mic without the echo of far to out. Each slice holds
	// Frame samples, full scale ±1; out may be mic. far is what was handed to
	// the loudspeaker in these 10 ms. Wrong lengths, NaN and infinities are
	// treated as silence. Process does not allocate.
	Process(out, mic, far []float32)
	// Stats describes the last few seconds.
	Stats() Stats
	// Reset forgets everything learned about the room.
	Reset()
	// Close frees what the garbage collector cannot. The Canceller must not
	// be used afterwards.
	Close()
}

// Stats is what an operator wants to know about an echo canceller. Values are
// smoothed over about a second.
type Stats struct {
	// ERLE is the echo return loss enhancement in dB: how much weaker the
	// signal leaves than it came, while only the far end talks.
	ERLE float32
	// LinearERLE is the part of ERLE owed to the adaptive filter, in dB.
	LinearERLE float32
	// Delay is the time from a sample handed to the loudspeaker to its direct
	// sound at the microphone, in ms, card buffers included.
	Delay float32
	// DelayKnown tells whether Delay has been measured.
	DelayKnown bool
	// Drift is how much faster the microphone's clock runs than the
	// loudspeaker's, in parts per million.
	Drift float32
	// DoubleTalk is the share of the far end's active time in which the near
	// end was active too, 0..1, over about ten seconds.
	DoubleTalk float32
	// Coupling is the level of the echo at the microphone relative to the
	// far end's signal, in dB.
	Coupling float32
	// Noise is the near-end background noise: its RMS value relative to full
	// scale in dB.
	Noise float32
	// Converged tells whether the filter has learned the path.
	Converged bool
	// Diverged tells that the filter does not help although the far end is
	// loud: a broken loudspeaker or a path that moves all the time.
	Diverged bool
	// Howling tells that a tone builds up through both stations.
	Howling bool
}
