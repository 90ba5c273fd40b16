package rtc

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"intercomd/phone/rtc/sdpfix"
)

// wire records what a sender sends.
type wire struct {
	down    bool
	packets []sent
}

type sent struct {
	rtp.Header
	at      time.Time
	payload []byte
}

func (w *wire) write(h *rtp.Header, payload []byte) (int, error) {
	if w.down {
		return 0, errors.New("no candidate pairs")
	}
	w.packets = append(w.packets, sent{*h, time.Now(), append([]byte(nil), payload...)})
	return 12 + len(payload), nil
}

func opusAgreement(eventRate int) *agreement {
	return &agreement{
		send:   Codec{Name: "opus", PayloadType: 111, ClockRate: 48000, Channels: 2},
		digits: eventFormat(110, eventRate), direction: sdpfix.SendRecv,
	}
}

func testSender(t testing.TB, w *wire, a *agreement) *sender {
	done := make(chan struct{})
	s := newSender(w.write, done)
	s.seq, s.ts = 100, 5000
	s.agree(a)
	t.Cleanup(func() { close(done); s.wait.Wait() })
	return s
}

func TestFramesAreNumbered(t *testing.T) {
	w := &wire{}
	s := testSender(t, w, nil)
	frame := func(marker bool) { must(t, s.frame([]byte{7}, 960, marker)) }

	frame(false) // nothing is agreed
	s.agree(opusAgreement(48000))
	frame(false)
	frame(false)
	frame(true)
	w.down = true
	frame(false)
	w.down = false
	held := *opusAgreement(48000)
	held.held = true
	s.agree(&held)
	frame(false)
	s.agree(opusAgreement(48000))
	frame(false)
	frame(false)

	want := []rtp.Header{
		{SequenceNumber: 100, Timestamp: 5960, Marker: true},
		{SequenceNumber: 101, Timestamp: 6920},
		{SequenceNumber: 102, Timestamp: 7880, Marker: true},
		{SequenceNumber: 103, Timestamp: 10760, Marker: true}, // after a pause: no loss, but time has passed
		{SequenceNumber: 104, Timestamp: 11720},
	}
	if len(w.packets) != len(want) {
		t.Fatalf("%d packets, want %d", len(w.packets), len(want))
	}
	for i, p := range w.packets {
		h := want[i]
		if p.SequenceNumber != h.SequenceNumber || p.Timestamp != h.Timestamp || p.Marker != h.Marker || p.PayloadType != 111 {
			t.Errorf("packet %d is %+v, want %+v", i, p.Header, h)
		}
	}
	s.close()
	if err := s.frame([]byte{7}, 960, false); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("after close: %v", err)
	}
}

// Each digit is one event: constant timestamp, growing duration, three ends, and
// audio is held back meanwhile.
func TestDigitsOnTheWire(t *testing.T) {
	for _, rate := range []int{48000, 8000} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{}
			s := testSender(t, w, opusAgreement(rate))
			begun := time.Now()
			if refused := s.digits("1#x1"); refused != 1 {
				t.Errorf("%d digits were refused", refused)
			}
			for range 60 { // 1.2 s of audio
				time.Sleep(20*time.Millisecond - time.Microsecond)
				must(t, s.frame([]byte{7}, 960, false))
				time.Sleep(time.Microsecond)
			}
			synctest.Wait()

			var k keyDetector
			var heard []rune
			var starts []time.Duration
			ends := map[uint32]int{}
			audioInEvent, last := 0, w.packets[0].SequenceNumber-1
			for _, p := range w.packets {
				if p.SequenceNumber != last+1 {
					t.Errorf("sequence number %d after %d", p.SequenceNumber, last)
				}
				last = p.SequenceNumber
				if p.PayloadType != 110 {
					if n := len(starts); n > 0 && p.at.Sub(begun)-starts[n-1] < keyOn {
						audioInEvent++
					}
					continue
				}
				if key, ok := k.packet(p.SequenceNumber, p.Timestamp, p.Marker, rate, p.payload); ok {
					heard = append(heard, key)
					starts = append(starts, p.at.Sub(begun))
					if !p.Marker {
						t.Error("an event begins without marker")
					}
				}
				e, _ := parseEvent(p.payload)
				if e.end {
					ends[p.Timestamp]++
					if want := uint16(rate / 10); e.duration != want {
						t.Errorf("duration %d, want %d", e.duration, want)
					}
				}
			}
			if string(heard) != "1#1" || audioInEvent > 0 {
				t.Errorf("heard %q, %d audio packets during digits", string(heard), audioInEvent)
			}
			for ts, n := range ends {
				if n != keyEnds {
					t.Errorf("event %d ended %d times", ts, n)
				}
			}
			for i := 1; i < len(starts); i++ {
				if d := starts[i] - starts[i-1]; d != keyOn+keyGap {
					t.Errorf("digit %d came after %v", i, d)
				}
			}
		})
	}
}

// Without any audio between them two equal digits still are two.
func TestDigitsWithoutAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		s := testSender(t, w, opusAgreement(48000))
		s.digits("55")
		time.Sleep(time.Second)
		synctest.Wait()
		var k keyDetector
		n := 0
		for _, p := range w.packets {
			if _, ok := k.packet(p.SequenceNumber, p.Timestamp, p.Marker, 48000, p.payload); ok {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d presses", n)
		}
	})
}

// A digit has the clock of the audio, whatever that begins with and whether any audio
// was sent before. FreeSWITCH takes timestamp 0 for no digit.
func TestDigitsHaveTheClockOfTheAudio(t *testing.T) {
	for _, first := range []uint32{0, 1, 5000, 1 << 31, 1<<31 + 5000, 0xffffffff, 0xfffffc41} {
		for _, frames := range []int{0, 1, 50} {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				s := testSender(t, w, opusAgreement(48000))
				s.ts = first
				for range frames {
					must(t, s.frame([]byte{7}, 960, false))
					time.Sleep(20 * time.Millisecond)
				}
				expect := s.ts
				s.digits("55")
				for range 40 {
					time.Sleep(20 * time.Millisecond)
					must(t, s.frame([]byte{7}, 960, false))
				}
				synctest.Wait()
				var starts []uint32
				for _, p := range w.packets[frames:] {
					if p.PayloadType == 110 && p.Marker {
						starts = append(starts, p.Timestamp)
					}
					if p.PayloadType == 110 && p.Timestamp == 0 {
						t.Errorf("from %d: an event at timestamp 0", first)
					}
				}
				if len(starts) != 2 || starts[0]-expect > 960 || starts[1]-starts[0] > 48000/5 || starts[1]-starts[0] < 48000/10 {
					t.Errorf("from %d, %d frames before: events at %d, the audio was at %d", first, frames, starts, expect)
				}
				for i := 1; i < len(w.packets); i++ {
					if step := w.packets[i].Timestamp - w.packets[i-1].Timestamp; step > 48000/5 {
						t.Errorf("from %d: the clock steps by %d", first, int32(step))
					}
				}
			})
		}
	}
}

// The clock goes on while the microphone is off, and a digit then tells the time.
func TestClockGoesOnWithoutFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		s := testSender(t, w, opusAgreement(48000))
		begun := time.Now()
		for range 3 {
			must(t, s.frame([]byte{7}, 960, false))
			time.Sleep(7 * time.Second)
			s.digits("12345")
			time.Sleep(2 * time.Second)
		}
		must(t, s.frame([]byte{7}, 960, false))
		synctest.Wait()
		for _, p := range w.packets {
			media := time.Duration(p.Timestamp-w.packets[0].Timestamp) * time.Second / 48000
			if late := p.at.Sub(begun) - media; late < -clockStands || late > clockStands+keyOn {
				t.Errorf("payload type %d at %v: its timestamp says %v", p.PayloadType, p.at.Sub(begun), media)
			}
		}
	})
}

// Digits wait for the connection and for the end of hold, but not for ever.
func TestDigitsWaitForTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := &wire{down: true}, 0
		s := testSender(t, w, opusAgreement(48000))
		s.lost = func(n int) { lost += n }
		s.digits("12")
		time.Sleep(3 * time.Second)
		s.mu.Lock()
		w.down = false
		s.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		var k keyDetector
		var heard []rune
		for _, p := range w.packets {
			if key, ok := k.packet(p.SequenceNumber, p.Timestamp, p.Marker, 48000, p.payload); ok {
				heard = append(heard, key)
			}
		}
		if string(heard) != "12" || lost != 0 {
			t.Errorf("heard %q, %d given up", string(heard), lost)
		}
		s.mu.Lock()
		w.down = true
		s.mu.Unlock()
		s.digits("345")
		time.Sleep(keyPatience + time.Second)
		synctest.Wait()
		s.mu.Lock()
		w.down = false
		s.mu.Unlock()
		before := len(w.packets)
		must(t, s.frame([]byte{7}, 960, false))
		if len(w.packets) != before+1 || lost != 3 {
			t.Errorf("%d packets after the digits were given up, %d told of", len(w.packets)-before, lost)
		}
	})
}

func TestDigitsAreRefused(t *testing.T) {
	none := opusAgreement(48000)
	none.digits = sdpfix.Format{}
	s := testSender(t, &wire{}, none)
	if n := s.digits("12"); n != 2 {
		t.Errorf("%d refused, want 2", n)
	}
	s.mu.Lock()
	s.agreed, s.running = opusAgreement(48000), true // nobody takes them from the queue
	s.mu.Unlock()
	if n := s.digits(string(make([]byte, 3)) + "123456789012345678901234567890123456789012345678901234567890123456789012"); n != 3+72-maxPending {
		t.Errorf("%d refused", n)
	}
}

func TestRoundTripTime(t *testing.T) {
	s := testSender(t, &wire{}, opusAgreement(48000))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	report := rtcp.ReceptionReport{
		SSRC: 7, FractionLost: 64, Jitter: 480,
		LastSenderReport: uint32(ntp(now.Add(-150*time.Millisecond)) >> 16), Delay: 65536 / 10,
	}
	s.reported([]rtcp.ReceptionReport{{SSRC: 8, FractionLost: 255}, report}, 7, now)
	s.clock = 48000
	var out Stats
	s.fill(&out)
	if d := out.RTT - 50*time.Millisecond; d < -time.Millisecond || d > time.Millisecond {
		t.Errorf("round trip time %v", out.RTT)
	}
	if out.RemoteLost != 0.25 || out.RemoteJitter != 10*time.Millisecond {
		t.Errorf("%+v", out)
	}
}
