package sdpfix

import (
	"net/netip"
	"strings"
	"testing"
)

func testLocal() Local {
	return Local{
		SessionID: 17, Version: 2, Direction: SendRecv, Ptime: 20, SSRC: 99, CNAME: "name",
		Formats: []Format{
			{PT: 111, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"},
			{PT: 0, Name: "PCMU", ClockRate: 8000, Channels: 1},
			{PT: 126, Name: "telephone-event", ClockRate: 8000, Channels: 1, Fmtp: "0-15"},
		},
		ICE: ICE{Ufrag: "uuuu", Pwd: "pppppppppppppppppppppp", Candidates: []Candidate{
			{Foundation: "1", Priority: 2130706431, Addr: netip.MustParseAddr("192.0.2.1"), Port: 4000, Type: "host"},
			{Foundation: "2", Priority: 2130706175, Addr: netip.MustParseAddr("2001:db8::1"), Port: 4001, Type: "host"},
		}},
		DTLS: DTLS{Hash: "sha-256", Fingerprint: strings.TrimSuffix(strings.Repeat("AB:", 32), ":"), Setup: ActPass},
	}
}

func TestRenderOffer(t *testing.T) {
	want := `v=0
o=- 17 2 IN IP4 192.0.2.1
s=-
t=0 0
a=group:BUNDLE 0
a=msid-semantic:WMS *
m=audio 4000 UDP/TLS/RTP/SAVPF 111 0 126
c=IN IP4 192.0.2.1
a=mid:0
a=sendrecv
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=rtpmap:126 telephone-event/8000
a=fmtp:126 0-15
a=ptime:20
a=ssrc:99 cname:name
a=msid:name audio
a=fingerprint:sha-256 AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB
a=setup:actpass
a=ice-ufrag:uuuu
a=ice-pwd:pppppppppppppppppppppp
a=rtcp-mux
a=rtcp-rsize
a=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host
a=candidate:2 1 udp 2130706175 2001:db8::1 4001 typ host
a=end-of-candidates
`
	if got := string(Render(testLocal())); got != strings.ReplaceAll(want, "\n", "\r\n") {
		t.Errorf("got\n%s", got)
	}
}

// Answers say what their offers said, no more: FreeSWITCH without mid and BUNDLE,
// a browser with video.
func TestRenderAnswer(t *testing.T) {
	tests := []struct {
		file          string
		has, hasNot   []string
		streams       int
		audioProtocol string
	}{
		{
			file: "incoming-1005-session-timer.fs1-offer.sdp", streams: 1, audioProtocol: "RTP/SAVPF",
			has:    []string{"m=audio 4000 RTP/SAVPF 111 0 126\r\n", "a=rtcp-mux\r\n", "a=recvonly\r\n"},
			hasNot: []string{"a=mid", "BUNDLE", "rtcp-rsize", "0.0.0.0"},
		},
		{
			file: "chrome.sdp", streams: 2, audioProtocol: "UDP/TLS/RTP/SAVPF",
			has: []string{
				"a=group:BUNDLE 0\r\n", "a=mid:0\r\n", "a=rtcp-rsize\r\n",
				"m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\n", "a=mid:1\r\na=inactive\r\n",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			l := testLocal()
			l.Shape, l.Direction, l.DTLS.Setup = parsed(t, tt.file), RecvOnly, Active
			got := string(Render(l))
			for _, s := range tt.has {
				if !strings.Contains(got, s) {
					t.Errorf("no %q in\n%s", s, got)
				}
			}
			for _, s := range tt.hasNot {
				if strings.Contains(got, s) {
					t.Errorf("%q in\n%s", s, got)
				}
			}
			d, err := Parse([]byte(got))
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Sections) != tt.streams || d.Sections[d.Audio].Proto != tt.audioProtocol || d.DTLS.Setup != Active {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestFromPion(t *testing.T) {
	text := string(Render(testLocal()))
	six := netip.MustParseAddr("2001:db8::1")
	got, err := FromPion(text, six)
	if err != nil || got.Ufrag != "uuuu" || len(got.Candidates) != 2 || got.Candidates[0].Addr != six {
		t.Errorf("%+v %v", got, err)
	}
	got, err = FromPion(text, netip.Addr{})
	if err != nil || !got.Candidates[0].Addr.Is4() {
		t.Errorf("IPv4 is to come first: %+v %v", got, err)
	}
	for _, bad := range []string{"", "v=0\r\n", "v=0\r\nm=audio 9 RTP/SAVPF 0\r\n"} {
		if _, err := FromPion(bad, six); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestDirection(t *testing.T) {
	for d, want := range map[Direction]Direction{SendRecv: SendRecv, SendOnly: RecvOnly, RecvOnly: SendOnly, Inactive: Inactive} {
		if d.Mirror() != want || d.Sends() != want.Receives() {
			t.Errorf("%s mirrors to %s", d, d.Mirror())
		}
	}
}
