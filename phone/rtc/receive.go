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
	oldSource   = 200 * time.Millisecond // of silence of a source, after which the one before may come back
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

	source source    // of the audio that is heard
	before uint32    // SSRC of the one before it
	audio  time.Time // last audio packet of the source that is heard
	heard  time.Time // last RTP packet of any kind
	report time.Time // last RTCP report
	keys   keySources
	header rtp.Header // reused
	total  counters
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
	r.push(b, now)
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
