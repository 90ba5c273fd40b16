package rtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"

	"intercomd/store"
)

const (
	certificateLife   = 10 * 365 * 24 * time.Hour
	certificateMargin = 30 * 24 * time.Hour // renewed so long before it expires
)

// LoadOrCreateCertificate returns the DTLS certificate of the device: an ECDSA
// P-256 key (RFC 8827 §6.5) with a self-signed certificate that says nothing about
// the device. It is kept in the file path (mode 0600, replaced as a whole) across
// restarts and made anew when it is missing, unreadable as a certificate, or about
// to expire. With an empty path it lives in memory only.
//
// If the file cannot be written, the certificate is returned together with an
// error: calls work, but the fingerprint will change with the next start.
//
// floor is a time that has surely passed: the certificate of a board whose clock shows an
// earlier one must last all the same when the clock is right.
func LoadOrCreateCertificate(path string, floor time.Time) (*webrtc.Certificate, error) {
	now := time.Now()
	if now.Before(floor) {
		now = floor
	}
	if path != "" {
		text, err := store.ReadFile(path, maxCertificate)
		if err == nil {
			if c, err := webrtc.CertificateFromPEM(string(text)); err == nil && lasts(c, now) {
				return c, nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) && !odd(err) {
			return fallback(now, fmt.Errorf("reading the DTLS certificate: %w", err))
		}
	}
	cert, text, err := createCertificate(now.Add(certificateLife))
	if err != nil {
		return nil, err
	}
	if path == "" {
		return cert, nil
	}
	if err := store.WriteFile(path, text, 0o600); err != nil {
		return cert, fmt.Errorf("keeping the DTLS certificate: %w; make the folder writable", err)
	}
	return cert, nil
}

// maxCertificate is far above the size of key and certificate.
const maxCertificate = 1 << 16

// odd reports whether there is something in place of the file that is none: it is as good as
// empty, and replaced.
func odd(err error) bool {
	return errors.Is(err, store.ErrNoFile) || errors.Is(err, store.ErrTooLarge)
}

func fallback(now time.Time, cause error) (*webrtc.Certificate, error) {
	cert, _, err := createCertificate(now.Add(certificateLife))
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	return cert, cause
}

// lasts reports whether c is valid now and for a while to come.
func lasts(c *webrtc.Certificate, now time.Time) bool {
	return now.Add(certificateMargin).Before(c.Expires())
}

// createCertificate makes key and certificate, and their PEM text. It is valid
// since long ago: a board without a clock starts in the past.
func createCertificate(until time.Time) (*webrtc.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a DTLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, fmt.Errorf("making a DTLS certificate: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "WebRTC"},
		NotBefore:    time.Unix(0, 0).UTC(),
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("making a DTLS certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("making a DTLS certificate: %w", err)
	}
	cert := webrtc.CertificateFromX509(key, parsed)
	text, err := cert.PEM()
	if err != nil {
		return nil, nil, fmt.Errorf("writing the DTLS certificate as PEM: %w", err)
	}
	return &cert, []byte(text), nil
}

// fingerprintOf is the certificate's SHA-256 fingerprint as SDP wants it (RFC 8122).
func fingerprintOf(c *webrtc.Certificate) (string, error) {
	prints, err := c.GetFingerprints()
	if err != nil {
		return "", fmt.Errorf("taking the fingerprint of the DTLS certificate: %w", err)
	}
	for _, p := range prints {
		if p.Algorithm == "sha-256" {
			return strings.ToUpper(p.Value), nil // RFC 8122 §5 wants capitals
		}
	}
	return "", errors.New("taking the fingerprint of the DTLS certificate: SHA-256 is not available")
}
