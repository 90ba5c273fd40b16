// Package identity is the page's certificate: an authority and a key that are made on the
// device, certificates for its names and addresses that renew themselves, or a certificate that
// somebody else has issued for the device's key.
//
// It knows nothing of HTTP or of doors. Keys are files of mode 0600 in a directory that is
// handed to it, and leave it never.
package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Times of certificates.
const (
	caLasts   = 20 * 365 * 24 * time.Hour
	leafLasts = 397 * 24 * time.Hour // what browsers take
	// Soon is when a certificate is renewed, or somebody should see to it.
	Soon = 30 * 24 * time.Hour
)

// begin is the start of certificates of our own: a board without a battery clock may be in the
// past, and browsers that are not must take what it has made there.
//
//nolint:gochecknoglobals // a constant
var begin = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// AuthorityFile is the certificate of the authority, PEM.
const AuthorityFile = "ca.crt"

// Files of the directory.
const (
	caKeyFile = "ca.key"
	caFile    = AuthorityFile
	keyFile   = "page.key"
	ownFile   = "page.crt" // that somebody else has issued
)

// Files reads and replaces files. A file that is not there is fs.ErrNotExist.
type Files interface {
	Read(name string) ([]byte, error)
	Replace(name string, data []byte, mode fs.FileMode) error
}

// Identity is the certificate. Its methods may be called by any number of goroutines.
type Identity struct {
	files Files
	names func() []string
	addrs func() []netip.Addr

	mu    sync.Mutex
	caKey crypto.Signer
	ca    *x509.Certificate
	key   crypto.Signer
	leaf  *tls.Certificate // of our own authority
	own   *tls.Certificate // nil: nobody else has issued one
}

// Open reads authority and key, and makes them if they are not there. names and addrs are what
// the device is called now, asked for before each certificate. What is there and cannot be read is
// an error: an authority that browsers trust is not replaced in silence.
func Open(files Files, names func() []string, addrs func() []netip.Addr) (*Identity, error) {
	i := &Identity{files: files, names: names, addrs: addrs}
	var err error
	if i.caKey, err = i.keyOf(caKeyFile); err != nil {
		return nil, err
	}
	if i.key, err = i.keyOf(keyFile); err != nil {
		return nil, err
	}
	if err := i.authority(); err != nil {
		return nil, err
	}
	data, err := files.Read(ownFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("certificate of the page: %w", err)
	default:
		if i.own, err = i.chain(data); err != nil {
			return nil, fmt.Errorf("certificate of the page: %w", err)
		}
	}
	return i, nil
}

func (i *Identity) keyOf(name string) (crypto.Signer, error) {
	data, err := i.files.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return key, i.files.Replace(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("key of the page: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("key of the page: %s holds no key", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key of the page: %s: %w", name, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key of the page: %s cannot sign", name)
	}
	return signer, nil
}

// authority reads the certificate of the authority, or makes it.
func (i *Identity) authority() error {
	data, err := i.files.Read(caFile)
	if err == nil {
		if block, _ := pem.Decode(data); block != nil {
			if i.ca, err = x509.ParseCertificate(block.Bytes); err == nil {
				return nil
			}
		}
		return fmt.Errorf("authority of the page: %s cannot be read: %w", caFile, errors.Join(err))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("authority of the page: %w", err)
	}
	name := "intercomd"
	if n := i.names(); len(n) > 0 {
		name = n[0]
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Door station " + name, Organization: []string{"intercomd"}},
		NotBefore: begin, NotAfter: later(time.Now()).Add(caLasts), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, i.caKey.Public(), i.caKey)
	if err != nil {
		return err
	}
	if i.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return i.files.Replace(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails
	return n
}

// later is now, or the start of all certificates if the clock is before.
func later(now time.Time) time.Time {
	if now.Before(begin) {
		return begin
	}
	return now
}

// Certificate is for [tls.Config.GetCertificate]: the issued one while it is good, else one of
// our own, which is made anew when it ends soon or the device has other names and addresses.
func (i *Identity) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.own != nil && now.Before(i.own.Leaf.NotAfter) {
		return i.own, nil
	}
	names, addrs := i.names(), i.addrs()
	if i.leaf != nil && i.leaf.Leaf.NotAfter.Sub(now) > Soon && covers(i.leaf.Leaf, names, addrs) {
		return i.leaf, nil
	}
	t := &x509.Certificate{
		SerialNumber: serial(), NotBefore: begin, NotAfter: later(now).Add(leafLasts), DNSNames: names,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if late := later(now).Add(-24 * time.Hour); late.After(begin) {
		t.NotBefore = late // some browsers refuse certificates that last longer than they may
	}
	if len(names) > 0 {
		t.Subject.CommonName = names[0]
	}
	for _, a := range addrs {
		t.IPAddresses = append(t.IPAddresses, net.IP(a.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, i.ca, i.key.Public(), i.caKey)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	i.leaf = &tls.Certificate{Certificate: [][]byte{der, i.ca.Raw}, PrivateKey: i.key, Leaf: leaf}
	return i.leaf, nil
}

// covers says whether a certificate is for all of these.
func covers(c *x509.Certificate, names []string, addrs []netip.Addr) bool {
	for _, n := range names {
		if !slices.Contains(c.DNSNames, n) {
			return false
		}
	}
	for _, a := range addrs {
		if !slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool { return ip.Equal(net.IP(a.AsSlice())) }) {
			return false
		}
	}
	return true
}

// CA is the authority, for browsers to trust: PEM.
func (i *Identity) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.ca.Raw})
}

// Fingerprint is the SHA-256 of the certificate of the authority, as browsers show it.
func (i *Identity) Fingerprint() string { return fingerprint(i.ca.Raw) }

// FingerprintOf is that of an authority in PEM.
func FingerprintOf(data []byte) (string, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return "", ErrNoPEM
	}
	return fingerprint(block.Bytes), nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	var b strings.Builder
	for n, c := range sum {
		if n > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", c)
	}
	return b.String()
}

// Request is a PKCS #10 request for a certificate of the device's key: PEM.
func (i *Identity) Request() ([]byte, error) {
	names := i.names()
	t := &x509.CertificateRequest{DNSNames: names}
	if len(names) > 0 {
		t.Subject.CommonName = names[0]
	}
	for _, a := range i.addrs() {
		t.IPAddresses = append(t.IPAddresses, net.IP(a.AsSlice()))
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, i.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// Errors of [Identity.Install]; their texts are codes.
var (
	ErrNoPEM    = errors.New("no-certificate")
	ErrOtherKey = errors.New("other-key")
	ErrExpired  = errors.New("expired")
	ErrNotSaved = errors.New("not-saved")
)

// chain reads a certificate for our key, with those that lead to its authority.
func (i *Identity) chain(data []byte) (*tls.Certificate, error) {
	c := &tls.Certificate{PrivateKey: i.key}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, ErrNoPEM // a key has no business here
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, ErrNoPEM
		}
		if c.Leaf == nil {
			c.Leaf = parsed
		}
		c.Certificate = append(c.Certificate, block.Bytes)
	}
	if c.Leaf == nil || len(c.Certificate) > 10 {
		return nil, ErrNoPEM
	}
	ours, err := x509.MarshalPKIXPublicKey(i.key.Public())
	if err != nil {
		return nil, err
	}
	if theirs, err := x509.MarshalPKIXPublicKey(c.Leaf.PublicKey); err != nil || !bytes.Equal(ours, theirs) {
		return nil, ErrOtherKey
	}
	return c, nil
}

// Install takes a certificate that somebody has issued for [Identity.Request], first, and those
// that lead to its authority, in PEM. It is used at once.
func (i *Identity) Install(data []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, err := i.chain(data)
	if err != nil {
		return err
	}
	if now := time.Now(); now.After(c.Leaf.NotAfter) {
		return ErrExpired
	}
	if err := i.files.Replace(ownFile, data, 0o644); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSaved, err)
	}
	i.own = c
	return nil
}

// Ends is when the certificate that somebody has issued ends; zero without one. Those of our own
// renew themselves.
func (i *Identity) Ends() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.own == nil {
		return time.Time{}
	}
	return i.own.Leaf.NotAfter
}

// Host is what this machine is called, and its addresses: what its certificate is for.
func Host(more []string) (names func() []string, addrs func() []netip.Addr) {
	names = func() []string {
		var out []string
		if h, err := os.Hostname(); err == nil && h != "" && h != "localhost" {
			h = strings.ToLower(h)
			out = append(out, h)
			if !strings.Contains(h, ".") {
				out = append(out, h+".local")
			}
		}
		for _, n := range more {
			if _, err := netip.ParseAddr(n); err != nil && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return append(out, "localhost")
	}
	addrs = func() (out []netip.Addr) {
		list, err := net.InterfaceAddrs()
		if err != nil {
			return nil
		}
		for _, a := range list {
			if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
				out = append(out, p.Addr().Unmap())
			}
		}
		for _, n := range more {
			if a, err := netip.ParseAddr(n); err == nil && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
		return out
	}
	return names, addrs
}
