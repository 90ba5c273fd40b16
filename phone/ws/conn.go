package ws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"intercomd/beat"
)

const (
	queueLen     = 256                    // frames waiting for the socket
	writeTimeout = 10 * time.Second       // of one frame
	closeTimeout = 300 * time.Millisecond // to write what waits, and the CLOSE
	minPingEvery = 2 * time.Second
	pingLen      = 8 // PINGs under 3 bytes confuse FreeSWITCH
)

// Conn is an open WebSocket. One goroutine at a time may call Read; every other
// method is safe from any goroutine and never blocks on the network, except
// Close, which waits at most 300 ms.
type Conn struct {
	nc  net.Conn
	br  *bufio.Reader
	o   Options
	log *slog.Logger

	target string // "host:port" that was connected to
	others bool   // there were other targets

	out     chan outFrame
	probes  chan time.Duration
	stop    chan struct{} // closed by Close: write what waits, then end
	stopped chan struct{} // closed when the writer has ended and the socket is closed
	once    sync.Once

	failOnce sync.Once
	failed   chan struct{} // closed with err set when the connection is of no use any more
	err      error         // why; read it only after failed is closed

	heard  atomic.Int64 // unix nanoseconds of the last frame from the server
	pinged atomic.Int64 // unix nanoseconds of the PING that waits for its PONG; 0: none
	rtt    atomic.Int64 // nanoseconds
	every  atomic.Int64 // nanoseconds of silence before a PING
}

type outFrame struct {
	op      ws.OpCode
	payload []byte
}

func newConn(nc net.Conn, br *bufio.Reader, o Options) *Conn {
	if br == nil {
		br = bufio.NewReaderSize(nc, 4096)
	}
	c := &Conn{
		nc: nc, br: br, o: o, log: o.Log,
		out: make(chan outFrame, queueLen), probes: make(chan time.Duration, 1),
		stop: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan struct{}),
	}
	c.heard.Store(time.Now().UnixNano())
	c.every.Store(int64(o.PingEvery))
	go c.run()
	return c
}

// Write queues msg as one text frame. It keeps no reference to msg. An error
// means that the connection is of no use any more.
func (c *Conn) Write(msg []byte) error {
	if len(msg) == 0 {
		return nil // an empty frame makes FreeSWITCH hang up
	}
	return c.enqueue(ws.OpText, bytes.Clone(msg))
}

func (c *Conn) enqueue(op ws.OpCode, payload []byte) error {
	select {
	case <-c.failed:
		return c.err
	case <-c.stop:
		return ErrClosed
	default:
	}
	select {
	case c.out <- outFrame{op, payload}:
		return nil
	default:
		c.fail(ErrBacklog)
		return ErrBacklog
	}
}

// fail records why the connection is dead and wakes the reader.
func (c *Conn) fail(err error) {
	c.failOnce.Do(func() {
		c.err = err
		close(c.failed)
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	})
}

// Failed is closed when the connection is of no use any more; Err then says why.
func (c *Conn) Failed() <-chan struct{} { return c.failed }

// Err says why the connection failed, or nil while it has not.
func (c *Conn) Err() error {
	select {
	case <-c.failed:
		return c.err
	default:
		return nil
	}
}

// RTT is the last round trip measured with a PING; 0 before the first.
func (c *Conn) RTT() time.Duration { return time.Duration(c.rtt.Load()) }

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr is the address of the server.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Target is the host and port that were connected to, and whether the server's name has
// led to others as well.
func (c *Conn) Target() (hostPort string, others bool) { return c.target, c.others }

// Probe asks now whether the server is still there. Without any sign of life
// within about wait (and 2 s more), the connection fails.
func (c *Conn) Probe(wait time.Duration) {
	select {
	case c.probes <- wait:
	default:
	}
}

// PingWithin makes PINGs more frequent than the options ask for, if need be: for a server
// that gives up connections on which it hears nothing for longer. Every 2 s is the most.
func (c *Conn) PingWithin(d time.Duration) {
	if c.o.PingEvery > 0 {
		c.every.Store(int64(min(c.o.PingEvery, max(d, minPingEvery))))
	}
}

// Close writes what is still queued and a CLOSE frame, for 300 ms at the most,
// then closes the socket and ends the connection's goroutine. A Read that waits
// returns [ErrClosed].
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.stop)
		_ = c.nc.SetWriteDeadline(time.Now().Add(closeTimeout)) // for a frame that is stuck
	})
	<-c.stopped
	return nil
}

// run owns the writing side: queued frames, and PINGs when they are due.
func (c *Conn) run() {
	defer close(c.stopped)
	defer c.hangUp()
	look := time.NewTimer(c.untilLook())
	defer look.Stop()
	wait := c.o.PongWait
	for c.Err() == nil {
		select {
		case d := <-c.probes:
			wait = min(wait, d)
			c.ping()
		case f := <-c.out:
			if err := c.writeFrame(f, writeTimeout); err != nil {
				c.fail(fmt.Errorf("writing to the server: %w", err))
			}
		case <-look.C:
			look.Reset(c.untilLook())
			if addressGone(c.nc.LocalAddr(), c.o.Addresses) {
				c.fail(ErrMoved)
			} else if c.keepAlive(wait) {
				wait = c.o.PongWait
			}
		case <-c.failed:
		case <-c.stop:
			c.farewell()
			return
		}
	}
	<-c.stop
}

// hangUp closes the socket: properly if that was our wish, else so that its port is free.
func (c *Conn) hangUp() {
	if !errors.Is(c.Err(), ErrClosed) {
		abort(c.nc)
	}
	_ = c.nc.Close()
}

// untilLook is the time to the next look at addresses and PINGs, every two seconds unless configured
// otherwise.
func (c *Conn) untilLook() time.Duration {
	if c.o.PingEvery < 0 {
		return math.MaxInt64
	}
	return beat.Until(time.Now(), max(min(c.o.PingEvery, c.o.PongWait)/5, time.Millisecond))
}

// keepAlive sends a PING when one is due and gives the connection up when the
// last one stayed without any answer for so long. Any frame of the server counts
// as a sign of life: a long message on a thin line may hold its PONG back. It
// reports whether the connection is known to be alive.
func (c *Conn) keepAlive(wait time.Duration) bool {
	now := time.Now()
	if sent := c.pinged.Load(); sent != 0 {
		if c.heard.Load() < sent && now.Sub(time.Unix(0, sent)) >= wait {
			c.fail(ErrSilent)
		}
		if c.heard.Load() < sent {
			return false
		}
		c.pinged.Store(0)
	}
	if now.Sub(time.Unix(0, c.heard.Load())) >= time.Duration(c.every.Load()) { // a busy connection needs none
		c.ping()
	}
	return true
}

// ping sends a PING, unless one is waiting for its answer already.
func (c *Conn) ping() {
	if c.pinged.Load() != 0 {
		return
	}
	now := time.Now()
	payload := make([]byte, pingLen)
	binary.BigEndian.PutUint64(payload, uint64(now.UnixNano()))
	c.pinged.Store(now.UnixNano())
	if err := c.writeFrame(outFrame{ws.OpPing, payload}, c.o.PongWait); err != nil {
		c.fail(fmt.Errorf("writing a PING: %w", err))
	}
}

func (c *Conn) farewell() {
	defer c.fail(ErrClosed)
	deadline := time.Now().Add(closeTimeout)
	for {
		select {
		case f := <-c.out:
			if c.writeFrame(f, time.Until(deadline)) != nil {
				return
			}
		default:
			_ = c.writeFrame(outFrame{ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, "")}, time.Until(deadline))
			return
		}
	}
}

// writeFrame masks and writes one frame with a single Write, so that it is one
// TLS record.
func (c *Conn) writeFrame(f outFrame, within time.Duration) error {
	var buf bytes.Buffer
	buf.Grow(ws.MaxHeaderSize + len(f.payload))
	frame := ws.MaskFrameInPlace(ws.NewFrame(f.op, true, f.payload))
	if err := ws.WriteFrame(&buf, frame); err != nil {
		return err
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	select {
	case <-c.stop: // Close may have set its own limit before we set ours
		if err := c.nc.SetWriteDeadline(time.Now().Add(min(within, closeTimeout))); err != nil {
			return err
		}
	default:
	}
	_, err := c.nc.Write(buf.Bytes())
	return err
}

// Read returns the next whole message, text or binary. Control frames are
// answered and never returned; empty and oversized messages are dropped. After
// an error the connection is of no use any more.
func (c *Conn) Read() ([]byte, error) {
	msg, err := c.read()
	if err != nil {
		c.fail(err)
		<-c.failed
		return nil, c.err // the first cause, not the one that followed from it
	}
	return msg, nil
}

func (c *Conn) read() ([]byte, error) {
	var (
		msg     []byte
		inside  bool // a fragmented message has begun
		tooLong bool
	)
	for {
		h, err := c.header()
		if err != nil {
			return nil, err
		}
		if h.OpCode.IsControl() {
			if err := c.control(h); err != nil {
				return nil, err
			}
			continue
		}
		if inside != (h.OpCode == ws.OpContinuation) {
			return nil, fmt.Errorf("%w: fragments out of order", ErrProtocol)
		}
		inside = true
		tooLong = tooLong || h.Length > int64(c.o.MaxMessage-len(msg))
		if tooLong {
			msg = nil
			if _, err := io.CopyN(io.Discard, c.br, h.Length); err != nil {
				return nil, readError(err)
			}
		} else if msg, err = c.payload(msg, h); err != nil {
			return nil, err
		}
		c.heard.Store(time.Now().UnixNano())
		if !h.Fin {
			continue
		}
		if len(msg) > 0 {
			return msg, nil
		}
		if tooLong {
			c.log.Warn("dropped a message from the server that is too long", "limit_bytes", c.o.MaxMessage)
		}
		inside, tooLong = false, false
	}
}

// header reads the next frame header. Raw CRLFs between frames are swallowed:
// 0x0D would be a reserved control frame without FIN, which no server may send.
func (c *Conn) header() (ws.Header, error) {
	for {
		two, err := c.br.Peek(2)
		if err != nil {
			return ws.Header{}, readError(err)
		}
		if two[0] != '\r' || two[1] != '\n' {
			break
		}
		_, _ = c.br.Discard(2)
	}
	h, err := ws.ReadHeader(c.br)
	switch {
	case err != nil:
		return h, readError(err)
	case h.Rsv != 0, h.OpCode.IsReserved():
		return h, fmt.Errorf("%w: reserved bits or frame type %#x", ErrProtocol, h.OpCode)
	case h.OpCode.IsControl() && (!h.Fin || h.Length > ws.MaxControlFramePayloadSize):
		return h, fmt.Errorf("%w: control frame fragmented or too long", ErrProtocol)
	}
	return h, nil
}

func (c *Conn) payload(msg []byte, h ws.Header) ([]byte, error) {
	at := len(msg)
	msg = append(msg, make([]byte, h.Length)...)
	if _, err := io.ReadFull(c.br, msg[at:]); err != nil {
		return nil, readError(err)
	}
	if h.Masked { // a server must not, but it costs nothing to understand it
		ws.Cipher(msg[at:], h.Mask, 0)
	}
	return msg, nil
}

func (c *Conn) control(h ws.Header) error {
	data, err := c.payload(nil, h)
	if err != nil {
		return err
	}
	now := time.Now().UnixNano()
	c.heard.Store(now)
	switch h.OpCode {
	case ws.OpPing:
		if len(data) == 0 {
			// The same payload should come back (RFC 6455, 5.5.3), but an empty frame
			// makes FreeSWITCH hang up. A PONG that nobody asked for is allowed, and is
			// the sign of life that a server without a payload wants.
			data = []byte("alive")
		}
		return c.enqueue(ws.OpPong, data) // RFC 6455, 5.5.3: the same payload
	case ws.OpPong:
		if len(data) == pingLen {
			if d := now - int64(binary.BigEndian.Uint64(data)); d >= 0 && d < int64(time.Minute) {
				c.rtt.Store(d)
			}
		}
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(data)
		return fmt.Errorf("%w: code %d %q", ErrPeer, code, reason)
	}
	return nil
}

func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w without a word", ErrPeer)
	}
	return fmt.Errorf("reading from the server: %w", err)
}
