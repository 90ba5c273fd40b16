package ws

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// This file tells what is wrong with a certificate, and how to make a better one. Nothing
// in it makes a certificate good: what fails, fails.

// unreadableText begins the error of crypto/tls about a certificate that it cannot parse;
// there is no type for it.
const unreadableText = "tls: failed to parse certificate from server: "

// weakText are parts of errors about keys that crypto/tls does not take. They have no types
// either.
func weakText() []string {
	return []string{"keys are insecure", "containing RSA key larger", "unsupported type of public key", "unsupported certificate", "unsupported elliptic curve"}
}

// certText is the text of an error about the server's certificate that has no type, or "".
func certText(err error) string {
	if !errors.Is(err, errHandshake) {
		return ""
	}
	text := err.Error()
	if _, what, ok := strings.Cut(text, unreadableText); ok {
		return what
	}
	for _, weak := range weakText() {
		if strings.Contains(text, weak) {
			return text
		}
	}
	return ""
}

// Remedies for certificates, each with what to do instead.
const (
	anew       = "Issue the server's certificate anew: "
	withName   = "with the server's name as subjectAltName (DNS:pbx.example.com; an address as IP:192.0.2.1)."
	withKey    = "with an RSA key of 2048 bits or an EC key on P-256."
	withSHA256 = "signed with SHA-256; the old one is signed with SHA-1 or MD5, which can be forged."
	withUsage  = "with extendedKeyUsage serverAuth."
	withSerial = "its serial number must be positive and of 20 bytes at the most (RFC 5280, 4.1.2.2)."
	withTool   = "it does not keep to RFC 5280 (the error names where); OpenSSL 3 or a public authority makes one that does."
)

// remedyOfCert is what to do about a certificate that is bad by itself.
func remedyOfCert(err error) string {
	text := certText(err)
	low := strings.ToLower(text)
	var (
		invalid  x509.CertificateInvalidError
		critical x509.UnhandledCriticalExtension
	)
	switch {
	case weakSignature(err):
		return anew + withSHA256
	case strings.Contains(low, "serial number"):
		return anew + withSerial
	case strings.Contains(text, "SAN ") || strings.Contains(low, "subject alternative name") || strings.Contains(low, "ip address of length") || strings.Contains(low, "cannot parse uri"):
		return anew + "its subjectAltName is malformed. Make one " + withName
	case strings.Contains(low, "keys are insecure"), strings.Contains(low, "rsa"), strings.Contains(low, "curve"), strings.Contains(low, "public key"), strings.Contains(low, "ecdsa"), strings.Contains(low, "ed25519"):
		return anew + withKey
	case text != "":
		return anew + withTool
	case errors.As(err, &critical):
		return anew + "it has an extension that must be understood and that nobody knows."
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.IncompatibleUsage:
			return anew + withUsage
		case x509.NotAuthorizedToSign:
			return anew + "what signed it is no authority (basicConstraints CA:TRUE is missing)."
		case x509.CANotAuthorizedForThisName, x509.UnconstrainedName:
			return anew + "its authority may not sign for the server's name (nameConstraints)."
		case x509.TooManyIntermediates:
			return anew + "its authority may not sign through so many others (pathlen)."
		}
	}
	return "Have the server's certificate checked by its administrator."
}

// remedyOfHost is what to do about a certificate for another name.
func remedyOfHost(err error) string {
	var host x509.HostnameError
	if errors.As(err, &host) && host.Certificate != nil {
		c := host.Certificate
		switch none := len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) == 0; {
		case none:
			return anew + "its name stands in the subject (CN) alone, which no longer counts. Make one " + withName
		case net.ParseIP(strings.Trim(host.Host, "[]")) != nil && len(c.DNSNames) > 0:
			return "Give the server by a name that is in its certificate (" + printable(strings.Join(c.DNSNames, ", ")) + "), or issue that with the address as subjectAltName (IP:" + host.Host + ")."
		}
	}
	return "Use the name that is in the server's certificate, or issue it for the name in the configuration."
}

// weakSignature reports whether a certificate was not believed because of the hash it is
// signed with: x509 tells that as an authority that it does not know.
func weakSignature(err error) bool {
	var (
		unknown x509.UnknownAuthorityError
		weak    x509.InsecureAlgorithmError
	)
	if errors.As(err, &weak) || err != nil && strings.Contains(err.Error(), "insecure algorithm") { // of one between
		return true
	}
	return errors.As(err, &unknown) && unknown.Cert != nil && isWeak(unknown.Cert.SignatureAlgorithm)
}

func isWeak(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1:
		return true
	default:
		return false
	}
}

// lacksBetween reports whether the server has shown its own certificate and none of those
// between it and an authority.
func lacksBetween(err error) bool {
	var verify *tls.CertificateVerificationError
	return errors.As(err, &verify) && len(verify.UnverifiedCertificates) == 1
}

// alertText is what the server said when it broke the TLS handshake off, or "". In TLS 1.3
// it may say so after ours is over.
func alertText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" && op.Err != nil {
		return op.Err.Error()
	}
	return ""
}

// remedyOfTLS is what to do about a handshake that failed for another reason than the
// server's certificate.
func remedyOfTLS(err error) string {
	text := alertText(err)
	if text == "" {
		text = err.Error()
	}
	switch {
	case strings.Contains(text, "protocol version"):
		return "The server speaks old versions of TLS only: enable TLS 1.2 or newer there."
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"), strings.Contains(text, "unknown certificate authority"):
		return "The server wants a certificate of this device, which has none: turn that off there for WSS."
	case strings.Contains(text, "handshake failure"), strings.Contains(text, "insufficient security"):
		return "Server and device have no cipher in common (enable ECDHE with AES-GCM or ChaCha20 there), or the server wants a certificate of this device, which has none (turn that off for WSS)."
	case strings.Contains(text, "unrecognized name"):
		return "The server has no certificate for this name: give it by the name that is in its certificate."
	default:
		return "Check that the port speaks TLS 1.2 or newer (WSS), not plain WS."
	}
}
