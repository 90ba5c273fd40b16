package rtc

import (
	"slices"
	"time"

	"github.com/pion/rtp"
)

const (
	// keyWindow is how many packets of the past a late one may belong to: more than
	// a second of them. SRTP's replay protection lets no older ones through.
	keyWindow = 64
	// keyMemory is how many packets of events are remembered.
	keyMemory = 32

	fullEvent = 0xffff // units after which an event goes on in a new segment

	// endSpan is how far apart the timestamps of one press may be in senders that
	// stamp each packet anew. Two presses are further apart: the shortest key that
	// ITU-T Q.24 knows lasts 40 ms, and so does the shortest pause.
	endSpan = 60 * time.Millisecond
	// endGap is the most packets from one repetition of an end to the next but one:
	// audio may go on between them.
	endGap = 6
	// slowest is the longest time between two packets of an event.
	slowest = 60 * time.Millisecond
	// fullSpan is how much of a full segment may be lost with its last packets.
	fullSpan = 400 * time.Millisecond
)

// keyDetector turns telephone-event packets into key presses, one for each press,
// reported as soon as its first packet is there. It is a pure state machine, for
// one source (SSRC) at a time, and knows no clock but that of the packets.
//
// By RFC 4733 all packets of an event carry the timestamp of its beginning, so that
// the timestamp names the press. Senders in the field keep to that so little that
// it only counts as one clue among others:
//
//   - the clock of the source steps back or far forward (FreeSWITCH, when what it
//     plays changes);
//   - it stands still, so that several presses share a timestamp;
//   - it runs on within a press, or only in the packets that repeat its end;
//   - an event longer than 65535 units goes on as a new one, with a new timestamp
//     and no marker, after which it is still one press (RFC 4733 §2.5.1.3).
//
// What all senders keep to is the order of the sequence numbers, a duration that
// grows, and an end that nothing follows. So packets are put in that order, and each
// is held against its neighbours only (see [keyPart.goesOn]).
type keyDetector struct {
	started bool
	newest  uint16             // sequence number of the newest packet of the source
	bad     uint16             // sequence number that would confirm a restarted sender
	doubt   bool               // bad is set
	past    [keyMemory]keyPart // packets of events, oldest first
	n       int                // of past
	presses uint32             // so far
}

// keyPart is a packet of an event, as far as it matters here.
type keyPart struct {
	event
	seq    uint16
	ts     uint32
	marker bool
	rate   int    // Hz of ts and duration
	press  uint32 // the press that it belongs to
}

// follow takes note of a packet of the same source that is no event. Without it the
// detector would lose the order when half the range of sequence numbers passes
// between two presses.
func (k *keyDetector) follow(seq uint16) {
	if k.advance(seq) {
		k.doubt = false
		return
	}
	// A stray from long ago, or a sender that has begun to count anew: then the next
	// packet agrees (RFC 3550 appendix A.1).
	if k.doubt && seq == k.bad {
		*k = keyDetector{started: true, newest: seq, presses: k.presses}
		return
	}
	k.bad, k.doubt = seq+1, true
}

// advance reports whether a packet is of the present, and takes note of it.
func (k *keyDetector) advance(seq uint16) bool {
	if !k.started {
		k.started, k.newest = true, seq
	}
	ahead := int16(seq - k.newest)
	if ahead <= -keyWindow {
		return false
	}
	k.newest += uint16(max(ahead, 0))
	// What is out of sight must not come back when the numbers come round.
	for k.n > 0 && k.newest-k.past[0].seq >= 1<<14 {
		k.n = copy(k.past[:], k.past[1:k.n])
	}
	return true
}

// packet takes one telephone-event packet. rate is the clock of the event in Hz.
// It returns the key if a press begins with this packet.
func (k *keyDetector) packet(seq uint16, ts uint32, marker bool, rate int, payload []byte) (rune, bool) {
	e, ok := parseEvent(payload)
	if !ok || int(e.code) >= len(keys) || rate <= 0 || !k.advance(seq) {
		return 0, false
	}
	p := keyPart{event: e, seq: seq, ts: ts, marker: marker, rate: rate}
	i := k.n // where it belongs
	for i > 0 && int16(k.past[i-1].seq-seq) >= 0 {
		i--
	}
	if i < k.n && k.past[i].seq == seq || i == 0 && k.n == keyMemory {
		return 0, false // it came before, or is older than all that is remembered
	}
	after := i > 0 && p.goesOn(&k.past[i-1])
	before := i < k.n && k.past[i].goesOn(&p)
	// If p parts what was taken for one press, that are two.
	parts := i > 0 && i < k.n && k.past[i-1].press == k.past[i].press && (!after || !before)
	if parts {
		k.renumber(i)
	}
	switch {
	case after:
		p.press = k.past[i-1].press
	case before:
		p.press = k.past[i].press
	default:
		k.presses++
		p.press = k.presses
	}
	k.remember(i, p)
	return rune(keys[e.code]), parts || !after && !before
}

// renumber makes the packets from i on a press of their own.
func (k *keyDetector) renumber(i int) {
	k.presses++
	for was := k.past[i].press; i < k.n && k.past[i].press == was; i++ {
		k.past[i].press = k.presses
	}
}

// remember puts a packet in its place.
func (k *keyDetector) remember(i int, p keyPart) {
	if k.n == keyMemory {
		copy(k.past[:], k.past[1:])
		k.n--
		i--
	}
	copy(k.past[i+1:k.n+1], k.past[i:k.n])
	k.past[i] = p
	k.n++
}

// latest is the newest packet of an event, or nil.
func (k *keyDetector) latest() *keyPart {
	if k.n == 0 {
		return nil
	}
	return &k.past[k.n-1]
}

// inherit makes the last packet of another source the one before the first of this.
func (k *keyDetector) inherit(p keyPart, before uint16) {
	p.seq, p.press = before-1, 0
	k.started, k.newest, k.n = true, p.seq, 1
	k.past[0] = p
}

// goesOn reports whether p belongs to the press of a, the packet of an event that
// comes before it in the order of sequence numbers.
func (p *keyPart) goesOn(a *keyPart) bool {
	if p.code != a.code || p.rate != a.rate {
		return false
	}
	gap := int(p.seq - a.seq) // 1 when nothing was lost between them
	grown := int(p.duration) - int(a.duration)
	switch {
	case a.end && !p.end:
		return false
	case p.marker && !a.marker:
		return false
	case !a.end && p.nextSegment(a):
		return true
	case p.marker && !p.end && (grown < 0 || grown == 0 && gap > 2):
		return false // a sender that marks all packets, or the first ones
	case gap > 16 && p.time(grown) < time.Duration(gap)*2*time.Millisecond:
		return false // so many packets later it had to be longer by more than this
	case p.ts == a.ts:
		return p.sameStamp(grown, gap, a.end)
	case a.end:
		return p.endAgain(a, grown, gap)
	}
	return p.moved(a, grown, gap)
}

// nextSegment reports whether p is of the segment behind that of a. That begins where
// a's was full, or has its timestamp in senders that never move it, or that of now in
// senders that always do.
func (p *keyPart) nextSegment(a *keyPart) bool {
	if p.duration >= a.duration {
		return false
	}
	step, missing := int(int32(p.ts-a.ts)), fullEvent-int(a.duration)
	if missing <= p.units(fullSpan) {
		return step == 0 || abs(step-fullEvent) <= p.units(fullSpan) ||
			abs(step-missing-int(p.duration)) <= p.units(endSpan)
	}
	return missing < fullEvent/2 && abs(step-fullEvent) <= p.units(endSpan)
}

// sameStamp judges a packet of the same timestamp as the one before.
func (p *keyPart) sameStamp(grown, gap int, ended bool) bool {
	switch {
	case ended: // and p is an end as well
		return grown == 0 && gap <= endGap || grown > 0 && gap <= 4
	case grown < 0:
		return p.end && gap <= 3 // the end counted more exactly
	}
	return true
}

// endAgain judges an end after an end of another timestamp: the repetitions of one
// are stamped anew, or it is all that came of the next press.
func (p *keyPart) endAgain(a *keyPart, grown, gap int) bool {
	if grown != 0 || gap > endGap {
		return false
	}
	step := int(int32(p.ts - a.ts))
	if step <= 0 { // the clock has stepped
		return gap == 1 && !p.marker
	}
	return step <= max(int(a.duration), p.units(endSpan))
}

// moved judges a packet whose timestamp differs from that of a, which was no end.
func (p *keyPart) moved(a *keyPart, grown, gap int) bool {
	if grown < 0 {
		return false
	}
	if grown > 0 && (gap <= 3 || int(p.duration) > (gap-1)*p.units(slowest)) {
		return true // between them was no room for an end and another beginning
	}
	step, span := int(int32(p.ts-a.ts)), p.units(endSpan)
	switch {
	case step <= 0:
		return false
	case step < int(a.duration) || step <= span:
		return true // a had not ended yet
	case grown > 0 && abs(step-grown) <= span/2:
		return true // the timestamp keeps pace with the duration
	}
	// An end that is stamped with the time of the end, or of its repetition.
	return p.end && (abs(step-int(p.duration)) <= span || step > grown && step-grown <= span*4/3)
}

// units is a time in the clock of the event.
func (p *keyPart) units(d time.Duration) int { return int(units(d, p.rate)) }

// time is the inverse of units.
func (p *keyPart) time(units int) time.Duration {
	return time.Duration(units) * time.Second / time.Duration(p.rate)
}

func abs(x int) int { return max(x, -x) }

// keySources keeps a detector for each of the sources that send keys: some far ends
// send them with an SSRC and numbers of their own, beside the audio.
type keySources struct {
	list []keySource // the one heard last comes last
}

type keySource struct {
	ssrc uint32
	at   time.Time // of its last event
	keys keyDetector
}

// keySourcesKept bounds the memory that a far end can take up.
const keySourcesKept = 4

// follow takes note of a packet that is no event.
func (k *keySources) follow(ssrc uint32, seq uint16) {
	if i := k.find(ssrc); i >= 0 {
		k.list[i].keys.follow(seq)
	}
}

// packet takes one telephone-event packet and returns the key that it begins.
func (k *keySources) packet(h *rtp.Header, rate int, payload []byte, now time.Time) (rune, bool) {
	i := k.find(h.SSRC)
	if i < 0 {
		i = k.add(h.SSRC, h.SequenceNumber, now)
	}
	s := k.list[i]
	key, pressed := s.keys.packet(h.SequenceNumber, h.Timestamp, h.Marker, rate, payload)
	s.at = now
	k.list = append(slices.Delete(k.list, i, i+1), s)
	return key, pressed
}

func (k *keySources) find(ssrc uint32) int {
	return slices.IndexFunc(k.list, func(s keySource) bool { return s.ssrc == ssrc })
}

// add begins with another source. If a key is down it may be one that the source
// before has begun.
func (k *keySources) add(ssrc uint32, seq uint16, now time.Time) int {
	s := keySource{ssrc: ssrc}
	if n := len(k.list); n > 0 {
		if last := k.list[n-1]; last.keys.latest() != nil && now.Sub(last.at) < oldSource {
			s.keys.inherit(*last.keys.latest(), seq)
		}
	}
	if len(k.list) == keySourcesKept {
		k.list = slices.Delete(k.list, 0, 1)
	}
	k.list = append(k.list, s)
	return len(k.list) - 1
}
