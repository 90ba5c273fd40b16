package sdpfix

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Errors of [Parse]. Callers branch on them; the text names what is missing.
var (
	ErrNotSDP        = errors.New("this is not a session description")
	ErrNoAudio       = errors.New("the session description has no usable audio stream")
	ErrNoICE         = errors.New("the session description has no ICE credentials: the far end does not speak WebRTC")
	ErrNoFingerprint = errors.New("the session description has no usable DTLS fingerprint: the far end does not speak WebRTC")
)

// Bounds on what is read from the network. Real descriptions stay far below.
const (
	maxSize       = 64 << 10 // bytes
	maxSections   = 16
	maxFormats    = 64 // per stream
	maxCandidates = 32
)

// Parse reads a session description. Lines that it does not know are skipped, so
// are malformed attributes; a description without the four things that a WebRTC
// audio stream needs (audio, payload types, ICE credentials, fingerprint) is an
// error.
func Parse(text []byte) (*Description, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("%w: %d bytes are more than the limit of %d", ErrNotSDP, len(text), maxSize)
	}
	common, blocks := split(string(text))
	if common == nil {
		return nil, ErrNotSDP
	}
	d := &Description{Audio: -1}
	d.SessionID, d.Version = origin(common.value('o'))
	for _, b := range blocks {
		s, ok := section(b)
		if !ok {
			return nil, fmt.Errorf("%w: m=%s", ErrNotSDP, b.value('m'))
		}
		d.Sections = append(d.Sections, s)
	}
	var at transport
	for i := range d.Sections {
		t, ok := d.travels(common, blocks, i)
		if !ok {
			continue
		}
		d.Audio, d.Tag, d.Bundle, at = i, t.by, t.bundled, t
		if secure(d.Sections[i].Proto) {
			break // else a later one that says that it is secure is better
		}
	}
	if d.Audio < 0 {
		return nil, ErrNoAudio
	}
	if err := d.stream(common, blocks[d.Audio], at); err != nil {
		return nil, err
	}
	return d, nil
}

// travels finds out how a section travels, and whether it is an audio stream for us: not
// refused, and secured by DTLS. That is what its profile says, or a fingerprint and ICE
// credentials beside a plain profile (RFC 8829 §5.1.2), of which the first counts.
func (d *Description) travels(common *block, blocks []*block, i int) (transport, bool) {
	s := d.Sections[i]
	if s.Kind != "audio" || !secure(s.Proto) && (!plain(s.Proto) || d.Audio >= 0) {
		return transport{}, false
	}
	t := transport{said: []*block{blocks[i], common}, port: s.Port, by: i}
	tag, bundled := d.bundle(common, i)
	t.bundled = bundled
	if s.Port == 0 && (tag < 0 || !blocks[i].has("bundle-only")) {
		return t, false
	}
	if tag >= 0 && t.follows(blocks[tag]) {
		t.said, t.port, t.by = append([]*block{blocks[tag]}, t.said...), d.Sections[tag].Port, tag
	}
	_, print := fingerprint(t.said)
	return t, secure(s.Proto) || print != "" && ice(t.said).Ufrag != ""
}

// bundle finds the BUNDLE group of a section (RFC 9143) and its tag: the section that
// speaks for the transport of all, which is the first of the group that has a port. A
// group without one leads nowhere: -1.
func (d *Description) bundle(common *block, of int) (tag int, member bool) {
	tag = -1
	mid := d.Sections[of].Mid
	if mid == "" {
		return tag, false
	}
	common.all("group", func(v string) bool {
		f := strings.Fields(v)
		if len(f) < 2 || !strings.EqualFold(f[0], "BUNDLE") || !slices.Contains(f[1:], mid) {
			return true
		}
		member = true
		for _, m := range f[1:] {
			tag = slices.IndexFunc(d.Sections, func(s Section) bool { return s.Mid == m && s.Port != 0 })
			if tag >= 0 {
				break
			}
		}
		return false
	})
	return tag, member
}

// transport is where a description says how a stream travels.
type transport struct {
	said    []*block // what counts first comes first; the last is what holds for the session
	port    uint16
	by      int  // the section that speaks for it
	bundled bool // whether the stream is in a bundle, its tag's or its own
}

// follows reports whether a stream in a bundle travels as the tag says, which counts first
// then, for the others may repeat it, in part, or not at all. But a stream with a port and
// ICE credentials of its own can be had alone and keeps them: so first offers look (RFC 9143
// §7.2), and the tag may be a stream that we refuse.
func (t transport) follows(tag *block) bool {
	own := t.said[0].attr("ice-ufrag")
	return t.port == 0 || own == "" || own == tag.attr("ice-ufrag")
}

// has reports whether the stream's section, or that of its transport, has an attribute.
func (t transport) has(key string) bool {
	return slices.ContainsFunc(t.said[:len(t.said)-1], func(b *block) bool { return b.has(key) })
}

// stream fills in what the audio section and its transport say, with the session's part as
// default.
func (d *Description) stream(common, media *block, at transport) error {
	s := d.Sections[d.Audio]
	d.Formats = formats(s.Formats, media)
	if len(d.Formats) == 0 {
		return fmt.Errorf("%w: m=audio without payload types", ErrNoAudio)
	}
	d.Mux = at.has("rtcp-mux") || at.has("rtcp-mux-only") // RFC 8858
	d.RSize = at.has("rtcp-rsize")
	d.Ptime = number(media.attr("ptime"))
	d.Direction = direction(media, direction(common, SendRecv))

	addr := netip.Addr{}
	for _, b := range at.said {
		if addr = address(b.value('c')); addr.IsValid() {
			break
		}
	}
	d.ICE = ice(at.said)
	if d.ICE.Ufrag == "" || d.ICE.Pwd == "" {
		return ErrNoICE
	}
	silent := addr.IsValid() && addr.IsUnspecified() && at.port != 9 &&
		len(d.ICE.Candidates)+len(d.ICE.Names) == 0
	d.Held = !d.Direction.Receives() || silent // RFC 3264 §8.4 describes c=0.0.0.0
	if len(d.ICE.Candidates) == 0 && addr.IsValid() && !addr.IsUnspecified() && at.port != 9 {
		// RFC 8839 §4.2.1.2: the default destination is a candidate as well.
		d.ICE.Candidates = []Candidate{{
			Foundation: "default", Priority: 2130706431, Addr: addr, Port: at.port, Type: "host",
		}}
	}
	hash, print := fingerprint(at.said)
	if print == "" {
		return ErrNoFingerprint
	}
	d.DTLS = DTLS{Hash: hash, Fingerprint: print, Setup: setup(at.said)}
	return nil
}

// block is the session's part of a description or one of its media sections.
type block struct {
	lines []line
}

type line struct {
	kind  byte // 'a' of "a=mid:0"
	key   string
	value string // of attributes: what follows the colon; else the whole value
}

// split cuts a description into its session part and its media sections. It
// returns nil for texts that do not begin with a version line.
func split(text string) (common *block, media []*block) {
	current := (*block)(nil)
	// RFC 8866 §5: lines end with CRLF, and LF alone is to be taken; CR alone is in the field.
	for raw := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }) {
		raw = strings.TrimRight(raw, " \t")
		if len(raw) < 2 || raw[1] != '=' {
			continue
		}
		kind, value := raw[0], raw[2:]
		switch {
		case common == nil:
			if kind != 'v' {
				return nil, nil
			}
			common = &block{}
			current = common
		case kind == 'm':
			if len(media) == maxSections {
				return common, media
			}
			current = &block{}
			media = append(media, current)
		}
		l := line{kind: kind, value: value}
		if kind == 'a' {
			l.key, l.value, _ = strings.Cut(value, ":")
		}
		current.lines = append(current.lines, l)
	}
	return common, media
}

// value returns the first line of a kind other than 'a'.
func (b *block) value(kind byte) string {
	for _, l := range b.lines {
		if l.kind == kind {
			return l.value
		}
	}
	return ""
}

// attr returns the first attribute of a name.
func (b *block) attr(key string) string {
	for _, l := range b.lines {
		if l.kind == 'a' && l.key == key {
			return strings.TrimSpace(l.value)
		}
	}
	return ""
}

func (b *block) has(key string) bool {
	for _, l := range b.lines {
		if l.kind == 'a' && l.key == key {
			return true
		}
	}
	return false
}

// all calls f with every attribute of a name until it returns false.
func (b *block) all(key string, f func(value string) bool) {
	for _, l := range b.lines {
		if l.kind == 'a' && l.key == key && !f(strings.TrimSpace(l.value)) {
			return
		}
	}
}

// origin returns session id and version of "- 123 2 IN IP4 127.0.0.1".
func origin(value string) (id, version string) {
	if f := strings.Fields(value); len(f) >= 3 {
		return f[1], f[2]
	}
	return "", ""
}

// section reads "audio 17436 UDP/TLS/RTP/SAVPF 111 110".
func section(b *block) (Section, bool) {
	f := strings.Fields(b.value('m'))
	if len(f) < 3 {
		return Section{}, false
	}
	port, _, _ := strings.Cut(f[1], "/") // "49170/2" names a number of ports
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Section{}, false
	}
	mid := b.attr("mid")
	if strings.ContainsAny(mid, " \t") {
		mid = ""
	}
	s := Section{Kind: f[0], Port: uint16(n), Proto: f[2], Formats: strings.Join(f[3:], " "), Mid: mid}
	if known := formats(s.Formats, b); len(known) > 0 {
		s.First = known[0]
	}
	return s, true
}

// secure reports whether the transport is one that means DTLS-SRTP when a
// fingerprint comes with it (RFC 5764 §8, RFC 8829 §5.1.2).
func secure(proto string) bool {
	switch strings.ToUpper(proto) {
	case "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP":
		return true
	}
	return false
}

// plain reports whether the transport is one that by itself means RTP without keys.
func plain(proto string) bool {
	switch strings.ToUpper(proto) {
	case "RTP/AVPF", "RTP/AVP":
		return true
	}
	return false
}

// formats lists the payload types in the order of the m= line.
func formats(list string, media *block) []Format {
	var out []Format
	for _, field := range strings.Fields(list) {
		n, err := strconv.ParseUint(field, 10, 7)
		if err != nil || len(out) == maxFormats {
			continue
		}
		f, ok := static(uint8(n))
		media.all("rtpmap", func(v string) bool {
			pt, rest, _ := strings.Cut(v, " ")
			if pt != field {
				return true
			}
			var mapped bool
			if f, mapped = rtpmap(uint8(n), rest); mapped {
				ok = true
			}
			return false
		})
		media.all("fmtp", func(v string) bool {
			pt, rest, _ := strings.Cut(v, " ")
			if pt == field {
				f.Fmtp = strings.TrimSpace(rest)
				return false
			}
			return true
		})
		if ok {
			out = append(out, f)
		}
	}
	return out
}

// static knows the payload types that may come without a=rtpmap (RFC 3551 §6).
func static(pt uint8) (Format, bool) {
	switch pt {
	case 0:
		return Format{PT: 0, Name: "PCMU", ClockRate: 8000, Channels: 1}, true
	case 8:
		return Format{PT: 8, Name: "PCMA", ClockRate: 8000, Channels: 1}, true
	case 9:
		return Format{PT: 9, Name: "G722", ClockRate: 8000, Channels: 1}, true // 16 kHz, but RFC 3551 §4.5.2
	}
	return Format{PT: pt}, false
}

// rtpmap reads "opus/48000/2".
func rtpmap(pt uint8, value string) (Format, bool) {
	p := strings.Split(strings.TrimSpace(value), "/")
	if len(p) < 2 || p[0] == "" {
		return Format{PT: pt}, false
	}
	rate, err := strconv.ParseUint(p[1], 10, 24)
	if err != nil || rate == 0 {
		return Format{PT: pt}, false
	}
	f := Format{PT: pt, Name: p[0], ClockRate: int(rate), Channels: 1}
	if len(p) > 2 {
		if n := number(p[2]); n > 0 && n <= 255 {
			f.Channels = n
		}
	}
	return f, true
}

// number reads a small non-negative number; everything else is 0.
func number(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

func direction(b *block, otherwise Direction) Direction {
	for _, l := range b.lines {
		if l.kind != 'a' {
			continue
		}
		switch d := Direction(l.key); d {
		case SendRecv, SendOnly, RecvOnly, Inactive:
			return d
		}
	}
	return otherwise
}

// address reads "IN IP4 127.0.0.1"; the zero Addr stands for none or for a name.
func address(value string) netip.Addr {
	f := strings.Fields(value)
	if len(f) < 3 {
		return netip.Addr{}
	}
	host, _, _ := strings.Cut(f[2], "/") // a TTL or a number of addresses may follow
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

func setup(said []*block) Setup {
	for _, b := range said {
		switch s := Setup(strings.ToLower(b.attr("setup"))); s {
		case ActPass, Active, Passive, HoldConn:
			return s
		}
	}
	return ActPass // RFC 4145 §4 says active for offers; actpass lets us choose and is what is meant
}

func ice(said []*block) ICE {
	var out ICE
	for _, b := range said {
		if out.Ufrag = b.attr("ice-ufrag"); out.Ufrag != "" {
			out.Pwd = b.attr("ice-pwd")
			break
		}
	}
	if strings.ContainsAny(out.Ufrag+out.Pwd, " \t") {
		out.Ufrag, out.Pwd = "", ""
	}
	out.Lite = slices.ContainsFunc(said, func(b *block) bool { return b.has("ice-lite") })
	for _, b := range said {
		b.all("candidate", func(v string) bool {
			c, ok := candidate(v)
			switch {
			case !ok:
			case c.Host != "":
				out.Names = append(out.Names, c)
			default:
				out.Candidates = append(out.Candidates, c)
			}
			return len(out.Candidates)+len(out.Names) < maxCandidates
		})
		if len(out.Candidates)+len(out.Names) > 0 {
			break
		}
	}
	return out
}

// candidate reads "7968229926 1 udp 2130706431 127.0.0.1 17436 typ host generation 0"
// (RFC 8839 §5.1). Candidates of other components or over TCP are not usable.
func candidate(value string) (Candidate, bool) {
	f := strings.Fields(strings.TrimPrefix(value, "candidate:"))
	if len(f) < 8 || f[1] != "1" || !strings.EqualFold(f[2], "udp") || f[6] != "typ" {
		return Candidate{}, false
	}
	prio, err := strconv.ParseUint(f[3], 10, 32)
	if err != nil {
		return Candidate{}, false
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil || port == 0 {
		return Candidate{}, false
	}
	switch f[7] {
	case "host", "srflx", "prflx", "relay":
	default:
		return Candidate{}, false
	}
	c := Candidate{Foundation: foundation(f[0]), Priority: uint32(prio), Port: uint16(port), Type: f[7]}
	addr, err := netip.ParseAddr(f[4])
	addr = addr.Unmap()
	switch {
	case err != nil && strings.HasSuffix(strings.ToLower(f[4]), ".local") && len(f[4]) <= 255:
		c.Host = f[4] // RFC 8828: mDNS names hide addresses; other names need no resolving (RFC 8839 §5.1)
	case err != nil || addr.IsUnspecified() || addr.IsMulticast() || addr.Is6() && addr.IsLinkLocalUnicast():
		// The zone of a link is the far end's own affair, and without it no link is named.
		return Candidate{}, false
	default:
		c.Addr = addr.WithZone("")
	}
	return c, true
}

// foundation keeps of a foundation what RFC 8839 §5.1 allows it to be. It only groups
// candidates, and pion takes no other.
func foundation(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "0"
	}
	return s[:min(len(s), 32)]
}

// hashes that may protect a certificate, the strongest first, with their length
// in bytes (RFC 8122 §5). MD5 and MD2 are not among them.
func hashLength(name string) (length, rank int) {
	switch name {
	case "sha-512":
		return 64, 5
	case "sha-384":
		return 48, 4
	case "sha-256":
		return 32, 3
	case "sha-224":
		return 28, 2
	case "sha-1":
		return 20, 1
	}
	return 0, 0
}

// fingerprint picks the strongest well-formed fingerprint of the first block that has one.
func fingerprint(said []*block) (hash, value string) {
	for _, b := range said {
		best := 0
		b.all("fingerprint", func(v string) bool {
			f := strings.Fields(v)
			if len(f) != 2 {
				return true
			}
			name := strings.ToLower(f[0])
			length, rank := hashLength(name)
			if rank > best && isHex(f[1], length) {
				best, hash, value = rank, name, strings.ToUpper(f[1])
			}
			return true
		})
		if best > 0 {
			return hash, value
		}
	}
	return "", ""
}

// isHex reports whether s is length bytes in hex, separated by colons.
func isHex(s string, length int) bool {
	if len(s) != 3*length-1 {
		return false
	}
	for i, c := range []byte(s) {
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if i%3 == 2 && c != ':' || i%3 != 2 && !hex {
			return false
		}
	}
	return true
}
