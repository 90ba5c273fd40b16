package system

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"intercomd/test/lab"
)

// caller is a SIP client that says whatever a test wants it to, byte by byte: SIP over TCP to the server
// (RFC 3261), with no check of its own.
type caller struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	user string
	n    int
}

func dialSIP(t *testing.T, s *shared, user string) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(lab.Address, strconv.Itoa(s.kam.Config.SIPPort)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{t: t, conn: conn, in: bufio.NewReader(conn), user: user}
}

// sip is a message: its first line, its headers by name in small letters, and the body.
type sip struct {
	line, body string
	header     map[string][]string
}

func (m sip) get(name string) string { return strings.Join(m.header[name], ", ") }

// next is the next message that comes.
func (c *caller) next() sip {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	m := sip{header: map[string][]string{}}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("the server says no more: %v", err)
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" && m.line == "": // a ping
		case line == "":
			n, _ := strconv.Atoi(m.get("content-length"))
			body := make([]byte, n)
			if _, err := io.ReadFull(c.in, body); err != nil {
				c.t.Fatal(err)
			}
			m.body = string(body)
			return m
		case m.line == "":
			m.line = line
		default:
			name, value, _ := strings.Cut(line, ":")
			name = strings.ToLower(strings.TrimSpace(name))
			m.header[name] = append(m.header[name], strings.TrimSpace(value))
		}
	}
}

// final is the next final answer to a method; what comes before it is passed over, and rings is done when it rings.
func (c *caller) final(method string, rings func()) sip {
	c.t.Helper()
	for {
		m := c.next()
		switch {
		case !strings.HasPrefix(m.line, "SIP/2.0 ") || !strings.HasSuffix(m.get("cseq"), " "+method):
		case strings.HasPrefix(m.line, "SIP/2.0 18"):
			rings()
		case !strings.HasPrefix(m.line, "SIP/2.0 1"):
			return m
		}
	}
}

var challenge = regexp.MustCompile(`(realm|nonce)="([^"]*)"`)

// ask sends a request with an account's credentials and returns its final answer. An INVITE is cancelled when the
// far end rings, and its answer acknowledged.
func (c *caller) ask(method, uri, from, extra, body string) sip {
	c.t.Helper()
	c.n++
	id := fmt.Sprintf("%s-%d-%d", c.user, c.n, time.Now().UnixNano())
	send := func(seq int, auth string) sip {
		c.send(method, uri, from, id, seq, auth+extra, body)
		same := func(method, to string) { // within its transaction
			_, _ = fmt.Fprintf(c.conn, "%s %s SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%s%d;rport\r\nMax-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
				method, uri, c.conn.LocalAddr(), id, seq, from, c.user, to, id, seq, method)
		}
		m := c.final(method, func() { same("CANCEL", "<"+uri+">") })
		if method == "INVITE" {
			same("ACK", m.get("to"))
		}
		return m
	}
	m := send(1, "")
	head := "Proxy-Authorization"
	auth := m.get("proxy-authenticate")
	if auth == "" {
		head, auth = "Authorization", m.get("www-authenticate")
	}
	if auth == "" {
		return m
	}
	got := map[string]string{}
	for _, f := range challenge.FindAllStringSubmatch(auth, -1) {
		got[f[1]] = f[2]
	}
	sum := func(s string) string { d := md5.Sum([]byte(s)); return hex.EncodeToString(d[:]) }
	answer := sum(sum(c.user+":"+got["realm"]+":"+lab.Password(c.user)) + ":" + got["nonce"] + ":00000001:x:auth:" + sum(method+":"+uri))
	return send(2, fmt.Sprintf("%s: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", qop=auth, nc=00000001, cnonce=\"x\", response=\"%s\", algorithm=MD5\r\n",
		head, c.user, got["realm"], got["nonce"], uri, answer))
}

func (c *caller) send(method, uri, from, id string, seq int, extra, body string) {
	c.t.Helper()
	to := "<" + uri + ">"
	if method == "REGISTER" {
		to = from
	}
	_, err := fmt.Fprintf(c.conn, "%s %s SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%s%d;rport\r\nMax-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:%s@%s;transport=tcp>\r\n%sContent-Length: %d\r\n\r\n%s",
		method, uri, c.conn.LocalAddr(), id, seq, from, c.user, to, id, seq, method, c.user, c.conn.LocalAddr(), extra, len(body), body)
	if err != nil {
		c.t.Fatal(err)
	}
}

// refuse waits for a call and ends it with this reason, and headers of its own.
func (c *caller) refuse(reason, extra string) {
	c.t.Helper()
	for {
		m := c.next()
		if !strings.HasPrefix(m.line, "INVITE ") {
			continue
		}
		var via strings.Builder
		for _, v := range m.header["via"] {
			via.WriteString("Via: " + v + "\r\n")
		}
		for _, v := range m.header["record-route"] {
			via.WriteString("Record-Route: " + v + "\r\n")
		}
		_, _ = fmt.Fprintf(c.conn, "SIP/2.0 486 %s\r\n%sFrom: %s\r\nTo: %s;tag=evil\r\nCall-ID: %s\r\nCSeq: %s\r\n%sContent-Length: 0\r\n\r\n",
			reason, via.String(), m.get("from"), m.get("to"), m.get("call-id"), m.get("cseq"), extra)
		return
	}
}
