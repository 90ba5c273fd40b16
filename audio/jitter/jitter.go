// Package jitter puts the packets of one audio stream back in order and says,
// every few milliseconds, what to play: a packet, a repair, or nothing yet.
//
// It is a pure structure: no goroutine, no clock, no decoder. It sees arrival
// times and RTP headers and refuses to know what a payload means.
//
//	Put ──▶ slots by sequence number ──▶ Next: Play, Recover, Conceal, Idle
//	  └──▶ transit times ──▶ target delay
//
// Time. A packet's media time is its timestamp in the receiver's clock, up to a
// constant; its transit is arrival minus media time. The smallest transit of
// the last seconds is the base: how long a packet takes that meets no queue.
// The delay of playback is how much later than base a packet is played. A packet
// whose transit exceeds base by j is in time if it is asked for at least j after base: its slack, which is the
// delay less what is still to be heard before it then. A high quantile of j is the slack that is needed. Packets are asked for
// every 10 ms, so that the slack changes in steps of that, and the target is the least delay of the smallest
// step that is enough. Compared with counting queued packets this
// works for any packet duration, for silence suppression and across loss. Where packets
// are lost and others can mend that, the target is longer if what they mend is worth it.
package jitter

import "time"

// MaxPayload is the largest payload that is taken, in bytes.
const MaxPayload = 1500

const (
	slots = 128 // a power of two: 2.56 s of 20 ms packets

	// RFC 3550 appendix A.1: a jump forward by more than maxDropout or back by
	// more than maxMisorder is a restarted sender, if the next packet agrees.
	maxDropout  = 3000
	maxMisorder = 100

	// discontinuity is the growth of transit that begins a new timeline.
	discontinuity = time.Second
	// leap is how far a timestamp may be from where its sequence number expects it,
	// for all that networks and pauses do; further off, it may be of a new timeline.
	leap = 200 * time.Millisecond
	// early is how much more than the slack may wait when packets are thrown away to catch up.
	early = 5 * time.Millisecond
	// concealStep is the longest repair at once.
	concealStep = 10 * time.Millisecond
	// askStep is how often the caller asks for more: what comes in between is as late as what
	// comes then.
	askStep = 10 * time.Millisecond
	// nearly is how much less slack than is needed will do, or the target would change by a step and back.
	nearly = 2 * time.Millisecond
	// reserve is how much is still to be heard when a packet is asked for, at best: with less, clocks that
	// differ would soon have it asked for a step earlier.
	reserve = time.Millisecond
	// dryAfter is how long nothing may come before the stream counts as paused;
	// when it comes back, playback waits for the target delay anew.
	dryAfter = 100 * time.Millisecond
	// finest is the resolution of repairs: the shortest Opus frame.
	finest = 2500 * time.Microsecond
	// foreign is how long a sender that was replaced stays ignored while its
	// successor is heard.
	foreign = 500 * time.Millisecond
)

// Config bounds the delay. The zero value takes the defaults.
type Config struct {
	Floor time.Duration // least slack; default 12 ms
	Ceil  time.Duration // greatest slack; default 200 ms
	// Excess is how much more audio than the target may wait before packets are
	// thrown away; less is for time-scale modification to mend. Default 150 ms.
	Excess time.Duration
	// Eager plays the first packet of a sender as soon as it comes, instead of
	// waiting for the target delay: whoever stretches the audio reaches that
	// soon enough, and the far end is heard earlier.
	Eager bool
}

// Packet is an RTP packet as far as it matters here.
type Packet struct {
	SSRC      uint32
	Seq       uint16
	Timestamp uint32
	ClockRate int    // of Timestamp, Hz
	Samples   int    // duration in units of ClockRate
	Codec     int    // whatever tells decoders apart
	Repairs   bool   // the payload can stand in for the packet before it
	Payload   []byte // copied by Put
}

// Verdict says what became of a packet.
type Verdict int

// What can become of a packet.
const (
	Taken     Verdict = iota
	Duplicate         // already here
	Late              // its time is over
	Foreign           // of a sender that was replaced, or a stray
	Malformed         // no duration, too large
)

// Kind says what to play next.
type Kind int

// What can be played next.
const (
	Idle    Kind = iota // nothing has come yet, or nothing comes any more
	Play                // decode Payload
	Recover             // Samples are lost directly before Payload: repair from it
	Conceal             // Samples are missing: continue what was heard
)

// Action is the answer of [Buffer.Next].
type Action struct {
	Kind    Kind
	Payload []byte // of Play and Recover; valid until the next call of Put
	Codec   int    // of Payload, or of the last packet played
	// Duration is how much audio to make. For Play it is what the header of the
	// payload promises.
	Duration time.Duration
	// Fresh is set on the first Play of a sender: forget all decoder state.
	Fresh bool
	// Jump is set on Play when waiting packets were thrown away to catch up.
	Jump bool
}

// Stats counts packets since New, and shows delays.
type Stats struct {
	Received  uint64 // every packet that was given to Put
	Lost      uint64 // never came, or too late to be played
	Late      uint64 // of these, the ones that came too late
	Duplicate uint64
	Discarded uint64        // thrown away to catch up
	Mended    uint64        // played by a copy that another packet carried
	Repaired  uint64        // of Lost, the ones for which a packet that could do so stood in
	Target    time.Duration // delay aimed at, for packets that are asked for as the last one was
	Delay     time.Duration // delay of the packet played last
	Jitter    time.Duration // by how much nearly all packets are late at most
}

type slot struct {
	used     bool
	seq      uint16
	codec    int
	at       time.Duration // media time
	duration time.Duration
	came     time.Duration
	copied   bool // it is a copy that another packet carried
	missed   bool // not used: seq was given up, and nothing of it has come since
	repairs  bool
	n        int
	payload  [MaxPayload]byte
}

// Buffer is a jitter buffer. It belongs to one goroutine and does not allocate
// after New.
type Buffer struct {
	cfg   Config
	slots [slots]slot
	stats Stats
	delay estimator

	// The sender.
	known   bool
	ssrc    uint32
	clock   int
	codec   int
	newest  uint16        // sequence number received last in order
	bad     int           // sequence number that would confirm a restart; -1 none
	stamp   uint32        // timestamp of newest
	at      time.Duration // media time of newest
	transit time.Duration // of newest, by that time
	heard   time.Duration // arrival of the last packet taken
	old     [4]uint32     // senders that were replaced
	oldN    int

	// Playback.
	running bool
	waiting int           // packets in slots
	nextSeq uint16        // of the next packet to be played
	next    time.Duration // its media time if nothing is lost
	extra   time.Duration // concealed since without advancing next
	ahead   time.Duration // what was still to be heard when the last packet was played
	gap     bool          // the packet before the first is missing
	jump    bool          // for the Action of the next Play
	fresh   bool          // likewise
}

// New returns an empty buffer.
func New(c Config) *Buffer {
	if c.Floor <= 0 {
		c.Floor = 12 * time.Millisecond
	}
	if c.Ceil < c.Floor {
		c.Ceil = max(c.Floor, 200*time.Millisecond)
	}
	if c.Excess <= 0 {
		c.Excess = 150 * time.Millisecond
	}
	return &Buffer{cfg: c, bad: -1, delay: newEstimator()}
}

// Stats returns counters and delays.
func (b *Buffer) Stats() Stats {
	s := b.stats
	s.Target, s.Jitter = b.slack()+reserve, b.delay.quantile()
	return s
}

// Reset forgets the stream and its timing, not the counters.
func (b *Buffer) Reset() {
	s, c := b.stats, b.cfg
	s.Delay = 0
	b.empty()
	*b = Buffer{cfg: c, stats: s, bad: -1, delay: newEstimator(), slots: b.slots}
}

// empty throws all packets away, and what is known of those that did not come.
func (b *Buffer) empty() {
	for i := range b.slots {
		b.slots[i].used, b.slots[i].missed = false, false
	}
	b.waiting = 0
}

// slack is how long before it is asked for a packet that met no queue has to be here: of what is possible,
// a step apart from what the last packet had, the least that is enough, or more if that mends enough.
func (b *Buffer) slack() time.Duration {
	least := b.least()
	over := (b.stats.Delay - b.ahead - least) % askStep
	if over < -nearly {
		over += askStep
	}
	return b.worth(least + over)
}

// least is the slack that nearly all packets need.
func (b *Buffer) least() time.Duration { return max(b.delay.quantile(), b.cfg.Floor) }

// worth is the slack from so much on that is worth it for what is mended.
func (b *Buffer) worth(least time.Duration) time.Duration {
	return min(b.delay.worth(least, askStep), b.cfg.Ceil)
}

// delayOf is the delay that s would have if its first sample were heard at t.
func (b *Buffer) delayOf(s *slot, t time.Duration) time.Duration {
	return t - s.at - b.delay.base()
}

// first returns the oldest packet waiting, or nil.
func (b *Buffer) first() *slot {
	if b.waiting == 0 {
		return nil
	}
	for k := range uint16(slots) {
		if s := &b.slots[(b.nextSeq+k)%slots]; s.used {
			return s
		}
	}
	return nil
}

// Ready tells whether the next packet in order is here, so that Next will
// return Play.
func (b *Buffer) Ready() bool {
	s := &b.slots[b.nextSeq%slots]
	return b.running && s.used && s.at-b.next-b.extra < finest
}

// Next says what to play. now is the receiver's clock, the one of Put's arrival;
// ahead is how much audio from earlier calls is still to be heard before this.
func (b *Buffer) Next(now, ahead time.Duration) Action {
	s := b.first()
	switch {
	case !b.running:
		eager := b.cfg.Eager && b.fresh
		if s == nil || !eager && b.delayOf(s, now) < b.worth(b.least())-nearly {
			return Action{Kind: Idle, Codec: b.codec, Duration: concealStep}
		}
		b.running = true
		return b.play(b.catchUp(s), now, ahead)
	case s == nil:
		b.extra += concealStep
		if b.extra > dryAfter {
			b.running = false
		}
		return Action{Kind: Conceal, Codec: b.codec, Duration: concealStep}
	}
	if b.queued(s) > b.slack()+b.cfg.Excess {
		return b.play(b.catchUp(s), now, ahead)
	}
	whole := (s.at - b.next).Truncate(finest)
	gap := (whole - b.extra).Truncate(finest)
	if s.repairs && s.seq != b.nextSeq && gap < s.duration && whole >= s.duration && b.extra <= whole {
		gap = s.duration // the repair comes late: all of it is worth more than the delay that it costs
	}
	if gap <= 0 {
		return b.play(s, now, ahead)
	}
	return b.fill(s, gap)
}

// fill repairs the gap before s, step by step.
func (b *Buffer) fill(s *slot, gap time.Duration) Action {
	lost := b.passTo(s)
	if lost && gap <= s.duration {
		b.next, b.extra = s.at, 0
		if s.repairs {
			b.stats.Repaired++
		}
		return Action{Kind: Recover, Payload: s.payload[:s.n], Codec: s.codec, Duration: gap}
	}
	step := min(gap, concealStep)
	if lost && gap-s.duration >= finest {
		step = min(gap-s.duration, concealStep) // keep the last packet's worth for Recover
	}
	b.next += step
	return Action{Kind: Conceal, Codec: b.codec, Duration: step}
}

// passTo gives up the packets before s and tells whether the one directly
// before it is missing, as opposed to a sender that was silent.
func (b *Buffer) passTo(s *slot) bool {
	if s.seq != b.nextSeq {
		b.gap = true
	}
	b.skipTo(s)
	return b.gap
}

// skipTo moves on to s. If it can stand in for the packet before it, that one came as
// late as s did.
func (b *Buffer) skipTo(s *slot) {
	if s.seq != b.nextSeq && s.repairs {
		b.delay.mended(s.came - s.at + s.duration)
	}
	b.skip(s.seq)
	if s.repairs {
		b.slots[(s.seq-1)%slots].missed = false
	}
}

// skip moves on to seq; what is before it was lost.
func (b *Buffer) skip(seq uint16) {
	b.stats.Lost += uint64(seq - b.nextSeq)
	if int16(seq-b.nextSeq) < slots {
		for ; b.nextSeq != seq; b.nextSeq++ {
			l := &b.slots[b.nextSeq%slots]
			l.missed, l.seq = true, b.nextSeq
		}
	}
	b.nextSeq = seq
}

// queued is how far what is here reaches beyond the start of s. Unlike the delay,
// it does not take a slow sender for a late one.
func (b *Buffer) queued(s *slot) time.Duration { return b.at - s.at }

// catchUp throws packets away until no more than the target waits.
func (b *Buffer) catchUp(s *slot) *slot {
	for b.waiting > 1 && b.queued(s) > b.slack()+early {
		b.take(s)
		b.stats.Discarded++
		b.jump = true
		s = b.first()
	}
	return s
}

// take removes s, the first packet, from the queue.
func (b *Buffer) take(s *slot) {
	b.skipTo(s)
	b.nextSeq++
	s.used, s.missed = false, false
	b.waiting--
}

func (b *Buffer) play(s *slot, now, ahead time.Duration) Action {
	b.stats.Delay, b.ahead = b.delayOf(s, now+ahead), ahead
	if s.copied {
		b.stats.Mended++
	}
	a := Action{
		Kind: Play, Payload: s.payload[:s.n], Codec: s.codec, Duration: s.duration,
		Fresh: b.fresh, Jump: b.jump,
	}
	b.take(s)
	b.next, b.extra = s.at+s.duration, 0
	b.codec, b.jump, b.fresh, b.gap = s.codec, false, false, false
	return a
}
