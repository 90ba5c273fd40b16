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

	"intercomd/words"
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

// Message is what is wrong in a code, "dial-" with the cause and, where more is known, what
// exactly: package words has the sentence, and what to do about it. What varies from try to
// try, such as a port of ours, is left out: the same trouble is the same message.
func (e *DialError) Message() words.Message {
	code, detail := "dial-"+string(e.Cause), strings.ReplaceAll(e.Err.Error(), "\n", "; ") // of errors that were joined
	more := ""
	switch e.Cause {
	case BadURL, NameUnknown, Unreachable, ConnRefused, TimedOut, Expired, NotYetValid, SelfSigned:
		detail = ""
	case UnknownCA:
		detail = "" // the code says as much
		if lacksBetween(e.Err) {
			more = "-chain"
		}
	case WrongHost:
		detail = ""
		more = hostFault(e.Err)
	case BadCert:
		more = certFault(e.Err)
	case TLSFailed:
		more = tlsFault(e.Err)
	case NotWebSocket:
		more = answerFault(e.Err)
	}
	return words.New(code+more, "server", e.Server, "detail", detail, "pin", shownPin(e.Err), "names", namesIn(e.Err), "at", words.Time(e.turn()))
}

// turn is when a certificate expired, or begins to be valid.
func (e *DialError) turn() time.Time {
	var invalid x509.CertificateInvalidError
	switch {
	case !errors.As(e.Err, &invalid) || invalid.Cert == nil:
		return time.Time{}
	case e.Cause == Expired:
		return invalid.Cert.NotAfter
	case e.Cause == NotYetValid:
		return invalid.Cert.NotBefore
	default:
		return time.Time{}
	}
}

// Remedy is what the person who can mend it should do, in English.
func (e *DialError) Remedy() string { return e.Message().Remedy() }

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
