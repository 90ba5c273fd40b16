package rtc

import (
	"io"
	"sync"
	"time"

	"github.com/pion/rtp"
)

const (
	queueLength = 128                    // packets, copies of earlier ones included: a second of audio
	staleAfter  = 250 * time.Millisecond // audio that waited longer is dropped
	oldSource   = 200 * time.Millisecond // of silence of a source, after which the one before may come back
)

// receiver takes decrypted RTP packets from the transport, keeps audio until somebody comes
// for it, and hands key presses to a function. Its queue is the only one before the jitter
// buffer. When nobody comes, what is in it grows old and is dropped, so that who comes late
// does not begin with the past.
//
// packet is called by pion's goroutines, drain by the audio side; a mutex guards all.
type receiver struct {
	onKey func(rune)

	mu     sync.Mutex
	closed bool
	slots  [queueLength]Packet // slots keep their memory
	head   int
	count  int

	source source    // of the audio that is heard
	before uint32    // SSRC of the one before it
	audio  time.Time // last audio packet of the source that is heard
	heard  time.Time // last RTP packet of any kind
	report time.Time // last RTCP report
	keys   keySources
	header rtp.Header          // reused
	blocks [redBlocks]redBlock // reused
	total  counters
}

// Packet is a received audio packet, parsed.
type Packet struct {
	SSRC      uint32
	Seq       uint16
	Timestamp uint32 // in units of Codec.ClockRate
	Marker    bool
	// Copy is 0 for a packet of its own. That of an earlier packet, which another one carried (RFC 2198), has
	// the timestamp of the packet that was copied and the sequence number of the one that carried it, which it
	// follows; Copy is by how much the former is older, on the RTP clock.
	Copy    uint32
	Codec   Codec // that was agreed for its payload type when it came
	Payload []byte
	Arrival time.Time
}

// MaxPayload is the largest payload of a packet, in bytes: what a network carries.
const MaxPayload = 1500

type counters struct {
	packets uint64 // RTP packets, digits included
	bytes   uint64 // payload
	late    uint64 // audio packets dropped because nobody read them in time
	unknown uint64 // packets with a payload type that was not agreed
}

func newReceiver(onKey func(rune)) *receiver {
	return &receiver{onKey: onKey}
}

// packet takes one packet; it copies what it keeps.
func (r *receiver) packet(a *agreement, b []byte, now time.Time) {
	if a == nil {
		return
	}
	if key, pressed := r.take(a, b, now); pressed {
		r.onKey(key)
	}
}

func (r *receiver) take(a *agreement, b []byte, now time.Time) (rune, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.header.Unmarshal(b)
	if err != nil || r.closed {
		return 0, false
	}
	h, pt := &r.header, r.header.PayloadType&0x7f
	payload, ok := unpadded(h, b[n:])
	var copies []redBlock
	if a.isRED(pt) {
		var own redBlock
		if own, copies, ok = splitRED(payload, &r.blocks); !ok {
			return 0, false
		}
		pt, payload = own.pt, own.data
	}
	codec, rate := a.receive[pt], a.events[pt]
	if rate == 0 {
		r.keys.follow(h.SSRC, h.SequenceNumber)
	}
	if codec.Name != "" && !r.listensTo(h.SSRC, now) {
		return 0, false
	}
	r.heard = now
	r.total.packets++
	r.total.bytes += uint64(len(b) - n)
	if h.SSRC == r.source.ssrc && !r.audio.IsZero() {
		r.source.packet(h, codec.ClockRate, now)
	}
	if rate != 0 {
		return r.keys.packet(h, rate, b[n:], now)
	}
	if codec.Name == "" {
		r.total.unknown++
		return 0, false
	}
	if ok {
		r.push(payload, 0, codec, now)
		for _, c := range copies {
			if codec := a.receive[c.pt]; codec.Name != "" && len(c.data) > 0 && c.offset > 0 {
				r.push(c.data, c.offset, codec, now)
			}
		}
	}
	return 0, false
}

// unpadded is a payload without padding (RFC 3550 section 5.1). ok is false if that is longer than
// the packet, or the payload than one that a network carries.
func unpadded(h *rtp.Header, b []byte) (payload []byte, ok bool) {
	n := len(b)
	if h.Padding {
		if n == 0 {
			return nil, false
		}
		n -= int(b[n-1])
	}
	if n < 0 || n > MaxPayload {
		return nil, false
	}
	return b[:n], true
}

// listensTo follows the source of the audio: a new SSRC replaces the one before, whose
// packets are then refused as long as the new one is heard. So nothing is heard twice
// when early media and the answered call overlap. Packets that are no audio change
// nothing: keys may have an SSRC of their own.
func (r *receiver) listensTo(ssrc uint32, now time.Time) bool {
	switch {
	case r.audio.IsZero():
		r.source, r.before = source{ssrc: ssrc}, ssrc
	case ssrc == r.source.ssrc:
	case ssrc == r.before && now.Sub(r.audio) < oldSource:
		return false
	default:
		r.before, r.source = r.source.ssrc, source{ssrc: ssrc}
	}
	r.audio = now
	return true
}

// push keeps an audio packet, or a copy that it carried of one that is older by so much.
func (r *receiver) push(payload []byte, older uint32, codec Codec, now time.Time) {
	if r.count == queueLength {
		r.head = (r.head + 1) % queueLength
		r.count--
		r.total.late++
	}
	p := &r.slots[(r.head+r.count)%queueLength]
	h := &r.header
	*p = Packet{SSRC: h.SSRC, Seq: h.SequenceNumber, Timestamp: h.Timestamp - older, Marker: h.Marker, Copy: older,
		Codec: codec, Payload: append(p.Payload[:0], payload...), Arrival: now}
	r.count++
}

// drain gives take the packets that wait, the oldest first.
func (r *receiver) drain(take func(*Packet)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return io.EOF
	}
	for ; r.count > 0; r.count-- {
		p := &r.slots[r.head]
		r.head = (r.head + 1) % queueLength
		if time.Since(p.Arrival) > staleAfter {
			r.total.late++
			continue
		}
		take(p)
	}
	return nil
}

func (r *receiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}
