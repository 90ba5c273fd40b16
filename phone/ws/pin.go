package ws

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// verifyPinned checks what the server has shown against the pins and everything else
// (docs/decisions/server-pins.md has the reasons).
func verifyPinned(s tls.ConnectionState, host string, o Options) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	leaf := s.PeerCertificates[0]
	if o.RootCAs == nil && pinned(leaf, o.Pins) {
		if now := o.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}
		}
		return leaf.VerifyHostname(host)
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: o.RootCAs, Intermediates: between, CurrentTime: o.Now()})
	if err != nil && o.RootCAs != nil {
		return err
	}
	for _, chain := range chains { // none after an error: the pins were meant to vouch for it, and do not
		if slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return pinned(c, o.Pins) }) {
			return nil
		}
	}
	return pinError{leaf, o.Pins}
}

func pinned(c *x509.Certificate, pins [][sha256.Size]byte) bool {
	return slices.Contains(pins, sha256.Sum256(c.RawSubjectPublicKeyInfo))
}

// PinOf is the pin of a certificate's key as the configuration has it: SHA-256 of the
// SubjectPublicKeyInfo in base64 (RFC 7469, 2.4).
func PinOf(c *x509.Certificate) string { return pinText(sha256.Sum256(c.RawSubjectPublicKeyInfo)) }

func pinText(sum [sha256.Size]byte) string { return base64.StdEncoding.EncodeToString(sum[:]) }

// pinError tells the key that was shown and those that are pinned.
type pinError struct {
	shown  *x509.Certificate
	wanted [][sha256.Size]byte
}

func (e pinError) Error() string {
	var wanted []string
	for _, p := range e.wanted {
		wanted = append(wanted, pinText(p))
	}
	return fmt.Sprintf("the server's public key is not a pinned one: it shows %s, pinned is %s", PinOf(e.shown), strings.Join(wanted, " or "))
}

// shownPin is the pin of the certificate that made a connection fail, "" if no
// certificate did, or one that no pin would help.
func shownPin(err error) string {
	var (
		pin     pinError
		unknown x509.UnknownAuthorityError
		verify  *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &pin):
		return PinOf(pin.shown)
	case !errors.As(err, &unknown):
	case errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0:
		return PinOf(verify.UnverifiedCertificates[0])
	}
	return ""
}
