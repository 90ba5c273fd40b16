package rtc

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	pionnet "github.com/pion/transport/v4"
	"github.com/pion/webrtc/v4"

	"intercomd/phone/rtc/sdpfix"
)

// server is a plain pion PeerConnection that behaves as FreeSWITCH does: its SDP
// has no mid, no BUNDLE and no direction, its offers say RTP/SAVPF. It sends and
// receives what its test wants.
type server struct {
	t      testing.TB
	pc     *webrtc.PeerConnection
	track  *webrtc.TrackLocalStaticRTP
	heard  chan rtp.Header // packets that came, newest kept
	states chan webrtc.PeerConnectionState
}

// network is nil for the loopback interface.
func newServer(t testing.TB, codec string, network pionnet.Net) *server {
	t.Helper()
	e := webrtc.SettingEngine{}
	if network == nil {
		e.SetIncludeLoopbackCandidate(true)
		e.SetInterfaceFilter(func(name string) bool { return name == "lo" })
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	} else {
		e.SetNet(network)
		e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
		e.DisableActiveTCP(true)
	}
	e.LoggerFactory = pionLogs{testLog(t)}
	media := &webrtc.MediaEngine{}
	must(t, media.RegisterDefaultCodecs())
	api := webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(media))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(t, err)
	s := &server{
		t: t, pc: pc,
		heard: make(chan rtp.Header, 1000), states: make(chan webrtc.PeerConnectionState, 20),
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	pc.OnConnectionStateChange(func(c webrtc.PeerConnectionState) { s.states <- c })
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { go s.listen(r) })
	rate, channels := uint32(8000), uint16(0)
	if codec == webrtc.MimeTypeOpus {
		rate, channels = 48000, 2
	}
	s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{
		MimeType: codec, ClockRate: rate, Channels: channels,
	}, "audio", "server")
	must(t, err)
	_, err = pc.AddTrack(s.track)
	must(t, err)
	return s
}

func (s *server) listen(r *webrtc.TrackRemote) {
	for {
		p, _, err := r.ReadRTP()
		if err != nil {
			return
		}
		select {
		case s.heard <- p.Header:
		default:
		}
	}
}

// dialect makes pion's SDP look like FreeSWITCH's.
func dialect(text string, offer bool) []byte {
	out := regexp.MustCompile(`a=(mid|group|sendrecv|extmap|ssrc|msid|rtcp-fb)[^\r\n]*\r\n`).ReplaceAllString(text, "")
	if offer {
		out = strings.ReplaceAll(out, "UDP/TLS/RTP/SAVPF", "RTP/SAVPF")
	}
	return []byte(out)
}

func (s *server) answer(offer []byte) []byte {
	s.t.Helper()
	must(s.t, s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: string(offer)}))
	d, err := s.pc.CreateAnswer(nil)
	must(s.t, err)
	return dialect(s.complete(d), false)
}

func (s *server) offer() []byte {
	s.t.Helper()
	d, err := s.pc.CreateOffer(nil)
	must(s.t, err)
	return dialect(s.complete(d), true)
}

func (s *server) complete(d webrtc.SessionDescription) string {
	gathered := webrtc.GatheringCompletePromise(s.pc)
	must(s.t, s.pc.SetLocalDescription(d))
	select {
	case <-gathered:
	case <-time.After(patience):
		s.t.Fatal("the server does not gather")
	}
	return s.pc.LocalDescription().SDP
}

// accept takes an answer; pion needs back what the dialect has left out.
func (s *server) accept(answer []byte) {
	s.t.Helper()
	d, err := sdpfix.Parse(answer)
	must(s.t, err)
	text := strings.Replace(string(answer), "t=0 0\r\n", "t=0 0\r\na=group:BUNDLE 0\r\n", 1)
	text = strings.Replace(text, "a="+string(d.Direction)+"\r\n", "a=mid:0\r\na="+string(d.Direction)+"\r\n", 1)
	must(s.t, s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}))
}

func (s *server) connected() {
	s.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case c := <-s.states:
			if c == webrtc.PeerConnectionStateConnected {
				return
			}
		case <-limit:
			s.t.Fatal("the server is not connected")
		}
	}
}

// speaks sends packets until the session has read one of them.
func (s *server) speaks(to *Session) rtp.Packet {
	s.t.Helper()
	got := make(chan rtp.Packet, 1)
	go func() {
		var p rtp.Packet
		if to.ReadRTP(make([]byte, 1500), &p) == nil {
			got <- p
		}
	}()
	limit := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for seq := uint16(0); ; seq++ {
		select {
		case p := <-got:
			return p
		case <-tick.C:
			err := s.track.WriteRTP(&rtp.Packet{
				Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 960}, Payload: []byte{1, 2, 3},
			})
			if err != nil && !errors.Is(err, io.ErrClosedPipe) {
				s.t.Fatal(err)
			}
		case <-limit:
			s.t.Fatal("the server was not heard")
		}
	}
}

// hears lets the session speak until the server has heard it.
func (s *server) hears(from *Session) rtp.Header {
	s.t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case h := <-s.heard:
			return h
		case <-tick.C:
			must(s.t, from.WriteFrame([]byte{1, 2, 3}, 960, false))
		case <-limit:
			s.t.Fatal("the server heard nothing")
		}
	}
}

func TestCallToServer(t *testing.T) {
	for _, tt := range []struct {
		codec string
		want  Codec
	}{
		{webrtc.MimeTypeOpus, Codec{Name: "opus", PayloadType: 111, ClockRate: 48000, Channels: 2, Ptime: defaultPtime, FEC: true}},
		{webrtc.MimeTypePCMU, Codec{Name: "PCMU", PayloadType: 0, ClockRate: 8000, Channels: 1, Ptime: defaultPtime}},
	} {
		t.Run(tt.want.Name, func(t *testing.T) {
			s := testSession(t, testFactory(t, Config{Codecs: []string{tt.want.Name}}))
			fs := newServer(t, tt.codec, nil)
			offer, err := s.Offer()
			must(t, err)
			must(t, s.Accept(fs.answer(offer)))
			awaitState(t, s, StateConnected)
			fs.connected()
			if c := s.Codec(); c != tt.want {
				t.Errorf("codec %+v, want %+v", c, tt.want)
			}
			if h := fs.hears(s); h.PayloadType != tt.want.PayloadType || !h.Marker {
				t.Errorf("the server heard %+v; the first packet is to have the marker", h)
			}
			p := fs.speaks(s)
			if c, ok := s.CodecOf(p.PayloadType); !ok || c.Name != tt.want.Name {
				t.Errorf("payload type %d is %+v", p.PayloadType, c)
			}
		})
	}
}

func TestCallFromServer(t *testing.T) {
	s := testSession(t, testFactory(t, Config{}))
	fs := newServer(t, webrtc.MimeTypeOpus, nil)
	offer := fs.offer()
	answer, err := s.Answer(offer)
	must(t, err)
	text := string(answer)
	for _, bad := range []string{"a=mid", "BUNDLE", "0.0.0.0", "m=audio 9 ", "actpass"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q in the answer\n%s", bad, text)
		}
	}
	if !strings.Contains(text, " RTP/SAVPF 111\r\n") || !strings.Contains(text, "a=setup:active") {
		t.Errorf("the answer is\n%s", text)
	}
	fs.accept(answer)
	awaitState(t, s, StateConnected)
	fs.connected()
	fs.hears(s)
	fs.speaks(s)
}
