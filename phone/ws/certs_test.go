package ws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// What is wrong with a certificate is told as that, with what to do about it.
func TestRemediesForCertificates(t *testing.T) {
	p := newPKI(t)
	stored := func(name string) tls.Certificate {
		data, err := os.ReadFile("testdata/certs/" + name + ".pem")
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		// With the key of another: nothing gets so far as to see it.
		return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: p.key}
	}
	san := asn1.ObjectIdentifier{2, 5, 29, 17}
	withSAN := func(value ...byte) tls.Certificate {
		return p.issueUnread(func(c *x509.Certificate) {
			c.DNSNames, c.IPAddresses = nil, nil
			c.ExtraExtensions = []pkix.Extension{{Id: san, Value: value}}
		})
	}
	for name, tc := range map[string]struct {
		cert         tls.Certificate
		cause        Cause
		text, remedy string
	}{
		"negative serial number": {stored("negative-serial"), BadCert, "negative serial number", "must be positive"},
		"Brainpool":              {stored("brainpool"), BadCert, "curve", "P-256"},
		"secp256k1":              {stored("secp256k1"), BadCert, "curve", "P-256"},
		"SHA-1":                  {stored("sha1"), BadCert, "", "SHA-256"},
		"MD5":                    {stored("md5"), BadCert, "", "SHA-256"},
		"SAN of three bytes":     {withSAN(0x30, 5, 0x87, 3, 1, 2, 3), BadCert, "IP address of length 3", "subjectAltName is malformed"},
		"SAN that is no list":    {withSAN(0x04, 1, 1), BadCert, "subject alternative name", "subjectAltName is malformed"},
		"SAN not in ASCII":       {withSAN(0x30, 4, 0x82, 2, 0xc3, 0xbc), BadCert, "SAN dNSName is malformed", "DNS:pbx.example.com"},
		"SAN with a bad URI":     {withSAN(0x30, 5, 0x86, 3, ':', '/', '/'), BadCert, "cannot parse URI", "subjectAltName is malformed"},
		"an extension twice": {p.issueUnread(func(c *x509.Certificate) {
			twice := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}
			c.ExtraExtensions = []pkix.Extension{twice, twice}
		}), BadCert, "duplicate extension", "RFC 5280"},
		"an extension that must be known": {p.issue(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}, Critical: true}}
		}), BadCert, "critical extension", "nobody knows"},
		"not for servers": {p.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), BadCert, "", "serverAuth"},
		"name in CN alone": {p.issue(func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, nil
			c.Subject.CommonName = "127.0.0.1"
		}), WrongHost, "", "CN"},
		"a name, asked for by address": {p.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"pbx.example.com"} }), WrongHost, "", "pbx.example.com"},
		"another name":                 {p.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = []net.IP{{1, 2, 3, 4}}, nil }), WrongHost, "", "use the name"},
		"nobody in between":            {newPKI(t).issue(nil), UnknownCA, "", "fullchain.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), "wss://"+listen(t, upgradeTLS(tc.cert)), Options{RootCAs: p.pool})
			var de *DialError
			if !errors.As(err, &de) || de.Cause != tc.cause || !de.Certificate() || !strings.Contains(de.Error(), tc.text) || !strings.Contains(de.Remedy(), tc.remedy) {
				t.Errorf("got %v / %s, want %s", err, remedyOf(err), tc.cause)
			}
		})
	}
	t.Run("RSA with 1024 bits is weak and works", func(t *testing.T) {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		c := p.template()
		der, err := x509.CreateCertificate(rand.Reader, c, p.ca, &key.PublicKey, p.key)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := Dial(t.Context(), "wss://"+listen(t, upgradeTLS(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})), Options{RootCAs: p.pool})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	})
	// Errors of crypto/tls that need keys which Go does not make any more.
	for text, want := range map[string]string{
		"crypto/rsa: 512-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)":                  "2048 bits",
		"tls: server sent certificate containing RSA key larger than 8192 bits":                                           "2048 bits",
		"tls: server's certificate contains an unsupported type of public key: *dsa.PublicKey":                            "2048 bits",
		`tls: failed to parse certificate from server: x509: malformed serial number`:                                     "20 bytes",
		`tls: failed to parse certificate from server: x509: inner and outer signature algorithm identifiers don't match`: "RFC 5280",
	} {
		de := explain("wss://pbx", fmt.Errorf("%w: %w", errHandshake, errors.New(text)), time.Now())
		if de.Cause != BadCert || !strings.Contains(de.Remedy(), want) {
			t.Errorf("%s: %s, %s", text, de.Cause, de.Remedy())
		}
	}
}

// A server that breaks the handshake off says why.
func TestRemediesForTLS(t *testing.T) {
	p := newPKI(t)
	cert := p.issue(nil)
	for name, tc := range map[string]struct {
		conf   *tls.Config
		remedy string
	}{
		"TLS 1.1 alone":          {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "enable TLS 1.2"},
		"no cipher in common":    {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, "ECDHE"},
		"a client's certificate": {&tls.Config{ClientAuth: tls.RequireAnyClientCert}, "turn that off"},
		"the same by TLS 1.2":    {&tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, "turn that off"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.conf.Certificates = []tls.Certificate{cert}
			addr := listen(t, func(c net.Conn) {
				if s := tls.Server(c, tc.conf); s.Handshake() == nil {
					_, _ = io.Copy(io.Discard, s)
				}
				_, _ = io.Copy(io.Discard, c) // what the alert crosses
			})
			_, err := Dial(t.Context(), "wss://"+addr, Options{RootCAs: p.pool})
			var de *DialError
			if !errors.As(err, &de) || de.Cause != TLSFailed || !strings.Contains(de.Remedy(), tc.remedy) {
				t.Errorf("%v / %s", err, remedyOf(err))
			}
		})
	}
}

// issueUnread is issue for certificates that x509 does not read.
func (p *pki) issueUnread(change func(*x509.Certificate)) tls.Certificate {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	c := p.template()
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, p.ca, &key.PublicKey, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (*pki) template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "pbx"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}
