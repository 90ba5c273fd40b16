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

// keyDetector turns telephone-event packets into key presses, one for each press,
// reported as soon as its first packet is there. It is a pure state machine, for
// one source (SSRC) at a time.
//
// All packets of an event carry the timestamp of its beginning, so the timestamp
// names the press. Three things make that not enough:
//
//   - packets come late, and the last one comes three times: timestamps of the
//     past are remembered;
//   - an event longer than 65535 units goes on as a new one, with a new timestamp
//     and no marker, after which it is still one press (RFC 4733 §2.5.1.3);
//   - some gateways move the timestamp with each packet of one event.
type keyDetector struct {
	started  bool
	last     event
	ts       uint32 // of the current event
	seq      uint16 // of its newest packet
	seen     [8]uint32
	nseen    int
	lastRate int
}

// packet takes one telephone-event packet. rate is the clock of the event in Hz.
// It returns the key if a press begins with this packet.
func (k *keyDetector) packet(seq uint16, ts uint32, marker bool, rate int, payload []byte) (rune, bool) {
	e, ok := parseEvent(payload)
	if !ok || int(e.code) >= len(keys) || rate <= 0 {
		return 0, false
	}
	if !k.started {
		return k.begin(e, seq, ts, rate), true
	}
	if ts == k.ts {
		k.advance(e, seq)
		return 0, false
	}
	if k.known(ts) {
		return 0, false
	}
	if age := int32(k.ts - ts); age > 0 {
		// Older than the current event: either all its packets are late, or it is
		// a stray. A press more than a second ago is of no use.
		if int(age) > rate {
			return 0, false
		}
		k.remember(ts)
		return rune(keys[e.code]), true
	}
	if k.goesOn(e, seq, ts, marker, rate) {
		k.remember(k.ts)
		k.last, k.seq, k.ts, k.lastRate = e, seq, ts, rate
		return 0, false
	}
	k.remember(k.ts)
	return k.begin(e, seq, ts, rate), true
}

func (k *keyDetector) begin(e event, seq uint16, ts uint32, rate int) rune {
	k.started, k.last, k.seq, k.ts, k.lastRate = true, e, seq, ts, rate
	return rune(keys[e.code])
}

// advance takes a further packet of the current event, in any order.
func (k *keyDetector) advance(e event, seq uint16) {
	if int16(seq-k.seq) > 0 {
		k.seq = seq
	}
	k.last.duration = max(k.last.duration, e.duration)
	k.last.end = k.last.end || e.end
}

// goesOn reports whether a packet with a new timestamp belongs to the same press.
func (k *keyDetector) goesOn(e event, seq uint16, ts uint32, marker bool, rate int) bool {
	if marker || e.code != k.last.code || rate != k.lastRate {
		return false
	}
	step := int(ts - k.ts)
	// The next segment of a long event: it begins where the one before was full.
	// Some of the last packets may be lost, hence the tolerance of 200 ms.
	const full = 0xffff
	if tolerance := rate / 5; k.last.duration >= uint16(full-tolerance) &&
		step >= full-tolerance && step <= full+tolerance {
		return true
	}
	// A sender that moves the timestamp within one event: the very next packet,
	// a duration that grows, and no end in between.
	gap := seq - k.seq
	return !k.last.end && gap >= 1 && gap <= 3 && e.duration > k.last.duration && step <= rate/10
}

func (k *keyDetector) remember(ts uint32) {
	k.seen[k.nseen%len(k.seen)] = ts
	k.nseen++
}

func (k *keyDetector) known(ts uint32) bool {
	for i := range min(k.nseen, len(k.seen)) {
		if k.seen[i] == ts {
			return true
		}
	}
	return false
}
