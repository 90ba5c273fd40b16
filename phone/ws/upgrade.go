package ws

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 has it; no secret depends on it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http/httpguts"
)

// The handshake is our own since gobwas/ws takes no list in Connection, which proxies
// write ("Upgrade, Keep-Alive"). Frames are its business.

const (
	maxAnswer = 64 << 10 // bytes of an answer to the handshake
	maxHints  = 4        // 1xx answers before the one that counts
)

// statusError is an answer that did not switch to WebSocket. It is a [ws.StatusError].
type statusError struct {
	status   int
	text     string
	location string // where a redirection leads
}

func (e statusError) Error() string {
	s := "the HTTP server answered " + strings.TrimSpace(fmt.Sprint(e.status, " ", e.text))
	if e.location != "" {
		s += " to " + e.location
	}
	return s
}

func (e statusError) Unwrap() error { return ws.StatusError(e.status) }

// protocolError is an answer that chose another subprotocol than SIP.
type protocolError struct{ got string }

func (e protocolError) Error() string {
	return fmt.Sprintf("the server speaks %q over its WebSocket, not sip", e.got)
}

// upgrade turns the connection into a WebSocket with subprotocol "sip" (RFC 6455, 4.1;
// RFC 7118, 4.1). The returned reader holds what the server sent along with its answer; it
// is nil when there was nothing.
func upgrade(ctx context.Context, nc net.Conn, u *url.URL, o Options) (*bufio.Reader, error) {
	if err := nc.SetDeadline(time.Now().Add(o.HandshakeTimeout)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	br, err := handshake(nc, u, o)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return br, nc.SetDeadline(time.Time{})
}

func handshake(nc net.Conn, u *url.URL, o Options) (*bufio.Reader, error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // crypto/rand never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: sip\r\n", u.RequestURI(), u.Host, key)
	if httpguts.ValidHeaderFieldValue(o.UserAgent) && o.UserAgent != "" {
		b.WriteString("User-Agent: " + o.UserAgent + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(nc, b.String()); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: nc, N: maxAnswer}
	br := bufio.NewReader(limited)
	for range maxHints {
		res, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet}) //nolint:bodyclose // an answer that switches has none; after all others the connection is closed
		if err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		if res.StatusCode/100 == 1 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		if err := accepted(res, key); err != nil {
			return nil, err
		}
		limited.N = math.MaxInt64
		if br.Buffered() == 0 {
			return nil, nil //nolint:nilnil // nothing came with the answer
		}
		return br, nil
	}
	return nil, errors.New("the server answered with hints only")
}

// accepted checks an answer by RFC 6455, section 4.1. Names of headers and their tokens
// have no case, and may stand in lists.
func accepted(res *http.Response, key string) error {
	h := res.Header
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see the import
	switch {
	case res.StatusCode != http.StatusSwitchingProtocols:
		_, text, _ := strings.Cut(res.Status, " ")
		return statusError{res.StatusCode, printable(text), printable(h.Get("Location"))}
	case !hasToken(h, "Upgrade", "websocket"):
		return errors.New(`the answer lacks "Upgrade: websocket"`)
	case !hasToken(h, "Connection", "upgrade"):
		return errors.New(`the answer lacks "Connection: Upgrade"`)
	case h.Get("Sec-Websocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("the answer is not to our question (Sec-WebSocket-Accept)")
	case strings.TrimSpace(strings.Join(h.Values("Sec-Websocket-Extensions"), "")) != "":
		return fmt.Errorf("the server uses extensions that nobody asked for: %s", printable(h.Get("Sec-Websocket-Extensions")))
	}
	chosen := strings.TrimSpace(strings.Join(h.Values("Sec-Websocket-Protocol"), ", "))
	if chosen != "" && !hasToken(h, "Sec-Websocket-Protocol", "sip") { // where it is left out, REGISTER will tell
		return protocolError{printable(chosen)}
	}
	return nil
}

func hasToken(h http.Header, name, token string) bool {
	return httpguts.HeaderValuesContainsToken(h.Values(name), token)
}

// printable makes a text of the network fit for a line of the log.
func printable(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// answerFault tells why an HTTP server did not switch to WebSocket, as the end of a code.
func answerFault(err error) string {
	var (
		status   statusError
		protocol protocolError
	)
	switch {
	case errors.As(err, &protocol):
		return "-protocol"
	case !errors.As(err, &status):
		return ""
	}
	switch status.status {
	case 301, 302, 303, 307, 308:
		return "-moved"
	case 401, 403, 407:
		return "-forbidden"
	case 404, 405, 426:
		return "-path"
	case 400:
		return "-handshake"
	case 429, 502, 503, 504:
		return "-gateway"
	default:
		return "-status"
	}
}
