package rtc

import (
	"io"
	"sync"
	"time"

	"github.com/pion/rtp"
)

const (
	queueLength = 64                     // packets: more than a second of audio
	staleAfter  = 250 * time.Millisecond // audio that waited longer for its reader is dropped
	oldSource   = 2 * time.Second        // how long packets of the source before are refused
)

// receiver takes decrypted RTP packets from the transport and hands audio to one
// reader, key presses to a function. Its queue holds what comes while the reader
// is busy; when nobody reads, what is in it grows old and is dropped, so that a
// reader who comes late does not begin with the past.
//
// packet is called by pion's goroutines, read by the audio side; a mutex guards all.
type receiver struct {
	onKey func(rune)

	mu     sync.Mutex
	ready  sync.Cond
	closed bool
	slots  [queueLength]slot // slots keep their memory
	head   int
	count  int

	ssrc    uint32 // of the source that is heard
	before  uint32 // and of the one before it
	changed time.Time
	heard   time.Time // last packet of any kind
	source  source
	keys    keyDetector
	header  rtp.Header // reused
	total   counters
}

type slot struct {
	packet []byte
	at     time.Time
}

type counters struct {
	packets uint64 // RTP packets, digits included
	bytes   uint64 // payload
	late    uint64 // audio packets dropped because nobody read them in time
	unknown uint64 // packets with a payload type that was not agreed
}

func newReceiver(onKey func(rune)) *receiver {
	r := &receiver{onKey: onKey}
	r.ready.L = &r.mu
	return r
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
	h := &r.header
	if !r.listensTo(h.SSRC, now) {
		return 0, false
	}
	r.heard = now
	r.total.packets++
	r.total.bytes += uint64(len(b) - n)
	pt := h.PayloadType & 0x7f
	if rate := a.events[pt]; rate != 0 {
		r.source.packet(h, 0, now)
		return r.keys.packet(h.SequenceNumber, h.Timestamp, h.Marker, rate, b[n:])
	}
	codec := a.receive[pt]
	if codec.Name == "" {
		r.total.unknown++
		r.source.packet(h, 0, now)
		return 0, false
	}
	r.source.packet(h, codec.ClockRate, now)
	r.push(b, now)
	return 0, false
}

// listensTo follows the source: a new SSRC replaces the one before, whose packets
// are then refused for a while. So nothing is heard twice when early media and the
// answered call overlap.
func (r *receiver) listensTo(ssrc uint32, now time.Time) bool {
	if ssrc == r.ssrc && r.source.started {
		return true
	}
	if r.source.started && ssrc == r.before && now.Sub(r.changed) < oldSource {
		return false
	}
	r.before, r.ssrc, r.changed = r.ssrc, ssrc, now
	r.source = source{ssrc: ssrc}
	r.keys = keyDetector{}
	return true
}

func (r *receiver) push(b []byte, now time.Time) {
	if r.count == queueLength {
		r.head = (r.head + 1) % queueLength
		r.count--
		r.total.late++
	}
	s := &r.slots[(r.head+r.count)%queueLength]
	s.packet = append(s.packet[:0], b...)
	s.at = now
	r.count++
	r.ready.Signal()
}

// read waits for the next audio packet, copies it to buf and points p into it.
func (r *receiver) read(buf []byte, p *rtp.Packet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for r.count == 0 && !r.closed {
			r.ready.Wait()
		}
		if r.closed {
			return io.EOF
		}
		s := &r.slots[r.head]
		r.head = (r.head + 1) % queueLength
		r.count--
		if time.Since(s.at) > staleAfter {
			r.total.late++
			continue
		}
		if len(s.packet) > len(buf) {
			return io.ErrShortBuffer
		}
		n := copy(buf, s.packet)
		if err := p.Unmarshal(buf[:n]); err != nil {
			continue // padding that is longer than the packet
		}
		return nil
	}
}

func (r *receiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.ready.Broadcast()
}
