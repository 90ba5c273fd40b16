package ws

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// answering is a server that gives one text as its answer, with {accept} filled in.
func answering(t *testing.T, answer string) string {
	t.Helper()
	return listen(t, func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		for name, want := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Version": "13", "Sec-Websocket-Protocol": "sip"} {
			if req.Header.Get(name) != want {
				t.Errorf("%s: %q", name, req.Header.Get(name))
			}
		}
		sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		accept := base64.StdEncoding.EncodeToString(sum[:])
		_, _ = io.WriteString(c, strings.NewReplacer("{accept}", accept, "KEY", accept).Replace(answer))
		_, _ = io.Copy(io.Discard, c)
	})
}

const good101 = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: sip\r\n\r\n"

// Whatever RFC 6455 allows an answer to look like, it is one; proxies rewrite much of it.
func TestHandshakeAnswers(t *testing.T) {
	keepAlive, err := os.ReadFile("testdata/101-connection-upgrade-keepalive.http")
	if err != nil {
		t.Fatal(err)
	}
	with := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(good101) }
	for name, answer := range map[string]string{
		"plain":                 good101,
		"a proxy":               string(keepAlive),
		"keep-alive first":      with("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
		"two headers":           with("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
		"another case":          "HTTP/1.1 101 ok\r\nupgrade:WebSocket\r\nCONNECTION:UPGRADE\r\nsec-websocket-accept:{accept}  \r\nSEC-WEBSOCKET-PROTOCOL:\tsip \r\n\r\n",
		"no reason phrase":      with("101 Switching Protocols", "101"),
		"other protocols too":   with("Upgrade: websocket", "Upgrade: h2c, websocket"),
		"SIP in capitals":       with("Protocol: sip", "Protocol: SIP"),
		"no subprotocol":        with("Sec-WebSocket-Protocol: sip\r\n", ""),
		"an empty subprotocol":  with("Protocol: sip", "Protocol: "),
		"sip twice":             with("Protocol: sip", "Protocol: sip\r\nSec-WebSocket-Protocol: sip"),
		"no extensions":         with("\r\n\r\n", "\r\nSec-WebSocket-Extensions:\r\n\r\n"),
		"hints before it":       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + good101,
		"headers that it adds":  with("\r\n\r\n", "\r\nVia: 1.1 proxy\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"),
		"a header on two lines": with("Connection: Upgrade", "Connection:\r\n Upgrade"),
		"line feeds alone":      strings.ReplaceAll(good101, "\r\n", "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(t.Context(), "ws://"+answering(t, answer+string(piece(ws.OpText, true, "early"))), Options{})
			if err != nil {
				t.Fatal(err, "/", remedyOf(err))
			}
			defer c.Close()
			if msg, err := c.Read(); err != nil || string(msg) != "early" {
				t.Errorf("then came %q, %v", msg, err)
			}
		})
	}
	for name, tc := range map[string]struct{ answer, text, remedy string }{
		"another key":         {with("{accept}", "AAAA"), "not to our question", "port and path"},
		"no Upgrade":          {with("Upgrade: websocket\r\n", ""), "lacks \"Upgrade", "port and path"},
		"no Connection":       {with("Connection: Upgrade\r\n", "Connection: close\r\n"), "lacks \"Connection", "port and path"},
		"another subprotocol": {with("Protocol: sip", "Protocol: xmpp"), `speaks "xmpp"`, "another service"},
		"an extension":        {with("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), "permessage-deflate", "port and path"},
		"elsewhere":           {"HTTP/1.1 301 Moved\r\nLocation: https://pbx.test/ws\x01\r\n\r\n", "answered 301 Moved", ""},
		"a redirection":       {"HTTP/1.1 302 Found\r\nLocation: https://pbx.test/ws\r\n\r\n", "302 Found to https://pbx.test/ws", "redirects to another address"},
		"a password":          {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "401 Unauthorized", "refuses access"},
		"not here":            {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 Not Found", "/ws"},
		"the server is gone":  {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502 Bad Gateway", "did not: check that it runs"},
		"200":                 {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 OK", "log of the HTTP server"},
		"no HTTP":             {"SSH-2.0-OpenSSH_9\r\n", "malformed HTTP", "port and path"},
		"hints for ever":      {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 9), "hints only", "port and path"},
		"headers for ever":    {"HTTP/1.1 101 ok\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 200), "EOF", "port and path"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), "ws://"+answering(t, tc.answer), Options{})
			var de *DialError
			if !errors.As(err, &de) || de.Cause != NotWebSocket || de.Certificate() {
				if name == "elsewhere" && de != nil { // a control character in a header is no HTTP
					return
				}
				t.Fatalf("%v", err)
			}
			if !strings.Contains(de.Error(), tc.text) && name != "elsewhere" || !strings.Contains(de.Remedy(), tc.remedy) {
				t.Errorf("%v / %s", de, de.Remedy())
			}
			var status ws.StatusError
			if want := strings.HasPrefix(tc.answer, "HTTP/1.1 4"); want && !errors.As(err, &status) {
				t.Errorf("no status in %v", err)
			}
		})
	}
}

func remedyOf(err error) string {
	var de *DialError
	if errors.As(err, &de) {
		return de.Remedy()
	}
	return ""
}
