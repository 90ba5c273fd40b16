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
	Payload   []byte
	Arrival   time.Time // when it came from the network
}
