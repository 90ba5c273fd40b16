// Package audio is the voice of the door: it carries sound between a microphone,
// a loudspeaker and the encoded packets of a call.
//
//	        Link.Receive                                            a thread in C
//	packets ──▶ jitter ──▶ decode ──▶ stretch ─▶ + tones ─▶ gain,   ─▶ ring ──▶ loudspeaker
//	            buffer                drift                 limiter │
//	                                                          echo reference
//	        Link.Write                                              ▼
//	packets ◀── encode ◀── meter ◀── limiter ◀── gain ◀── noise ◀── echo canceller ◀── ring ◀── microphone
//
// Everything between the link and the rings happens in one
// goroutine, the pump, in frames of 10 ms; it allocates nothing per frame. A frame of the
// microphone is taken as soon as it is there, one for the loudspeaker made as soon as what it is made of
// has come, or else when it is due, so that sound waits in neither ring. The threads of the sound
// devices only copy to and from lock-free rings. Devices are opened when they are needed, watched, and
// closed again by a goroutine of their own, so that a hanging device never holds up a call: without
// devices the pump keeps time by the clock. While nobody talks and nothing sounds it sleeps.
//
// The pump and the order of its stages are here; what the stages do is in the subfolders: device
// opens what sound comes from and goes to, receive and codec make it of packets, levels, duplex, aec
// and denoise judge and mend it, resample and pcm are the arithmetic below.
//
// The package knows nothing of SIP, RTP sessions, doors or configuration files.
// What carries the packets is a [Link], what reaches the hardware a [device.Driver].
package audio

import "time"

// EchoCanceller removes from the microphone what the loudspeaker plays. It is
// used by one goroutine.
type EchoCanceller interface {
	// Process writes mic without the echo of far to out. All hold [pcm.Frame]
	// samples, full scale ±1; out may be mic. far is what the loudspeaker played
	// some constant time before. It does not allocate.
	Process(out, mic, far []float32)
	// Stats tells how well it does.
	Stats() EchoStats
	// Close releases what the garbage collector cannot.
	Close()
}

// EchoStats describes an echo canceller.
type EchoStats struct {
	ERLE       float64       // echo return loss enhancement, dB
	Delay      time.Duration // from the loudspeaker's ring to the microphone's
	DoubleTalk float64       // share of the far end's talk in which the near end talked too, 0..1
	Noise      float64       // background noise at the microphone, dBFS
	Diverged   bool          // the canceller does not help
	Howling    bool          // a tone builds up through both ends
}

// Suppressor removes noise from a frame of the microphone, in place and two frames late at most. It is used
// by one goroutine and does not allocate.
type Suppressor interface {
	Process(frame []float32)
}
