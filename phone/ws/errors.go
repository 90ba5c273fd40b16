package ws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// Reasons for which a connection ends. They reach the reader wrapped.
var (
	ErrClosed   = errors.New("WebSocket closed by us")
	ErrPeer     = errors.New("WebSocket closed by the server")
	ErrSilent   = errors.New("the server did not answer a PING in time")
	ErrMoved    = errors.New("the address of this device has changed")
	ErrBacklog  = errors.New("the server does not take what we send")
	ErrProtocol = errors.New("the server broke the WebSocket protocol")
)

// Cause names why a connection could not be made, in a word for machines.
type Cause string

// The causes of a failed connection.
const (
	BadURL       Cause = "bad-url"       // the configured address cannot be used
	NameUnknown  Cause = "name"          // DNS has no address for the server
	Unreachable  Cause = "unreachable"   // no route, network down
	ConnRefused  Cause = "refused"       // the host answers, nothing listens there
	TimedOut     Cause = "timeout"       // nobody answered in time
	UnknownCA    Cause = "unknown-ca"    // signed by an authority that is not trusted
	SelfSigned   Cause = "self-signed"   // signed by itself
	Expired      Cause = "expired"       // the certificate's time is over
	NotYetValid  Cause = "not-yet-valid" // its time has not come: nearly always the device's clock
	WrongHost    Cause = "wrong-host"    // issued for another name
	WrongPin     Cause = "wrong-pin"     // not the public key that was pinned
	BadCert      Cause = "bad-cert"      // any other fault of the certificate: it cannot be read, or is too weak
	TLSFailed    Cause = "tls"           // no TLS spoken there, or no common version
	NotWebSocket Cause = "not-websocket" // HTTP answered, but did not switch to WebSocket
	Cancelled    Cause = "cancelled"     // the caller gave up
	Other        Cause = "other"
)

// DialError says why a connection could not be made and what to do about it.
type DialError struct {
	Server string // the URL that was tried
	Cause  Cause
	Err    error
}

// Error says each thing once: the cause only where the error below does not tell as
// much in its own words, the address only where it is not in the URL.
func (e *DialError) Error() string {
	err, at, what := e.Err, "", ""
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		err = op.Err
		if op.Addr != nil && !strings.Contains(e.Server, op.Addr.String()) {
			at = " (" + op.Addr.String() + ")"
		}
		var call *os.SyscallError
		if errors.As(err, &call) {
			err = call.Err
		}
	}
	if e.Certificate() {
		what = string(e.Cause) + ": "
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ") // of errors that were joined
	return "connecting to " + e.Server + at + ": " + what + text
}

func (e *DialError) Unwrap() error { return e.Err }

// Answered reports whether anything answered at the server's address. Where
// nothing did, trying again soon bothers nobody.
func (e *DialError) Answered() bool {
	switch e.Cause {
	case NameUnknown, Unreachable, TimedOut:
		return false
	default:
		return true
	}
}

// Absent reports whether there is no server at the address, whatever else is there: nothing
// answers, nobody listens, or a gateway says that it cannot reach what is behind it. Trying
// again soon bothers nobody.
func (e *DialError) Absent() bool {
	var status ws.StatusError
	if errors.As(e.Err, &status) {
		switch int(status) {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
	}
	return e.Cause == ConnRefused || !e.Answered()
}

// Certificate reports whether the server's certificate was the fault.
func (e *DialError) Certificate() bool {
	switch e.Cause {
	case UnknownCA, SelfSigned, Expired, NotYetValid, WrongHost, WrongPin, BadCert:
		return true
	default:
		return false
	}
}

// Remedy is a sentence for the person who can mend it.
func (e *DialError) Remedy() string {
	switch e.Cause {
	case BadURL:
		return "Write the server as wss://host:port, for example wss://pbx.example.com:7443."
	case NameUnknown:
		return "Check the server's name in the configuration and the DNS server of this network."
	case Unreachable:
		return "Check the network cable or Wi-Fi and the route to the server."
	case ConnRefused:
		return "Check the server's port and that its WSS service is running."
	case TimedOut:
		return "Check that the server is up and that no firewall drops its port."
	case UnknownCA:
		if lacksBetween(e.Err) {
			return "Give the authority's certificate as ca_file, or install a certificate from a public authority on the server, together with those between (fullchain.pem): it shows its own alone." + e.pinHint()
		}
		return "Give the authority's certificate as ca_file, or install a certificate from a public authority on the server." + e.pinHint()
	case SelfSigned:
		return "Give the server's certificate as ca_file; it must carry the server's name." + e.pinHint()
	case Expired:
		return "Renew the server's certificate; check this device's clock too."
	case NotYetValid:
		return "Set this device's clock (NTP): the certificate starts to be valid later than the time it shows."
	case WrongHost:
		return remedyOfHost(e.Err)
	case WrongPin:
		return "The server shows another public key than the pinned one: find out why before changing pins to " + shownPin(e.Err) + "."
	case BadCert:
		return remedyOfCert(e.Err)
	case TLSFailed:
		return remedyOfTLS(e.Err)
	case NotWebSocket:
		return remedyOfAnswer(e.Err)
	default:
		return "Check server and network."
	}
}

// ShownPin is the pin of the key that the server shows, "" if that is not known.
func (e *DialError) ShownPin() string { return shownPin(e.Err) }

// pinHint names the way without an authority. Whoever takes it must know the key from
// the server itself.
func (e *DialError) pinHint() string {
	if pin := shownPin(e.Err); pin != "" {
		return " Or compare the key that it shows, " + pin + ", with the server's own, and give that as pins."
	}
	return ""
}

// explain finds the cause of a failed dial. now is the time that certificates
// were checked against.
func explain(server string, err error, now time.Time) *DialError {
	return &DialError{Server: server, Cause: causeOf(err, now), Err: err}
}

func causeOf(err error, now time.Time) Cause {
	if c, ok := certCause(err, now); ok {
		return c
	}
	var (
		dns    *net.DNSError
		status ws.StatusError
		header tls.RecordHeaderError
		ne     net.Error
	)
	switch {
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.As(err, &dns):
		return NameUnknown
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return Unreachable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return TimedOut
	case errors.As(err, &ne) && ne.Timeout():
		return TimedOut
	case errors.As(err, &header), alertText(err) != "":
		return TLSFailed
	case errors.As(err, &status), errors.Is(err, errUpgrade):
		return NotWebSocket
	case errors.Is(err, errHandshake):
		return TLSFailed
	default:
		return Other
	}
}

func certCause(err error, now time.Time) (Cause, bool) {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		verify  *tls.CertificateVerificationError
		pin     pinError
	)
	switch {
	case errors.As(err, &pin):
		return WrongPin, true
	case errors.As(err, &invalid):
		if invalid.Reason != x509.Expired {
			return BadCert, true
		}
		if invalid.Cert != nil && now.Before(invalid.Cert.NotBefore) {
			return NotYetValid, true
		}
		return Expired, true
	case errors.As(err, &host):
		return WrongHost, true
	case weakSignature(err), certText(err) != "":
		return BadCert, true
	case errors.As(err, &unknown):
		if c := unknown.Cert; c != nil && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
			return SelfSigned, true
		}
		return UnknownCA, true
	case errors.As(err, &verify):
		return BadCert, true
	default:
		return "", false
	}
}

var (
	errUpgrade   = errors.New("WebSocket handshake")
	errHandshake = errors.New("TLS handshake")
)
