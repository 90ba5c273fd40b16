package rtc

import (
	"errors"
	"intercomd/phone"
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
// receives what its test wants, by a clock that steps whenever what it sends changes,
// and takes an event with timestamp 0 for none.
type server struct {
	t      testing.TB
	pc     *webrtc.PeerConnection
	track  track
	codec  webrtc.RTPCodecParameters
	heard  chan rtp.Header // packets that came, newest kept
	keys   chan rune       // keys that came
	states chan webrtc.PeerConnectionState

	seq   uint16 // of the next packet
	ts    uint32 // its timestamp
	turns int    // how often the clock has stepped
}

// Payload types of the server's telephone-event.
const (
	serverEvents48000 = 103
	serverEvents8000  = 101
)

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
	for pt, rate := range map[webrtc.PayloadType]uint32{serverEvents48000: 48000, serverEvents8000: 8000} {
		must(t, media.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/" + eventName, ClockRate: rate, SDPFmtpLine: "0-15"},
			PayloadType:        pt,
		}, webrtc.RTPCodecTypeAudio))
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(media))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(t, err)
	s := &server{
		t: t, pc: pc,
		heard: make(chan rtp.Header, 1000), states: make(chan webrtc.PeerConnectionState, 20),
		keys: make(chan rune, 64), codec: pionCodec(), seq: 60000,
	}
	s.codec.PayloadType = 111
	t.Cleanup(func() { _ = pc.GracefulClose() })
	pc.OnConnectionStateChange(func(c webrtc.PeerConnectionState) { s.states <- c })
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { go s.listen(r) })
	if codec == webrtc.MimeTypePCMU {
		s.codec = webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: codec, ClockRate: 8000}, PayloadType: 0,
		}
	}
	_, err = pc.AddTrack(&s.track)
	must(t, err)
	return s
}

// listen reads what comes, and keys as FreeSWITCH does: an event is new while none is
// under way, it is over with its end, and timestamp 0 marks that there is none.
func (s *server) listen(r *webrtc.TrackRemote) {
	var event uint32
	for {
		p, _, err := r.ReadRTP()
		if err != nil {
			return
		}
		select {
		case s.heard <- p.Header:
		default:
		}
		e, ok := parseEvent(p.Payload)
		if pt := p.PayloadType; !ok || pt != ptEvents48000 && pt != ptEvents8000 && pt != serverEvents48000 && pt != serverEvents8000 {
			continue
		}
		switch {
		case e.end && event != 0 && event == p.Timestamp:
			s.keys <- rune(keys[e.code])
			event = 0
		case !e.end:
			event = p.Timestamp
		}
	}
}

// step begins something else to send: the clock goes to where that is.
func (s *server) step() {
	at := []uint32{77760, 7680, 76800, 2639598983, 0, 1 << 31}
	s.ts = at[s.turns%len(at)]
	s.turns++
}

func (s *server) send(pt uint8, marker bool, payload ...byte) {
	s.t.Helper()
	w := s.track.writer.Load()
	if w == nil {
		return
	}
	_, err := (*w).WriteRTP(&rtp.Header{
		Version: 2, PayloadType: pt, SequenceNumber: s.seq, Timestamp: s.ts, Marker: marker, SSRC: 4711,
	}, payload)
	s.seq++
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.t.Fatal(err)
	}
}

// presses sends a key, in packets of 20 ms that follow at once.
func (s *server) presses(pt uint8, key rune, rate int) {
	s.t.Helper()
	begun := s.ts
	for _, p := range press(0, 0, key, rate, 100) {
		s.ts = begun + p.ts
		s.send(pt, p.marker, p.payload()...)
	}
	s.ts = begun + uint32(rate)/5
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
func (s *server) speaks(to *Session) Packet {
	s.t.Helper()
	got := make(chan Packet, 1)
	go func() {
		if p, err := reads(to).next(); err == nil {
			got <- p
		}
	}()
	limit := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	s.step()
	for {
		select {
		case p := <-got:
			return p
		case <-tick.C:
			s.send(uint8(s.codec.PayloadType), false, 1, 2, 3)
			s.ts += s.codec.ClockRate / 50
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
			awaitState(t, s, phone.MediaConnected)
			fs.connected()
			if c := s.Codec(); c != tt.want {
				t.Errorf("codec %+v, want %+v", c, tt.want)
			}
			if h := fs.hears(s); h.PayloadType != tt.want.PayloadType || !h.Marker {
				t.Errorf("the server heard %+v; the first packet is to have the marker", h)
			}
			p := fs.speaks(s)
			if p.Codec.Name != tt.want.Name || p.Codec.PayloadType != tt.want.PayloadType {
				t.Errorf("the packet is %+v", p.Codec)
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
	if !strings.Contains(text, " RTP/SAVPF 111 103 101\r\n") || !strings.Contains(text, "a=setup:active") {
		t.Errorf("the answer is\n%s", text)
	}
	fs.accept(answer)
	awaitState(t, s, phone.MediaConnected)
	fs.connected()
	fs.hears(s)
	fs.speaks(s)
}

// Keys in both directions over the real media, by a far end with the habits of
// FreeSWITCH: its clock steps, and a key of ours at timestamp 0 is none to it.
func TestKeysWithServer(t *testing.T) {
	for _, codec := range []string{webrtc.MimeTypeOpus, webrtc.MimeTypePCMU} {
		for _, first := range []uint32{5000, 1<<31 + 5000, 0} { // half of all clocks begin beyond the middle
			s := testSession(t, testFactory(t, Config{Codecs: []string{strings.TrimPrefix(codec, "audio/")}}))
			s.out.ts = first
			fs := newServer(t, codec, nil)
			offer, err := s.Offer()
			must(t, err)
			must(t, s.Accept(fs.answer(offer)))
			s.SendDigits("15#") // before there is a connection, and any audio
			fs.connected()
			awaitState(t, s, phone.MediaConnected)
			for _, want := range "15#" {
				select {
				case key := <-fs.keys:
					if key != want {
						t.Fatalf("%s, clock at %d: the server took %c for %c", codec, first, key, want)
					}
				case <-time.After(patience):
					t.Fatalf("%s, clock at %d: %c was no key to the server", codec, first, want)
				}
			}

			a := s.agreed.Load()
			want := "1122*9"
			for _, key := range want {
				fs.speaks(s) // which steps the clock
				fs.presses(a.digits.PT, key, a.digits.ClockRate)
			}
			var got []rune
			for range want {
				select {
				case key := <-s.Digits():
					got = append(got, key)
				case <-time.After(patience):
					t.Fatalf("%s: keys %q, want %q", codec, string(got), want)
				}
			}
			if string(got) != want {
				t.Errorf("%s: keys %q, want %q", codec, string(got), want)
			}
		}
	}
}
