package sdpfix

import (
	"fmt"
	"net/netip"
	"strings"
)

// Description is what a session description says about the one audio stream of a
// call. Slices are owned by the Description; treat them as read-only.
type Description struct {
	SessionID string // of the o= line
	Version   string // of the o= line
	Sections  []Section
	Audio     int      // index of the audio stream in Sections
	Tag       int      // index of the section that speaks for its transport: another one in some bundles
	Bundle    bool     // the audio stream is part of a BUNDLE group
	Formats   []Format // of the audio stream, in the order of the m= line
	Direction Direction
	Held      bool // the far end does not want to receive: by direction or by the old c=0.0.0.0
	Ptime     int  // milliseconds per packet that the far end wants; 0 if it does not say
	Mux       bool // RTP and RTCP on one port (RFC 5761)
	RSize     bool // reduced-size RTCP (RFC 5506)
	ICE       ICE
	DTLS      DTLS
}

// Section is one m= line: what has to be repeated to accept or to refuse it.
type Section struct {
	Kind    string // "audio", "video", ...
	Proto   string // "UDP/TLS/RTP/SAVPF", ...
	Port    uint16 // 0 means refused
	Formats string // the payload types as written
	First   Format // the first of them, if it is one of RTP and it is said what it means
	Mid     string // empty if there is none
}

// Format is one payload type.
type Format struct {
	PT        uint8
	Name      string // encoding name as written, e.g. "opus", "PCMU", "telephone-event"
	ClockRate int    // Hz
	Channels  int
	Fmtp      string // parameters as written, without the payload type
}

// Is reports whether the format has the encoding name; case does not count (RFC 8866 §6.6).
func (f Format) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Param returns a parameter of the fmtp line ("ptime" of "useinbandfec=1; ptime=20")
// and whether it is there. Names are compared without case, blanks are dropped.
func (f Format) Param(name string) (string, bool) {
	for part := range strings.SplitSeq(f.Fmtp, ";") {
		key, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// ICE is one side's part of an ICE session (RFC 8839).
type ICE struct {
	Ufrag, Pwd string
	Lite       bool
	Candidates []Candidate // of component 1 over UDP, with addresses
	Names      []Candidate // the same, but with a host name (mDNS) that needs resolving
}

// Candidate is one ICE candidate of component 1 over UDP.
type Candidate struct {
	Foundation string
	Priority   uint32
	Addr       netip.Addr // the zero Addr if Host is set
	Host       string     // a name in place of an address
	Port       uint16
	Type       string // "host", "srflx", "prflx" or "relay"
}

// String is the value of an a=candidate line without extensions.
func (c Candidate) String() string {
	addr := c.Host
	if addr == "" {
		addr = c.Addr.String()
	}
	return fmt.Sprintf("%s 1 udp %d %s %d typ %s", c.Foundation, c.Priority, addr, c.Port, c.Type)
}

// DTLS is one side's part of a DTLS-SRTP session (RFC 5763).
type DTLS struct {
	Hash        string // "sha-256"
	Fingerprint string // upper case, bytes separated by colons
	Setup       Setup
}

// Setup says who opens the DTLS connection (RFC 4145 §4).
type Setup string

// The values of a=setup.
const (
	ActPass  Setup = "actpass"
	Active   Setup = "active"
	Passive  Setup = "passive"
	HoldConn Setup = "holdconn"
)

// Direction says which way audio flows, as its sender sees it (RFC 8866 §6.7).
type Direction string

// The four directions.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Mirror is the same direction as the other side sees it.
func (d Direction) Mirror() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	default:
		return d
	}
}

// Sends reports whether the describing side sends.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the describing side receives.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }
