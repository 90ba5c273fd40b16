package rtc

import (
	"intercomd/phone"
	"log/slog"
	"os"
	"testing"
	"time"
)

// patience bounds waits for what takes milliseconds on an idle machine.
const patience = 20 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testLog(t testing.TB) *slog.Logger {
	if os.Getenv("RTC_DEBUG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func testFactory(t testing.TB, conf Config) *Factory {
	t.Helper()
	conf.IncludeLoopback = true
	if conf.Log == nil {
		conf.Log = testLog(t)
	}
	f, err := New(conf)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

func testSession(t testing.TB, f *Factory) *Session {
	t.Helper()
	s, err := f.NewSession(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// awaitState reads states until the wanted one comes.
func awaitState(t testing.TB, s *Session, want phone.MediaState) {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case got, ok := <-s.States():
			if !ok {
				t.Fatalf("the session closed, waiting for %q", want)
			}
			if got == want {
				return
			}
		case <-limit:
			t.Fatalf("no state %q", want)
		}
	}
}

// connect lets a offer and b answer.
func connect(t testing.TB, a, b *Session) {
	t.Helper()
	offer, err := a.Offer()
	must(t, err)
	answer, err := b.Answer(offer)
	must(t, err)
	must(t, a.Accept(answer))
	awaitState(t, a, phone.MediaConnected)
	awaitState(t, b, phone.MediaConnected)
}

// heard sends frames from a to b until b has read one that carries the mark, and
// returns it.
func heard(t testing.TB, a, b *Session, mark byte) Packet {
	t.Helper()
	got := make(chan Packet, 1)
	go func() {
		for in := reads(b); ; {
			p, err := in.next()
			if err != nil {
				return
			}
			if len(p.Payload) == 3 && p.Payload[1] == mark {
				got <- p
				return
			}
		}
	}()
	limit := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case p := <-got:
			return p
		case <-tick.C:
			must(t, a.WriteFrame([]byte{1, mark, 3}, 960, false))
		case <-limit:
			t.Fatal("nothing was heard")
		}
	}
}

// Who wants to know of packets is told of each, when it can be had.
func TestPacketsAreTold(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	told := make(chan struct{}, 1)
	b.OnPacket(func() {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	connect(t, a, b)
	for limit := time.After(patience); ; {
		must(t, a.WriteFrame([]byte{1, 2, 3}, 960, false))
		select {
		case <-told:
			n := 0
			must(t, b.Receive(func(*Packet) { n++ }))
			if n == 0 {
				t.Error("it was told before it could be had")
			}
			return
		case <-limit:
			t.Fatal("nobody was told")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestTwoSessionsTalk(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	for _, c := range []Codec{a.Codec(), b.Codec()} {
		want := Codec{Name: "opus", PayloadType: 111, ClockRate: 48000, Channels: 2, Ptime: 20 * time.Millisecond, FEC: true}
		if c != want {
			t.Errorf("codec %+v, want %+v", c, want)
		}
	}
	p := heard(t, a, b, 42)
	if p.Codec.PayloadType != 111 {
		t.Errorf("payload type %d", p.Codec.PayloadType)
	}
	heard(t, b, a, 43)
}
