package codec

import "time"

// Format describes an encoding as RTP names it.
type Format struct {
	Name      string // "opus", "PCMU" or "PCMA"
	ClockRate int    // of RTP timestamps, Hz
	Channels  int
	Ptime     time.Duration // of packets to send; 0 = 20 ms
	FEC       bool          // the far end makes use of Opus' forward error correction
}
