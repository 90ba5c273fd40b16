package rtc

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// The example of RFC 2198 §4 in bytes: a copy of 14 bytes, 2800 units older, before a payload of its own.
func TestSplitREDReadsTheFormat(t *testing.T) {
	old, own := bytes.Repeat([]byte{7}, 14), []byte{1, 2, 3}
	b := append([]byte{0x80 | 111, 2800 >> 6, 2800 & 63 << 2, 14, 111}, append(old, own...)...)
	var room [redBlocks]redBlock
	got, copies, ok := splitRED(b, &room)
	if !ok || got.pt != 111 || !bytes.Equal(got.data, own) {
		t.Fatalf("own payload %+v, %v", got, ok)
	}
	if len(copies) != 1 || copies[0].pt != 111 || copies[0].offset != 2800 || !bytes.Equal(copies[0].data, old) {
		t.Errorf("copies %+v", copies)
	}
	if got, copies, ok = splitRED([]byte{111, 9}, &room); !ok || len(copies) > 0 || !bytes.Equal(got.data, []byte{9}) {
		t.Errorf("without a copy: %+v, %+v, %v", got, copies, ok)
	}
	for _, bad := range [][]byte{nil, {0x80 | 111}, {0x80 | 111, 0, 0, 1}, {0x80 | 111, 0, 0, 2, 111, 1}, b[:16]} {
		if _, _, ok := splitRED(bad, &room); ok {
			t.Errorf("% x is taken", bad)
		}
	}
}

func TestWrappedCopiesComeOut(t *testing.T) {
	var h redHistory
	var room [redBlocks]redBlock
	for i := range uint32(20) {
		payload := bytes.Repeat([]byte{byte(i)}, 80+int(i))
		ts := 1<<32 - 5000 + i*960 // over the end of the clock
		if i == 10 {
			h.keep(ts-960, bytes.Repeat([]byte{99}, redLongest+1)) // one that is too long to be copied
		}
		pt, b := h.wrap(111, 63, ts, 960, payload, 2)
		h.keep(ts, payload)
		own, copies, ok := splitRED(b, &room)
		if !ok || pt != 63 || own.pt != 111 || !bytes.Equal(own.data, payload) {
			t.Fatalf("packet %d: type %d, %+v, %v", i, pt, own, ok)
		}
		var want []uint32 // oldest first
		for _, back := range []uint32{3, 1} {
			if i >= back && (i < 10 || i-back > 9) {
				want = append(want, back)
			}
		}
		if len(copies) != len(want) {
			t.Fatalf("packet %d: %d copies, want %v", i, len(copies), want)
		}
		for k, back := range want {
			if c := copies[k]; c.offset != back*960 || c.data[0] != byte(i-back) || len(c.data) != 80+int(i-back) {
				t.Errorf("packet %d, copy %d: offset %d of %d", i, k, c.offset, c.data[0])
			}
		}
	}
	// Too long for any path: sent as it is.
	if pt, b := h.wrap(111, 63, 0, 960, make([]byte, redRoom), 2); pt != 111 || len(b) != redRoom {
		t.Errorf("type %d, %d bytes", pt, len(b))
	}
	payload := make([]byte, 80)
	if n := testing.AllocsPerRun(100, func() { h.keep(0, payload); h.wrap(111, 63, 960, 960, payload, 2) }); n > 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func FuzzSplitRED(f *testing.F) {
	f.Add([]byte{0x80 | 111, 43, 192, 3, 111, 1, 2, 3, 4})
	f.Add(bytes.Repeat([]byte{0x80, 0, 4, 0}, 12))
	f.Fuzz(func(t *testing.T, b []byte) {
		var room [redBlocks]redBlock
		own, copies, ok := splitRED(b, &room)
		if !ok {
			return
		}
		size := len(own.data)
		for _, c := range copies {
			size += len(c.data)
		}
		if size > len(b) || len(copies) > redBlocks {
			t.Errorf("%d bytes in %d copies out of %d", size, len(copies), len(b))
		}
	})
}

// Redundancy is agreed on where both sides name it for the Opus that they use, and nowhere else.
func TestREDIsAgreedOnByBoth(t *testing.T) {
	f := testFactory(t, Config{})
	offer, err := testSession(t, f).Offer()
	must(t, err)
	for name, c := range map[string]struct {
		offer []byte
		want  string // in the answer; empty: no word of it
	}{
		"ours":                  {offer, "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"},
		"with other numbers":    {edit(t, offer, "SAVPF 111 0 8 63", "SAVPF 96 0 8 101", "rtpmap:111", "rtpmap:96", "fmtp:111", "fmtp:96", "rtpmap:63", "rtpmap:101", "fmtp:63 111/111", "fmtp:101 96/96"), "a=rtpmap:101 red/48000/2\r\na=fmtp:101 96/96\r\n"},
		"without parameters":    {edit(t, offer, "a=fmtp:63 111/111\r\n", ""), "a=rtpmap:63 red/48000/2\r\n"},
		"none":                  {edit(t, offer, " 63 110", " 110", "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n", ""), ""},
		"for another codec":     {edit(t, offer, "63 111/111", "63 0/0"), ""},
		"for several":           {edit(t, offer, "63 111/111", "63 111/0"), ""},
		"for text":              {edit(t, offer, "red/48000/2", "red/1000"), ""},
		"without Opus":          {edit(t, offer, "opus/48000", "silk/24000"), ""},
		"before Opus":           {edit(t, offer, "SAVPF 111 0 8 63", "SAVPF 63 111 0 8"), "a=rtpmap:63 red/48000/2\r\n"},
		"where G.711 is wanted": {edit(t, offer, "opus/48000/2", "opus/16000"), ""},
	} {
		b := testSession(t, f)
		answer, err := b.Answer(c.offer)
		must(t, err)
		text := string(answer)
		if c.want == "" && regexp.MustCompile(`(?i)red/| 63 `).MatchString(text) || !strings.Contains(text, c.want) {
			t.Errorf("%s: no %q in\n%s", name, c.want, text)
		}
		again, err := b.Offer()
		must(t, err)
		if has := strings.Contains(string(again), " red/48000"); has != (c.want != "") {
			t.Errorf("%s: a further offer says red: %v", name, has)
		}
	}
}

// Who prefers G.711 gets it alone, whatever else is offered: there is no redundancy for it.
func TestREDIsNotForG711(t *testing.T) {
	offer, err := testSession(t, testFactory(t, Config{})).Offer()
	must(t, err)
	b := testSession(t, testFactory(t, Config{Codecs: []string{"pcmu", "opus"}}))
	answer, err := b.Answer(offer)
	must(t, err)
	if strings.Contains(string(answer), "red/") || b.agreed.Load().isRED(63) {
		t.Errorf("in an answer for PCMU:\n%s", answer)
	}
}

// An answer that does not take it leaves everything as it was.
func TestREDIsNotSentUnasked(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	offer, err := a.Offer()
	must(t, err)
	answer, err := b.Answer(edit(t, offer, "red/48000/2", "x/48000/2"))
	must(t, err)
	must(t, a.Accept(answer))
	a.out.loss.report(0.3, false, time.Now())
	for i := range 10 {
		must(t, a.WriteFrame([]byte{byte(i)}, 960, false))
	}
	if c := a.Codec(); c.Copies != 0 || c.PayloadType != 111 {
		t.Errorf("%+v", c)
	}
	if a.agreed.Load().isRED(63) || b.agreed.Load().isRED(63) {
		t.Error("agreed on")
	}
}

// While nothing is lost, packets are what they always were. When the far end reports loss, they
// carry copies, which come out at the other side with the numbers of what they are copies of; and when the
// loss has gone, so have they.
func TestREDFollowsLoss(t *testing.T) {
	f := testFactory(t, Config{})
	a, b := testSession(t, f), testSession(t, f)
	connect(t, a, b)
	heard(t, a, b, 1)
	if c := a.Codec(); c.Copies != 0 || c.Clean {
		t.Errorf("before any report: %+v", c)
	}
	told := func(lost float64) {
		a.out.reported([]rtcp.ReceptionReport{{SSRC: a.ssrc, FractionLost: uint8(lost * 256)}}, a.ssrc, time.Now())
	}
	told(0)
	if c := a.Codec(); c.Copies != 0 || !c.Clean {
		t.Errorf("nothing lost: %+v", c)
	}
	told(0.1)
	if c := a.Codec(); c.Copies != 2 || c.Clean {
		t.Errorf("10 %% lost: %+v", c)
	}
	_ = b.Receive(func(*Packet) {}) // from before
	got := map[uint16]Packet{}
	copies := 0
	for i := byte(0); copies < 12 && i < 100; i++ {
		must(t, a.WriteFrame([]byte{i, 50, i}, 960, false))
		time.Sleep(2 * time.Millisecond)
		must(t, b.Receive(func(p *Packet) {
			if p.Copy == 0 {
				q := *p
				q.Payload = bytes.Clone(p.Payload)
				got[p.Seq] = q
				return
			}
			copies++
			was, ok := got[p.Seq-uint16(p.Copy/960)]
			if ok && (!bytes.Equal(was.Payload, p.Payload) || was.Timestamp != p.Timestamp || was.SSRC != p.SSRC || p.Codec.Name != "opus") {
				t.Errorf("%+v\nis the copy of %+v", *p, was)
			}
		}))
	}
	if copies < 12 {
		t.Errorf("%d copies came", copies)
	}
	for range 20 {
		told(0)
	}
	if c := a.Codec(); c.Copies != 0 || !c.Clean {
		t.Errorf("later: %+v", c)
	}
}

func TestLossFollower(t *testing.T) {
	for name, c := range map[string]struct {
		reports []float64
		want    string // copies after each; s: some is lost
	}{
		"none":                {[]float64{0, 0.003, 0}, "0 0 0"},
		"a little":            {[]float64{0.012, 0.012}, "0s 0s"},
		"grows and goes":      {[]float64{0, 0.03, 0.08, 0.04, 0, 0, 0, 0, 0, 0, 0, 0}, "0 1s 2s 2s 2s 2s 1s 1s 1s 0s 0s 0"},
		"one bad report":      {[]float64{0.2, 0, 0, 0, 0}, "2s 2s 2s 2s 2s"},
		"copies are too much": {[]float64{0.05, 0.3, 0.05, 0.05}, "2s 0s 0s 0s"},
		"bursts are not that": {[]float64{0.05, 0.1, 0.06, 0.12}, "2s 2s 2s 2s"},
	} {
		var l lossFollower
		now := time.Now()
		var got []string
		for _, r := range c.reports {
			l.report(r, true, now)
			now = now.Add(5 * time.Second)
			s := fmt.Sprint(l.copies)
			if l.some {
				s += "s"
			}
			got = append(got, s)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", name, s, c.want)
		}
	}
	// Copies come back when the line has had a minute.
	var l lossFollower
	now := time.Now()
	l.report(0.05, true, now)
	l.report(0.4, true, now)
	l.report(0.1, true, now.Add(59*time.Second))
	if l.copies != 0 {
		t.Error("copies on a crowded line")
	}
	l.report(0.1, true, now.Add(61*time.Second))
	if l.copies != 2 {
		t.Error("no copies a minute later")
	}
}
