package sdpfix

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// bundleOffer is the form that browsers write with the policy max-bundle: one transport,
// said in the first section; all others have no port of their own.
const bundleOffer = `v=0
o=- 7 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
m=video 50004 UDP/TLS/RTP/SAVPF 96
c=IN IP4 192.0.2.10
a=candidate:1 1 udp 2122260223 192.0.2.10 50004 typ host generation 0
a=ice-ufrag:tagU
a=ice-pwd:0123456789abcdefghijklmn
a=fingerprint:sha-1 01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14
a=setup:active
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
m=audio 0 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 0.0.0.0
a=mid:1
a=bundle-only
a=sendrecv
a=rtpmap:111 opus/48000/2
`

func TestBundleOnly(t *testing.T) {
	const video, audio = "m=video 50004", "m=audio 0"
	replace := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(bundleOffer, pairs[i]) {
				t.Fatalf("no %q", pairs[i])
			}
		}
		return strings.NewReplacer(pairs...).Replace(bundleOffer)
	}
	tests := []struct {
		name  string
		text  string
		err   error
		ufrag string // of the transport, "tagU" if empty
		check func(*Description) bool
	}{
		{name: "as it is", text: bundleOffer},
		{name: "a data channel first", text: replace("m=video 50004 UDP/TLS/RTP/SAVPF 96", "m=application 50004 UDP/DTLS/SCTP webrtc-datachannel")},
		{name: "Microsoft's line ends", text: strings.ReplaceAll(bundleOffer, "\n", "\r\n")},
		{name: "the group in small letters", text: replace("BUNDLE", "bundle")},
		{name: "several groups", text: replace("a=group:BUNDLE 0 1", "a=group:LS 0 1\na=group:BUNDLE 7 8\na=group:BUNDLE 0 1")},
		{name: "a group with strangers", text: replace("BUNDLE 0 1", "BUNDLE x 0 y 1")},
		{name: "the group in another order", text: replace("BUNDLE 0 1", "BUNDLE 1 0")},
		{
			name: "the tag is refused, the next one speaks",
			text: replace("BUNDLE 0 1", "BUNDLE x 0 1", "t=0 0\n", "t=0 0\n", "m=video 50004", "m=audio 0 RTP/AVP 0\na=mid:x\nm=video 50004"),
		},
		{name: "what the section repeats of it", text: replace("a=bundle-only", "a=bundle-only\na=ice-ufrag:tagU\na=ice-pwd:0123456789abcdefghijklmn")},
		{name: "what it says otherwise", text: replace("a=bundle-only", "a=bundle-only\na=ice-ufrag:else\na=ice-pwd:x\na=candidate:1 1 udp 1 192.0.2.11 5 typ host\na=setup:passive")},
		{name: "a port all the same", text: replace(audio, "m=audio 50004", "a=bundle-only\n", "")},
		{name: "a port all the same, and a discard address", text: replace(audio, "m=audio 9", "a=bundle-only\n", "a=ice-ufrag:tagU\na=ice-pwd:0123456789abcdefghijklmn\n")},
		{
			name: "it can be had alone", ufrag: "ownU",
			text: replace(audio, "m=audio 50006", "a=bundle-only\n", "a=ice-ufrag:ownU\na=ice-pwd:nmlkjihgfedcba9876543210\na=candidate:1 1 udp 1 192.0.2.10 50004 typ host\n"+
				"a=setup:active\na=rtcp-rsize\na=rtcp-mux\na=fingerprint:sha-1 01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14\n"),
		},
		{
			name: "credentials and fingerprint of the session",
			text: replace("t=0 0\n", "t=0 0\na=ice-ufrag:tagU\na=ice-pwd:0123456789abcdefghijklmn\na=setup:active\na=fingerprint:sha-1 01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14\n",
				"a=ice-ufrag:tagU\n", "", "a=ice-pwd:0123456789abcdefghijklmn\n", "", "a=setup:active\n", "",
				"a=fingerprint:sha-1 01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14\n", ""),
		},
		{name: "rtcp-mux-only", text: replace("a=rtcp-mux\n", "a=rtcp-mux-only\n")},
		{
			name: "no candidates but an address", text: replace("a=candidate:1 1 udp 2122260223 192.0.2.10 50004 typ host generation 0\n", ""),
		},
		{
			name: "no address yet is no hold", text: replace("a=candidate:1 1 udp 2122260223 192.0.2.10 50004 typ host generation 0\n", "", video, "m=video 9", "192.0.2.10", "0.0.0.0"),
			check: func(d *Description) bool { return !d.Held && len(d.ICE.Candidates) == 0 },
		},
		{name: "refused: no bundle-only", text: replace("a=bundle-only\n", ""), err: ErrNoAudio},
		{name: "refused: no mid", text: replace("a=mid:1\n", ""), err: ErrNoAudio},
		{name: "refused: not in the group", text: replace("BUNDLE 0 1", "BUNDLE 0"), err: ErrNoAudio},
		{name: "refused: another kind of group", text: replace("BUNDLE", "LS"), err: ErrNoAudio},
		{name: "refused: so is the tag", text: replace(video, "m=video 0"), err: ErrNoAudio},
		{name: "another profile", text: replace("m=audio 0 UDP/TLS/RTP/SAVPF", "m=audio 0 RTP/AVP")},
		{name: "plain RTP", text: replace("m=audio 0 UDP/TLS/RTP/SAVPF", "m=audio 0 RTP/AVP", "a=fingerprint", "a=x"), err: ErrNoAudio},
		{name: "no ICE", text: replace("a=ice-ufrag", "a=x"), err: ErrNoICE},
		{name: "no fingerprint", text: replace("a=fingerprint", "a=x"), err: ErrNoFingerprint},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse([]byte(tt.text))
			if !errors.Is(err, tt.err) {
				t.Fatalf("%v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			ufrag := tt.ufrag
			if ufrag == "" {
				ufrag = "tagU"
			}
			if d.Sections[d.Audio].Kind != "audio" || d.Formats[0].Name != "opus" || !d.Mux || !d.RSize || !d.Bundle || d.Held {
				t.Errorf("%+v", d)
			}
			if d.ICE.Ufrag != ufrag || len(d.ICE.Pwd) != 24 || d.DTLS.Hash != "sha-1" || d.DTLS.Setup != Active {
				t.Errorf("%+v %+v", d.ICE, d.DTLS)
			}
			if tt.check != nil {
				if !tt.check(d) {
					t.Errorf("%+v", d)
				}
				return
			}
			if want := netip.MustParseAddr("192.0.2.10"); len(d.ICE.Candidates) != 1 || d.ICE.Candidates[0].Addr != want || d.ICE.Candidates[0].Port != 50004 {
				t.Errorf("%+v", d.ICE)
			}
			answers(t, d)
		})
	}
}

// answers checks the form of what we answer to d: the sections that were offered, in their
// order, none accepted but the audio stream and the tag that speaks for it, these in the
// bundle, and our transport in them.
func answers(t failer, d *Description) {
	t.Helper()
	l := testLocal()
	l.Shape, l.Direction, l.DTLS.Setup = d, d.Direction.Mirror(), Passive
	text := string(Render(l))
	back, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(back.Sections) != len(d.Sections) || back.Audio != d.Audio || back.Tag != d.Tag || back.Bundle != d.Bundle || back.Mux != d.Mux {
		t.Fatalf("%+v became\n%s", d, text)
	}
	for i, s := range back.Sections {
		was := d.Sections[i]
		if s.Kind != was.Kind || s.Proto != was.Proto || s.Mid != was.Mid {
			t.Errorf("section %d, %+v, became %+v", i, was, s)
		}
		if (s.Port != 0) != (i == d.Audio || i == d.Tag) {
			t.Errorf("section %d has port %d\n%s", i, s.Port, text)
		}
	}
	if back.ICE.Ufrag != l.ICE.Ufrag || len(back.ICE.Candidates) != len(l.ICE.Candidates) || back.DTLS != l.DTLS {
		t.Errorf("the transport is %+v %+v", back.ICE, back.DTLS)
	}
	group := d.Sections[d.Audio].Mid
	if d.Tag != d.Audio {
		group = d.Sections[d.Tag].Mid + " " + group
	}
	if d.Bundle && !strings.Contains(text, "\r\na=group:BUNDLE "+group+"\r\n") || strings.Contains(text, "bundle-only") {
		t.Errorf("the bundle is wrong\n%s", text)
	}
}

type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Whatever order a bundle comes in and whoever says what: the audio stream travels as the
// tag does, unless it has a port and credentials of its own.
func TestBundlesOfAllKinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"video", "application", "audio RTP/AVP"}), 1, 4).Draw(t, "others")
		at := rapid.IntRange(0, len(kinds)).Draw(t, "place of the audio stream")
		kinds = slices.Insert(kinds, at, "audio")
		n := len(kinds)
		order := rapid.Permutation(seq(n)).Draw(t, "order of the group")
		how := rapid.SampledFrom([]string{"bundle-only", "silent", "repeats", "own"}).Draw(t, "audio")
		tag := order[0]
		if how == "bundle-only" && tag == at {
			how = "repeats"
		}
		session := rapid.Bool().Draw(t, "credentials for the session") && how != "own"

		credentials := func(i int) string {
			return fmt.Sprintf("a=ice-ufrag:uuu%d\r\na=ice-pwd:%024d\r\na=fingerprint:sha-1 %s\r\na=setup:actpass\r\n", i, i,
				strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%02d:", i), 20), ":"))
		}
		var b strings.Builder
		b.WriteString("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n")
		if rapid.Bool().Draw(t, "another group") {
			b.WriteString("a=group:BUNDLE none\r\n")
		}
		b.WriteString("a=group:BUNDLE")
		for _, i := range order {
			fmt.Fprintf(&b, " m%d", i)
		}
		b.WriteString("\r\n")
		if session {
			b.WriteString(credentials(tag))
		}
		for i, kind := range kinds {
			name, proto, found := strings.Cut(kind, " ")
			if !found {
				proto = "UDP/TLS/RTP/SAVPF"
			}
			says := how
			if i != at {
				says = rapid.SampledFrom([]string{"bundle-only", "silent", "repeats", "own"}).Draw(t, "section")
			}
			if i == tag {
				says = "own"
			}
			port := map[string]int{"bundle-only": 0, "silent": 5000 + tag, "repeats": 9, "own": 5000 + i}[says]
			fmt.Fprintf(&b, "m=%s %d %s 8\r\nc=IN IP4 192.0.2.%d\r\na=mid:m%d\r\n", name, port, proto, i+1, i)
			switch says {
			case "bundle-only":
				b.WriteString("a=bundle-only\r\n")
			case "repeats":
				if !session {
					b.WriteString(credentials(tag))
				}
			case "own":
				if !session {
					b.WriteString(credentials(i))
				}
				fmt.Fprintf(&b, "a=candidate:1 1 udp 1 192.0.2.%d %d typ host\r\na=rtcp-mux\r\n", i+1, port)
			}
		}
		d, err := Parse([]byte(b.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		want := tag
		if how == "own" {
			want = at
		}
		if d.Audio != at || !d.Bundle || d.ICE.Ufrag != fmt.Sprintf("uuu%d", want) || d.ICE.Pwd != fmt.Sprintf("%024d", want) ||
			!strings.HasPrefix(d.DTLS.Fingerprint, fmt.Sprintf("%02d:", want)) || !d.Mux || d.Held ||
			len(d.ICE.Candidates) != 1 || int(d.ICE.Candidates[0].Port) != 5000+want {
			t.Fatalf("it travels by %+v %+v, not as section %d\n%s", d.ICE, d.DTLS, want, b.String())
		}
		answers(t, d)
	})
}

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
