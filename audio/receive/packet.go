package receive

import (
	"time"

	"intercomd/audio/codec"
)

// Packet is a received RTP packet.
type Packet struct {
	SSRC      uint32
	Seq       uint16
	Timestamp uint32
	Marker    bool
	Codec     codec.Format
	// Copy is 0 for a packet of its own. That of an earlier one, which another packet carried, has
	// the timestamp of the packet that was copied and the sequence number of the one that carried
	// it, which it follows; Copy is by how much the former is older, on the RTP clock.
	Copy    uint32
	Payload []byte
	Arrival time.Time // when it came from the network
}
