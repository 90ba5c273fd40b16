package codec

import "time"

// Format describes an encoding as RTP names it.
type Format struct {
	Name      string // "opus", "PCMU" or "PCMA"
	ClockRate int    // of RTP timestamps, Hz
	Channels  int
	Ptime     time.Duration // of packets to send; 0 = 20 ms
	FEC       bool          // the far end makes use of Opus' forward error correction
	// MaxBitrate is what the far end wants at most of Opus, bit/s; 0 if it does not say.
	MaxBitrate int
	// What is known of the way to the far end; it may change at any time in a call.
	Clean  bool // as good as nothing is lost
	Copies int  // of a payload that travel in later packets, because much is lost
}

// Adapts reports whether g differs from f in nothing but what may change in a call.
func (f Format) Adapts(g Format) bool {
	g.Clean, g.Copies = f.Clean, f.Copies
	return f == g
}
