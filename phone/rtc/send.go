package rtc

import (
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Pacing of digits that we send (RFC 4733 §2.5.1): long enough for every
// gateway, short enough for a code of six.
const (
	keyOn       = 100 * time.Millisecond
	keyGap      = 70 * time.Millisecond
	keyStep     = 20 * time.Millisecond  // between the packets of an event
	keyEnds     = 3                      // how often the last one is sent
	keyVolume   = 10                     // -dBm0
	maxPending  = 64                     // digits that wait to be sent
	keyPatience = 5 * time.Second        // that the first packet of a digit waits for a connection
	clockStands = 500 * time.Millisecond // without frames: longer than a stall of the sound card that is made up for
)

// sender numbers and stamps what goes out. Sequence number, timestamp and SSRC go
// on over a change of transport or codec. Audio frames come from the audio side,
// digits from a goroutine that lives as long as there are some; a mutex guards all.
type sender struct {
	write func(*rtp.Header, []byte) (int, error) // 0 bytes: not connected, nothing was sent
	done  <-chan struct{}                        // closed at the session's end
	lost  func(digits int)                       // told of digits that could not be sent; may be nil, must not block
	wait  sync.WaitGroup                         // the goroutine of digits

	mu      sync.Mutex
	closed  bool
	agreed  *agreement
	header  rtp.Header // reused
	seq     uint16
	ts      uint32    // of the next audio frame
	due     time.Time // when that frame should come; zero before the first one
	gap     bool      // the last frame was not sent: the next one begins a talk spurt
	keying  bool      // an event is going out: audio is held back
	keyed   bool      // eventTS is set
	eventTS uint32    // the earliest timestamp for the next event
	pending []rune
	running bool

	packets, octets uint32 // sent, as RTCP counts
	lastTS          uint32 // of the last packet that was sent
	lastAt          time.Time
	clock           int // Hz of lastTS
	rtt             time.Duration
	loss            lossFollower
	copies          redHistory
	remoteLost      uint8
	remoteJitter    uint32
}

func newSender(write func(*rtp.Header, []byte) (int, error), done <-chan struct{}) *sender {
	return &sender{
		write: write, done: done, gap: true,
		ts:  rand.Uint32(),               //nolint:gosec // RFC 3550 §5.1 wants it random; SRTP keeps it from being guessed
		seq: uint16(rand.Uint32() >> 17), //nolint:gosec // below 2^15, so that loss of the first packets cannot hide a wrap
	}
}

// agree sets what is sent from now on.
func (s *sender) agree(a *agreement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agreed = a
}

func (s *sender) muted() bool {
	return s.agreed == nil || s.agreed.held || !s.agreed.direction.Sends()
}

// frame sends one audio frame. The clock goes on even when nothing is sent.
func (s *sender) frame(payload []byte, samples uint32, marker bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return io.ErrClosedPipe
	}
	now := time.Now()
	s.keepTime(now)
	ts := s.ts
	s.ts += samples
	s.due = now.Add(s.duration(samples))
	if s.keying || s.muted() {
		s.gap = true
		return nil
	}
	pt := s.agreed.send.PayloadType
	if red := s.red(); red != 0 {
		own := payload
		if s.loss.copies > 0 {
			pt, payload = s.copies.wrap(pt, red, ts, samples, payload, s.loss.copies)
		}
		s.copies.keep(ts, own)
	}
	if !s.packet(pt, ts, marker || s.gap, payload) {
		s.gap = true
		return nil
	}
	s.gap = false
	s.lastTS, s.lastAt, s.clock = ts, now, s.agreed.send.ClockRate
	return nil
}

// keepTime lets the clock go on while there are no frames: RTP timestamps are those of
// the sampling instant (RFC 3550 §5.1), whether somebody talks or not.
func (s *sender) keepTime(now time.Time) {
	if s.due.IsZero() || s.agreed == nil {
		s.due = now
		return
	}
	if late := now.Sub(s.due); late > clockStands {
		s.ts += units(late, s.agreed.send.ClockRate)
		s.due = now
	}
}

// duration is the length of so many samples of the agreed codec.
func (s *sender) duration(samples uint32) time.Duration {
	if s.agreed == nil || s.agreed.send.ClockRate <= 0 {
		return 0
	}
	return time.Duration(samples) * time.Second / time.Duration(s.agreed.send.ClockRate)
}

// packet sends one RTP packet and reports whether it went out. Packets that do
// not go out use no sequence number, so the far end does not count them as lost.
func (s *sender) packet(pt uint8, ts uint32, marker bool, payload []byte) bool {
	s.header.Version = 2
	s.header.PayloadType = pt
	s.header.SequenceNumber = s.seq
	s.header.Timestamp = ts
	s.header.Marker = marker
	n, err := s.write(&s.header, payload)
	if err != nil || n == 0 {
		return false
	}
	s.seq++
	s.packets++
	s.octets += uint32(len(payload))
	return true
}

// digits queues keys and sees that somebody sends them. It returns how many were
// refused because they are no keys, because too many wait, or because the far end
// does not take telephone-event.
func (s *sender) digits(keys string) (refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if _, ok := eventCode(key); !ok || s.closed || len(s.pending) >= maxPending || !s.canKey() {
			refused++
			continue
		}
		s.pending = append(s.pending, key)
	}
	if len(s.pending) > 0 && !s.running {
		s.running = true
		s.wait.Go(s.sendDigits)
	}
	return refused
}

func (s *sender) canKey() bool { return s.agreed != nil && s.agreed.digits.Name != "" }

func (s *sender) sendDigits() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := func(d time.Duration) bool {
		timer.Reset(d)
		select {
		case <-timer.C:
			return true
		case <-s.done:
			return false
		}
	}
	<-timer.C
	for {
		code, ok := s.nextDigit()
		if !ok || !s.sendDigit(code, pause) {
			return
		}
	}
}

func (s *sender) nextDigit() (uint8, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 || s.closed {
		s.running = false
		return 0, false
	}
	code, _ := eventCode(s.pending[0])
	s.pending = s.pending[1:]
	return code, true
}

// sendDigit sends one event: a packet every 20 ms whose duration grows, the last
// one three times, then the gap. Its first packet waits for the connection.
func (s *sender) sendDigit(code uint8, pause func(time.Duration) bool) bool {
	var ts uint32
	for waited := time.Duration(0); ; waited += keyStep {
		ts = s.beginDigit()
		if s.sendEvent(event{code: code, volume: keyVolume}, ts, keyStep, true) {
			break
		}
		if waited >= keyPatience {
			s.giveUp()
			return true
		}
		if !pause(keyStep) {
			return false
		}
	}
	for at := 2 * keyStep; at <= keyOn; at += keyStep {
		if !pause(keyStep) {
			return false
		}
		s.sendEvent(event{code: code, volume: keyVolume, end: at == keyOn}, ts, at, false)
	}
	for range keyEnds - 1 {
		if !pause(keyStep) {
			return false
		}
		s.sendEvent(event{code: code, volume: keyVolume, end: true}, ts, keyOn, false)
	}
	if !pause(keyStep) {
		return false
	}
	s.mu.Lock()
	s.keying = false
	s.mu.Unlock()
	return pause(keyGap - (keyEnds-1)*keyStep)
}

// giveUp drops the digits that wait: a code that is sent in part is of no use.
func (s *sender) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keying = false
	if s.lost != nil {
		s.lost(1 + len(s.pending))
	}
	s.pending = nil
}

// beginDigit holds the audio back and returns the timestamp of the event: that of
// the audio, but never one that was used before, and never 0, which FreeSWITCH takes
// for no event at all.
func (s *sender) beginDigit() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keying = true
	s.keepTime(time.Now())
	if ahead := s.eventTS - s.ts; s.keyed && int32(ahead) > 0 {
		s.ts = s.eventTS
		s.due = s.due.Add(s.duration(ahead))
	}
	if s.ts == 0 {
		s.ts = 1
	}
	return s.ts
}

// sendEvent sends one packet of an event and reports whether it went out.
func (s *sender) sendEvent(e event, ts uint32, duration time.Duration, marker bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.muted() || !s.canKey() {
		return false
	}
	e.duration = uint16(units(duration, s.agreed.digits.ClockRate))
	var b [eventSize]byte
	if !s.packet(s.agreed.digits.PT, ts, marker, e.marshal(&b)) {
		return false
	}
	s.gap = true
	s.keyed, s.eventTS = true, ts+units(keyOn+keyGap, s.agreed.send.ClockRate)
	return true
}

// units is a duration in the units of a clock.
func units(d time.Duration, rate int) uint32 {
	return uint32(int64(d) * int64(rate) / int64(time.Second))
}

func (s *sender) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}

// progress reports what a sender report needs; ok is false while nothing was sent.
func (s *sender) progress(now time.Time) (packets, octets, ts uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastAt.IsZero() || now.Sub(s.lastAt) > 2*reportInterval {
		return 0, 0, 0, false
	}
	return s.packets, s.octets, s.lastTS + units(now.Sub(s.lastAt), s.clock), true
}

// reported takes what the far end says about our packets.
func (s *sender) reported(reports []rtcp.ReceptionReport, ssrc uint32, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range reports {
		if r.SSRC != ssrc {
			continue
		}
		s.remoteLost, s.remoteJitter = r.FractionLost, r.Jitter
		if !s.lastAt.IsZero() && now.Sub(s.lastAt) < reportInterval { // else it tells of digits, or of nothing
			s.loss.report(float64(r.FractionLost)/256, s.red() != 0, now)
		}
		if r.LastSenderReport == 0 {
			continue
		}
		// RFC 3550 §6.4.1, in units of 1/65536 s.
		took := uint32(ntp(now)>>16) - r.LastSenderReport - r.Delay
		if rtt := time.Duration(took) * time.Second / 65536; rtt < 10*time.Second {
			s.rtt = rtt
		}
	}
}

// red is the payload type by which the far end takes copies; 0: it takes none.
func (s *sender) red() uint8 {
	if s.agreed == nil {
		return 0
	}
	return s.agreed.red[1]
}

// spends says whether the far end has reported that as good as nothing is lost, and how many copies
// each packet carries.
func (s *sender) spends() (clean bool, copies int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.red() != 0 {
		copies = s.loss.copies
	}
	return s.loss.known && !s.loss.some, copies
}

func (s *sender) fill(out *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Sent = uint64(s.packets)
	out.RTT = s.rtt
	out.RemoteLost = float64(s.remoteLost) / 256
	if s.clock > 0 {
		out.RemoteJitter = time.Duration(s.remoteJitter) * time.Second / time.Duration(s.clock)
	}
}
