package sdpfix

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Local is everything that our own description of a call says.
type Local struct {
	SessionID uint64 // constant for a call
	Version   uint64 // grows with every change (RFC 3264 §8)
	Direction Direction
	Formats   []Format
	Ptime     int // milliseconds; 0 leaves the line out
	ICE       ICE
	DTLS      DTLS
	SSRC      uint32
	CNAME     string // RFC 7022: random, says nothing about us
	// Shape is the offer that this description answers, or the last one that was
	// answered if this is a further offer: it has the same streams in the same order
	// (RFC 3264 §8). nil for the first offer of a call.
	Shape *Description
}

// Render writes a description: complete, with all candidates, with a real address
// and port in c= and m= (FreeSWITCH reads 0.0.0.0 as hold). The default
// destination is the first candidate. With a Shape its m= lines are repeated in
// their order, with port 0 for those that are refused, and BUNDLE, mid and
// rtcp-mux are said only if it did.
//
// Refused is all but the audio stream, with one exception: the tag of its bundle, if that
// speaks for its transport. An answerer that refuses the tag cannot keep a stream that has
// no port of its own (RFC 9143 §7.3.1), and Chromium takes no such answer. It is accepted
// as inactive: nothing ever flows there.
func Render(l Local) []byte {
	var b strings.Builder
	b.Grow(1500)
	addr, port := netip.IPv4Unspecified(), uint16(9)
	if len(l.ICE.Candidates) > 0 {
		addr, port = l.ICE.Candidates[0].Addr, l.ICE.Candidates[0].Port
	}
	fmt.Fprintf(&b, "v=0\r\no=- %d %d IN %s\r\ns=-\r\nt=0 0\r\n", l.SessionID, l.Version, network(addr))

	shape := l.Shape
	if shape == nil {
		shape = &Description{
			Sections: []Section{{Kind: "audio", Proto: "UDP/TLS/RTP/SAVPF", Mid: "0"}},
			Bundle:   true, Mux: true, RSize: true,
		}
	}
	if shape.Bundle {
		b.WriteString("a=group:BUNDLE ")
		if shape.Tag != shape.Audio {
			b.WriteString(shape.Sections[shape.Tag].Mid + " ")
		}
		b.WriteString(shape.Sections[shape.Audio].Mid + "\r\n")
	}
	b.WriteString("a=msid-semantic:WMS *\r\n")
	for i, s := range shape.Sections {
		s.Port = port
		switch i {
		case shape.Audio:
			audio(&b, l, s, addr)
			l.transport(&b, shape)
		case shape.Tag:
			idle(&b, s, addr)
			l.transport(&b, shape)
		default:
			refuse(&b, s)
		}
	}
	return []byte(b.String())
}

// start writes the lines that all sections begin with.
func start(b *strings.Builder, s Section, formats, address string) {
	fmt.Fprintf(b, "m=%s %d %s %s\r\nc=IN %s\r\n", s.Kind, s.Port, s.Proto, formats, address)
	if s.Mid != "" {
		fmt.Fprintf(b, "a=mid:%s\r\n", s.Mid)
	}
}

func audio(b *strings.Builder, l Local, s Section, addr netip.Addr) {
	list := make([]string, 0, len(l.Formats))
	for _, f := range l.Formats {
		list = append(list, strconv.Itoa(int(f.PT)))
	}
	start(b, s, strings.Join(list, " "), network(addr))
	fmt.Fprintf(b, "a=%s\r\n", l.Direction)
	for _, f := range l.Formats {
		format(b, f)
	}
	if l.Ptime > 0 {
		fmt.Fprintf(b, "a=ptime:%d\r\n", l.Ptime)
	}
	fmt.Fprintf(b, "a=ssrc:%d cname:%s\r\na=msid:%s audio\r\n", l.SSRC, l.CNAME, l.CNAME)
}

func format(b *strings.Builder, f Format) {
	fmt.Fprintf(b, "a=rtpmap:%d %s/%d", f.PT, f.Name, f.ClockRate)
	if f.Channels > 1 {
		fmt.Fprintf(b, "/%d", f.Channels)
	}
	b.WriteString("\r\n")
	if f.Fmtp != "" {
		fmt.Fprintf(b, "a=fmtp:%d %s\r\n", f.PT, f.Fmtp)
	}
}

// transport writes what holds for the transport of a section. In a bundle the tag alone
// would do, but browsers repeat it, and who looks at the audio section only is served too.
func (l Local) transport(b *strings.Builder, shape *Description) {
	fmt.Fprintf(b, "a=fingerprint:%s %s\r\na=setup:%s\r\n", l.DTLS.Hash, l.DTLS.Fingerprint, l.DTLS.Setup)
	fmt.Fprintf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", l.ICE.Ufrag, l.ICE.Pwd)
	if shape.Mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
	if shape.RSize {
		b.WriteString("a=rtcp-rsize\r\n")
	}
	for _, c := range l.ICE.Candidates {
		fmt.Fprintf(b, "a=candidate:%s\r\n", c)
	}
	b.WriteString("a=end-of-candidates\r\n")
}

// idle accepts a section that nothing will flow in.
func idle(b *strings.Builder, s Section, addr netip.Addr) {
	if s.First.Name == "" {
		start(b, s, s.Formats, network(addr))
		return
	}
	start(b, s, strconv.Itoa(int(s.First.PT)), network(addr))
	b.WriteString("a=inactive\r\n")
	format(b, s.First)
}

func refuse(b *strings.Builder, s Section) {
	formats := s.Formats
	if formats == "" {
		formats = "0"
	}
	s.Port = 0
	start(b, s, formats, "IP4 0.0.0.0")
	b.WriteString("a=inactive\r\n")
}

func network(a netip.Addr) string {
	if a.Is4() {
		return "IP4 " + a.String()
	}
	return "IP6 " + a.WithZone("").String()
}

// PionCodec is the payload type of the only codec that pion is ever told about.
// What is really sent and received is agreed on outside of pion.
const PionCodec = 111

// ForPion writes the remote side of a call as pion wants it: one sendrecv audio
// stream with a mid, in a BUNDLE, with one codec and the ICE and DTLS parts of d.
// Directions are kept from pion, because it stops a transceiver for good when it
// sees inactive; codecs are, because it forgets those that it does not share.
// The foreign SSRC line keeps it from making a new transceiver for each source.
func ForPion(d *Description) string {
	var b strings.Builder
	b.Grow(1024)
	b.WriteString("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n")
	if d.ICE.Lite {
		b.WriteString("a=ice-lite\r\n")
	}
	fmt.Fprintf(&b, "m=audio 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n", PionCodec)
	fmt.Fprintf(&b, "a=rtpmap:%d opus/48000/2\r\n", PionCodec)
	fmt.Fprintf(&b, "a=fingerprint:%s %s\r\na=setup:%s\r\n", d.DTLS.Hash, d.DTLS.Fingerprint, pionSetup(d.DTLS.Setup))
	fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", d.ICE.Ufrag, d.ICE.Pwd)
	for _, c := range d.ICE.Candidates {
		fmt.Fprintf(&b, "a=candidate:%s\r\n", c)
	}
	return b.String()
}

func pionSetup(s Setup) Setup {
	if s == HoldConn {
		return ActPass
	}
	return s
}

// FromPion reads ICE credentials and candidates from a description that pion made.
// Candidates come in the order in which they should be tried: first the given
// address, if it is among them, then IPv4, then the rest.
func FromPion(text string, first netip.Addr) (ICE, error) {
	common, media := split(text)
	if common == nil || len(media) == 0 {
		return ICE{}, fmt.Errorf("reading the local description: %w", ErrNotSDP)
	}
	out := ice([]*block{media[0], common})
	if out.Ufrag == "" || out.Pwd == "" {
		return ICE{}, fmt.Errorf("reading the local description: %w", ErrNoICE)
	}
	rank := func(c Candidate) int {
		switch {
		case c.Addr == first:
			return 0
		case c.Addr.Is4():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out.Candidates, func(a, b Candidate) int { return rank(a) - rank(b) })
	return out, nil
}
