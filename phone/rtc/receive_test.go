package rtc

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

func receiveAgreement() *agreement {
	a := opusAgreement(48000)
	a.receive[111] = a.send
	a.events[110] = 48000
	return a
}

func rtpPacket(t testing.TB, ssrc uint32, pt uint8, seq uint16, payload ...byte) []byte {
	t.Helper()
	b, err := (&rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: ssrc, PayloadType: pt, SequenceNumber: seq, Timestamp: uint32(seq) * 960},
		Payload: payload,
	}).Marshal()
	must(t, err)
	return b
}

func TestReceiver(t *testing.T) {
	var keys []rune
	r := newReceiver(func(key rune) { keys = append(keys, key) })
	a := receiveAgreement()
	now := time.Now()
	give := func(b []byte) { r.packet(a, b, now) }
	give(rtpPacket(t, 1, 111, 1, 10))
	give(rtpPacket(t, 1, 110, 2, 5, 0x8a, 0x12, 0xc0)) // key 5
	give(rtpPacket(t, 1, 13, 3, 0))                    // comfort noise was not agreed
	give(rtpPacket(t, 1, 111, 5, 11))                  // 4 is lost
	give(rtpPacket(t, 2, 111, 900, 20))                // another source
	give(rtpPacket(t, 1, 111, 6, 12))                  // the one before is not heard any more
	give([]byte{1, 2, 3})
	give(nil)
	r.packet(nil, rtpPacket(t, 1, 111, 7, 13), now)

	padded := rtpPacket(t, 2, 111, 901, 21, 0, 0, 3)
	padded[0] |= 0x20
	give(padded)
	padded = rtpPacket(t, 2, 111, 902, 22, 99)
	padded[0] |= 0x20
	give(padded) // more padding than packet
	var got []byte
	must(t, r.drain(func(p *Packet) {
		if len(p.Payload) != 1 || p.Codec.Name != "opus" || !p.Arrival.Equal(now) {
			t.Errorf("a packet is %+v", p)
		}
		got = append(got, p.Payload...)
	}))
	if want := []byte{10, 11, 20, 21}; !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
	if string(keys) != "5" || r.total.unknown != 1 || r.total.packets != 7 {
		t.Errorf("keys %q, %+v", string(keys), r.total)
	}
	give(rtpPacket(t, 2, 111, 903, 23))
	r.close()
	if err := r.drain(func(*Packet) { t.Error("a packet after close") }); !errors.Is(err, io.EOF) {
		t.Errorf("after close: %v", err)
	}
}

// A reader who comes late does not begin with the past, and nothing grows.
func TestReceiverDropsOldAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(func(rune) {})
		a := receiveAgreement()
		for seq := range uint16(200) {
			r.packet(a, rtpPacket(t, 1, 111, seq, byte(seq)), time.Now())
			time.Sleep(20 * time.Millisecond)
		}
		var got []uint16
		must(t, r.drain(func(p *Packet) { got = append(got, p.Seq) }))
		if len(got) == 0 || got[0] < 187 || got[0] > 188 || got[len(got)-1] != 199 {
			t.Fatalf("received %v", got)
		}
		if r.total.late != uint64(got[0]) {
			t.Errorf("%d dropped", r.total.late)
		}
	})
}

// A muted far end: one RTP packet, then for 50 s nothing but a sender report every 5 s.
func TestReportsAreSignsOfLife(t *testing.T) {
	s := &Session{log: slog.New(slog.DiscardHandler), ssrc: 1, cname: "x"}
	s.in, s.out = newReceiver(func(rune) {}), newSender((&wire{down: true}).write, nil)
	s.agreed.Store(receiveAgreement())
	control := func(p rtcp.Packet, now time.Time) {
		t.Helper()
		b, err := p.Marshal()
		must(t, err)
		s.onRTCP(b, now)
	}
	begun := time.Now()
	if !s.LastReport().IsZero() {
		t.Error("a report before there was any")
	}
	s.in.packet(s.agreed.Load(), rtpPacket(t, 7, 111, 1, 10), begun)
	var now time.Time
	for i := range 10 {
		now = begun.Add(time.Duration(i+1) * 5 * time.Second)
		control(&rtcp.SenderReport{SSRC: 7, PacketCount: 1}, now)
		if last, due := s.Heard(); !due || !last.Equal(begun) || !s.LastReport().Equal(now) {
			t.Errorf("after %v: heard %v, due %t, last report %v", now.Sub(begun), last.Sub(begun), due, s.LastReport().Sub(begun))
		}
	}
	control(&rtcp.ReceiverReport{SSRC: 8}, now.Add(time.Second)) // of one that has never sent
	control(&rtcp.Goodbye{Sources: []uint32{7}}, now.Add(2*time.Second))
	if got := s.LastReport(); !got.Equal(now.Add(time.Second)) {
		t.Errorf("last report %v, want %v: goodbye is no sign of life", got.Sub(begun), now.Add(time.Second).Sub(begun))
	}
}

func TestReceptionReport(t *testing.T) {
	var s source
	now := time.Now()
	seq := uint16(65500)
	packet := func(late time.Duration) {
		h := rtp.Header{SequenceNumber: seq, Timestamp: uint32(seq-65500) * 160}
		s.packet(&h, 8000, now.Add(time.Duration(seq-65500)*20*time.Millisecond+late))
		seq++
	}
	for i := range 100 {
		if i%4 == 3 {
			seq++ // lost
			continue
		}
		packet(0)
	}
	r := s.report(now)
	if r.TotalLost != 24 || r.FractionLost < 60 || r.FractionLost > 64 || r.Jitter != 0 {
		t.Errorf("%+v", r) // the last one that was lost is not known yet
	}
	if want := uint32(65500 + 98); r.LastSequenceNumber != want {
		t.Errorf("highest %d, want %d", r.LastSequenceNumber, want)
	}
	for range 400 {
		packet(0)
		packet(10 * time.Millisecond)
	}
	if j := s.jitter(); j < 9*time.Millisecond || j > 11*time.Millisecond {
		t.Errorf("jitter %v", j)
	}
	if r = s.report(now); r.FractionLost > 1 {
		t.Errorf("%+v", r)
	}
}

// FuzzPackets feeds arbitrary decrypted packets to a session.
func FuzzPackets(f *testing.F) {
	f.Add(rtpPacket(f, 1, 111, 1, 10), false)
	f.Add(rtpPacket(f, 1, 110, 2, 5, 0x8a, 0x12, 0xc0), false)
	f.Add([]byte{0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, true)
	f.Add([]byte{0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 3, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, true)
	// Without a transport and its goroutines, which would make coverage random.
	s := &Session{log: slog.New(slog.DiscardHandler), ssrc: 1, cname: "x"}
	s.in = newReceiver(func(rune) {})
	s.out = newSender((&wire{down: true}).write, nil)
	s.agree(receiveAgreement())
	f.Fuzz(func(_ *testing.T, b []byte, control bool) {
		if control {
			s.onRTCP(b, time.Now())
		} else {
			s.onRTP(nil, b)
		}
		_ = s.Receive(func(p *Packet) {
			if len(p.Payload) > MaxPayload {
				panic("a packet that is too long")
			}
		})
		s.control(time.Now())
		_ = s.Stats()
	})
}
