package rtc

import (
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// source keeps the reception statistics of one SSRC (RFC 3550 A.1, A.3, A.8).
// It belongs to the receiver and is guarded by its mutex.
type source struct {
	ssrc     uint32
	started  bool
	base     uint32 // extended sequence numbers
	highest  uint32
	received uint32

	epoch    time.Time // what arrival times are counted from
	transit  int64     // of the packet before, in timestamp units
	clock    int       // Hz that transit and jitter are counted in
	jitter16 int64     // 16 times the jitter, in timestamp units

	priorExpected, priorReceived uint32 // at the report before

	srNTP uint32 // the middle 32 bits of the last sender report's NTP time
	srAt  time.Time
}

// packet counts a packet. clock is the rate of its timestamps in Hz, 0 for those
// that say nothing about jitter.
func (s *source) packet(h *rtp.Header, clock int, now time.Time) {
	seq := h.SequenceNumber
	switch {
	case !s.started:
		s.started = true
		// Not 0, so that packets from before the first one do not underflow.
		s.base = 1<<16 | uint32(seq)
		s.highest = s.base
	default:
		delta := int16(seq - uint16(s.highest))
		if delta > 0 {
			s.highest += uint32(delta)
		}
	}
	s.received++
	if clock == 0 {
		return
	}
	if s.epoch.IsZero() {
		s.epoch = now
	}
	arrival := now.Sub(s.epoch).Microseconds() * int64(clock) / 1_000_000
	transit := int64(int32(uint32(arrival) - h.Timestamp))
	if s.clock == clock {
		d := transit - s.transit
		if d = max(d, -d); d < int64(clock) { // a jump of the timestamp is no jitter
			s.jitter16 += d - (s.jitter16+8)>>4
		}
	}
	s.clock, s.transit = clock, transit
}

// lost is the number of packets that never came; never negative.
func (s *source) lost() uint32 {
	if !s.started {
		return 0
	}
	expected := s.highest - s.base + 1
	return max(expected, s.received) - s.received
}

func (s *source) jitter() time.Duration {
	if s.clock == 0 {
		return 0
	}
	return time.Duration(s.jitter16>>4) * time.Second / time.Duration(s.clock)
}

// report makes the next reception report.
func (s *source) report(now time.Time) rtcp.ReceptionReport {
	expected := s.highest - s.base + 1
	expectedNow := expected - s.priorExpected
	receivedNow := s.received - s.priorReceived
	s.priorExpected, s.priorReceived = expected, s.received
	var fraction uint8
	if expectedNow > receivedNow && expectedNow > 0 {
		fraction = uint8(min((expectedNow-receivedNow)*256/expectedNow, 255))
	}
	r := rtcp.ReceptionReport{
		SSRC: s.ssrc, FractionLost: fraction, TotalLost: min(s.lost(), 0x7fffff),
		LastSequenceNumber: s.highest - 1<<16, Jitter: uint32(s.jitter16 >> 4),
	}
	if !s.srAt.IsZero() {
		r.LastSenderReport = s.srNTP
		r.Delay = uint32(now.Sub(s.srAt) * 65536 / time.Second)
	}
	return r
}

// ntp is the time in the format of NTP, seconds since 1900 in 32.32 (RFC 3550 §4).
func ntp(t time.Time) uint64 {
	const since1900 = 2208988800
	s := uint64(t.Unix()) + since1900
	f := uint64(t.Nanosecond()) << 32 / 1_000_000_000
	return s<<32 | f
}

// control makes a compound RTCP packet: a sender report if we send, else a
// receiver report, and the source description (RFC 3550 §6.1).
func (s *Session) control(now time.Time) []rtcp.Packet {
	var reports []rtcp.ReceptionReport
	s.in.mu.Lock()
	if s.in.source.started {
		reports = []rtcp.ReceptionReport{s.in.source.report(now)}
	}
	s.in.mu.Unlock()

	var first rtcp.Packet
	if packets, octets, ts, ok := s.out.progress(now); ok {
		first = &rtcp.SenderReport{
			SSRC: s.ssrc, NTPTime: ntp(now), RTPTime: ts,
			PacketCount: packets, OctetCount: octets, Reports: reports,
		}
	} else {
		first = &rtcp.ReceiverReport{SSRC: s.ssrc, Reports: reports}
	}
	return []rtcp.Packet{first, &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
		Source: s.ssrc,
		Items:  []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: s.cname}},
	}}}}
}

// onRTCP takes one RTCP packet of the far end; b is only valid during the call.
func (s *Session) onRTCP(b []byte, now time.Time) {
	defer s.guard("RTCP")
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return
	}
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			s.in.mu.Lock()
			s.in.report = now
			if p.SSRC == s.in.source.ssrc {
				s.in.source.srNTP, s.in.source.srAt = uint32(p.NTPTime>>16), now
			}
			s.in.mu.Unlock()
			s.out.reported(p.Reports, s.ssrc, now)
		case *rtcp.ReceiverReport:
			s.in.mu.Lock()
			s.in.report = now
			s.in.mu.Unlock()
			s.out.reported(p.Reports, s.ssrc, now)
		}
	}
}

// Stats is a snapshot of a session's media.
type Stats struct {
	Received     uint64        // RTP packets, digits included
	Lost         uint64        // packets of the present source that never came
	Late         uint64        // audio packets that came but were not read in time
	Unknown      uint64        // packets with a payload type that was not agreed
	Jitter       time.Duration // RFC 3550 §6.4.1
	Sent         uint64        // RTP packets, digits included
	RTT          time.Duration // by RTCP; 0 until known
	RemoteLost   float64       // share of our packets lost on the way, 0..1, by the last report
	RemoteJitter time.Duration // by the last report
	LastReceived time.Time     // when the last RTP packet came; zero if none did
	Pair         string        // local and remote address in use; empty until connected
}

// Heard says when the last RTP packet of the far end came (the zero time if none
// has) and whether the descriptions in force let it send any.
func (s *Session) Heard() (last time.Time, due bool) {
	a := s.agreed.Load()
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return s.in.heard, a != nil && a.direction.Receives()
}

// LastReport says when the last RTCP sender or receiver report of the far end came,
// the zero time if none has. A far end that is muted may send nothing else.
func (s *Session) LastReport() time.Time {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return s.in.report
}

// Stats reports counters of the session so far.
func (s *Session) Stats() Stats {
	var out Stats
	s.in.mu.Lock()
	out.Received, out.Late, out.Unknown = s.in.total.packets, s.in.total.late, s.in.total.unknown
	out.Lost, out.Jitter = uint64(s.in.source.lost()), s.in.source.jitter()
	out.LastReceived = s.in.heard
	s.in.mu.Unlock()
	s.out.fill(&out)
	if t := s.current.Load(); t != nil {
		out.Pair = t.pair()
	}
	return out
}
