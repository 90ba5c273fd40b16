package rtc

import (
	"io"
	"sync"
	"time"

	"github.com/pion/rtp"
)

const (
	queueLength = 64                     // packets: more than a second of audio
	staleAfter  = 250 * time.Millisecond // audio that waited longer is dropped
	oldSource   = 200 * time.Millisecond // of silence of a source, after which the one before may come back
)

// receiver takes decrypted RTP packets from the transport, keeps audio until somebody comes
// for it, and hands key presses to a function. Its queue is the only one before the jitter
// buffer, and wakes nobody: who plays audio knows when more is needed. When nobody comes, what
// is in it grows old and is dropped, so that who comes late does not begin with the past.
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
	header rtp.Header // reused
	total  counters
}

// Packet is a received audio packet, parsed.
type Packet struct {
	SSRC      uint32
	Seq       uint16
	Timestamp uint32 // in units of Codec.ClockRate
	Marker    bool
	Codec     Codec // that was agreed for its payload type when it came
	Payload   []byte
	Arrival   time.Time
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
	r.push(b, n, codec, now)
	return 0, false
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

// push keeps an audio packet. Its payload begins at n.
func (r *receiver) push(b []byte, n int, codec Codec, now time.Time) {
	end := len(b)
	if r.header.Padding { // RFC 3550 section 5.1
		end -= int(b[end-1])
	}
	if end < n || end-n > MaxPayload {
		return // padding that is longer than the packet, or a packet that nobody could send
	}
	if r.count == queueLength {
		r.head = (r.head + 1) % queueLength
		r.count--
		r.total.late++
	}
	p := &r.slots[(r.head+r.count)%queueLength]
	h := &r.header
	*p = Packet{SSRC: h.SSRC, Seq: h.SequenceNumber, Timestamp: h.Timestamp, Marker: h.Marker,
		Codec: codec, Payload: append(p.Payload[:0], b[n:end]...), Arrival: now}
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
