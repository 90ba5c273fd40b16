package jitter

import "time"

// Put takes a packet that arrived at the given time of the receiver's clock.
func (b *Buffer) Put(p Packet, arrival time.Duration) Verdict {
	b.stats.Received++
	if p.ClockRate <= 0 || p.Samples <= 0 || p.Samples > p.ClockRate || len(p.Payload) > MaxPayload {
		return Malformed
	}
	if !b.known || p.ClockRate != b.clock {
		b.restart(p, arrival)
	} else if v := b.sender(p, arrival); v != Taken {
		return v
	}
	b.heard = arrival

	ahead := int16(p.Seq - b.newest)
	at := b.mediaTime(p, arrival, ahead)
	if b.fresh && ahead < 0 {
		b.nextSeq = min16(p.Seq, b.nextSeq) // nothing was played yet: not too late
	}
	if int16(p.Seq-b.nextSeq) < 0 {
		b.stats.Late++
		b.delay.add(arrival, arrival-at)
		b.missed(p.Seq)
		return Late
	}
	s := &b.slots[p.Seq%slots]
	if s.used && s.seq == p.Seq {
		if !s.copied {
			b.stats.Duplicate++
		}
		return Duplicate
	}
	b.makeRoom(p.Seq)
	b.delay.add(arrival, arrival-at)
	b.store(s, p, at, arrival)
	return Taken
}

// store puts a packet into its slot.
func (b *Buffer) store(s *slot, p Packet, at, arrival time.Duration) {
	s.used, s.seq, s.codec = true, p.Seq, p.Codec
	s.at, s.duration, s.came = at, span(int64(p.Samples), p.ClockRate), arrival
	s.copied, s.missed, s.repairs = false, false, p.Repairs
	s.n = copy(s.payload[:], p.Payload)
	b.waiting++
}

// Mend takes a copy of an earlier packet that a later one carried (RFC 2198): p has the sequence
// number and the timestamp of the packet that was copied, carrier is the sequence number of the one
// that it came in, which has just been put. The copy is taken where the packet itself is missing
// and its time has not passed. It tells nothing of the sender's clock or of the network but how
// late the copy is.
func (b *Buffer) Mend(p Packet, carrier uint16, arrival time.Duration) Verdict {
	c, back := &b.slots[carrier%slots], int(int16(carrier-p.Seq))
	switch {
	case p.Samples <= 0 || p.ClockRate != b.clock || len(p.Payload) > MaxPayload:
		return Malformed
	case !b.known || p.SSRC != b.ssrc || !c.used || c.seq != carrier || back <= 0 || back >= slots:
		return Foreign
	}
	at := c.at - time.Duration(back)*span(int64(p.Samples), b.clock)
	if int16(p.Seq-b.nextSeq) < 0 {
		if b.missed(p.Seq) { // had it been waited for, it would have mended
			b.delay.mended(arrival - at)
		}
		return Late
	}
	s := &b.slots[p.Seq%slots]
	if s.used {
		return Duplicate
	}
	if b.running && at < b.next-finest {
		return Late // its number was that of something else, a digit: it has been heard under another
	}
	for k := 1; k < slots; k++ {
		if o := &b.slots[(carrier-uint16(k))%slots]; o.used && o.at <= at+finest {
			if o.at > at-finest {
				return Duplicate // likewise
			}
			break
		}
	}
	b.delay.mended(arrival - at)
	b.store(s, p, at, arrival)
	s.copied = true
	return Taken
}

// missed tells whether a packet was given up and nothing of it has come since, until now.
func (b *Buffer) missed(seq uint16) bool {
	s := &b.slots[seq%slots]
	if !s.missed || s.seq != seq {
		return false
	}
	s.missed = false
	return true
}

// sender decides whether a packet belongs to the stream that is played.
func (b *Buffer) sender(p Packet, arrival time.Duration) Verdict {
	if p.SSRC != b.ssrc {
		if b.wasReplaced(p.SSRC) && arrival-b.heard < foreign {
			return Foreign
		}
		b.old[b.oldN%len(b.old)] = b.ssrc
		b.oldN++
		b.restart(p, arrival)
		return Taken
	}
	if d := int(int16(p.Seq - b.newest)); d > maxDropout || d < -maxMisorder {
		if int(p.Seq) != b.bad {
			b.bad = int(p.Seq + 1)
			return Foreign
		}
		b.restart(p, arrival)
	}
	b.bad = -1
	return Taken
}

func (b *Buffer) wasReplaced(ssrc uint32) bool {
	for i := range min(b.oldN, len(b.old)) {
		if b.old[i] == ssrc {
			return true
		}
	}
	return false
}

// restart begins a new stream with p, which counts as a packet of usual transit.
// What was learned about jitter stays: the path is likely the same.
func (b *Buffer) restart(p Packet, arrival time.Duration) {
	b.empty()
	b.running, b.extra, b.bad = false, 0, -1
	b.fresh, b.gap, b.jump = true, false, false
	b.known, b.ssrc, b.clock = true, p.SSRC, p.ClockRate
	b.newest, b.nextSeq, b.stamp = p.Seq, p.Seq, p.Timestamp
	b.transit = b.delay.base()
	b.at = arrival - b.transit
	b.delay.rebase(arrival, b.transit)
}

// mediaTime unwraps the timestamp of p, which is ahead packets newer than the newest
// one. A step of the sender's clock is taken out, in either direction: a newer
// sequence number is a newer packet, whatever its timestamp.
func (b *Buffer) mediaTime(p Packet, arrival time.Duration, ahead int16) time.Duration {
	at := b.at + span(int64(int32(p.Timestamp-b.stamp)), b.clock)
	even := b.at + time.Duration(ahead)*span(int64(p.Samples), b.clock) // if nothing was paused or left out
	switch {
	case ahead < 0:
		if at > b.at || even-at > leap { // it comes from before a step
			at = even
		}
		return at
	case ahead > 0 && b.stepped(at, even, arrival):
		at = even
		// What the numbers say can be wrong: digits take some, pauses none.
		if late := arrival - at - b.delay.base(); late < 0 || late > b.slack() {
			at = arrival - b.delay.base()
		}
	}
	b.newest, b.stamp, b.at, b.transit = p.Seq, p.Timestamp, at, arrival-at
	return at
}

// stepped reports whether the timestamp of a newer packet is of another timeline. at is
// the media time by its timestamp, even the one by its sequence number.
func (b *Buffer) stepped(at, even, arrival time.Duration) bool {
	switch transit := arrival - at; {
	case at < b.at:
		return true
	case transit < b.delay.base()-leap && at-even > leap:
		return true // no pause: it would have come before it was sent
	default:
		return transit-b.transit > discontinuity
	}
}

// makeRoom gives up the oldest packets if seq lies beyond the last slot.
func (b *Buffer) makeRoom(seq uint16) {
	for int(seq-b.nextSeq) >= slots {
		s := b.first()
		if s == nil {
			b.skip(seq)
			return
		}
		b.take(s)
		b.stats.Discarded++
		b.jump = true
	}
}

// min16 is the older of two sequence numbers.
func min16(a, b uint16) uint16 {
	if int16(a-b) < 0 {
		return a
	}
	return b
}

// span converts a number of RTP clock units to time.
func span(units int64, clock int) time.Duration {
	return time.Duration(units * int64(time.Second) / int64(clock))
}
