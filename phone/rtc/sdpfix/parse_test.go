package sdpfix

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parsed(t testing.TB, name string) *Description {
	t.Helper()
	d, err := Parse(read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// Every description of the recorded exchanges with FreeSWITCH is understood, and
// what pion is told about it is understood the same way.
func TestRecordedDescriptions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sdp")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, f := range files {
		d := parsed(t, filepath.Base(f))
		again, err := Parse([]byte(ForPion(d)))
		if err != nil {
			t.Errorf("%s: what pion gets: %v", f, err)
			continue
		}
		if len(d.Formats) < 2 || d.ICE.Ufrag == "" || d.SessionID == "" || !d.Mux {
			t.Errorf("%s: %+v", f, d)
		}
		if again.ICE.Ufrag != d.ICE.Ufrag || again.ICE.Pwd != d.ICE.Pwd ||
			len(again.ICE.Candidates) != len(d.ICE.Candidates) || again.DTLS != d.DTLS ||
			again.Direction != SendRecv || again.Sections[0].Mid != "0" || !again.Bundle {
			t.Errorf("%s: pion gets %+v of %+v", f, again, d)
		}
	}
}

func TestParse(t *testing.T) {
	const opusFS = "useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20; minptime=10; maxptime=40"
	loopback := netip.MustParseAddr("127.0.0.1")
	tests := []struct {
		file      string
		formats   []Format
		direction Direction
		held      bool
		ptime     int
		bundle    bool
		mid       string
		setup     Setup
		candidate Candidate // the first
		count     int       // of candidates
		names     int
	}{
		{
			file: "call-9196-opus.fs1-answer.sdp", // no mid, no BUNDLE, no direction
			formats: []Format{
				{PT: 111, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: "useinbandfec=1; minptime=10"},
				{PT: 110, Name: "telephone-event", ClockRate: 48000, Channels: 1},
			},
			direction: SendRecv, ptime: 20, setup: Active, count: 1,
			candidate: Candidate{Foundation: "7968229926", Priority: 2130706431, Addr: loopback, Port: 17436, Type: "host"},
		},
		{
			file: "incoming-1005-session-timer.fs1-offer.sdp", // RTP/SAVPF, component 2 on the same port
			formats: []Format{
				{PT: 102, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: opusFS},
				{PT: 9, Name: "G722", ClockRate: 8000, Channels: 1},
				{PT: 0, Name: "PCMU", ClockRate: 8000, Channels: 1},
				{PT: 8, Name: "PCMA", ClockRate: 8000, Channels: 1},
				{PT: 103, Name: "telephone-event", ClockRate: 48000, Channels: 1},
				{PT: 101, Name: "telephone-event", ClockRate: 8000, Channels: 1},
			},
			direction: SendRecv, ptime: 20, setup: ActPass, count: 1,
			candidate: Candidate{Foundation: "4199838220", Priority: 2130706431, Addr: loopback, Port: 17186, Type: "host"},
		},
		{
			file: "call-9150.fs2-offer.sdp", // hold
			formats: []Format{
				{PT: 111, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: "useinbandfec=1; minptime=10"},
				{PT: 110, Name: "telephone-event", ClockRate: 48000, Channels: 1},
			},
			direction: SendOnly, held: true, ptime: 20, setup: ActPass, count: 1,
			candidate: Candidate{Foundation: "4699563031", Priority: 2130706431, Addr: loopback, Port: 16920, Type: "host"},
		},
		{
			file: "asterisk.sdp",
			formats: []Format{
				{PT: 107, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: "useinbandfec=1"},
				{PT: 8, Name: "PCMA", ClockRate: 8000, Channels: 1},
				{PT: 101, Name: "telephone-event", ClockRate: 8000, Channels: 1, Fmtp: "0-16"},
			},
			direction: SendRecv, ptime: 20, bundle: true, mid: "audio-0", setup: Active, count: 1,
			candidate: Candidate{
				Foundation: "Hc0a80702", Priority: 2130706431, Addr: netip.MustParseAddr("192.168.7.2"), Port: 13718, Type: "host",
			},
		},
		{
			file: "chrome.sdp", // mDNS, IPv6, TCP and srflx candidates, video, LF only
			formats: []Format{
				{PT: 111, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"},
				{PT: 63, Name: "red", ClockRate: 48000, Channels: 2, Fmtp: "111/111"},
				{PT: 9, Name: "G722", ClockRate: 8000, Channels: 1},
				{PT: 0, Name: "PCMU", ClockRate: 8000, Channels: 1},
				{PT: 8, Name: "PCMA", ClockRate: 8000, Channels: 1},
				{PT: 13, Name: "CN", ClockRate: 8000, Channels: 1},
				{PT: 110, Name: "telephone-event", ClockRate: 48000, Channels: 1},
				{PT: 126, Name: "telephone-event", ClockRate: 8000, Channels: 1},
			},
			direction: SendRecv, bundle: true, mid: "0", setup: ActPass, count: 2, names: 1,
			candidate: Candidate{
				Foundation: "1467250028", Priority: 2122262783, Addr: netip.MustParseAddr("2001:db8::17"), Port: 46243, Type: "host",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			d := parsed(t, tt.file)
			if len(d.Formats) != len(tt.formats) {
				t.Fatalf("formats %+v", d.Formats)
			}
			for i, f := range tt.formats {
				if d.Formats[i] != f {
					t.Errorf("format %+v, want %+v", d.Formats[i], f)
				}
			}
			if d.Direction != tt.direction || d.Held != tt.held || d.Ptime != tt.ptime {
				t.Errorf("direction %s, held %t, ptime %d", d.Direction, d.Held, d.Ptime)
			}
			if d.Bundle != tt.bundle || d.Sections[d.Audio].Mid != tt.mid || d.DTLS.Setup != tt.setup {
				t.Errorf("bundle %t, mid %q, setup %s", d.Bundle, d.Sections[d.Audio].Mid, d.DTLS.Setup)
			}
			if len(d.ICE.Candidates) != tt.count || len(d.ICE.Names) != tt.names || d.ICE.Candidates[0] != tt.candidate {
				t.Errorf("candidates %+v, names %+v", d.ICE.Candidates, d.ICE.Names)
			}
			if d.DTLS.Hash != "sha-256" || d.DTLS.Fingerprint != strings.ToUpper(d.DTLS.Fingerprint) {
				t.Errorf("fingerprint %+v", d.DTLS)
			}
		})
	}
}

// change returns an answer of FreeSWITCH with some of its text replaced.
func change(t testing.TB, pairs ...string) []byte {
	t.Helper()
	text := string(read(t, fsAnswer))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s has no %q", fsAnswer, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return []byte(text)
}

const fsAnswer = "call-9196-opus.fs1-answer.sdp"

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name string
		text []byte
		want error
	}{
		{"empty", nil, ErrNotSDP},
		{"something else", []byte("Signal=1\r\nDuration=160\r\n"), ErrNotSDP},
		{"too long", bytes.Repeat([]byte("v=0\r\n"), 20000), ErrNotSDP},
		{"no streams", []byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"), ErrNoAudio},
		{"bad m=", change(t, "m=audio 17436", "m=audio x"), ErrNotSDP},
		{"refused", change(t, "m=audio 17436", "m=audio 0"), ErrNoAudio},
		{"video only", change(t, "m=audio", "m=video"), ErrNoAudio},
		{"plain RTP", change(t, "UDP/TLS/RTP/SAVPF", "RTP/AVP", "a=fingerprint", "a=x"), ErrNoAudio},
		{"plain RTP with ICE", change(t, "UDP/TLS/RTP/SAVPF", "RTP/AVPF", "sha-256", "md5"), ErrNoAudio},
		{"plain RTP with a fingerprint", change(t, "UDP/TLS/RTP/SAVPF", "RTP/AVP", "a=ice-", "a=x-"), ErrNoAudio},
		{"no RTP", change(t, "UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP"), ErrNoAudio},
		{"no payload types", change(t, "SAVPF 111 110", "SAVPF"), ErrNoAudio},
		{"no ICE", change(t, "a=ice-", "a=x-"), ErrNoICE},
		{"blank in a password", change(t, "a=ice-pwd:30nK", "a=ice-pwd:30 nK"), ErrNoICE},
		{"no fingerprint", change(t, "a=fingerprint", "a=x"), ErrNoFingerprint},
		{"cut fingerprint", change(t, ":FE:C1", ""), ErrNoFingerprint},
		{"MD5", change(t, "sha-256", "md5"), ErrNoFingerprint},
		{"wrong digits", change(t, ":FE:C1", ":FE:CG"), ErrNoFingerprint},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d, err := Parse(tt.text); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v; %+v", err, tt.want, d)
			}
		})
	}
}

func TestParseDialects(t *testing.T) {
	without := func(d *Description) bool { return len(d.ICE.Candidates) == 0 }
	candidates := "a=candidate:7968229926 1 udp 2130706431 127.0.0.1 17436 typ host generation 0\r\n"
	tests := []struct {
		name string
		text []byte
		ok   func(*Description) bool
	}{
		{
			"inactive is hold", change(t, "a=ptime:20", "a=inactive"),
			func(d *Description) bool { return d.Held && d.Direction == Inactive },
		},
		{
			"recvonly is not", change(t, "a=ptime:20", "a=recvonly"),
			func(d *Description) bool { return !d.Held && d.Direction == RecvOnly },
		},
		{
			"direction of the session", change(t, "t=0 0", "t=0 0\r\na=sendonly"),
			func(d *Description) bool { return d.Held && d.Direction == SendOnly },
		},
		{
			"old hold", change(t, "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0", candidates, ""),
			func(d *Description) bool { return d.Held && without(d) },
		},
		{
			"an address to come is no hold",
			change(t, "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0", candidates, "", "m=audio 17436", "m=audio 9"),
			func(d *Description) bool { return !d.Held && without(d) },
		},
		{
			"no candidates but an address", change(t, candidates, ""),
			func(d *Description) bool {
				return len(d.ICE.Candidates) == 1 && d.ICE.Candidates[0].Port == 17436
			},
		},
		{
			"credentials and fingerprint of the session",
			[]byte("v=0\no=x 7 8 IN IP4 10.0.0.1\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n" +
				"a=fingerprint:sha-1 A7:24:72:CA:6E:02:55:39:BA:66:DF:6E:CC:4C:D8:B0:1A:BF:1A:56\na=ice-lite\na=setup:passive\n" +
				"m=video 0 RTP/SAVPF 96\nm=audio 4000/2 RTP/SAVP 8\nc=IN IP6 2001:db8::1\n"),
			func(d *Description) bool {
				return d.Audio == 1 && d.ICE.Lite && d.ICE.Ufrag == "abcd" && d.DTLS.Hash == "sha-1" &&
					d.DTLS.Setup == Passive && d.Formats[0].Name == "PCMA" &&
					d.ICE.Candidates[0].Addr == netip.MustParseAddr("2001:db8::1")
			},
		},
		{
			"a secure stream is better than a plain one, even with a fingerprint",
			change(t, "m=audio 17436", "m=audio 5 RTP/AVP 0\r\na=fingerprint:sha-1 A7:24:72:CA:6E:02:55:39:BA:66:DF:6E:CC:4C:D8:B0:1A:BF:1A:56\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\nm=audio 17436"),
			func(d *Description) bool { return d.Audio == 1 && d.Tag == 1 && d.ICE.Ufrag == "dwxevBp52Ec5l0nS" },
		},
		{
			"of plain ones the first",
			[]byte("v=0\ra=fingerprint:sha-1 A7:24:72:CA:6E:02:55:39:BA:66:DF:6E:CC:4C:D8:B0:1A:BF:1A:56\ra=ice-ufrag:x\ra=ice-pwd:y\r" +
				"m=audio 0 RTP/AVP 0\rm=audio 7 RTP/AVP 0\rm=audio 8 RTP/AVP 0\r\x00"),
			func(d *Description) bool { return d.Audio == 1 && d.Tag == 1 },
		},
		{
			"second audio stream after a refused one",
			change(t, "m=audio 17436", "m=audio 0 RTP/AVP 0\r\nm=audio 17436"),
			func(d *Description) bool { return d.Audio == 1 && len(d.Sections) == 2 },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.ok(d) {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestCandidates(t *testing.T) {
	const good = "1 1 udp 2130706431 192.0.2.1 4000 typ host"
	if c, ok := candidate(good); !ok || c.String() != good {
		t.Errorf("%v %q", ok, c)
	}
	for _, bad := range []string{
		"", "1 1 udp", "1 2 udp 2130706431 192.0.2.1 4000 typ host", "1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
		"1 1 udp x 192.0.2.1 4000 typ host", "1 1 udp 1 192.0.2.1 0 typ host", "1 1 udp 1 192.0.2.1 70000 typ host",
		"1 1 udp 1 example.org 4000 typ host", "1 1 udp 1 0.0.0.0 4000 typ host", "1 1 udp 1 224.0.0.1 4000 typ host",
		"1 1 udp 1 192.0.2.1 4000 typ moon", "1 1 udp 1 192.0.2.1 4000 kind host",
		"1 1 udp 1 fe80::1%21 4000 typ host", "1 1 udp 1 fe80::1 4000 typ host",
	} {
		if c, ok := candidate(bad); ok {
			t.Errorf("%q became %+v", bad, c)
		}
	}
}

func TestFoundations(t *testing.T) {
	for given, want := range map[string]string{
		"7968229926": "7968229926", "Hac13476d": "Hac13476d", "host-1_2.x": "host12x", "-": "0", "ü": "0",
		strings.Repeat("f", 33): strings.Repeat("f", 32), "candidate:5": "5",
	} {
		c, ok := candidate(given + " 1 UDP 1 192.0.2.1 4000 typ host generation 0")
		if !ok || c.Foundation != want {
			t.Errorf("%q became %q, %t", given, c.Foundation, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.sdp")
	for _, name := range files {
		f.Add(read(f, filepath.Base(name)))
	}
	f.Add([]byte(bundleOffer))
	f.Add([]byte("v=0\r\nm=audio 1 RTP/SAVPF 0\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		if d.Audio >= len(d.Sections) || len(d.Formats) == 0 || d.ICE.Ufrag == "" || d.DTLS.Fingerprint == "" {
			t.Fatalf("accepted an unusable description: %+v", d)
		}
		// What is made of it is well-formed and says the same.
		again, err := Parse([]byte(ForPion(d)))
		if err != nil || again.ICE.Ufrag != d.ICE.Ufrag || again.ICE.Pwd != d.ICE.Pwd || again.DTLS.Fingerprint != d.DTLS.Fingerprint {
			t.Fatalf("pion would get %+v (%v) of %+v", again, err, d)
		}
		answer := Render(Local{
			Direction: d.Direction.Mirror(), Formats: d.Formats, ICE: d.ICE,
			DTLS: d.DTLS, SSRC: 1, CNAME: "x", Shape: d,
		})
		back, err := Parse(answer)
		if err != nil || len(back.Sections) != len(d.Sections) || len(back.Formats) != len(d.Formats) {
			t.Fatalf("the answer is %v\n%s", err, answer)
		}
		answers(t, d)
	})
}
