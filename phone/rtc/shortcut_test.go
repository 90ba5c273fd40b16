package rtc

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/pion/webrtc/v4"

	"intercomd/phone"
)

// keyed is a shortcut, and what the far end sends with the other half of its keys.
func keyed(t testing.TB, profile srtp.ProtectionProfile, deliver func([]byte)) (*shortcut, *srtp.Context) {
	t.Helper()
	n, err := profile.KeyLen()
	must(t, err)
	m, err := profile.SaltLen()
	must(t, err)
	k := srtp.Config{Profile: profile}
	k.Keys.RemoteMasterKey, k.Keys.RemoteMasterSalt = bytes.Repeat([]byte{7}, n), bytes.Repeat([]byte{9}, m)
	s, err := newShortcut(k, deliver)
	must(t, err)
	far, err := srtp.CreateContext(k.Keys.RemoteMasterKey, k.Keys.RemoteMasterSalt, profile)
	must(t, err)
	return s, far
}

func TestShortcut(t *testing.T) {
	for _, profile := range []srtp.ProtectionProfile{srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.ProtectionProfileAeadAes128Gcm} {
		var got [][]byte
		s, far := keyed(t, profile, func(b []byte) { got = append(got, bytes.Clone(b)) })
		now := time.Now()
		sealed := func(seq uint16) []byte {
			b, err := far.EncryptRTP(nil, rtpPacket(t, 1, 111, seq, byte(seq)), nil)
			must(t, err)
			return b
		}
		changed := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		report, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1}})
		must(t, err)
		first := sealed(1)
		for i, step := range []struct {
			name   string
			packet []byte
			after  time.Duration
			pion   bool // sees it
			heard  int  // in all
		}{
			{"made up, before anything is proven", changed(sealed(0)), 0, true, 0},
			{"the first", first, 0, true, 1},
			{"again", first, 0, false, 1},
			{"the next", sealed(2), 20 * time.Millisecond, false, 2},
			{"changed", changed(sealed(3)), 0, false, 2},
			{"out of its turn", sealed(5), 0, false, 3},
			{"late", sealed(4), 0, false, 4},
			{"a report", report, 0, true, 4},
			{"STUN", make([]byte, 20), 0, true, 4},
			{"nothing", nil, 0, true, 4},
			{"cut short", []byte{0x80}, 0, true, 4},
			{"a header alone", rtpPacket(t, 1, 111, 9), 0, false, 4},
			{"the one that keeps pion awake", sealed(6), showAgain, true, 5},
			{"and the next", sealed(7), 0, false, 6},
		} {
			now = now.Add(step.after)
			before := bytes.Clone(step.packet)
			if kept := s.take(step.packet, now); kept == step.pion || len(got) != step.heard {
				t.Errorf("%v, %d %s: kept from pion: %v; %d packets were heard", profile, i, step.name, kept, len(got))
			}
			if !bytes.Equal(before, step.packet) {
				t.Errorf("%v, %d %s: pion would see another packet", profile, i, step.name)
			}
		}
		if want := rtpPacket(t, 1, 111, 2, 2); len(got) < 2 || !bytes.Equal(got[1], want) {
			t.Errorf("%v: heard %x", profile, got)
		}
	}
}

// TestShortcutWithWrongKeys is pion's way for all packets, as if there were none.
func TestShortcutWithWrongKeys(t *testing.T) {
	s, _ := keyed(t, srtp.ProtectionProfileAes128CmHmacSha1_80, func([]byte) { t.Error("heard") })
	for i := range uint16(2 * misses) {
		if s.take(rtpPacket(t, 1, 111, i, make([]byte, 80)...), time.Now()) {
			t.Fatal("pion does not see a packet")
		}
	}
	if s.far != nil {
		t.Error("it is still tried")
	}
}

// Nobody without the keys is heard, whatever is sent, and pion sees what is not voice as it came.
func FuzzShortcut(f *testing.F) {
	f.Add([]byte{0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	f.Add([]byte{0xbf, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff})
	f.Add([]byte{0x80, 200, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, profile := range []srtp.ProtectionProfile{srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.ProtectionProfileAeadAes128Gcm} {
			s, _ := keyed(t, profile, func([]byte) { t.Errorf("heard %x", b) })
			s.proven.Store(true)
			before := bytes.Clone(b)
			if kept := s.take(b, time.Now()); kept != isRTP(b) || !bytes.Equal(b, before) {
				t.Errorf("kept from pion: %v", kept)
			}
		}
	})
}

// within waits until ok.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so: " + what)
		}
	}
}

// TestVoiceTakesTheShortcut calls a server, and is called by one: packets come once, those too that pion is shown,
// and pion sees no others.
func TestVoiceTakesTheShortcut(t *testing.T) {
	for _, calls := range []bool{true, false} {
		s, fs := testSession(t, testFactory(t, Config{})), newServer(t, webrtc.MimeTypeOpus, nil)
		if calls {
			offer, err := s.Offer()
			must(t, err)
			must(t, s.Accept(fs.answer(offer)))
		} else {
			answer, err := s.Answer(fs.offer())
			must(t, err)
			fs.accept(answer)
		}
		awaitState(t, s, phone.MediaConnected)
		fs.connected()
		first := fs.speaks(s)
		tr := s.current.Load()
		within(t, "the shortcut is taken", func() bool {
			fs.send(111, false, 1)
			short := tr.short.Load()
			return short != nil && short.proven.Load()
		})
		from, in := fs.seq, reads(s)
		const packets = 60
		for i := range packets {
			if i == packets/2 {
				short := tr.short.Load()
				short.mu.Lock()
				short.shown = time.Time{} // as after a second
				short.mu.Unlock()
			}
			fs.send(111, false, byte(i))
			time.Sleep(time.Millisecond)
		}
		seen := map[uint16]int{}
		within(t, "all have come", func() bool {
			must(t, in.drain(func(p *Packet) { seen[p.Seq]++ }))
			return seen[fs.seq-1] > 0
		})
		time.Sleep(20 * time.Millisecond) // for what pion would bring once more
		must(t, in.drain(func(p *Packet) { seen[p.Seq]++ }))
		for seq := from; seq != fs.seq; seq++ {
			if seen[seq] != 1 {
				t.Errorf("calls: %v: packet %d of %d came %d times", calls, seq-from, packets, seen[seq])
			}
		}
		if tr.short.Load().far == nil || first.SSRC != 4711 {
			t.Errorf("calls: %v: its keys were the wrong ones; the source is %d", calls, first.SSRC)
		}
		fs.hears(s)
	}
}
