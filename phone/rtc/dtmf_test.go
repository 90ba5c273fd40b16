package rtc

import (
	"encoding/binary"
	"slices"
	"testing"
)

// packet of a telephone-event stream, as tests write it.
type keyPacket struct {
	seq      uint16
	ts       uint32
	marker   bool
	key      rune
	duration uint16
	end      bool
}

func (p keyPacket) payload() []byte {
	code, _ := eventCode(p.key)
	var b [eventSize]byte
	return event{code: code, duration: p.duration, end: p.end, volume: 10}.marshal(&b)
}

// press makes the packets of one key press as RFC 4733 wants them: one each 20 ms,
// three at the end, a new segment after 65535 units.
func press(seq uint16, ts uint32, key rune, rate, ms int) []keyPacket {
	var out []keyPacket
	step := rate / 50
	for begin, at := 0, 0; at < rate*ms/1000; {
		at += step
		if at-begin > 0xffff {
			begin += 0xffff
		}
		last := at >= rate*ms/1000
		for range map[bool]int{true: 3, false: 1}[last] {
			out = append(out, keyPacket{
				seq: seq, ts: ts + uint32(begin), marker: len(out) == 0, key: key,
				duration: uint16(at - begin), end: last,
			})
			seq++
		}
	}
	return out
}

func without(p []keyPacket, drop func(i int, p keyPacket) bool) []keyPacket {
	var out []keyPacket
	for i, x := range p {
		if !drop(i, x) {
			out = append(out, x)
		}
	}
	return out
}

func detect(rate int, packets []keyPacket) string {
	var k keyDetector
	var out []rune
	for _, p := range packets {
		if key, ok := k.packet(p.seq, p.ts, p.marker, rate, p.payload()); ok {
			out = append(out, key)
		}
	}
	return string(out)
}

func TestKeyDetector(t *testing.T) {
	const near = 0xffffffff - 3000 // timestamps wrap, sequence numbers do
	noEnds := func(_ int, p keyPacket) bool { return p.end }
	tests := []struct {
		name    string
		rate    int
		packets []keyPacket
		want    string
	}{
		{"one press at 8000", 8000, press(1, 1000, '5', 8000, 100), "5"},
		{"one press at 48000", 48000, press(1, 1000, '#', 48000, 200), "#"},
		{"all keys", 8000, func() (all []keyPacket) {
			for i, key := range keys {
				all = append(all, press(uint16(i*20), uint32(i*4000), key, 8000, 100)...)
			}
			return all
		}(), keys},
		{"2 s at 48000: two segments, one press", 48000, press(1, 1000, '1', 48000, 2000), "1"},
		{"10 s at 48000: eight segments, one press", 48000, press(1, 1000, '1', 48000, 10000), "1"},
		{"10 s at 8000: two segments", 8000, press(1, 1000, '1', 8000, 10000), "1"},
		{"FreeSWITCH: 8000 agreed, but counted at 48000", 8000, slices.Concat(press(1, 1000, '1', 48000, 2000), press(200, 1000+96000+9600, '1', 48000, 200)), "11"},
		{"a long press over the wrap of the clock", 48000, press(65530, near, '1', 48000, 2000), "1"},
		{
			"a long press whose first segment loses its end", 48000,
			without(press(1, 1000, '1', 48000, 2000), func(i int, _ keyPacket) bool { return i >= 62 && i < 68 }), "1",
		},
		{
			"a long press that loses the begin of its second segment", 48000,
			without(press(1, 1000, '1', 48000, 2000), func(i int, _ keyPacket) bool { return i >= 68 && i < 72 }), "1",
		},
		{
			"the same key again right after a long press", 48000,
			slices.Concat(press(1, 1000, '1', 48000, 2000), press(200, 1000+96000+4800, '1', 48000, 100)), "11",
		},
		{"the same key twice", 8000, slices.Concat(press(1, 1000, '7', 8000, 80), press(8, 1000+960, '7', 8000, 80)), "77"},
		{
			"the same key twice, markers lost", 8000, without(
				slices.Concat(press(1, 1000, '7', 8000, 80), press(8, 1000+960, '7', 8000, 80)),
				func(_ int, p keyPacket) bool { return p.marker }), "77",
		},
		{
			"the same key twice, ends lost", 8000,
			without(slices.Concat(press(1, 1000, '7', 8000, 80), press(8, 1000+960, '7', 8000, 80)), noEnds), "77",
		},
		{
			"a long press that ended, then the same key where a segment would begin", 48000,
			slices.Concat(press(1, 1000, '1', 48000, 1300), press(80, 1000+65535, '1', 48000, 100)), "11",
		},
		{
			"a short press, then the same key with its first packet lost", 8000,
			slices.Concat(press(1, 1000, '7', 8000, 20), press(4, 1000+640, '7', 8000, 100)[1:]), "77",
		},
		{"ends lost", 8000, without(press(1, 1000, '9', 8000, 100), noEnds), "9"},
		{"only one end came", 8000, press(1, 1000, '9', 8000, 100)[6:], "9"},
		{"one packet a press, with and without the marker", 8000, []keyPacket{
			{1, 1000, true, '5', 800, true}, {2, 3000, true, '5', 800, true}, {3, 5000, false, '5', 800, true}, {4, 7000, false, '5', 800, true},
		}, "5555"},
		{"one packet a press, without an end", 8000, []keyPacket{
			{1, 1000, true, '5', 800, false}, {2, 3000, true, '5', 800, false}, {3, 5000, false, '5', 800, false},
		}, "555"},
		{"only the first came", 8000, press(1, 1000, '9', 8000, 100)[:1], "9"},
		{"in reverse order", 8000, reversed(press(1, 1000, '3', 8000, 100)), "3"},
		{
			"late packets of the press before", 8000, func() []keyPacket {
				a, b := press(1, 1000, '3', 8000, 100), press(8, 2600, '4', 8000, 100)
				return slices.Concat(a[:5], b[:2], a[5:], b[2:])
			}(), "34",
		},
		{
			"a press that comes late as a whole", 8000, func() []keyPacket {
				a, b := press(1, 1000, '3', 8000, 60), press(8, 2600, '4', 8000, 60)
				return slices.Concat(b[:2], a, b[2:])
			}(), "43",
		},
		{"a press from long ago", 8000, slices.Concat(press(100, 100000, '3', 8000, 60), press(1, 1000, '4', 8000, 60)), "3"},
		{"all repeated", 8000, slices.Concat(press(1, 1000, '3', 8000, 60), press(1, 1000, '3', 8000, 60)), "3"},
		{
			"a gateway that moves the timestamp", 8000, func() []keyPacket {
				p := press(1, 1000, '6', 8000, 200)
				for i := range p {
					if !p[i].end {
						p[i].ts += uint32(i) * 160
					} else {
						p[i].ts = 1000 + 9*160
					}
				}
				return p
			}(), "6",
		},
		{"first key at timestamp 0", 8000, press(0, 0, '0', 8000, 60), "0"},
		{"a flash is no key", 8000, []keyPacket{{seq: 1, ts: 5, marker: true, key: 0, duration: 100}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				var k keyDetector
				if key, ok := k.packet(1, 5, true, tt.rate, []byte{16, 0, 0, 1}); ok {
					t.Errorf("event 16 became %q", key)
				}
				if key, ok := k.packet(1, 5, true, tt.rate, []byte{1, 0, 0}); ok {
					t.Errorf("half a packet became %q", key)
				}
				return
			}
			if got := detect(tt.rate, tt.packets); got != tt.want {
				t.Errorf("heard %q, want %q", got, tt.want)
			}
		})
	}
}

func reversed(p []keyPacket) []keyPacket {
	p = slices.Clone(p)
	slices.Reverse(p)
	return p
}

func TestEventCode(t *testing.T) {
	for i, key := range keys {
		if code, ok := eventCode(key); !ok || int(code) != i {
			t.Errorf("%q: %d %t", key, code, ok)
		}
	}
	if code, ok := eventCode('d'); !ok || code != 15 {
		t.Errorf("'d': %d %t", code, ok)
	}
	for _, key := range "Ex ä\x00€" {
		if code, ok := eventCode(key); ok {
			t.Errorf("%q became %d", key, code)
		}
	}
}

// FuzzKeyDetector feeds arbitrary streams: nothing but keys comes out, and never
// more of them than there are packets.
func FuzzKeyDetector(f *testing.F) {
	for _, s := range [][]keyPacket{
		press(1, 1000, '5', 8000, 100), press(1, 1000, '1', 48000, 2000), reversed(press(1, 1000, '3', 8000, 100)),
	} {
		var b []byte
		for _, p := range s {
			b = binary.BigEndian.AppendUint16(b, p.seq)
			b = binary.BigEndian.AppendUint32(b, p.ts)
			b = append(b, map[bool]byte{true: 1}[p.marker])
			b = append(b, p.payload()...)
		}
		f.Add(b, 8000)
	}
	f.Fuzz(func(t *testing.T, b []byte, rate int) {
		var k keyDetector
		for ; len(b) >= 11; b = b[11:] {
			seq, ts := binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])
			key, ok := k.packet(seq, ts, b[6]&1 != 0, rate, b[7:11])
			if _, is := eventCode(key); ok && !is {
				t.Fatalf("%q is no key", key)
			}
			if again, ok := k.packet(seq, ts, false, rate, b[7:11]); ok {
				t.Fatalf("%q was heard again in a repeated packet", again)
			}
		}
	})
}
