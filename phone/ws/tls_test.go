package ws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

type pki struct {
	t    *testing.T
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, pool: x509.NewCertPool()}
	cert := p.issue(func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.Subject.CommonName = "Test CA"
		c.DNSNames, c.IPAddresses = nil, nil
	})
	p.ca, p.key = cert.Leaf, cert.PrivateKey.(*ecdsa.PrivateKey)
	p.pool.AddCert(p.ca)
	return p
}

// issue makes a certificate for 127.0.0.1, signed by the CA once there is one.
func (p *pki) issue(change func(*x509.Certificate)) tls.Certificate {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "pbx"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	parent, signer := p.ca, p.key
	if parent == nil || c.Subject.CommonName == "self" {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		p.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// listen accepts connections on loopback and hands each to serve.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func upgradeTLS(cert tls.Certificate) func(net.Conn) {
	return func(c net.Conn) {
		tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		up := ws.Upgrader{Protocol: func([]byte) bool { return true }}
		if _, err := up.Upgrade(tc); err == nil {
			_, _ = ws.ReadHeader(tc)
		}
	}
}

func TestCertificates(t *testing.T) {
	p := newPKI(t)
	other := newPKI(t)
	good := p.issue(nil)
	later := func() time.Time { return time.Now().Add(48 * time.Hour) }
	long := p.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(100 * time.Hour) })
	pin := sha256.Sum256(good.Leaf.RawSubjectPublicKeyInfo)
	stranger := sha256.Sum256([]byte("x"))
	authority := sha256.Sum256(p.ca.RawSubjectPublicKeyInfo)
	// self makes a certificate that nobody has signed, with its pin and another one.
	self := func(change func(*x509.Certificate)) (tls.Certificate, Options) {
		c := p.issue(func(c *x509.Certificate) {
			c.Subject.CommonName = "self"
			if change != nil {
				change(c)
			}
		})
		return c, Options{Pins: [][sha256.Size]byte{stranger, sha256.Sum256(c.Leaf.RawSubjectPublicKeyInfo)}}
	}
	alone, aloneOpt := self(nil)
	old, oldOpt := self(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	young, youngOpt := self(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	elsewhere, elsewhereOpt := self(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"else.test"} })
	signed := func(sums ...[sha256.Size]byte) Options { return Options{RootCAs: p.pool, Pins: sums} }
	strangers := other.issue(nil)
	for name, tc := range map[string]struct {
		cert  tls.Certificate
		o     Options
		cause Cause // "" means that it connects
	}{
		"good":                    {good, Options{RootCAs: p.pool}, ""},
		"unknown authority":       {other.issue(nil), Options{RootCAs: p.pool}, UnknownCA},
		"system authorities":      {good, Options{}, UnknownCA},
		"self-signed":             {p.issue(func(c *x509.Certificate) { c.Subject.CommonName = "self" }), Options{RootCAs: p.pool}, SelfSigned},
		"expired":                 {p.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), Options{RootCAs: p.pool}, Expired},
		"not yet valid":           {p.issue(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), Options{RootCAs: p.pool}, NotYetValid},
		"our clock is far behind": {good, Options{RootCAs: p.pool, Now: func() time.Time { return time.Unix(0, 0) }}, NotYetValid},
		"a floor for the clock":   {long, Options{RootCAs: p.pool, Now: later}, Expired}, // the authority's certificate ends before
		"another host":            {p.issue(func(c *x509.Certificate) { c.IPAddresses = nil; c.DNSNames = []string{"else.test"} }), Options{RootCAs: p.pool}, WrongHost},
		"name only in CN":         {p.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, nil; c.Subject.CommonName = "127.0.0.1" }), Options{RootCAs: p.pool}, WrongHost},
		"for clients only":        {p.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), Options{RootCAs: p.pool}, BadCert},
		"pinned":                  {good, Options{Pins: [][sha256.Size]byte{stranger, pin}}, ""},
		"another pin":             {good, Options{Pins: [][sha256.Size]byte{stranger}}, WrongPin},
		"pinned, but expired":     {good, Options{Pins: [][sha256.Size]byte{pin}, Now: later}, Expired},

		"pinned, self-signed":                 {alone, aloneOpt, ""},
		"pinned, self-signed, expired":        {old, oldOpt, Expired},
		"pinned, self-signed, not yet valid":  {young, youngOpt, NotYetValid},
		"pinned, self-signed, another host":   {elsewhere, elsewhereOpt, WrongHost},
		"authority and pin":                   {good, signed(stranger, pin), ""},
		"authority and pin of the authority":  {good, signed(authority), ""},
		"authority, another pin":              {good, signed(stranger), WrongPin},
		"pinned, but of another authority":    {strangers, signed(sha256.Sum256(strangers.Leaf.RawSubjectPublicKeyInfo)), UnknownCA},
		"pin of an authority that is unknown": {good, Options{Pins: [][sha256.Size]byte{authority}}, WrongPin},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(t.Context(), "wss://"+listen(t, upgradeTLS(tc.cert)), tc.o)
			if tc.cause == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = c.Close()
				return
			}
			var de *DialError
			if !errors.As(err, &de) || de.Cause != tc.cause || !de.Certificate() || !de.Answered() || de.Remedy() == "" {
				t.Errorf("got %v, want %s", err, tc.cause)
			}
		})
	}
	t.Run("pinned, another host", func(t *testing.T) {
		addr := listen(t, upgradeTLS(p.issue(func(c *x509.Certificate) { c.IPAddresses = nil; c.DNSNames = []string{"else.test"} })))
		_, err := Dial(t.Context(), "wss://"+addr, Options{Pins: [][sha256.Size]byte{pin}})
		var de *DialError
		if !errors.As(err, &de) || de.Cause != WrongPin {
			t.Errorf("%v", err)
		}
	})
}

func TestDialCauses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	_ = ln.Close()
	hush := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	plain := listen(t, func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		_, _ = c.Read(make([]byte, 1000))
	})
	notfound := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1000))
		_, _ = c.Write([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	})
	hangup := listen(t, func(net.Conn) {})
	for name, tc := range map[string]struct {
		url   string
		o     Options
		cause Cause
	}{
		"nobody listens":        {"wss://" + nobody, Options{}, ConnRefused},
		"no TLS":                {"wss://" + plain, Options{}, TLSFailed},
		"hangs up at once":      {"wss://" + hangup, Options{}, TLSFailed},
		"TLS never answers":     {"wss://" + hush, Options{HandshakeTimeout: 100 * time.Millisecond}, TimedOut},
		"HTTP never answers":    {"ws://" + hush, Options{HandshakeTimeout: 100 * time.Millisecond}, TimedOut},
		"no WebSocket":          {"ws://" + notfound, Options{}, NotWebSocket},
		"connecting takes ages": {"wss://192.0.2.1", Options{ConnectTimeout: time.Millisecond, NetDial: never}, TimedOut},
		"unknown name": {"wss://pbx.invalid", Options{NetDial: func(context.Context, string, string, netip.AddrPort) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		}}, NameUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), tc.url, tc.o)
			var de *DialError
			if !errors.As(err, &de) || de.Cause != tc.cause {
				t.Fatalf("got %v, want %s", err, tc.cause)
			}
			if de.Remedy() == "" || de.Certificate() || !strings.Contains(de.Error(), tc.url) {
				t.Errorf("%v / %s", de, de.Remedy())
			}
		})
	}
}

// Who installs a door copies the pin out of the fault, so that is told: what the server
// shows, and what was wanted.
func TestPinIsTold(t *testing.T) {
	p := newPKI(t)
	good := p.issue(nil)
	shown, wanted := PinOf(good.Leaf), sha256.Sum256([]byte("x"))
	for name, tt := range map[string]struct {
		o     Options
		cause Cause
	}{
		"another key":       {Options{Pins: [][sha256.Size]byte{wanted}}, WrongPin},
		"unknown authority": {Options{RootCAs: newPKI(t).pool}, UnknownCA},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), "wss://"+listen(t, upgradeTLS(good)), tt.o)
			var de *DialError
			if !errors.As(err, &de) || de.Cause != tt.cause || !strings.Contains(de.Remedy(), " "+shown) {
				t.Fatalf("%v; %s\ndo not tell %s", err, de.Remedy(), shown)
			}
			if tt.cause == WrongPin && (!strings.Contains(de.Error(), "shows "+shown) || !strings.Contains(de.Error(), "pinned is "+pinText(wanted))) {
				t.Errorf("%v does not tell both keys", de)
			}
		})
	}
	if got := (&DialError{Cause: SelfSigned, Err: errors.New("x")}).Remedy(); strings.Contains(got, "pins") {
		t.Errorf("a pin without a certificate: %s", got)
	}
}

// What went wrong is said once, in words for people, and the address that a name led to.
func TestDialErrorText(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 7443},
		Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	unknown := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "pbx.lan", Server: "10.0.0.1:53", IsNotFound: true}}
	for want, e := range map[string]*DialError{
		"connecting to wss://10.0.0.9:7443: connection refused":                      {"wss://10.0.0.9:7443", ConnRefused, refused},
		"connecting to wss://pbx.lan:7443 (10.0.0.9:7443): connection refused":       {"wss://pbx.lan:7443", ConnRefused, refused},
		"connecting to wss://pbx.lan: lookup pbx.lan on 10.0.0.1:53: no such host":   {"wss://pbx.lan", NameUnknown, unknown},
		"connecting to wss://pbx.lan: self-signed: signed by unknown authority":      {"wss://pbx.lan", SelfSigned, errors.New("signed by unknown authority")},
		"connecting to wss://pbx.lan: WebSocket handshake: status 404":               {"wss://pbx.lan", NotWebSocket, fmt.Errorf("%w: status 404", errUpgrade)},
		"connecting to wss://pbx.lan: WebSocket handshake; context canceled":         {"wss://pbx.lan", Cancelled, errors.Join(errUpgrade, context.Canceled)},
		"connecting to http://pbx.lan: server address \"http://pbx.lan\" must start": {"http://pbx.lan", BadURL, errors.New(`server address "http://pbx.lan" must start`)},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func never(ctx context.Context, _, _ string, _ netip.AddrPort) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// What the server sends along with its answer to the handshake is not lost.
func TestEarlyFrame(t *testing.T) {
	addr := listen(t, func(c net.Conn) {
		up := ws.Upgrader{Protocol: func([]byte) bool { return true }}
		w := &holdBack{Conn: c}
		if _, err := up.Upgrade(w); err != nil {
			return
		}
		_, _ = c.Write(append(w.held, piece(ws.OpText, true, "early")...))
		_, _ = ws.ReadHeader(c)
	})
	c, err := Dial(t.Context(), "ws://"+addr, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if msg, err := c.Read(); err != nil || string(msg) != "early" {
		t.Errorf("%q %v", msg, err)
	}
}

type holdBack struct {
	net.Conn
	held []byte
}

func (h *holdBack) Write(p []byte) (int, error) {
	h.held = append(h.held, p...)
	return len(p), nil
}
