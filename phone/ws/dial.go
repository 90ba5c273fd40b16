package ws

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"intercomd/phone/ws/locate"
)

// Defaults of [Options].
const (
	DefaultConnectTimeout   = 2500 * time.Millisecond
	DefaultHandshakeTimeout = 6 * time.Second
	DefaultPingEvery        = 15 * time.Second
	DefaultPongWait         = 10 * time.Second
	DefaultMaxMessage       = 128 << 10

	hurryTimeout = 4 * time.Second // to connect, where another target waits
	// fromTimeout is for connecting from the old port. A server that still holds the old
	// connection answers a first SYN with a challenge (RFC 5961, section 4), gets a reset for
	// it, and takes the second SYN, 1 s later.
	fromTimeout = 1500 * time.Millisecond
)

// Options say how to connect and when a connection counts as dead. The zero
// value of every field is usable.
type Options struct {
	// RootCAs are the authorities to trust; nil means the system's.
	RootCAs *x509.CertPool
	// Pins are SHA-256 hashes of public keys (SubjectPublicKeyInfo, RFC 7469, 2.4).
	// When there are any, the server must show one of them. With RootCAs they come on
	// top of everything else. Without, a certificate whose own key is pinned needs no
	// authority; one that the system trusts may have the key pinned that signed it.
	// Name and validity are checked in any case.
	Pins [][sha256.Size]byte
	// Now is the time against which certificates are checked; nil means
	// time.Now. A device without a battery clock passes a better one.
	Now func() time.Time
	// UserAgent is told to the HTTP server.
	UserAgent string
	// NetDial opens the TCP connection; nil means a net.Dialer, which tries IPv6 and IPv4
	// side by side (RFC 6555).
	NetDial DialFunc
	// From is the local address and port to connect from, if that can be had: whoever knows
	// the client by these finds it again. Where it cannot, any other will do; the zero value
	// means any from the start. See docs/decisions/reconnecting.md.
	From netip.AddrPort
	// Locate finds the targets ("host:port") behind a name without a port, the best
	// first; nil asks DNS (see [locate.Resolver]).
	Locate func(ctx context.Context, host string) []string
	// Avoid is a target that is tried after all others.
	Avoid string

	// Addresses are those of this machine; nil means net.InterfaceAddrs.
	Addresses func() ([]net.Addr, error)

	ConnectTimeout   time.Duration // of TCP
	HandshakeTimeout time.Duration // of TLS and HTTP together
	PingEvery        time.Duration // between PINGs; negative: none
	PongWait         time.Duration // for the answer to one
	MaxMessage       int           // bytes; longer messages are dropped

	Log *slog.Logger
}

// DialFunc opens a TCP connection, from a local address if a valid one is given.
type DialFunc func(ctx context.Context, network, address string, from netip.AddrPort) (net.Conn, error)

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.ConnectTimeout, DefaultConnectTimeout)
	set(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	set(&o.PingEvery, DefaultPingEvery)
	set(&o.PongWait, DefaultPongWait)
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NetDial == nil {
		o.NetDial = DialTCP
	}
	if o.Addresses == nil {
		o.Addresses = net.InterfaceAddrs
	}
	if o.Locate == nil {
		o.Locate = (&locate.Resolver{}).Locate
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// CheckURL parses a server's address and refuses what [Dial] would refuse:
// everything but wss://host[:port][/path], and ws:// beyond loopback.
func CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", raw, err)
	}
	switch {
	case u.Scheme != "wss" && u.Scheme != "ws":
		return nil, fmt.Errorf("server address %q must start with wss://", raw)
	case u.Hostname() == "":
		return nil, fmt.Errorf("server address %q names no host", raw)
	case u.User != nil:
		return nil, fmt.Errorf("server address must not hold a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("server address %q must not hold a query or fragment", raw)
	case u.Scheme == "ws" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("server address %q: ws:// has no encryption and is allowed for this machine only; use wss://", raw)
	}
	host, err := ASCIIHost(u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", raw, err)
	}
	if host != u.Hostname() {
		u.Host = host + strings.TrimPrefix(u.Host, u.Hostname())
	}
	return u, nil
}

// ASCIIHost is the name of a host as DNS and certificates have it: letters of other scripts
// become "xn--…" (RFC 5891). What is ASCII already comes back as it is.
func ASCIIHost(host string) (string, error) {
	if !strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return host, nil
	}
	out, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", fmt.Errorf("%q is not the name of a host: %w", host, err)
	}
	return out, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Dial connects to a SIP server at wss://host[:port][/path]. A host name without a port
// may have several machines behind it, which are tried in order
// (docs/decisions/server-in-dns.md). All of it, name lookup included, ends when ctx does.
// Errors are of type [*DialError], that of the last target.
//
// The connection holds one goroutine until [Conn.Close] returns.
func Dial(ctx context.Context, server string, o Options) (*Conn, error) {
	o = o.withDefaults()
	u, err := CheckURL(server)
	if err != nil {
		return nil, &DialError{Server: server, Cause: BadURL, Err: err}
	}
	all := targets(ctx, u, o)
	var c *Conn
	for i, target := range all {
		c, err = open(ctx, u, target, i < len(all)-1, o)
		if err == nil {
			c.target, c.others = target, len(all) > 1
			return c, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, explain(server, err, o.Now())
}

// targets are the hosts and ports to try, in order; there is always one.
func targets(ctx context.Context, u *url.URL, o Options) []string {
	if u.Port() != "" {
		return []string{net.JoinHostPort(u.Hostname(), u.Port())}
	}
	var out []string
	if _, err := netip.ParseAddr(u.Hostname()); u.Scheme == "wss" && err != nil {
		out = o.Locate(ctx, u.Hostname())
	}
	if i := slices.Index(out, o.Avoid); i >= 0 {
		out = append(slices.Delete(slices.Clone(out), i, i+1), o.Avoid)
	}
	if len(out) == 0 {
		port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
		out = []string{net.JoinHostPort(u.Hostname(), port)}
	}
	return out
}

// open connects to one target. Where another waits, it must not take long.
func open(ctx context.Context, u *url.URL, target string, hurry bool, o Options) (*Conn, error) {
	if hurry {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hurryTimeout)
		defer cancel()
	}
	nc, err := connect(ctx, u, target, o)
	if err != nil {
		return nil, err
	}
	br, err := upgrade(ctx, nc, u, o)
	if err != nil {
		_ = nc.Close()
		return nil, errors.Join(fmt.Errorf("%w: %w", errUpgrade, err), context.Cause(ctx))
	}
	return newConn(nc, br, o), nil
}

// connect gives an open socket, encrypted and verified where the URL asks for it. The
// certificate must be for the host of the URL, wherever DNS has led (RFC 5922, 7.2).
func connect(ctx context.Context, u *url.URL, target string, o Options) (net.Conn, error) {
	nc, err := reach(ctx, target, o)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "ws" {
		return nc, nil
	}
	tc := tls.Client(nc, tlsConfig(u.Hostname(), o))
	tlsCtx, cancel := context.WithTimeout(ctx, o.HandshakeTimeout)
	defer cancel()
	if err := tc.HandshakeContext(tlsCtx); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	return tc, nil
}

// reach opens the socket: from the port that is wished for, or else from any. A server
// that refuses the one refuses the other too.
func reach(ctx context.Context, target string, o Options) (net.Conn, error) {
	if o.From.IsValid() {
		nc, err := dialWithin(ctx, fromTimeout, target, o.From, o)
		if err == nil || ctx.Err() != nil || errors.Is(err, syscall.ECONNREFUSED) {
			return nc, err
		}
		o.Log.Debug("no connection from the old port; using another", "from", o.From.String(), "err", err)
	}
	return dialWithin(ctx, o.ConnectTimeout, target, netip.AddrPort{}, o)
}

func dialWithin(ctx context.Context, limit time.Duration, target string, from netip.AddrPort, o Options) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return o.NetDial(ctx, "tcp", target, from)
}

func tlsConfig(host string, o Options) *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host,
		RootCAs:    o.RootCAs,
		Time:       o.Now,
		NextProtos: []string{"http/1.1"},
	}
	if len(o.Pins) > 0 {
		cfg.InsecureSkipVerify = true // VerifyConnection checks everything
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return verifyPinned(s, host, o) }
	}
	return cfg
}
