package rtc

import (
	"encoding/binary"
	"strings"
)

// keys in the order of their event codes (RFC 4733 §3.2).
const keys = "0123456789*#ABCD"

// eventSize is the size of a telephone-event payload in bytes (RFC 4733 §2.3).
const eventSize = 4

// event is one telephone-event payload.
type event struct {
	code     uint8
	end      bool
	volume   uint8  // -dBm0
	duration uint16 // in units of the event's clock
}

func (e event) marshal(b *[eventSize]byte) []byte {
	b[0], b[1] = e.code, e.volume&0x3f
	if e.end {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], e.duration)
	return b[:]
}

func parseEvent(b []byte) (event, bool) {
	if len(b) < eventSize {
		return event{}, false
	}
	return event{
		code: b[0], end: b[1]&0x80 != 0, volume: b[1] & 0x3f, duration: binary.BigEndian.Uint16(b[2:]),
	}, true
}

// eventCode returns the event code of a key, upper or lower case.
func eventCode(key rune) (uint8, bool) {
	if key > 127 {
		return 0, false
	}
	i := strings.IndexByte(keys, strings.ToUpper(string(key))[0])
	return uint8(max(i, 0)), i >= 0
}
