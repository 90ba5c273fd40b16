package rtc

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"pgregory.net/rapid"
)

// habit is what a sender of telephone-events does its own way.
type habit struct {
	rate     int
	interval int    // ms between packets
	stamp    string // "start", "shared", "runs", "ends run", "end"
	marker   string // "first", "never", "always"
	starts   int    // how often the first packet is sent
	ends     int    // and the last
	zero     bool   // the first packet has duration 0
	audio    bool   // audio packets go on between those of an event
	still    bool   // no audio packets at all
	jumps    bool   // the clock steps between presses
}

// pressing is one press as somebody does it.
type pressing struct {
	key     rune
	ms      int
	pauseMS int // before it
	jump    uint32
}

// labelled is a packet with the press that it belongs to.
type labelled struct {
	keyPacket
	press int
	at    int // ms
}

// send makes the packets of presses; audio packets only leave gaps in the numbers.
func (h habit) send(seq uint16, ts uint32, presses []pressing) []labelled {
	var out []labelled
	ms := h.rate / 1000
	shared, clock, now := ts, ts, 0
	pass := func(millis int) {
		clock += uint32(millis * ms)
		now += millis
		if !h.still {
			seq += uint16(millis / 20)
		}
	}
	for n, p := range presses {
		pass(p.pauseMS)
		if h.jumps {
			clock += p.jump
			shared += p.jump
		}
		start, begin, first := clock, 0, true
		put := func(at int, end bool, again int) {
			x := labelled{keyPacket{seq: seq, ts: start + uint32(begin*ms), key: p.key, duration: uint16((at - begin) * ms), end: end}, n, now + at + again*h.interval}
			switch {
			case h.stamp == "shared":
				x.ts = shared
			case h.stamp == "runs":
				x.ts = start + uint32((at-h.interval+again*h.interval)*ms)
			case h.stamp == "ends run" && end:
				x.ts += uint32(again * h.interval * ms)
			case h.stamp == "end" && end:
				x.ts = start + uint32((at+again*h.interval)*ms)
			}
			if first && h.zero && !end {
				x.duration = 0
			}
			x.marker = h.marker == "always" || first && h.marker == "first"
			first = false
			out = append(out, x)
			seq++
			if h.audio {
				seq += uint16(max(h.interval/20, 1))
			}
		}
		for at := 0; at < p.ms; {
			at += h.interval
			last := at >= p.ms
			if h.stamp != "shared" && h.stamp != "runs" && (at-begin)*ms > fullEvent {
				begin += fullEvent / ms
			} else if (at-begin)*ms > fullEvent {
				begin = at - h.interval
			}
			times := 1
			if last {
				times = h.ends
			} else if at == h.interval {
				times = h.starts
			}
			for again := range times {
				put(at, last, again)
			}
		}
		clock += uint32(p.ms * ms)
		now += p.ms
		if h.ends > 1 && !h.zero { // the repetitions take time, or leave at once
			clock += uint32((h.ends - 1) * h.interval * ms)
			now += (h.ends - 1) * h.interval
		}
	}
	return out
}

// longestLoss is how many packets in a row are lost at most: fewer if timestamps are
// of little use.
func (h habit) longestLoss() int {
	switch h.stamp {
	case "start":
		return 8
	case "shared":
		return 5
	}
	return 2
}

// carry loses, doubles and delays packets.
func (h habit) carry(t *rapid.T, sent []labelled, keep func(i int, kept []labelled) bool) (came []labelled) {
	loss := rapid.IntRange(0, 40).Draw(t, "loss")
	double := rapid.IntRange(0, 30).Draw(t, "double")
	shuffle := rapid.IntRange(0, 30).Draw(t, "shuffle")
	percent, row := rapid.IntRange(0, 99), 0
	type late struct {
		labelled
		at int
	}
	var line []late
	for i, p := range sent {
		if row++; row <= h.longestLoss() && percent.Draw(t, "lose") < loss && !keep(i, came) {
			continue
		}
		row = 0
		came = append(came, p)
		for range map[bool]int{true: 2, false: 1}[percent.Draw(t, "twice") < double] {
			l := late{p, p.at}
			if percent.Draw(t, "late") < shuffle {
				l.at += rapid.IntRange(10, 120).Draw(t, "by")
			}
			line = append(line, l)
		}
	}
	slices.SortStableFunc(line, func(a, b late) int { return a.at - b.at })
	came = nil
	for _, l := range line {
		came = append(came, l.labelled)
	}
	return came
}

// One press is one key and two are two, whatever the sender's habits, as long as what
// arrives can tell: of presses that share a timestamp the end of one or the
// beginning of the next has to come.
func TestPressesAreCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := habit{
			rate:     rapid.SampledFrom([]int{8000, 48000}).Draw(t, "rate"),
			interval: rapid.SampledFrom([]int{10, 20, 30, 50}).Draw(t, "interval"),
			stamp:    rapid.SampledFrom([]string{"start", "start", "shared", "runs", "ends run", "end"}).Draw(t, "stamp"),
			marker:   rapid.SampledFrom([]string{"first", "first", "never", "always"}).Draw(t, "marker"),
			starts:   rapid.SampledFrom([]int{1, 1, 3}).Draw(t, "starts"),
			ends:     rapid.SampledFrom([]int{3, 3, 2}).Draw(t, "ends"),
			zero:     rapid.Bool().Draw(t, "zero"),
			audio:    rapid.Bool().Draw(t, "audio"),
			still:    rapid.Bool().Draw(t, "still"),
			jumps:    rapid.Bool().Draw(t, "jumps"),
		}
		if h.stamp != "start" && h.stamp != "shared" {
			h.interval, h.starts = min(h.interval, 30), 1
		}
		h.audio = h.audio && h.starts == 1
		var presses []pressing
		for range rapid.IntRange(1, 5).Draw(t, "presses") {
			ms := rapid.SampledFrom([]int{100, 100, 160, 300, 1500, 3000}).Draw(t, "ms")
			presses = append(presses, pressing{
				key: rapid.SampledFrom([]rune("1115#")).Draw(t, "key"), ms: ms,
				pauseMS: 20 * rapid.IntRange(4, 100).Draw(t, "pause"), jump: rapid.Uint32().Draw(t, "jump"),
			})
		}
		sent := h.send(rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "ts"), presses)
		// Every press is closed by an end that comes; if timestamps tell nothing, its
		// beginning comes as well.
		came := h.carry(t, sent, func(i int, kept []labelled) bool {
			last := i+1 == len(sent) || sent[i+1].press != sent[i].press
			first := i == 0 || sent[i-1].press != sent[i].press
			return first && h.stamp == "shared" ||
				last && !slices.ContainsFunc(kept, func(k labelled) bool { return k.press == sent[i].press && k.end })
		})
		var packets []keyPacket
		for _, p := range came {
			packets = append(packets, p.keyPacket)
		}
		var want []rune
		for _, p := range presses {
			want = append(want, p.key)
		}
		got := []rune(detect(h.rate, packets))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("heard %q, want %q\n%+v\n%+v\n%+v", string(got), string(want), h, presses, came)
		}
	})
}

// readPackets reads a telephone-event stream: seq timestamp marker key duration end.
func readPackets(t *testing.T, name string) (packets []keyPacket) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	must(t, err)
	defer func() { must(t, f.Close()) }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var p keyPacket
		var marker, end int
		var key string
		_, err := fmt.Sscan(lines.Text(), &p.seq, &p.ts, &marker, &key, &p.duration, &end)
		must(t, err)
		p.marker, p.key, p.end = marker == 1, rune(key[0]), end == 1
		packets = append(packets, p)
	}
	return packets
}

// Senders from the field.
func TestPressesFromTheField(t *testing.T) {
	for name, want := range map[string]string{
		"dtmf-1-ends-with-three-timestamps.txt": "1", "dtmf-4711-all-with-one-timestamp.txt": "4711",
	} {
		if got := detect(8000, readPackets(t, name)); got != want {
			t.Errorf("%s: heard %q, want %q", name, got, want)
		}
	}
}

// The clock of the source steps between presses, once each way, as FreeSWITCH's does.
func TestKeysAfterTheClockSteps(t *testing.T) {
	for _, stamps := range [][]uint32{{76800, 7680, 17280}, {76800, 2639598983, 2639608583}, {1 << 31, 0, 1 << 31}, {5, 5, 5}} {
		var packets []keyPacket
		for i, ts := range stamps {
			packets = append(packets, press(uint16(65500+i*40), ts, '5', 48000, 100)...)
		}
		if got := detect(48000, packets); got != "555" {
			t.Errorf("at %v heard %q", stamps, got)
		}
	}
}

// Between two presses half the range of sequence numbers may pass, and all of it.
func TestKeysFarApart(t *testing.T) {
	var k keyDetector
	seq, heard := uint16(100), 0
	for _, apart := range []int{0, 20, 16000, 32000, 33000, 65500, 65536 + 10, 100000} {
		for range apart {
			seq++
			k.follow(seq)
		}
		for _, p := range press(seq+1, 1000, '5', 8000, 60) {
			if _, ok := k.packet(p.seq, p.ts, p.marker, 8000, p.payload()); ok {
				heard++
			}
			seq = p.seq
		}
	}
	if heard != 8 {
		t.Errorf("heard %d of 8", heard)
	}
	// A sender that begins to count anew: audio tells so, then come keys.
	seq -= 20000
	for range 2 {
		seq++
		k.follow(seq)
	}
	if p := press(seq+1, 1000, '6', 8000, 60)[0]; true {
		if key, ok := k.packet(p.seq, p.ts, p.marker, 8000, p.payload()); key != '6' || !ok {
			t.Error("not heard after the sequence began anew")
		}
	}
}

// A far end that sends keys with an SSRC of their own: each is heard once, and all of
// the audio.
func TestKeysWithTheirOwnSource(t *testing.T) {
	const audio, events = 0x0a0d10, 0xd7f
	var got []rune
	r := newReceiver(func(key rune) { got = append(got, key) })
	a := receiveAgreement()
	now := time.Now()
	give := func(h rtp.Header, payload ...byte) {
		h.Version = 2
		b, err := (&rtp.Packet{Header: h, Payload: payload}).Marshal()
		must(t, err)
		r.packet(a, b, now)
	}
	heard := 0
	for i := range 250 {
		give(rtp.Header{SSRC: audio, PayloadType: 111, SequenceNumber: uint16(i), Timestamp: uint32(i) * 960}, 1)
		if n := uint16(i - 50); n < 5 {
			end := map[bool]byte{true: 0x80}[n == 4]
			give(rtp.Header{SSRC: events, PayloadType: 110, SequenceNumber: 1000 + n, Timestamp: 2304, Marker: n == 0},
				5, end|10, byte((n+1)*960>>8), byte((n+1)*960&0xff))
		}
		must(t, r.drain(func(*Packet) { heard++ }))
		now = now.Add(20 * time.Millisecond)
	}
	if string(got) != "5" || heard != 250 || r.source.lost() != 0 || r.source.ssrc != audio {
		t.Errorf("keys %q, %d audio packets heard, %d lost of %x", string(got), heard, r.source.lost(), r.source.ssrc)
	}
	// A key that goes on with another SSRC is still the same; a further one is not.
	five := func(ssrc uint32, seq uint16, duration uint16, marker bool, end byte) {
		give(rtp.Header{SSRC: ssrc, PayloadType: 110, SequenceNumber: seq, Timestamp: 777, Marker: marker},
			5, end|10, byte(duration>>8), byte(duration))
	}
	got = nil
	five(1, 10, 960, true, 0)
	five(2, 500, 1920, false, 0)
	five(2, 501, 2880, false, 0x80)
	five(2, 520, 960, true, 0)
	now = now.Add(time.Second)
	for ssrc := range uint32(100) {
		five(ssrc+10, 1, 960, true, 0)
		five(ssrc+10, 2, 1920, false, 0x80)
	}
	if len(got) != 102 || len(r.keys.list) > keySourcesKept {
		t.Errorf("%d keys, %d sources are remembered", len(got), len(r.keys.list))
	}
}

// A source that was replaced comes back as soon as its successor is silent.
func TestSourceComesBack(t *testing.T) {
	r := newReceiver(func(rune) {})
	a, now := receiveAgreement(), time.Now()
	give := func(ssrc uint32, seq uint16) bool {
		before := r.total.packets
		r.packet(a, rtpPacket(t, ssrc, 111, seq, 1), now)
		now = now.Add(20 * time.Millisecond)
		return r.total.packets > before
	}
	give(1, 1)
	for i := range uint16(200) { // both at once for four seconds: only the newer one is heard
		if !give(2, i) || give(1, i+2) {
			t.Fatalf("two sources are heard at once after %d packets", i)
		}
	}
	lost := 0
	for seq := uint16(300); !give(1, seq); seq++ {
		lost++
	}
	if lost > 10 {
		t.Errorf("%d packets of the source that came back were lost", lost)
	}
}
