package rtc

import (
	"strconv"
	"strings"

	"intercomd/phone/rtc/sdpfix"
)

// Redundant audio data (RFC 2198): a packet carries, before its own payload, copies of earlier ones.
// It is agreed on as a payload type of its own, which names those it may carry.

const (
	redName = "red"
	ptRED   = 63 // what browsers offer

	// redLatest bounds the offset of a copy: 14 bits (RFC 2198 §3).
	redLatest = 1<<14 - 1
	// redLongest bounds its length: 10 bits.
	redLongest = 1<<10 - 1
	// redBlocks is how many copies of a received packet are looked at.
	redBlocks = 8
	// redRoom is the largest packet that is made: what fits every path (RFC 8200 §5), with all headers.
	redRoom = 1200
)

// redCopies are the earlier packets that each one carries, by how many packets they are older. The
// second is three packets off, not two: so both outlive a burst of 60 ms, and two packets that are
// lost each by itself are no worse off.
func redCopies() [2]int { return [2]int{1, 3} }

// redFormat is the offered form for an Opus of the given payload type.
func redFormat(pt, opus uint8) sdpfix.Format {
	n := strconv.Itoa(int(opus))
	return sdpfix.Format{PT: pt, Name: redName, ClockRate: 48000, Channels: 2, Fmtp: n + "/" + n}
}

// redOf finds, among the formats of the far end, the redundancy for its Opus: one that names no
// other payload type, as far as it names any.
func redOf(theirs []sdpfix.Format) (sdpfix.Format, bool) {
	opus, ok := find(theirs, sdpfix.Format{Name: "opus", ClockRate: 48000})
	if !ok {
		return sdpfix.Format{}, false
	}
	for _, f := range theirs {
		if f.Is(redName) && f.ClockRate == opus.ClockRate && namesOnly(f.Fmtp, opus.PT) {
			return f, true
		}
	}
	return sdpfix.Format{}, false
}

func namesOnly(fmtp string, pt uint8) bool {
	if fmtp == "" {
		return true
	}
	for n := range strings.SplitSeq(fmtp, "/") {
		if strings.TrimSpace(n) != strconv.Itoa(int(pt)) {
			return false
		}
	}
	return true
}

// redBlock is one part of a packet.
type redBlock struct {
	pt     uint8
	offset uint32 // how much earlier than the packet its timestamp is
	data   []byte
}

// splitRED takes a packet's payload apart. What is the packet's own comes last in it and is returned
// by itself; the copies before it, the oldest first, are written to room, the newest of them if there
// are more. They share the memory of b. ok is false for a payload that is malformed.
func splitRED(b []byte, room *[redBlocks]redBlock) (own redBlock, copies []redBlock, ok bool) {
	end := 0
	for end < len(b) && b[end]&0x80 != 0 {
		end += 4
	}
	if end >= len(b) {
		return redBlock{}, nil, false
	}
	own.pt, own.data = b[end]&0x7f, b[end+1:]
	n := 0
	for h := b[:end]; len(h) > 0; h = h[4:] {
		size := int(h[2]&3)<<8 | int(h[3])
		if size > len(own.data) {
			return redBlock{}, nil, false
		}
		if n == redBlocks {
			n = copy(room[:], room[1:])
		}
		room[n] = redBlock{pt: h[0] & 0x7f, offset: uint32(h[1])<<6 | uint32(h[2])>>2, data: own.data[:size]}
		own.data = own.data[size:]
		n++
	}
	return own, room[:n], true
}

// redHistory keeps what was sent last, and makes packets that carry it again. It belongs to the
// sender and is guarded by its mutex.
type redHistory struct {
	sent [4]struct { // of the last packets; a power of two
		ts   uint32
		size int // 0: none, or too long to be copied
		data [redLongest]byte
	}
	next int
	buf  [redRoom]byte
}

// keep remembers a payload for the packets that follow.
func (r *redHistory) keep(ts uint32, payload []byte) {
	s := &r.sent[r.next]
	r.next = (r.next + 1) % len(r.sent)
	s.ts, s.size = ts, 0
	if len(payload) <= len(s.data) {
		s.size = copy(s.data[:], payload)
	}
}

// wrap makes the payload of a packet, of type red, that carries copies of as many earlier ones of type pt
// as are asked for, as far as they came right before it and fit. It is valid until the next call. A payload that
// is too long to be carried so is returned as it is.
func (r *redHistory) wrap(pt, red uint8, ts, samples uint32, payload []byte, copies int) (uint8, []byte) {
	all := redCopies()
	var take [len(all)]int // places in sent, the newest first
	n, size := 0, 1+len(payload)
	for _, back := range all[:min(copies, len(all))] {
		at := (r.next - back + len(r.sent)) % len(r.sent)
		s := &r.sent[at]
		// A pause, digits or another codec lie between: its number would not be what the far end takes it for.
		offset := ts - s.ts
		if s.size == 0 || offset != uint32(back)*samples || offset > redLatest || size+4+s.size > len(r.buf) {
			continue
		}
		take[n], size = at, size+4+s.size
		n++
	}
	if size > len(r.buf) {
		return pt, payload
	}
	out := r.buf[:0]
	for i := n - 1; i >= 0; i-- {
		s := &r.sent[take[i]]
		offset := ts - s.ts
		out = append(out, 0x80|pt, byte(offset>>6), byte(offset<<2)|byte(s.size>>8), byte(s.size))
	}
	out = append(out, pt)
	for i := n - 1; i >= 0; i-- {
		s := &r.sent[take[i]]
		out = append(out, s.data[:s.size]...)
	}
	return red, append(out, payload...)
}
