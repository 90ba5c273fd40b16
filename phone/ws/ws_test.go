package ws

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the server's end of a connection without sockets.
type peer struct {
	t  *testing.T
	nc net.Conn
	c  *Conn // the client

	mu     sync.Mutex
	frames []frame
}

type frame struct {
	op   ws.OpCode
	data string
	fin  bool
}

// pair runs a story in fake time with both ends of a connection.
func pair(t *testing.T, story func(p *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		p := &peer{t: t, nc: b, c: newConn(a, nil, Options{}.withDefaults())}
		done := make(chan struct{})
		go func() { defer close(done); p.read() }()
		story(p)
		_ = p.c.Close()
		_ = b.Close()
		<-done
	})
}

func (p *peer) read() {
	for {
		h, err := ws.ReadHeader(p.nc)
		if err != nil {
			return
		}
		data := make([]byte, h.Length)
		if _, err := io.ReadFull(p.nc, data); err != nil {
			return
		}
		if !h.Masked {
			p.t.Error("frame without mask")
		}
		ws.Cipher(data, h.Mask, 0)
		p.mu.Lock()
		p.frames = append(p.frames, frame{h.OpCode, string(data), h.Fin})
		p.mu.Unlock()
	}
}

// seen returns the frames that came since the last call.
func (p *peer) seen() []frame {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.frames
	p.frames = nil
	return f
}

func (p *peer) send(b ...[]byte) {
	_, _ = p.nc.Write(bytes.Join(b, nil))
}

func piece(op ws.OpCode, fin bool, data string) []byte {
	return ws.MustCompileFrame(ws.NewFrame(op, fin, []byte(data)))
}

func TestMessages(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	for name, tc := range map[string]struct {
		in   [][]byte
		want []string
	}{
		"text":                       {[][]byte{piece(ws.OpText, true, "hello")}, []string{"hello"}},
		"binary":                     {[][]byte{piece(ws.OpBinary, true, "hello")}, []string{"hello"}},
		"several in one packet":      {[][]byte{piece(ws.OpText, true, "a"), piece(ws.OpText, true, "b"), piece(ws.OpText, true, "c")}, []string{"a", "b", "c"}},
		"64 kB":                      {[][]byte{piece(ws.OpText, true, long)}, []string{long}},
		"fragments":                  {[][]byte{piece(ws.OpText, false, "he"), piece(ws.OpContinuation, false, "l"), piece(ws.OpContinuation, true, "lo")}, []string{"hello"}},
		"PING between fragments":     {[][]byte{piece(ws.OpText, false, "he"), piece(ws.OpPing, true, "p"), piece(ws.OpContinuation, true, "llo")}, []string{"hello"}},
		"empty ones":                 {[][]byte{piece(ws.OpText, true, ""), piece(ws.OpText, false, ""), piece(ws.OpContinuation, true, ""), piece(ws.OpText, true, "a")}, []string{"a"}},
		"raw CRLF between frames":    {[][]byte{[]byte("\r\n\r\n"), piece(ws.OpText, true, "a"), []byte("\r\n\r\n"), piece(ws.OpText, true, "b")}, []string{"a", "b"}},
		"too long, then a good one":  {[][]byte{piece(ws.OpText, true, long+long+"x"), piece(ws.OpText, true, "a")}, []string{"a"}},
		"too long in small pieces":   {[][]byte{piece(ws.OpText, false, long), piece(ws.OpContinuation, false, long), piece(ws.OpContinuation, true, "x"), piece(ws.OpText, true, "a")}, []string{"a"}},
		"masked, which is forbidden": {[][]byte{ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("a"))))}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			pair(t, func(p *peer) {
				go p.send(tc.in...)
				for _, want := range tc.want {
					got, err := p.c.Read()
					if err != nil || string(got) != want {
						t.Fatalf("got %d bytes %.20q, %v; want %d bytes %.20q", len(got), got, err, len(want), want)
					}
				}
			})
		})
	}
}

func TestBrokenFrames(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []byte
		want error
	}{
		"reserved bit":             {[]byte{0x80 | 0x40 | 1, 0}, ErrProtocol},
		"reserved frame type":      {[]byte{0x80 | 5, 0}, ErrProtocol},
		"fragmented PING":          {[]byte{9, 0}, ErrProtocol},
		"long PING":                {[]byte{0x80 | 9, 126, 0, 200}, ErrProtocol},
		"continuation of nothing":  {piece(ws.OpContinuation, true, "a"), ErrProtocol},
		"message inside a message": {append(piece(ws.OpText, false, "a"), piece(ws.OpText, true, "b")...), ErrProtocol},
		"CLOSE":                    {piece(ws.OpClose, true, "\x03\xe9bye"), ErrPeer},
		"huge length":              {[]byte{0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			pair(t, func(p *peer) {
				go p.send(tc.in)
				_, err := p.c.Read()
				if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				select {
				case <-p.c.Failed():
				default:
					t.Error("not failed")
				}
				if err := p.c.Write([]byte("x")); err == nil {
					t.Error("wrote to a failed connection")
				}
			})
		})
	}
}

func TestPongs(t *testing.T) {
	pair(t, func(p *peer) {
		go func() { _, _ = p.c.Read() }()
		p.send(piece(ws.OpPing, true, "abcd"), piece(ws.OpPing, true, ""), piece(ws.OpPong, true, "unasked"))
		want := []frame{{ws.OpPong, "abcd", true}, {ws.OpPong, "alive", true}} // never an empty one
		if got := p.seen(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("got %v", got)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	pair(t, func(p *peer) {
		go func() { _, _ = p.c.Read() }()
		for range 3 {
			time.Sleep(18 * time.Second)
			got := p.seen()
			if len(got) != 1 || got[0].op != ws.OpPing || len(got[0].data) < 4 {
				t.Fatalf("after 18 s: %v", got)
			}
			time.Sleep(20 * time.Millisecond)
			p.send(piece(ws.OpPong, true, got[0].data))
		}
		synctest.Wait()
		if d := p.c.RTT(); d < 20*time.Millisecond || d > 3*time.Second {
			t.Errorf("round trip %v", d)
		}
		start := time.Now()
		<-p.c.Failed() // and now it says nothing any more
		if d := time.Since(start); d > 32*time.Second || !errors.Is(p.c.Err(), ErrSilent) {
			t.Errorf("dead after %v: %v", d, p.c.Err())
		}
	})
}

func TestProbe(t *testing.T) {
	pair(t, func(p *peer) {
		go func() { _, _ = p.c.Read() }()
		p.c.Probe(2 * time.Second)
		got := p.seen()
		if len(got) != 1 || got[0].op != ws.OpPing {
			t.Fatalf("%v", got)
		}
		p.send(piece(ws.OpPong, true, got[0].data))
		time.Sleep(10 * time.Second)
		if err := p.c.Err(); err != nil {
			t.Fatal(err)
		}
		p.c.Probe(2 * time.Second)
		start := time.Now()
		<-p.c.Failed()
		if d := time.Since(start); d > 5*time.Second || !errors.Is(p.c.Err(), ErrSilent) {
			t.Errorf("%v after %v", p.c.Err(), d)
		}
	})
}

// A message that arrives instead of the PONG is a sign of life too.
func TestBusyIsAlive(t *testing.T) {
	pair(t, func(p *peer) {
		go func() {
			for {
				if _, err := p.c.Read(); err != nil {
					return
				}
			}
		}()
		for range 60 {
			time.Sleep(5 * time.Second)
			p.send(piece(ws.OpText, true, "x"))
		}
		if got := p.seen(); len(got) != 0 || p.c.Err() != nil {
			t.Errorf("%v, %v", got, p.c.Err())
		}
	})
}

func TestWriteNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe() // nobody reads b
		c := newConn(a, nil, Options{}.withDefaults())
		start := time.Now()
		var err error
		for range 2 * queueLen {
			if err = c.Write([]byte("hello")); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrBacklog) || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		start = time.Now()
		_ = c.Close()
		if d := time.Since(start); d > 2*closeTimeout {
			t.Errorf("closing took %v", d)
		}
		_ = b.Close()
	})
}

func TestCloseSaysGoodbye(t *testing.T) {
	pair(t, func(p *peer) {
		got := make(chan error, 1)
		go func() { _, err := p.c.Read(); got <- err }()
		for range 3 {
			_ = p.c.Write([]byte("last words"))
		}
		_ = p.c.Write(nil) // never an empty frame
		_ = p.c.Close()
		_ = p.c.Close()
		f := p.seen()
		if len(f) != 4 || f[2].data != "last words" || f[3].op != ws.OpClose {
			t.Errorf("%v", f)
		}
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("reader got %v", err)
		}
		if err := p.c.Write([]byte("x")); err == nil {
			t.Error("wrote after Close")
		}
	})
}

func TestCheckURL(t *testing.T) {
	for in, ok := range map[string]bool{
		"wss://pbx.test:7443": true, "wss://pbx.test/ws": true, "wss://[2001:db8::1]:7443": true, "wss://192.0.2.1": true,
		"ws://127.0.0.1:5066": true, "ws://localhost": true, "ws://[::1]:80": true,
		"ws://pbx.test": false, "ws://192.0.2.1": false, "http://pbx.test": false, "pbx.test:7443": false, "": false,
		"wss://": false, "wss://u:p@h": false, "wss://h?x=y": false, "wss://h#x": false, "wss://%zz": false,
	} {
		if _, err := CheckURL(in); (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
	}
	if _, err := Dial(t.Context(), "ws://pbx.test", Options{}); err == nil || err.(*DialError).Cause != BadURL { //nolint:errorlint // documented type
		t.Errorf("%v", err)
	}
}

func TestDialEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, url := range []string{"ws://127.0.0.1:1", "wss://127.0.0.1:1"} {
			ctx, cancel := context.WithCancel(t.Context())
			_, b := net.Pipe()
			a2, b2 := net.Pipe()
			o := Options{NetDial: func(context.Context, string, string, netip.AddrPort) (net.Conn, error) { return a2, nil }}
			go func() { _, _ = io.Copy(io.Discard, b2) }()
			time.AfterFunc(time.Second, cancel)
			start := time.Now()
			_, err := Dial(ctx, url, o)
			var de *DialError
			if !errors.As(err, &de) || de.Cause != Cancelled || time.Since(start) != time.Second {
				t.Errorf("%s: %v after %v", url, err, time.Since(start))
			}
			_, _ = b.Close(), b2.Close()
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\r\n\r\n\x81\x05hello"))
	f.Add(append(piece(ws.OpText, false, "a"), piece(ws.OpContinuation, true, "b")...))
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Add(piece(ws.OpPing, true, "abcd"))
	f.Add(piece(ws.OpClose, true, "\x03"))
	f.Fuzz(func(t *testing.T, in []byte) {
		o := Options{MaxMessage: 1000, PingEvery: -1}.withDefaults()
		a, b := net.Pipe()
		c := newConn(a, nil, o)
		go func() {
			_, _ = b.Write(in)
			_ = b.Close()
		}()
		for {
			msg, err := c.Read()
			if err != nil {
				break
			}
			if len(msg) == 0 || len(msg) > 1000 {
				t.Errorf("message of %d bytes", len(msg))
			}
		}
		_ = c.Close()
	})
}

// FuzzUpgrade feeds a server's answer to the handshake to the phone, and what follows it.
func FuzzUpgrade(f *testing.F) {
	const good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
	f.Add(good + string(piece(ws.OpText, true, "hello")))
	f.Add(strings.Replace(good, "101", "302", 1))
	f.Add(strings.Replace(good, "{accept}", "x", 1))
	f.Add("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	f.Add("HTTP/1.1 101\r\n\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		near, far := net.Pipe()
		peer := make(chan struct{})
		go func() {
			defer close(peer)
			defer func() { _ = far.Close() }()
			req, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				return
			}
			sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			go func() { _, _ = io.Copy(io.Discard, far) }()
			_, _ = io.WriteString(far, strings.ReplaceAll(answer, "{accept}", base64.StdEncoding.EncodeToString(sum[:])))
		}()
		c, err := Dial(t.Context(), "ws://127.0.0.1:1", Options{
			PingEvery: -1, HandshakeTimeout: 5 * time.Second,
			NetDial: func(context.Context, string, string, netip.AddrPort) (net.Conn, error) { return near, nil },
		})
		if err == nil {
			for {
				if _, err := c.Read(); err != nil {
					break
				}
			}
			_ = c.Close()
		}
		_ = near.Close()
		<-peer
	})
}
