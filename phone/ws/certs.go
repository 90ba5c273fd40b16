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

// certFault tells in what way a certificate is bad by itself, as the end of a code; "" if
// that is not known.
func certFault(err error) string {
	text := certText(err)
	low := strings.ToLower(text)
	var (
		invalid  x509.CertificateInvalidError
		critical x509.UnhandledCriticalExtension
	)
	switch {
	case weakSignature(err):
		return "-sha1"
	case strings.Contains(low, "serial number"):
		return "-serial"
	case strings.Contains(text, "SAN ") || strings.Contains(low, "subject alternative name") || strings.Contains(low, "ip address of length") || strings.Contains(low, "cannot parse uri"):
		return "-san"
	case strings.Contains(low, "keys are insecure"), strings.Contains(low, "rsa"), strings.Contains(low, "curve"), strings.Contains(low, "public key"), strings.Contains(low, "ecdsa"), strings.Contains(low, "ed25519"):
		return "-key"
	case text != "":
		return "-malformed"
	case errors.As(err, &critical):
		return "-extension"
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.IncompatibleUsage:
			return "-usage"
		case x509.NotAuthorizedToSign:
			return "-signer"
		case x509.CANotAuthorizedForThisName, x509.UnconstrainedName:
			return "-constraints"
		case x509.TooManyIntermediates:
			return "-pathlen"
		}
	}
	return ""
}

// hostFault tells in what way a certificate is for another name, as the end of a code.
func hostFault(err error) string {
	var host x509.HostnameError
	if errors.As(err, &host) && host.Certificate != nil {
		c := host.Certificate
		switch none := len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) == 0; {
		case none:
			return "-cn"
		case net.ParseIP(strings.Trim(host.Host, "[]")) != nil && len(c.DNSNames) > 0:
			return "-address"
		}
	}
	return ""
}

// namesIn are the names in a certificate that is for another one.
func namesIn(err error) string {
	var host x509.HostnameError
	if errors.As(err, &host) && host.Certificate != nil {
		return printable(strings.Join(host.Certificate.DNSNames, ", "))
	}
	return ""
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

// tlsFault tells why a handshake failed for another reason than the server's certificate, as
// the end of a code.
func tlsFault(err error) string {
	text := alertText(err)
	if text == "" {
		text = err.Error()
	}
	switch {
	case strings.Contains(text, "protocol version"):
		return "-old"
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"), strings.Contains(text, "unknown certificate authority"):
		return "-client"
	case strings.Contains(text, "handshake failure"), strings.Contains(text, "insufficient security"):
		return "-cipher"
	case strings.Contains(text, "unrecognized name"):
		return "-name"
	default:
		return ""
	}
}
