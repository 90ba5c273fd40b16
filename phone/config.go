package phone

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"intercomd/phone/ws"
)

// Config says whom to register with and as whom. Servers, User, Password and
// Owner are required.
type Config struct {
	// Servers are tried in order: "wss://host[:port][/path]"; "ws://" only for this
	// machine itself.
	Servers []string
	// User is the extension, "1000" or "1000@domain".
	User string
	// Domain is the SIP domain; default: that of User, else the host of the server.
	Domain string
	// AuthUser is the name for digest authentication; default: User.
	AuthUser    string
	Password    string
	DisplayName string

	// RootCAs are the authorities to trust; nil means the system's.
	RootCAs *x509.CertPool
	// Pins are SHA-256 hashes of public keys to trust instead (see [ws.Options]).
	Pins [][sha256.Size]byte
	// ClockFloor is a time that has surely passed: when the software was built, or
	// when it last knew the time. Certificates are checked against the later of it
	// and the system's clock, because a board without a battery boots in the past.
	ClockFloor time.Time

	// Expires is the registration time to ask for; default 5 min.
	Expires time.Duration
	// ReconnectSpread is over how long this phone and others spread their return after a server
	// that all of them lost; 0: each comes back as soon as it can, within 3 s. A phone for which
	// somebody waits (see [UA.Hurry]), or that has a call, never waits for it.
	ReconnectSpread time.Duration
	// Together says that this phone and others start in the same moment, as after a power cut: the first
	// try is spread as well.
	Together bool
	// WhenTaken says what to do when another device has taken the registration.
	WhenTaken WhenTaken
	// SessionExpires is the session timer to ask for in calls (RFC 4028), not under
	// 90 s; default 2 min; negative: none.
	SessionExpires time.Duration
	// MediaTimeout ends a call from which neither audio nor an RTCP report came for so
	// long, unless it is on hold; default 20 s; negative: never. Reports come every five
	// seconds or so (RFC 3550, 6.2): less than 12 s may end the call of a muted far end.
	MediaTimeout time.Duration
	// Transfers says who may pass a call on. Whoever allows it must take over the call
	// of each [Transferred] event.
	Transfers Transfers
	// InstanceID is "urn:uuid:…" (RFC 5626, 4.1) and should be the same after every
	// start; default: a new one.
	InstanceID string
	UserAgent  string

	Owner Owner
	Log   *slog.Logger
	// Untraced keeps no messages for [UA.Trace]: of thousands of phones in one program nobody
	// looks at them, and they would be most of its memory.
	Untraced bool

	// Locate finds the machines behind a server's name; nil asks DNS (see [ws.Options]).
	Locate func(ctx context.Context, host string) []string
	// NetDial opens TCP connections; nil means a net.Dialer.
	NetDial ws.DialFunc

	wall func() time.Time // the clock of the day; nil means the system's
}

// Transfers says who may pass a call on to somebody else: by REFER (RFC 3515), or by
// handing the dialog to somebody who replaces it (RFC 3891).
type Transfers int

// Who may pass a call on. It is always a party of that very call.
const (
	TransfersNever     Transfers = iota
	TransfersByCalled            // whom we called; nobody who called us
	TransfersByPartner           // whoever we talk with
)

const (
	defaultExpires        = 5 * time.Minute
	defaultSessionExpires = 2 * time.Minute
	defaultMediaTimeout   = 20 * time.Second
	minSessionExpires     = 90 * time.Second // RFC 4028, section 4
)

// server is one entry of Config.Servers, parsed.
type server struct {
	url    string
	host   string
	domain string
	via    string // "WSS" or "WS": what this server must read in our Via
	secure bool
}

func (c *Config) check() ([]server, error) {
	if c.Owner == nil {
		return nil, errors.New("phone: no owner given")
	}
	if len(c.Servers) == 0 {
		return nil, errors.New("phone: no server given; write it as wss://host:port")
	}
	if user, domain, ok := strings.Cut(c.User, "@"); ok {
		c.User = user
		if c.Domain == "" {
			c.Domain = hostInURI(strings.Trim(domain, "[]"))
		}
	}
	if !cleanUser(c.User) {
		return nil, fmt.Errorf("phone: user %q is not an extension like 1000 or 1000@domain", c.User)
	}
	if c.Domain != "" {
		domain, err := ws.ASCIIHost(c.Domain)
		if err != nil || !cleanHost(domain) {
			return nil, fmt.Errorf("phone: %q is not a domain", c.Domain)
		}
		c.Domain = hostInURI(strings.Trim(domain, "[]"))
	}
	c.defaults()
	var servers []server
	for _, raw := range c.Servers {
		u, err := ws.CheckURL(raw)
		if err != nil {
			return nil, fmt.Errorf("phone: %w", err)
		}
		s := server{url: raw, host: u.Hostname(), domain: c.Domain, via: strings.ToUpper(u.Scheme), secure: u.Scheme == "wss"}
		if s.domain == "" {
			s.domain = hostInURI(s.host)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func (c *Config) defaults() {
	if c.AuthUser == "" {
		c.AuthUser = c.User
	}
	if c.Expires <= 0 {
		c.Expires = defaultExpires
	}
	if c.MediaTimeout == 0 {
		c.MediaTimeout = defaultMediaTimeout
	}
	switch {
	case c.SessionExpires == 0:
		c.SessionExpires = defaultSessionExpires
	case c.SessionExpires > 0:
		c.SessionExpires = max(c.SessionExpires, minSessionExpires)
	}
	if c.UserAgent == "" {
		c.UserAgent = "intercomd"
	}
	c.UserAgent = oneLine(c.UserAgent)
	c.DisplayName = oneLine(c.DisplayName)
	if c.InstanceID == "" {
		c.InstanceID = newInstanceID()
	}
	if c.wall == nil {
		c.wall = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// now is the time for checking certificates.
func (c *Config) now() time.Time {
	if t := time.Now(); t.After(c.ClockFloor) {
		return t
	}
	return c.ClockFloor
}

// newInstanceID makes a random (version 4) UUID as a URN (RFC 9562, 5.4).
func newInstanceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// aor is our address of record at a domain.
func (c *Config) aor(domain string) string { return "sip:" + escapeUser(c.User) + "@" + domain }

// randomHex returns 2n random hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return hex.EncodeToString(b)
}

func hostInURI(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// cleanUser accepts what can be a user part once it is escaped: what nobody can have meant
// is refused.
func cleanUser(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`@:<>"\`, r)
	})
}

func cleanHost(s string) bool {
	return onlyOf(s, "-._:[]")
}

// onlyOf reports whether s is not empty and holds letters, digits and the given
// characters only.
func onlyOf(s, others string) bool {
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', strings.ContainsRune(others, r):
		default:
			return false
		}
	}
	return s != ""
}
