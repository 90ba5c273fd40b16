package audio

import (
	"sync/atomic"

	"intercomd/audio/codec"
	"intercomd/audio/receive"
)

// Link is the packets of one call.
type Link interface {
	// Receive calls take for each audio packet that waits, in order of arrival, and returns; it
	// never blocks. What take is given may be used anew when it returns. Receive is called from
	// one goroutine, whenever that wakes: after [Engine.Arrived] at once, and every 20 ms at least.
	Receive(take func(*receive.Packet))
	// Write sends one payload. samples is its duration in the codec's RTP clock,
	// marker the RTP marker bit (RFC 3551 section 4.1). Write is called from one
	// goroutine, must not keep payload and must not block: what cannot be sent
	// at once is dropped.
	Write(payload []byte, samples uint32, marker bool) error
	// Codec is what to send now. It is asked for every packet and may change.
	Codec() codec.Format
}

// conn is one link in use.
type conn struct {
	link Link
	talk atomic.Bool // the microphone is open
	deaf atomic.Bool // the far end is not played
	mute atomic.Bool // silence is sent in place of the microphone
}

// open reports whether the microphone reaches the far end.
func (c *conn) open() bool { return c.talk.Load() && !c.mute.Load() }

// voice is the gain of the microphone.
func (c *conn) voice() float32 {
	if c.mute.Load() {
		return 0
	}
	return 1
}
