package audio

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"intercomd/audio/jitter"
)

// Link is the packets of one call. Its owner closes it; then Read ends.
type Link interface {
	// Read waits for the next audio packet and describes it in p. p.Payload has
	// room for a packet ([jitter.MaxPayload] bytes) and is to be filled or
	// replaced; what it holds is used only until the next Read. io.EOF, or any
	// other error, ends the link. Read is called from one goroutine.
	Read(p *Packet) error
	// Write sends one payload. samples is its duration in the codec's RTP clock,
	// marker the RTP marker bit (RFC 3551 section 4.1). Write is called from one
	// goroutine, must not keep payload and must not block: what cannot be sent
	// at once is dropped.
	Write(payload []byte, samples uint32, marker bool) error
	// Codec is what to send now. It is asked for every packet and may change.
	Codec() Codec
}

// Packet is a received RTP packet.
type Packet struct {
	SSRC      uint32
	Seq       uint16
	Timestamp uint32
	Marker    bool
	Codec     Codec
	Payload   []byte
}

// Codec describes an encoding as RTP names it.
type Codec struct {
	Name      string // "opus", "PCMU" or "PCMA"
	ClockRate int    // of RTP timestamps, Hz
	Channels  int
	Ptime     time.Duration // of packets to send; 0 = 20 ms
	FEC       bool          // the far end makes use of Opus' forward error correction
}

// mailboxSize is how many packets may wait for the pump: over a second of them.
const mailboxSize = 64

// letter is a packet on its way from the reader to the pump.
type letter struct {
	arrival time.Duration
	packet  jitter.Packet
	payload [jitter.MaxPayload]byte
}

// conn is one link in use: its reader goroutine, and the queue from it to the pump.
type conn struct {
	link Link
	talk atomic.Bool // the microphone is open
	deaf atomic.Bool // the far end is not played
	mute atomic.Bool // silence is sent in place of the microphone

	box  [mailboxSize]letter
	head atomic.Uint64 // letters written; moved by the reader
	tail atomic.Uint64 // letters read; moved by the pump
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

// read moves packets from the link to the mailbox until the link ends. clock is
// the engine's.
func (c *conn) read(clock func() time.Duration) error {
	var p Packet
	var buf [jitter.MaxPayload]byte
	for {
		p = Packet{Payload: buf[:]}
		if err := c.link.Read(&p); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		id := codecID(p.Codec.Name)
		head := c.head.Load()
		if head-c.tail.Load() == mailboxSize || id == codecNone || len(p.Payload) > jitter.MaxPayload {
			continue // nobody listens, or nothing that can be played
		}
		l := &c.box[head%mailboxSize]
		l.arrival = clock()
		l.packet = jitter.Packet{
			SSRC: p.SSRC, Seq: p.Seq, Timestamp: p.Timestamp,
			ClockRate: clockRate(id), Samples: payloadSamples(id, p.Payload), Codec: id,
		}
		l.packet.Payload = l.payload[:copy(l.payload[:], p.Payload)]
		c.head.Store(head + 1)
	}
}

// next returns the oldest letter, or nil. It stays valid until drop.
func (c *conn) next() *letter {
	tail := c.tail.Load()
	if tail == c.head.Load() {
		return nil
	}
	return &c.box[tail%mailboxSize]
}

func (c *conn) drop() { c.tail.Add(1) }
